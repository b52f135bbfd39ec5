"""What does dynamics make of the interface? Counts, layers, growth, Li consumed, trust."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from interlith.analysis.reactive_records import LabelCheck, ReactiveRun, ReactivityRecord, Trust
from interlith.analysis.study_results import StudyResults
from interlith.formatting import two_digits, with_subscript_characters
from interlith.report.commands import made, potential_engine
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
from interlith.report.reactivity_figures import (
    depth_figure,
    growth_figure,
    snapshot_figure,
    time_figure,
    trust_figure,
)
from interlith.report.svg import Drawing, drawing_style, to_drawing
from interlith.report.tables import csv_text
from interlith.report.transport import png_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Made = tuple["Figure", str]
ROWS = 7
WORDS = {"reacted": "reacts", "no_reaction": "does not react", "no_answer": "no answer"}


def reactivity(results: StudyResults) -> Html:
    """Answer what dynamics makes of each interface; nothing where the study ran none."""
    return markup([section_of(record, i) for i, record in enumerate(results.reactivity)])


def section_of(record: ReactivityRecord, place: int = 0) -> Html:
    """One interface."""
    return part(f"reacts-{place}", _title(record), *_contents(record, place))


def pictures(record: ReactivityRecord) -> dict[str, bytes]:
    """Figures as PNG, by file name; those of which there is nothing to show are left out."""
    return {
        f"{name}.png": png_of(lambda make=make: make(record))  # type: ignore[misc]  # bound now
        for name, make in FIGURES.items()
        if make(record, look=True)
    }


def short_answer(record: ReactivityRecord) -> list[Content]:
    """Sentences for the top of a section."""
    pair = _pair(record)
    said: list[Content] = [[formula(pair), f" {WORDS[record.status]} in dynamics: ", record.reason]]
    trust = record.trust
    said.append(
        "The runs keep all bounds of trust."
        if trust.trusted
        else ["The runs are not trusted: ", "; ".join(trust.reasons), "."]
    )
    return said


def _pair(record: ReactivityRecord) -> str:
    return record.a if record.b is None else f"{record.a} | {record.b}"


def _title(record: ReactivityRecord) -> Content:
    kelvin = sorted({run.temperature_k for run in record.runs})
    return [formula(_pair(record)), f" at {', '.join(f'{one:g}' for one in kelvin)} K"]


def _contents(record: ReactivityRecord, place: int) -> list[Content]:
    engine = potential_engine(record.potential)
    command = reactivity_command(record)
    drawn: list[Content] = []
    for name, make in FIGURES.items():
        drawing = _drawn(record, make, f"reacts-{place}-{name}", TITLES[name], CSV.get(name))
        drawn.append(figure(drawing, CAPTIONS[name], made(command, engine)))
    return [
        bullets([*short_answer(record), *_limit(record), *_growth(record), *_lithium(record)]),
        *drawn[:1],
        _time_table(record),
        *drawn[1:4],
        _layer_table(record),
        *_products(record),
        tag("h4", "May these runs be believed?"),
        _trust_table(record.trust),
        *drawn[4:],
        bullets(list(record.notes)),
    ]


def reactivity_command(record: ReactivityRecord) -> str:
    """The command that gives the record again."""
    s = record.settings
    said = ["interlith", "reactivity", record.a, *([record.b] if record.b else [])]
    said += ["--potential", s["potential"]]
    said += ["--temperature", ",".join(f"{one:g}" for one in s["temperatures_k"])]
    said += ["--time-ps", f"{s['time_ps']:g}", "--seeds", str(s["seeds"])]
    for side in ("a", "b"):
        plane = s[f"miller_{side}"]
        said += [] if plane is None else [f"--miller-{side}", ",".join(map(str, plane))]
    return " ".join([*said, "--thickness", f"{s['thickness_angstrom']:g}"])


def _limit(record: ReactivityRecord) -> list[Content]:
    if record.limit is None:
        return [] if record.b is None else [["No thermodynamic limit: ", record.limit_reason]]
    said: list[Content] = ["Thermodynamics: ", formula(record.limit.reaction)]
    full, released = record.limit.energy_ev_per_formula, record.energy_released_ev_per_formula
    if full and released is not None:
        share = 100 * (record.energy_share_of_limit or 0.0)
        said += [
            ", ", number(full, None, "eV"), " per formula unit; released in the runs ",
            number(released, None, "eV"), f" ({share:.0f} %)",
        ]  # fmt: skip
    return [said]


def _growth(record: ReactivityRecord) -> list[Content]:
    fit = record.growth
    if fit is None:
        return []
    if fit.status != "ok" or fit.parabolic is None or fit.linear is None:
        return [["No growth law: ", fit.reason]]
    rate = fit.linear if fit.law == "linear" else fit.parabolic
    low, high = rate.interval95
    unit = rate.unit.replace("nm2", "nm²")
    said = (
        f"Growth: {fit.law}, as {rate.law} {two_digits(rate.value)} {unit} (95 %: "
        f"{two_digits(low)} to {two_digits(high)}); {fit.extrapolation}"
    )
    return [said, *fit.caveats]


def _lithium(record: ReactivityRecord) -> list[Content]:
    taken = record.lithium
    if taken is None or taken.nm_per_uah_cm2 is None:
        return []
    due = taken.stoichiometric_nm_per_uah_cm2
    beside = "" if due is None else f" against {due:.1f} by stoichiometry: {taken.explanation}"
    return [
        f"Li consumed at one interface: {taken.consumed_uah_cm2:.3f} µAh/cm² for "
        f"{taken.thickness_nm:.2f} nm, {taken.nm_per_uah_cm2:.1f} nm per µAh/cm²{beside}"
    ]


def _whole(record: ReactivityRecord) -> list[ReactiveRun]:
    return [run for run in record.runs if run.series is not None]


def _time_table(record: ReactivityRecord) -> Html:
    rows: list[list[Content]] = []
    for run in record.runs:
        if run.series is None:
            rows.append([f"{run.seed}", "", "", "", "", "", "", f"{run.status}: {run.reason}"])
            continue
        series = run.series
        last = len(series.times_ps) - 1
        for i in sorted({round(k * last / (ROWS - 1)) for k in range(ROWS)}):
            rows.append(
                [
                    f"{run.seed}",
                    number(series.times_ps[i], None, "ps"),
                    number(100 * series.intact[i], None, "%") if series.intact else "none",
                    ", ".join(f"{k} {v[i]:.0f}" for k, v in series.bonds.items()),
                    ", ".join(f"{k} {v[i]:.1f}" for k, v in series.lithium_around.items()),
                    number(series.energy_released_ev_per_formula[i], None, "eV"),
                    number(series.length_angstrom[i], None, "Å"),
                    f"{run.status}{': ' + run.reason if run.reason else ''}" if i == last else "",
                ]
            )
    columns = (
        "Seed", "Time", "Intact polyanions", "Bonds", "Li around", "Released per formula",
        "Cell along the normal", "Status",
    )  # fmt: skip
    return table("Counts over time", columns, rows)


def _layer_table(record: ReactivityRecord) -> Html:
    rows: list[list[Content]] = [
        [
            f"{run.seed}",
            f"{one.side}, {one.region}",
            number(one.depth_angstrom, None, "Å"),
            f"{one.centres}",
            *(
                "not in this time" if when is None else number(when, None, "ps")
                for when in (one.first_broken_ps, one.all_broken_ps, one.all_bare_ps)
            ),
        ]
        for run in record.runs
        for one in run.layers
    ]
    if not rows:
        return Html("")
    columns = ("Seed", "Contact", "Depth", "Centres", "First broken", "All broken", "All bare")
    return table("Polyanions layer by layer", columns, rows)


def _products(record: ReactivityRecord) -> list[Content]:
    rows: list[list[Content]] = [
        [
            f"{run.seed}",
            formula(one.phase),
            number(100 * one.predicted_fraction, None, "%"),
            number(100 * one.crystalline_fraction, None, "%"),
            ""
            if one.converted_fraction is None
            else [number(100 * one.converted_fraction, None, "%"), f" of {one.element}"],
        ]
        for run in record.runs
        for one in run.comparison
    ]
    if not rows:
        return []
    columns = ("Seed", "Predicted", "Of the products", "Found crystalline", "Bonded to Li alone")
    return [table("Predicted products and what was found at the end", columns, rows)]


def _trust_table(trust: Trust) -> Html:
    rows: list[list[Content]] = []
    labels, drift, deviation, bounds = trust.labels, trust.drift, trust.deviation, trust.bounds
    if labels is not None:
        rows += [
            ["Frames labelled", f"{len(labels.frames)} by {labels.teacher['name']}", "at least 10"],
            [
                "Force error",
                number(labels.force_rmse_mev_per_angstrom, None, "meV/Å"),
                f"at most {bounds['force_rmse_mev_per_angstrom']:g} meV/Å",
            ],
            [
                "Mean energy error, and its range over the frames",
                [number(labels.energy_mean_mev_per_atom, None, "meV/atom"), _span(labels)],
                f"within {bounds['energy_mean_mev_per_atom']:g} meV/atom",
            ],
        ]
    if drift is not None:
        rows.append(
            [
                "Energy drift without a thermostat",
                number(drift.drift_mev_per_atom_per_ps, None, "meV/atom/ps"),
                f"within {bounds['drift_mev_per_atom_per_ps']:g} meV/atom/ps",
            ]
        )
    if deviation is not None:
        kept = f"; {deviation.harvested} frames kept for labelling" if deviation.harvested else ""
        regions = ", ".join(
            f"{name} {100 * share:.1f} %" for name, share in deviation.outside_by_region.items()
        )
        rows.append(
            [
                f"Atoms outside the trained domain, by the {deviation.by}",
                f"{100 * deviation.outside:.1f} % ({regions}){kept}",
                f"at most {100 * bounds['outside_share']:g} %, beyond "
                f"{deviation.bound_ev_per_angstrom:g} eV/Å each",
            ]
        )
    word = "trusted" if trust.trusted else "not trusted: " + "; ".join(trust.reasons)
    rows.append(["Verdict", word, ""])
    return table("Checks on frames of these runs", ("What", "Found", "Bound"), rows)


def _span(labels: LabelCheck) -> str:
    errors = [frame.energy_error_mev_per_atom for frame in labels.frames]
    return f" ({min(errors):+.1f} to {max(errors):+.1f})".replace("-", "\u2212")


def _drawn(
    record: ReactivityRecord,
    make: Callable[..., Made | None],
    name: str,
    title: str,
    data: Callable[[ReactivityRecord], str] | None,
) -> Drawing | None:
    if not make(record, look=True):
        return None
    with drawing_style():
        found = make(record)
        if found is None:
            return None
        return to_drawing(found[0], name, title, found[1], "" if data is None else data(record))


def _series_csv(record: ReactivityRecord) -> str:
    """Every point of every run."""
    runs = _whole(record)
    bonds = sorted({name for run in runs if run.series for name in run.series.bonds})
    columns = (
        "seed", "temperature_k", "time_ps", "intact_fraction", "converted_nm",
        "energy_released_ev_per_formula", "length_angstrom", "metal_li", *bonds,
    )  # fmt: skip
    rows: list[Sequence[object]] = []
    for run in runs:
        series = run.series
        if series is None:
            continue
        for i, time_ps in enumerate(series.times_ps):
            rows.append(
                [
                    run.seed, run.temperature_k, time_ps,
                    series.intact[i] if series.intact else None,
                    series.converted_nm[i] if series.converted_nm else None,
                    series.energy_released_ev_per_formula[i], series.length_angstrom[i],
                    series.metal_lithium[i],
                    *(series.bonds[name][i] if name in series.bonds else 0 for name in bonds),
                ]
            )  # fmt: skip
    return csv_text(columns, rows)


FIGURES: dict[str, Callable[..., Made | None]] = {
    "over-time": time_figure,
    "growth": growth_figure,
    "depth": depth_figure,
    "snapshots": snapshot_figure,
    "trust": trust_figure,
}
TITLES = {
    "over-time": "Reaction over time",
    "growth": "Reacted thickness over time",
    "depth": "Composition over depth",
    "snapshots": "Atoms over time",
    "trust": "Errors on frames of the runs",
}
CAPTIONS = {
    "over-time": "Each line is one run. Energies are per formula unit, relaxed start and heat of "
    "vibration taken off; dashed is what thermodynamics releases.",
    "growth": "Interphase per interface (lines: neither intact electrolyte nor metal), electrolyte "
    "broken (dotted), and layers of polyanions by depth and the time at which all of a layer were "
    "broken (points); black: both laws, fitted to all runs.",
    "depth": "Atoms of each element along the normal, at the start and at the end of the first "
    "run; shaded: centres with all their ligands.",
    "snapshots": "Atoms of the first run seen along the second in-plane axis; lines are bonds "
    "other than those of Li.",
    "trust": "Errors of the potential against its teacher on frames of these runs; shaded is what "
    "is allowed.",
}
CSV: dict[str, Callable[[ReactivityRecord], str]] = {"over-time": _series_csv}


def unicode_pair(record: ReactivityRecord) -> str:
    """The pair for places that know no markup."""
    return with_subscript_characters(_pair(record))


def last_intact(record: ReactivityRecord) -> float | None:
    """Mean share of intact polyanions at the end."""
    found = [run.series.intact[-1] for run in record.runs if run.series and run.series.intact]
    return float(np.mean(found)) if found else None
