"""Runs side by side, each in a folder of its own that it goes on in."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from interlith.engines.dynamics.session import SignalWatch
from interlith.engines.md import MDProgress, MDRecord, MDSettings, run_md
from interlith.engines.potentials import settle_threads
from interlith.errors import FailureError, InputError, OutputError
from interlith.structures.files.formats import read_structure
from interlith.workflows.committee import driver

POLL_S = 1.0
GRACE_S = 60.0
Progress = Callable[[int, int], None]
_TOLD: list[Event] = []
"""In a worker: set when its runs shall end."""


@dataclass(frozen=True)
class Replica:
    """One run of a ladder: everything a process needs to start or go on with it."""

    folder: str
    start: str
    potential: str
    settings: MDSettings


def run_replica(replica: Replica) -> dict[str, Any]:
    """Run one replica in a worker to its end, a signal or a guard; the record as plain data."""
    settle_threads()
    if _TOLD and _TOLD[0].is_set():
        raise FailureError("not run: this process was told to end")
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    return run_here(replica).to_json()


def _listen(told: Event) -> None:
    """In a worker: checkpoint and leave when the process that started it was told to."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # between runs there is nothing to keep
    _TOLD.append(told)

    def hand_on() -> None:
        told.wait()
        os.kill(os.getpid(), signal.SIGUSR1)

    threading.Thread(target=hand_on, daemon=True).start()


def run_here(replica: Replica, progress: Callable[[MDProgress], None] | None = None) -> MDRecord:
    """Run one replica in this process."""
    atoms = read_structure(Path(replica.start)).to_ase_atoms(msonable=False)
    return run_md(
        atoms, driver(replica.potential), replica.settings, replica.folder, progress=progress
    )


def _leave_with(parent: int) -> None:
    """Checkpoint and leave when the process that started this one is gone."""
    while os.getppid() == parent:
        time.sleep(POLL_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)  # the run writes its checkpoint; nobody waits for the answer
    os._exit(1)


def run_side_by_side(
    replicas: Sequence[Replica], workers: int, progress: Progress | None = None
) -> list[MDRecord | str]:
    """Run replicas, ``workers`` at a time in processes of their own; one at a time in this one.

    Those that came to their end in an earlier call are read back.

    Returns
    -------
    list
        A record for each replica, in order, or the reason why it has none.
    """
    settle_threads()  # inherited by the processes, before any of them loads torch
    outcomes: dict[Replica, MDRecord | str] = {}
    for replica in replicas:
        done = finished(replica)
        if done is not None:
            outcomes[replica] = done
    left = [replica for replica in replicas if replica not in outcomes]
    if min(workers, len(left)) <= 1:
        outcomes |= _one_by_one(left, replicas, progress)
    else:
        outcomes |= _in_processes(left, workers, replicas, progress)
    return [outcomes[replica] for replica in replicas]


def finished(replica: Replica) -> MDRecord | None:
    """The record of a replica that is at its end with these settings and this potential."""
    try:
        text = (Path(replica.folder) / "record.json").read_text(encoding="utf-8")
        record = MDRecord.model_validate_json(text)
        whole = Path(record.trajectory.path).stat().st_size == record.trajectory.size_bytes
    except (OSError, UnicodeDecodeError, ValidationError):
        return None
    identity = driver(replica.potential).identity
    same = record.potential.sha256 == identity.sha256 and record.settings == replica.settings
    return record if record.status == "finished" and same and whole else None


def _one_by_one(
    left: Sequence[Replica], replicas: Sequence[Replica], progress: Progress | None
) -> dict[Replica, MDRecord | str]:
    outcomes: dict[Replica, MDRecord | str] = {}
    stopped = False
    for replica in left:
        if stopped:
            outcomes[replica] = "not run: an earlier one was interrupted"
            continue
        try:
            outcome = run_here(replica, lambda _: _tell(replicas, progress))
            stopped = outcome.status == "interrupted"
            outcomes[replica] = outcome
        except (InputError, FailureError, OutputError) as error:
            outcomes[replica] = str(error)
    return outcomes


def _in_processes(
    left: Sequence[Replica], workers: int, replicas: Sequence[Replica], progress: Progress | None
) -> dict[Replica, MDRecord | str]:
    outcomes: dict[Replica, MDRecord | str] = {}
    context = multiprocessing.get_context("spawn")
    told = context.Event()
    with (
        SignalWatch((signal.SIGTERM, signal.SIGUSR1)) as signals,
        ProcessPoolExecutor(
            min(workers, len(left)), mp_context=context, initializer=_listen, initargs=(told,)
        ) as pool,
    ):
        futures = {replica: pool.submit(run_replica, replica) for replica in left}
        waiting = set(futures.values())
        try:
            while waiting:
                _, waiting = wait(waiting, timeout=POLL_S, return_when=FIRST_COMPLETED)
                if signals.caught is not None and not told.is_set():
                    told.set()
                    waiting -= {future for future in waiting if future.cancel()}
                _tell(replicas, progress)
        except KeyboardInterrupt:  # what runs writes a checkpoint; what waits never begins
            told.set()
            for future in waiting:
                future.cancel()
            raise
        for replica, future in futures.items():
            if future.cancelled():
                outcomes[replica] = f"not run: {signals.caught} came before its turn"
                continue
            error = future.exception()
            if error is None:
                outcomes[replica] = MDRecord.model_validate(future.result())
            elif isinstance(error, InputError | FailureError | OutputError):
                outcomes[replica] = str(error)
            else:
                raise error
    return outcomes


def _tell(replicas: Sequence[Replica], progress: Progress | None) -> None:
    if progress is not None:
        total = sum(replica.settings.steps for replica in replicas)
        progress(sum(steps_done(replica) for replica in replicas), total)


def steps_done(replica: Replica) -> int:
    """Steps of a replica so far, from its progress file."""
    try:
        text = (Path(replica.folder) / "progress.json").read_text(encoding="utf-8")
        return int(json.loads(text)["step"])
    except (OSError, ValueError, KeyError):
        return 0
