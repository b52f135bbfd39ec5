"""The coating plot: reaction with the electrolyte against reaction with the cathode."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from interlith.analysis.coatings import CoatingRow, ScreenRecord
from interlith.report import tables
from interlith.report.figures import WIDTH_IN, label
from interlith.report.svg import BLUE, GREEN, INK, VERMILLION, Drawing, drawing_style, to_drawing

MARKERS = {
    "fluoride": "s",
    "chloride": "D",
    "oxyfluoride": "P",
    "polyanionic oxide": "^",
    "oxide": "o",
    "sulfide": "v",
    "nitride": "X",
    "other": "h",
}
MOST_POINTS, MOST_LABELS = 300, 30
_OFFSETS = (
    (8, 9), (8, -10), (-8, -10), (-8, 9), (0, 14), (0, -14), (8, 22), (8, -23), (-8, -23), (-8, 22),
)  # fmt: skip
"""Points right and up from a marker to the middle of its name; the axes' lines run beside it."""


def coating_plot(screen: ScreenRecord) -> Drawing | None:
    """Every judged candidate; best is the upper right corner, where nothing reacts.

    Returns
    -------
    Drawing or None
        None if no candidate was judged. At most 300 points, the best ranked.
    """
    rows = screen.rows[:MOST_POINTS]
    if not rows:
        return None
    with drawing_style():
        figure = Figure(figsize=(WIDTH_IN, 4.6), dpi=72, layout="constrained")  # pixels are points
        axes = figure.add_subplot()
        for row in rows:
            passed = all(row.passes.values())
            colour = BLUE if passed else VERMILLION
            axes.plot(
                [1000 * row.reaction_electrolyte_ev_per_atom],
                [1000 * row.reaction_cathode_ev_per_atom],
                marker=MARKERS.get(row.coating_class, "h"),
                markersize=8,
                linestyle="none",
                color=colour,
                markerfacecolor=colour if passed else "none",
                markeredgewidth=1.6,
                zorder=3 if passed else 4,  # a hollow marker hides nothing
            )
        _limits(axes, rows, -1000 * screen.criteria.max_reaction_ev_per_atom)
        axes.set_xlabel(f"reaction with {label(screen.electrolyte)} (meV/atom)")
        axes.set_ylabel(f"reaction with {label(screen.cathode)} (meV/atom)")
        axes.grid()
        axes.legend(handles=_legend(rows), loc="center left", bbox_to_anchor=(1.0, 0.5))
        _name_points(figure, axes, rows)
        alt = (
            f"Reaction energy of each coating with {screen.electrolyte} and {screen.cathode}; "
            "closer to zero is better. "
        ) + " ".join(_row_words(row) for row in rows[:MOST_LABELS])
        title = "Coatings between electrolyte and cathode"
        return to_drawing(figure, "coatings", title, alt, tables.coatings(rows))


def _limits(axes: Axes, rows: Sequence[CoatingRow], threshold: float) -> None:
    """Scale that holds every point and the area within the thresholds, shaded."""
    lowest = []
    for energies in (
        [1000 * row.reaction_electrolyte_ev_per_atom for row in rows],
        [1000 * row.reaction_cathode_ev_per_atom for row in rows],
    ):
        lowest.append(1.12 * min(*energies, 1.15 * threshold, -10.0))
    axes.set_xlim(lowest[0], -0.2 * lowest[0])
    axes.set_ylim(lowest[1], -0.2 * lowest[1])
    axes.fill_between([threshold, 0], threshold, 0, color=GREEN, alpha=0.15, linewidth=0, zorder=0)
    axes.text(
        threshold,
        threshold,
        f" within {-threshold:g} meV/atom",
        va="bottom",
        fontsize=8,
    )
    for axis in (axes.xaxis, axes.yaxis):  # a reaction energy is never positive
        axis.set_ticks([tick for tick in axis.get_ticklocs() if tick <= 0])
    axes.set_xlim(lowest[0], -0.2 * lowest[0])
    axes.set_ylim(lowest[1], -0.2 * lowest[1])
    for line in (axes.axhline, axes.axvline):
        line(0, color=INK, linewidth=0.8, alpha=0.5)


def _legend(rows: Sequence[CoatingRow]) -> list[Line2D]:
    found = {row.coating_class for row in rows}
    shapes = [
        Line2D([], [], marker=marker, linestyle="none", color=INK, fillstyle="none", label=kind)
        for kind, marker in MARKERS.items()
        if kind in found
    ]
    verdicts = [
        Line2D([], [], marker="o", linestyle="none", color=BLUE, label="passes all criteria"),
        Line2D(
            [],
            [],
            marker="o",
            linestyle="none",
            color=VERMILLION,
            markerfacecolor="none",
            markeredgewidth=1.6,
            label="fails at least one",
        ),
    ]
    return [*verdicts, *shapes]


def _name_points(figure: Figure, axes: Axes, rows: Sequence[CoatingRow]) -> None:
    """Names beside the points, where they cover neither points nor each other."""
    figure.draw_without_rendering()  # settles the layout, so that places in pixels are known
    points = [
        axes.transData.transform(
            (1000 * r.reaction_electrolyte_ev_per_atom, 1000 * r.reaction_cathode_ev_per_atom)
        )
        for r in rows
    ]
    taken = [Bbox.from_bounds(x - 6, y - 6, 12, 12) for x, y in points]
    inside = axes.get_window_extent()
    for row, (x, y) in list(zip(rows, points, strict=True))[:MOST_LABELS]:
        text = label(row.coating)
        width, height = 5.6 * len(text), 11.0
        boxes = [(_box(x, y, dx, dy, width, height), dx, dy) for dx, dy in _OFFSETS]
        free = [
            place
            for place in boxes
            if not any(place[0].overlaps(other) for other in taken)
            and inside.x0 <= place[0].x0
            and place[0].x1 <= inside.x1 + 10
        ]
        if not free:
            continue  # the table beside the figure has it
        box, dx, dy = free[0]
        taken.append(box)
        axes.annotate(
            text,
            (1000 * row.reaction_electrolyte_ev_per_atom, 1000 * row.reaction_cathode_ev_per_atom),
            (dx, dy),
            textcoords="offset points",
            ha="left" if dx > 0 else "right" if dx < 0 else "center",
            va="center",
            fontsize=9,
        )


def _box(x: float, y: float, dx: float, dy: float, width: float, height: float) -> Bbox:
    left = x + dx - (0 if dx > 0 else width if dx < 0 else width / 2)
    return Bbox.from_bounds(left, y + dy - height / 2, width, height)


def _row_words(row: CoatingRow) -> str:
    verdict = {True: "passes all", False: "fails", None: "stability not known"}[row.passed]
    return (
        f"{row.coating} ({row.coating_class}): "
        f"{1000 * row.reaction_electrolyte_ev_per_atom:.0f} and "
        f"{1000 * row.reaction_cathode_ev_per_atom:.0f} meV/atom, {verdict}."
    )
