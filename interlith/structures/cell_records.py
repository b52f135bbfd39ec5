"""What bulk cells, orderings, slabs, glasses and grain boundaries say in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interlith.provenance import Provenance
from interlith.records import Record
from interlith.structures.checks import closest_pair
from interlith.structures.disorder.glass import MeltQuench
from interlith.structures.interfaces.records import DropRecord
from interlith.structures.surfaces.records import CutRecord, cut_facts

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from interlith.structures.disorder.ordering import OrderedCell
    from interlith.structures.surfaces.grain_boundaries import GrainBoundary
    from interlith.structures.surfaces.slabs import Slab


class CellRecord(Record):
    """A cell and its files.

    Attributes
    ----------
    min_distance_ratio : float or None
        Shortest distance in covalent-radius sums, between ``closest_pair``; None where no two
        sites are ever both filled.
    """

    file: str | None
    files: dict[str, str]
    formula: str
    n_atoms: int
    volume_angstrom3: float
    density_g_cm3: float
    min_distance_ratio: float | None
    closest_pair: str | None


class OrderedRecord(CellRecord):
    """One ordered arrangement.

    Attributes
    ----------
    ewald_ev_per_atom : float
        Electrostatic energy with formal charges, before any relaxation; for comparison only.
    energy_ev_per_atom : float or None
        By the potential; None without one.
    """

    ewald_ev_per_atom: float
    energy_ev_per_atom: float | None
    relaxed: bool


class SlabRecord(CellRecord, CutRecord):
    """One slab.

    Attributes
    ----------
    bottom : str
        Bottom plane as cut, and its number among those of (-h-k-l).
    severed_valence_per_nm2 : float or None
        Cation charge over coordination number, summed over the bonds that the top cut severs; None
        without oxidation states.
    """

    bottom: str
    area_angstrom2: float
    broken_bonds_per_nm2: float
    severed_valence_per_nm2: float | None = None


class BoundaryRecord(CellRecord):
    """A cell with two equal tilt boundaries."""

    sigma: int
    axis: tuple[int, int, int]
    plane: tuple[int, int, int]
    angle_deg: float
    area_angstrom2: float
    grain_angstrom: float


class CellsRecord(Record):
    """Result of ``interlith build bulk`` and ``build grain-boundary``."""

    schema_version: int = 1
    material: str
    source: str
    candidates: tuple[BoundaryRecord | CellRecord, ...]
    provenance: Provenance


class SlabsRecord(Record):
    """Result of ``interlith build slab``."""

    schema_version: int = 1
    material: str
    source: str
    candidates: tuple[SlabRecord, ...]
    considered: int
    dropped: tuple[DropRecord, ...]
    provenance: Provenance


class OrderingRecord(Record):
    """Result of ``interlith build order``.

    Attributes
    ----------
    composition_error : float
        Largest difference of atomic fractions between what was asked and what was made.
    misplaced : float or None
        Most atoms too many or few of an element on one kind of site, over all atoms; elements
        that move freely do not count. None in records of before.
    anti_site_asked, anti_site_made : float or None
        Fraction of an argyrodite's cage centres with halogen; None where none was asked.
    notes : tuple of str
        How a doped composition was put onto the host, in words.
    """

    schema_version: int = 1
    material: str
    source: str
    formula_asked: str
    formula_made: str
    composition_error: float
    misplaced: float | None = None
    anti_site_asked: float | None = None
    anti_site_made: float | None = None
    method: str
    considered: int
    duplicates: int
    candidates: tuple[OrderedRecord, ...]
    notes: tuple[str, ...]
    potential: dict[str, object] | None
    provenance: Provenance


class GlassRecord(CellRecord):
    """Result of ``interlith build glass``: a random packing, and how to make a glass of it."""

    schema_version: int = 1
    composition_error: float
    polyanions: int
    protocol: MeltQuench
    provenance: Provenance


def cell_facts(structure: Structure, files: dict[str, str]) -> dict[str, Any]:
    """What every cell's record holds."""
    ratio, pair = closest_pair(structure)
    return {
        "file": next(iter(files.values()), None),
        "files": files,
        "formula": structure.composition.formula.replace(" ", ""),
        "n_atoms": len(structure),
        "volume_angstrom3": round(float(structure.volume), 4),
        "density_g_cm3": round(float(structure.density), 4),
        "min_distance_ratio": round(ratio, 4) if pair else None,
        "closest_pair": pair or None,
    }


def ordered_record(cell: OrderedCell, files: dict[str, str]) -> OrderedRecord:
    """The record of an ordered cell."""
    return OrderedRecord(
        **cell_facts(cell.structure, files),
        ewald_ev_per_atom=cell.ewald_ev_per_atom,
        energy_ev_per_atom=cell.energy_ev_per_atom,
        relaxed=cell.relaxed,
    )


def slab_record(slab: Slab, files: dict[str, str]) -> SlabRecord:
    """The record of a slab."""
    severed = slab.top.severed_valence_per_nm2
    return SlabRecord(
        **cell_facts(slab.structure, files),
        **cut_facts(slab),
        bottom=f"{slab.bottom.label} ({slab.bottom.index})",
        area_angstrom2=round(slab.area_angstrom2, 6),
        broken_bonds_per_nm2=round(slab.top.broken_bonds_per_nm2, 6),
        severed_valence_per_nm2=None if severed is None else round(severed, 6),
    )


def boundary_record(boundary: GrainBoundary, files: dict[str, str]) -> BoundaryRecord:
    """The record of a grain boundary."""
    return BoundaryRecord(
        **cell_facts(boundary.structure, files),
        sigma=boundary.sigma,
        axis=boundary.axis,
        plane=boundary.plane,
        angle_deg=round(boundary.angle_deg, 4),
        area_angstrom2=round(boundary.area_angstrom2, 4),
        grain_angstrom=round(boundary.grain_angstrom, 4),
    )
