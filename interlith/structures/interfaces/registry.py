"""Where one surface sits on another: lateral shifts that differ, scored without and with energies.

Shifts by a lattice vector of either side change nothing, so only the cell that both lattices
generate together is sampled (:func:`shift_cell`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interlith.structures.interfaces import plane_lattice
from interlith.structures.interfaces.assembly import IntArray, Joint, Layer, touching
from interlith.structures.interfaces.contacts import touching_gap
from interlith.structures.interfaces.matching import shift_grid

FloatArray = npt.NDArray[np.float64]

MOST_SHIFTS = 400
"""A finer grid than this many points is made coarser."""
APART_ANGSTROM = 0.8
"""Registries closer than this in shift are one."""
GAP_STEPS_ANGSTROM = (-0.2, 0.0, 0.2, 0.4)
"""Gaps tried around the touching one when an energy is at hand."""


@dataclass(frozen=True, eq=False)
class Registry:
    """One way to put the upper layer on the lower.

    Attributes
    ----------
    joint : Joint
        Shift and gap.
    energy_ev : float or None
        Of the whole cell built with it, where an energy was given.
    """

    joint: Joint
    energy_ev: float | None = None


def shift_cell(supercell_a: IntArray, supercell_b: IntArray, cell: FloatArray) -> FloatArray:
    """Cell of distinct lateral shifts of one layer against another, (2, 2) rows, Angstrom.

    The lattice that the primitive lattices of both generate together in the common cell, found in
    integers: a shift by a lattice vector of either is a vector of it, and changes nothing.

    Parameters
    ----------
    supercell_a, supercell_b : (2, 2)
        The common cell counted in the primitive in-plane vectors of each.
    cell : (2, 2)
        The common cell, rows, Angstrom.
    """
    counts = [abs(plane_lattice.determinant(one)) for one in (supercell_a, supercell_b)]
    common = math.lcm(*counts)
    inverses = plane_lattice.adjugates(np.array([supercell_a, supercell_b]))
    rows = [one * (common // count) for one, count in zip(inverses, counts, strict=True)]
    basis = plane_lattice.generated_lattice(np.concatenate(rows))
    reduced, _ = plane_lattice.reduce_cells((basis @ cell / common)[None])
    return np.asarray(reduced[0], dtype=np.float64)


def best_registries(
    below: Layer,
    above: Layer,
    cell: FloatArray,
    shifts_cell: FloatArray,
    *,
    count: int = 5,
    spacing_angstrom: float = 0.5,
) -> tuple[Registry, ...]:
    """The lateral shifts at which two surfaces fit into each other best.

    Parameters
    ----------
    cell : (2, 2)
        Common in-plane cell, Angstrom.
    shifts_cell : (2, 2)
        Cell of distinct shifts, rows, Angstrom.
    count : int
        How many to return, each at least 0.8 Angstrom from the others.
    spacing_angstrom : float
        Of the grid of shifts; made coarser beyond 400 points.

    Returns
    -------
    tuple of Registry
        Smallest touching gap first: where it is small the fewest atoms stand on top of each other.
    """
    area = abs(float(np.linalg.det(shifts_cell)))
    spacing = max(spacing_angstrom, float(np.sqrt(area / MOST_SHIFTS)))
    grid = shift_grid(shifts_cell, spacing)
    shifts = grid @ shifts_cell
    gaps = touching_gap(*touching(below, above), cell, shifts)
    order = np.lexsort((np.arange(len(gaps)), np.round(gaps, 4)))
    kept: list[int] = []
    for index in order:
        if all(_distance(grid[index] - grid[one], shifts_cell) > APART_ANGSTROM for one in kept):
            kept.append(int(index))
        if len(kept) == count:
            break
    return tuple(Registry(Joint(shifts[index], float(gaps[index]))) for index in kept)


def rank_registries(
    registries: tuple[Registry, ...],
    energy_of: Callable[[Joint], float],
) -> tuple[Registry, ...]:
    """The same shifts with the best gap of each by energy, lowest energy first.

    Parameters
    ----------
    energy_of : callable
        Energy (eV) of the whole cell built with a joint.
    """
    ranked = []
    for registry in registries:
        joints = [
            Joint(registry.joint.shift, registry.joint.gap + step) for step in GAP_STEPS_ANGSTROM
        ]
        energies = [energy_of(joint) for joint in joints]
        best = int(np.argmin(energies))
        ranked.append(Registry(joints[best], float(energies[best])))
    return tuple(sorted(ranked, key=lambda one: one.energy_ev or 0.0))


def _distance(fractional: FloatArray, cell: FloatArray) -> float:
    return float(np.linalg.norm((fractional - np.round(fractional)) @ cell))
