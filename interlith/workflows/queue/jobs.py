"""Jobs as folders: making, claiming, finding them.

>>> queue = Queue("queue")
>>> job = queue.add(JobRequest(name="demo", commands=(("window", "Li3PS4"),), folder="."))
>>> job.state().status
'waiting'
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, ValidationError

from interlith.errors import FailureError, InputError, OutputError
from interlith.records import Record

JobStatus = Literal["waiting", "running", "continuing", "completed", "failed", "cancelled", "lost"]
ENDED: tuple[JobStatus, ...] = ("completed", "failed", "cancelled", "lost")
R = TypeVar("R", bound=Record)
LOG, QUEUE_OUTPUT = "log.txt", "queue.out"


class Resources(Record):
    """What a job asks of a queue.

    Attributes
    ----------
    signal_before_s : int
        How long before the walltime a run is told to write a checkpoint.
    lines : tuple of str
        Further ``#SBATCH`` options.
    setup : tuple of str
        Shell lines before the run, such as ``module load``.
    """

    cores: int = Field(1, ge=1)
    gpus: int = Field(0, ge=0)
    memory_gb: float | None = Field(None, gt=0)
    walltime: str = Field("24:00:00", pattern=r"^(\d+-)?\d{1,3}:\d{2}:\d{2}$")
    partition: str | None = Field(None, pattern=r"^[\w.,-]+$")
    account: str | None = Field(None, pattern=r"^[\w.-]+$")
    signal_before_s: int = Field(180, ge=5)
    max_restarts: int = Field(100, ge=0)
    lines: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()

    @property
    def seconds(self) -> int:
        """The walltime."""
        days, _, clock = self.walltime.rpartition("-")
        hours, minutes, seconds = (int(part) for part in clock.split(":"))
        return ((24 * int(days or 0) + hours) * 60 + minutes) * 60 + seconds


class JobRequest(Record):
    """What to run.

    Attributes
    ----------
    commands : tuple of tuple of str
        Arguments of ``interlith``, one command after the other.
    folder : str
        Where they run.
    repeat_when_signalled : bool
        A command that was told of the walltime and ended well is run again, because it may have
        left runs unfinished (studies do).
    """

    schema_version: int = 1
    id: str = ""
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,60}$")
    engine: Literal["local", "slurm", "fireworks", "remote"] = "local"
    commands: tuple[tuple[str, ...], ...]
    folder: str
    resources: Resources = Resources()
    repeat_when_signalled: bool = False
    created: str = ""


class Attempt(Record):
    """One go at a job.

    Attributes
    ----------
    ended : str or None
        None while it runs, and for ever if its machine or process died.
    """

    host: str
    process: int
    queue_id: str | None
    started: str
    ended: str | None = None
    outcome: str | None = None


class JobState(Record):
    """How far a job is.

    Attributes
    ----------
    done : int
        Commands that ended well.
    """

    schema_version: int = 1
    status: JobStatus = "waiting"
    reason: str | None = None
    done: int = 0
    queue_id: str | None = None
    attempts: tuple[Attempt, ...] = ()


class Job:
    """A job's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def id(self) -> str:
        """Name of the folder."""
        return self.folder.name

    def request(self) -> JobRequest:
        """What to run."""
        return _read(self.folder / "job.json", JobRequest)

    def state(self) -> JobState:
        """How far it is, by what was written down."""
        return _read(self.folder / "state.json", JobState)

    def rewrite(self, request: JobRequest) -> None:
        """Change what it runs, before it runs."""
        _write(self.folder / "job.json", request)

    def write(self, state: JobState) -> JobState:
        """Put a state down, whole."""
        _write(self.folder / "state.json", state)
        return state

    @contextmanager
    def claimed(self) -> Iterator[bool]:
        """Hold the job; False if another process does. Gone with the process, however it ends."""
        with (self.folder / "claim.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def running_here(self) -> bool:
        """Whether a process of this machine holds it."""
        with self.claimed() as free:
            return not free

    def tail(self, name: str, lines: int = 20) -> list[str]:
        """The last lines of one of its files."""
        try:
            with (self.folder / name).open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - 20_000))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return []
        return text.splitlines()[-lines:]


class Queue:
    """A folder of jobs."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).resolve()

    def add(self, request: JobRequest) -> Job:
        """Make the folder of a job, waiting.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        stamp = datetime.now(UTC)
        identity = f"{stamp:%y%m%d-%H%M%S}-{secrets.token_hex(2)}-{request.name}"
        job = Job(self.folder / identity)
        try:
            job.folder.mkdir(parents=True)
        except OSError as error:
            raise OutputError(f"cannot make {job.folder} ({error.strerror})") from error
        known = {"id": identity, "created": stamp.isoformat(timespec="seconds")}
        job.write(JobState())
        _write(job.folder / "job.json", request.model_copy(update=known))
        return job

    def jobs(self) -> list[Job]:
        """All of them, the oldest first."""
        return [Job(path.parent) for path in sorted(self.folder.glob("*/job.json"))]

    def find(self, name: str) -> Job:
        """A job by id, a part of the id, or its queue number.

        Raises
        ------
        InputError
            If none, or several, fit.
        """
        jobs = self.jobs()
        fits = [job for job in jobs if job.id == name or job.state().queue_id == name]
        fits = fits or [job for job in jobs if name in job.id]
        if len(fits) != 1:
            known = ", ".join(job.id for job in (fits or jobs)[-6:]) or "none"
            raise InputError(f"{len(fits)} jobs fit '{name}'; jobs are {known}")
        return fits[0]


def now() -> str:
    """Time for a record."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def begin(job: Job, queue_id: str | None) -> JobState:
    """Note that an attempt starts here."""
    state = job.state()
    attempt = Attempt(
        host=socket.gethostname(), process=os.getpid(), queue_id=queue_id, started=now()
    )
    change = {
        "status": "running",
        "reason": None,
        "queue_id": queue_id or state.queue_id,
        "attempts": (*state.attempts, attempt),
    }
    return job.write(state.model_copy(update=change))


def end(job: Job, status: JobStatus, reason: str | None = None, **change: object) -> JobState:
    """Note how the last attempt ended."""
    state = job.state()
    last = state.attempts[-1].model_copy(update={"ended": now(), "outcome": reason or status})
    change |= {"status": status, "reason": reason, "attempts": (*state.attempts[:-1], last)}
    return job.write(state.model_copy(update=change))


def safe_name(text: str) -> str:
    """A name for a job from whatever it runs."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:60] or "job"


def _write(path: Path, record: Record) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(record.model_dump_json(indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path} ({error.strerror or error})") from error


def _read(path: Path, kind: type[R]) -> R:
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FailureError(f"cannot read {path} ({error.strerror})") from error
    except ValidationError as error:
        raise FailureError(
            f"{path} is damaged, or of another version: {error.errors()[0]['msg']}"
        ) from error
