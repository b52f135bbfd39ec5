"""FireWorks and jobflow-remote behind ``submit``, ``worker``, ``status``, ``why`` and ``retry``."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interlith.cli.common import table
from interlith.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from interlith.store.project import Project
    from interlith.workflows.queue.jobs import Job, Queue, Resources
    from interlith.workflows.queue.reports import Diagnosis

PAUSE_S = 10.0
SETTINGS = {"cores": "cores", "gpus": "gpus", "memory": "memory_gb", "time": "walltime",
            "partition": "partition", "account": "account"}  # fmt: skip
"""What ``--stage`` takes, and the field of a job's resources."""
COLUMNS = {
    "fireworks": ("id", "name", "status", "host", "queue_id", "launches", "progress", "left",
                  "reason", "cure"),
    "remote": ("id", "name", "status", "worker", "queue_id", "index", "progress", "left",
               "reason", "cure"),
}  # fmt: skip


def stage_resources(texts: list[str] | None, usual: Resources) -> dict[str, Resources]:
    """``md:gpus=1,time=48:00:00`` for each stage; the rest as for all others.

    Raises
    ------
    InputError
        If it is written otherwise or a value is not allowed.
    """
    from pydantic import ValidationError

    from interlith.workflows.queue.jobs import Resources

    found: dict[str, Resources] = {}
    for text in texts or ():
        stage, _, rest = text.partition(":")
        pairs = [part.partition("=") for part in rest.split(",")]
        if not stage or not all(key in SETTINGS and value for key, _, value in pairs):
            raise InputError(
                f"--stage {text}: write STAGE:SETTING=VALUE,..., such as md:gpus=1,time=48:00:00; "
                f"settings are {', '.join(SETTINGS)}"
            )
        change = {SETTINGS[key]: value for key, _, value in pairs}
        try:
            found[stage] = Resources.model_validate(usual.model_dump() | change)
        except ValidationError as error:
            raise InputError(f"--stage {text}: {error.errors()[0]['msg']}") from error
    return found


def submit(
    job: Job, what: str, out: Path | None, project: Project,
    stages: Mapping[str, Resources], worker: str | None,
) -> str:  # fmt: skip
    """Put a study's flow, or a command, where its engine looks; ids of its jobs there."""
    request = job.request()
    if request.engine == "fireworks":
        from interlith.store.launchpad import open_launchpad

        pad = open_launchpad(project)  # first: it names the job store, which jobflow reads
        from interlith.workflows.queue.fireworks import job_workflow, study_workflow

        flow = _flow(job, what, out, project, stages)
        asked = {"": request.resources, **stages}
        made = job_workflow(job) if flow is None else study_workflow(flow, job, asked)
        numbers = [str(number) for number in sorted(pad.add_wf(made).values())]
    else:
        from interlith.store.remote import open_remote

        name = open_remote(project)
        from interlith.workflows.queue.remote import RemoteQueue, folder_job

        queue = RemoteQueue(name)
        flow = _flow(job, what, out, project, stages)
        if flow is None:
            from jobflow import Flow

            alone: Any = folder_job(str(job.folder))
            alone.name = request.name
            flow = Flow([alone], name=request.name)
        numbers = queue.submit(flow, request.resources, worker=worker, stages=stages)
    return f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else numbers[0]


def _flow(
    job: Job, what: str, out: Path | None, project: Project, stages: Mapping[str, Resources]
) -> Any:
    """Flow of a study, whose results the job then takes over; None for a command."""
    if not what.lower().endswith((".yaml", ".yml")):
        return None
    from interlith.workflows.assess import AssessMaker, check_study
    from interlith.workflows.study import load_study

    study = load_study(Path(what))
    check_study(study)
    folder = (out or Path(f"{study.name}-results")).resolve()
    request = job.request()
    cores = stages.get("md", request.resources).cores
    flow = AssessMaker(work_folder=str(folder.parent), workers=cores).make(study)
    collect = ("results", "collect", flow.output.uuid, "--out", str(folder),
               "--store", str(project.folder))  # fmt: skip
    job.rewrite(request.model_copy(update={"commands": (collect,)}))
    return flow


