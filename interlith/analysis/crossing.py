"""How often mobile atoms pass from one region into the next, and how long they stay.

The rule for recrossing: an atom belongs to the region whose core it visited last, and the core
leaves out a margin beside every plane. An atom that rattles about a plane has crossed once, when it
first comes as deep as the margin into the next region; one that jumps clean over a thin region has
crossed both its planes.

With that rule the numbers have a meaning of their own. For independent diffusing atoms in
equilibrium, whatever the barrier between, the crossings per time and area are those of a layer
between the two cores that conducts as a resistor would: a free diffusivity D and density c give
c D / (2 margin) one way, and m H / D as the mean stay in a region of thickness H.

Frames show an atom only now and then. What it does in between is missed, so that the edge of a core
acts as if it lay 0.5826 of the root mean square step farther: the shift of a barrier that a random
walk is compared with at intervals only [Broadie1997]_. Cores therefore begin that much nearer to
the plane than the margin, each by the step of its own region. The step is the diffusive one, from
the growth of the mean squared displacement while it comes to half the margin: rattling adds none.

A passage from core to core takes time, and one that began before the run or ends after it is not
seen. A passage of length d fits into a run of length T in T - d out of T places, so each one seen
counts T / (T - d) times. Before its first core an atom belongs to that one: in equilibrium the core
visited last and the core visited next are as likely.

>>> import numpy as np
>>> from interlith.analysis.displacements import read_paths
>>> from interlith.analysis.trajectories import from_arrays
>>> steps = np.random.default_rng(0).normal(scale=0.2, size=(20000, 20, 3))
>>> box = from_arrays(steps.cumsum(0), np.eye(3) * 20, ["Li"] * 20, 100.0)  # D = 2e-4 A2/fs
>>> layers = (Layer("a", 0.0, 10.0), Layer("b", 10.0, 20.0))
>>> found = count_crossings(read_paths(box, drift="none"), layers, 2.0)
>>> low, high = found.stays()[0].interval95_ps  # 2 Angstrom x 10 Angstrom / D = 100 ps
>>> low < 100 < high
True
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interlith.analysis.displacements import Paths
from interlith.analysis.layers import Layer
from interlith.errors import InputError
from interlith.records import Record, Status

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MARGIN_ANGSTROM = 1.5
"""Two cores are twice this apart: about one jump of Li."""
LEAST_CORE_ANGSTROM = 0.5
OVERSHOOT = 0.5826
"""Shift of a border that is looked at once per frame, in root mean square steps [Broadie1997]_."""
LONGEST_LAG = 128
MOST_SHIFT = 0.5
"""Largest shift, in margins."""
GROUPS = 10
"""Blocks of time whose counts are compared."""
LEAST_EVENTS = 5
BALANCED_SIGMAS = 2.5
TOLERANCE_ANGSTROM = 1e-6
BREATHING = 0.3
"""The mean cell may be this much longer or shorter than the one in which layers are counted."""


class Rate(Record):
    """Events per time at risk, with the interval of a Poisson count that is as wide as it must be.

    Attributes
    ----------
    events : int
        What was counted.
    per_ps : float or None
        None below five events; the interval holds all the same.
    interval95_per_ps : (float, float or None)
        Of a Poisson count, its events divided by ``dispersion``; from 0 where there is no event,
        to None where nothing was ever there.
    dispersion : float
        How many times the counts of single atoms, or of blocks of time, scatter more than
        Poisson's; at least 1. Atoms that come straight back make it larger.
    unseen_factor : float
        By how much the count was raised for passages that the run's ends cut off.
    """

    status: Status
    reason: str | None = None
    events: int
    per_ps: float | None
    interval95_per_ps: tuple[float, float | None]
    dispersion: float
    unseen_factor: float = 1.0


class Stay(Record):
    """Mean stay in a region: time spent there over departures. None with too few departures."""

    status: Status
    reason: str | None = None
    departures: int
    mean_ps: float | None
    interval95_ps: tuple[float, float | None]


@dataclass(frozen=True, eq=False)
class Crossings:
    """Counts of one run. Layer k lies below plane k, layer k + 1 (the first after the last) above.

    Attributes
    ----------
    layers : tuple of Layer
        Going up, without gaps, once around the cell.
    up, down : (n_layers, n_mobile, n_blocks)
        Crossings of each plane that were seen.
    whole_up, whole_down : (n_layers, n_mobile, n_blocks)
        The same, each counted T / (T - d) times.
    spent_ps : (n_layers, n_mobile, n_blocks)
        Time for which an atom belongs to a layer.
    plain : (n_layers,)
        Crossings of each plane from frame to frame, rattling included.
    area_angstrom2 : float
        Of the cell, parallel to the planes.
    step_angstrom : float
        Root mean square displacement across, from one frame to the next.
    shift_angstrom : (n_layers,)
        By how much the core of each layer begins nearer to its planes than the margin.
    stretch : float
        Length of the mean cell along the normal over that in which layers are counted.
    """

    layers: tuple[Layer, ...]
    margin_angstrom: float
    up: IntArray
    down: IntArray
    whole_up: FloatArray
    whole_down: FloatArray
    spent_ps: FloatArray
    plain: IntArray
    time_ps: float
    area_angstrom2: float
    step_angstrom: float
    shift_angstrom: FloatArray
    stretch: float

    def rates(self, plane: int) -> tuple[Rate, Rate]:
        """Through a plane: upward per atom of the layer below, downward per atom of that above."""
        above = (plane + 1) % len(self.layers)
        return (
            rate(self.up[plane], self.spent_ps[plane], self.whole_up[plane]),
            rate(self.down[plane], self.spent_ps[above], self.whole_down[plane]),
        )

    def both_ways(self, plane: int) -> Rate:
        """Crossings of a plane either way, per time of the run (not per atom)."""
        counted = self.up[plane] + self.down[plane]
        whole = self.whole_up[plane] + self.whole_down[plane]
        return rate(counted, np.full(counted.shape, self.time_ps / counted.size), whole)

    def net_sigmas(self, plane: int) -> float:
        """Crossings up less those down, over their scatter if each atom's net were as likely down.

        An atom that went up and came back adds nothing, so flow shows through frequent exchange.
        """
        net = (self.up[plane] - self.down[plane]).sum(axis=1)
        scatter = math.sqrt(float((net**2).sum()))
        return float(net.sum()) / scatter if scatter else 0.0

    def stays(self) -> tuple[Stay, ...]:
        """Mean stay in each layer."""
        return tuple(
            _stay(
                rate(
                    self.up[k] + self.down[k - 1],
                    self.spent_ps[k],
                    self.whole_up[k] + self.whole_down[k - 1],
                )
            )
            for k in range(len(self.layers))
        )


def count_crossings(
    paths: Paths, layers: Sequence[Layer], margin_angstrom: float = MARGIN_ANGSTROM
) -> Crossings:
    """Count crossings of the planes between layers, by the rule above.

    Parameters
    ----------
    paths : Paths
        Mobile atoms, drift removed.
    layers : sequence of Layer
        In the first frame of the paths, two or more that fill the cell once
        (:func:`~interlith.analysis.layers.layers_of` makes them); two may have one name.
    margin_angstrom : float
        Depth at which an atom counts as having crossed.

    Raises
    ------
    InputError
        If there are fewer than two layers, they leave gaps, or the margin leaves no core in one.
    """
    ordered, edges, period = _tiled(paths, layers)
    _check_margin(ordered, edges, margin_angstrom)
    n, normal = len(ordered), _normal(paths)
    tally = _Tally(n, paths)
    bottoms = edges - edges[0]
    moved, lags = 0.0, _lags(paths.n_frames)
    steps = np.zeros((2, len(lags), n))
    for height in _heights(paths, normal, edges[0]):
        moved += float(np.mean(np.diff(height) ** 2))
        steps += _squared_steps(height, lags, bottoms, period)
    shift = _shift(steps, lags, margin_angstrom)
    for atom, height in enumerate(_heights(paths, normal, edges[0])):
        tally.add(atom, *_place(height, bottoms, period, margin_angstrom - shift))
    return Crossings(
        layers=ordered,
        margin_angstrom=margin_angstrom,
        up=tally.seen[0],
        down=tally.seen[1],
        whole_up=tally.whole[0],
        whole_down=tally.whole[1],
        spent_ps=tally.spent * paths.time_step_fs / 1000,
        plain=tally.plain,
        time_ps=paths.n_frames * paths.time_step_fs / 1000,
        area_angstrom2=float(np.linalg.norm(np.cross(paths.mean_cell[0], paths.mean_cell[1]))),
        step_angstrom=math.sqrt(moved / max(paths.n_mobile, 1)),
        shift_angstrom=shift,
        stretch=abs(float(normal @ paths.mean_cell[2])) / period,
    )


def _heights(paths: Paths, normal: FloatArray, lowest: float) -> Iterator[FloatArray]:
    """(n_frames,) of each mobile atom, above the lowest edge."""
    for atom in range(paths.n_mobile):
        path = normal @ np.asarray(paths.mobile[atom], dtype=np.float64)
        yield path + normal @ paths.start[atom] - lowest


def _lags(n_frames: int) -> IntArray:
    """Lags in frames, each twice the one before, up to a tenth of the run."""
    longest = max(2, min(LONGEST_LAG, n_frames // 10))
    return 2 ** np.arange(int(math.log2(longest)) + 1)


def _squared_steps(
    height: FloatArray, lags: IntArray, edges: FloatArray, period: float
) -> FloatArray:
    """Sums of squared steps of each lag, and their number, by layer at the start, (2, lags, n)."""
    n = len(edges) - 1
    layer = _layer(height, edges, period)[0] % n
    sums = np.zeros((2, len(lags), n))
    for row, lag in enumerate(lags):
        starts, squared = layer[:-lag], (height[lag:] - height[:-lag]) ** 2
        sums[:, row] = [np.bincount(starts, w, n) for w in (squared, np.ones(len(squared)))]
    return sums


def _shift(steps: FloatArray, lags: IntArray, margin: float) -> FloatArray:
    """Shift of each layer's core by its diffusive step, at most half the margin."""
    mean = steps[0] / np.maximum(steps[1], 1)
    short = mean[:-1] < (margin / 2) ** 2
    row = np.maximum(short.sum(axis=0) - 1, 0)  # the longest lag with steps of half a margin
    layers = np.arange(mean.shape[1])
    growth = (mean[row + 1, layers] - mean[row, layers]) / lags[row]
    diffusive = np.clip(np.minimum(mean[0], growth), 0.0, None)
    return np.asarray(np.minimum(OVERSHOOT * np.sqrt(diffusive), MOST_SHIFT * margin))


