"""What runs, where, how far; and why something does not."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from interlith.errors import InputError
from interlith.records import Record
from interlith.workflows.queue.jobs import ENDED, LOG, QUEUE_OUTPUT, Job, JobState, JobStatus
from interlith.workflows.queue.slurm import QueueLine, queue_lines

GONE = ("FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "COMPLETED",
        "BOOT_FAIL", "DEADLINE")  # fmt: skip
WRITING_S = 10
"""A state may be that much younger than what the queue says."""


class JobReport(Record):
    """One line of ``interlith status``.

    Attributes
    ----------
    progress : float or None
        Fraction of the steps of the run that was heard of last.
    left : str or None
        Time left: of that run if it says so, else of the walltime.
    """

    id: str
    name: str
    engine: str
    status: JobStatus
    reason: str | None
    host: str | None
    queue_id: str | None
    queue_state: str | None
    attempts: int
    commands_done: int
    commands: int
    progress: float | None
    left: str | None


class Diagnosis(Record):
    """Result of ``interlith why``."""

    id: str
    status: JobStatus
    reason: str | None
    cure: str
    exception: str | None
    log: tuple[str, ...]
    queue_output: tuple[str, ...]
    attempts: tuple[dict[str, object], ...]
    folder: str


CURES: tuple[tuple[str, str], ...] = (
    (r"OUT_OF_MEMORY|oom.?kill|MemoryError|CUDA out of memory|Unable to allocate",
     "it ran out of memory: submit again with more --memory, a smaller cell or fewer workers"),
    (r"No space left|disk is full|Disk quota exceeded",
     "the disk is full: free some space, then interlith retry"),
    (r"ModuleNotFoundError|ImportError|needs (the extra|pip install)",
     "a package is missing where the job ran: load the same environment there (--setup), or "
     "install it, then interlith retry"),
    (r"TIMEOUT|DUE TO TIME LIMIT|not finished after",
     "the walltime was too short for the steps between two checkpoints: submit with more --time"),
    (r"NODE_FAIL|killed by SIGKILL|lost",
     "the machine or the process died: interlith retry goes on from the last checkpoint"),
    (r"Invalid account|Invalid partition|invalid partition|AssocMax|QOS",
     "the queue refuses account, partition or limits: see sinfo and your accounts"),
    (r"CANCELLED|SIGTERM", "it was cancelled: interlith retry starts it again"),
    (r"Permission denied|Read-only file system",
     "a folder cannot be written from there: run in a folder that the nodes can write"),
    (r"Resources|Priority|Dependency", "it waits for its turn; nothing is wrong"),
    (r"does not answer|ServerSelectionTimeout|Connection refused",
     "the database cannot be reached from there: check its address and the firewall"),
)  # fmt: skip


def report(job: Job, line: QueueLine | None = None) -> JobReport:
    """State of a job, what is written and what the queue says taken together."""
    request, state = job.request(), job.state()
    status, reason = _status(job, state, request.engine, line)
    last = state.attempts[-1] if state.attempts else None
    steps = _progress(Path(request.folder), job) if status == "running" else None
    left = None if line is None or status in ENDED else line.left
    if steps is not None and steps[1] is not None:
        left = _clock(steps[1])
    return JobReport(
        id=job.id,
        name=request.name,
        engine=request.engine,
        status=status,
        reason=reason,
        host=(line.node or None) if line and line.node else (last.host if last else None),
        queue_id=state.queue_id,
        queue_state=line.state if line else None,
        attempts=len(state.attempts),
        commands_done=state.done,
        commands=len(request.commands),
        progress=None if steps is None else steps[0],
        left=left,
    )


def report_all(jobs: list[Job]) -> list[JobReport]:
    """State of several jobs, with one question to the queue."""
    numbers = {job.id: job.state().queue_id for job in jobs}
    lines = queue_lines(number for number in numbers.values() if number)
    return [report(job, lines.get(numbers[job.id] or "")) for job in jobs]


def _status(
    job: Job, state: JobState, engine: str, line: QueueLine | None
) -> tuple[JobStatus, str | None]:
    if state.status in ENDED or (state.status == "waiting" and engine != "slurm"):
        return state.status, state.reason
    if engine != "slurm":
        if state.status == "continuing" or job.running_here():
            return state.status, state.reason
        return "lost", "the process that ran it died"
    if line is None or line.state in GONE:
        return "lost", f"Slurm: {line.state}" if line else "Slurm does not know it any more"
    if line.state == "PENDING" and state.status != "continuing":
        return "waiting", f"Slurm: {line.reason}"
    return state.status, state.reason


def _progress(folder: Path, job: Job) -> tuple[float, float | None] | None:
    return progress_in(folder, (job.folder / "state.json").stat().st_mtime - WRITING_S)


def progress_in(folder: Path, since: float) -> tuple[float, float | None] | None:
    """Fraction and seconds left of the run below a folder that wrote last, if after a moment."""
    newest: tuple[float, Path] | None = None
    for pattern in ("progress.json", "*/progress.json", "*/*/progress.json", "*/*/*/progress.json"):
        for path in folder.glob(pattern):
            written = path.stat().st_mtime
            if written >= since and (newest is None or written > newest[0]):
                newest = written, path
    if newest is None or time.time() - newest[0] > 3600:
        return None
    try:
        data = json.loads(newest[1].read_text(encoding="utf-8"))
        return data["step"] / data["steps"], data.get("seconds_left")
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
        return None


def progress_and_left(folder: str | None, since: float) -> tuple[float | None, str | None]:
    """The same for a report, where a job of a flow said in which folder it works."""
    found = None if folder is None else progress_in(Path(folder), since - WRITING_S)
    if found is None:
        return None, None
    return found[0], None if found[1] is None else _clock(found[1])


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def why(job: Job, lines: int = 20) -> Diagnosis:
    """State, exception, last log lines, output of the queue, and what helps."""
    state = job.state()
    found = report_all([job])[0]
    log, output = job.tail(LOG, lines), job.tail(QUEUE_OUTPUT, lines)
    said = "\n".join([found.reason or "", found.queue_state or "", *output, *log])
    return Diagnosis(
        id=job.id,
        status=found.status,
        reason=found.reason,
        cure=_cure(found.status, said),
        exception=_exception(log),
        log=tuple(log),
        queue_output=tuple(output),
        attempts=tuple(attempt.to_json() for attempt in state.attempts),
        folder=str(job.folder),
    )


def cure_of(said: str, engine: str) -> str:
    """What helps against what a job on a LaunchPad, or in jobflow-remote's queue, said."""
    option = f"interlith retry --engine {engine}"
    for pattern, cure in CURES:
        if re.search(pattern, said, flags=re.IGNORECASE):
            return cure.replace("interlith retry", option)
    return f"mend what the message says, then {option}"


