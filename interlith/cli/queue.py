"""``interlith submit``, ``worker``, ``status``, ``why`` and ``retry``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlith.cli.common import JsonOption, print_json, print_tables, table
from interlith.cli.queue_engines import report as engine_report
from interlith.cli.queue_engines import (
    report_table,
    stage_resources,
    work_fireworks,
    work_remote,
)
from interlith.cli.queue_engines import retry as engine_retry
from interlith.cli.queue_engines import submit as submit_to_engine
from interlith.cli.queue_engines import why as engine_why
from interlith.errors import InputError

if TYPE_CHECKING:
    from interlith.store.project import Project
    from interlith.workflows.queue.jobs import Job, JobRequest, Queue, Resources

StoreOption = Annotated[
    Path | None, typer.Option("--store", help="Project folder (default: the one found from here).")
]
ENGINES = ("local", "slurm", "fireworks", "remote")
EngineOption = Annotated[
    str, typer.Option(help="local (jobs in folders, Slurm's too), fireworks or remote.")
]
KNOWN_HERE = ("local", "fireworks", "remote")
COMMON_QUEUES = ("fireworks", "remote")
"""Engines that take a study's flow job by job."""
RUNNABLE = ("assess", "analyze", "barrier", "diffusion", "elastic", "md", "reference", "screen",
            "thermal", "train", "dft")  # fmt: skip
"""Commands that may be submitted by themselves."""
VERBATIM = {"allow_extra_args": True}
"""What stands behind ``--`` belongs to the study or command."""


