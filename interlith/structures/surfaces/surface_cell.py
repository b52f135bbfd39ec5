"""The repeat unit of a crystal seen along a plane normal.

A plane (hkl) is given in the axes of the cell at hand, but its repeat unit must not depend on that
choice. So the lattice is first reduced to the primitive one (pure translations found by spglib; no
atom moves). In its reciprocal basis the normal is a triple of integers without a common factor;
integer algebra then gives two lattice vectors in the plane and one that leads to the next lattice
plane. Every atom of the crystal is one of the cell's atoms plus whole multiples of those three.

Symmetry along the normal is one-dimensional. An operation x -> R x + t of the crystal with h R = h
moves heights by h.t; one with h R = -h turns them over, z -> c - z. What is left of the space group
is therefore a smallest height step (``step_angstrom``) and at most one mirror height modulo that
step (``mirror_angstrom``).

>>> from interlith.structures.library import build, load_phase
>>> cell = surface_cell(build(load_phase("LiCl")), (1, 1, 1))
>>> round(cell.area_angstrom2, 2), cell.symbols, cell.multiplicity
(11.43, ('Li', 'Cl'), 1)
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError
from interlith.structures.library import symmetry_cell

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Miller = tuple[int, int, int]

SYMMETRY_ANGSTROM = 0.01
"""How far an atom may be from its image for an operation to count; as in checks.py."""
HEIGHT_ANGSTROM = 1e-5
"""Heights closer than this to the top of the period are at its bottom."""


@dataclass(frozen=True)
class SurfaceCell:
    """Repeat unit of a crystal turned so that plane (hkl) is xy and its outward normal +z.

    Attributes
    ----------
    miller : tuple of int
        Plane in the axes of the cell as it was given, without a common factor.
    in_plane : (2, 2) Angstrom
        Rows are the shortest vectors of the plane's lattice, the first along +x, right-handed,
        the angle between them 90 degrees or as near above or below as the lattice has it.
    period_angstrom : float
        Distance between neighbouring lattice planes; the crystal repeats by (shift, period).
    shift : (2,) Angstrom
        Lateral part of that repeat.
    symbols, lateral, heights : (n,), (n, 2) Angstrom, (n,) Angstrom in [0, period)
        The atoms of one primitive cell. Height 0 is the plane through the origin of the given cell.
    index : (n,)
        Which site of the given cell each atom is.
    rotation : (3, 3)
        x_surface = rotation @ x_given, both Cartesian.
    step_angstrom : float
        Smallest distance along the normal at which the crystal looks the same again up to a
        symmetry operation that keeps the normal; period / multiplicity.
    mirror_angstrom : float or None
        c of the operations z -> c - z that turn the crystal upside down, modulo the step; None if
        it has none, and then (hkl) and (-h-k-l) are different surfaces.
    keeps, turns : tuple of Motion
        Operations of the crystal that keep the normal or turn it over, each up to a lattice vector.
    """

    miller: Miller
    in_plane: FloatArray
    period_angstrom: float
    shift: FloatArray
    symbols: tuple[str, ...]
    lateral: FloatArray
    heights: FloatArray
    index: IntArray
    rotation: FloatArray
    step_angstrom: float
    mirror_angstrom: float | None
    keeps: tuple[Motion, ...] = field(repr=False)
    turns: tuple[Motion, ...] = field(repr=False)

    @property
    def area_angstrom2(self) -> float:
        """Area of the in-plane cell."""
        return float(np.linalg.det(self.in_plane))

    @property
    def multiplicity(self) -> int:
        """How many equivalent cuts there are in a period."""
        return round(self.period_angstrom / self.step_angstrom)


@dataclass(frozen=True)
class Motion:
    """A symmetry operation seen along the normal.

    (x, y) -> lateral @ (x, y) + offset, z -> z + rise or, where it turns the crystal over,
    z -> rise - z.
    """

    lateral: FloatArray
    offset: FloatArray
    rise: float


def surface_cell(bulk: Structure, miller: Sequence[int]) -> SurfaceCell:
    """The repeat unit of a crystal along the normal of (hkl).

    Parameters
    ----------
    bulk : Structure
        Ordered crystal, in any cell.
    miller : three int
        Plane in the axes of that cell; the outward normal is h a* + k b* + l c*.

    Returns
    -------
    SurfaceCell
        The same object for the same crystal and plane; arrays are read-only.

    Raises
    ------
    InputError
        If the indices are not three integers or all zero, if a site is partly occupied, or if
        spglib finds no symmetry (atoms on top of each other).
    """
    return _surface_cell(keyed_structure(bulk), checked_miller(miller))


@dataclass(frozen=True)
class KeyedStructure:
    """A structure that a cache can tell from others."""

    digest: str
    structure: Structure = field(compare=False, repr=False)


def keyed_structure(bulk: Structure) -> KeyedStructure:
    """A crystal fit for slabs, ready to be looked up in a cache."""
    from pymatgen.core import DummySpecies

    if not bulk.is_ordered:
        raise InputError(
            f"{bulk.composition.reduced_formula} has partly occupied sites, and a slab needs every "
            "site full or empty; order it first with `interlith build order NAME`"
        )
    odd = sorted({str(site.specie) for site in bulk if isinstance(site.specie, DummySpecies)})
    if odd:
        raise InputError(
            f"{', '.join(odd)} in {bulk.composition.reduced_formula} is no element; name every "
            "site by its chemical symbol"
        )
    parts = (
        bulk.lattice.matrix.tobytes(),
        bulk.frac_coords.tobytes(),
        " ".join(site_symbols(bulk)),
    )
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
    return KeyedStructure(digest.hexdigest(), bulk)


def site_symbols(bulk: Structure) -> list[str]:
    """Chemical symbol of every site of an ordered crystal."""
    return [str(getattr(site.specie, "element", site.specie).symbol) for site in bulk]


def checked_miller(miller: Sequence[int]) -> Miller:
    """Miller indices without a common factor."""
    numbers = list(miller)
    if len(numbers) != 3 or any(
        isinstance(n, bool) or not isinstance(n, int | np.integer) for n in numbers
    ):
        raise InputError(f"Miller indices are three integers such as (1, 0, -1), not {miller!r}")
    common = math.gcd(*(int(n) for n in numbers))
    if common == 0:
        raise InputError("Miller indices (0, 0, 0) name no plane; at least one must not be zero")
    h, k, l = (int(n) // common for n in numbers)  # noqa: E741 (the field's letters)
    return h, k, l


@dataclass(frozen=True)
class _Primitive:
    """Primitive cell and its operations; nothing moved, nothing turned."""

    basis: FloatArray  # rows, fractional in the given axes
    lattice: FloatArray  # rows, Angstrom
    fractional: FloatArray
    symbols: tuple[str, ...]
    index: IntArray
    rotations: IntArray
    translations: FloatArray


@lru_cache(maxsize=64)
def _primitive(keyed: KeyedStructure) -> _Primitive:
    bulk = keyed.structure
    found = _dataset(symmetry_cell(bulk), bulk)
    pure = (found.rotations == np.eye(3, dtype=int)).all(axis=(1, 2))
    count = int(pure.sum())
    vectors = np.vstack([count * np.eye(3), count * found.translations[pure]])
    basis = _row_basis(np.rint(vectors).astype(np.int64)) / count
    _, first = np.unique(found.mapping_to_primitive, return_index=True)
    first = np.sort(first)
    fractional = bulk.frac_coords[first] @ np.linalg.inv(basis)
    fractional -= np.floor(fractional)
    lattice = basis @ bulk.lattice.matrix
    numbers = np.asarray(symmetry_cell(bulk)[2])[first]
    if count > 1:  # a supercell hides operations that do not map it onto itself
        found = _dataset((lattice, fractional, numbers), bulk)
    names = site_symbols(bulk)
    return _Primitive(
        basis,
        lattice,
        fractional,
        tuple(names[i] for i in first),
        first.astype(np.int64),
        found.rotations.astype(np.int64),
        np.asarray(found.translations, dtype=np.float64),
    )


def _dataset(cell: Any, bulk: Structure) -> Any:
    import spglib

    found = spglib.get_symmetry_dataset(cell, symprec=SYMMETRY_ANGSTROM)
    if found is None:
        raise InputError(
            f"spglib finds no symmetry in {bulk.composition.reduced_formula} (atoms on top of each "
            "other, or a flat cell); look at the structure's shortest distances"
        )
    return found


def _row_basis(rows: IntArray) -> IntArray:
    """Basis of the integer lattice that the rows span (Hermite form, 3 x 3)."""
    work = [list(map(int, row)) for row in rows]
    basis: list[list[int]] = []
    for column in range(3):
        while True:
            live = sorted((row for row in work if row[column]), key=lambda row: abs(row[column]))
            if len(live) <= 1:
                break
            for row in live[1:]:
                times = row[column] // live[0][column]
                row[:] = [a - times * b for a, b in zip(row, live[0], strict=True)]
        basis.append(live[0])
        work = [row for row in work if row is not live[0]]
    return np.array(basis, dtype=np.int64)


@lru_cache(maxsize=256)
def _surface_cell(keyed: KeyedStructure, miller: Miller) -> SurfaceCell:
    primitive = _primitive(keyed)
    normal = _primitive_miller(primitive.basis, miller)
    flat, up = _plane_basis(normal)
    reciprocal = np.linalg.inv(primitive.lattice).T
    outward = normal @ reciprocal
    period = 1.0 / float(np.linalg.norm(outward))
    outward = outward * period
    flat = _reduced(flat, primitive, outward)
    first = flat[0] @ primitive.lattice
    first = first / np.linalg.norm(first)
    rotation = np.array([first, np.cross(outward, first), outward])
    in_plane = (flat @ primitive.lattice @ rotation.T)[:, :2]
    shift = (up @ primitive.lattice @ rotation.T)[:2]
    up = up - np.rint(shift @ np.linalg.inv(in_plane)).astype(np.int64) @ flat
    shift = (up @ primitive.lattice @ rotation.T)[:2]
    frac = primitive.fractional
    levels = np.floor(frac @ normal + HEIGHT_ANGSTROM / period)
    points = (frac - np.outer(levels, up)) @ primitive.lattice @ rotation.T
    wrapped = points[:, :2] @ np.linalg.inv(in_plane)
    wrapped -= np.floor(wrapped + 1e-9)
    keeps, turns = _motions(primitive, normal, rotation, np.array([*shift, period]))
    step, mirror = _one_dimensional(keeps, turns, period)
    cell = SurfaceCell(
        miller,
        in_plane,
        period,
        shift,
        primitive.symbols,
        wrapped @ in_plane,
        np.maximum(points[:, 2], 0.0),
        primitive.index,
        rotation,
        step,
        mirror,
        keeps,
        turns,
    )
    for array in (cell.in_plane, shift, cell.lateral, cell.heights, cell.index, rotation):
        array.setflags(write=False)
    return cell


def _primitive_miller(basis: FloatArray, miller: Miller) -> IntArray:
    """The plane in the primitive axes, without a common factor."""
    count = round(1.0 / abs(float(np.linalg.det(basis))))
    scaled = np.rint(basis @ np.array(miller) * count).astype(np.int64)
    return np.asarray(scaled // math.gcd(*map(int, scaled)), dtype=np.int64)


def _plane_basis(normal: IntArray) -> tuple[IntArray, IntArray]:
    """Two integer vectors that span the plane, and one that leads to the next lattice plane.

    Column operations bring the normal to (1, 0, 0); the same operations applied to the unit matrix
    give vectors with products 1, 0, 0 with it.
    """
    values = [int(n) for n in normal]
    vectors = [list(row) for row in np.eye(3, dtype=int)]
    while sum(1 for value in values if value) > 1:
        least = min((i for i in range(3) if values[i]), key=lambda i: abs(values[i]))
        for i in range(3):
            if i != least and values[i]:
                times = values[i] // values[least]
                values[i] -= times * values[least]
                vectors[i] = [
                    int(a - times * b) for a, b in zip(vectors[i], vectors[least], strict=True)
                ]
    pivot = next(i for i in range(3) if values[i])
    up = np.array(vectors[pivot], dtype=np.int64) * values[pivot]
    flat = np.array([vectors[i] for i in range(3) if i != pivot], dtype=np.int64)
    return flat, up


def _reduced(flat: IntArray, primitive: _Primitive, outward: FloatArray) -> IntArray:
    """The shortest right-handed basis of the plane; ties are broken by the given cell's axes."""
    one, two = (np.array(row) for row in flat)
    length = primitive.lattice @ primitive.lattice.T
    while True:  # Gauss
        if two @ length @ two < one @ length @ one:
            one, two = two, one
        times = round(float(one @ length @ two) / float(one @ length @ one))
        shorter = two - times * one
        if shorter @ length @ shorter >= two @ length @ two - 1e-9:
            break
        two = shorter
    near = [i * one + j * two for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]

    def rank(vector: IntArray) -> tuple[float, ...]:
        given = np.round(vector @ primitive.basis, 6)
        return (round(float(vector @ length @ vector), 4), *(-float(x) for x in given))

    first = min(near, key=rank)
    area = float(np.linalg.norm(np.cross(one @ primitive.lattice, two @ primitive.lattice)))

    def handed(vector: IntArray) -> float:
        across = np.cross(first @ primitive.lattice, vector @ primitive.lattice)
        return float(across @ outward)

    partners = [vector for vector in near if abs(handed(vector) - area) < 1e-3 * area]
    second = min(partners, key=lambda v: (rank(v)[0], round(float(first @ length @ v), 4), rank(v)))
    return np.array([first, second], dtype=np.int64)


