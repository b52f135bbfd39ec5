"""The search behind `matching`: pairs of supercells that fit, each once.

Everything runs over arrays of supercells; nothing loops over pairs in Python.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import numpy as np

from interlith.errors import InputError
from interlith.structures.interfaces import plane_lattice as plane
from interlith.structures.interfaces.plane_lattice import ROUND_OFF, FloatArray, IntArray

MOST_PAIRS = 400_000
"""Pairs of similar supercells compared at most: about ten seconds."""
MOST_SUPERCELLS = 400
"""Largest multiplicity searched for either side: 130,000 supercells."""
_STRETCH_ROUND_OFF = 1e-7  # two nearly equal stretches come from the root of a difference


def candidates(
    lattice_a: FloatArray,
    lattice_b: FloatArray,
    largest: float,
    log_stretches: tuple[float, float],
    share: float,
    group_a: IntArray,
    most_pairs: int,
) -> tuple[IntArray, IntArray]:
    """Pairs of supercells whose map a to b has log stretches between two limits.

    Areas go up to ``largest``, in the common cell, of which a takes ``share`` of the strain. Of the
    supercells of a that the group turns into each other there is only one.

    Raises
    ------
    InputError
        If the area holds more than 400 primitive cells of one side, or there are more than
        ``most_pairs`` pairs of similar supercells.
    """
    low, high = log_stretches
    most_a = _count(largest / math.exp(2 * share * low) / float(np.linalg.det(lattice_a)))
    most_b = _count(largest * math.exp(2 * (1 - share) * high) / float(np.linalg.det(lattice_b)))
    if not most_a or not most_b:
        none = np.zeros((0, 2, 2), dtype=np.int64)
        return none, none
    cells_a, super_a = _reduced_supercells(lattice_a.tobytes(), most_a, group_a.tobytes())
    cells_b, super_b = _reduced_supercells(lattice_b.tobytes(), most_b)
    i, j = _similar_pairs(cells_a, cells_b, low, high, most_pairs)
    chosen, changes = _fitting_bases(cells_a[i], cells_b[j], low, high)
    return super_a[i][chosen], changes @ super_b[j][chosen]


def _similar_pairs(
    cells_a: FloatArray, cells_b: FloatArray, low: float, high: float, most: int
) -> tuple[IntArray, IntArray]:
    """Indices of pairs whose shortest and second shortest vectors and areas are close enough.

    A map with stretches between s and S changes each of the two lengths by a factor between s and
    S, and the area by one between s^2 and S^2, so nothing that fits is lost here.
    """
    logs_a, logs_b = _log_invariants(cells_a), _log_invariants(cells_b)
    order = np.argsort(logs_b[:, 0], kind="stable")
    sorted_b = logs_b[order]
    lows = low * np.array([1, 1, 2]) - ROUND_OFF
    highs = high * np.array([1, 1, 2]) + ROUND_OFF
    first = np.searchsorted(sorted_b[:, 0], logs_a[:, 0] + lows[0], side="left")
    last = np.searchsorted(sorted_b[:, 0], logs_a[:, 0] + highs[0], side="right")
    widths = last - first
    _check_pairs(int(widths.sum()), 30 * most)
    i = np.repeat(np.arange(len(cells_a)), widths)
    place = np.arange(len(i)) + np.repeat(first - np.cumsum(widths) + widths, widths)
    change = sorted_b[place, 1:] - logs_a[i, 1:]
    keep = ((change >= lows[1:]) & (change <= highs[1:])).all(axis=1)
    _check_pairs(int(keep.sum()), most)
    return i[keep], np.asarray(order[place[keep]])


def _check_pairs(count: int, most: int) -> None:
    if count > most:
        raise InputError(
            f"these limits leave {count} pairs of supercells to compare, more than {most}: lower "
            "the largest area or the largest strain"
        )


def _log_invariants(cells: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(cells, axis=2)
    return np.asarray(np.log(np.column_stack([lengths, np.linalg.det(cells)])))


def _fitting_bases(
    cells_a: FloatArray, cells_b: FloatArray, low: float, high: float
) -> tuple[IntArray, IntArray]:
    """Which pairs fit with which basis changes of b: reduced cells may differ by one."""
    lengths = np.linalg.norm(cells_b, axis=2)
    slant = (math.exp(high - low) - 1) * float((lengths[:, 1] / lengths[:, 0]).max(initial=1.0))
    (g11, g12), (_, g22) = np.moveaxis(cells_b @ np.swapaxes(cells_b, 1, 2), 0, -1)
    (h11, h12), (_, h22) = np.moveaxis(np.linalg.inv(cells_a @ np.swapaxes(cells_a, 1, 2)), 0, -1)
    ratio = (g11 * g22 - g12**2) * (h11 * h22 - h12**2)
    most = math.exp(2 * (high + _STRETCH_ROUND_OFF))
    least = math.exp(2 * (low - _STRETCH_ROUND_OFF))
    chosen, changes = [], []
    for change in plane.unimodular(1 + math.ceil(slant)):
        (p, q), (r, s) = change.tolist()
        # Squared stretches from trace and determinant of the right Cauchy-Green tensor.
        mean = (p * p * g11 + 2 * p * q * g12 + q * q * g22) * h11 / 2
        mean += (p * r * g11 + (p * s + q * r) * g12 + q * s * g22) * h12
        mean += (r * r * g11 + 2 * r * s * g12 + s * s * g22) * h22 / 2
        larger = mean + np.sqrt(np.maximum(mean**2 - ratio, 0.0))
        fits = np.flatnonzero((larger <= most) & (ratio >= least * larger))
        for one in (change, -change):  # half a turn changes no length
            chosen.append(fits)
            changes.append(np.broadcast_to(one, (len(fits), 2, 2)))
    return np.concatenate(chosen), np.concatenate(changes)


def turns_deg(cells_a: FloatArray, cells_b: FloatArray) -> FloatArray:
    """Absolute angle in degrees by which a turns to fit b, rounded."""
    rows = np.linalg.solve(cells_a, cells_b)
    angles = np.arctan2(rows[:, 0, 1] - rows[:, 1, 0], rows[:, 0, 0] + rows[:, 1, 1])
    return np.asarray(np.round(np.abs(np.degrees(angles)), 6))


def one_of_each_class(
    super_a: IntArray,
    super_b: IntArray,
    group_a: IntArray,
    group_b: IntArray,
    turns: FloatArray,
) -> IntArray:
    """Indices of one pair per class: no supercell of another match, no image by symmetry.

    Of a class the pair with the least turn is kept.
    """
    n_a, n_b = plane.determinants(super_a), plane.determinants(super_b)
    # Lattice coordinates u of a go to u @ product / n_a of b.
    product = plane.adjugates(super_a) @ super_b
    divisor = np.gcd.reduce(product.reshape(-1, 4), axis=1)
    # How many of a's points per point that lands on one of b's: from the map's Smith form.
    index = (n_a // np.gcd(n_a, divisor)) * (n_a // np.gcd(n_a, n_a * n_b // divisor))
    whole = np.flatnonzero(index == n_a)
    own = product[whole]
    keys = np.full((len(whole), 4), np.iinfo(np.int64).max)
    for one, other in itertools.product(group_a, group_b):
        if plane.determinant(one) == plane.determinant(other):
            image = (plane.inverse(one) @ own @ other).reshape(-1, 4)
            # The first component that differs decides.
            column = np.argmax(image != keys, axis=1)[:, None]
            less = np.take_along_axis(image, column, 1) < np.take_along_axis(keys, column, 1)
            keys = np.where(less, image, keys)
    full = np.column_stack([n_a[whole], keys])
    rank = np.lexsort([*own.reshape(-1, 4).T, turns[whole], *full.T])
    _, starts = np.unique(full[rank], axis=0, return_index=True)
    return np.asarray(whole[rank[starts]])


@lru_cache(maxsize=64)
def _reduced_supercells(
    lattice: bytes, most: int, group: bytes | None = None
) -> tuple[FloatArray, IntArray]:
    forms = plane.hermite_forms(most)
    if group is not None:
        forms = plane.one_per_orbit(forms, np.frombuffer(group, dtype=np.int64).reshape(-1, 2, 2))
    cells, changes = plane.reduce_cells(forms @ np.frombuffer(lattice).reshape(2, 2))
    return cells, changes @ forms


def _count(most: float) -> int:
    if most > MOST_SUPERCELLS:
        raise InputError(
            f"the largest area holds {most:.0f} primitive cells of one side, more than "
            f"{MOST_SUPERCELLS}: lower it"
        )
    return math.floor(most * (1 + 1e-6))