def submit(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="STUDY.yaml|-- COMMAND...",
            help="A study, or behind -- a command: -- md Li3PS4 --time-ps 100",
        ),
    ],
    engine: Annotated[
        str,
        typer.Option(help="local (interlith worker runs it), slurm, fireworks or remote."),
    ] = "local",
    walltime: Annotated[str, typer.Option("--time", help="Walltime, HH:MM:SS.")] = "24:00:00",
    cores: Annotated[int, typer.Option(min=1)] = 1,
    gpus: Annotated[int, typer.Option(min=0)] = 0,
    memory: Annotated[float | None, typer.Option(help="GB.")] = None,
    partition: Annotated[str | None, typer.Option(help="Of the queue.")] = None,
    account: Annotated[str | None, typer.Option(help="Of the queue.")] = None,
    signal_before: Annotated[
        int, typer.Option(help="Seconds before the walltime to write a checkpoint.")
    ] = 180,
    option: Annotated[
        list[str] | None, typer.Option("--option", help="Further #SBATCH option; repeatable.")
    ] = None,
    setup: Annotated[
        Path | None, typer.Option(help="File with shell lines to run before (module load ...).")
    ] = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(
            "--stage",
            help="fireworks, remote: what a stage asks for instead, such as "
            "md:gpus=1,time=48:00:00; repeatable.",
        ),
    ] = None,
    worker_name: Annotated[
        str | None, typer.Option("--worker", help="remote: one of jobflow-remote's workers.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the job.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A study's folder.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the batch script.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a study, or one command, into a queue; it survives walltimes and lost terminals.

    A study's results are put into the project's database when it has ended.
    """
    _check_engine(engine, ENGINES)
    if (stage or worker_name) and engine not in COMMON_QUEUES:
        raise InputError(
            f"--stage and --worker are for --engine {' and '.join(COMMON_QUEUES)}; with "
            f"{engine} the whole study is one job"
        )
    project = _project(store)
    commands, repeat, usual = _commands(what, context.args, out, project)
    asked = {
        "cores": cores,
        "gpus": gpus,
        "memory_gb": memory,
        "walltime": walltime,
        "partition": partition,
        "account": account,
        "signal_before_s": signal_before,
        "lines": tuple(option or ()),
        "setup": _setup(setup),
    }
    request = _request(
        name or usual, engine=engine, commands=commands, resources=asked,
        repeat_when_signalled=repeat,
    )  # fmt: skip
    if dry_run:
        text = _script(request, engine)
        print_json({"script": text}) if as_json else print_tables(text)
        return
    stages = stage_resources(stage, request.resources)
    job, number = _start(request, what, out, project, stages, worker_name)
    if as_json:
        print_json({"id": job.id, "queue_id": number, "folder": str(job.folder)})
        return
    then = {
        "local": "start interlith worker to run it",
        "slurm": f"Slurm job {number}",
        "fireworks": f"Fireworks {number}; start interlith worker --engine fireworks",
        "remote": f"jobs {number}; start interlith worker --engine remote",
    }[engine]
    print_tables(f"{job.id}: {then}; interlith status shows how far it is")


def _request(name: str, **settings: Any) -> JobRequest:
    """A checked request; a wrong value is named."""
    from pydantic import ValidationError

    from interlith.workflows.queue.jobs import JobRequest, safe_name

    known = {"name": safe_name(name), "folder": str(Path.cwd())}
    try:
        return JobRequest.model_validate(known | settings)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{first['loc'][-1]} {first['input']!r}: {first['msg']}") from error


def _script(request: JobRequest, engine: str = "slurm") -> str:
    """The batch script, or with jobflow-remote the part of it that is ours."""
    from interlith.workflows.queue.jobs import Queue
    from interlith.workflows.queue.slurm import script

    if engine == "remote":
        from interlith.workflows.queue.remote import before_run

        return before_run(request.resources)
    with TemporaryDirectory() as folder:
        return script(Queue(folder).add(request))


def _start(
    request: JobRequest, what: str, out: Path | None, project: Project,
    stages: Mapping[str, Resources], worker_name: str | None,
) -> tuple[Job, str | None]:  # fmt: skip
    """Make the job and hand it to its engine; what is refused leaves no job behind."""
    from interlith.workflows.queue.slurm import submit as submit_to_slurm

    _script(request)  # refuses what a batch script cannot hold, whatever the engine
    job = _queue(project).add(request)
    started = False
    try:
        number = None
        if request.engine == "slurm":
            number = submit_to_slurm(job)
        elif request.engine in COMMON_QUEUES:
            with redirect_stdout(sys.stderr):  # both log to stdout
                number = submit_to_engine(job, what, out, project, stages, worker_name)
        started = True
        return job, number
    finally:
        if not started:
            _forget(job)


def worker(
    most: Annotated[int | None, typer.Option("--most", min=1, help="Stop after so many.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for further jobs for ever.")] = False,
    engine: EngineOption = "local",
    queue: Annotated[
        str | None,
        typer.Option(help="FireWorks: put what is ready into this queue: slurm, pbs or lsf."),
    ] = None,
    walltime: Annotated[
        str, typer.Option("--time", help="Walltime there, if not said.")
    ] = "24:00:00",
    setup: Annotated[Path | None, typer.Option(help="File with shell lines to run before.")] = None,
    singleshot: Annotated[bool, typer.Option("--singleshot", hidden=True)] = False,
    fw_id: Annotated[int | None, typer.Option("--fw_id", hidden=True)] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the waiting jobs of this project, one after the other; start several to share them."""
    _check_engine(engine, KNOWN_HERE)
    project = _project(store)
    if engine != "local":
        from interlith.workflows.queue.jobs import Resources

        asked = Resources(walltime=walltime, setup=_setup(setup))
        with redirect_stdout(sys.stderr):  # both log to stdout
            if engine == "remote":
                count = work_remote(project, _queue(project), keep_waiting=wait)
            else:
                count = work_fireworks(
                    project, asked, queue=queue, most=most, keep_waiting=wait, fw_id=fw_id
                )
        if as_json:
            print_json({"ran": count, "queue": queue})
        else:
            print_tables(f"{count} jobs were {'put into the queue' if queue else 'run'}")
        return
    from interlith.workflows.queue.jobs import JobState
    from interlith.workflows.queue.worker import work

    def told(job: Job, state: JobState) -> None:
        reason = f": {state.reason}" if state.reason else ""
        print(f"{job.id} {state.status}{reason}", file=sys.stderr)

    done = work(_queue(project), most=most, keep_waiting=wait, told=told)
    if as_json:
        print_json({"ran": done})
    else:
        print_tables(f"{len(done)} jobs were run")


def status(
    running: Annotated[bool, typer.Option("--running", help="Leave out what has ended.")] = False,
    engine: EngineOption = "local",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """What runs, where, how far, and for how long still."""
    from interlith.workflows.queue.jobs import ENDED
    from interlith.workflows.queue.reports import report_all

    _check_engine(engine, KNOWN_HERE)
    project = _project(store)
    if engine == "local":
        found = [one.to_json() for one in report_all(_queue(project).jobs())]
    else:
        with redirect_stdout(sys.stderr):
            found = engine_report(project, engine)
    if running:
        found = [one for one in found if one["status"] not in ENDED]
    if as_json:
        print_json(found)
        return
    if engine != "local":
        print_tables(report_table(engine, found))
        return
    columns = ("job", "status", "where", "queue", "progress", "left", "attempts", "reason")
    print_tables(table(f"Jobs: {len(found)}", columns, [_status_cells(one) for one in found]))


def why(
    job: Annotated[str, typer.Argument(help="Job, a part of its name, or its queue number.")],
    lines: Annotated[int, typer.Option(min=1, help="Lines of the log.")] = 20,
    engine: EngineOption = "local",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Why a job is as it is: exception, last lines of the log, the queue, and what helps."""
    from interlith.store.credentials import redact
    from interlith.workflows.queue.reports import why as diagnose

    _check_engine(engine, KNOWN_HERE)
    project = _project(store)
    if engine == "local":
        found = diagnose(_queue(project).find(job), lines).to_json()
    else:
        with redirect_stdout(sys.stderr):
            found = engine_why(project, engine, job, lines).to_json()
    for part in ("log", "queue_output"):
        found[part] = [redact(line) for line in found[part]]
    for part in ("exception", "reason"):
        found[part] = None if found[part] is None else redact(found[part])
    if as_json:
        print_json(found)
        return
    print_tables(
        f"{found['id']}: {found['status']}" + (f": {found['reason']}" if found["reason"] else ""),
        f"What helps: {found['cure']}",
        *([f"Exception: {found['exception']}"] if found["exception"] else []),
        *(f"Attempt on {a['host']}, {a['started']} to {a['ended'] or '?'}: {a['outcome'] or '?'}"
          for a in found["attempts"]),
        "Last lines of the log:", *found["log"],
        *(["Output of the queue:", *found["queue_output"]] if found["queue_output"] else []),
        f"Everything is in {found['folder']}",
    )  # fmt: skip


def retry(
    jobs: Annotated[list[str] | None, typer.Argument(help="Jobs; none = all that failed.")] = None,
    engine: EngineOption = "local",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run failed, cancelled or lost jobs again, from where they were."""
    from interlith.workflows.queue.worker import ended_badly
    from interlith.workflows.queue.worker import retry as retry_jobs

    _check_engine(engine, KNOWN_HERE)
    project = _project(store)
    if engine != "local":
        if jobs:
            raise InputError(f"--engine {engine} runs all that failed or are lost; name no jobs")
        with redirect_stdout(sys.stderr):
            again = engine_retry(project, engine)
        print_json({"retried": again}) if as_json else print_tables(f"{len(again)} run again")
        return
    queue = _queue(project)
    chosen = [queue.find(one) for one in jobs] if jobs else ended_badly(queue)
    done = retry_jobs(chosen)
    if as_json:
        print_json({"retried": done})
    else:
        print_tables(*(done or ["nothing to retry: no job failed, was cancelled or lost"]))


def _check_engine(engine: str, known: tuple[str, ...]) -> None:
    if engine not in known:
        raise InputError(f"--engine {engine} is not known; engines are {', '.join(known)}")


def _project(store: Path | None) -> Project:
    from interlith.store.project import require_project

    return require_project(store)


def _queue(project: Project) -> Queue:
    from interlith.workflows.queue.jobs import Queue

    return Queue(project.folder / "queue")


def _forget(job: Job) -> None:
    import shutil

    shutil.rmtree(job.folder, ignore_errors=True)


def _commands(
    what: str, rest: list[str], out: Path | None, project: Project
) -> tuple[tuple[tuple[str, ...], ...], bool, str]:
    """Commands of a job, whether they may have to be repeated, and a name."""
    if what.lower().endswith((".yaml", ".yml")):
        from interlith.workflows.study import load_study

        study = load_study(Path(what))  # what cannot run is refused now, not in the queue
        folder = str((out or Path(f"{study.name}-results")).resolve())
        assess = ("assess", str(Path(what).resolve()), "--out", folder, *rest)
        keep = ("results", "import", folder, "--store", str(project.folder))
        return (assess, keep), True, study.name
    if what not in RUNNABLE:
        raise InputError(
            f"'{what}' cannot be submitted; give a study (a .yaml file) or one of "
            f"{', '.join(RUNNABLE)}"
        )
    return ((what, *rest),), what == "assess", what


def _setup(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    try:
        return tuple(path.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the setup file {path}: {error}") from error


def _status_cells(one: Mapping[str, Any]) -> list[str]:
    queue = " ".join(str(one[n]) for n in ("queue_id", "queue_state") if one[n])
    progress = "" if one["progress"] is None else f"{100 * one['progress']:.0f} %"
    if one["commands"] > 1 and not progress:
        progress = f"{one['commands_done']} of {one['commands']}"
    return [one["id"], one["status"], one["host"] or "", queue, progress, one["left"] or "",
            str(one["attempts"]), one["reason"] or ""]  # fmt: skip
