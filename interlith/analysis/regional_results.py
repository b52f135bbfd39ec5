"""Regional diffusion of whole runs: by region of a labelled structure, and by depth.

>>> import numpy as np
>>> heights, names = np.array([1.0, 2.0, 3.0, 5.0, 6.0, 7.0]), ["anode"] * 3 + ["electrolyte"] * 3
>>> [round(float(h), 3) for h in interface_planes(heights, names, period=8.0)]
[0.0, 4.0]
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from interlith.analysis.displacements import Paths
from interlith.analysis.layers import Layer, heights_of, layers_of, without_strays
from interlith.analysis.regional import (
    RegionalDiffusion,
    depth_labels,
    layer_labels,
    regional_diffusivity,
)
from interlith.errors import InputError
from interlith.records import Record
from interlith.structures.regions import Regions

FloatArray = npt.NDArray[np.float64]

WIDEST_GAP_ANGSTROM = 5.0
"""Regions farther apart than this do not touch: there is vacuum between them."""


class RegionSpan(Record):
    """Where a region lies, along the normal of the interface; it may wrap."""

    region: str
    low_angstrom: float
    high_angstrom: float


class RegionalRun(Record):
    """Diffusion of one run, part by part.

    Attributes
    ----------
    by : str
        ``region``: between the midpoints of the gaps of the labelled framework. ``depth``: bins
        of the distance to the nearest interface plane.
    planes_angstrom : tuple of float
        Heights of the interface planes along the normal.
    """

    temperature_k: float
    by: Literal["region", "depth"]
    rows: tuple[RegionalDiffusion, ...]
    spans: tuple[RegionSpan, ...]
    planes_angstrom: tuple[float, ...]
    discarded_ps: float


def regional_runs(
    paths: Paths,
    names: Sequence[str],
    positions: npt.ArrayLike,
    cell: npt.ArrayLike,
    *,
    temperature_k: float,
    discarded_ps: float,
    depth_edges_angstrom: Sequence[float] = (),
) -> tuple[RegionalRun, ...]:
    """Diffusion in every region, and in bins of depth if edges are given.

    Parameters
    ----------
    paths : Paths
        Mobile atoms; their first frame is that of ``positions``.
    names : sequence of str
        Region of every atom.
    positions : (n, 3)
        Angstrom, of all atoms.
    cell : (3, 3)
        Rows a, b, c; the interface is parallel to a and b.

    Raises
    ------
    InputError
        If labels and atoms do not match, or there is no interface to count depth from.
    """
    layers, planes, _ = labelled_layers(paths, names, positions, cell)
    common: dict[str, Any] = {
        "temperature_k": temperature_k,
        "spans": tuple(_span(layer) for layer in layers),
        "planes_angstrom": planes,
        "discarded_ps": discarded_ps,
    }
    period = heights_of(np.asarray(positions, float), np.asarray(cell, float))[1]
    by_layer = layer_labels(paths, layers, period)
    found = [RegionalRun(by="region", rows=regional_diffusivity(paths, *by_layer), **common)]
    if len(depth_edges_angstrom):
        if not planes:
            raise InputError(
                "the trajectory has no interface (one region, or vacuum between them), so there "
                "is no depth to count; leave out the depth bins"
            )
        by_depth = depth_labels(paths, planes, depth_edges_angstrom, period)
        found.append(RegionalRun(by="depth", rows=regional_diffusivity(paths, *by_depth), **common))
    return tuple(found)


def labelled_layers(
    paths: Paths, names: Sequence[str], positions: npt.ArrayLike, cell: npt.ArrayLike
) -> tuple[tuple[Layer, ...], tuple[float, ...], tuple[str, ...]]:
    """Layers of a run, heights of the planes where they touch, and regions of mobile atoms only.

    Parameters
    ----------
    paths, names, positions, cell
        As for :func:`regional_runs`.

    Raises
    ------
    InputError
        If labels and atoms do not match.
    """
    places = np.asarray(positions, dtype=np.float64)
    if len(names) != len(places):
        raise InputError(
            f"{len(names)} region labels do not fit a trajectory of {len(places)} atoms; give the "
            "labelled structure that the run started from"
        )
    mobile = np.isin(np.arange(len(places)), paths.mobile_indices)
    regions = Regions(tuple(names), np.zeros(len(places)), mobile)
    framed = {name for name, moves in zip(names, mobile, strict=True) if not moves}
    planes = interface_planes(*_used(regions, places, np.asarray(cell, dtype=np.float64)))
    bare = tuple(name for name in dict.fromkeys(names) if name not in framed)
    return layers_of(regions, places, cell), planes, bare


def interface_planes(
    heights: npt.ArrayLike, names: Sequence[str], period: float
) -> tuple[float, ...]:
    """Heights midway between neighbouring atoms of two regions, where those touch.

    Parameters
    ----------
    heights : (n,)
        Of atoms along the normal, Angstrom.
    names : sequence of str
        Their regions.
    period : float
        Of the cell along the normal.
    """
    folded = np.asarray(heights, dtype=np.float64) % period
    order = np.argsort(folded, kind="stable")
    along = [(float(folded[i]), names[i]) for i in order]
    if not along:
        return ()
    along.append((along[0][0] + period, along[0][1]))
    return tuple(
        sorted(
            (low + high) / 2 % period
            for (low, below), (high, above) in pairwise(along)
            if below != above and high - low <= WIDEST_GAP_ANGSTROM
        )
    )


def _used(
    regions: Regions, positions: FloatArray, cell: FloatArray
) -> tuple[FloatArray, list[str], float]:
    """Heights and names of the atoms that a region's extent goes by: framework where it has one."""
    heights, period = heights_of(positions, cell)
    framed = {n for n, moves in zip(regions.names, regions.mobile, strict=True) if not moves}
    placed = [
        (float(height % period), name)
        for height, name, moves in zip(heights, regions.names, regions.mobile, strict=True)
        if not moves or name not in framed
    ]
    kept = without_strays(placed, period)
    return np.array([height for height, _ in kept]), [name for _, name in kept], period


def _span(layer: Layer) -> RegionSpan:
    return RegionSpan(
        region=layer.name, low_angstrom=layer.low_angstrom, high_angstrom=layer.high_angstrom
    )
