"""What a DFT calculation leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from interlith.engines.electronic.datasets import Dataset
from interlith.engines.electronic.settings import DftSettings
from interlith.engines.identity import PotentialIdentity
from interlith.provenance import Provenance
from interlith.records import Record

if TYPE_CHECKING:
    from ase import Atoms

DftStatus = Literal["converged", "not_converged", "failed"]
Vector = tuple[float, float, float]


class DftIdentity(PotentialIdentity):
    """A DFT engine as a potential.

    Attributes
    ----------
    datasets : dict
        sha256 of the PAW dataset by element, for the elements known when it was named.
    settings : dict
        What was asked to differ from the settings by task and chemistry, and the task.
    """

    kind: Literal["dft"] = "dft"
    xc: str
    datasets: dict[str, str] = Field(default_factory=dict)
    settings: dict[str, object] = Field(default_factory=dict)


class Attempt(Record):
    """One try to converge.

    Attributes
    ----------
    change : dict
        Settings that differ from those asked for; empty for the first try.
    log : str
        GPAW's own log, relative to the record's folder.
    """

    change: dict[str, object]
    log: str
    converged: bool
    iterations: int | None = None
    reason: str | None = None
    wall_s: float


class DftStructure(Record):
    """Atoms: cell vectors in rows and positions, Angstrom."""

    elements: tuple[str, ...]
    cell: tuple[Vector, Vector, Vector]
    positions: tuple[Vector, ...]
    pbc: tuple[bool, bool, bool] = (True, True, True)

    @classmethod
    def of(cls, atoms: Atoms) -> DftStructure:
        """From ASE's atoms."""
        return cls(
            elements=tuple(atoms.get_chemical_symbols()),
            cell=(_row(atoms.cell[0]), _row(atoms.cell[1]), _row(atoms.cell[2])),
            positions=rows(atoms.positions),
            pbc=(bool(atoms.pbc[0]), bool(atoms.pbc[1]), bool(atoms.pbc[2])),
        )

    def atoms(self) -> Atoms:
        """As ASE's atoms."""
        from ase import Atoms

        return Atoms(self.elements, positions=self.positions, cell=self.cell, pbc=self.pbc)


class DftRecord(Record):
    """Result of one static calculation or relaxation.

    Attributes
    ----------
    key : str
        Hash of structure, settings, datasets and GPAW version: a finished record with the same
        key is read back instead of computed again.
    energy_ev : float or None
        Extrapolated to zero smearing width, for the whole cell; None unless converged.
    stress_ev_per_angstrom3 : tuple or None
        xx, yy, zz, yz, xz, xy; positive under tension.
    band_gap_ev : float or None
        On the grid of k points; zero for a metal.
    attempts : tuple of Attempt
        Every try, with what was changed and its log; of a relaxation those of all steps that did
        not converge at once.
    structure : DftStructure
        The final one.
    fmax_ev_per_angstrom : float or None
        Largest force asked for in a relaxation.
    """

    schema_version: int = 1
    status: DftStatus
    reason: str | None = None
    key: str
    formula: str
    n_atoms: int
    settings: DftSettings
    datasets: tuple[Dataset, ...] = ()
    energy_ev: float | None = None
    energy_ev_per_atom: float | None = None
    free_energy_ev: float | None = None
    forces_ev_per_angstrom: tuple[Vector, ...] | None = None
    stress_ev_per_angstrom3: tuple[float, ...] | None = None
    magnetic_moments: tuple[float, ...] | None = None
    total_magnetic_moment: float | None = None
    band_gap_ev: float | None = None
    fermi_level_ev: float | None = None
    volume_angstrom3: float
    attempts: tuple[Attempt, ...] = ()
    structure: DftStructure
    fmax_ev_per_angstrom: float | None = None
    steps: int | None = None
    volume_change: float | None = None
    folder: str
    wall_time_s: float
    provenance: Provenance


def rows(array: Any) -> tuple[Vector, ...]:
    """A table of three columns as plain tuples."""
    return tuple(_row(row) for row in array)


def _row(row: Any) -> Vector:
    return float(row[0]), float(row[1]), float(row[2])
