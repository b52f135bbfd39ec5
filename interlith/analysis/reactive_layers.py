"""Which layer of an electrolyte reacts when, and how thick what it became is.

Three thicknesses, none of which needs the others: the depth to which polyanions are broken, the
stretch between metal and intact electrolyte from composition profiles, and the width over which
the two sides are mixed.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from interlith.analysis.profiles import Edge, fit_edge, heights_along_normal
from interlith.analysis.reactive_counts import (
    ION,
    BoolArray,
    Centres,
    FloatArray,
    IntArray,
    as_stored,
)
from interlith.analysis.reactive_records import DepthCounts, EdgePoint, LayerFate

if TYPE_CHECKING:
    from interlith.analysis.trajectories import Trajectory

LAYER_ANGSTROM = 1.6
"""Centres whose depths differ by less are of one layer."""
BIN_ANGSTROM = 1.5
PER_NM3 = 1000.0
SURE_ANGSTROM = 3.0
"""Uncertainty of an edge beyond which a fit has found nothing."""
SEEN = 4.0
"""Standard deviations by which two sides must differ for a step that no function fits."""

Side = Literal["lower", "upper"]


@dataclass(frozen=True, eq=False)
class Depths:
    """Where each centre is at the start.

    Attributes
    ----------
    depth : (n,)
        Below the nearest contact of its region, Angstrom.
    upper : (n,) bool
        Whether that contact is the one above.
    region : tuple of str
    """

    depth: FloatArray
    upper: BoolArray
    region: tuple[str, ...]


def centre_depths(
    positions: FloatArray, cell: FloatArray, regions: Sequence[str], centres: Centres
) -> Depths:
    """Depth of each centre in its region.

    A region is one slab of a periodic cell; its contacts are midway between its outermost atoms
    and those of its neighbours. Alone in the cell it has none, and depths are infinite.
    """
    heights, length = heights_along_normal(positions, cell)
    names = np.array(regions)
    depth, upper = np.full(len(centres.atoms), np.inf), np.zeros(len(centres.atoms), dtype=bool)
    for name in dict.fromkeys(regions):
        low, high = region_ends(heights, length, names == name)
        inside = names[centres.atoms] == name
        above = (heights[centres.atoms] - low) % length
        from_top = (high - low) - above
        found = np.minimum(above, from_top)
        depth[inside] = np.where(np.isfinite(high - low), found, np.inf)[inside]
        upper[inside] = (from_top < above)[inside]
    return Depths(depth, upper, tuple(names[centres.atoms]))


def region_ends(heights: FloatArray, length: float, inside: BoolArray) -> tuple[float, float]:
    """Heights between which a slab lies, the upper one maybe beyond the cell; infinite if alone."""
    if inside.all() or not inside.any():
        return 0.0, np.inf
    own = np.sort(heights[inside] % length)
    gaps = np.diff(np.append(own, own[0] + length))
    start = int((int(gaps.argmax()) + 1) % len(own))
    low = float(own[start])
    high = low + float(length - gaps.max())
    others = heights[~inside]
    below = float(((low - others) % length).min())
    above = float(((others - high) % length).min())
    return low - below / 2, high + above / 2


def layer_fates(
    times_ps: FloatArray, whole: BoolArray, stripped: BoolArray, depths: Depths
) -> tuple[LayerFate, ...]:
    """What became of each layer.

    Parameters
    ----------
    whole, stripped : (f, n)
        Centres that have all their ligands, and none, vibrations removed.
    """
    found = []
    for region in dict.fromkeys(depths.region):
        for side, flag in (("lower", False), ("upper", True)):
            own = np.array([one == region for one in depths.region]) & (depths.upper == flag)
            for members in _layers(depths.depth, np.flatnonzero(own)):
                found.append(
                    _fate(times_ps, whole[:, members], stripped[:, members],
                          region, side, float(depths.depth[members].mean()))
                )  # fmt: skip
    return tuple(found)


def _layers(depth: FloatArray, chosen: IntArray) -> list[IntArray]:
    if not len(chosen) or not np.isfinite(depth[chosen]).all():
        return []
    ordered = chosen[np.argsort(depth[chosen], kind="stable")]
    cuts = np.flatnonzero(np.diff(depth[ordered]) > LAYER_ANGSTROM) + 1
    return list(np.split(ordered, cuts))


def _fate(
    times_ps: FloatArray,
    whole: BoolArray,
    stripped: BoolArray,
    region: str,
    side: str,
    depth: float,
) -> LayerFate:
    broken = [_for_good(times_ps, ~column) for column in whole.T]
    bare = [_for_good(times_ps, column) for column in stripped.T]
    known = [one for one in broken if one is not None]
    return LayerFate(
        region=region,
        side="upper" if side == "upper" else "lower",
        depth_angstrom=round(depth, 3),
        centres=whole.shape[1],
        first_broken_ps=min(known, default=None),
        all_broken_ps=_last(broken),
        all_bare_ps=_last(bare),
    )


def _for_good(times_ps: FloatArray, flags: BoolArray) -> float | None:
    """First time from which a flag stays up to the end."""
    if not flags[-1]:
        return None
    down = np.flatnonzero(~flags)
    return float(times_ps[0 if not len(down) else int(down[-1]) + 1])


def _last(times: Sequence[float | None]) -> float | None:
    known = [one for one in times if one is not None]
    return max(known) if known and len(known) == len(times) else None


def edge_points(
    trajectory: Trajectory,
    regions: Sequence[str],
    metal_region: str | None,
    intact_angstrom: FloatArray,
    blocks: int,
    since_ps: float = 0.0,
) -> tuple[EdgePoint, ...]:
    """Edges of composition, in consecutive blocks of frames.

    Parameters
    ----------
    metal_region : str or None
        The one that is Li metal at the start.
    intact_angstrom : (n_frames,)
        Thickness of electrolyte that is intact; nan where there are no polyanions to tell by.
    since_ps : float
        Time of the first frame.
    """
    names = tuple(dict.fromkeys(regions))
    if len(names) != 2:
        return ()
    parts = np.array_split(np.arange(trajectory.n_frames), blocks)
    return tuple(
        point.model_copy(update={"time_ps": round(point.time_ps + since_ps, 4)})
        for point in (
            _edge(trajectory, regions, names, metal_region, intact_angstrom, part)
            for part in parts
            if len(part)
        )
    )


def _edge(
    trajectory: Trajectory,
    regions: Sequence[str],
    names: tuple[str, ...],
    metal_region: str | None,
    intact_angstrom: FloatArray,
    part: IntArray,
) -> EdgePoint:
    kinds, labels = np.array(trajectory.symbols), np.array(regions)
    framework = kinds != ION
    if metal_region is None:
        tried, hit = framework, framework & (labels == names[1])
    else:
        tried, hit = np.ones(len(kinds), dtype=bool), framework
    heights, lengths, count = _heights(trajectory, part), [], 0
    length = float(np.mean([one for _, one in heights]))
    count = max(6, round(length / BIN_ANGSTROM))
    tries, hits = np.zeros(count), np.zeros(count)
    for height, own in heights:
        layer = np.minimum((height / own * count).astype(int), count - 1)
        tries += np.bincount(layer[tried], minlength=count)
        hits += np.bincount(layer[hit], minlength=count)
        lengths.append(own)
    time_ps = float(part.mean()) * trajectory.time_step_fs / 1000.0
    # neighbouring frames are one sample: a quarter of them is counted as independent
    share = 4.0 / max(len(part), 4)
    found, reason = two_edges(hits * share, tries * share, length)
    if found is None:
        return EdgePoint(
            time_ps=time_ps, interphase_nm=None, interphase_sigma_nm=None, mixed_nm=None,
            reason=reason,
        )  # fmt: skip
    inside, rising, falling = found
    intact = (
        float(np.nanmean(intact_angstrom[part]))
        if np.isfinite(intact_angstrom[part]).any()
        else np.nan
    )
    thick = (inside - intact) / 20.0 if metal_region is not None and np.isfinite(intact) else None
    sigma = float(np.hypot(rising.sigma_angstrom, falling.sigma_angstrom)) / 20.0
    mixed = (rising.mixed_layer_angstrom + falling.mixed_layer_angstrom) / 20.0
    return EdgePoint(
        time_ps=time_ps,
        interphase_nm=None if thick is None else float(thick),
        interphase_sigma_nm=None if thick is None else sigma,
        mixed_nm=float(mixed),
    )


def _heights(trajectory: Trajectory, part: IntArray) -> list[tuple[FloatArray, float]]:
    """Heights of the atoms of some frames, the drift of the whole cell removed."""
    found = []
    chosen = range(int(part[0]), int(part[-1]) + 1)
    for block in as_stored(trajectory).blocks(64, chosen):
        for positions, cell in zip(block.positions, block.cells, strict=True):
            found.append(heights_along_normal(positions, cell))
    return found


def two_edges(
    hits: npt.ArrayLike, tries: npt.ArrayLike, length: float
) -> tuple[tuple[float, Edge, Edge] | None, str | None]:
    """Where a share goes up and down again around a periodic normal.

    Parameters
    ----------
    hits, tries : (n,)
        Atoms of the kind, and all, in equal layers from 0 to ``length``.

    Returns
    -------
    tuple or None
        Distance between the two edges through the side with the kind, and both edges.
    """
    k, n = np.asarray(hits, dtype=np.float64), np.asarray(tries, dtype=np.float64)
    share = k / np.where(n > 0, n, 1.0)
    count, width = len(k), length / len(k)
    angle = 2 * np.pi * (np.arange(count) + 0.5) / count
    weight = share - share.min()
    if not weight.sum() > 0:
        return None, "the two sides do not differ"
    centre = np.angle((weight * np.exp(1j * angle)).sum()) % (2 * np.pi)
    middle = int(centre / (2 * np.pi) * count)
    turned = (np.arange(count) + middle - count // 2) % count  # the kind in the middle
    z = np.asarray((np.arange(count) + 0.5) * width, dtype=np.float64)
    half = count // 2
    rising, why = _one_edge(z[:half], k[turned][:half], n[turned][:half])
    falling, why_not = _one_edge(z[half:], k[turned][half:], n[turned][half:])
    if rising is None or falling is None:
        return None, why or why_not
    if rising.high <= rising.low or falling.high >= falling.low:
        return None, "the share does not rise and fall once around the cell"
    return (falling.position_angstrom - rising.position_angstrom, rising, falling), None


def _one_edge(z: FloatArray, k: FloatArray, n: FloatArray) -> tuple[Edge | None, str | None]:
    """An error function, or the height of equal areas where the step is narrower than a layer."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Covariance of the parameters")
        found, why = fit_edge(z, k, n)
    if found is not None and found.sigma_angstrom < SURE_ANGSTROM:
        return found, None
    why = why or "the edge is too blurred to have a place"
    share, third = k / np.where(n > 0, n, 1.0), max(len(z) // 3, 1)
    low, high = float(share[:third].mean()), float(share[-third:].mean())
    noise = np.sqrt(max((low + high) * (2 - low - high) / 4, 0.01) / max(float(n.sum()) / 3, 1.0))
    if abs(high - low) < SEEN * noise:
        return None, why
    width = float(z[1] - z[0])
    filled = float((np.clip((share - low) / (high - low), -0.5, 1.5) * width).sum())
    place = float(z[-1]) + width / 2 - filled
    if not z[0] <= place <= z[-1]:
        return None, why
    return Edge(place, width / np.sqrt(12), width / 4, width / 4, low, high, float("nan")), None


def depth_counts(
    trajectory: Trajectory,
    centres: Centres,
    whole: BoolArray,
    part: IntArray,
    since_ps: float = 0.0,
) -> DepthCounts:
    """Mean concentrations over some frames, from the bottom of the cell upwards."""
    heights = _heights(trajectory, part)
    length = float(np.mean([one for _, one in heights]))
    count = max(1, round(length / BIN_ANGSTROM))
    kinds = np.array(trajectory.symbols)
    names = sorted(set(trajectory.symbols))
    tables = {name: np.zeros(count) for name in names}
    intact = np.zeros(count)
    volume = 0.0
    for frame, block in zip(part, _cells(trajectory, part), strict=True):
        positions, cell = block
        height, own = heights_along_normal(positions, cell)
        layer = np.minimum((height / own * count).astype(int), count - 1)
        volume += abs(float(np.linalg.det(cell))) / count
        for name in names:
            tables[name] += np.bincount(layer[kinds == name], minlength=count)
        kept = centres.atoms[whole[frame]]
        intact += np.bincount(layer[kept], minlength=count)
    step = trajectory.time_step_fs / 1000.0
    return DepthCounts(
        from_ps=since_ps + float(part[0]) * step,
        to_ps=since_ps + float(part[-1]) * step,
        heights_angstrom=_rounded((np.arange(count) + 0.5) * length / count),
        per_nm3={name: _rounded(table * PER_NM3 / volume) for name, table in tables.items()},
        intact_per_nm3=_rounded(intact * PER_NM3 / volume),
    )


def _cells(trajectory: Trajectory, part: IntArray) -> list[tuple[FloatArray, FloatArray]]:
    chosen = range(int(part[0]), int(part[-1]) + 1)
    return [
        (positions, cell)
        for block in as_stored(trajectory).blocks(64, chosen)
        for positions, cell in zip(block.positions, block.cells, strict=True)
    ]


def _rounded(values: FloatArray) -> tuple[float, ...]:
    return tuple(round(float(v), 3) for v in values)