class _Tally:
    """Counts of all atoms, in frames; index 0 is up, 1 down."""

    def __init__(self, n: int, paths: Paths) -> None:
        self.n, self.frames = n, paths.n_frames
        shape = (n, paths.n_mobile, GROUPS)
        self.seen = np.zeros((2, *shape), dtype=np.int64)
        self.whole = np.zeros((2, *shape))
        self.spent, self.plain = np.zeros(shape), np.zeros(n, dtype=np.int64)
        self.block = np.arange(self.frames) * GROUPS // self.frames

    def add(self, atom: int, layer: IntArray, core: npt.NDArray[np.bool_]) -> None:
        """One atom: its layer in each frame, counted on through images, and whether in a core."""
        for plane, _, _ in _passes(layer, self.n):
            self.plain[plane] += 1
        states = layer
        if core.any():
            last = np.maximum.accumulate(np.where(core, np.arange(self.frames), -1))
            states = layer[np.where(last >= 0, last, int(core.argmax()))]
            for plane, way, frame in _passes(states, self.n):
                length = min(frame - int(last[frame - 1]), self.frames - 1)
                group = self.block[frame]
                self.seen[way, plane, atom, group] += 1
                self.whole[way, plane, atom, group] += self.frames / (self.frames - length)
        place = states % self.n * GROUPS + self.block
        visits = np.bincount(place, minlength=self.n * GROUPS)
        self.spent[:, atom] = visits.reshape(-1, GROUPS)


