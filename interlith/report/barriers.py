"""How hard are single hops? Barriers of a study, and the profile along each path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interlith.analysis.barriers import BarrierSummary, HopProfile
from interlith.report.elements import Content, bullets, figure, formula, number, table, tag
from interlith.report.svg import drawing_style, to_drawing
from interlith.report.transport import png_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("Hop", "Length", "Like it", "Forward", "Reverse", "Status")


def barriers(records: tuple[BarrierSummary, ...]) -> list[Content]:
    """Tables and profiles; nothing where the study asked for none."""
    return [part for place, record in enumerate(records) for part in _one(record, place)]


def profile_png(record: BarrierSummary) -> bytes | None:
    """Energy along the paths as a PNG; None where no band has one."""
    return png_of(lambda: _figure(record)) if _drawable(record) else None


def _one(record: BarrierSummary, place: int) -> list[Content]:
    rows: list[list[Content]] = [
        [
            hop.label,
            number(hop.distance_angstrom, None, "Å"),
            str(hop.multiplicity),
            number(hop.forward_ev, None, "eV"),
            number(hop.reverse_ev, None, "eV"),
            hop.status if hop.reason is None else f"{hop.status}: {hop.reason}",
        ]
        for hop in record.hops
    ]
    drawing = None
    if _drawable(record):
        with drawing_style():
            made, alt = _figure(record)
            drawing = to_drawing(made, f"barriers-{place}", "Energy along the hops", alt)
    lines: list[Content] = [record.note]
    if record.hops_left_out:
        lines.append(f"{record.hops_left_out} longer hops were not looked at.")
    return [
        tag("h3", "Single hops in ", formula(record.formula), f", {record.potential['name']}"),
        bullets(lines),
        table("Migration barriers by nudged elastic bands", COLUMNS, rows),
        figure(drawing, "Energy along each path; a dot is an image, dashed did not converge."),
    ]


def _drawable(record: BarrierSummary) -> list[HopProfile]:
    return [hop for hop in record.hops if len(hop.energies_ev) > 1]


def _figure(record: BarrierSummary) -> tuple[Figure, str]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    made = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = made.add_subplot()
    hops = _drawable(record)
    colours = mpl.colormaps["viridis"](np.linspace(0.05, 0.8, max(len(hops), 1)))
    for colour, hop in zip(colours, hops, strict=True):
        line = "-" if hop.converged else "--"
        axes.plot(
            hop.coordinate_angstrom, hop.energies_ev, f"o{line}", color=colour, label=hop.label
        )
    axes.set_xlabel("Length along the path, all atoms (Å)")
    axes.set_ylabel("Energy from the start (eV)")
    axes.grid()
    axes.legend()
    highest = max(max(hop.energies_ev) for hop in hops)
    return made, (f"Energy along {len(hops)} hops in {record.formula}, at most {highest:.2f} eV.")
