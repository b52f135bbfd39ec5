"""Structures to files and back: CIF, POSCAR, extended XYZ and LAMMPS data.

Atom order, cell, positions and region labels (:mod:`interlith.structures.regions`) survive a round
trip through every format, to 1e-6 Angstrom or better; oxidation states and other properties are not
written, and which directions are periodic only in extended XYZ. Partial occupancies fit into CIF
only. What others wrote is read too, and other programs read what is written here: the labels sit
where they skip them.

>>> import pathlib, tempfile
>>> from interlith.structures.library import build, load_phase
>>> file = pathlib.Path(tempfile.mkdtemp()) / "LiCl.cif"
>>> len(read_structure(write_structure(build(load_phase("LiCl")), file)))
8
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from interlith.errors import InputError, OutputError
from interlith.structures.checks import require_cell, require_room
from interlith.structures.files.cif import Content, parse_cif
from interlith.structures.files.cif_text import PARSE_ERRORS
from interlith.structures.files.cif_writing import cif_of
from interlith.structures.files.lammps_data import lammps_of, parse_lammps
from interlith.structures.files.plain_text import extxyz_of, parse_extxyz, parse_poscar, poscar_of
from interlith.structures.regions import Regions, has_regions

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

Format = Literal["cif", "poscar", "extxyz", "lammps"]
SUFFIXES: dict[str, Format] = {
    ".cif": "cif", ".vasp": "poscar", ".poscar": "poscar", ".xyz": "extxyz", ".extxyz": "extxyz",
    ".lmp": "lammps", ".data": "lammps", ".lammps": "lammps",
}  # fmt: skip
POSCAR_NAMES = ("POSCAR", "CONTCAR")
LARGEST_FILE_BYTES = 5_000_000
LONGEST_LINE = 20_000
CONTROL_BYTES = frozenset(range(32)) - frozenset(b"\t\n\v\f\r")
"""What no text has, in whatever encoding."""


def format_of(path: Path | str, fmt: str | None = None) -> Format:
    """Format of a file: as named, or from its suffix, or else from a name such as ``POSCAR_1``.

    Raises
    ------
    InputError
        If neither names one that is known.
    """
    name = Path(path).name
    known = ", ".join(get_args(Format))
    if fmt is not None:
        for one in get_args(Format):
            if fmt.lower() == one:
                found: Format = one
                return found
        raise InputError(f"the format '{fmt}' is not known; choose one of {known}")
    if Path(name).suffix.lower() in SUFFIXES:
        return SUFFIXES[Path(name).suffix.lower()]
    if name.upper().startswith(POSCAR_NAMES):
        return "poscar"
    raise InputError(
        f"the name '{name}' does not say in which format it is; end it in "
        f"{', '.join(SUFFIXES)} or call it POSCAR, or name one of {known}"
    )


def write_structure(structure: Structure, path: Path | str, fmt: str | None = None) -> Path:
    """Write a structure with its region labels, replacing an earlier file as a whole.

    Parameters
    ----------
    structure : Structure
        Atoms are written in its order.
    path : Path or str
        Where to.
    fmt : str, optional
        ``cif``, ``poscar``, ``extxyz`` or ``lammps``; by default what the suffix says.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If the format is not known, or it cannot hold partial occupancies.
    OutputError
        If the file cannot be written; an earlier one stays as it was.
    """
    path = Path(path)
    write_text(path, structure_text(structure, format_of(path, fmt)))
    return path


def structure_text(structure: Structure, fmt: Format) -> str:
    """What a file of the structure holds.

    Raises
    ------
    InputError
        If there are no atoms, or the format cannot hold partial occupancies.
    """
    if len(structure) == 0:
        raise InputError("a structure without atoms cannot be written")
    if fmt != "cif" and not structure.is_ordered:
        raise InputError(
            f"{structure.composition.formula} has partly filled or shared sites, which {fmt} "
            "cannot hold; write a CIF, or order it first: `interlith build order NAME`"
        )
    writers = {"cif": cif_of, "poscar": poscar_of, "extxyz": extxyz_of, "lammps": lammps_of}
    return writers[fmt](structure)


def write_text(path: Path, text: str) -> None:
    """Write a file as a whole, through a file of another name beside it.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    fresh: Path | None = None
    try:
        handle, made = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.resolve().parent)
        fresh = Path(made)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.chmod(0o644)
        fresh.replace(path)
    except OSError as error:
        if fresh is not None:
            fresh.unlink(missing_ok=True)
        raise OutputError(
            f"cannot write {path} ({error.strerror or error}); choose another place"
        ) from error


