"""What a reader needs to judge the numbers: summary, uncertainty, failures, provenance, data."""

from __future__ import annotations

import json

from interlith.analysis.reactions import ReactionRecord
from interlith.analysis.study_results import StudyResults
from interlith.analysis.windows import WindowRecord
from interlith.records import ReferenceIdentity, Shift
from interlith.report.elements import (
    Content,
    Html,
    bullets,
    csv_text,
    download,
    facts,
    formula,
    formulas,
    markup,
    milli,
    number,
    section,
    tag,
)
from interlith.report.readings import cathode_range, electrolyte_of, limits, stable_between

RANGE_OF_METHOD = (
    "Not in any stated uncertainty: everything is equilibrium thermodynamics of bulk phases near "
    "0 K. Slow kinetics can widen a window in practice; amorphous phases, entropy and phases "
    "missing from the reference set can shift it."
)


def summary(results: StudyResults) -> Html:
    """Answers in a few lines."""
    lines: list[Content] = []
    cathode, electrolyte = cathode_range(results), electrolyte_of(results)
    if electrolyte is not None and electrolyte.window is not None:
        window = electrolyte.window
        low, high = limits(window)
        line: list[str | None] = [formula(window.formula), " is stable from ", low, " to ", high]
        if cathode:
            verb = "covers" if stable_between(window, *cathode[1]) else "does not cover"
            a, b = cathode[1]
            line += [f"; that {verb} the range of ", formula(cathode[0]), f", {a:g}–{b:g} V"]
        lines.append([*line, "."])
    for interface in results.interfaces:
        if "coating" in (interface.role_a, interface.role_b):
            continue
        closed, found = interface.closed, interface.interphase
        energy = number(
            milli(closed.energy_ev_per_atom), milli(closed.sigma_ev_per_atom), "meV/atom"
        )
        pair = [formula(interface.a), " | ", formula(interface.b), ": "]
        products = formulas(p.formula for p in closed.products)
        known = ["; interphase ", found.interphase_class] if found else []
        told = [energy, " to ", products] if closed.products else ["no reaction"]
        lines.append([*pair, *told, *known, "."])
    if results.coatings is not None:
        passed = [row.coating for row in results.coatings.rows if all(row.passes.values())]
        n_all = len(results.coatings.rows) + len(results.coatings.failures)
        named: list[str | None] = [": " if passed else ""]
        for i, coating in enumerate(passed[:8]):
            named += [", " if i else "", formula(coating)]
        more = f" and {len(passed) - 8} more" if len(passed) > 8 else ""
        lines.append([f"{len(passed)} of {n_all} coatings pass every criterion", *named, more, "."])
    failed = _number_failed(results)
    lines.append(
        tag("a", f"{failed} part{'s' if failed > 1 else ''} gave no answer.", href="#failed")
        if failed
        else "Every part of the study gave an answer."
    )
    heading = tag("h2", "In short", id="short-title")
    return tag("section", heading, bullets(lines), class_="lead", aria_labelledby="short-title")


def _number_failed(results: StudyResults) -> int:
    return len(results.failures) + (len(results.coatings.failures) if results.coatings else 0)


def certainty(results: StudyResults) -> Html:
    """Say how sure we are: uncertainty, reference energies, reservations."""
    stated = any(c.window is not None and c.window.sigma is not None for c in results.components)
    sampled = (
        "The ± values are standard uncertainties: the energies of the reference set were drawn "
        "anew from their stated errors, shared corrections together, and the same question "
        "asked each time. They hold what the set states about itself and nothing else."
        if stated
        else "No ± is printed: the reference set states no uncertainty of its energies. That "
        "does not make them exact. Two digits after the point of a voltage are printed so that "
        "studies can be compared."
    )
    noted = [
        [formula(c.formula), ": ", formula(c.window.reason)]
        for c in results.components
        if c.window is not None and c.window.status != "ok" and c.window.reason
    ]
    return section(
        "sure",
        "How sure are we?",
        tag("p", sampled),
        tag("p", RANGE_OF_METHOD),
        tag("h3", "Reference energies"),
        _reference(results.reference),
        _gaps(results),
        [tag("h3", "Answers with a reservation"), bullets(noted)] if noted else None,
    )


def _gaps(results: StudyResults) -> list[Content] | None:
    """Known phases that the set lacks, by material and by contact."""
    lines: list[Content] = []
    for component in results.components:
        if component.window is not None and component.window.missing_phases:
            lines.append([formula(component.formula), ": ", _names(component.window)])
    for interface in results.interfaces:
        if interface.closed.missing_phases:
            pair = [formula(interface.a), " | ", formula(interface.b), ": "]
            lines.append([*pair, _names(interface.closed)])
    if not lines:
        return None
    told = (
        "Phases known to be stable in the chemistry of an answer that the reference set does not "
        "hold. An answer in which such a phase would form is a bound, not a prediction."
    )
    return [tag("h3", "Missing phases"), tag("p", told), bullets(lines)]


def _names(record: WindowRecord | ReactionRecord, shown: int = 12) -> Html:
    listed = Html(", ".join(formula(f) for f in record.missing_phases[:shown]))
    left = len(record.missing_phases) - shown
    return Html(f"{listed} and {left} more") if left > 0 else listed


def _reference(reference: ReferenceIdentity) -> Html:
    excluded = Html(", ".join(formula(f) for f in reference.excluded)) or "none"
    shifts = bullets(_shift(shift) for shift in reference.shifts) or "none"
    return facts(
        [
            ("Name", reference.name),
            ("SHA-256", tag("code", reference.sha256)),
            ("Correction scheme", reference.scheme),
            ("Phases", str(reference.n_phases)),
            ("Excluded phases", excluded),
            ("Shifts", shifts),
            ("Notes and flags", bullets(reference.notes) or "none"),
        ]
    )


