"""Run a flow here and now, without a database, telling how far it is."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

from jobflow import Flow, JobStore, run_locally
from maggma.stores import MemoryStore

from interlith.errors import FailureError

Progress = Callable[[str, int, int], None]


def run_flow(flow: Flow, progress: Progress | None = None) -> Any:
    """Run every job of a flow in this process and return the flow's output.

    Parameters
    ----------
    flow : Flow
        Must have an ``output``.
    progress : callable, optional
        Called with (name of the job just finished, jobs done, jobs).

    Raises
    ------
    FailureError
        If the job that makes the output did not finish; the cause is in its message.
    """
    store = JobStore(MemoryStore())
    logger = logging.getLogger("jobflow")
    watch = _Watch(len(list(flow.iterflow())), progress)
    level, propagate = logger.level, logger.propagate
    logger.addHandler(watch)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        with warnings.catch_warnings():
            # jobflow 0.4 calls a function that monty deprecates, once per job
            warnings.filterwarnings("ignore", message="cd is deprecated", category=FutureWarning)
            run_locally(flow, store=store, log=False, create_folders=False)
        output = flow.output.resolve(store)
    except (ValueError, KeyError) as error:
        cause = watch.trouble or error
        raise FailureError(f"the flow '{flow.name}' did not finish: {cause}") from error
    finally:
        logger.removeHandler(watch)
        logger.setLevel(level)
        logger.propagate = propagate
    return output


class _Watch(logging.Handler):
    """Turns jobflow's log lines into progress, and keeps the last error."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        super().__init__()
        self.total, self.progress = total, progress
        self.done = 0
        self.trouble: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Count ``Finished job - NAME (id)`` lines."""
        message = record.getMessage()
        if record.levelno >= logging.WARNING or "failed with exception" in message:
            self.trouble = message.strip().splitlines()[-1]
        if "Finished job" in message:
            self.done += 1
            if self.progress is not None:
                name = message.split(" - ", 1)[-1].rsplit(" (", 1)[0]
                self.progress(name, self.done, self.total)
