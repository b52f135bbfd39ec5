"""Air and moisture: products with water and carbon dioxide, toxic gases."""

from __future__ import annotations

from interlith.analysis.atmosphere import AirReaction, AtmosphereRecord, GasRelease
from interlith.analysis.study_results import StudyResults
from interlith.report.commands import made_from_hull
from interlith.report.elements import (
    Content,
    Html,
    bullets,
    formula,
    formulas,
    milli,
    number,
    part,
    table,
    tag,
    wide,
)


def air(results: StudyResults) -> Html:
    """Answer what air does."""
    parts = [_atmosphere(record) for record in results.atmosphere]
    made_by = made_from_hull(results, None) if results.atmosphere else None
    shown = parts or [tag("p", "Not assessed.")]
    note = tag("p", made_by, class_="soft") if made_by else None
    return part("air", "Air and moisture", *shown, note)


def _atmosphere(record: AtmosphereRecord) -> Html:
    at = record.conditions
    where = (
        "gases as the reference set has them, at 0 K"
        if at is None
        else f"298 K, H₂O {at.water_bar:g} bar, CO₂ {at.carbon_dioxide_bar:g} bar, released "
        f"gases {at.released_bar:g} bar"
    )
    _, status = record.judged_gases()
    none = "not known, see below" if status == "no_answer" else "none found"
    gases = formulas(record.toxic_gases) if record.toxic_gases else Html(none)
    after = record.toxic_gases_after_lithium
    lines: list[Content] = [["Toxic gases expected in moist air: ", tag("strong", gases)]]
    if after:
        lines.append(["From what it becomes on Li metal: ", tag("strong", formulas(after))])
    if record.reason:
        lines.append(["No full answer: ", formula(record.reason)])
    closed = [
        _air_row("water", record.water),
        _air_row("carbon dioxide", record.carbon_dioxide),
        _air_row("carbon dioxide, carbonates only", record.carbonation),
    ]
    releases = [_release_row(r) for r in (*record.releases, *record.releases_after_lithium)]
    columns = ("With", "Energy", "Reaction", "Toxic products")
    return Html(
        tag("h4", formula(record.formula))
        + bullets(lines)
        + table(f"Lowest-energy products; {where}", columns, closed)
        + (
            table(
                "Release of toxic gases by water; extra: cost over the best products without H₂",
                ("From", "Gas", "Energy per gas", "Extra per gas", "Expected", "Reaction"),
                releases,
            )
            if releases
            else Html("")
        )
    )


def _air_row(name: str, found: AirReaction) -> list[Content]:
    if found.status != "ok":
        return [name, "no answer", formula(found.reason or ""), "–"]
    toxic = formulas(found.toxic_gases) if found.toxic_gases else "none"
    energy = number(milli(found.energy_ev_per_atom), None, "meV/atom")
    return [name, energy, wide(formula(found.reaction or "")), toxic]


def _release_row(found: GasRelease) -> list[Content]:
    if found.status != "ok":
        return [formula(found.of), formula(found.gas), "no answer", "–", "–", found.reason or ""]
    return [
        formula(found.of),
        formula(found.gas),
        number(found.energy_ev_per_gas, None, "eV"),
        number(found.extra_ev_per_gas, None, "eV"),
        "yes" if found.expected else "no",
        wide(formula(found.reaction or "")),
    ]
