"""Ridding a polar slab of its surface charge by a fraction of its outermost ions.

A half-crystal whose repeat unit has a dipole needs the charge -s on its face, where s is its own
charge per in-plane cell averaged over a period (general electrostatics of ionic surfaces; Tasker's
type 3). Here s / q ions of charge q leave the face. The fraction is made whole by the smallest
in-plane supercell; the ions are the outermost of a kind that fits, outside polyanions, and the
vacancies in a plane are spread as evenly as it allows. Crystals of low symmetry may have a charge
that is no fraction of an ion's: then the nearest fraction leaves, and the slab states the dipole
that is left.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from interlith.errors import InputError
from interlith.structures.surfaces.surface_cell import FloatArray, IntArray, SurfaceCell
from interlith.structures.surfaces.terminations import BOND_RATIO, PLANE_ANGSTROM, Termination

REPAIR_DEPTH_ANGSTROM = 3.0
"""Ions deeper below the outermost atom than this do not leave."""
MAX_SUPERCELL = 12
"""Largest number of in-plane cells in which the charge is made to vanish exactly."""
MAX_INEXACT_SUPERCELL = 4
"""Where no such supercell exists (crystals of low symmetry): the charge is made small in these."""
LEFT_E = 0.005
"""Charge per in-plane cell that an exact repair may leave (rounded coordinates and states)."""
MAX_PLACEMENTS = 5000
"""Above this many ways to place the vacancies they are placed one after the other."""

Turn = tuple[FloatArray, FloatArray]
"""Lateral matrix and offset of an operation that turns the slab over."""


@dataclass(frozen=True)
class SlabAtoms:
    """Atoms of a slab before it becomes a structure: points (n, 3) Angstrom, bottom cut at 0."""

    symbols: list[str]
    points: FloatArray
    supercell: IntArray
    removed: Counter[str]
    moved: Counter[str]


@dataclass(frozen=True)
class _Plan:
    """Which ions leave a slab: all ``whole`` and as many ``free`` as it takes.

    ``count`` in all, in a supercell of ``size`` in-plane cells.
    """

    whole: IntArray
    free: IntArray
    symbol: str
    count: int
    size: int


def repaired(
    atoms: SlabAtoms,
    cell: SurfaceCell,
    top: Termination,
    states: Mapping[str, float],
    thickness: float,
    turns: Sequence[Turn],
) -> SlabAtoms:
    """The slab with its polar faces repaired.

    With ``turns`` the same ions leave both faces and the slab stays symmetric under the first of
    them that its supercell allows; without, those of the top go to the bottom by whole periods.

    Raises
    ------
    InputError
        If the outer planes have no ions to spare, no supercell keeps both faces equal, or the slab
        is too thin.
    """
    charge = float(top.surface_charge_e_per_nm2 or 0.0) * cell.area_angstrom2 / 100.0
    plan = _plan(atoms, cell, top, states, charge)
    left = abs(charge - states[plan.symbol] * plan.count / plan.size)
    if turns and left > LEFT_E:
        raise InputError(
            f"no supercell of up to {MAX_SUPERCELL} in-plane cells makes both faces of a symmetric "
            f"slab neutral ({left:.3f} e would be left on each in-plane cell); repair one that is "
            "not symmetric, which stays neutral, or take another termination"
        )
    if plan.count == 0:
        return atoms
    supercell, turn = _supercell(cell.in_plane, plan.size, turns)
    wide = _widened(atoms, cell.in_plane, supercell)
    in_plane = supercell @ cell.in_plane
    copies = len(wide.symbols) // len(atoms.symbols)
    whole, free = (
        (sites[:, None] * copies + np.arange(copies)).ravel() for sites in (plan.whole, plan.free)
    )
    some = _spread(wide.points[free], in_plane, plan.count - len(whole))
    leaving = np.concatenate([whole, free[some]])
    if turn is None:
        return _moved(wide, leaving, cell, thickness)
    images = _images(wide, leaving, turn, in_plane, thickness)
    gone = np.concatenate([leaving, images])
    if len(set(gone.tolist())) < 2 * plan.count:
        raise InputError(
            "the slab is too thin to repair: ions would leave both faces at once; ask for a "
            "thicker one"
        )
    keep = np.setdiff1d(np.arange(len(wide.symbols)), gone)
    return SlabAtoms(
        [wide.symbols[i] for i in keep],
        wide.points[keep],
        supercell,
        Counter({plan.symbol: 2 * plan.count}),
        Counter(),
    )


def _plan(
    atoms: SlabAtoms,
    cell: SurfaceCell,
    top: Termination,
    states: Mapping[str, float],
    charge: float,
) -> _Plan:
    """Least charge left over, smallest supercell, least charged ions, outermost ions."""
    plans = []
    bound = _in_polyanion(atoms, cell.in_plane)
    for symbol in sorted(set(atoms.symbols)):
        if states[symbol] * charge > 0:
            per_cell = charge / states[symbol]
            size, count = _whole(per_cell)
            own = [i for i, name in enumerate(atoms.symbols) if name == symbol and not bound[i]]
            planes = _outermost(own, atoms.points[:, 2], count / size)
            if planes is not None:
                left = abs(charge - states[symbol] * count / size)
                depth = -float(atoms.points[planes[1], 2].mean())
                rank = (round(left, 3), size, abs(states[symbol]), depth)
                plans.append((rank, _Plan(*planes, symbol, count, size)))
    if not plans:
        raise InputError(
            f"termination {top.index} ({top.label}) of {top.miller} has a surface charge of "
            f"{charge:+.2f} e per in-plane cell, and its outer {REPAIR_DEPTH_ANGSTROM:g} Angstrom "
            "have no ions to spare for it outside polyanions; take the next cut "
            f"{'below' if charge > 0 else 'above'}"
        )
    return min(plans, key=lambda one: one[0])[1]


def _whole(per_cell: float) -> tuple[int, int]:
    """Number of in-plane cells and of ions; exact if few cells make it so, else the nearest."""
    for size in range(1, MAX_SUPERCELL + 1):
        if abs(size * per_cell - round(size * per_cell)) < 1e-3:
            return size, round(size * per_cell)
    sizes = range(1, MAX_INEXACT_SUPERCELL + 1)
    size = min(sizes, key=lambda m: (round(abs(per_cell - round(m * per_cell) / m), 6), m))
    return size, round(size * per_cell)


def _outermost(
    own: list[int], heights: FloatArray, per_cell: float
) -> tuple[IntArray, IntArray] | None:
    """Planes that leave altogether, and the next one, of which some ions leave."""
    least = float(heights.max()) - REPAIR_DEPTH_ANGSTROM
    near = sorted((i for i in own if heights[i] > least), key=lambda i: -heights[i])
    whole: list[int] = []
    plane: list[int] = []
    for place, i in enumerate(near):
        plane.append(i)
        if place + 1 < len(near) and heights[i] - heights[near[place + 1]] < PLANE_ANGSTROM:
            continue
        if len(whole) + len(plane) > per_cell - 1e-6:
            return np.array(whole, dtype=np.int64), np.array(sorted(plane), dtype=np.int64)
        whole, plane = whole + plane, []
    return None


def _in_polyanion(atoms: SlabAtoms, in_plane: FloatArray) -> list[bool]:
    """Whether each atom has a bond from non-metal to non-metal."""
    from ase.data import atomic_numbers, covalent_radii
    from pymatgen.core import Element

    radii = np.array([covalent_radii[atomic_numbers[name]] for name in atoms.symbols])
    metal = np.array([Element(name).is_metal for name in atoms.symbols])
    bound = np.zeros(len(radii), dtype=bool)
    for i, j in itertools.product((-1, 0, 1), repeat=2):
        image = atoms.points + np.array([*(np.array([i, j]) @ in_plane), 0.0])
        apart = np.linalg.norm(atoms.points[:, None] - image[None], axis=2)
        bonded = (apart > 0.1) & (apart < BOND_RATIO * (radii[:, None] + radii[None]))
        bound |= (bonded & ~metal[None]).any(axis=1) & ~metal
    return bound.tolist()


def _supercell(
    in_plane: FloatArray, size: int, turns: Sequence[Turn]
) -> tuple[IntArray, Turn | None]:
    """The supercell whose images are farthest apart, and the first operation that keeps it."""
    found: list[tuple[tuple[float, ...], IntArray, Turn | None]] = []
    for rows in _hermite(size):
        reduced = _gauss(rows, in_plane)
        vectors = reduced @ in_plane
        lengths = np.linalg.norm(vectors, axis=1)
        rank = (-round(float(lengths.min()), 4), round(float(lengths.max()), 4))
        allowed = [number for number, turn in enumerate(turns) if maps_lattice(turn[0], vectors)]
        if turns and not allowed:
            continue
        turn = turns[allowed[0]] if turns else None
        found.append(((*rank, float(allowed[0]) if turns else 0.0), reduced, turn))
    if not found:
        raise InputError(
            f"no in-plane supercell of {size} cells keeps the slab's two faces equal; repair "
            "a slab that is not symmetric"
        )
    _, supercell, turn = min(found, key=lambda one: (one[0], one[1].tolist()))
    return supercell, turn


def _hermite(size: int) -> list[IntArray]:
    return [
        np.array([[a, b], [0, size // a]], dtype=np.int64)
        for a in range(1, size + 1)
        if size % a == 0
        for b in range(size // a)
    ]


def _gauss(rows: IntArray, in_plane: FloatArray) -> IntArray:
    """The shortest basis of the same in-plane lattice, right-handed."""
    one, two = rows
    while True:
        u, v = one @ in_plane, two @ in_plane
        if v @ v < u @ u - 1e-9:
            one, two = two, -one
            continue
        times = round(float(u @ v) / float(u @ u) - 1e-9)
        if times == 0:
            return np.array([one, two], dtype=np.int64)
        two = two - times * one


def maps_lattice(lateral: FloatArray, vectors: FloatArray) -> bool:
    """Whether an in-plane operation maps the lattice with these rows on itself."""
    image = vectors @ lateral.T @ np.linalg.inv(vectors)
    return bool(np.allclose(image, np.round(image), atol=1e-3))


def _widened(atoms: SlabAtoms, in_plane: FloatArray, supercell: IntArray) -> SlabAtoms:
    """Repeat the slab; the copies of an atom follow each other."""
    size = round(float(np.linalg.det(supercell)))
    reach = int(np.abs(supercell).sum()) + 1
    inverse = np.linalg.inv(supercell)
    shifts = [
        (i, j)
        for i, j in itertools.product(range(-reach, reach + 1), repeat=2)
        if ((share := np.array([i, j]) @ inverse) > -1e-9).all() and (share < 1 - 1e-9).all()
    ]
    moves = np.array(shifts[:size]) @ in_plane
    points = np.repeat(atoms.points, size, axis=0)
    points[:, :2] += np.tile(moves, (len(atoms.symbols), 1))
    symbols = [name for name in atoms.symbols for _ in range(size)]
    return SlabAtoms(symbols, points, supercell, Counter(), Counter())


def _spread(points: FloatArray, in_plane: FloatArray, count: int) -> IntArray:
    """Places of ``count`` points as far from each other as they can be, higher ones first.

    What is made small is a screened repulsion between the places and their periodic images.
    """
    order = np.lexsort((np.round(points[:, 1], 4), np.round(points[:, 0], 4)))
    order = order[np.argsort(-np.round(points[order, 2], 3), kind="stable")]
    repulsion = _repulsion(points[order], in_plane)
    if math.comb(len(order), count) <= MAX_PLACEMENTS:
        choices = itertools.combinations(range(len(order)), count)
        best = min(choices, key=lambda c: (round(float(repulsion[np.ix_(c, c)].sum()), 8), c))
        return np.asarray(order[list(best)], dtype=np.int64)
    chosen = [0]
    while len(chosen) < count:
        cost = np.round(repulsion[:, chosen].sum(axis=1), 8)
        cost[chosen] = np.inf
        chosen.append(int(np.argmin(cost)))
    return np.asarray(order[chosen], dtype=np.int64)


def _repulsion(points: FloatArray, in_plane: FloatArray) -> FloatArray:
    length = math.sqrt(float(np.linalg.det(in_plane)))
    total = np.zeros((len(points), len(points)))
    for i, j in itertools.product(range(-3, 4), repeat=2):
        image = points.copy()
        image[:, :2] += np.array([i, j]) @ in_plane
        apart = np.linalg.norm(points[:, None] - image[None], axis=2)
        apart[apart < 1e-6] = np.inf
        total += np.exp(-apart / length) / apart
    return total


def _images(
    atoms: SlabAtoms, leaving: IntArray, turn: Turn, in_plane: FloatArray, thickness: float
) -> IntArray:
    """The atoms on which an operation maps those that leave."""
    lateral, offset = turn
    back = np.linalg.inv(in_plane)
    found = []
    for i in leaving:
        place = lateral @ atoms.points[i, :2] + offset
        apart = (atoms.points[:, :2] - place) @ back
        apart = (apart - np.round(apart)) @ in_plane
        rise = atoms.points[:, 2] - (thickness - atoms.points[i, 2])
        found.append(int(np.argmin(np.hypot(np.hypot(apart[:, 0], apart[:, 1]), rise))))
    return np.array(found, dtype=np.int64)


def _moved(atoms: SlabAtoms, leaving: IntArray, cell: SurfaceCell, thickness: float) -> SlabAtoms:
    """Carry ions down by as many periods as the slab is thick."""
    points = atoms.points.copy()
    points[leaving, :2] -= round(thickness / cell.period_angstrom) * cell.shift
    points[leaving, 2] -= thickness
    moved = Counter(atoms.symbols[i] for i in leaving)
    return SlabAtoms(atoms.symbols, points, atoms.supercell, Counter(), moved)
