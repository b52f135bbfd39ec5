"""Did a framework survive: its bonds and the places of its atoms, before and after.

The framework is every atom but the mobile ones. It is intact while the bonds of its polyhedra hold,
no new ones form (no S-S where sulfide was), and no atom has left its place.

>>> from interlith.structures.framework import framework_change
>>> from interlith.structures.library import build, load_phase
>>> cell = build(load_phase("Li3PS4-gamma"))
>>> framework_change(cell, cell).intact
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError
from interlith.records import Record
from interlith.structures.insertion import ION, covalent_radius

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = npt.NDArray[np.float64]

BONDED = 1.15
"""Atoms nearer than this many sums of covalent radii are bonded."""
BROKEN = 1.4
"""A bond longer than this is broken."""
DISPLACED_ANGSTROM = 1.0
"""Root mean square displacement beyond which the framework is another one."""


class FrameworkChange(Record):
    """What became of a framework.

    Attributes
    ----------
    rms_displacement_angstrom, max_displacement_angstrom : float
        Of its atoms in fractional coordinates, common drift removed, in the mean cell.
    broken, formed : tuple of str
        Element pairs of bonds lost and gained, one entry each.
    volume_change : float
        Of the whole cell, as a fraction.
    """

    intact: bool
    rms_displacement_angstrom: float
    max_displacement_angstrom: float
    broken: tuple[str, ...]
    formed: tuple[str, ...]
    volume_change: float

    def words(self) -> str:
        """Say what happened, for a reason."""
        parts = []
        if self.broken:
            parts.append(f"bonds broken: {_counted(self.broken)}")
        if self.formed:
            parts.append(f"bonds formed: {_counted(self.formed)}")
        if self.rms_displacement_angstrom > DISPLACED_ANGSTROM:
            parts.append(f"atoms moved by {self.rms_displacement_angstrom:.2f} Angstrom (rms)")
        return "; ".join(parts) or "framework intact"


def framework_change(before: Structure, after: Structure, ion: str = ION) -> FrameworkChange:
    """Compare the framework of two crystals whose framework atoms come in the same order.

    Parameters
    ----------
    before, after : Structure
        Ordered, of the same lattice up to strain; they may hold different numbers of the ion.
    ion : str
        The mobile element, which is no part of the framework.

    Raises
    ------
    InputError
        If the framework atoms are not the same ones.
    """
    old = [i for i, site in enumerate(before) if site.specie.symbol != ion]
    new = [i for i, site in enumerate(after) if site.specie.symbol != ion]
    symbols = [before[i].specie.symbol for i in old]
    if not old or symbols != [after[i].specie.symbol for i in new]:
        raise InputError(
            f"{before.formula} and {after.formula} have no common framework without {ion}: the "
            "other atoms must be the same, in the same order"
        )
    first, last = before.frac_coords[old], after.frac_coords[new]
    drift = last[0] - first[0]  # of one atom for all: a drift may straddle the cell's edge
    last = last - np.round(last - first - drift)
    moved = _displacements(before, after, last - first)
    rms, most = float(np.sqrt((moved**2).mean())), float(moved.max())
    broken = _lost(before, after, first, last, symbols)
    formed = _lost(after, before, last, first, symbols)
    return FrameworkChange(
        intact=not broken and not formed and rms <= DISPLACED_ANGSTROM,
        rms_displacement_angstrom=rms,
        max_displacement_angstrom=most,
        broken=broken,
        formed=formed,
        volume_change=float(after.volume / before.volume - 1),
    )


def _displacements(before: Structure, after: Structure, shift: FloatArray) -> FloatArray:
    cell = 0.5 * (before.lattice.matrix + after.lattice.matrix)
    lengths: FloatArray = np.linalg.norm((shift - shift.mean(axis=0)) @ cell, axis=1)
    return lengths


def _lost(
    here: Structure, there: Structure, points: FloatArray, moved: FloatArray, symbols: list[str]
) -> tuple[str, ...]:
    """Bonds of the one crystal, images told apart, that are none in the other."""
    from pymatgen.core import Structure as Crystal

    radii = np.array([covalent_radius(symbol) for symbol in symbols])
    frame = Crystal(here.lattice, symbols, points)
    first, second, images, lengths = frame.get_neighbor_list(2 * BONDED * float(radii.max()))
    sums = radii[first] + radii[second]
    vectors = (moved[second] + images - moved[first]) @ there.lattice.matrix
    lost = (lengths < BONDED * sums) & (np.linalg.norm(vectors, axis=1) > BROKEN * sums)
    names = ["-".join(sorted((symbols[i], symbols[j]))) for i, j in zip(first, second, strict=True)]
    pairs = sorted(name for name, gone in zip(names, lost, strict=True) if gone)
    return tuple(pairs[::2])  # the list holds each bond from both its ends


def _counted(pairs: tuple[str, ...]) -> str:
    return ", ".join(f"{pairs.count(one)} {one}" for one in sorted(set(pairs)))