def _shift(shift: Shift) -> Html:
    text = f"{shift.element}: {shift.ev_per_atom:+g} eV per atom".replace("-", "−")
    parts = [tag("span", text)]
    if shift.without:
        parts.append(Html(f", compounds without {', '.join(map(formula, shift.without))}"))
    if shift.excepted:
        parts.append(Html(f", except {', '.join(map(formula, shift.excepted))}"))
    return Html("".join(parts))


def failures(results: StudyResults) -> Html:
    """What failed, by reason; said also if nothing did."""
    found = [(f.subject, f.step, f.reason) for f in results.failures]
    if results.coatings is not None:
        found += [(f.coating, "coating screen", f.reason) for f in results.coatings.failures]
    by_reason: dict[str, list[Html]] = {}
    for subject, step, reason in found:
        named = Html(f"{tag('strong', formula(subject))} ({markup(step)})")
        by_reason.setdefault(reason, []).append(named)
    lines = [[Html(", ".join(names)), f": {reason}"] for reason, names in by_reason.items()]
    return section("failed", "What failed", bullets(lines) or tag("p", "Nothing failed."))


def origin(results: StudyResults) -> Html:
    """Where the numbers come from."""
    made = results.provenance
    versions = ", ".join(f"{name} {version}" for name, version in made.versions.items())
    study = json.dumps(results.study, indent=1, ensure_ascii=False)
    return section(
        "origin",
        "Where it comes from",
        facts(
            [
                ("Made", tag("time", made.created, datetime=made.created)),
                ("Software", versions),
                ("Python", f"{made.python} on {made.machine}"),
                ("Seed", "none" if made.seed is None else str(made.seed)),
                ("Wall time", number(made.wall_time_s, None, "s")),
                ("Record", f"schema version {results.schema_version}"),
            ]
        ),
        tag("h3", "The study as it was read"),
        tag("pre", study, class_="scroll", tabindex="0"),
    )


def data(results: StudyResults) -> Html:
    """The numbers to take along."""
    links: list[Content] = [
        [_results_link(results), " – everything, full precision"],
        [download(_windows_csv(results), "windows.csv", "text/csv"), " – stability windows"],
        [download(_ladder_csv(results), "ladders.csv", "text/csv"), " – decomposition steps"],
        [download(_reactions_csv(results), "reactions.csv", "text/csv"), " – interface reactions"],
    ]
    if results.coatings is not None:
        text = _coatings_csv(results)
        links.append([download(text, "coatings.csv", "text/csv"), " – coating screen"])
    return section("data", "Take the data", tag("div", bullets(links), class_="downloads"))


def _results_link(results: StudyResults) -> Html:
    text = json.dumps(results.to_json(), ensure_ascii=False, allow_nan=False)
    return download(text, "results.json", "application/json")


def _windows_csv(results: StudyResults) -> str:
    columns = (
        "role", "formula", "reduction_potential_v", "sigma_reduction_v", "oxidation_potential_v",
        "sigma_oxidation_v", "energy_above_hull_ev_per_atom", "reason",
    )  # fmt: skip
    rows: list[list[object]] = []
    for c in results.components:
        w = c.window
        if w is None:
            rows.append([c.role, c.formula, *[None] * 5, c.reason])
            continue
        reduction = w.sigma.reduction_v if w.sigma else None
        oxidation = w.sigma.oxidation_v if w.sigma else None
        above = w.energy_above_hull_ev_per_atom
        rows.append(
            [c.role, c.formula, w.reduction_potential_v, reduction, w.oxidation_potential_v,
             oxidation, above, w.reason]
        )  # fmt: skip
    return csv_text(columns, rows)


def _ladder_csv(results: StudyResults) -> str:
    rows = [
        [c.formula, s.voltage_v, s.direction, s.li_change_per_formula, s.reaction]
        for c in results.components
        if c.window is not None
        for s in c.window.ladder
    ]
    columns = ("formula", "voltage_v", "direction", "li_change_per_formula", "reaction")
    return csv_text(columns, rows)


def _reactions_csv(results: StudyResults) -> str:
    rows: list[list[object]] = []
    for i in results.interfaces:
        c = i.closed
        rows.append(
            [i.a, i.b, "closed", None, c.energy_ev_per_atom, c.mixing_fraction_a, c.reaction]
        )
        rows += [
            [i.a, i.b, "open", o.voltage_v, o.energy_ev_per_atom, o.mixing_fraction_a, o.reaction]
            for o in i.open
        ]
    columns = (
        "a", "b", "mode", "voltage_v", "energy_ev_per_atom", "mixing_fraction_a", "reaction",
    )  # fmt: skip
    return csv_text(columns, rows)


def _coatings_csv(results: StudyResults) -> str:
    screen = results.coatings
    if screen is None:
        return ""
    dumped = [row.to_json() for row in screen.rows]
    columns = [key for key in (dumped[0] if dumped else {}) if key not in ("passes", "flags")]
    steps = list(screen.rows[0].passes) if screen.rows else []
    rows: list[list[object]] = [
        [
            *(row[key] for key in columns),
            *(row["passes"][step] for step in steps),
            "; ".join(row["flags"]),
        ]
        for row in dumped
    ]
    return csv_text([*columns, *(f"passes_{step}" for step in steps), "flags"], rows)
