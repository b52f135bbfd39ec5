"""Jobs of a flow that end before the walltime and go on in a new job by themselves.

Who runs a job in a queue says by ``INTERLITH_ON_WALLTIME`` what SIGUSR1 shall do: ``continue``
puts the same job into the flow again, in place of this one, as jobflow's managers for FireWorks
and jobflow-remote can; ``stop`` ends the process as Ctrl-C does, for a batch job that is put into
the queue again as a whole. Everything that the job has written down is found by the one after it.
Where the queue sends no signal, ``INTERLITH_STOP_AT`` says when to stop (seconds since 1970).

>>> going_on(lambda: "done", again=lambda: None)
'done'
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from interlith.errors import FailureError

ON_WALLTIME = "INTERLITH_ON_WALLTIME"
STOP_AT = "INTERLITH_STOP_AT"
MODES = ("continue", "stop")
MOST_RESTARTS = 100


class TimeIsUp(KeyboardInterrupt):
    """Told of the walltime; passes, as Ctrl-C does, through whatever treats failures."""


def going_on(work: Callable[[], Any], again: Callable[[], Any]) -> Any:
    """What a job gives; told of the walltime, the same job once more.

    Parameters
    ----------
    work : callable
        What the job does. Called again it must go on with what it finds on the disk.
    again : callable
        Makes the same jobflow job anew.

    Raises
    ------
    FailureError
        If the job was continued a hundred times and is not finished.
    TimeIsUp
        If the process shall end.
    """
    mode = os.environ.get(ON_WALLTIME)
    if mode not in MODES or threading.current_thread() is not threading.main_thread():
        return work()
    try:
        with _listening():
            return work()
    except TimeIsUp:
        if mode == "stop":
            raise
    return _in_a_new_job(again)


def _in_a_new_job(again: Callable[[], Any]) -> Any:
    from jobflow import CURRENT_JOB, Response

    current: Any = CURRENT_JOB.job
    if current.index > MOST_RESTARTS:
        raise FailureError(f"not finished after {MOST_RESTARTS} restarts; give it more walltime")
    following = again()
    following.name = current.name
    return Response(replace=following)


@contextmanager
def _listening() -> Iterator[None]:
    def tell(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # once is enough
        raise TimeIsUp

    before = signal.signal(signal.SIGUSR1, tell)
    try:
        with alarm():
            yield
    finally:
        signal.signal(signal.SIGUSR1, before)


@contextmanager
def alarm() -> Iterator[None]:
    """Within, this process sends SIGUSR1 to itself at the time that the environment names."""
    try:
        left = float(os.environ[STOP_AT]) - time.time()
    except (KeyError, ValueError):
        yield
        return
    clock = threading.Timer(max(left, 0.0), os.kill, (os.getpid(), signal.SIGUSR1))
    clock.daemon = True
    clock.start()
    try:
        yield
    finally:
        clock.cancel()