def _check_margin(layers: Sequence[Layer], edges: FloatArray, margin_angstrom: float) -> None:
    thinnest = int(np.diff(edges).argmin())
    room = float(edges[thinnest + 1] - edges[thinnest])
    if not 0 < margin_angstrom <= (room - LEAST_CORE_ANGSTROM) / 2:
        raise InputError(
            f"a margin of {margin_angstrom:g} Angstrom beside each plane leaves no core in "
            f"'{layers[thinnest].name}', which is {room:.1f} Angstrom thick; take a positive one "
            f"of at most {max((room - LEAST_CORE_ANGSTROM) / 2, 0):.1f}"
        )


def rate(events: npt.ArrayLike, time_ps: npt.ArrayLike, whole: npt.ArrayLike | None = None) -> Rate:
    """Rate with a 95 % interval from counts of atoms (rows) in blocks of time (columns).

    Parameters
    ----------
    events, time_ps : (n_atoms, n_blocks)
        What was seen, and the time at risk.
    whole : (n_atoms, n_blocks), optional
        The events with those that could not be seen.

    Notes
    -----
    Exact interval of Poisson's law (chi-squared quantiles) for the events over the dispersion,
    which is the larger of those between atoms and between blocks: quasi-Poisson.
    """
    from scipy.stats import chi2

    counts, spent = np.asarray(events, dtype=np.float64), np.asarray(time_ps, dtype=np.float64)
    total, time = float(counts.sum()), float(spent.sum())
    if time <= 0:
        return Rate(
            status="no_answer",
            reason="no atom was ever there",
            events=int(total),
            per_ps=None,
            interval95_per_ps=(0.0, None),
            dispersion=1.0,
        )
    factor = float(np.sum(whole)) / total if whole is not None and total else 1.0
    spread = max(1.0, *(_dispersion(counts.sum(axis=i), spent.sum(axis=i)) for i in (0, 1)))
    few, scale = total / spread, spread * factor / time
    low = 0.0 if total == 0 else float(chi2.ppf(0.025, 2 * few)) / 2 * scale
    enough = total >= LEAST_EVENTS
    return Rate(
        status="ok" if enough else "no_answer",
        reason=None if enough else f"{int(total)} crossings were seen; run longer or hotter",
        events=int(total),
        per_ps=total * factor / time if enough else None,
        interval95_per_ps=(low, float(chi2.ppf(0.975, 2 * (few + 1))) / 2 * scale),
        dispersion=spread,
        unseen_factor=factor,
    )


