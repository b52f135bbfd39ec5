"""What the build commands share: options, checks, files, the table of what was considered."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlith.cli.common import listed, table
from interlith.errors import InputError, OutputError

if TYPE_CHECKING:
    from pymatgen.core import Structure

OutOption = Annotated[Path, typer.Option("--out", "-o", help="Folder for the files.")]
FormatOption = Annotated[
    str, typer.Option("--format", help="Any of cif,poscar,extxyz,lammps; the first is named first.")
]
PictureOption = Annotated[
    bool, typer.Option("--picture/--no-picture", help="Draw each cell from two sides (PNG).")
]
SeedOption = Annotated[int, typer.Option(help="Of everything that is drawn at random.")]
MaxAtomsOption = Annotated[int, typer.Option(help="Atom budget of a cell.")]
RankOption = Annotated[
    str | None, typer.Option("--rank", help="Potential that ranks, such as 7net-0 (extra ml).")
]
StateOption = Annotated[
    list[str] | None,
    typer.Option("--state", help="ELEMENT=CHARGE, such as Co=3.5; else stated or guessed."),
]
DEFAULT_FOLDER = Path("structures")


def planes(texts: Sequence[str] | None, option: str) -> tuple[tuple[int, int, int], ...] | None:
    """Read planes such as ``1,0,-1``.

    Raises
    ------
    InputError
        If one is not three integers, or all are zero.
    """
    if not texts:
        return None
    return tuple(plane(text, option) for text in texts)


def plane(text: str, option: str, what: str = "plane") -> tuple[int, int, int]:
    """Read one plane, or axis, such as ``1,0,-1``."""
    indices = triple(text, option, what, "1,0,-1")
    if not any(indices):
        raise InputError(f"{option} 0,0,0 names no {what}; one index at least must not be zero")
    return indices


def triple(text: str, option: str, what: str, example: str) -> tuple[int, int, int]:
    """Read three integers.

    Raises
    ------
    InputError
        If these are others, or not three.
    """
    try:
        h, k, m = (int(part) for part in listed(text))
    except ValueError as error:
        raise InputError(
            f"{option} '{text}' is no {what}; write three integers: {example}"
        ) from error
    return h, k, m


def oxidation_states(texts: Sequence[str] | None) -> dict[str, float] | None:
    """Read ``--state Li=1``, given once for each element; None where none is.

    Raises
    ------
    InputError
        If one is no element and number.
    """
    states: dict[str, float] = {}
    for text in texts or ():
        element, _, number = (part.strip() for part in text.partition("="))
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not element or not math.isfinite(value):
            raise InputError(
                f"--state '{text}' is no oxidation state; write ELEMENT=CHARGE, such as Co=3.5"
            )
        states[element] = value
    return states or None


def checked_formats(text: str) -> tuple[str, ...]:
    """Formats from ``cif,poscar``; InputError for one that is not known."""
    from interlith.workflows.structures import SUFFIXES

    kinds = listed(text)
    unknown = [kind for kind in kinds if kind not in SUFFIXES]
    if unknown or not kinds:
        raise InputError(f"--format '{text}': choose from {', '.join(SUFFIXES)}")
    return kinds


def validated(model: type[Any], **values: Any) -> Any:
    """Options as a model; what it refuses becomes one clear message."""
    from pydantic import ValidationError

    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        option = "--" + name.removesuffix("2").removesuffix("_angstrom").replace("_", "-")
        raise InputError(f"{option} {first['input']!r}: {first['msg']}") from error


def check_folder(folder: Path) -> None:
    """See whether files can go there, before the work; OutputError if not. Nothing is made."""
    try:
        there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
        why = None if there.is_dir() else f"{there} is a file"
        why = why or (None if os.access(there, os.W_OK | os.X_OK) else "Permission denied")
    except OSError as error:
        why = str(error.strerror or error)
    if why:
        raise _no_folder(folder, why)


def _no_folder(folder: Path, why: str) -> OutputError:
    return OutputError(f"cannot write into {folder} ({why}); choose another folder with --out")


def write_all(
    structures: Mapping[str, Structure], folder: Path, formats: Sequence[str], picture: bool
) -> None:
    """Write each structure in each format, and its picture.

    The folder is made and the first file written when the text of every one is there.

    Raises
    ------
    InputError
        If a format cannot hold a structure; nothing is written.
    OutputError
        If the folder or a file cannot be written.
    """
    from interlith.structures.files.formats import format_of, structure_text, write_text
    from interlith.workflows.structures import file_names

    texts = {
        Path(path): structure_text(structure, format_of(path, kind))
        for name, structure in structures.items()
        for kind, path in file_names(name, formats, str(folder)).items()
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _no_folder(folder, str(error.strerror or error)) from error
    for path, text in texts.items():
        write_text(path, text)
    for name, structure in structures.items() if picture else ():
        from interlith.report.structure_pictures import draw_structure

        draw_structure(structure, folder / f"{name}.png", title=name)


def considered_lines(data: Mapping[str, Any], kept: int) -> list[Any]:
    """The table of what was looked at and why it was kept or dropped."""
    rows = [["kept", str(kept)], *([d["reason"], str(d["count"])] for d in data["dropped"])]
    return [table(f"Considered: {data['considered']}", ("what became of it", "count"), rows)]


def plane_text(indices: Sequence[int]) -> str:
    """A plane in round brackets."""
    return "(" + " ".join(map(str, indices)) + ")"
