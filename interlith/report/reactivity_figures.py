"""Figures of a reactive run: counts, growth, depth, snapshots, errors.

Each takes a record and gives a figure with a description; ``look=True`` only asks whether there is
anything to draw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from interlith.analysis.reactive_records import (
    DepthCounts,
    ReactiveRun,
    ReactivityRecord,
    Snapshot,
    TimeSeries,
)
from interlith.report.svg import BLUE, GREEN, INK, ORANGE, PURPLE, VERMILLION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Made = tuple[Figure, str]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

COLOURS = (BLUE, VERMILLION, GREEN, PURPLE)
BOND_COLOURS = {"P-S": BLUE, "Li-P": VERMILLION, "Li-S": GREEN, "Li-Cl": PURPLE, "P-P": ORANGE}
ELEMENT_COLOURS = {"Li": PURPLE, "P": VERMILLION, "S": ORANGE, "Cl": GREEN}
SPARE = (BLUE, "#56b4e9", "#8a6d3b", "#777777", "#5a5aa8")
MOST_SNAPSHOTS = 4
BOND_ANGSTROM = 1.25
ATOM_AREA = 45.0


def _runs(record: ReactivityRecord) -> list[tuple[ReactiveRun, TimeSeries]]:
    return [(run, run.series) for run in record.runs if run.series is not None]


def time_figure(record: ReactivityRecord, look: bool = False) -> Made | None:
    """Intact polyanions, bonds, energy and length over time."""
    from matplotlib.figure import Figure

    runs = _runs(record)
    if not runs or look:
        return _there(bool(runs))
    made = Figure(figsize=(7.4, 5.6), layout="constrained")
    (intact, bonds), (energy, length) = made.subplots(2, 2, sharex=True)
    for place, (run, series) in enumerate(runs):
        colour = COLOURS[place % len(COLOURS)]
        label = f"seed {run.seed}" + _at(record, run)
        if series.intact:
            intact.plot(series.times_ps, 100 * np.array(series.intact), color=colour, label=label)
        energy.plot(
            series.times_ps, series.energy_released_ev_per_formula, color=colour, label=label
        )
        length.plot(series.times_ps, series.length_angstrom, color=colour, label=label)
    _bonds(bonds, [series for _, series in runs])
    if not any(series.intact for _, series in runs):
        intact.text(0.5, 0.5, "no polyanions", ha="center", transform=intact.transAxes)
    intact.set(ylabel="Intact polyanions (%)", ylim=(-3, 103))
    limit = None if record.limit is None else record.limit.energy_ev_per_formula
    if limit:
        energy.axhline(-limit, color=INK, linestyle="--", linewidth=1)
        energy.annotate(
            "thermodynamic limit", (0.98, -limit), xycoords=("axes fraction", "data"),
            ha="right", va="bottom", fontsize=8,
        )  # fmt: skip
    energy.set(ylabel="Released (eV per formula unit)", xlabel="Time (ps)")
    length.set(ylabel="Cell along the normal (Å)", xlabel="Time (ps)")
    for axes in (intact, bonds, energy, length):
        axes.grid()
    energy.legend(fontsize=8)
    ends = [100 * series.intact[-1] for _, series in runs if series.intact]
    left = f"{np.mean(ends):.0f} % of the polyanions are intact at the end." if ends else ""
    return made, f"Counts of {len(runs)} runs over {runs[0][1].times_ps[-1]:.1f} ps. {left}"


def _at(record: ReactivityRecord, run: ReactiveRun) -> str:
    several = len({one.temperature_k for one in record.runs}) > 1
    return f", {run.temperature_k:g} K" if several else ""


def _bonds(axes: Axes, runs: list[TimeSeries]) -> None:
    """Numbers of bonds, mean of the runs with the range between them."""
    names = sorted({name for series in runs for name in series.bonds})
    shown = [n for n in names if any(max(s.bonds.get(n, (0,))) >= 1 for s in runs)]
    n_points = min(len(series.times_ps) for series in runs)
    spare = iter(SPARE)
    for name in shown:
        colour = BOND_COLOURS.get(name) or next(spare, "#777777")
        values = np.array(
            [np.array(s.bonds.get(name, (0.0,) * len(s.times_ps)))[:n_points] for s in runs]
        )
        times = runs[0].times_ps[:n_points]
        axes.plot(times, values.mean(axis=0), color=colour, label=name.replace("-", "–"))
        axes.fill_between(
            times, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.2, linewidth=0
        )
    axes.set_ylabel("Bonds in the cell")
    if shown:
        axes.legend(fontsize=8, ncols=2)


def growth_figure(record: ReactivityRecord, look: bool = False) -> Made | None:
    """Reacted thickness over time with both laws, and when each layer was broken."""
    from matplotlib.figure import Figure

    runs = [(run, series) for run, series in _runs(record) if any(series.converted_nm)]
    if not runs or look:
        return _there(bool(runs))
    made = Figure(figsize=(6.6, 4.2), layout="constrained")
    axes = made.add_subplot()
    for place, (run, series) in enumerate(runs):
        colour = COLOURS[place % len(COLOURS)]
        label = f"seed {run.seed}" + _at(record, run)
        if series.interphase_nm:
            axes.plot(series.times_ps, series.interphase_nm, color=colour, label=label)
            label = ""
        axes.step(
            series.times_ps,
            series.converted_nm,
            where="mid",
            color=colour,
            label=label,
            linestyle=":",
        )
        broken = [(one.all_broken_ps, one.depth_angstrom / 10) for one in run.layers]
        points = np.array([(t, d) for t, d in broken if t is not None], dtype=float)
        if len(points):
            axes.plot(points[:, 0], points[:, 1], "o", color=colour, markersize=5)
    said = _laws(axes, record)
    axes.set(xlabel="Time since contact (ps)", ylabel="Thickness per interface (nm)")
    axes.set_ylim(bottom=0)
    axes.grid()
    axes.legend(fontsize=8)
    return made, f"Reacted thickness of {len(runs)} runs. {said}"


def _laws(axes: Axes, record: ReactivityRecord) -> str:
    fit = record.growth
    if fit is None or fit.status != "ok" or fit.parabolic is None or fit.linear is None:
        return "No law was fitted."
    times = np.linspace(fit.from_ps or 0.0, fit.to_ps or 1.0, 100)
    root = fit.parabolic.offset_nm + np.sqrt(2 * fit.parabolic.value * times)
    straight = fit.linear.offset_nm + fit.linear.value * times
    axes.plot(times, root, color=INK, linewidth=1.2, label="parabolic")
    axes.plot(times, straight, color=INK, linewidth=1.2, linestyle="--", label="linear")
    return f"The better law is {fit.law}."


def depth_figure(record: ReactivityRecord, look: bool = False) -> Made | None:
    """Composition along the normal at the start and at the end of the first run."""
    from matplotlib.figure import Figure

    runs = [run for run in record.runs if len(run.depths) > 1]
    if not runs or look:
        return _there(bool(runs))
    made = Figure(figsize=(7.2, 4.8), layout="constrained")
    panels = made.subplots(2, 1, sharex=True)
    run = runs[0]
    for axes, depth in zip(panels, (run.depths[0], run.depths[-1]), strict=True):
        _profile(axes, depth)
    panels[-1].set_xlabel("Height along the normal (Å)")
    panels[0].legend(fontsize=8, ncols=6)
    elements = ", ".join(run.depths[0].per_nm3)
    return made, f"Concentrations of {elements} along the normal at the start and at the end."


def _profile(axes: Axes, depth: DepthCounts) -> None:
    spare = iter(SPARE)
    for element, values in depth.per_nm3.items():
        colour = ELEMENT_COLOURS.get(element) or next(spare, "#777777")
        axes.step(depth.heights_angstrom, values, where="mid", color=colour, label=element)
    top = axes.get_ylim()[1]
    if any(depth.intact_per_nm3):
        share = np.array(depth.intact_per_nm3)
        axes.fill_between(
            depth.heights_angstrom, 0, share / share.max() * 0.25 * top, step="mid", color=BLUE,
            alpha=0.25, linewidth=0, label="intact centres",
        )  # fmt: skip
    axes.set_ylim(0, top * 1.15)
    axes.set_ylabel("Atoms per nm³")
    axes.set_title(f"{depth.from_ps:.1f} to {depth.to_ps:.1f} ps", loc="left")
    axes.grid()


def snapshot_figure(record: ReactivityRecord, look: bool = False) -> Made | None:
    """Atoms of the first run at some moments, the normal lying."""
    from matplotlib.figure import Figure

    shots = next((run.snapshots for run in record.runs if run.snapshots), ())
    if not shots or look:
        return _there(bool(shots))
    shots = shots[:MOST_SNAPSHOTS]
    longest = max(shot.cell[2][2] for shot in shots)
    tall = max(float(np.ptp([p[0] for p in shot.positions])) for shot in shots)
    height = min(8.0, len(shots) * (7.2 * tall / longest + 0.35) + 0.7)
    made = Figure(figsize=(7.6, height), layout="constrained")
    panels = np.atleast_1d(made.subplots(len(shots), 1, sharex=True))
    for axes, shot in zip(panels, shots, strict=True):
        _atoms(axes, shot)
        axes.set_xlim(-1.0, longest + 1.0)
        axes.set_ylim(-1.5, tall + 1.5)
    panels[-1].set_xlabel("Height along the normal (Å)")
    elements = dict.fromkeys(shots[0].symbols)
    for element in elements:
        panels[0].scatter([], [], s=ATOM_AREA, color=_colour(element), label=element)
    made.legend(loc="outside upper center", ncols=len(elements), fontsize=9)
    times = ", ".join(f"{shot.time_ps:.1f}" for shot in shots)
    return made, f"Side views of {len(shots[0].symbols)} atoms at {times} ps."


def _colour(element: str) -> str:
    from ase.data import atomic_numbers
    from ase.data.colors import jmol_colors
    from matplotlib.colors import to_hex

    known = {"Li": "#b48ae0", "P": VERMILLION, "S": "#e0b400", "Cl": "#2ca02c"}
    return known.get(element) or to_hex(jmol_colors[atomic_numbers[element]])


def _atoms(axes: Axes, shot: Snapshot) -> None:
    from ase.data import atomic_numbers, covalent_radii
    from matplotlib.collections import LineCollection

    points, kinds = np.array(shot.positions), np.array(shot.symbols)
    order = np.argsort(-points[:, 1], kind="stable")  # the nearest last
    radii = np.array([covalent_radii[atomic_numbers[one]] for one in kinds])
    lines = _bond_lines(points, np.array(shot.cell), radii, np.flatnonzero(kinds != "Li"))
    axes.add_collection(LineCollection(lines, colors=INK, linewidths=1.1, alpha=0.7, zorder=1))
    axes.scatter(
        points[order, 2], points[order, 0], s=ATOM_AREA * radii[order],
        c=[_colour(one) for one in kinds[order]], edgecolors="#555555", linewidths=0.3, zorder=2,
    )  # fmt: skip
    axes.set_aspect("equal")
    axes.set_ylabel("x (Å)")
    axes.set_title(f"{shot.time_ps:.1f} ps", loc="left")


def _bond_lines(
    points: FloatArray, cell: FloatArray, radii: FloatArray, heavy: IntArray
) -> list[FloatArray]:
    """Half a bond from either atom, towards its nearest image."""
    apart = points[heavy][None] - points[heavy][:, None]
    steps = np.round(apart @ np.linalg.inv(cell))
    apart = apart - steps @ cell
    away = np.linalg.norm(apart, axis=2)
    reach = BOND_ANGSTROM * (radii[heavy][:, None] + radii[heavy][None])
    first, second = np.nonzero((away < reach) & (away > 1e-6))
    return [
        np.array([points[heavy[i]], points[heavy[i]] + apart[i, j] / 2])[:, [2, 0]]
        for i, j in zip(first, second, strict=True)
    ]


def trust_figure(record: ReactivityRecord, look: bool = False) -> Made | None:
    """Errors of forces and energies on the labelled frames, over time."""
    from matplotlib.figure import Figure

    labels, bounds = record.trust.labels, record.trust.bounds
    if labels is None or look:
        return _there(labels is not None)
    made = Figure(figsize=(7.2, 3.2), layout="constrained")
    forces, energies = made.subplots(1, 2)
    seeds = sorted({frame.seed for frame in labels.frames})
    for seed in seeds:
        own = [frame for frame in labels.frames if frame.seed == seed]
        colour = COLOURS[seeds.index(seed) % len(COLOURS)]
        times = [frame.time_ps for frame in own]
        forces.plot(
            times, [f.force_rmse_mev_per_angstrom for f in own], "o", color=colour,
            label=f"seed {seed}",
        )  # fmt: skip
        energies.plot(times, [f.energy_error_mev_per_atom for f in own], "o", color=colour)
    most = bounds["force_rmse_mev_per_angstrom"]
    forces.axhspan(0, most, color=GREEN, alpha=0.12, linewidth=0)
    forces.set(xlabel="Time (ps)", ylabel="Force error, rms (meV/Å)", ylim=(0, None))
    within = bounds["energy_mean_mev_per_atom"]
    energies.axhspan(-within, within, color=GREEN, alpha=0.12, linewidth=0)
    energies.set(xlabel="Time (ps)", ylabel="Energy error (meV/atom)")
    forces.legend(fontsize=8)
    for axes in (forces, energies):
        axes.grid()
    return made, (
        f"{len(labels.frames)} frames: forces off by {labels.force_rmse_mev_per_angstrom:.0f} "
        f"meV/A, energies by {labels.energy_mean_mev_per_atom:+.1f} meV/atom on average."
    )


def _there(found: bool) -> Made | None:
    """Something that is true or false, without a figure."""
    from matplotlib.figure import Figure

    return (Figure(), "") if found else None
