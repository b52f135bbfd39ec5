"""Two-dimensional lattices in whole numbers: supercells, reduction, point operations.

Lattices are (2, 2) matrices of rows in Angstrom; all arrays of them are (n, 2, 2).
"""

from __future__ import annotations

import itertools
import math
from functools import cache

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SAME_METRIC = 1e-4
"""Relative tolerance at which an operation of the lattice keeps all lengths."""
ROUND_OFF = 1e-9


def check_lattice(in_plane: npt.ArrayLike, name: str) -> FloatArray:
    """The lattice as an array; InputError unless it is finite, right-handed and of rank 2."""
    lattice = np.array(in_plane, dtype=np.float64)
    if lattice.shape != (2, 2) or not np.isfinite(lattice).all():
        raise InputError(f"the in-plane lattice of {name} is not a finite (2, 2) matrix")
    scale = float(np.linalg.norm(lattice[0]) * np.linalg.norm(lattice[1]))
    if np.linalg.det(lattice) <= 1e-6 * scale:
        raise InputError(
            f"the in-plane vectors of {name} are parallel or left-handed: {lattice.tolist()}"
        )
    return lattice


@cache
def hermite_forms(most: int) -> IntArray:
    """All Hermite normal forms with determinant up to a number, by determinant."""
    forms = [
        [[i, j], [0, n // i]]
        for n in range(1, most + 1)
        for i in range(1, n + 1)
        if n % i == 0
        for j in range(n // i)
    ]
    return np.array(forms, dtype=np.int64)


def hermite_form(matrices: IntArray) -> IntArray:
    """Hermite normal forms of (n, 2, 2) integer matrices of rank 2: one per lattice of rows."""
    first, second = matrices[:, 0].copy(), matrices[:, 1].copy()
    while second[:, 0].any():
        times = np.where(
            second[:, 0] == 0, 0, first[:, 0] // np.where(second[:, 0], second[:, 0], 1)
        )
        swap = (second[:, 0] != 0)[:, None]
        first, second = (
            np.where(swap, second, first),
            np.where(swap, first - times[:, None] * second, second),
        )
    first *= np.sign(first[:, :1])
    second *= np.sign(second[:, 1:])
    first -= (first[:, 1] // second[:, 1])[:, None] * second
    return np.stack([first, second], axis=1)


def one_per_orbit(forms: IntArray, group: IntArray) -> IntArray:
    """Of Hermite forms that point operations turn into each other, the least."""
    keys = _form_keys(forms)
    least = np.min([_form_keys(hermite_form(forms @ one)) for one in group], axis=0)
    return np.asarray(forms[keys == least])


def _form_keys(forms: IntArray) -> IntArray:
    """One number per Hermite form, unique among those of one determinant up to 2^31."""
    return np.asarray(forms[:, 0, 0] << 31 | forms[:, 0, 1])


@cache
def unimodular(reach: int) -> IntArray:
    """Basis changes of determinant 1, one of each pair of opposite signs.

    Entries up to 2, and shears of the second vector up to ``reach``.
    """
    small = np.array(list(itertools.product(range(-2, 3), repeat=4))).reshape(-1, 2, 2)
    small = small[determinants(small) == 1]
    leading = np.where(small[:, 0, 0] == 0, small[:, 0, 1], small[:, 0, 0])
    far = [k for k in range(-reach, reach + 1) if abs(k) > 2]
    shears = np.array([[[1, 0], [k, 1]] for k in far], dtype=np.int64).reshape(-1, 2, 2)
    return np.asarray(np.concatenate([small[leading > 0], shears]), dtype=np.int64)


def reduce_cells(cells: npt.ArrayLike) -> tuple[FloatArray, IntArray]:
    """Gauss reduction of right-handed cells: the cells, and the basis changes that give them.

    The first vector is the shortest, the angle from 60 (excluded) to 120 degrees; ties are decided
    with a tolerance, so that round-off does not choose.
    """
    reduced = np.array(cells, dtype=np.float64)
    changes = np.broadcast_to(np.eye(2, dtype=np.int64), reduced.shape).copy()
    while True:
        first, second = reduced[:, 0], reduced[:, 1]
        swap = _squares(first) > _squares(second) * (1 + ROUND_OFF)
        for array in (reduced, changes):
            array[swap] = np.stack([array[swap, 1], -array[swap, 0]], axis=1)
        first, second = reduced[:, 0], reduced[:, 1]
        ratio = np.einsum("ni,ni->n", first, second) / _squares(first)
        times = np.floor(ratio + 0.5 + ROUND_OFF).astype(np.int64)
        if not (times.any() or swap.any()):
            return reduced, changes
        reduced[:, 1] -= times[:, None] * reduced[:, 0]
        changes[:, 1] -= times[:, None] * changes[:, 0]


def along_x(cells: FloatArray) -> FloatArray:
    """The cells turned so that their first vectors lie along +x."""
    lengths = np.linalg.norm(cells[:, 0], axis=1)
    turned = np.zeros_like(cells)
    turned[:, 0, 0] = lengths
    turned[:, 1, 0] = np.einsum("ni,ni->n", cells[:, 0], cells[:, 1]) / lengths
    turned[:, 1, 1] = np.linalg.det(cells) / lengths
    return turned


def lattice_operations(in_plane: npt.ArrayLike, tolerance: float = SAME_METRIC) -> IntArray:
    """Point operations of a bare 2-D lattice: 2, 4, 8 or 12 of them, as (n, 2, 2) integers.

    Row i is the image of vector i in units of the lattice vectors.
    """
    (reduced,), (change,) = reduce_cells(check_lattice(in_plane, "the plane")[None])
    metric = reduced @ reduced.T
    tried = np.array(list(itertools.product((-1, 0, 1), repeat=4))).reshape(-1, 2, 2)
    tried = tried[np.abs(determinants(tried)) == 1]
    off = np.abs(tried @ metric @ np.swapaxes(tried, 1, 2) - metric).max(axis=(1, 2))
    kept = tried[off <= tolerance * metric[0, 0]]
    return np.asarray(inverse(change) @ kept @ change, dtype=np.int64)


def check_operations(lattice: FloatArray, operations: object, name: str) -> IntArray:
    """Given point operations as integers; InputError unless they keep the lattice (2 %)."""
    given = np.asarray(operations)
    if given.ndim != 3 or given.shape[1:] != (2, 2) or not np.issubdtype(given.dtype, np.number):
        raise InputError(f"the operations of {name} are no list of (2, 2) matrices")
    whole = np.rint(given).astype(np.int64)
    metric = lattice @ lattice.T
    change = whole @ metric @ np.swapaxes(whole, 1, 2) - metric
    if (whole != given).any() or np.abs(change).max() > 0.02 * np.abs(metric).max():
        raise InputError(
            f"an operation of {name} does not keep its lattice: give images of the in-plane "
            "vectors as rows of whole numbers, in units of these vectors"
        )
    return np.asarray(whole)


def generated_lattice(rows: IntArray) -> IntArray:
    """(2, 2) basis of the lattice that (n, 2) integer rows of rank 2 generate, by Euclid."""
    work = [[int(x) for x in row] for row in rows]
    basis: list[list[int]] = []
    for column in range(2):
        while len(left := [row for row in work if row[column]]) > 1:
            pivot = min(left, key=lambda row: abs(row[column]))
            for row in left:
                if row is not pivot:
                    times = row[column] // pivot[column]
                    row[:] = [x - times * y for x, y in zip(row, pivot, strict=True)]
        pivot = left[0]
        work = [row for row in work if row is not pivot]
        basis.append([x if pivot[column] > 0 else -x for x in pivot])
    return np.array(basis, dtype=np.int64)


def angle_deg(cell: FloatArray) -> float:
    """Angle between the two vectors of a (2, 2) cell."""
    cosine = float(cell[0] @ cell[1]) / math.prod(np.linalg.norm(cell, axis=1))
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def determinants(matrices: IntArray) -> IntArray:
    """Determinants of integer matrices, exactly."""
    (a, b), (c, d) = np.moveaxis(matrices, 0, -1)
    return np.asarray(a * d - b * c)


def determinant(matrix: IntArray) -> int:
    """Determinant of one integer matrix."""
    return int(determinants(matrix[None])[0])


def adjugates(matrices: IntArray) -> IntArray:
    """Adjugates: determinant times inverse, in integers."""
    (a, b), (c, d) = np.moveaxis(matrices, 0, -1)
    return np.asarray(np.moveaxis(np.array([[d, -b], [-c, a]]), -1, 0))


def inverse(matrix: IntArray) -> IntArray:
    """Inverse of an integer matrix of determinant 1 or -1."""
    return np.asarray(adjugates(matrix[None])[0] * determinant(matrix))


def _squares(vectors: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("ni,ni->n", vectors, vectors))
