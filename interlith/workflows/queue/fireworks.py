"""FireWorks: flows and jobs on a LaunchPad, workers for them, queues, and what became of them.

A study goes there as jobflow's flow; a single command as :class:`RunJobTask`, which continues in a
new Firework when the queue told it of the walltime. The address of the LaunchPad stays with who
opened it: it is in no Firework and no file.
"""

from __future__ import annotations

import shlex
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fireworks import FiretaskBase, Firework, FWAction, LaunchPad, Workflow, explicit_serialize
from jobflow import Flow
from jobflow.managers.fireworks import flow_to_workflow

from interlith.errors import FailureError, InputError
from interlith.records import Record
from interlith.workflows.queue.jobs import Job, Resources
from interlith.workflows.queue.reports import CURES
from interlith.workflows.queue.runner import run_job

QUEUES = {"slurm": "SLURM", "pbs": "PBS", "lsf": "LoadSharingFacility"}
LOST_AFTER_S = 4 * 3600
STATES = {
    "COMPLETED": "completed",
    "FIZZLED": "failed",
    "DEFUSED": "cancelled",
    "ARCHIVED": "cancelled",
    "PAUSED": "waiting",
    "WAITING": "waiting",
    "READY": "waiting",
    "RESERVED": "waiting",
    "RUNNING": "running",
}


class FireworkReport(Record):
    """One Firework; ``launches`` counts the times that it was started."""

    id: str
    name: str
    status: str
    state: str
    host: str | None
    queue_id: str | None
    launches: int
    reason: str | None
    cure: str | None


@explicit_serialize
class RunJobTask(FiretaskBase):  # type: ignore[misc]
    """Runs the job of a folder; goes on in a new Firework after the signal before the walltime."""

    required_params = ("folder",)

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction | None:
        """One attempt.

        Raises
        ------
        FailureError
            If the job failed: FireWorks then calls it FIZZLED and keeps the message.
        """
        job = Job(Path(self["folder"]))
        state = run_job(job)
        if state is None or state.status == "completed":
            return None
        if state.status == "continuing":
            limit = job.request().resources.max_restarts
            if len(state.attempts) > limit:
                raise FailureError(f"not finished after {limit} restarts; give it more walltime")
            return FWAction(detours=[_firework(job)])
        raise FailureError(f"{state.status}: {state.reason}; see {job.folder}")


def _firework(job: Job) -> Firework:
    request = job.request()
    spec = {"_queueadapter": queue_options(request.resources)}
    return Firework([RunJobTask(folder=str(job.folder))], spec=spec, name=request.name)


def job_workflow(job: Job) -> Workflow:
    """A workflow of one job's folder."""
    return Workflow([_firework(job)], name=job.request().name)


def study_workflow(
    flow: Flow, then: Job, resources: Mapping[str, Resources] | None = None
) -> Workflow:
    """A study's flow, and behind it the job that puts its results into the database.

    Parameters
    ----------
    flow : Flow
        From ``AssessMaker``.
    then : Job
        Run when everything else has ended well.
    resources : mapping, optional
        What jobs ask of a queue, by the first word of their name; ``""`` for all others.
    """
    asked = dict(resources or {})
    for job, _ in flow.iterflow():
        chosen = asked.get(job.name.split()[0], asked.get(""))
        if chosen is not None:
            job.update_config({"manager_config": {"_queueadapter": queue_options(chosen)}})
    made = flow_to_workflow(flow)
    leaves = [made.id_fw[number] for number in made.leaf_fw_ids]
    last = _firework(then)
    links = {fw.fw_id: list(children) for fw, children in _links(made).items()}
    for leaf in leaves:
        links.setdefault(leaf.fw_id, []).append(last.fw_id)
    return Workflow([*made.fws, last], links_dict=links, name=flow.name)


def _links(made: Workflow) -> dict[Firework, list[int]]:
    return {made.id_fw[number]: children for number, children in made.links.items()}


def queue_options(asked: Resources) -> dict[str, Any]:
    """Resources in the words of the templates, the same for every queue."""
    options: dict[str, Any] = {
        "nodes": 1,
        "ntasks": 1,
        "cpus_per_task": asked.cores,
        "walltime": asked.walltime,
        "signal": f"B:USR1@{asked.signal_before_s}",
        "minutes_before": max(1, round(asked.signal_before_s / 60)),
    }
    if asked.memory_gb is not None:
        options["mem"] = f"{round(asked.memory_gb * 1024)}M"
    if asked.gpus:
        options["gres"] = f"gpu:{asked.gpus}"
    if asked.partition:
        options["queue"] = asked.partition
    if asked.account:
        options["account"] = asked.account
    return options


