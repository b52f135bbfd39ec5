"""Does Li still move? Mean squared displacements, the Arrhenius line, and the runs behind them."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from interlith.analysis.diffusion_results import DiffusionRecord, MsdCurve
from interlith.analysis.study_results import StudyResults
from interlith.formatting import two_digits
from interlith.report import tables
from interlith.report.commands import diffusion_command, made, potential_engine, stage
from interlith.report.elements import (
    Content,
    Html,
    bullets,
    figure,
    formula,
    markup,
    number,
    part,
    table,
    tag,
)
from interlith.report.svg import (
    BLUE,
    INK,
    VERMILLION,
    Drawing,
    curve_colours,
    drawing_style,
    logarithmic,
    to_drawing,
)
from interlith.report.viewer import viewer
from interlith.report.views import View
from interlith.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NORMAL95 = 1.96
PIXELS_PER_INCH = 150
ROOM_K = 300.0


def transport(results: StudyResults) -> Html:
    """Answer whether Li moves; nothing where the study ran no dynamics."""
    parts: list[Content] = []
    for place, record in enumerate(results.diffusion):
        name = "analysed trajectories" if record.potential is None else record.potential["name"]
        title: Content = [formula(record.formula), f", {name}"]
        parts.append(part(f"moves-{place}", title, *_material(results, record, place)))
    return markup(parts)


def transport_views(results: StudyResults, views: Sequence[View]) -> Html:
    """Frames of the dynamics to play, where the trajectories are at hand."""
    shown = [view for view in views if view.group == "moves"]
    engines = ", ".join({potential_engine(record.potential) for record in results.diffusion})
    return viewer(
        "moves-3d",
        shown,
        "Frames of the hottest run whose framework held, evenly chosen, wrapped into the cell "
        "(dark lines). Times are from the start of the run.",
        made(None, engines) if shown else None,
    )


def msd_png(record: DiffusionRecord) -> bytes:
    """Mean squared displacements as a PNG."""
    return png_of(lambda: _msd_figure(record.curves, record))


def arrhenius_png(record: DiffusionRecord) -> bytes | None:
    """Arrhenius plot as a PNG; None where no run has a diffusivity."""
    return png_of(lambda: _arrhenius_figure(record)) if _points(record) else None


def _material(results: StudyResults, record: DiffusionRecord, place: int) -> list[Content]:
    fit = record.arrhenius
    lines: list[Content] = []
    if fit is None:
        lines.append(["No activation energy: ", record.arrhenius_reason])
    else:
        lines.append(["Activation energy ", number(fit.activation_energy_ev, fit.sigma_ev, "eV")])
        if fit.conductivity_300k_ms_cm is not None and fit.interval95_ms_cm is not None:
            low, high = fit.interval95_ms_cm
            lines.append(
                "Conductivity at 300 K, extrapolated: "
                f"{two_digits(fit.conductivity_300k_ms_cm)} mS/cm "
                f"(95 %: {two_digits(low)} to {two_digits(high)}; Nernst-Einstein)"
            )
        lines += list(fit.flags)
    rows: list[list[Content]] = [
        [
            f"{run.temperature_k:g} K",
            _diffusivity(run.self_diffusivity_cm2_s, run.sigma_cm2_s),
            number(run.conductivity_ms_cm, run.conductivity_sigma_ms_cm, "mS/cm"),
            number(run.haven_ratio, run.haven_sigma),
            "not tested" if run.framework_intact is None else "intact"
            if run.framework_intact else "broken",
            f"{run.events:.0f}",
            run.reason or "",
        ]
        for run in record.runs
    ]  # fmt: skip
    columns = (
        "Temperature", "Self diffusivity", "Conductivity (Nernst-Einstein)", "Haven ratio",
        "Framework", "Jumps", "No answer because",
    )  # fmt: skip
    how = _made(results, record)
    return [
        bullets(lines),
        figure(
            _drawn(
                lambda: _arrhenius_figure(record), f"arrhenius-{place}", "Arrhenius plot",
                tables.transport([record]),
            )
            if _points(record)
            else None,
            "Self diffusivity (cm²/s) against inverse temperature. Each point is one run with its "
            "standard uncertainty; the band holds 95 % of the line.",
            how,
        ),
        figure(
            _drawn(
                lambda: _msd_figure(record.curves, record), f"msd-{place}", "Squared displacement",
                tables.displacements(record),
            ),
            "Mean squared displacement of the mobile ions (Å²) against the time lag (ps); the bold "
            "part with its band of one standard error is the range of the fit.",
            how,
        ),
        table("Runs", columns, rows),
        *_committee(record),
    ]  # fmt: skip


def _made(results: StudyResults, record: DiffusionRecord) -> Html:
    """How the dynamics was made."""
    settings = dict(record.settings) or stage(results, "md")
    command = diffusion_command(settings, record.material) if record.potential else None
    engine = potential_engine(record.potential)
    return made(command, f"molecular dynamics with {engine}" if record.potential else engine)


def _committee(record: DiffusionRecord) -> list[Content]:
    """How far the members of a committee disagree on frames of the runs."""
    if not record.committee:
        return []
    first = record.committee[0]
    rows: list[list[Content]] = [
        [
            f"{one.temperature_k:g} K",
            number(1000 * one.mean_ev_per_angstrom, None, "meV/Å"),
            number(1000 * one.max_ev_per_angstrom, None, "meV/Å"),
            number(100 * one.relative, None, "%"),
            number(one.energy_mev_per_atom, None, "meV/atom"),
            f"{len(one.frames)}",
        ]
        for one in record.committee
    ]
    error = first.card_force_rmse_ev_per_angstrom
    card = (
        ""
        if error is None
        else (
            f" The data card states {1000 * error:.0f} meV/Å against the teacher, on frames of its "
            "own dynamics."
        )
    )
    columns = ("Run", "Mean force spread", "Largest", "Of the forces", "Energy spread", "Frames")
    judges = ", ".join(f"{one['name']} ({one['sha256'][:12]})" for one in first.judges)
    return [
        table(f"Agreement of the committee {first.committee}", columns, rows),
        tag(
            "p",
            f"{first.driver['name']} (SHA-256 {first.driver['sha256'][:12]}) moved the atoms; "
            f"{judges} judged frames afterwards. {first.note}.{card}",
            class_="soft",
        ),
    ]


def _diffusivity(value: float | None, sigma: float | None) -> Content:
    return "no answer" if value is None else number(value, sigma, "cm²/s")


def _points(record: DiffusionRecord) -> list[tuple[float, float, float]]:
    """Temperature, diffusivity and its uncertainty, of runs that have one."""
    return [
        (run.temperature_k, run.self_diffusivity_cm2_s, run.sigma_cm2_s)
        for run in record.runs
        if run.self_diffusivity_cm2_s and run.sigma_cm2_s
    ]


def _arrhenius_figure(record: DiffusionRecord) -> tuple[Figure, str]:
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = drawn.add_subplot()
    points = _points(record)
    for temperature, d, sigma in points:
        run = next(r for r in record.runs if r.temperature_k == temperature)
        colour = BLUE if run.status == "ok" else VERMILLION
        axes.errorbar(1000 / temperature, d, yerr=sigma, fmt="o", color=colour, capsize=3)
    alt = f"Diffusivity of {record.formula} at {len(points)} temperatures."
    if record.arrhenius is not None:
        _line(axes, record)
        alt += f" Activation energy {record.arrhenius.activation_energy_ev:.2f} eV."
    logarithmic(axes, "y")
    axes.set_xlabel("1000 K / temperature")
    axes.set_ylabel("Self diffusivity (cm²/s)")
    axes.grid()
    return drawn, alt


def _line(axes: Axes, record: DiffusionRecord) -> None:
    """The line with its band: normal about the mean of 1/T, matched to the interval at 300 K."""
    fit = record.arrhenius
    if fit is None:
        return
    x = np.linspace(1 / max(fit.temperatures_k), 1 / ROOM_K, 100)
    line = math.log(fit.prefactor_cm2_s) - fit.activation_energy_ev / BOLTZMANN_EV_PER_K * x
    middle = float(np.mean([1 / t for t in fit.temperatures_k]))
    slope = fit.sigma_ev / BOLTZMANN_EV_PER_K
    low, high = fit.interval95_cm2_s
    far = (math.log(high) - math.log(low)) / (2 * NORMAL95)
    near = math.sqrt(max(far**2 - (slope * (1 / ROOM_K - middle)) ** 2, 0.0))
    spread = NORMAL95 * np.sqrt(near**2 + (slope * (x - middle)) ** 2)
    axes.plot(1000 * x, np.exp(line), color=INK, linewidth=1.2)
    axes.fill_between(
        1000 * x, np.exp(line - spread), np.exp(line + spread), color=BLUE, alpha=0.18
    )


def _msd_figure(curves: Sequence[MsdCurve], record: DiffusionRecord) -> tuple[Figure, str]:
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = drawn.add_subplot()
    colours = curve_colours(len(curves))
    for colour, curve in zip(colours, curves, strict=True):
        lag, msd = np.array(curve.lag_ps), np.array(curve.self_angstrom2)
        sigma = np.array([np.nan if s is None else s for s in curve.sigma_angstrom2])
        fitted = np.isfinite(sigma)
        axes.plot(
            lag, msd, color=colour, linewidth=0.9, alpha=0.7, label=f"{curve.temperature_k:g} K"
        )
        if fitted.any():
            low = np.maximum(msd - sigma, 1e-3 * msd)[fitted]
            axes.plot(lag[fitted], msd[fitted], color=colour, linewidth=2.4)
            axes.fill_between(lag[fitted], low, (msd + sigma)[fitted], color=colour, alpha=0.25)
    if any(curve.lag_ps for curve in curves):
        logarithmic(axes, "x", "y")
    else:
        axes.text(0.5, 0.5, "no run is long enough", ha="center", transform=axes.transAxes)
    axes.set_xlabel("Time lag (ps)")
    axes.set_ylabel("Mean squared displacement (Å²)")
    axes.grid()
    if curves:
        axes.legend()
    temperatures = ", ".join(f"{curve.temperature_k:g}" for curve in curves)
    return drawn, f"Mean squared displacement in {record.formula} at {temperatures} K."


def _drawn(make: Callable[[], tuple[Figure, str]], name: str, title: str, data: str) -> Drawing:
    with drawing_style():
        drawn, alt = make()
        return to_drawing(drawn, name, title, alt, data)


def png_of(make: Callable[[], tuple[Figure, str]]) -> bytes:
    """A figure as a PNG on white."""
    buffer = io.BytesIO()
    with drawing_style():
        drawn, _ = make()
        drawn.savefig(buffer, format="png", dpi=PIXELS_PER_INCH, facecolor="white")
    return buffer.getvalue()