class _Named(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


def the_one(every: Sequence[N], name: str, what: str) -> N:
    """The report with this number, or the only one with this part in its name.

    Raises
    ------
    InputError
        If none, or several, fit.
    """
    fits = [one for one in every if one.id == name]
    fits = fits or [one for one in every if name in one.name]
    if len(fits) != 1:
        known = ", ".join(f"{one.id} ({one.name})" for one in (fits or every)[-6:]) or "none"
        raise InputError(f"{len(fits)} {what} fit '{name}'; they are {known}")
    return fits[0]


def tail_of(folder: Path, patterns: tuple[str, ...], lines: int) -> list[str]:
    """Last lines of the files of a folder that fit, each behind its name."""
    found: list[str] = []
    for path in sorted({path for pattern in patterns for path in folder.glob(pattern)}):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if text.strip():
            found += [f"-- {path.name}", *text.splitlines()[-lines:]]
    return found


def _cure(status: JobStatus, said: str) -> str:
    if status == "completed":
        return "nothing is wrong: it has ended well"
    for pattern, cure in CURES:
        if re.search(pattern, said, flags=re.IGNORECASE):
            return cure
    return {
        "waiting": "it waits: start interlith worker, or wait for the queue",
        "running": "it runs: interlith status shows how far it is",
        "continuing": "it goes on in a moment",
    }.get(status, "see the log above; mend the input and submit again, or interlith retry")


def _exception(log: list[str]) -> str | None:
    for line in reversed(log):
        if line.startswith("interlith: ") or re.match(r"[\w.]*(Error|Exception)\b", line):
            return line
    return None
