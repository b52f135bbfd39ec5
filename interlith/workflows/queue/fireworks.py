"""FireWorks: flows and jobs on a LaunchPad, workers for them, queues, and what became of them.

A study goes there as jobflow's flow; a single command as :class:`RunJobTask`, which continues in a
new Firework when the queue told it of the walltime. The address of the LaunchPad stays with who
opened it: it is in no Firework and no file.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shlex
import signal
import socket
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fireworks import (
    FiretaskBase,
    Firework,
    FWAction,
    FWorker,
    LaunchPad,
    Workflow,
    explicit_serialize,
)
from jobflow import Flow
from jobflow.managers.fireworks import flow_to_workflow

from interlith.engines.dynamics.session import GRACE_VARIABLE
from interlith.errors import FailureError, InputError
from interlith.workflows.queue.jobs import Job, Resources
from interlith.workflows.queue.runner import run_job
from interlith.workflows.walltime import ON_WALLTIME, STOP_AT, alarm

WORKERS = "workers"
"""Folder of the locks of workers, beside their launches."""
QUEUES = {"slurm": "SLURM", "pbs": "PBS", "lsf": "LoadSharingFacility"}


@explicit_serialize
class RunJobTask(FiretaskBase):  # type: ignore[misc]
    """Runs the job of a folder; goes on in a new Firework after the signal before the walltime."""

    required_params = ("folder",)

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction | None:
        """One attempt.

        Raises
        ------
        FailureError
            If the job failed: FireWorks then calls it FIZZLED and keeps the message.
        """
        job = Job(Path(self["folder"]))
        with alarm():
            state = run_job(job) or job.state()
        if state.status == "completed":
            return None
        if state.status == "continuing":
            limit = job.request().resources.max_restarts
            if len(state.attempts) > limit:
                raise FailureError(f"not finished after {limit} restarts; give it more walltime")
            return FWAction(detours=[_firework(job)])
        raise FailureError(f"{state.status}: {state.reason}; see {job.folder}")


def _firework(job: Job) -> Firework:
    request = job.request()
    spec = {"_queueadapter": queue_options(request.resources), "folder": request.folder}
    return Firework([RunJobTask(folder=str(job.folder))], spec=spec, name=request.name)


def job_workflow(job: Job) -> Workflow:
    """A workflow of one job's folder."""
    return Workflow([_firework(job)], name=job.request().name)


def study_workflow(
    flow: Flow, then: Job, resources: Mapping[str, Resources] | None = None
) -> Workflow:
    """A study's flow, and behind it the job that puts its results into the database.

    Parameters
    ----------
    flow : Flow
        From ``AssessMaker``.
    then : Job
        Run when everything else has ended well.
    resources : mapping, optional
        What jobs ask of a queue, by the first word of their name; ``""`` for all others.
    """
    asked = dict(resources or {})
    for job, _ in flow.iterflow():
        chosen = asked.get(job.name.split()[0], asked.get(""))
        if chosen is not None:
            job.update_config({"manager_config": {"_queueadapter": queue_options(chosen)}})
    made = flow_to_workflow(flow)
    leaves = [made.id_fw[number] for number in made.leaf_fw_ids]
    last = _firework(then)
    links = {fw.fw_id: list(children) for fw, children in _links(made).items()}
    for leaf in leaves:
        links.setdefault(leaf.fw_id, []).append(last.fw_id)
    return Workflow([*made.fws, last], links_dict=links, name=flow.name)


def _links(made: Workflow) -> dict[Firework, list[int]]:
    return {made.id_fw[number]: children for number, children in made.links.items()}


def queue_options(asked: Resources) -> dict[str, Any]:
    """Resources in the words of the templates, the same for every queue."""
    options: dict[str, Any] = {
        "nodes": 1,
        "ntasks": 1,
        "cpus_per_task": asked.cores,
        "walltime": asked.walltime,
        "signal": f"B:USR1@{asked.signal_before_s}",
        "minutes_before": max(1, round(asked.signal_before_s / 60)),
        "signal_before_s": asked.signal_before_s,
    }
    if asked.memory_gb is not None:
        options["mem"] = f"{round(asked.memory_gb * 1024)}M"
    if asked.gpus:
        options["gres"] = f"gpu:{asked.gpus}"
    if asked.partition:
        options["queue"] = asked.partition
    if asked.account:
        options["account"] = asked.account
    return options


