"""Figures over several studies: windows, reactions, Arrhenius lines."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from interlith.analysis.study_results import StudyResults
from interlith.formatting import format_value
from interlith.report.figures import ROLE_COLOURS, VOLTAGE_AXIS, WIDTH_IN, label, volts
from interlith.report.readings import contacts, electrolyte_of
from interlith.report.svg import (
    BLUE,
    INK,
    Drawing,
    curve_colours,
    drawing_style,
    logarithmic,
    to_drawing,
)
from interlith.report.tables import csv_text
from interlith.units import BOLTZMANN_EV_PER_K

Studies = Mapping[str, StudyResults]
HIGHEST_V = 6.0
LONGEST_NAME = 30


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def electrolyte_bars(studies: Studies) -> Drawing | None:
    """Window of each study's electrolyte."""
    shown = [
        (name, electrolyte.window)
        for name, results in studies.items()
        if (electrolyte := electrolyte_of(results)) is not None and electrolyte.window is not None
    ]
    if not shown:
        return None
    rows: list[list[object]] = []
    words: list[str] = []
    with drawing_style():
        figure = Figure(figsize=(WIDTH_IN, 0.9 + 0.5 * len(shown)), layout="constrained")
        axes = figure.add_subplot()
        for place, (name, window) in enumerate(shown):
            sigma = window.sigma
            errors = (sigma.reduction_v, sigma.oxidation_v) if sigma else (None, None)
            low = window.reduction_potential_v or 0.0
            top = window.oxidation_potential_v
            high = HIGHEST_V if top is None else min(top, HIGHEST_V)
            axes.barh(place, high - low, left=low, height=0.5, color=BLUE, edgecolor="none")
            for at, error in ((low, errors[0]), (high, errors[1])):
                if error:
                    axes.errorbar(at, place, xerr=error, color=INK, capsize=3, linewidth=1.2)
            end = "no limit" if top is None else volts(top, errors[1])
            text = f"{volts(window.reduction_potential_v, errors[0])} to {end}"
            axes.text(high + 0.1 + (errors[1] or 0.0), place, text, va="center")
            rows.append(
                [name, window.formula, window.reduction_potential_v, errors[0],
                 top, errors[1]]
            )  # fmt: skip
            words.append(f"{name}, {window.formula}: {text} V.")
        names = [f"{_short(name)}\n{label(window.formula)}" for name, window in shown]
        axes.set_yticks(range(len(shown)), names)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xlim(-0.1, HIGHEST_V + 2.4)
        axes.set_xticks(range(int(HIGHEST_V) + 1))
        axes.set_xlabel(VOLTAGE_AXIS)
        axes.grid(axis="x")
        columns = ("study", "formula", "reduction_potential_v", "sigma_reduction_v",
                   "oxidation_potential_v", "sigma_oxidation_v")  # fmt: skip
        title = "Stability windows of the electrolytes"
        alt = f"{title}. {' '.join(words)}"
        return to_drawing(figure, "compared-windows", title, alt, csv_text(columns, rows))


def reaction_bars(studies: Studies) -> Drawing | None:
    """Reaction energy of every electrode contact."""
    shown = [(name, i) for name, results in studies.items() for i in contacts(results)]
    if not shown:
        return None
    rows: list[list[object]] = []
    words: list[str] = []
    with drawing_style():
        figure = Figure(figsize=(WIDTH_IN, 0.9 + 0.45 * len(shown)), layout="constrained")
        axes = figure.add_subplot()
        for place, (name, interface) in enumerate(shown):
            closed = interface.closed
            energy = 1000 * closed.energy_ev_per_atom
            sigma = None if closed.sigma_ev_per_atom is None else 1000 * closed.sigma_ev_per_atom
            colour = ROLE_COLOURS[interface.role_a]
            axes.barh(place, energy, height=0.5, color=colour, edgecolor="none")
            if sigma:
                axes.errorbar(energy, place, xerr=sigma, color=INK, capsize=3, linewidth=1.2)
            text = format_value(energy, sigma, "meV/atom").replace("-", "−")
            axes.annotate(
                text.removesuffix(" meV/atom"), (0, place), (4, 0), textcoords="offset points",
                va="center",
            )  # fmt: skip
            rows.append([name, interface.a, interface.b, energy, sigma])
            words.append(f"{name}, {interface.a} with {interface.b}: {text}.")
        names = [f"{_short(n)}\n{label(i.a)} | {label(i.b)}" for n, i in shown]
        axes.set_yticks(range(len(shown)), names)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        lowest = min(-10.0, *(1000 * i.closed.energy_ev_per_atom for _, i in shown))
        axes.set_xlim(1.15 * lowest, -0.25 * lowest)
        axes.set_xticks([tick for tick in axes.get_xticks() if 1.15 * lowest <= tick <= 0])
        axes.set_xlabel("reaction energy (meV/atom)")
        axes.grid(axis="x")
        columns = ("study", "a", "b", "energy_mev_per_atom", "sigma_mev_per_atom")
        title = "Reactions of the electrodes with the electrolyte"
        alt = f"{title}. {' '.join(words)}"
        return to_drawing(figure, "compared-reactions", title, alt, csv_text(columns, rows))


def arrhenius_lines(studies: Studies) -> Drawing | None:
    """Diffusivities of every run against inverse temperature."""
    shown = [
        (f"{_short(name)}: {label(record.formula)}", record)
        for name, results in studies.items()
        for record in results.diffusion
        if any(run.self_diffusivity_cm2_s for run in record.runs)
    ]
    if not shown:
        return None
    rows: list[list[object]] = []
    words: list[str] = []
    with drawing_style():
        figure = Figure(figsize=(WIDTH_IN, 4.2), layout="constrained")
        axes = figure.add_subplot()
        for colour, (name, record) in zip(curve_colours(len(shown)), shown, strict=True):
            for run in record.runs:
                d = run.self_diffusivity_cm2_s
                if not d:
                    continue
                axes.errorbar(
                    1000 / run.temperature_k, d, yerr=run.sigma_cm2_s, fmt="o", color=colour
                )
                rows.append([name, run.temperature_k, d, run.sigma_cm2_s])
            fit = record.arrhenius
            if fit is not None:
                x = np.linspace(1 / max(fit.temperatures_k), 1 / 300.0, 60)
                slope = fit.activation_energy_ev / BOLTZMANN_EV_PER_K
                line = np.exp(math.log(fit.prefactor_cm2_s) - slope * x)
                axes.plot(1000 * x, line, color=colour, label=name)
                energy = format_value(fit.activation_energy_ev, fit.sigma_ev, "eV")
                words.append(f"{name}: activation energy {energy}.")
            else:
                axes.plot([], [], "o", color=colour, label=name)
        logarithmic(axes, "y")
        axes.set_xlabel("1000 K / temperature")
        axes.set_ylabel("self diffusivity (cm²/s)")
        axes.grid()
        axes.legend()
        columns = ("study", "temperature_k", "self_diffusivity_cm2_s", "sigma_cm2_s")
        title = "Diffusion of Li"
        alt = f"{title} at several temperatures. {' '.join(words)}"
        return to_drawing(figure, "compared-diffusion", title, alt, csv_text(columns, rows))
