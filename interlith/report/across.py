"""Does Li cross? Diffusion region by region, and what an interface resists, where it was asked."""

from __future__ import annotations

from collections.abc import Sequence

from interlith.analysis.crossing_records import (
    CrossingRun,
    PlaneCrossing,
    RegionTransport,
    Resistance,
)
from interlith.analysis.diffusion_results import DiffusionRecord
from interlith.analysis.regional_results import RegionalRun
from interlith.analysis.study_results import StudyResults
from interlith.formatting import two_digits
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
from interlith.report.regional import regional_figure
from interlith.report.svg import drawing_style, to_drawing
from interlith.report.tables import csv_text


def across(results: StudyResults) -> Html:
    """Regions and crossings of every record that has them; nothing without."""
    return markup(
        [
            part(
                f"across-{place}",
                [formula(record.formula), ", region by region"],
                *_regions(record, place),
                *(piece for run in record.crossings for piece in _crossing(run)),
            )
            for place, record in enumerate(results.diffusion)
            if record.regions or record.crossings
        ]
    )


def _regions(record: DiffusionRecord, place: int) -> list[Content]:
    shown = [run for run in record.regions if any(r.self_diffusivity_cm2_s for r in run.rows)]
    drawing = None
    if shown:
        with drawing_style():
            drawn, alt = regional_figure(shown)
            title = "Diffusion region by region"
            drawing = to_drawing(drawn, f"regions-{place}", title, alt, _csv(shown))
    rows: list[list[Content]] = [
        [
            f"{run.temperature_k:g} K",
            row.region,
            _diffusivity(row.self_diffusivity_cm2_s, row.sigma_cm2_s),
            _diffusivity(row.normal_diffusivity_cm2_s, row.normal_sigma_cm2_s),
            number(row.mean_mobile_atoms),
            "; ".join(reason for reason in (row.reason, row.normal_reason) if reason),
        ]
        for run in record.regions
        for row in run.rows
    ]
    columns = ("Run", "Region or depth", "In the plane", "Across", "Li in it", "No answer because")
    caption = "Diffusivity (cm²/s) by region or depth, with its standard uncertainty."
    how = made(None, potential_engine(record.potential))
    return [figure(drawing, caption, how), table("Regions", columns, rows) if rows else None]


def _diffusivity(value: float | None, sigma: float | None) -> Content:
    return "no answer" if value is None else number(value, sigma, "cm²/s")


def _csv(runs: Sequence[RegionalRun]) -> str:
    names = (
        "region", "status", "self_diffusivity_cm2_s", "sigma_cm2_s", "normal_diffusivity_cm2_s",
        "normal_sigma_cm2_s", "mean_mobile_atoms",
    )  # fmt: skip
    rows = [
        [run.temperature_k, run.by, *(getattr(row, name) for name in names)]
        for run in runs
        for row in run.rows
    ]
    return csv_text(("temperature_k", "by", *names), rows)


def _crossing(run: CrossingRun) -> list[Content]:
    at = f"at {run.temperature_k:g} K"
    layers = ("Region", "Li in it", "Stay", "Conducts in the plane", "Across", "Resistance")
    planes = ("Plane", "Up", "Down", "Came straight back", "Exchange current", "Resistance")
    return [
        table(f"Regions on the way {at}", layers, [_layer(one) for one in run.regions]),
        table(
            f"Crossings {at}, at least {run.margin_angstrom:g} Å deep: {run.rule}",
            planes,
            [_plane(one) for one in run.planes],
        ),
        tag("p", "Once through the cell: ", *_resistance(run.total), "."),
        bullets(run.notes),
    ]


def _layer(one: RegionTransport) -> list[Content]:
    return [
        one.region,
        number(one.mean_mobile_atoms),
        _between(one.stay.mean_ps, one.stay.interval95_ps, "ps") or one.stay.reason,
        number(one.conductivity_in_plane_ms_cm, one.conductivity_in_plane_sigma_ms_cm, "mS/cm"),
        number(one.conductivity_across_ms_cm, one.conductivity_across_sigma_ms_cm, "mS/cm"),
        "conducts electrons" if one.metallic else _resistance(one.resistance),
    ]


def _plane(one: PlaneCrossing) -> list[Content]:
    back = one.recrossed_fraction
    return [
        f"{one.below} | {one.above}",
        str(one.upward.events),
        str(one.downward.events),
        "" if back is None else number(100 * back, None, "%"),
        number(one.exchange_current_ma_cm2, None, "mA/cm²"),
        _resistance(one.resistance),
    ]


def _resistance(one: Resistance) -> list[Content]:
    if one.ohm_cm2 is not None and one.interval95_ohm_cm2 is not None:
        return [_between(one.ohm_cm2, one.interval95_ohm_cm2, "Ω cm²")]
    least = one.at_least_ohm_cm2
    bound = "" if least is None else f"; at least {two_digits(least)} Ω cm²"
    return [one.reason or "no answer", bound]


def _between(value: float | None, interval: tuple[float, float | None], unit: str) -> Html:
    """A value with the interval that holds 95 %."""
    if value is None:
        return Html("")
    low, high = interval
    top = "any" if high is None else two_digits(high)
    return Html(
        number(value, None, unit, text=f"{two_digits(value)} {unit}")
        + f" (95 %: {two_digits(low)} to {top})"
    )