def _dispersion(counts: FloatArray, spent: FloatArray) -> float:
    """Scatter of counts about what their shares of the time lead to expect, over Poisson's."""
    there = spent > 0
    total = float(counts.sum())
    if there.sum() < 2 or total < LEAST_EVENTS:
        return 1.0
    expected = total * spent[there] / spent[there].sum()
    scatter, n = float(((counts[there] - expected) ** 2).sum()), int(there.sum())
    return scatter / total * n / (n - 1)


def _stay(found: Rate) -> Stay:
    low, high = found.interval95_per_ps
    return Stay(
        status=found.status,
        reason=found.reason,
        departures=found.events,
        mean_ps=None if found.per_ps is None else 1 / found.per_ps,
        interval95_ps=(1 / high if high else 0.0, 1 / low if low > 0 else None),
    )


def _tiled(paths: Paths, layers: Sequence[Layer]) -> tuple[tuple[Layer, ...], FloatArray, float]:
    """Layers going up from the lowest edge, their n + 1 edges, and the period."""
    if len(layers) < 2:
        raise InputError(
            "there is one region only, so there is nothing to cross; give a trajectory with the "
            "labels of two or more"
        )
    period = float(sum(one.high_angstrom - one.low_angstrom for one in layers))
    mean = abs(float(_normal(paths) @ paths.mean_cell[2]))
    if not abs(period / mean - 1) < BREATHING:
        raise InputError(
            f"layers of {period:.2f} Angstrom together do not fill a cell of {mean:.2f}; they "
            "must, without gaps"
        )
    ordered = tuple(sorted(layers, key=lambda one: one.low_angstrom % period))
    edges = np.array([one.low_angstrom % period for one in ordered])
    edges = np.append(edges, edges[0] + period)
    for one, low, high in zip(ordered, edges[:-1], edges[1:], strict=True):
        thick = one.high_angstrom - one.low_angstrom
        if abs(thick - (high - low)) > TOLERANCE_ANGSTROM * max(1.0, period):
            raise InputError(
                f"the layer '{one.name}' is {thick:.2f} Angstrom thick where the next one starts "
                f"{high - low:.2f} higher; layers must fill the cell without gaps"
            )
    return ordered, edges, period


def _normal(paths: Paths) -> FloatArray:
    cell = paths.mean_cell
    normal = np.cross(cell[0], cell[1])
    return np.asarray(normal / np.linalg.norm(normal) * np.sign(normal @ cell[2]))


def _place(
    height: FloatArray, edges: FloatArray, period: float, margins: FloatArray
) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """Layer of each frame, counted on through the images of the cell, and whether in its core."""
    layer, index, within = _layer(height, edges, period)
    margin = margins[index]
    return layer, (within - edges[index] >= margin) & (edges[index + 1] - within >= margin)


def _layer(
    height: FloatArray, edges: FloatArray, period: float
) -> tuple[IntArray, IntArray, FloatArray]:
    """Layer of each frame counted on through images, the same in the cell, and the height there."""
    image = np.floor(height / period)
    within = np.clip(height - image * period, 0.0, np.nextafter(period, 0))
    index = np.searchsorted(edges, within, side="right") - 1
    return (image * (len(edges) - 1) + index).astype(np.int64), index, within


def _passes(layer: IntArray, n: int) -> Iterator[tuple[int, int, int]]:
    """Plane, way (0 up, 1 down) and frame of each change of layer, plane by plane."""
    change = np.diff(layer)
    for frame in np.flatnonzero(change):
        start, jump = int(layer[frame]), int(change[frame])
        for k in range(abs(jump)):
            yield (
                ((start + k) % n, 0, int(frame) + 1)
                if jump > 0
                else (
                    (start - 1 - k) % n,
                    1,
                    int(frame) + 1,
                )
            )
