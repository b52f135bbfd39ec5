"""A worker without any server: runs the waiting jobs of a folder, and retries."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from interlith.errors import InputError
from interlith.workflows.queue.jobs import Job, JobState, Queue
from interlith.workflows.queue.reports import report
from interlith.workflows.queue.runner import Runner
from interlith.workflows.queue.slurm import queue_lines, submit

OPEN = ("waiting", "continuing")
PAUSE_S = 2.0


def work(
    queue: Queue,
    *,
    most: int | None = None,
    keep_waiting: bool = False,
    told: Callable[[Job, JobState], None] | None = None,
) -> list[str]:
    """Run the waiting local jobs, the oldest first; several workers share them.

    Parameters
    ----------
    most : int, optional
        Stop after so many.
    keep_waiting : bool
        Look for new ones for ever.
    told : callable, optional
        Called after each job.

    Returns
    -------
    list of str
        Ids of what was run.
    """
    done: list[str] = []
    while most is None or len(done) < most:
        found = _next(queue, told)
        if found is not None:
            done.append(found)
        elif keep_waiting:
            time.sleep(PAUSE_S)
        else:
            break
    return done


def _next(queue: Queue, told: Callable[[Job, JobState], None] | None) -> str | None:
    for job in queue.jobs():
        if job.request().engine != "local" or job.state().status not in OPEN:
            continue
        with job.claimed() as free:
            # asked again under the lock: another worker may have been faster
            if not free or job.state().status not in OPEN:
                continue
            state = Runner(job).run()
        if told is not None:
            told(job, state)
        return job.id
    return None


def retry(jobs: Iterable[Job]) -> list[str]:
    """Put ended jobs into the queue again; commands that ended well are not repeated.

    Raises
    ------
    InputError
        If one runs, waits or has ended well.
    """
    chosen = list(jobs)
    numbers = {job.id: job.state().queue_id or "" for job in chosen}
    lines = queue_lines(number for number in numbers.values() if number)
    for job in chosen:
        status = report(job, lines.get(numbers[job.id])).status
        if status not in ("failed", "cancelled", "lost"):
            raise InputError(
                f"{job.id} is {status}; only failed, cancelled and lost jobs are tried again"
            )
    for job in chosen:
        change = {"status": "waiting", "reason": None, "queue_id": None}
        job.write(job.state().model_copy(update=change))
        if job.request().engine == "slurm":
            submit(job)
    return [job.id for job in chosen]


def ended_badly(queue: Queue) -> list[Job]:
    """Jobs that a retry may help."""
    jobs = queue.jobs()
    numbers = {job.id: job.state().queue_id or "" for job in jobs}
    lines = queue_lines(number for number in numbers.values() if number)
    return [
        job
        for job in jobs
        if report(job, lines.get(numbers[job.id])).status in ("failed", "cancelled", "lost")
    ]
