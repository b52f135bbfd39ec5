"""Layers of a labelled structure along the normal of a and b.

>>> placed = [(1.0, "a"), (4.0, "a"), (6.0, "b"), (6.2, "b"), (7.0, "a"), (9.0, "b"), (12.0, "b")]
>>> [name for _, name in without_strays(placed, 14.0)]  # one a among b has strayed
['a', 'a', 'b', 'b', 'b', 'b']
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError
from interlith.structures.regions import Regions

FloatArray = npt.NDArray[np.float64]

STRAY_ANGSTROM = 3.0
"""A thinner run of a region's atoms is no layer where the region has a thicker one."""


@dataclass(frozen=True)
class Layer:
    """A slab between two heights along the normal of a and b, Angstrom; it may wrap."""

    name: str
    low_angstrom: float
    high_angstrom: float


def layers_of(
    regions: Regions, positions: npt.ArrayLike, cell: npt.ArrayLike, mobile: bool = False
) -> tuple[Layer, ...]:
    """Layers of a labelled structure, from the atoms of the framework.

    Parameters
    ----------
    regions : Regions
        Labels of all atoms.
    positions : (n, 3)
        Angstrom, of the structure that carries the labels.
    cell : (3, 3)
        Rows a, b, c; layers are parallel to a and b.
    mobile : bool
        Use mobile atoms too (needed for a layer of mobile atoms only, such as Li metal, where
        they are used anyway).

    Returns
    -------
    tuple of Layer
        Each region between the midpoints of the gaps to its neighbours, going up. A region that
        lies in two places gives two layers of one name.
    """
    height, period = heights_of(np.asarray(positions, dtype=np.float64), np.asarray(cell))
    framework_of = {
        name for name, moves in zip(regions.names, regions.mobile, strict=True) if not moves
    }
    used = [
        (float(h % period), name)
        for h, name, moves in zip(height, regions.names, regions.mobile, strict=True)
        if mobile or not moves or name not in framework_of
    ]
    runs = [
        (name, members[0][0], members[-1][0])
        for name, members in _runs(without_strays(used, period), period)
    ]
    if len(runs) == 1:
        return (Layer(runs[0][0], 0.0, float(period)),)
    spans = _spans(runs, period)
    return tuple(Layer(one[0], low, high) for one, (low, high) in zip(runs, spans, strict=True))


def without_strays(placed: Sequence[tuple[float, str]], period: float) -> list[tuple[float, str]]:
    """Atoms that make up layers: those that strayed into another region are left out.

    Parameters
    ----------
    placed : sequence of (height, region)
        Heights within one period, Angstrom.
    period : float
        Of the cell along the normal.

    Returns
    -------
    list of (height, region)
        In order of height. A run of atoms of one region thinner than 3 Angstrom is a stray where
        the region has a thicker one elsewhere; the smallest goes first.
    """
    kept = sorted(placed)
    while True:
        runs = _runs(kept, period)
        if len(runs) < 3:
            return kept
        spans = _spans([(name, one[0][0], one[-1][0]) for name, one in runs], period)
        thick = [high - low for low, high in spans]
        strays = [
            k
            for k, (name, _) in enumerate(runs)
            if thick[k] < STRAY_ANGSTROM
            and any(
                other == name and thick[j] >= STRAY_ANGSTROM for j, (other, _) in enumerate(runs)
            )
        ]
        if not strays:
            return kept
        gone = set(runs[min(strays, key=lambda k: (len(runs[k][1]), thick[k]))][1])
        kept = [(h, name) for h, name in kept if not {(h, name), (h + period, name)} & gone]


def _runs(
    placed: Sequence[tuple[float, str]], period: float
) -> list[tuple[str, list[tuple[float, str]]]]:
    """Neighbours of one region, going up; a run that wraps comes last, its heights counted on."""
    runs: list[tuple[str, list[tuple[float, str]]]] = []
    for one in sorted(placed):
        if runs and runs[-1][0] == one[1]:
            runs[-1][1].append(one)
        else:
            runs.append((one[1], [one]))
    if len(runs) > 1 and runs[0][0] == runs[-1][0]:
        runs[-1][1].extend((h + period, name) for h, name in runs.pop(0)[1])
    return runs


def _spans(runs: Sequence[tuple[str, float, float]], period: float) -> list[tuple[float, float]]:
    """From midpoint to midpoint of the gaps between runs."""
    spans = []
    for i, (_, low, high) in enumerate(runs):
        below, above = runs[i - 1], runs[(i + 1) % len(runs)]
        bottom = 0.5 * (low + below[2] - (period if i == 0 else 0.0))
        top = 0.5 * (high + above[1] + (period if i == len(runs) - 1 else 0.0))
        spans.append((bottom, top))
    return spans


def heights_of(positions: FloatArray, cell: FloatArray) -> tuple[FloatArray, float]:
    """Heights along the normal of a and b, on the side of c, and the period."""
    normal = np.cross(cell[0], cell[1])
    normal = normal / np.linalg.norm(normal)
    period = float(cell[2] @ normal)
    if abs(period) < 1e-9:
        raise InputError("the cell has no volume; its rows a, b, c must not lie in one plane")
    return positions @ (normal * math.copysign(1.0, period)), abs(period)
