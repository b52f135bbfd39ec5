"""Diffusion region by region and by depth near an interface.

The rule for atoms that cross: a displacement counts for a region only over windows during which
the atom stays in that region the whole time (the survival rule of [Liu2004]_). In the plane of the
interface this is free of bias where motion in the plane does not depend on motion across it,
because staying is then decided by the other direction alone; so ``self_diffusivity_cm2_s`` of a
region is that in the plane. Across the interface staying selects atoms that moved little: there,
windows are taken by the region of their start only, from atoms so far inside that few can have
left within the window, and no number is given where the region is too thin for that.

>>> import numpy as np
>>> from interlith.analysis.trajectories import from_arrays
>>> from interlith.analysis.displacements import read_paths
>>> rng = np.random.default_rng(0)
>>> steps = rng.normal(size=(4000, 20, 3)) * np.repeat([0.1, 0.3], 10)[None, :, None]
>>> steps[:, :, 2] = 0.0
>>> box = from_arrays(steps.cumsum(0), np.eye(3) * 30, ["Li"] * 20, 100.0)
>>> labels = np.repeat([0, 1], 10)[None].repeat(4000, axis=0)
>>> slow, fast = regional_diffusivity(read_paths(box, drift="none"), labels, ("a", "b"))
>>> 8 < fast.self_diffusivity_cm2_s / slow.self_diffusivity_cm2_s < 10
True
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from interlith.analysis.displacements import Paths
from interlith.analysis.layers import Layer, heights_of
from interlith.analysis.transport import CM2_S_PER_ANGSTROM2_FS
from interlith.errors import InputError
from interlith.records import Record, Status

FloatArray = npt.NDArray[np.float64]
LabelArray = npt.NDArray[np.integer]

GROUPS = 12
"""Blocks of time for the jackknife, each four times as long as the longest lag."""
LAGS = 8
LEAST_WINDOWS = 200
STAY_FRACTION = 0.15
"""Lags go up to the one at which this part of the windows that could count still does."""
INSIDE_SIGMAS = 3.0
SIGNIFICANT_SIGMA = 2.0
LEAST_SLOPE, LARGEST_SLOPE = 0.6, 1.4


class RegionalDiffusion(Record):
    """Diffusion of the mobile atoms while they are in one region.

    ``self_diffusivity_cm2_s`` is in the plane of the interface, ``normal_diffusivity_cm2_s``
    across it; sigma are standard uncertainties.
    """

    region: str
    status: Status
    reason: str | None
    self_diffusivity_cm2_s: float | None = None
    sigma_cm2_s: float | None = None
    normal_diffusivity_cm2_s: float | None = None
    normal_sigma_cm2_s: float | None = None
    normal_reason: str | None = None
    mean_mobile_atoms: float
    from_ps: float | None = None
    to_ps: float | None = None
    exponent: float | None = None
    rule: str = "windows during which the atom stays; in the plane"


def layer_labels(
    paths: Paths, layers: Sequence[Layer], period_angstrom: float | None = None
) -> tuple[LabelArray, tuple[str, ...]]:
    """Which region each mobile atom is in, frame by frame.

    Parameters
    ----------
    period_angstrom : float, optional
        Of the cell whose heights the layers count, along the normal: that of the first frame, in
        which paths begin (the breathing of the cell is not in them). By default the mean.

    Returns
    -------
    (n_frames, n_mobile) int8, tuple of str
        Index into the names; -1 where no layer is.
    """
    names = tuple(dict.fromkeys(layer.name for layer in layers))

    def assign(height: FloatArray, period: float) -> LabelArray:
        found = np.full(height.shape, -1, dtype=np.int8)
        for layer in layers:
            inside = (height - layer.low_angstrom) % period
            found[inside < layer.high_angstrom - layer.low_angstrom] = names.index(layer.name)
        return found

    return _by_height(paths, assign, period_angstrom), names


def depth_labels(
    paths: Paths,
    interface_heights_angstrom: Sequence[float],
    edges_angstrom: Sequence[float],
    period_angstrom: float | None = None,
) -> tuple[LabelArray, tuple[str, ...]]:
    """Bins of the distance to the nearest interface plane, as labels.

    Parameters
    ----------
    paths : Paths
        Mobile atoms.
    interface_heights_angstrom : sequence of float
        Heights of the planes along the normal of a and b.
    edges_angstrom : sequence of float
        Edges of the bins, ascending; distances outside get no label.
    period_angstrom : float, optional
        As for :func:`layer_labels`.

    Raises
    ------
    InputError
        If the edges do not ascend.
    """
    edges = np.asarray(edges_angstrom, dtype=np.float64)
    if edges.ndim != 1 or edges.size < 2 or np.any(np.diff(edges) <= 0):
        raise InputError("give at least two edges of distance bins, ascending, in Angstrom")
    planes = np.asarray(interface_heights_angstrom, dtype=np.float64)
    if planes.ndim != 1 or planes.size == 0:
        raise InputError("give the height of at least one interface plane, in Angstrom")

    def assign(height: FloatArray, period: float) -> LabelArray:
        away = height[..., None] - planes
        away = np.abs(away - period * np.round(away / period)).min(axis=-1)
        bins = np.searchsorted(edges, away, side="right") - 1
        return np.where((bins >= 0) & (bins < edges.size - 1), bins, -1).astype(np.int8)

    names = tuple(f"{a:g}-{b:g} Angstrom" for a, b in pairwise(edges))
    return _by_height(paths, assign, period_angstrom), names


def _by_height(
    paths: Paths, assign: Callable[[FloatArray, float], LabelArray], period: float | None
) -> LabelArray:
    labels = np.empty((paths.n_frames, paths.n_mobile), dtype=np.int8)
    size = max(1, 4_000_000 // max(1, paths.n_mobile))
    for start in range(0, paths.n_frames, size):
        height, mean = heights_of(paths.positions(start, start + size), paths.mean_cell)
        labels[start : start + size] = assign(height, period or mean)
    return labels


def regional_diffusivity(
    paths: Paths, labels: LabelArray, names: Sequence[str], *, last_lag_fs: float | None = None
) -> tuple[RegionalDiffusion, ...]:
    """Diffusivity in each region, by the rule above.

    Parameters
    ----------
    paths : Paths
        Mobile atoms, drift removed.
    labels : (n_frames, n_mobile) int
        Region of each mobile atom in each frame, -1 for none.
    names : sequence of str
        Of the regions.
    last_lag_fs : float, optional
        Longest lag; by default and at most a quarter of a block of the jackknife (1/48 of the
        run),
        less where few windows last that long.

    Returns
    -------
    tuple of RegionalDiffusion
        In the order of the names; ``no_answer`` with a reason where too few windows stay.
        Errors are a jackknife over 12 blocks of time.

    Raises
    ------
    InputError
        If the labels do not fit the paths.
    """
    if labels.shape != (paths.n_frames, paths.n_mobile):
        raise InputError(
            f"labels of shape {labels.shape} do not fit {paths.n_frames} frames of "
            f"{paths.n_mobile} mobile atoms"
        )
    longest = paths.n_frames // (4 * GROUPS)
    if last_lag_fs is not None:
        longest = min(longest, round(last_lag_fs / paths.time_step_fs))
    until = _stays_until(labels)
    return tuple(
        _region(paths, labels, until, index, name, longest) for index, name in enumerate(names)
    )


def _stays_until(labels: LabelArray) -> npt.NDArray[np.int32]:
    """Last frame of the stay that each frame belongs to."""
    n_frames = len(labels)
    until = np.empty(labels.shape, dtype=np.int32)
    until[-1] = n_frames - 1
    for frame in range(n_frames - 2, -1, -1):
        same = labels[frame] == labels[frame + 1]
        until[frame] = np.where(same, until[frame + 1], frame)
    return until


def _region(
    paths: Paths,
    labels: LabelArray,
    until: npt.NDArray[np.int32],
    index: int,
    name: str,
    longest: int,
) -> RegionalDiffusion:
    inside = labels == index
    lags = np.unique(np.geomspace(1, max(longest, 1), 4 * LAGS).round().astype(np.int64))
    counts = np.array(
        [
            (inside[: len(until) - lag] & _staying(until, lag)).sum()
            / max(1, int(inside[: len(until) - lag].sum()))
            for lag in lags
        ]
    )
    enough = lags[counts >= STAY_FRACTION]
    mean_atoms = float(inside.sum()) / len(labels)

    def no(reason: str) -> RegionalDiffusion:
        return RegionalDiffusion(
            region=name, status="no_answer", reason=reason, mean_mobile_atoms=mean_atoms
        )

    if not inside.any():
        return no("no mobile atom is ever in this region")
    if enough.size < 3 or inside.sum() < LEAST_WINDOWS:
        return no(
            "too few windows during which an atom stays; run longer, or write frames more often"
        )
    last = int(enough[-1])
    chosen = np.unique(np.linspace(max(1, last // 4), last, LAGS).round().astype(np.int64))
    plane = _plane(paths.mean_cell)
    sums, numbers = _block_sums(paths, inside, until, chosen, plane)
    slope, sigma, exponent = _jackknife(chosen, sums, numbers)
    scale = CM2_S_PER_ANGSTROM2_FS / (4.0 * paths.time_step_fs)
    if chosen.size < 2 or not math.isfinite(sigma):
        return no(
            "too few windows during which an atom stays; run longer, or write frames more often"
        )
    if slope < SIGNIFICANT_SIGMA * sigma:
        return no("the diffusivity in this region cannot be told from zero; run longer")
    if not LEAST_SLOPE <= exponent <= LARGEST_SLOPE:
        return no(f"not diffusive: displacement grows as time to the power {exponent:.2f}")
    normal, normal_sigma, normal_reason = _normal(paths, inside, chosen, plane)
    return RegionalDiffusion(
        region=name,
        status="ok",
        reason=None,
        self_diffusivity_cm2_s=slope * scale,
        sigma_cm2_s=sigma * scale,
        normal_diffusivity_cm2_s=normal,
        normal_sigma_cm2_s=normal_sigma,
        normal_reason=normal_reason,
        mean_mobile_atoms=mean_atoms,
        from_ps=float(chosen[0]) * paths.time_step_fs / 1000,
        to_ps=last * paths.time_step_fs / 1000,
        exponent=exponent,
    )


def _staying(until: npt.NDArray[np.int32], lag: int) -> npt.NDArray[np.bool_]:
    starts = np.arange(len(until) - lag)[:, None]
    staying: npt.NDArray[np.bool_] = until[: len(until) - lag] >= starts + lag
    return staying


def _plane(cell: FloatArray) -> FloatArray:
    """Rows: two directions in the plane of a and b, and its normal."""
    first = cell[0] / np.linalg.norm(cell[0])
    normal = np.cross(cell[0], cell[1])
    normal = normal / np.linalg.norm(normal)
    return np.stack([first, np.cross(normal, first), normal])


def _block_sums(
    paths: Paths,
    counted: npt.NDArray[np.bool_],
    until: npt.NDArray[np.int32] | None,
    lags: npt.NDArray[np.int64],
    plane: FloatArray,
    directions: tuple[int, ...] = (0, 1),
) -> tuple[FloatArray, FloatArray]:
    """Sums of squared displacements and numbers of windows per block of time and lag."""
    n_frames = paths.n_frames
    sums, numbers = np.zeros((GROUPS, lags.size)), np.zeros((GROUPS, lags.size))
    edges = np.linspace(0, n_frames, GROUPS + 1).astype(np.int64)
    for column, lag in enumerate(lags):
        group = np.searchsorted(edges, np.arange(n_frames - lag), side="right") - 1
        use = counted[: n_frames - lag]
        if until is not None:
            use = use & _staying(until, int(lag))
        for atom in range(paths.n_mobile):
            mask = use[:, atom]
            if not mask.any():
                continue
            path = np.asarray(plane[list(directions)] @ paths.mobile[atom], dtype=np.float64)
            moved = ((path[:, lag:] - path[:, : n_frames - lag]) ** 2).sum(axis=0)
            sums[:, column] += np.bincount(group[mask], moved[mask], GROUPS)
            numbers[:, column] += np.bincount(group[mask], minlength=GROUPS)
    return sums, numbers


def _jackknife(
    lags: npt.NDArray[np.int64], sums: FloatArray, numbers: FloatArray
) -> tuple[float, float, float]:
    """Slope with its standard error, and the exponent of the mean squared displacement."""
    if lags.size < 2 or np.any(numbers.sum(axis=0) < LEAST_WINDOWS):
        return 0.0, math.inf, 0.0

    def slope(total: FloatArray, count: FloatArray) -> float:
        return float(np.polyfit(lags, total / count, 1, w=1 / lags)[0])

    msd = sums.sum(axis=0) / numbers.sum(axis=0)
    whole = slope(sums.sum(axis=0), numbers.sum(axis=0))
    without = np.array(
        [
            slope(sums.sum(axis=0) - sums[g], numbers.sum(axis=0) - numbers[g])
            for g in range(GROUPS)
            if np.all(numbers.sum(axis=0) - numbers[g] > 0)
        ]
    )
    if without.size < GROUPS // 2:
        return whole, math.inf, 0.0
    n = without.size
    sigma = math.sqrt((n - 1) / n * float(((without - without.mean()) ** 2).sum()))
    sigma *= math.sqrt((n - 1) / (n - 3))  # standard deviation of Student's t
    exponent = float(np.polyfit(np.log(lags), np.log(np.maximum(msd, 1e-30)), 1)[0])
    return whole, sigma, exponent


def _normal(
    paths: Paths,
    inside: npt.NDArray[np.bool_],
    lags: npt.NDArray[np.int64],
    plane: FloatArray,
) -> tuple[float | None, float | None, str | None]:
    """Diffusivity across the interface from atoms that start deep inside."""
    alone = bool(inside.all())
    short = lags if alone else lags[: max(2, lags.size // 2)]
    deep = inside if alone else _deep(paths, inside, int(short[-1]), plane)
    if deep is None:
        return None, None, "the region is too thin to measure across without mixing in others"
    sums, numbers = _block_sums(paths, deep, None, short, plane, (2,))
    slope, sigma, _ = _jackknife(short, sums, numbers)
    if not math.isfinite(sigma) or slope < SIGNIFICANT_SIGMA * sigma:
        return None, None, "too few windows start deep inside the region, or nothing moves across"
    scale = CM2_S_PER_ANGSTROM2_FS / (2.0 * paths.time_step_fs)
    return slope * scale, sigma * scale, None


def _deep(
    paths: Paths, inside: npt.NDArray[np.bool_], lag: int, plane: FloatArray
) -> npt.NDArray[np.bool_] | None:
    """Frames in which an atom is farther from every edge than three rms displacements."""
    heights = np.empty(inside.shape)
    size = max(1, 4_000_000 // max(1, paths.n_mobile))
    period = abs(float(paths.mean_cell[2] @ plane[2]))
    for start in range(0, paths.n_frames, size):
        heights[start : start + size] = (paths.positions(start, start + size) @ plane[2]) % period
    within, outside = heights[inside], heights[~inside]
    if not outside.size:
        return inside
    starts = inside[: len(inside) - lag]
    path = np.einsum("d,adf->fa", plane[2], paths.mobile)
    moved = (path[lag:] - path[: len(path) - lag])[starts]
    if moved.size < LEAST_WINDOWS:
        return None
    margin = INSIDE_SIGMAS * float(np.sqrt((moved**2).mean()))
    edges = np.sort(np.concatenate([outside - period, outside, outside + period]))
    place = np.searchsorted(edges, within)
    depth = np.minimum(within - edges[place - 1], edges[np.minimum(place, edges.size - 1)] - within)
    deep = np.zeros(inside.shape, dtype=np.bool_)
    deep[inside] = depth > margin
    return deep if deep.sum() >= LEAST_WINDOWS else None
