"""The folder ``.interlith`` of a project: what is in it, finding it, making it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from interlith.errors import InputError, OutputError
from interlith.store.errors import NewerSchemaError, NoProjectError

FOLDER = ".interlith"
VARIABLE = "INTERLITH_STORE"
SCHEMA = 1
Backend = Literal["embedded", "mongo"]


class ProjectConfig(BaseModel):
    """``config.yaml``: which store. Holds no credentials.

    Attributes
    ----------
    database : str
        Of the MongoDB server; without meaning for the embedded store.
    collection : str
        Results are in it; jobs in the one named with ``_jobs`` behind.
    blobs : str
        Where MongoDB setups keep what does not belong into a document.
    artefacts : str
        Where structures and trajectories are kept, with either store.
    bucket, endpoint_url : str or None
        Of S3; its credentials are those of the AWS environment or profile.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA
    store: Backend = "embedded"
    database: str = "interlith"
    collection: str = Field("results", pattern=r"^[A-Za-z0-9_]+$")
    blobs: Literal["gridfs", "s3"] = "gridfs"
    artefacts: Literal["folder", "s3"] = "folder"
    bucket: str | None = None
    endpoint_url: str | None = None

    @model_validator(mode="after")
    def _check_bucket(self) -> ProjectConfig:
        if "s3" in (self.blobs, self.artefacts) and not self.bucket:
            raise ValueError("s3 needs the name of a bucket (--bucket)")
        return self


@dataclass(frozen=True)
class Project:
    """A project's folder and what it says about its store."""

    folder: Path
    config: ProjectConfig

    @property
    def results(self) -> Path:
        """Documents of the embedded results database."""
        return self.folder / "results.sqlite"

    @property
    def flat(self) -> Path:
        """The flat table; may be deleted, it is rebuilt."""
        return self.folder / "flat.sqlite"

    @property
    def artefacts(self) -> Path:
        """Files by their hash."""
        return self.folder / "artefacts"

    @property
    def jobs(self) -> Path:
        """Embedded job store, and the folders of jobs."""
        return self.folder / "jobs"

    @property
    def jobflow_config(self) -> Path:
        """What ``JOBFLOW_CONFIG_FILE`` should name."""
        return self.folder / "jobflow.yaml"


def find_project(start: Path | str | None = None) -> Project | None:
    """The project that a folder belongs to: there, above it, or by ``INTERLITH_STORE``.

    Parameters
    ----------
    start : Path or str, optional
        Where to look first; a ``.interlith`` folder or one that holds it. Left out: the
        environment, then the current folder and those above.
    """
    if start is None and os.environ.get(VARIABLE):
        return require_project(os.environ[VARIABLE])
    place = Path(start or ".").resolve()
    for folder in (place, *place.parents):
        for candidate in (folder, folder / FOLDER):
            if candidate.name == FOLDER and (candidate / "config.yaml").is_file():
                return Project(candidate, _read_config(candidate / "config.yaml"))
    return None


def require_project(start: Path | str | None = None) -> Project:
    """The project, or a clear error.

    Raises
    ------
    NoProjectError
        If there is none.
    """
    place = Path(start or ".").resolve()
    if start is None:
        found = find_project()
    else:  # what was named is meant, not something above it
        found = next(
            (
                Project(folder, _read_config(folder / "config.yaml"))
                for folder in (place, place / FOLDER)
                if (folder / "config.yaml").is_file()
            ),
            None,
        )
    if found is None:
        raise NoProjectError(
            f"there is no results database in {place}; run `interlith init` in the project's "
            f"folder, or name the folder with --store or {VARIABLE}"
        )
    return found


def init_project(folder: Path | str = ".", **settings: Any) -> Project:
    """Make ``.interlith`` with a working configuration; an existing one is kept as it is.

    Parameters
    ----------
    folder : Path or str
        The project's folder.
    **settings
        Fields of :class:`ProjectConfig`.

    Raises
    ------
    InputError
        On unknown settings, or others than an existing project has.
    OutputError
        If the folder cannot be written.
    """
    try:
        config = ProjectConfig(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{first['loc'][0]} {first['input']!r}: " if first["loc"] else ""
        raise InputError(where + first["msg"].removeprefix("Value error, ")) from error
    place = Path(folder).resolve() / FOLDER
    project = Project(place, config)
    if (place / "config.yaml").is_file():
        kept = Project(place, _read_config(place / "config.yaml"))
        if settings and kept.config != config:
            raise InputError(
                f"{place} exists with other settings; edit {place / 'config.yaml'} or remove it"
            )
        project = kept
    try:
        for made in (place, project.artefacts, project.jobs):
            made.mkdir(parents=True, exist_ok=True)
        if not (place / "config.yaml").is_file():
            _write(place / "config.yaml", yaml.safe_dump(config.model_dump(exclude_none=True)))
        _write(place / ".gitignore", "*\n")
    except OSError as error:
        raise OutputError(f"cannot make {place} ({error.strerror or error})") from error
    from interlith.store.jobstore import prepare

    prepare(project)
    return project


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _read_config(path: Path) -> ProjectConfig:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"cannot read {path}: {error}; run `interlith init` anew") from error
    if not isinstance(data, dict):
        raise InputError(f"{path} holds no settings; run `interlith init` anew")
    if isinstance(data.get("schema_version"), int) and data["schema_version"] > SCHEMA:
        raise NewerSchemaError(
            f"{path} was written by a newer interlith (schema {data['schema_version']}, this one "
            f"knows {SCHEMA}); install a newer interlith"
        )
    try:
        return ProjectConfig.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{path}: {where}: {first['msg']}; allowed are {', '.join(ProjectConfig.model_fields)}"
        ) from error
