"""One trajectory of an explicit interface turned into numbers over time and depth.

Times count from the contact: the short equilibration at fixed cell, of which no frames are kept, is
the time before the first point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from interlith.analysis.products import Comparison, identify_products
from interlith.analysis.reactive_counts import (
    ION,
    BoolArray,
    Centres,
    Counts,
    FloatArray,
    IntArray,
    as_stored,
    count_along,
    settled,
)
from interlith.analysis.reactive_layers import (
    Depths,
    centre_depths,
    depth_counts,
    edge_points,
    layer_fates,
)
from interlith.analysis.reactive_records import (
    DepthCounts,
    EdgePoint,
    LayerFate,
    Snapshot,
    TimeSeries,
)
from interlith.analysis.trajectories import Trajectory, open_trajectory
from interlith.errors import InputError
from interlith.h5md import H5mdReader
from interlith.records import Amount
from interlith.units import BOLTZMANN_EV_PER_K

WINDOW_PS = 0.4
"""A polyanion counts as broken if it is most of the time, in a window of this length."""
MOST_POINTS = 101
PRODUCT_FRAMES = 8
EDGE_BLOCK_PS = 0.4
MOST_EDGE_BLOCKS = 50
TORN_ANGSTROM = 6.0
"""A stretch of the normal without any atom from which two slabs have come apart."""
STRETCHED = 1.5
"""Length of the cell over that at the start, beyond which it has exploded."""
SETTLED_SHARE = 0.02
QUIET_EV_PER_FORMULA = 0.15


@dataclass(frozen=True, eq=False)
class Start:
    """What every run of a cell starts from, and what its counts are divided by.

    Attributes
    ----------
    regions : tuple of str
        Of each atom.
    metal_region : str or None
        The one that is Li metal.
    slabs_angstrom : dict of float
        Thickness of each region with polyanions, contacts midway.
    equilibrated_ps : float
        Time in contact before the first frame.
    metal_angstrom : float or None
        Thickness of Li metal per atom of it in the cell, at the start.
    """

    regions: tuple[str, ...]
    centres: Centres
    depths: Depths
    metal_region: str | None
    slabs_angstrom: dict[str, float]
    formula_units: float
    relaxed_energy_ev: float
    equilibrated_ps: float
    metal_angstrom: float | None


@dataclass(frozen=True, eq=False)
class Observed:
    """What one trajectory shows."""

    series: TimeSeries
    layers: tuple[LayerFate, ...]
    edges: tuple[EdgePoint, ...]
    depths: tuple[DepthCounts, ...]
    comparison: tuple[Comparison, ...]
    phases_at_end: dict[str, float]
    length_change: float
    snapshots: tuple[Snapshot, ...]
    max_temperature_k: float
    converged: bool
    torn: str | None
    last_good_frame: int


def start_of(
    positions: FloatArray,
    cell: FloatArray,
    symbols: Sequence[str],
    regions: Sequence[str] | None,
    centres: Centres,
    *,
    metal_region: str | None,
    thickness_angstrom: Mapping[str, float],
    formula_units: float,
    relaxed_energy_ev: float,
    equilibrated_ps: float = 0.0,
) -> Start:
    """The common start of all runs.

    Raises
    ------
    InputError
        If the structure carries no region labels.
    """
    if regions is None or len(regions) != len(symbols):
        raise InputError(
            "the cell has no region labels, so nothing can be said about depth; build it with "
            "`interlith reactivity` or `interlith build interface --format extxyz`"
        )
    depths = centre_depths(positions, cell, regions, centres)
    slabs = {name: thickness_angstrom[name] for name in dict.fromkeys(depths.region)}
    metal = None
    if metal_region is not None:
        metal = thickness_angstrom[metal_region] / max(list(regions).count(metal_region), 1)
    return Start(
        metal_angstrom=metal,
        regions=tuple(regions),
        centres=centres,
        depths=depths,
        metal_region=metal_region,
        slabs_angstrom=slabs,
        formula_units=formula_units,
        relaxed_energy_ev=relaxed_energy_ev,
        equilibrated_ps=equilibrated_ps,
    )


def observe(path: Path | str, start: Start, predicted: Sequence[Amount] = ()) -> Observed:
    """Count, fit and identify along a trajectory that the package wrote.

    Raises
    ------
    InputError
        If it cannot be read, or holds no labels or no energies.
    """
    trajectory = as_stored(open_trajectory(Path(path)))
    counts = count_along(trajectory, start.centres, since_ps=start.equilibrated_ps)
    with H5mdReader(path) as reader:
        if reader.regions is None:
            raise InputError(f"'{path}' carries no region labels; it is no run of an interface")
        energies = reader.observable("potential_energy")
        kelvin = reader.observable("temperature")
    torn, good = came_apart(counts)
    n = good + 1
    whole, stripped = _flags(counts, start.centres, trajectory.time_step_fs)
    released = _released(energies, kelvin, start, len(trajectory.symbols))
    left = _left(whole, start) if whole.shape[1] else np.full(len(whole), np.nan)
    blocks = int(np.clip(counts.times_ps[good] / EDGE_BLOCK_PS, 1, MOST_EDGE_BLOCKS))
    edges = (
        edge_points(
            trajectory, start.regions, start.metal_region, left, blocks, start.equilibrated_ps
        )
        if torn is None
        else ()
    )
    products = _products(trajectory, predicted) if torn is None else None
    return Observed(
        series=_series(counts, start, whole, released, kelvin),
        layers=layer_fates(counts.times_ps, whole, stripped, start.depths),
        edges=edges,
        depths=_profiles(trajectory, start, whole, n),
        comparison=() if products is None else products[0],
        phases_at_end={} if products is None else products[1],
        length_change=_change(counts.lengths[:n]),
        snapshots=_snapshots(trajectory, start, n),
        max_temperature_k=float(kelvin[:n].max()),
        converged=torn is None and _converged(whole, released),
        torn=torn,
        last_good_frame=good,
    )


def came_apart(counts: Counts) -> tuple[str | None, int]:
    """Why and after which frame a cell is no interface any more."""
    torn = counts.gaps > TORN_ANGSTROM
    long = counts.lengths > STRETCHED * counts.lengths[0]
    bad = np.flatnonzero(torn | long)
    if not len(bad):
        return None, len(counts.gaps) - 1
    first = int(bad[0])
    when = f"at {counts.times_ps[first]:.2f} ps"
    good = max(first - 1, 0)
    if torn[first]:
        return f"delaminated: {counts.gaps[first]:.1f} Angstrom without an atom {when}", good
    ratio = counts.lengths[first] / counts.lengths[0]
    return f"exploded: the cell is {ratio:.2f} times as long as at the start {when}", good


def _flags(counts: Counts, centres: Centres, step_fs: float) -> tuple[BoolArray, BoolArray]:
    window = max(1, round(1000 * WINDOW_PS / step_fs))
    whole = settled(counts.ligands >= centres.ligands[None, :], window)
    return whole, settled(counts.ligands == 0, window)


def _intact_of(whole: BoolArray, start: Start) -> dict[str, FloatArray]:
    """Share of intact centres, (f,), of each region that has centres."""
    regions = np.array(start.depths.region)
    return {name: whole[:, regions == name].mean(axis=1) for name in start.slabs_angstrom}


def _left(whole: BoolArray, start: Start) -> FloatArray:
    """(f,) Thickness that is intact, Angstrom, all regions with centres together."""
    shares = _intact_of(whole, start)
    rows = [thick * shares[name] for name, thick in start.slabs_angstrom.items()]
    return np.asarray(np.sum(rows, axis=0))


def _released(energies: FloatArray, kelvin: FloatArray, start: Start, n_atoms: int) -> FloatArray:
    """Energy per formula unit that the relaxed start had more, heat of vibration put back."""
    heat = 1.5 * n_atoms * BOLTZMANN_EV_PER_K * _smooth(kelvin)
    return (start.relaxed_energy_ev + heat - _smooth(energies)) / start.formula_units


def _smooth(values: FloatArray, window: int = 9) -> FloatArray:
    """Running mean, shorter at the ends."""
    half = min(window, len(values)) // 2
    return np.array([values[max(0, i - half) : i + half + 1].mean() for i in range(len(values))])


def _series(
    counts: Counts, start: Start, whole: BoolArray, released: FloatArray, kelvin: FloatArray
) -> TimeSeries:
    thin = np.unique(np.linspace(0, len(counts.times_ps) - 1, MOST_POINTS).round().astype(int))
    intact = whole.mean(axis=1) if whole.shape[1] else np.zeros(0)
    contacts = 2.0 if np.isfinite(start.depths.depth).any() else 1.0
    left = _left(whole, start) if len(intact) else np.zeros(0)
    converted = (sum(start.slabs_angstrom.values()) - left) / 10.0 / contacts
    listed = max(counts.species, key=lambda name: counts.species[name].sum(), default="")
    species = {
        name: values
        for name, values in counts.species.items()
        if values.mean() >= 0.05 or name == listed
    }
    return TimeSeries(
        times_ps=_picked(counts.times_ps, thin),
        temperature_k=_picked(_smooth(kelvin), thin, 1),
        intact=_picked(intact, thin) if len(intact) else (),
        species={name: _picked(values, thin, 2) for name, values in species.items()},
        bonds={name: _picked(_smooth(v), thin, 2) for name, v in counts.bonds.items()},
        lithium_around={
            name: _picked(_smooth(v), thin, 3) for name, v in counts.lithium_around.items()
        },
        energy_released_ev_per_formula=_picked(released, thin),
        length_angstrom=_picked(_smooth(counts.lengths), thin, 3),
        metal_lithium=_picked(_smooth(counts.metal), thin, 2),
        converted_nm=_picked(converted, thin) if len(intact) else (),
        interphase_nm=_interphase(counts, start, left, thin),
        intact_of={n: _picked(v, thin) for n, v in _intact_of(whole, start).items()}
        if len(intact)
        else {},
    )


def _interphase(
    counts: Counts, start: Start, intact_angstrom: FloatArray, thin: IntArray
) -> tuple[float, ...]:
    """Length of the cell less intact electrolyte and metal, per interface."""
    if start.metal_angstrom is None or not len(intact_angstrom):
        return ()
    metal = _smooth(counts.metal) * start.metal_angstrom
    left = _smooth(counts.lengths) - intact_angstrom - metal
    return _picked(left / 20.0, thin)


def _picked(values: FloatArray, thin: IntArray, digits: int = 4) -> tuple[float, ...]:
    return tuple(round(float(v), digits) for v in values[thin])


def _products(
    trajectory: Trajectory, predicted: Sequence[Amount]
) -> tuple[tuple[Comparison, ...], dict[str, float]] | None:
    """Phases of the first and of the last frames; None where the library has none of these."""
    every = max(1, trajectory.n_frames // (4 * PRODUCT_FRAMES))
    try:
        found = identify_products(trajectory, predicted=predicted, every=every, blocks=1)
    except InputError:
        return None
    last = found.frames[-PRODUCT_FRAMES:]
    names = sorted({name for frame in last for name in frame.fractions})
    phases = {
        name: round(float(np.mean([f.fractions.get(name, 0.0) for f in last])), 4) for name in names
    }
    return found.comparison, phases


def _profiles(
    trajectory: Trajectory, start: Start, whole: BoolArray, n: int
) -> tuple[DepthCounts, ...]:
    """Start, middle and end of a run."""
    tenth, since = max(1, n // 10), start.equilibrated_ps
    starts = sorted({0, max(0, n // 2 - tenth // 2), n - tenth})
    return tuple(
        depth_counts(trajectory, start.centres, whole, np.arange(one, min(one + tenth, n)), since)
        for one in starts
    )


def _change(lengths: FloatArray) -> float:
    """Relative change of the length, from the first twentieth after 0.5 ps on to the last tenth."""
    part = max(1, len(lengths) // 10)
    first = lengths[min(part // 2, len(lengths) - 1) : part + part // 2 + 1]
    return float(lengths[-part:].mean() / first.mean() - 1.0)


def _snapshots(trajectory: Trajectory, start: Start, n: int) -> tuple[Snapshot, ...]:
    chosen = sorted({0, n // 4, n // 2, n - 1})
    return tuple(snapshot(trajectory, start, frame) for frame in chosen)


def snapshot(trajectory: Trajectory, start: Start, frame: int) -> Snapshot:
    """One frame, to be drawn."""
    block = next(iter(trajectory.blocks(1, range(frame, frame + 1))))
    cell, positions = block.cells[0], block.positions[0]
    inside = (positions @ np.linalg.inv(cell)) % 1.0 @ cell
    return Snapshot(
        time_ps=start.equilibrated_ps + frame * trajectory.time_step_fs / 1000.0,
        cell=tuple(_three(row) for row in cell),
        symbols=tuple(trajectory.symbols),
        regions=start.regions,
        positions=tuple(_three(row) for row in inside),
    )


def _three(row: FloatArray) -> tuple[float, float, float]:
    x, y, z = (round(float(v), 3) for v in row)
    return x, y, z


def _converged(whole: BoolArray, released: FloatArray) -> bool:
    """Whether the last quarter changed nothing that is counted."""
    part = len(released) // 4
    if part < 4:
        return False
    drift = abs(float(released[-part // 2 :].mean() - released[-part : -part // 2].mean()))
    if not whole.shape[1]:
        return drift < QUIET_EV_PER_FORMULA
    change = abs(float(whole[-1].mean() - whole[-part].mean()))
    return change <= SETTLED_SHARE and drift < QUIET_EV_PER_FORMULA


def has_reservoir(regions: Sequence[str], symbols: Sequence[str], region: str) -> bool:
    """Whether a region is Li metal."""
    inside = {s for s, name in zip(symbols, regions, strict=True) if name == region}
    return inside == {ION}
