"""Results into files of other programs: CSV, JSON, parquet, extxyz, ASE database."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interlith.errors import InputError, MissingDependencyError, OutputError
from interlith.store.documents import Document
from interlith.store.results import ResultsDatabase

if TYPE_CHECKING:
    from ase import Atoms

TABLES = ("csv", "parquet")
STRUCTURES = ("extxyz", "db")
FORMATS = ("csv", "json", "parquet", "extxyz", "db")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def format_of(path: Path, named: str | None = None) -> str:
    """Format by name or by the file's ending.

    Raises
    ------
    InputError
        If it is none of :data:`FORMATS`.
    """
    found = named or path.suffix.removeprefix(".").lower()
    found = {"xyz": "extxyz", "pq": "parquet"}.get(found, found)
    if found not in FORMATS:
        raise InputError(f"cannot export to '{found}'; formats are {', '.join(FORMATS)}")
    return found


def csv_text(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Comma-separated values; text that a spreadsheet would run as a formula is quoted."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([[_cell(value) for value in row] for row in rows])
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return "'" + value
    return value


def write_table(names: Sequence[str], rows: Sequence[Sequence[Any]], path: Path, form: str) -> int:
    """Write a view's rows; how many there are.

    Raises
    ------
    MissingDependencyError
        If parquet is asked for and pyarrow absent.
    OutputError
        If the file cannot be written.
    """
    if form == "csv":
        _write(path, csv_text(names, rows).encode())
        return len(rows)
    import pandas as pd  # type: ignore[import-untyped]

    frame = pd.DataFrame.from_records(list(rows), columns=list(names))
    buffer = io.BytesIO()
    try:
        frame.to_parquet(buffer, index=False)
    except ImportError as error:
        raise MissingDependencyError(
            "parquet needs pyarrow; run pip install 'interlith[parquet]', or export to csv"
        ) from error
    _write(path, buffer.getvalue())
    return len(rows)


def write_json(documents: Sequence[Document], path: Path) -> int:
    """Write documents as stored."""
    text = json.dumps([one.to_json() for one in documents], indent=1, allow_nan=False)
    _write(path, text.encode())
    return len(documents)


def structures_of(database: ResultsDatabase, documents: Sequence[Document]) -> Iterator[Atoms]:
    """Structures among the files of some records, with the record's key in ``info``.

    Raises
    ------
    ArtefactError
        If a file is missing or damaged.
    """
    from ase.io import read

    for document in documents:
        for artefact in document.artefacts:
            if not artefact.name.endswith(".extxyz"):
                continue
            content = database.artefacts.read(artefact.sha256).decode()
            atoms: Any = read(io.StringIO(content), format="extxyz")
            atoms.info |= {
                "interlith_key": document.key,
                "interlith_kind": document.kind,
                "interlith_file": artefact.name,
            }
            yield atoms


def write_structures(
    database: ResultsDatabase, documents: Sequence[Document], path: Path, form: str
) -> int:
    """Write the structures of some records; how many there are.

    Raises
    ------
    InputError
        If these records have none.
    """
    found = list(structures_of(database, documents))
    if not found:
        raise InputError(
            f"none of the {len(documents)} records has a structure file; explicit interfaces have "
            "(a study with the stage structures): query the kind interfaces"
        )
    if form == "extxyz":
        from ase.io import write

        text = io.StringIO()
        write(text, found, format="extxyz")
        _write(path, text.getvalue().encode())
        return len(found)
    if path.exists():
        raise OutputError(f"{path} exists; give a new file for an ASE database")
    _write_ase_database(found, path)
    return len(found)


def _write_ase_database(found: Sequence[Atoms], path: Path) -> None:
    from ase.db import connect

    try:
        with connect(str(path), type="db") as target:
            for atoms in found:
                target.write(
                    atoms,
                    interlith_key=atoms.info["interlith_key"],
                    interlith_kind=atoms.info["interlith_kind"],
                )
    except OSError as error:
        raise OutputError(f"cannot write {path} ({error.strerror or error})") from error


def _write(path: Path, content: bytes) -> None:
    """The whole file or none of it."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path} ({error.strerror or error})") from error
