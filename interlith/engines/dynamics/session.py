"""What surrounds a run: the lock on its folder, signals, the clock on its potential."""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from interlith.errors import InputError, OutputError
from interlith.records import Record

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


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

    Signals reach the main thread only; in another thread nothing is watched.

    Attributes
    ----------
    caught : str or None
        Name of the signal.
    """

    def __init__(self) -> None:
        self.caught: str | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> SignalWatch:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._put_back()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.caught = signal.Signals(number).name
        if number == signal.SIGINT:  # a queue may repeat the others, an impatient user this one
            signal.signal(signal.SIGINT, self._before[signal.SIGINT])

    def _put_back(self) -> None:
        for number, handler in self._before.items():
            if handler is not None:  # None: set by something other than Python
                signal.signal(number, handler)


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
