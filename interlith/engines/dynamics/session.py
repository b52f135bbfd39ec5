"""What surrounds a run: the lock on its folder, signals, the clock on its potential."""

from __future__ import annotations

import fcntl
import math
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from interlith.errors import InputError, OutputError
from interlith.records import Record

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
GRACE_VARIABLE = "INTERLITH_GRACE_S"
GRACE_S = 10.0
"""How long a run goes on after SIGUSR1 at most, where nobody says how long it may."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for one run; the lock goes with the process, however that ends.

    Raises
    ------
    InputError
        If another process holds it.
    """
    try:
        file = (folder / "run.lock").open("a")
    except OSError as error:
        raise OutputError(f"cannot write in the folder '{folder}': {error}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another run is using the folder '{folder}'; wait for it or take another folder"
            ) from error
        yield


class SignalWatch:
    """Notes SIGTERM, SIGUSR1 and Ctrl-C instead of dying of them; a second one works as usual.

    Signals reach the main thread only; in another thread nothing is watched. At the end whoever
    listened for SIGUSR1 before hears of it: the job around a run has to end as well.

    Parameters
    ----------
    numbers : sequence of signal.Signals
        What is noted.

    Attributes
    ----------
    caught : str or None
        Name of the signal.
    leave_by : float
        Of the monotonic clock: after SIGUSR1 there is time to come to a regular checkpoint, after
        the others none. ``INTERLITH_GRACE_S`` says how long, else ten seconds.
    """

    def __init__(self, numbers: Sequence[signal.Signals] = SIGNALS) -> None:
        self.caught: str | None = None
        self.leave_by = math.inf
        self._numbers = tuple(numbers)
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> SignalWatch:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in self._numbers}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._put_back()
        before = self._before.get(signal.SIGUSR1)
        if self.caught == "SIGUSR1" and callable(before):
            before(signal.SIGUSR1, None)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        self.caught = signal.Signals(number).name
        grace = _grace_s() if number == signal.SIGUSR1 else 0.0
        self.leave_by = min(self.leave_by, now + grace)
        if number == signal.SIGINT:  # a queue may repeat the others, an impatient user this one
            signal.signal(signal.SIGINT, self._before[signal.SIGINT])

    def _put_back(self) -> None:
        for number, handler in self._before.items():
            if handler is not None:  # None: set by something other than Python
                signal.signal(number, handler)


def _grace_s() -> float:
    try:
        return float(os.environ[GRACE_VARIABLE])
    except (KeyError, ValueError):
        return GRACE_S


class ForceTimer:
    """Sums up the time inside a calculator's ``calculate``.

    Attributes
    ----------
    seconds : float
    """

    def __init__(self, calculator: Any) -> None:
        self.seconds = 0.0
        self._calculate = calculator.calculate
        calculator.calculate = self._timed

    def _timed(self, *arguments: Any, **named: Any) -> None:
        start = time.perf_counter()
        try:
            self._calculate(*arguments, **named)
        finally:
            self.seconds += time.perf_counter() - start


def write_small(path: Path, record: Record) -> None:
    """Put a record into a file, whole; left out when the disk is full, where frames matter more."""
    temporary = path.with_name(path.name + ".part")
    with suppress(OSError):
        temporary.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, path)
