"""``interlith init``: a project with a results database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from interlith.cli.common import JsonOption, print_json, print_tables


def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the project.")] = Path("."),
    store: Annotated[
        str | None, typer.Option(help="embedded (nothing to start, the default) or mongo.")
    ] = None,
    database: Annotated[str | None, typer.Option(help="Database on the MongoDB server.")] = None,
    blobs: Annotated[
        str | None, typer.Option(help="With mongo, for large outputs of jobs: gridfs or s3.")
    ] = None,
    artefacts: Annotated[
        str | None, typer.Option(help="For structures and trajectories: folder (here) or s3.")
    ] = None,
    bucket: Annotated[str | None, typer.Option(help="Of S3.")] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="Address of an S3 server that is not Amazon's.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make .interlith here: results database, job store and their settings.

    Credentials are never written: MongoDB's address comes from INTERLITH_MONGO_URI, or from the
    file that INTERLITH_MONGO_FILE names (mode 0600); those of S3 are AWS's own.
    """
    from interlith.store.project import init_project

    settings = {"store": store, "database": database, "blobs": blobs, "artefacts": artefacts,
                "bucket": bucket, "endpoint_url": endpoint}  # fmt: skip
    project = init_project(folder, **{k: v for k, v in settings.items() if v is not None})
    data: dict[str, Any] = {
        "folder": str(project.folder),
        "store": project.config.store,
        "jobflow_config_file": str(project.jobflow_config),
    }
    if as_json:
        print_json(data)
        return
    lines = [f"Results database: {project.folder} ({project.config.store})"]
    if project.config.store == "mongo":
        lines.append("Set INTERLITH_MONGO_URI, or INTERLITH_MONGO_FILE to a file of mode 0600")
    lines.append(
        "For jobflow's own commands: export JOBFLOW_CONFIG_FILE=" + data["jobflow_config_file"]
    )
    print_tables(*lines)