def _motions(
    primitive: _Primitive, normal: IntArray, rotation: FloatArray, repeat: FloatArray
) -> tuple[tuple[Motion, ...], tuple[Motion, ...]]:
    """Operations that keep the normal and those that turn it over."""
    keeps: list[Motion] = []
    turns: list[Motion] = []
    to_surface = rotation @ primitive.lattice.T
    back = np.linalg.inv(to_surface)
    for matrix, translation in zip(primitive.rotations, primitive.translations, strict=True):
        image = normal @ matrix
        kind = keeps if (image == normal).all() else turns if (image == -normal).all() else None
        if kind is not None:
            turned = to_surface @ matrix @ back
            moved = to_surface @ translation
            moved = moved - math.floor(moved[2] / repeat[2]) * repeat
            kind.append(Motion(turned[:2, :2], moved[:2], float(moved[2])))
    return tuple(keeps), tuple(turns)


def _one_dimensional(
    keeps: tuple[Motion, ...], turns: tuple[Motion, ...], period: float
) -> tuple[float, float | None]:
    """Height step and mirror height; the steps form a group, so their number says it all."""
    tolerance = 4 * SYMMETRY_ANGSTROM
    rises: list[float] = []
    for motion in keeps:
        if all(abs(_nearest(motion.rise - known, period)) > tolerance for known in rises):
            rises.append(motion.rise)
    step = period / len(rises)
    if not turns:
        return step, None
    first = turns[0].rise
    mirror = first + float(np.mean([_nearest(motion.rise - first, step) for motion in turns]))
    mirror %= step
    return step, 0.0 if step - mirror < HEIGHT_ANGSTROM else mirror


def _nearest(value: float, period: float) -> float:
    """The value modulo a period, nearest to zero."""
    return value - period * round(value / period)
