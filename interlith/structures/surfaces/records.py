"""What a slab says in JSON, alone or as a layer of an interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interlith.records import Record

if TYPE_CHECKING:
    from interlith.structures.surfaces.slabs import Slab


class CutRecord(Record):
    """How a slab was cut, and what its faces lack or have too much of.

    Attributes
    ----------
    termination : str
        Top plane as cut, per in-plane cell, and its number among the inequivalent ones.
    thickness_angstrom : float
        Of a slab from cut to cut; of a layer between its outermost planes, strained.
    tasker : int or None
        1: neutral planes; 2: charged planes, no surface charge; 3: polar as cut.
    charge_e : float or None
        Of the slab's cell, by formal charges; None where they are unknown.
    excess_per_nm2 : dict
        Atoms beyond the bulk's composition, both faces together, counted by ``excess_reference``.
    removed, moved : dict
        Ions that the repair of a polar face took away, or carried to the other face.
    """

    miller: tuple[int, int, int]
    termination: str
    termination_index: int
    thickness_angstrom: float
    symmetric: bool
    stoichiometric: bool
    breaks_polyanion: bool
    tasker: int | None
    charge_e: float | None
    dipole_e_per_angstrom: float | None
    excess_per_nm2: dict[str, float]
    excess_reference: str
    removed: dict[str, int]
    moved: dict[str, int]


def cut_facts(slab: Slab) -> dict[str, Any]:
    """The fields of a :class:`CutRecord`."""
    return {
        "miller": slab.miller,
        "termination": f"{slab.top.label} ({slab.top.index})",
        "termination_index": slab.top.index,
        "thickness_angstrom": round(slab.thickness_angstrom, 6),
        "symmetric": slab.symmetric,
        "stoichiometric": slab.stoichiometric,
        "breaks_polyanion": slab.top.breaks_polyanion,
        "tasker": slab.tasker,
        "charge_e": slab.charge_e,
        "dipole_e_per_angstrom": slab.dipole_e_per_angstrom,
        "excess_per_nm2": {name: round(n, 6) + 0.0 for name, n in slab.excess_per_nm2.items()},
        "excess_reference": slab.excess_reference,
        "removed": slab.removed,
        "moved": slab.moved,
    }
