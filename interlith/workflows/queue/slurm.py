"""Slurm: the batch script of a job, submitting it, asking for it."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable

from interlith.errors import FailureError, InputError, MissingDependencyError
from interlith.records import Record
from interlith.workflows.queue.jobs import QUEUE_OUTPUT, Job

WAIT_S = 60


class QueueLine(Record):
    """What the queue says of a job.

    Attributes
    ----------
    left : str
        Time left, in Slurm's writing.
    """

    state: str
    left: str
    node: str
    reason: str


def script(job: Job) -> str:
    """The batch script of a job.

    Raises
    ------
    InputError
        If an option or a setup line has a line break.
    """
    request = job.request()
    asked = request.resources
    for line in (*asked.lines, *asked.setup):
        if "\n" in line or "\r" in line:
            raise InputError(f"the line {line!r} has a line break; give one option at a time")
    options = [
        f"--job-name={request.name}",
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={asked.cores}",
        f"--time={asked.walltime}",
        f"--signal=B:USR1@{asked.signal_before_s}",
        "--requeue",
        "--open-mode=append",
        f"--output={_slurm_path(job)}",
    ]
    if asked.memory_gb is not None:
        options.append(f"--mem={round(asked.memory_gb * 1024)}M")
    if asked.gpus:
        options.append(f"--gres=gpu:{asked.gpus}")
    if asked.partition:
        options.append(f"--partition={asked.partition}")
    if asked.account:
        options.append(f"--account={asked.account}")
    run = [sys.executable, "-m", "interlith.workflows.queue.runner", str(job.folder)]
    return "\n".join(
        [
            "#!/bin/bash",
            *(f"#SBATCH {option}" for option in (*options, *asked.lines)),
            "export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE",
            *asked.setup,
            f"cd {shlex.quote(request.folder)} || exit 1",
            "# exec: the signal before the walltime then reaches the runner itself",
            f"exec {shlex.join(run)}",
            "",
        ]
    )


def _slurm_path(job: Job) -> str:
    """Path for ``--output``, where a percent sign starts a pattern."""
    path = str(job.folder / QUEUE_OUTPUT).replace("%", "%%")
    return f'"{path}"' if " " in path else path


def submit(job: Job) -> str:
    """Put a job into the queue; its number there.

    Raises
    ------
    MissingDependencyError
        If there is no ``sbatch``.
    FailureError
        If Slurm refuses it.
    """
    if shutil.which("sbatch") is None:
        raise MissingDependencyError(
            "there is no sbatch here; submit on a machine of the cluster, or use --engine local"
        )
    path = job.folder / "job.sh"
    path.write_text(script(job), encoding="utf-8")
    number = _call(["sbatch", "--parsable", str(path)]).strip().partition(";")[0]
    job.write(job.state().model_copy(update={"queue_id": number, "status": "waiting"}))
    return number


def requeue(number: str) -> int:
    """Put the job that this process is into the queue again; it is killed by that."""
    done = subprocess.run(
        ["scontrol", "requeue", number], capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    if done.returncode:
        print(f"scontrol requeue {number}: {done.stderr.strip()}", file=sys.stderr)
    return done.returncode


def queue_lines(numbers: Iterable[str]) -> dict[str, QueueLine]:
    """What Slurm says of jobs that it still knows; empty where there is no Slurm."""
    wanted = ",".join(numbers)
    if not wanted or shutil.which("squeue") is None:
        return {}
    # all states: a job that has just ended is no lost one
    command = ["squeue", "--noheader", "--states=all", "--format=%i|%T|%L|%N|%r"]
    try:
        text = _call([*command, f"--jobs={wanted}"])
    except FailureError:  # none of them is known any more, and older versions call that an error
        return {}
    found = {}
    for line in text.splitlines():
        parts = line.strip().split("|")
        if len(parts) == 5:
            number, state, left, node, reason = parts
            found[number] = QueueLine(state=state, left=left, node=node, reason=reason)
    return found


def _call(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FailureError(f"{command[0]} does not answer: {error}") from error
    if done.returncode:
        raise FailureError(
            f"{command[0]} refused ({done.stderr.strip() or done.returncode}); "
            "check partition, account and limits"
        )
    return done.stdout
