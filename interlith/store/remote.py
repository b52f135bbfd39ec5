"""jobflow-remote's project of one of ours: its queue on our MongoDB, its outputs in our job store.

The file is written once and then belongs to the user, who may add workers reached by ssh to it. No
address of a server is in it: both stores are named by class and take it from the environment.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

from interlith.errors import MissingDependencyError, OutputError
from interlith.store.credentials import mongo_uri
from interlith.store.jobstore import PrivateMongoStore, connect_mongo, job_store
from interlith.store.project import Project

NAME = "interlith"
WORKER = "here"
FOLDERS = "JFREMOTE_PROJECTS_FOLDER"
CHOSEN = "JFREMOTE_PROJECT"
RUNNER = {"delay_checkout": 2, "delay_check_run_status": 2, "delay_advance_status": 2}
"""Seconds between looks at the database; jobflow-remote's own 30 s are for busy servers."""


def open_remote(project: Project) -> str:
    """Name of the jobflow-remote project to use; afterwards it can be imported.

    ``JFREMOTE_PROJECT``, where set, names a project of the user's own configuration; else ours is
    used, and written the first time.

    Raises
    ------
    MissingDependencyError
        If jobflow-remote is not installed.
    StoreError
        If the MongoDB server does not answer.
    InputError
        If its address is not known.
    """
    if importlib.util.find_spec("jobflow_remote") is None:
        raise MissingDependencyError(
            "jobflow-remote is not installed; pip install 'interlith[cluster]', or use --engine "
            "fireworks or slurm"
        )
    os.environ.setdefault("JOBFLOW_CONFIG_FILE", str(project.jobflow_config))
    if os.environ.get(CHOSEN):
        return os.environ[CHOSEN]
    connect_mongo(mongo_uri(), f"{project.config.database}_remote")
    folder = project.folder / "remote"
    # jobflow-remote reads these when it is imported
    os.environ[FOLDERS], os.environ[CHOSEN] = str(folder), NAME
    path = folder / f"{NAME}.yaml"
    if not path.is_file():
        _write(path, _configuration(project))
    return NAME


def _configuration(project: Project) -> dict[str, Any]:
    folder = project.folder / "remote"
    queue = PrivateMongoStore(f"{project.config.database}_remote", "jobs")
    run = shlex.join([sys.executable, "-c", "from jobflow_remote.cli.jf import app; app()"])
    return {
        "name": NAME,
        "base_dir": str(folder / NAME),
        "runner": RUNNER,
        "workers": {
            WORKER: {
                "type": "local",
                "scheduler_type": "slurm" if shutil.which("sbatch") else "shell",
                "work_dir": str(folder / "work"),
                "execution_cmd": f"{run} -fe execution run {{}}",
            }
        },
        "queue": {"store": queue.as_dict()},
        "jobstore": job_store(project).as_dict(),
    }


def _write(path: Path, data: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {path} ({error.strerror or error})") from error
