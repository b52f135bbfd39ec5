"""What a reader needs to judge the numbers: uncertainty, failures, provenance, data."""

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
    download,
    facts,
    formula,
    markup,
    number,
    part,
    tag,
)
from interlith.report.tables import data_files

RANGE_OF_METHOD = (
    "Not in any stated uncertainty: everything is equilibrium thermodynamics of bulk phases near "
    "0 K. Slow kinetics can widen a window in practice; amorphous phases, entropy and phases "
    "missing from the reference set can shift it."
)


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
    ] + [
        [formula(i.a), " | ", formula(i.b), ": ", formula(i.closed.reason)]
        for i in results.interfaces
        if i.closed.reason
    ]
    return markup(
        [
            tag("p", sampled),
            tag("p", RANGE_OF_METHOD),
            part("reference", "Reference energies", _reference(results.reference)),
            _gaps(results),
            part("noted", "Answers with a reservation", bullets(noted)) if noted else None,
        ]
    )


def _gaps(results: StudyResults) -> Html | None:
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
        "Phases known or planned in the chemistry of an answer that the reference set does not "
        "hold. An answer in which such a phase would form is a bound, not a prediction."
    )
    return part("missing", "Missing phases", tag("p", told), bullets(lines))


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
    return part("failed", "What failed", bullets(lines) or tag("p", "Nothing failed."))


def origin(results: StudyResults) -> Html:
    """Where the numbers come from."""
    made = results.provenance
    versions = ", ".join(f"{name} {version}" for name, version in made.versions.items())
    study = json.dumps(results.study, indent=1, ensure_ascii=False)
    return part(
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
        tag("h4", "The study as it was read"),
        tag("pre", study, class_="scroll", tabindex="0", role="region", aria_label="The study"),
    )


def data(results: StudyResults) -> Html:
    """The numbers to take along."""
    links: list[Content] = [[_results_link(results), " – everything, full precision"]]
    links += [
        [download(text, name, "text/csv"), f" – {words}"]
        for name, (text, words) in data_files(results).items()
    ]
    listed = tag("div", bullets(links), class_="downloads")
    files = tag(
        "p", "The study's folder holds the same, and every figure as SVG, PNG and CSV, in data/ "
        "and figures/."
    )  # fmt: skip
    return part("data", "Take the data", listed, files)


def _results_link(results: StudyResults) -> Html:
    text = json.dumps(results.to_json(), ensure_ascii=False, allow_nan=False)
    return download(text, "results.json", "application/json")