def read_text(path: Path, *, latin: bool = False) -> str:
    """Text of a structure file.

    Parameters
    ----------
    latin : bool
        Take a text that is not UTF-8 as Latin-1 (Windows-1252), as names of authors in a CIF are.

    Raises
    ------
    InputError
        If it is missing, larger than 5 MB, not UTF-8, empty or not lines of text.
    """
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise InputError(f"{path} is a folder; name a structure file in it")
        if size > LARGEST_FILE_BYTES:
            raise InputError(
                f"{path} has {size / 1e6:.0f} MB; structure files of up to "
                f"{LARGEST_FILE_BYTES / 1e6:.0f} MB are read"
            )
        content = path.read_bytes()
        if latin and not CONTROL_BYTES.intersection(content):
            text = _utf8(content) or content.decode("cp1252", errors="replace")
        else:
            text = content.decode("utf-8-sig")
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}; check its name and folder") from error
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text file (not UTF-8); give a structure file") from error
    except ValueError as error:
        raise InputError(f"{str(path)!r} cannot be the name of a file ({error})") from error
    if not text.strip():
        raise InputError(f"{path} is empty; give a structure file")
    if "\0" in text or max(map(len, text.splitlines())) > LONGEST_LINE:
        raise InputError(f"{path} is no text file of lines; give a structure file")
    return text


def _utf8(content: bytes) -> str | None:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def read_structure(path: Path | str, fmt: str | None = None) -> Structure:
    """Read a structure, with region labels where the file has them.

    Parameters
    ----------
    path : Path or str
        Of an extended XYZ trajectory the last frame is taken.
    fmt : str, optional
        As in :func:`write_structure`.

    Raises
    ------
    InputError
        If the file is missing or unreadable, or holds no sound crystal.
    """
    path = Path(path)
    kind = format_of(path, fmt)
    return parse_content(read_text(path, latin=kind == "cif"), kind, str(path)).structure


def parse_content(text: str, fmt: Format, name: str) -> Content:
    """Structure that a text describes, and what else it says; ``name`` is for messages.

    Raises
    ------
    InputError
        If it describes none.
    """
    parsers: dict[Format, Callable[[str, str], Structure]] = {
        "poscar": parse_poscar,
        "extxyz": parse_extxyz,
        "lammps": parse_lammps,
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if fmt == "cif":
                content = parse_cif(text, name)
            else:
                content = Content(parsers[fmt](text, name), None)
            lattice = content.structure.lattice
            require_cell(lattice.matrix, name)
            require_room(lattice.matrix, content.structure.frac_coords, name)
    except InputError:
        raise
    except PARSE_ERRORS as error:
        said = f"{type(error).__name__}: {error}".partition("\n")[0][:120]
        raise InputError(
            f"{name} cannot be read as {fmt} ({said}); export it again, or name its format"
        ) from error
    return content


def to_atoms(structure: Structure) -> Atoms:
    """ASE atoms in the same order, with the region labels as arrays.

    Raises
    ------
    InputError
        If the structure has partial occupancies.
    """
    from ase import Atoms

    if not structure.is_ordered:
        raise InputError(
            f"{structure.composition.formula} has partly filled or shared sites; order it first: "
            "`interlith build order NAME`"
        )
    atoms = Atoms(
        symbols=[site.specie.symbol for site in structure],
        positions=structure.cart_coords,
        cell=structure.lattice.matrix,
        pbc=structure.lattice.pbc,
    )
    return Regions.of(structure).attach(atoms) if has_regions(structure) else atoms


def from_atoms(atoms: Atoms) -> Structure:
    """Pymatgen structure in the same order, with the region labels as site properties."""
    from pymatgen.core import Lattice, Structure

    periodic = tuple(bool(one) for one in atoms.pbc)
    structure = Structure(
        Lattice(atoms.cell.array, pbc=periodic),  # type: ignore[arg-type]  # there are three
        atoms.get_chemical_symbols(),
        atoms.positions,
        coords_are_cartesian=True,
    )
    return Regions.of(atoms).attach(structure) if has_regions(atoms) else structure
