"""How hard are single hops? Barriers of a study, and the profile along each path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interlith.analysis.barriers import BarrierSummary, HopProfile
from interlith.analysis.study_results import StudyResults
from interlith.report import tables
from interlith.report.commands import barrier_command, crystal, made, potential_engine, stage
from interlith.report.elements import (
    Content,
    Html,
    bullets,
    figure,
    formula,
    number,
    table,
    tag,
)
from interlith.report.svg import curve_colours, drawing_style, to_drawing
from interlith.report.transport import png_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("Hop", "Length", "Like it", "Forward", "Reverse", "Status")


def barriers(results: StudyResults) -> list[Content]:
    """Tables and profiles; nothing where the study asked for none."""
    asked = stage(results, "barriers")
    pieces: list[Content] = []
    for place, record in enumerate(results.barriers):
        command = barrier_command(asked, crystal(results, record.formula))
        engine = f"nudged elastic bands with {potential_engine(record.potential)}"
        pieces += _one(record, place, made(command, engine))
    return pieces


def profile_png(record: BarrierSummary) -> bytes | None:
    """Energy along the paths as a PNG; None where no band has one."""
    return png_of(lambda: _figure(record)) if _drawable(record) else None


def _one(record: BarrierSummary, place: int, how: Html) -> list[Content]:
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
            shown, alt = _figure(record)
            drawn = tables.profiles(_drawable(record))
            drawing = to_drawing(shown, f"barriers-{place}", "Energy along the hops", alt, drawn)
    lines: list[Content] = [record.note]
    if record.hops_left_out:
        lines.append(f"{record.hops_left_out} longer hops were not looked at.")
    return [
        tag("h4", "Single hops in ", formula(record.formula), f", {record.potential['name']}"),
        bullets(lines),
        table("Migration barriers by nudged elastic bands", COLUMNS, rows),
        figure(
            drawing,
            "Energy along each path (eV, Å); a dot is an image, dashed did not converge. The "
            "error of the potential is not in it; see How sure are we?",
            how,
        ),
    ]


def _drawable(record: BarrierSummary) -> list[HopProfile]:
    return [hop for hop in record.hops if len(hop.energies_ev) > 1]


def _figure(record: BarrierSummary) -> tuple[Figure, str]:
    from matplotlib.figure import Figure

    shown = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = shown.add_subplot()
    hops = _drawable(record)
    colours = curve_colours(len(hops))
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
    return shown, (f"Energy along {len(hops)} hops in {record.formula}, at most {highest:.2f} eV.")
