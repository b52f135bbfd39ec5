"""What DFT adds to a study: band gaps, interphase classes with them, corrected adhesion."""

from __future__ import annotations

from typing import Any

from interlith.analysis.electronic_character import ComputedGap
from interlith.analysis.interphase import InterphaseClass
from interlith.provenance import Provenance
from interlith.records import Record, Status

WHAT = (
    "energies of frames that the potential relaxed, each recomputed once as it stands; geometry, "
    "entropy and anything that would move atoms are the potential's"
)


class GapFailure(Record):
    """A phase whose gap is not known, and why."""

    formula: str
    reason: str


class GapsRecord(Record):
    """Band gaps of several phases."""

    schema_version: int = 1
    engine: str
    gaps: tuple[ComputedGap, ...]
    failures: tuple[GapFailure, ...]
    provenance: Provenance


class FrameEnergies(Record):
    """One frame by both methods."""

    name: str
    formula: str
    n_atoms: int
    copies: float
    potential_ev: float | None
    dft_ev: float | None
    reason: str | None = None
    largest_force_dft_ev_per_angstrom: float | None = None
    force_rmse_ev_per_angstrom: float | None = None


class DeltaRecord(Record):
    """Interface energy by a potential, and what DFT adds to it.

    Attributes
    ----------
    corrects : str
        What the correction covers, in words.
    potential_j_per_m2, dft_j_per_m2 : float or None
        Energy of the interface over its parts, for each of the cell's interfaces.
    correction_j_per_m2 : float or None
        DFT minus potential.
    correction_mev_per_atom : float or None
        The same over the atoms of the interface cell.
    frames : tuple of FrameEnergies
        The interface first. A large DFT force says that the geometry is not DFT's.
    """

    schema_version: int = 1
    status: Status
    reason: str | None = None
    corrects: str = WHAT
    formula: str
    n_atoms: int
    area_angstrom2: float
    interfaces: int
    potential: dict[str, Any]
    dft: dict[str, Any]
    potential_j_per_m2: float | None = None
    dft_j_per_m2: float | None = None
    correction_j_per_m2: float | None = None
    correction_mev_per_atom: float | None = None
    frames: tuple[FrameEnergies, ...]
    provenance: Provenance


class InterphaseChange(Record):
    """Class of an interphase before and after gaps were computed."""

    a: str
    b: str
    before: InterphaseClass
    after: InterphaseClass
    reason: str

    @property
    def changed(self) -> bool:
        """Whether the computed gaps made another class of it."""
        return self.before != self.after


class ContactCorrection(Record):
    """Correction of one contact's cell; its sides, pulled apart as they stand, are the parts.

    Attributes
    ----------
    work_of_separation_j_per_m2 : float or None
        By DFT on the potential's frames: positive when the sides hold together. Nothing relaxes
        after the sides are pulled apart.
    """

    a: str
    b: str
    correction: DeltaRecord
    work_of_separation_j_per_m2: float | None
    work_of_separation_potential_j_per_m2: float | None


class DftResults(Record):
    """Result of the stage ``dft`` of a study."""

    schema_version: int = 1
    engine: str
    gaps: GapsRecord | None
    interphases: tuple[InterphaseChange, ...] = ()
    contacts: tuple[ContactCorrection, ...] = ()
    failures: tuple[str, ...] = ()
    provenance: Provenance
