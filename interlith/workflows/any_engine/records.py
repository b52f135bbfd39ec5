"""What one calculation says, whichever engine made it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError, field_validator

from interlith.errors import InputError, OutputError
from interlith.provenance import Provenance
from interlith.records import Record, Status

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

Kind = Literal["static", "relax", "cell_relax"]
Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]
Kept = TypeVar("Kept", bound=Record)
RECORD_FILE = "record.json"


class CalculationRecord(Record):
    """Energy, forces and the rest of one structure.

    Attributes
    ----------
    kind : str
        ``static``, ``relax`` (atoms only) or ``cell_relax`` (atoms and cell).
    status : str
        "ok", or "diagnosis" where something did not converge; the reason says what.
    engine : str
        The name that was asked for.
    identity : dict
        What answered, exactly: a potential's identity, or a code's version and inputs.
    structure : dict
        The final structure as pymatgen writes it, magnetic moments as a site property; inside a
        flow the next job gets it as a ``Structure``.
    energy_ev : float
        Of the whole cell; of a smeared occupation, extrapolated to zero width.
    stress_ev_per_angstrom3 : 3 x 3 or None
        Tension positive; None where the engine gives none.
    magnetic_moments_bohr : tuple of float or None
        One for each atom; None where the engine gives none.
    steps : int or None
        Of the relaxation.
    settings : dict or None
        What a DFT code used in the end, cures included.
    inputs : str
        Hash of all that the result follows from.
    folder : str or None
        Where its files lie.
    """

    schema_version: int = 1
    kind: Kind
    status: Status
    reason: str | None = None
    engine: str
    identity: dict[str, Any]
    formula: str
    n_atoms: int
    structure: dict[str, Any]
    energy_ev: float
    energy_ev_per_atom: float
    volume_a3: float
    forces_ev_per_angstrom: tuple[Vector, ...]
    largest_force_ev_per_angstrom: float
    stress_ev_per_angstrom3: Matrix | None = None
    magnetic_moments_bohr: tuple[float, ...] | None = None
    steps: int | None = None
    settings: dict[str, Any] | None = None
    inputs: str = ""
    folder: str | None = None
    provenance: Provenance

    @field_validator("structure", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        """A job store hands the structure back as an object; kept and fresh must be equal."""
        from monty.json import jsanitize

        return jsanitize(value if isinstance(value, dict) else value.as_dict())

    def crystal(self) -> Structure:
        """The final structure."""
        return as_structure(self.structure)


def as_structure(value: Structure | dict[str, Any]) -> Structure:
    """A pymatgen structure from itself or from its dictionary.

    Raises
    ------
    InputError
        If it is neither, or has sites that are shared or partly filled.
    """
    from pymatgen.core import Structure as Crystal

    try:
        structure = Crystal.from_dict(value) if isinstance(value, dict) else value
        ordered = structure.is_ordered
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"this is no crystal structure: {error}") from error
    if not ordered:
        raise InputError(
            f"{structure.composition.reduced_formula} has shared or partly filled sites; order it "
            "first (interlith build order)"
        )
    return structure


def atoms_of(structure: Structure | dict[str, Any]) -> Atoms:
    """ASE atoms of a structure, with region labels; ``magmom`` becomes the starting moments."""
    from interlith.structures.files.formats import to_atoms

    crystal = as_structure(structure)
    atoms = to_atoms(crystal)
    moments = crystal.site_properties.get("magmom")
    if moments is not None:
        atoms.set_initial_magnetic_moments([float(moment or 0.0) for moment in moments])
    return atoms


def structure_of(atoms: Atoms, moments: Sequence[float] | None = None) -> Structure:
    """A structure of atoms, with their region labels and the given magnetic moments."""
    from interlith.structures.files.formats import from_atoms

    structure = from_atoms(atoms)
    if moments is not None:
        structure.add_site_property("magmom", [float(moment) for moment in moments])
    return structure


def vectors(values: Any) -> tuple[Vector, ...]:
    """Rows of three numbers."""
    return tuple((float(x), float(y), float(z)) for x, y, z in np.reshape(values, (-1, 3)))


def matrix(values: Any) -> Matrix:
    """A 3 x 3 matrix."""
    a, b, c = vectors(values)
    return a, b, c


def inputs_hash(atoms: Atoms, *others: Any) -> str:
    """Hash of atoms (cell, elements, places, starting moments) and of plain values or settings.

    Open boundaries and constraints enter where there are some.
    """
    digest = hashlib.sha256()
    for array in (atoms.cell.array, atoms.numbers, atoms.positions):
        digest.update(np.round(array, 8).tobytes())
    digest.update(np.round(atoms.get_initial_magnetic_moments(), 4).tobytes())
    if not atoms.pbc.all():
        digest.update(atoms.pbc.tobytes())
    for constraint in atoms.constraints:
        digest.update(repr(constraint.todict()).encode())
    for one in others:
        text = one.model_dump_json() if isinstance(one, BaseModel) else json.dumps(one)
        digest.update(text.encode())
        digest.update(b"|")
    return digest.hexdigest()


def read_kept(folder: Path | str | None, kind: type[Kept], inputs: str) -> Kept | None:
    """The record that a folder keeps, if it follows from the same inputs."""
    if folder is None:
        return None
    try:
        kept = kind.model_validate_json((Path(folder) / RECORD_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError):
        return None
    return kept if getattr(kept, "inputs", None) == inputs else None


def keep(folder: Path | str | None, record: Record) -> None:
    """Put a record into its folder, whole.

    Raises
    ------
    OutputError
        If the folder cannot be written to.
    """
    if folder is None:
        return
    path = Path(folder) / RECORD_FILE
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
