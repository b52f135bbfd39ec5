"""Runs one job: ``python -m interlith.workflows.queue.runner FOLDER``; what a batch script starts.

Before the walltime the queue sends SIGUSR1 to this process. It hands it on to the run, which
writes a checkpoint and ends, and puts the job into the queue again. The run itself starts with
SIGUSR1 ignored, so that of its processes only those that know what to do react.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType

from interlith.engines.dynamics.session import GRACE_VARIABLE
from interlith.workflows.queue.jobs import LOG, Job, JobRequest, JobState, begin, end
from interlith.workflows.walltime import ON_WALLTIME

BUSY = 3
"""Exit code where another process holds the job."""
MARGIN_S = 20
"""Kept of the time before the walltime for putting the job into the queue again."""
PR_SET_PDEATHSIG = 1
GRACE_S = 30
"""How long a run may take to end after SIGTERM."""


class Runner:
    """One attempt at a job."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.told: signal.Signals | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._patience: threading.Timer | None = None

    def run(self) -> JobState:
        """Every command that is left, in order."""
        request = self.job.request()
        state = begin(self.job, os.environ.get("SLURM_JOB_ID"))
        for number in range(state.done, len(request.commands)):
            code = self._command(request, request.commands[number])
            if self.told == signal.SIGUSR1 and (code or request.repeat_when_signalled):
                return end(self.job, "continuing", "told of the walltime; goes on from here")
            if self.told == signal.SIGTERM:
                return end(self.job, "cancelled", "stopped by SIGTERM (cancelled, or preempted)")
            if code:
                return end(self.job, "failed", self._reason(code))
            self.job.write(self.job.state().model_copy(update={"done": number + 1}))
        return end(self.job, "completed")

    def _command(self, request: JobRequest, arguments: tuple[str, ...]) -> int:
        with (self.job.folder / LOG).open("ab") as log:
            log.write(f"\n$ interlith {' '.join(arguments)}\n".encode())
            log.flush()
            before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # inherited by the run
            self._child = subprocess.Popen(
                [sys.executable, "-m", "interlith", *arguments],
                cwd=request.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
                env=os.environ
                | {ON_WALLTIME: "stop", GRACE_VARIABLE: f"{_patience_s(request) / 2}"},
            )
            signal.signal(signal.SIGUSR1, before)
            signals = {n: signal.signal(n, self._note) for n in (signal.SIGUSR1, signal.SIGTERM)}
            try:
                if self.told is not None:  # it came while the run was started
                    self._hand_on(self.told, request)
                return self._child.wait()
            finally:
                if self._patience is not None:
                    self._patience.cancel()
                for number, handler in signals.items():
                    signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.told = signal.Signals(number)
        self._hand_on(self.told, self.job.request())

    def _hand_on(self, number: signal.Signals, request: JobRequest) -> None:
        self._send(number)
        patience = GRACE_S
        if number == signal.SIGUSR1:
            patience = _patience_s(request)
        if self._patience is not None:
            self._patience.cancel()
        self._patience = threading.Timer(patience, self._send, (signal.SIGKILL,))
        self._patience.daemon = True
        self._patience.start()

    def _send(self, number: signal.Signals) -> None:
        if self._child is not None and self._child.poll() is None:
            try:
                os.killpg(self._child.pid, number)
            except ProcessLookupError:
                return

    def _reason(self, code: int) -> str:
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        said = [line for line in self.job.tail(LOG) if line.startswith("interlith: ")]
        return said[-1].removeprefix("interlith: ") if said else f"exit code {code}"


def _said(request: JobRequest) -> dict[str, str]:
    """What a run is to do before the walltime, as environment."""
    return {ON_WALLTIME: "stop", GRACE_VARIABLE: f"{_patience_s(request) / 2:g}"}


def _patience_s(request: JobRequest) -> int:
    """How long a run that was told of the walltime may take to end."""
    return max(5, request.resources.signal_before_s - MARGIN_S)


def _die_with_parent() -> None:
    """Linux: ask for SIGTERM when this runner dies, so that a killed one leaves no run behind."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def run_job(job: Job) -> JobState | None:
    """Run a job unless another process does (None), or it has ended."""
    with job.claimed() as free:
        if not free or job.state().status == "completed":
            return None
        return Runner(job).run()


def main(folder: str) -> int:
    """Run one job and, where the queue is Slurm and time ran out, put it there again."""
    job = Job(Path(folder))
    state = run_job(job)
    if state is None:
        print(f"{job.id} is run by another process, or has ended", file=sys.stderr)
        return BUSY
    if state.status == "continuing":
        return _again(job, state)
    return 0 if state.status == "completed" else 1


def _again(job: Job, state: JobState) -> int:
    from interlith.workflows.queue.slurm import requeue

    limit = job.request().resources.max_restarts
    if len(state.attempts) > limit:
        end(job, "failed", f"not finished after {limit} restarts; give it more walltime")
        return 1
    number = os.environ.get("SLURM_JOB_ID")
    if number is None:
        return 0  # a worker takes it up again
    return requeue(number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