def work_fireworks(
    project: Project, asked: Resources, *, queue: str | None, most: int | None,
    keep_waiting: bool, fw_id: int | None,
) -> int:  # fmt: skip
    """Run Fireworks here, or put them into a queue; how many."""
    from interlith.store.launchpad import open_launchpad

    pad = open_launchpad(project)
    from interlith.workflows.queue.fireworks import fill_queue, queue_adapter, run_one, run_ready

    place = project.folder / "launches"
    if fw_id is not None:
        return int(run_one(pad, fw_id, place))
    if queue is None:
        return run_ready(pad, place, most=most, keep_waiting=keep_waiting)
    adapter = queue_adapter(queue, project.folder, asked)
    count = fill_queue(pad, adapter, place, most=most)
    while keep_waiting and (most is None or count < most):
        time.sleep(PAUSE_S)
        count += fill_queue(pad, adapter, place, most=None if most is None else most - count)
    return count


def work_remote(project: Project, jobs: Queue, *, keep_waiting: bool) -> int:
    """jobflow-remote's runner until nothing is left; then studies that have ended are kept."""
    from interlith.store.remote import open_remote

    name = open_remote(project)
    from interlith.workflows.queue.remote import RemoteQueue

    queue = RemoteQueue(name)
    count = 0
    while True:
        count += queue.run()
        _collect(queue, jobs)
        if not keep_waiting:
            return count
        time.sleep(PAUSE_S)


def _collect(queue: Any, jobs: Queue) -> None:
    from interlith.workflows.queue.runner import run_job

    for job in jobs.jobs():
        request = job.request()
        (first, *_) = request.commands
        mine = request.engine == "remote" and first[:2] == ("results", "collect")
        if mine and job.state().status != "completed" and queue.completed(first[2]):
            state = run_job(job)
            if state is not None:
                print(f"{job.id} {state.status}", file=sys.stderr)


def report(project: Project, engine: str) -> list[dict[str, Any]]:
    """Every job of an engine, without secrets."""
    from interlith.store.credentials import redact

    records: Any
    if engine == "fireworks":
        from interlith.store.launchpad import open_launchpad

        pad = open_launchpad(project)
        from interlith.workflows.queue.launchpad import reports

        records = reports(pad, project.folder / "launches")
    else:
        from interlith.store.remote import open_remote

        name = open_remote(project)
        from interlith.workflows.queue.remote import RemoteQueue

        records = RemoteQueue(name).reports()
    found: list[dict[str, Any]] = [one.to_json() for one in records]
    for one in found:
        one["reason"] = None if one["reason"] is None else redact(one["reason"])
        one.pop("trace", None)
    return found


def report_table(engine: str, found: list[dict[str, Any]]) -> Table:
    """The same for reading."""
    columns = COLUMNS[engine]
    shown = [
        one | {"progress": None if one["progress"] is None else f"{100 * one['progress']:.0f} %"}
        for one in found
    ]
    rows = [["" if one[n] is None else str(one[n]) for n in columns] for one in shown]
    return table(f"{'Fireworks' if engine == 'fireworks' else 'Jobs'}: {len(found)}", columns, rows)


def why(project: Project, engine: str, name: str, lines: int) -> Diagnosis:
    """Why one of an engine's jobs is as it is."""
    if engine == "fireworks":
        from interlith.store.launchpad import open_launchpad

        pad = open_launchpad(project)
        from interlith.workflows.queue.launchpad import why_firework

        return why_firework(pad, project.folder / "launches", name, lines)
    from interlith.store.remote import open_remote

    chosen = open_remote(project)
    from interlith.workflows.queue.remote import RemoteQueue

    return RemoteQueue(chosen).why(name, lines)


def retry(project: Project, engine: str) -> list[str]:
    """Run failed and lost jobs of an engine again; their ids."""
    if engine == "fireworks":
        from interlith.store.launchpad import open_launchpad

        pad = open_launchpad(project)
        from interlith.workflows.queue.launchpad import retry_failed

        return retry_failed(pad, project.folder / "launches")
    from interlith.store.remote import open_remote

    chosen = open_remote(project)
    from interlith.workflows.queue.remote import RemoteQueue

    return RemoteQueue(chosen).retry_failed()
