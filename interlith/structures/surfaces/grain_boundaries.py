"""Symmetric tilt grain boundaries of cubic crystals, with the composition of the crystal.

The second grain is the first one turned by 180 degrees about the normal of the boundary plane, and
the cell holds two boundaries that the same half turn takes into each other.

pymatgen's ``GrainBoundaryGenerator`` has the same lattices (a test compares them), but where atoms
meet it deletes one of them whatever it is, which leaves an ionic crystal charged. Here both grains
keep the composition of the crystal: the cut, the lateral shift and how far the grains stand apart
are chosen so that nothing overlaps.

>>> from interlith.structures.surfaces.grain_boundaries import tilt_boundary
>>> from interlith.structures.library import build, load_phase
>>> boundary = tilt_boundary(build(load_phase("Li3OCl")), 5, (0, 0, 1), (3, 1, 0))
>>> boundary.n_atoms, round(boundary.angle_deg, 2)
(90, 36.87)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError
from interlith.structures.energies import EnergyFunction
from interlith.structures.interfaces.matching import shift_grid
from interlith.structures.surfaces.tilt_geometry import (
    Indices,
    boundary_plane,
    checked_indices,
    in_words,
    tilt_angle_deg,
)

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from interlith.structures.surfaces.surface_cell import SurfaceCell

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CUBIC_TOLERANCE = 0.005
"""Relative differences of edges, and cosines of angles, up to which a cell counts as cubic."""
CLOSEST = 0.85
"""Atoms across a boundary come no closer than this fraction of their distance in the crystal."""
FAR_ANGSTROM = 3.0
"""No two atoms across a boundary are kept farther apart than this."""
MOST_CUTS = 24
BOND = 1.25
"""Nonmetals nearer than this many covalent-radius sums are bonded and stay in one grain."""
_COVALENT_SHARE = 0.72  # a little above what checks.py refuses


@dataclass(frozen=True)
class BoundaryCandidate:
    """One way to join the grains.

    Attributes
    ----------
    cut_angstrom : float
        Height of the cut above the lattice plane through the origin.
    shift : tuple
        Lateral shift of the second grain in fractions of the in-plane cell.
    opening_angstrom : float
        How much farther than bulk planes the grains stand apart at each boundary: the excess
        volume per area before relaxation.
    energy_ev : float or None
        Of the whole cell; None where it was not asked for.
    """

    cut_angstrom: float
    shift: tuple[float, float]
    opening_angstrom: float
    energy_ev: float | None = None


@dataclass(frozen=True)
class GrainBoundary:
    """A cell with two equal symmetric tilt boundaries, a and b in their plane.

    Attributes
    ----------
    structure : Structure
        Labelled by `interlith.structures.regions`: "grain_a" and "grain_b". c is normal to the
        plane; the whole crystal composition times a whole number.
    sigma : int
        Inverse density of coincidence points of the two lattices.
    axis, plane : tuple of int
        Tilt axis and boundary plane in the cubic axes.
    angle_deg : float
        Turn about the axis from one lattice to the other, the smallest one.
    area_angstrom2 : float
        Of one boundary.
    grain_angstrom : float
        Thickness of each grain.
    min_distance_ratio : float
        Shortest distance in covalent-radius sums.
    chosen : BoundaryCandidate
        How the grains are joined.
    considered : tuple of BoundaryCandidate
        The chosen one and the next best, in order.
    """

    structure: Structure
    sigma: int
    axis: Indices
    plane: Indices
    angle_deg: float
    area_angstrom2: float
    grain_angstrom: float
    min_distance_ratio: float
    chosen: BoundaryCandidate
    considered: tuple[BoundaryCandidate, ...]

    @property
    def n_atoms(self) -> int:
        """Atoms of the cell."""
        return len(self.structure)


def tilt_boundary(
    bulk: Structure,
    sigma: int,
    axis: Sequence[int],
    plane: Sequence[int] | None = None,
    *,
    min_grain_angstrom: float = 10.0,
    max_atoms: int = 400,
    shift_spacing_angstrom: float = 0.7,
    mobile_elements: Sequence[str] = ("Li",),
    energy: EnergyFunction | None = None,
    keep: int = 6,
) -> GrainBoundary:
    """A cell with two symmetric tilt boundaries of a cubic crystal.

    Parameters
    ----------
    bulk : Structure
        Ordered crystal whose conventional cell has a cubic shape (within 0.5 %); an ordering may
        lower the symmetry inside.
    sigma : int
        As in `interlith.structures.surfaces.tilt_geometry.tilt_sigmas`.
    axis, plane : three int
        In the cubic axes. Without a plane, the one with the smallest indices.
    min_grain_angstrom : float
        Least thickness of each grain.
    max_atoms : int
        Budget for the cell.
    shift_spacing_angstrom : float
        Grid of lateral shifts tried.
    mobile_elements : sequence of str
        For the labels.
    energy : callable, optional
        Scores the ``keep`` most compact candidates; the lowest is taken. Without it the most
        compact is.
    keep : int
        Candidates scored and told.

    Raises
    ------
    InputError
        If the crystal is disordered or not cubic, there is no such boundary, or the cell would
        take more atoms than the budget.

    Notes
    -----
    Not relaxed: stand-off and shift are steric guesses. Molecular anions such as PS4 are not cut.
    The two grains may be shifted only relative to each other, and no atoms are added or taken
    away, so boundaries with another local composition are not among the candidates.
    """
    from interlith.structures.checks import closest_pair
    from interlith.structures.surfaces.surface_cell import surface_cell

    direction = checked_indices(axis, "axis")
    face = boundary_plane(sigma, direction, plane)
    _check_sizes(min_grain_angstrom, max_atoms, keep)
    cubic = _cubic_cell(bulk)
    cell = surface_cell(cubic, face)
    periods = _periods(cell, min_grain_angstrom, max_atoms, f"sigma {sigma} ({in_words(face)})")
    blocks = _blocks(cubic, cell)
    limits = _closest_allowed(cubic, cell)
    ranked = _candidates(cell, blocks, limits, periods, shift_spacing_angstrom)[:keep]
    if energy is not None:
        scored = [
            BoundaryCandidate(
                one.cut_angstrom,
                one.shift,
                one.opening_angstrom,
                energy(_join(cell, blocks, periods, one, mobile_elements)),
            )
            for one in ranked
        ]
        ranked = sorted(scored, key=lambda one: float(one.energy_ev or 0.0))
    structure = _join(cell, blocks, periods, ranked[0], mobile_elements)
    return GrainBoundary(
        structure,
        sigma,
        direction,
        face,
        tilt_angle_deg(direction, face),
        cell.area_angstrom2,
        periods * cell.period_angstrom,
        closest_pair(structure)[0],
        ranked[0],
        tuple(ranked),
    )


@dataclass(frozen=True)
class _Blocks:
    """The atoms of a surface cell, each beside the centre of its molecule.

    ``points`` (n, 3) Angstrom; ``heights`` (n,) are those of the centres, which decide in which
    grain an atom is.
    """

    points: FloatArray
    heights: FloatArray


def _blocks(bulk: Structure, cell: SurfaceCell) -> _Blocks:
    """Move each outer nonmetal of a molecule next to its nearest centre, such as S to P in PS4."""
    from pymatgen.core import Element

    points = np.column_stack([cell.lateral, cell.heights])
    heights = cell.heights.copy()
    kinds = [Element(symbol) for symbol in cell.symbols]
    repeat = _repeat(cell)
    images = np.array(list(itertools.product((-2, -1, 0, 1, 2), repeat=3))) @ repeat
    for i, outer in enumerate(kinds):
        best = math.inf
        for j, centre in enumerate(kinds):
            if outer.is_metal or centre.is_metal or not centre.X < outer.X:
                continue
            moved = points[i] + images
            distance = np.linalg.norm(moved - [*cell.lateral[j], cell.heights[j]], axis=1)
            nearest = int(np.argmin(distance))
            reach = BOND * _covalent(outer.symbol, centre.symbol)
            if distance[nearest] < min(best, reach):
                best = float(distance[nearest])
                points[i], heights[i] = moved[nearest], cell.heights[j]
    return _Blocks(points, heights)


def _candidates(
    cell: SurfaceCell, blocks: _Blocks, limits: FloatArray, periods: int, spacing: float
) -> list[BoundaryCandidate]:
    """Cuts and shifts with the opening that they need, most compact first, one of equal ones."""
    grid = shift_grid(cell.in_plane, spacing)
    found: dict[tuple[float, float], BoundaryCandidate] = {}
    for cut in _cuts(cell, blocks):
        kinds, points = _slab(cell, blocks, periods, cut)
        openings, prints = _openings(
            cell, kinds, points, limits, periods, cut, grid @ cell.in_plane
        )
        for (x, y), opening, mark in zip(grid, openings, prints, strict=True):
            one = BoundaryCandidate(round(cut, 6), (float(x), float(y)), round(float(opening), 3))
            found.setdefault((one.opening_angstrom, round(float(mark), 3)), one)
    return sorted(
        found.values(), key=lambda one: (one.opening_angstrom, *one.shift, one.cut_angstrom)
    )


def _cuts(cell: SurfaceCell, blocks: _Blocks) -> list[float]:
    """Heights between planes of atoms or molecules, widest gap first, one of equivalent ones."""
    planes = np.sort(blocks.heights % cell.step_angstrom)
    gaps = np.diff(np.append(planes, planes[0] + cell.step_angstrom))
    middles = planes + gaps / 2
    order = [i for i in np.argsort(-np.round(gaps, 3), kind="stable") if gaps[i] > 0.05]
    return [float(middles[i]) for i in order[:MOST_CUTS]] or [float(middles[np.argmax(gaps)])]


def _slab(
    cell: SurfaceCell, blocks: _Blocks, periods: int, cut: float
) -> tuple[IntArray, FloatArray]:
    """Atoms of a grain that begins at the cut: index in the surface cell, positions."""
    first = np.ceil((cut - blocks.heights) / cell.period_angstrom - 1e-9)
    levels = first[:, None] + np.arange(periods)
    points = blocks.points[:, None, :] + levels[:, :, None] * _repeat(cell)[2]
    kinds = np.repeat(np.arange(len(blocks.heights)), periods)
    return kinds, points.reshape(-1, 3)


def _openings(
    cell: SurfaceCell,
    kinds: IntArray,
    points: FloatArray,
    limits: FloatArray,
    periods: int,
    cut: float,
    shifts: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """How far apart the grains must stand at each lateral shift so that no pair is too close.

    With it a fingerprint of the distances across the boundary, the same for equivalent shifts.
    """
    top = cut + periods * cell.period_angstrom
    reach = 2 * FAR_ANGSTROM
    below, above = points[:, 2] > top - reach, points[:, 2] < cut + reach
    lower, upper = points[below], _turned(points[above], cell, periods)
    allowed = limits[np.ix_(kinds[below], kinds[above])]
    depth = upper[None, :, 2] - lower[:, None, 2]
    i, j = np.nonzero(depth < np.maximum(allowed, FAR_ANGSTROM))
    contact, rise = allowed[i, j], depth[i, j]
    back = np.linalg.inv(cell.in_plane)
    # In a wide cell rounding finds the only image near enough, in a narrow one neighbours count.
    wide = np.linalg.norm(back, axis=0).max() * 2 * float(limits.max()) < 1
    around = [(0, 0)] if wide else list(itertools.product((-1, 0, 1), repeat=2))
    images = np.array(around) @ cell.in_plane
    needed, prints = np.zeros(len(shifts)), np.zeros(len(shifts))
    for index, shift in enumerate(shifts):
        lateral = upper[j, :2] - lower[i, :2] + shift
        lateral -= np.round(lateral @ back) @ cell.in_plane
        squares = ((lateral[:, None, :] + images) ** 2).sum(axis=2).min(axis=1)
        room = np.sqrt(np.maximum(contact**2 - squares, 0.0))
        needed[index] = np.where(room > 0, room - rise, 0.0).max(initial=0.0)
        distances = np.sqrt(squares + (rise + needed[index]) ** 2)
        prints[index] = contact @ np.exp(-distances)
    return needed, prints


def _turned(points: FloatArray, cell: SurfaceCell, periods: int) -> FloatArray:
    """The second grain: half a turn about the normal, where both lattices share a point."""
    top = periods * _repeat(cell)[2]
    return np.asarray(points * [-1.0, -1.0, 1.0] + top)


def _join(
    cell: SurfaceCell,
    blocks: _Blocks,
    periods: int,
    candidate: BoundaryCandidate,
    mobile_elements: Sequence[str],
) -> Structure:
    from pymatgen.core import Lattice, Structure

    from interlith.structures.regions import label

    kinds, points = _slab(cell, blocks, periods, candidate.cut_angstrom)
    names = np.array([cell.symbols[k] for k in kinds])
    order = np.lexsort([points[:, 2].round(4), kinds, names])
    kinds, points = kinds[order], points[order]
    other = _turned(points, cell, periods)
    other += [*(np.array(candidate.shift) @ cell.in_plane), candidate.opening_angstrom]
    half = periods * cell.period_angstrom + candidate.opening_angstrom
    matrix = np.zeros((3, 3))
    matrix[:2, :2], matrix[2, 2] = cell.in_plane, 2 * half
    # Boundaries at 0 and at half the height: down by the cut, up by half the opening.
    origin = [0.0, 0.0, candidate.opening_angstrom / 2 - candidate.cut_angstrom]
    structure = Structure(
        Lattice(matrix),
        [cell.symbols[k] for k in kinds] * 2,
        np.vstack([points, other]) + origin,
        coords_are_cartesian=True,
        to_unit_cell=True,
    )
    grains = ["grain_a"] * len(points) + ["grain_b"] * len(points)
    return label(structure, grains, [0.0, half], mobile_elements)


def _closest_allowed(bulk: Structure, cell: SurfaceCell) -> FloatArray:
    """Shortest distance across a boundary for each pair of atoms of the surface cell, Angstrom."""
    symbols = sorted(set(cell.symbols))
    names = np.array([str(getattr(site.specie, "element", site.specie).symbol) for site in bulk])
    centres, neighbours, _, distances = bulk.get_neighbor_list(FAR_ANGSTROM / CLOSEST)
    table = np.zeros((len(symbols), len(symbols)))
    for (i, one), (j, other) in itertools.product(enumerate(symbols), repeat=2):
        pairs = (names[centres] == one) & (names[neighbours] == other)
        shortest = CLOSEST * float(distances[pairs].min(initial=FAR_ANGSTROM / CLOSEST))
        table[i, j] = max(shortest, _COVALENT_SHARE * _covalent(one, other))
    places = [symbols.index(symbol) for symbol in cell.symbols]
    return np.asarray(table[np.ix_(places, places)])


def _covalent(one: str, other: str) -> float:
    from ase.data import atomic_numbers, covalent_radii

    return float(covalent_radii[atomic_numbers[one]] + covalent_radii[atomic_numbers[other]])


def _repeat(cell: SurfaceCell) -> FloatArray:
    """The three lattice vectors of a surface cell, rows."""
    repeat = np.zeros((3, 3))
    repeat[:2, :2] = cell.in_plane
    repeat[2] = [*cell.shift, cell.period_angstrom]
    return repeat


def _periods(cell: SurfaceCell, min_grain: float, max_atoms: int, what: str) -> int:
    periods = math.ceil(min_grain / cell.period_angstrom - 1e-9)
    per_period = 2 * len(cell.symbols)
    if periods * per_period > max_atoms:
        fits = max_atoms // per_period
        thinner = (
            f"or take grains of at most {fits * cell.period_angstrom:.1f} Angstrom"
            if fits
            else f"at least {per_period} atoms whatever the grains"
        )
        raise InputError(
            f"{what} with grains of {min_grain:g} Angstrom takes {periods * per_period} atoms, the "
            f"budget is {max_atoms}: raise --max-atoms, {thinner}"
        )
    return periods


def _check_sizes(min_grain: float, max_atoms: int, keep: int) -> None:
    if not (math.isfinite(min_grain) and min_grain > 0):
        raise InputError(f"grains of {min_grain:g} Angstrom; the thickness must be positive")
    if max_atoms < 1 or keep < 1:
        raise InputError(f"{max_atoms} atoms and {keep} candidates; both must be at least 1")


def _cubic_cell(bulk: Structure) -> Structure:
    """The conventional cell if its shape is cubic; InputError that says what it is instead."""
    import spglib
    from pymatgen.core import Structure

    from interlith.structures.library import symmetry_cell

    formula = bulk.composition.reduced_formula
    if not bulk.is_ordered:
        raise InputError(
            f"{formula} has partly occupied sites, and a grain boundary needs every site full or "
            "empty; order it first with `interlith build order NAME`"
        )
    if _is_cubic(bulk):
        return bulk
    found = spglib.standardize_cell(symmetry_cell(bulk), no_idealize=True, symprec=1e-2)
    if found is not None:
        _, _, numbers = symmetry_cell(bulk)
        species = [bulk[numbers.index(number)].species for number in found[2]]
        conventional = Structure(found[0], species, found[1])
        if _is_cubic(conventional):
            return conventional
        bulk = conventional
    edges = ", ".join(f"{edge:.3f}" for edge in bulk.lattice.abc)
    angles = ", ".join(f"{angle:.2f}" for angle in bulk.lattice.angles)
    raise InputError(
        f"{formula} is not cubic: its conventional cell has edges {edges} Angstrom and angles "
        f"{angles} degrees; symmetric tilt boundaries are built for cubic crystals only"
    )


def _is_cubic(structure: Structure) -> bool:
    matrix = structure.lattice.matrix
    metric = matrix @ matrix.T / np.trace(matrix @ matrix.T) * 3
    return bool(np.abs(metric - np.eye(3)).max() < 2 * CUBIC_TOLERANCE)