def queue_adapter(queue: str, project: Path, asked: Resources) -> Any:
    """How FireWorks writes batch scripts here.

    Raises
    ------
    InputError
        If FireWorks does not know the queue.
    """
    from fireworks.user_objects.queue_adapters.common_adapter import CommonAdapter

    if queue not in QUEUES:
        raise InputError(f"--queue {queue} is not known; queues are {', '.join(QUEUES)}")
    worker = [sys.executable, "-m", "interlith", "worker", "--engine", "fireworks",
              "--store", str(project), "--singleshot"]  # fmt: skip
    setup = ["export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE", *asked.setup]
    return CommonAdapter(
        q_type=QUEUES[queue],
        template_file=str(Path(__file__).with_name("templates") / f"{queue}.txt"),
        rocket_launch="exec " + shlex.join(worker),
        pre_rocket="\n".join(setup),
        **queue_options(asked),
    )


def run_ready(pad: LaunchPad, folder: Path, *, most: int | None = None) -> int:
    """Run the Fireworks that are ready, one after the other, until none is; how many."""
    from fireworks.core.fworker import FWorker
    from fireworks.core.rocket_launcher import rapidfire

    folder.mkdir(parents=True, exist_ok=True)
    before = _launches(pad)
    rapidfire(
        pad, FWorker(), m_dir=str(folder), nlaunches=most or 0, sleep_time=1, strm_lvl="ERROR"
    )
    return _launches(pad) - before


def run_one(pad: LaunchPad, number: int) -> bool:
    """Run the Firework that a queue reserved."""
    from fireworks.core.fworker import FWorker
    from fireworks.core.rocket_launcher import launch_rocket

    return bool(launch_rocket(pad, FWorker(), fw_id=number, strm_lvl="ERROR"))


def fill_queue(pad: LaunchPad, adapter: Any, folder: Path, *, most: int | None = None) -> int:
    """Put every Firework that is ready into the queue, reserved (as ``qlaunch -r``); how many."""
    from fireworks.core.fworker import FWorker
    from fireworks.queue.queue_launcher import launch_rocket_to_queue

    folder.mkdir(parents=True, exist_ok=True)
    # a key that one queue's template has no place for is no fault
    warnings.filterwarnings("ignore", message="Key .* has been specified in qadapter")
    count = 0
    while most is None or count < most:
        number = launch_rocket_to_queue(
            pad, FWorker(), adapter, str(folder), reserve=True, strm_lvl="ERROR",
            create_launcher_dir=True,
        )  # fmt: skip
        if number is False:
            raise FailureError(f"the queue refused a job; see the messages above and {folder}")
        if not number:
            break
        count += 1
    return count


def reports(pad: LaunchPad) -> list[FireworkReport]:
    """Every Firework, the oldest first."""
    return [_report(pad, number) for number in sorted(pad.get_fw_ids())]


def _report(pad: LaunchPad, number: int) -> FireworkReport:
    found = pad.get_fw_by_id(number)
    launches = [*found.archived_launches, *found.launches]
    last = launches[-1] if launches else None
    reason = _reason(last) if found.state == "FIZZLED" else None
    return FireworkReport(
        id=str(number),
        name=found.name,
        status=STATES.get(found.state, found.state.lower()),
        state=found.state,
        host=last.host if last else None,
        queue_id=str(last.state_history[0].get("reservation_id") or "") or None if last else None,
        launches=len(launches),
        reason=reason,
        cure=None if reason is None else _cure(reason),
    )


def _reason(launch: Any) -> str:
    stored = (launch.action.stored_data if launch and launch.action else None) or {}
    trace = str((stored.get("_exception") or {}).get("_stacktrace", "")).strip()
    return trace.splitlines()[-1] if trace else "no message was stored"


def _cure(reason: str) -> str:
    import re

    for pattern, cure in CURES:
        if re.search(pattern, reason, flags=re.IGNORECASE):
            return cure
    return "mend what the message says, then interlith retry --engine fireworks"


def retry_failed(pad: LaunchPad, *, lost_after_s: int = LOST_AFTER_S) -> list[str]:
    """Run FIZZLED and lost Fireworks again; their ids.

    Parameters
    ----------
    lost_after_s : int
        A running Firework that was not heard of for so long is lost (its worker pings hourly).
    """
    _, lost, _ = pad.detect_lostruns(expiration_secs=lost_after_s, rerun=True)
    again = set(lost)
    for number in pad.get_fw_ids({"state": "FIZZLED"}):
        pad.rerun_fw(number)
        again.add(number)
    return [str(number) for number in sorted(again)]


def _launches(pad: LaunchPad) -> int:
    return int(pad.launches.count_documents({"state": {"$in": ["COMPLETED", "FIZZLED"]}}))
