"""Result folders into the database: a study and its parts, and records of single commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from interlith.analysis.study_results import StudyResults
from interlith.errors import InputError
from interlith.provenance import file_sha256
from interlith.records import Record
from interlith.store.artefacts import Artefact, check_name
from interlith.store.documents import Document, Part
from interlith.store.errors import ArtefactNameError, ForeignDocumentError
from interlith.store.kinds import guess_kind, kind_or_none, read_record
from interlith.store.project import find_project, require_project
from interlith.store.results import ResultsDatabase, Stored

RESULTS = "results.json"
ROLES = {"coatings": "coating", "atmosphere": "electrolyte", "diffusion": "electrolyte",
         "topotactic": "electrolyte", "barriers": "electrolyte"}  # fmt: skip


def add_study(
    results: StudyResults | Path | str,
    database: ResultsDatabase,
    *,
    folder: Path | None = None,
    trajectories: bool = False,
) -> list[Stored]:
    """Keep a study: each part as a record of its own, the files, then the study itself.

    Parameters
    ----------
    results : StudyResults, Path or str
        The study, or its result folder.
    database : ResultsDatabase
        Where to.
    folder : Path, optional
        Where its files are; the result folder if that was given.
    trajectories : bool
        Copy trajectories too; otherwise their path and hash are kept.

    Returns
    -------
    list of Stored
        The study is the last. Adding it again stores nothing anew.

    Raises
    ------
    InputError
        If the folder holds no results.
    ForeignDocumentError, NewerSchemaError
        If they are not ones that this interlith can read.
    """
    if isinstance(results, StudyResults):
        study, place = results, folder
    else:
        place = Path(results) if folder is None else folder
        study = read_study(Path(results))
    documents, parts = [], []
    for role, record in parts_of(study):
        files = () if place is None else tuple(_files(record, place, database, trajectories))
        document = database.envelope(record, artefacts=files, tags=(study.name,))
        documents.append(document)
        parts.append(Part(key=document.key, role=role))
    documents.append(database.envelope(study, parts=tuple(parts)))
    return database.add_documents(documents)


def keep_study(
    results: StudyResults, folder: Path, store: Path | None = None
) -> list[Stored] | None:
    """Keep a study that was just computed: in the project that it belongs to, if there is one.

    Parameters
    ----------
    results : StudyResults
        The study.
    folder : Path
        Its result folder.
    store : Path, optional
        The project's folder; left out: the one found from the current folder, or none.

    Returns
    -------
    list of Stored or None
        None where there is no project.

    Raises
    ------
    NoProjectError
        If ``store`` names none.
    """
    project = find_project() if store is None else require_project(store)
    if project is None:
        return None
    with ResultsDatabase(project) as database:
        return add_study(results, database, folder=folder)


def read_study(path: Path) -> StudyResults:
    """Results of a folder, or of the file ``results.json`` itself.

    Raises
    ------
    InputError
        If there are none.
    """
    file = path / RESULTS if path.is_dir() else path
    data = read_json(file)
    if not isinstance(data, dict):
        raise ForeignDocumentError(f"{file} holds no study")
    found = read_record("study", data)
    if not isinstance(found, StudyResults):
        raise ForeignDocumentError(f"{file} holds no study")
    return found


def read_json(file: Path) -> Any:
    """What a JSON file holds.

    Raises
    ------
    InputError
        If it cannot be read, or is cut off.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"cannot read {file} ({error.strerror}); give the result folder of a study, or a JSON "
            "file that a command wrote with --json"
        ) from error
    except ValueError as error:
        raise InputError(f"{file} is no whole JSON document ({error}); was it cut off?") from error


def parts_of(study: StudyResults) -> Iterator[tuple[str | None, Record]]:
    """Records that a study consists of, with the role of their material."""
    for component in study.components:
        if component.window is not None:
            yield component.role, component.window
    for pair in study.interfaces:
        role = f"{pair.role_a}|{pair.role_b}"
        yield role, pair.closed
        for reaction in pair.open:
            yield role, reaction
        if pair.interphase is not None:
            yield role, pair.interphase
    for name in type(study).model_fields:
        found = getattr(study, name)
        for record in found if isinstance(found, tuple) else (found,):
            if isinstance(record, Record) and kind_or_none(type(record).__name__):
                yield ROLES.get(name), record


def _files(
    record: Record, folder: Path, database: ResultsDatabase, trajectories: bool
) -> Iterator[Artefact]:
    """Files that a record names, kept."""
    data = record.to_json()
    for candidate in data.get("candidates", ()):
        for name in candidate.get("files", {}).values():
            for place in (folder / check_name(name), folder / "structures" / check_name(name)):
                if not place.is_file():
                    continue
                if not place.resolve().is_relative_to(folder.resolve()):
                    raise ArtefactNameError(f"{place} is a link out of {folder}; not kept")
                yield database.artefacts.put(place, f"structures/{Path(name).name}")
                break
    for run in data.get("runs", ()) if trajectories else ():
        found = run.get("trajectory") if isinstance(run, dict) else None
        if found and found.get("sha256"):
            path = Path(found["path"])
            if path.is_file() and file_sha256(path) == found["sha256"]:
                name = f"trajectories/{run['temperature_k']:g}K-{path.name}"
                yield database.artefacts.put(path, name)


def import_path(
    path: Path, database: ResultsDatabase, *, kind: str | None = None, trajectories: bool = False
) -> list[Stored]:
    """Whatever a path holds: a study's folder, or a JSON file with one record or a list.

    Raises
    ------
    InputError
        If there is nothing to import.
    ForeignDocumentError
        If a record is of no known kind.
    """
    if path.is_dir():
        folders = [path] if (path / RESULTS).is_file() else _below(path)
        if not folders:
            raise InputError(
                f"{path} holds no {RESULTS}, nor does a folder in it; give the result folder of "
                "`interlith assess`, or a JSON file that a command wrote with --json"
            )
        stored: list[Stored] = []
        for folder in folders:
            stored += add_study(folder, database, trajectories=trajectories)
        return stored
    data = read_json(path)
    rows = data if isinstance(data, list) else [data]
    if len(rows) == 1 and kind in (None, "study") and _is_study(rows[0]):
        return add_study(path, database, folder=path.parent, trajectories=trajectories)
    documents = [_document(row, database, kind) for row in rows if not _is_failure(row)]
    return database.add_documents(documents)


def _below(path: Path) -> list[Path]:
    return sorted(file.parent for file in path.glob(f"*/{RESULTS}"))


def _is_study(row: Any) -> bool:
    return isinstance(row, dict) and {"study", "components", "interfaces"} <= set(row)


def _is_failure(row: Any) -> bool:
    """A row of a batch that gave no answer."""
    return isinstance(row, dict) and "error" in row and "schema_version" not in row


def _document(row: Any, database: ResultsDatabase, kind: str | None) -> Document:
    if not isinstance(row, dict):
        raise ForeignDocumentError(f"a record is an object; this is {str(row)[:60]!r}")
    if "envelope" in row:  # written by `interlith results export` or `query --json`
        from interlith.store.documents import read_document

        held = read_document(row)
        record = read_record(held.kind, held.record, held.writer)
        return database.envelope(
            record, inputs=held.inputs, parents=held.parents, parts=held.parts, tags=held.tags,
            artefacts=held.artefacts,
        )  # fmt: skip
    try:
        return database.envelope(read_record(kind or guess_kind(row), row))
    except ValidationError as error:
        raise ForeignDocumentError(str(error.errors()[0]["msg"])) from error
