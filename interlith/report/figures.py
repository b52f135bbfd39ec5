"""The figures of a report, each an SVG element with a description in words.

>>> from interlith.report.figures import window_bars
>>> window_bars([]) is None
True
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from interlith.analysis.reactions import ReactionRecord
from interlith.analysis.study_results import Component, Interface
from interlith.analysis.windows import LadderStep, WindowRecord, WindowSigma
from interlith.formatting import format_value, with_subscript_characters
from interlith.report import tables
from interlith.report.svg import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    VERMILLION,
    Drawing,
    drawing_style,
    to_drawing,
)

ROLE_COLOURS = {"anode": PURPLE, "electrolyte": BLUE, "cathode": VERMILLION, "coating": GREEN}
WIDTH_IN = 7.0
LONGEST_LABEL = 26
HIGHEST_VOLTAGE_V = 8.0
"""Bars that go further end in an arrow; their limit is printed."""
MOST_BARS = 60
VOLTAGE_AXIS = "voltage (V vs Li/Li⁺)"

CathodeRange = tuple[str, tuple[float, float]]


def label(formula: str) -> str:
    """Formula for a figure, cut where it is too long."""
    cut = formula if len(formula) <= LONGEST_LABEL else formula[: LONGEST_LABEL - 1] + "…"
    return with_subscript_characters(cut)


def volts(value: float | None, sigma: float | None) -> str:
    """A voltage without its unit, which the axis has."""
    return format_value(value, sigma, "V").removesuffix(" V").replace("-", "−")


def window_bars(
    components: Sequence[Component], cathode: CathodeRange | None = None
) -> Drawing | None:
    """Stability windows of all components on one voltage axis.

    Parameters
    ----------
    components : sequence of Component
        In the order to draw from the top; the first 60.
    cathode : (str, (float, float)), optional
        Formula and voltage range of the cathode, shaded.

    Returns
    -------
    Drawing or None
        None without components.
    """
    shown = list(components[:MOST_BARS])
    if not shown:
        return None
    with drawing_style():
        figure = Figure(figsize=(WIDTH_IN, 0.95 + 0.5 * len(shown)), layout="constrained")
        axes = figure.add_subplot()
        right = _right_end(shown, cathode)
        for place, component in enumerate(shown):
            _window_bar(axes, place, component, right)
        if cathode is not None:
            _shade(axes, *cathode)
        axes.set_xlim(*_ends_with_labels(shown, right))
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_yticks([])
        for place, component in enumerate(shown):
            _name_bar(axes, place, component)
        axes.set_xticks(range(int(axes.get_xlim()[1]) + 1))
        axes.grid(axis="x")
        axes.set_xlabel(VOLTAGE_AXIS)
        alt = "Stability windows against Li. " + " ".join(_window_words(c) for c in shown)
        if cathode is not None:
            low, high = cathode[1]
            alt += f" Shaded: the range of {cathode[0]}, {low:g} to {high:g} V."
        title = "Stability windows of all components"
        return to_drawing(figure, "windows", title, alt, tables.windows(shown))


def _name_bar(axes: Axes, place: int, component: Component) -> None:
    for text, rise, size in ((label(component.formula), 2, 10), (component.role, -10, 8)):
        axes.annotate(
            text,
            (0.0, place),
            (-6, rise),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            ha="right",
            fontsize=size,
        )


def _right_end(components: Sequence[Component], cathode: CathodeRange | None) -> float:
    limits = [5.0, cathode[1][1] if cathode else 0.0]
    for component in components:
        if component.window is not None:
            limits += [
                component.window.oxidation_potential_v or 0.0,
                component.window.reduction_potential_v or 0.0,
            ]
    return min(max(limits), HIGHEST_VOLTAGE_V)


def _ends_with_labels(components: Sequence[Component], right: float) -> tuple[float, float]:
    """Ends of the voltage axis that leave room for the printed limits."""
    per_character = 0.013 * (right + 2.0)
    low, high = -0.3, right + 0.9
    for window in (c.window for c in components if c.window is not None):
        sigma = window.sigma or WindowSigma(reduction_v=None, oxidation_v=None)
        for value, error, side in (
            (window.reduction_potential_v, sigma.reduction_v, -1),
            (window.oxidation_potential_v, sigma.oxidation_v, 1),
        ):
            if value is None:
                continue
            room = 0.2 + (error or 0.0) + per_character * len(volts(value, error))
            low = min(low, value - room) if side < 0 else low
            high = max(high, min(value, right) + room) if side > 0 else high
    return low, high


def _shade(axes: Axes, formula: str, voltages: tuple[float, float]) -> None:
    low, high = voltages
    axes.axvspan(low, high, color=ORANGE, alpha=0.22, linewidth=0, zorder=0)
    axes.text(
        (low + high) / 2,
        1.01,
        f"{label(formula)} works at {low:g}–{high:g} V",
        transform=axes.get_xaxis_transform(),
        ha="center",
        va="bottom",
        fontsize=9,
    )


def _window_bar(axes: Axes, place: int, component: Component, right: float) -> None:
    window = component.window
    if window is None:
        text = component.reason or "no window"
        axes.text(0.05, place, text if len(text) <= 60 else text[:59] + "…", va="center")
        return
    low, high = window.reduction_potential_v, window.oxidation_potential_v
    sigma_low = window.sigma.reduction_v if window.sigma else None
    sigma_high = window.sigma.oxidation_v if window.sigma else None
    start = 0.0 if low is None else min(low, right)
    open_ended = high is None or high > right
    end = right if high is None or high > right else high
    colour = ROLE_COLOURS[component.role]
    if low is not None and high is not None and high - low < 1e-6:
        axes.plot([start], [place], marker="D", color=colour, markeredgecolor=INK)
        axes.text(start + 0.15, place, f"{volts(low, None)}, a plateau: no window", va="center")
        return
    axes.barh(place, end - start, left=start, height=0.5, color=colour, edgecolor="none")
    left_text = "none" if low is None else volts(low, sigma_low)
    axes.text(start - 0.08 - (sigma_low or 0.0), place, left_text, ha="right", va="center")
    _whisker(axes, place, start, sigma_low)
    if open_ended:
        axes.plot([end + 0.1], [place], marker=">", color=colour, markersize=11, linewidth=0)
        text = "no limit" if high is None else volts(high, sigma_high)
        axes.text(end + 0.25, place, text, va="center")
        return
    _whisker(axes, place, end, sigma_high)
    axes.text(end + 0.08 + (sigma_high or 0.0), place, volts(high, sigma_high), va="center")


def _whisker(axes: Axes, place: int, at: float, sigma: float | None) -> None:
    if sigma:
        axes.errorbar(at, place, xerr=sigma, color=INK, capsize=3, linewidth=1.2)


def _window_words(component: Component) -> str:
    window = component.window
    if window is None:
        return f"{component.formula} ({component.role}): {component.reason or 'no window'}."
    low = volts(window.reduction_potential_v, window.sigma.reduction_v if window.sigma else None)
    if window.oxidation_potential_v is None:
        return f"{component.formula} ({component.role}): from {low} V, no oxidation limit."
    high = volts(window.oxidation_potential_v, window.sigma.oxidation_v if window.sigma else None)
    return f"{component.formula} ({component.role}): {low} to {high} V."


def ladder_plot(window: WindowRecord) -> Drawing | None:
    """Voltage against Li taken up, as a staircase whose plateaus carry their products.

    Returns
    -------
    Drawing or None
        None if the window has no step in its voltage range.
    """
    steps = sorted(window.ladder, key=lambda step: -step.voltage_v)
    if not steps:
        return None
    plateaus = _plateaus(steps)
    with drawing_style():
        height = max(3.2, 0.9 + 0.36 * len(steps))
        figure = Figure(figsize=(WIDTH_IN, height), layout="constrained")
        axes, words = figure.subplots(1, 2, width_ratios=(1.0, 1.0), sharey=True)
        xs = [x for left, right, _ in plateaus for x in (left, right)]
        ys = [voltage for _, _, voltage in plateaus for _ in (0, 1)]
        axes.plot([*xs, xs[-1]], [*ys, 0.0], color=INK, linewidth=1.2, alpha=0.6)
        for step, (left, right, voltage) in zip(steps, plateaus, strict=True):
            colour = VERMILLION if step.direction == "oxidation" else BLUE
            axes.plot([left, right], [voltage, voltage], color=colour, linewidth=3.5)
        axes.axvline(0, color=INK, linewidth=0.8, linestyle=":")
        axes.text(
            0.0,
            1.01,
            f"{label(window.formula)}",
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="bottom",
        )
        axes.set_xlabel("Li taken up (+) or released (−)\nper formula unit")
        axes.set_ylabel(VOLTAGE_AXIS)
        axes.set_ylim(-0.15, max(1.0, ys[0] + 0.3))
        axes.grid()
        _ladder_words(words, steps, axes.get_ylim())
        alt = f"Decomposition steps of {window.formula}. " + " ".join(map(_step_words, steps))
        title = f"Decomposition ladder of {window.formula}"
        return to_drawing(figure, "ladder", title, alt, _ladder_data(window))


def _ladder_data(window: WindowRecord) -> str:
    return tables.ladders([Component(role="electrolyte", formula=window.formula, window=window)])


def _plateaus(steps: Sequence[LadderStep]) -> list[tuple[float, float, float]]:
    """Li change at both ends, and voltage, of each plateau from the highest down."""
    ends = []
    for i, step in enumerate(steps):
        change = step.li_change_per_formula
        if step.direction == "oxidation":
            after = steps[i + 1] if i + 1 < len(steps) else None
            inner = after is not None and after.direction == "oxidation"
            other = after.li_change_per_formula if after is not None and inner else 0.0
            ends.append((change, other, step.voltage_v))
        else:
            inner = i > 0 and steps[i - 1].direction == "reduction"
            other = steps[i - 1].li_change_per_formula if inner else 0.0
            ends.append((other, change, step.voltage_v))
    return ends


def _ladder_words(axes: Axes, steps: Sequence[LadderStep], limits: tuple[float, float]) -> None:
    """Products beside the staircase, each line joined to its voltage."""
    gap = (limits[1] - limits[0]) / (len(steps) + 6)
    heights = spread([step.voltage_v for step in steps], max(gap, 0.26), limits)
    axes.set_xlim(0, 1)
    axes.axis("off")
    for step, height in zip(steps, heights, strict=True):
        colour = VERMILLION if step.direction == "oxidation" else BLUE
        axes.plot([0.0, 0.03, 0.08], [step.voltage_v, step.voltage_v, height], color=colour)
        products = " + ".join(with_subscript_characters(p.formula) for p in step.products)
        text = f"{volts(step.voltage_v, None)} V: {products}"
        axes.text(0.1, height, text if len(text) <= 48 else text[:47] + "…", va="center", size=9)


def spread(wanted: Sequence[float], gap: float, limits: tuple[float, float]) -> list[float]:
    """Positions near the wanted ones (in falling order), at least ``gap`` apart, within limits."""
    placed: list[float] = []
    for value in wanted:
        placed.append(min(value, placed[-1] - gap) if placed else min(value, limits[1] - gap / 2))
    floor = limits[0] + gap / 2
    for i in reversed(range(len(placed))):
        placed[i] = max(placed[i], floor)
        floor = placed[i] + gap
    return placed


def _step_words(step: LadderStep) -> str:
    products = ", ".join(p.formula for p in step.products)
    return f"{step.voltage_v:.2f} V, {step.direction} to {products}."


def reaction_curves(interfaces: Sequence[Interface], name: str, title: str) -> Drawing | None:
    """Reaction energy along the mixing line of each pair, on one energy scale.

    Parameters
    ----------
    interfaces : sequence of Interface
        Pairs that are to be compared.
    name : str
        Unique in the page, for the ids.
    title : str
        What the pairs have in common.
    """
    if not interfaces:
        return None
    columns = 3
    rows = -(-len(interfaces) // columns)
    with drawing_style():
        height = 0.9 + 1.7 * rows
        figure = Figure(figsize=(WIDTH_IN, height))  # laid out by hand: many axes, same labels
        figure.subplots_adjust(
            left=0.8 / WIDTH_IN,
            right=1 - 0.15 / WIDTH_IN,
            bottom=0.55 / height,
            top=1 - 0.3 / height,
            wspace=0.16,
            hspace=0.32,
        )
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes, interface in zip(grid.flat, interfaces, strict=False):
            _reaction_curve(axes, interface)
        lowest = min(1000 * i.closed.energy_ev_per_atom for i in interfaces)
        grid.flat[0].set_ylim(1.28 * min(lowest, -10.0), 0.12 * max(-lowest, 10.0))
        for axes in list(grid.flat)[len(interfaces) :]:
            axes.set_visible(False)
        for place in range(max(0, len(interfaces) - columns), len(interfaces)):
            grid.flat[place].tick_params(labelbottom=True)
        middle = (0.55 + (height - 0.3)) / 2 / height
        used = [axes.get_position() for axes in grid.flat[: min(len(interfaces), columns)]]
        centre = (used[0].x0 + used[-1].x1) / 2
        figure.text(centre, 0.1 / height, "atomic fraction of the first material", ha="center")
        figure.text(
            0.02, middle, "reaction energy (meV/atom)", rotation=90, ha="center", va="center"
        )
        alt = f"{title}. " + " ".join(_pair_words(i.closed) for i in interfaces)
        return to_drawing(figure, name, title, alt, tables.mixing_lines(interfaces))


def _reaction_curve(axes: Axes, interface: Interface) -> None:
    reaction = interface.closed
    kinks = sorted(reaction.kinks, key=lambda kink: kink.mixing_fraction_a)
    xs = [kink.mixing_fraction_a for kink in kinks]
    ys = [1000 * kink.energy_ev_per_atom for kink in kinks]
    axes.plot(xs, ys, color=BLUE, marker="o", markersize=3.5, linewidth=1.5, clip_on=False)
    axes.set_title(f"{label(interface.a)} | {label(interface.b)}", fontsize=9)
    axes.set_xlim(0, 1)
    axes.set_xticks([0.0, 0.5, 1.0], ["0", "0.5", "1"])
    axes.grid()
    if reaction.mixing_fraction_a is None:
        axes.text(0.5, 0.5, "no reaction", transform=axes.transAxes, ha="center", va="center")
        return
    x, y = reaction.mixing_fraction_a, 1000 * reaction.energy_ev_per_atom
    sigma = None if reaction.sigma_ev_per_atom is None else 1000 * reaction.sigma_ev_per_atom
    axes.errorbar(x, y, yerr=sigma, marker="o", color=VERMILLION, markersize=6, ecolor=INK)
    side = "left" if x < 0.25 else "right" if x > 0.75 else "center"
    text = format_value(y, sigma, "meV/atom").removesuffix(" meV/atom").replace("-", "−")
    below = y - (sigma or 0.0)
    axes.annotate(
        text, (x, below), (0, -6), textcoords="offset points", ha=side, va="top", fontsize=9
    )


def _pair_words(reaction: ReactionRecord) -> str:
    pair = f"{reaction.a} with {reaction.b}"
    if reaction.mixing_fraction_a is None:
        return f"{pair}: no reaction."
    sigma = None if reaction.sigma_ev_per_atom is None else 1000 * reaction.sigma_ev_per_atom
    energy = format_value(1000 * reaction.energy_ev_per_atom, sigma, "meV/atom")
    return f"{pair}: {energy} at a fraction of {reaction.mixing_fraction_a:.2f}."