def queue_adapter(queue: str, project: Path, asked: Resources) -> Any:
    """How FireWorks writes batch scripts here.

    Raises
    ------
    InputError
        If FireWorks does not know the queue.
    """
    from fireworks.user_objects.queue_adapters.common_adapter import CommonAdapter

    if queue not in QUEUES:
        raise InputError(f"--queue {queue} is not known; queues are {', '.join(QUEUES)}")
    worker = [sys.executable, "-m", "interlith", "worker", "--engine", "fireworks",
              "--store", str(project), "--singleshot"]  # fmt: skip
    setup = [
        "trap '' USR1  # a signal that comes before the worker listens must not end it",
        "export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE",
        *asked.setup,
    ]
    return CommonAdapter(
        q_type=QUEUES[queue],
        template_file=str(Path(__file__).with_name("templates") / f"{queue}.txt"),
        rocket_launch="exec " + shlex.join(worker),
        pre_rocket="\n".join(setup),
        **queue_options(asked),
    )


def run_ready(
    pad: LaunchPad, folder: Path, *, most: int | None = None, keep_waiting: bool = False
) -> int:
    """Run the Fireworks that are ready, one after the other, until none is; how many.

    Parameters
    ----------
    keep_waiting : bool
        Look for further ones for ever.
    """
    from fireworks.core.rocket_launcher import rapidfire

    before = _launches(pad)
    with working(folder) as me:
        _on_walltime({})
        rapidfire(
            pad, me, m_dir=str(folder), nlaunches=-1 if keep_waiting and not most else most or 0,
            sleep_time=1, strm_lvl="ERROR",
        )  # fmt: skip
    return _launches(pad) - before


def run_one(pad: LaunchPad, number: int, folder: Path) -> bool:
    """Run the Firework that a queue reserved."""
    from fireworks.core.rocket_launcher import launch_rocket

    asked = pad.get_fw_by_id(number).spec.get("_queueadapter", {})
    with working(folder) as me:
        _on_walltime(asked)
        return bool(launch_rocket(pad, me, fw_id=number, strm_lvl="ERROR"))


@contextmanager
def working(folder: Path) -> Iterator[FWorker]:
    """A worker that others see to be alive: it holds a lock as long as its process is there.

    Parameters
    ----------
    folder : Path
        Of the launches, on a file system that keeps locks.
    """
    workers = folder / WORKERS
    workers.mkdir(parents=True, exist_ok=True)
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    with (workers / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield FWorker(name=name)
        (workers / f"{name}.lock").unlink(missing_ok=True)


def _on_walltime(asked: Mapping[str, Any]) -> None:
    """Jobs that can go on in a new Firework do so; others run until the queue ends them.

    The clock says when, for queues that send no signal before the walltime.
    """
    os.environ.setdefault(ON_WALLTIME, "continue")
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    if {"signal_before_s", "walltime"} <= set(asked):
        before = int(asked["signal_before_s"])
        left = Resources(walltime=asked["walltime"]).seconds - before
        os.environ[GRACE_VARIABLE] = f"{before / 2:g}"
        os.environ.setdefault(STOP_AT, f"{time.time() + max(left, 1):.0f}")


def fill_queue(pad: LaunchPad, adapter: Any, folder: Path, *, most: int | None = None) -> int:
    """Put every Firework that is ready into the queue, reserved (as ``qlaunch -r``); how many."""
    from fireworks.queue.queue_launcher import launch_rocket_to_queue

    folder.mkdir(parents=True, exist_ok=True)
    # a key that one queue's template has no place for is no fault
    warnings.filterwarnings("ignore", message="Key .* has been specified in qadapter")
    count = 0
    while most is None or count < most:
        number = launch_rocket_to_queue(
            pad, FWorker(), adapter, str(folder), reserve=True, strm_lvl="ERROR",
            create_launcher_dir=True,
        )  # fmt: skip
        if number is False:
            raise FailureError(f"the queue refused a job; see the messages above and {folder}")
        if not number:
            break
        count += 1
    return count


def _launches(pad: LaunchPad) -> int:
    return int(pad.launches.count_documents({"state": {"$in": ["COMPLETED", "FIZZLED"]}}))
