"""What the build commands share: options, checks, files, the table of what was considered."""

from __future__ import annotations

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


def plane(text: str, option: str) -> tuple[int, int, int]:
    """Read one plane such as ``1,0,-1``."""
    try:
        h, k, m = (int(part) for part in listed(text))
    except ValueError as error:
        raise InputError(f"{option} '{text}' is no plane; write three integers: 1,0,-1") from error
    if h == k == m == 0:
        raise InputError(f"{option} 0,0,0 names no plane; one index at least must not be zero")
    return h, k, m


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
    """Make the folder; OutputError if that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot write into {folder} ({error.strerror}); choose another folder with --out"
        ) from error


def write_all(
    structures: Mapping[str, Structure], folder: Path, formats: Sequence[str], picture: bool
) -> None:
    """Write each structure in each format, and its picture."""
    from interlith.structures.files.formats import write_structure
    from interlith.workflows.structures import file_names

    for name, structure in structures.items():
        for kind, path in file_names(name, formats, str(folder)).items():
            write_structure(structure, Path(path), kind)
        if picture:
            from interlith.report.structure_pictures import draw_structure

            draw_structure(structure, folder / f"{name}.png", title=name)


def considered_lines(data: Mapping[str, Any], kept: int) -> list[Any]:
    """The table of what was looked at and why it was kept or dropped."""
    rows = [["kept", str(kept)], *([d["reason"], str(d["count"])] for d in data["dropped"])]
    return [table(f"Considered: {data['considered']}", ("what became of it", "count"), rows)]


def plane_text(indices: Sequence[int]) -> str:
    """A plane in round brackets."""
    return "(" + " ".join(map(str, indices)) + ")"
