"""Diffusion region by region and by depth: a figure with one row of points for each run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from interlith.analysis.regional_results import RegionalRun
from interlith.report.svg import BLUE, VERMILLION, logarithmic
from interlith.report.transport import png_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def regional_png(runs: Sequence[RegionalRun]) -> bytes | None:
    """Diffusivity of each region or depth as a PNG; None where no part has one."""
    shown = [run for run in runs if any(row.self_diffusivity_cm2_s for row in run.rows)]
    return png_of(lambda: regional_figure(shown)) if shown else None


def regional_figure(runs: Sequence[RegionalRun]) -> tuple[Figure, str]:
    """One row of points for each run, and what it shows in words; call it in a drawing style."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(6.4, 2.6 * len(runs) + 0.6), layout="constrained")
    many = made.subplots(len(runs), 1, squeeze=False)
    for axes, run in zip(many[:, 0], runs, strict=True):
        names = [row.region for row in run.rows]
        for place, row in enumerate(run.rows):
            if row.self_diffusivity_cm2_s is not None:
                axes.errorbar(
                    place - 0.08, row.self_diffusivity_cm2_s, yerr=row.sigma_cm2_s, fmt="o",
                    color=BLUE, capsize=3,
                )  # fmt: skip
            if row.normal_diffusivity_cm2_s is not None:
                axes.errorbar(
                    place + 0.08, row.normal_diffusivity_cm2_s, yerr=row.normal_sigma_cm2_s,
                    fmt="s", color=VERMILLION, capsize=3,
                )  # fmt: skip
        axes.plot([], [], "o", color=BLUE, label="in the plane")
        axes.plot([], [], "s", color=VERMILLION, label="across")
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.5, len(names) - 0.5)
        logarithmic(axes, "y")
        axes.set_ylabel("Diffusivity (cm²/s)")
        axes.set_title(f"By {run.by}, {run.temperature_k:g} K")
        axes.grid()
        axes.legend()
    return made, f"Diffusivity region by region in {len(runs)} analyses."
