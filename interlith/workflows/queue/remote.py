"""jobflow-remote: a study's flow in its queue, its runner, and what became of the jobs.

Import this after :func:`interlith.store.remote.open_remote`: jobflow-remote reads its settings
when it is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

from jobflow import Flow, job

from interlith.engines.dynamics.session import GRACE_VARIABLE
from interlith.errors import FailureError, InputError
from interlith.records import Record
from interlith.workflows.queue.jobs import Job, JobStatus, Resources
from interlith.workflows.queue.reports import (
    Diagnosis,
    cure_of,
    progress_and_left,
    tail_of,
    the_one,
)
from interlith.workflows.queue.runner import run_job
from interlith.workflows.walltime import ON_WALLTIME, STOP_AT, TimeIsUp, going_on

STATES: dict[str, JobStatus] = {
    "COMPLETED": "completed",
    "FAILED": "failed",
    "REMOTE_ERROR": "failed",
    "PAUSED": "waiting",
    "STOPPED": "cancelled",
    "USER_STOPPED": "cancelled",
    "WAITING": "waiting",
    "READY": "waiting",
    "CHECKED_OUT": "waiting",
    "UPLOADED": "waiting",
    "SUBMITTED": "waiting",
    "BATCH_SUBMITTED": "waiting",
}
"""All others run."""
OUTPUTS = ("queue.out", "queue.err")
BAD = ("FAILED", "REMOTE_ERROR")


class RemoteReport(Record):
    """One job; ``index`` counts the jobs that went on from the one before."""

    id: str
    name: str
    status: JobStatus
    state: str
    worker: str
    queue_id: str | None
    index: int
    folder: str | None
    progress: float | None
    left: str | None
    reason: str | None
    cure: str | None
    trace: tuple[str, ...] = ()


@job
def folder_job(folder: str) -> Any:
    """Runs the job of a folder; told of the walltime it goes on in a new one."""

    def work() -> str:
        one = Job(Path(folder))
        state = run_job(one) or one.state()
        if state.status == "continuing":
            raise TimeIsUp
        if state.status != "completed":
            raise FailureError(f"{state.status}: {state.reason}; see {folder}")
        return "completed"

    return going_on(work, lambda: folder_job(folder))


class RemoteQueue:
    """The queue of a jobflow-remote project.

    Parameters
    ----------
    project : str
        Its name; the folder of projects is jobflow-remote's setting.
    """

    def __init__(self, project: str) -> None:
        from jobflow_remote import JobController
        from jobflow_remote.config import ConfigError, ConfigManager

        try:
            self.project = ConfigManager().get_project(project)
        except ConfigError as error:
            raise InputError(f"jobflow-remote's project '{project}': {error}") from error
        self.controller = JobController.from_project(self.project)
        if self.controller.auxiliary.find_one({"next_id": {"$exists": True}}) is None:
            self.controller.reset(reset_output=False)  # nothing is there yet

    def submit(
        self,
        flow: Flow,
        asked: Resources,
        *,
        worker: str | None = None,
        stages: Mapping[str, Resources] | None = None,
    ) -> list[str]:
        """Put a flow into the queue; ids of its jobs.

        Parameters
        ----------
        worker : str, optional
            One of the project's; by default its first.
        stages : mapping, optional
            What jobs ask for instead, by the first word of their name.

        Raises
        ------
        InputError
            If there is no such worker.
        """
        from jobflow_remote import submit_flow
        from jobflow_remote.config.base import ExecutionConfig

        chosen = worker or str(next(iter(self.project.workers), ""))
        if chosen not in self.project.workers:
            raise InputError(
                f"--worker {chosen} is not known; jobflow-remote's project '{self.project.name}' "
                f"has {', '.join(self.project.workers) or 'none'}"
            )
        for one, _ in flow.iterflow():
            special = (stages or {}).get(one.name.split()[0])
            if special is not None:
                one.update_config({"manager_config": self._manager_config(special, chosen)})
        return list(
            submit_flow(
                flow,
                worker=chosen,
                project=self.project.name,
                resources=self._resources(asked, chosen),
                exec_config=ExecutionConfig(pre_run=before_run(asked)),
            )
        )

    def _manager_config(self, asked: Resources, worker: str) -> dict[str, Any]:
        return {
            "resources": self._resources(asked, worker),
            "exec_config": {"pre_run": before_run(asked)},
        }

    def _resources(self, asked: Resources, worker: str) -> Any:
        if self.project.workers[worker].scheduler_type == "shell":
            return None
        return queue_resources(asked)

    def run(self, *, seconds: int | None = None) -> int:
        """Run jobflow-remote's runner here until nothing is left to run; jobs that it finished.

        Raises
        ------
        FailureError
            If they were not done in ``seconds``.
        """
        from jobflow_remote.jobs.runner import Runner

        before = self._ended()
        try:
            Runner(project_name=self.project.name).run_all_jobs(max_seconds=seconds)
        except RuntimeError as error:
            raise FailureError(f"jobflow-remote's runner: {error}") from error
        return self._ended() - before

    def reports(self) -> list[RemoteReport]:
        """Every job, the oldest first."""
        found = self.controller.get_jobs_info(limit=0)
        return sorted((_report(one) for one in found), key=lambda one: (_number(one.id), one.index))

    def why(self, name: str, lines: int = 20) -> Diagnosis:
        """State, exception, last lines of the queue's output, and what helps.

        Parameters
        ----------
        name : str
            Number, or a part of the name, of a job.

        Raises
        ------
        InputError
            If none, or several, fit.
        """
        one = the_one(self.reports(), name, "jobs")
        said = tail_of(Path(one.folder), OUTPUTS, lines) if one.folder else []
        usual = {"completed": "nothing is wrong: it has ended well",
                 "waiting": "it waits for jobflow-remote's runner, or for the queue",
                 "running": "it runs"}  # fmt: skip
        return Diagnosis(
            id=one.id,
            status=one.status,
            reason=one.reason,
            cure=usual.get(one.status) or cure_of("\n".join([one.reason or "", *said]), "remote"),
            exception=one.reason,
            log=one.trace[-lines:],
            queue_output=tuple(said),
            attempts=(),
            folder=one.folder or "",
        )

    def completed(self, uuid: str) -> bool:
        """Whether the last job with this id has ended well."""
        found = self.controller.get_jobs_info_query({"uuid": uuid})
        return bool(found) and max(found, key=lambda one: one.index).state.value == "COMPLETED"

    def retry_failed(self) -> list[str]:
        """Run failed jobs again; their ids."""
        again = []
        for one in self.controller.get_jobs_info(limit=0):
            if one.state.value == "REMOTE_ERROR":
                self.controller.retry_job(db_id=one.db_id)
                again.append(one.db_id)
            elif one.state.value == "FAILED":
                self.controller.rerun_job(db_id=one.db_id)
                again.append(one.db_id)
        return sorted(again, key=_number)

    def _ended(self) -> int:
        states = ("COMPLETED", *BAD)
        return int(self.controller.jobs.count_documents({"state": {"$in": list(states)}}))


def before_run(asked: Resources) -> str:
    """Shell lines before a job: environment, and when it shall stop to go on in a new job.

    The queue's own signal would reach the shell around the job only, so the time does it.
    """
    lines = [
        "export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE",
        *asked.setup,
        f"export {ON_WALLTIME}=continue",
        f"export {GRACE_VARIABLE}={asked.signal_before_s / 2:g}",
        f"export {STOP_AT}=$(( $(date +%s) + {max(1, asked.seconds - asked.signal_before_s)} ))",
    ]
    return "\n".join(lines)


def queue_resources(asked: Resources) -> Any:
    """Resources in qtoolkit's words."""
    from qtoolkit.core.data_objects import QResources

    memory = None
    if asked.memory_gb is not None:
        memory = max(1, round(asked.memory_gb * 1024 / asked.cores))
    return QResources(
        processes=1,
        threads_per_process=asked.cores,
        gpus_per_job=asked.gpus or None,
        memory_per_thread=memory,
        time_limit=asked.seconds,
        queue_name=asked.partition,
        account=asked.account,
    )


def _report(one: Any) -> RemoteReport:
    state = one.state.value
    trace = (one.error or one.remote.error or "").strip() if state in BAD else ""
    reason = trace.splitlines()[-1] if trace else None
    if state in BAD and reason is None:
        reason = "no message was stored"
    progress, left = None, None
    if state == "RUNNING":
        progress, left = progress_and_left((one.metadata or {}).get("folder"), _moment(one))
    return RemoteReport(
        progress=progress,
        left=left,
        id=one.db_id,
        name=one.name,
        status=STATES.get(state, "running"),
        state=state,
        worker=one.worker,
        queue_id=one.remote.process_id,
        index=one.index,
        folder=one.run_dir,
        reason=reason,
        cure=None if reason is None else cure_of(reason, "remote"),
        trace=tuple(trace.splitlines()),
    )


def _moment(one: Any) -> float:
    """When a job was last heard of before it ran; its queue then let it start."""
    return float(one.created_on.replace(tzinfo=one.created_on.tzinfo or UTC).timestamp())


def _number(identity: str) -> int:
    digits = "".join(filter(str.isdigit, identity))
    return int(digits or 0)
