"""How much Li does the framework take? Topotactic limits and single hops, where they were asked."""

from __future__ import annotations

from interlith.analysis.insertion_voltages import CalculatedTopotactic
from interlith.analysis.study_results import StudyResults
from interlith.report.barriers import barriers
from interlith.report.elements import Content, Html, bullets, formula, number, part, table, tag

COLUMNS = ("Content", "Average voltage", "Step voltage", "Spread of arrangements", "Framework")


def insertion(results: StudyResults) -> Html:
    """Answer how much Li goes in and out; nothing where the study did not ask."""
    if not results.topotactic:
        return Html("")
    parts = [piece for record in results.topotactic for piece in _one(record)]
    return part("inserts", "How much Li does the framework take?", *parts)


def hops(results: StudyResults) -> Html:
    """Answer how hard single hops are; nothing where the study did not ask."""
    if not results.barriers:
        return Html("")
    return part("hops", "Single hops", *barriers(results))


def _one(record: CalculatedTopotactic) -> list[Content]:
    rows: list[list[Content]] = [
        [
            formula(step.formula),
            number(step.average_voltage_v, None, "V"),
            number(step.step_voltage_v, None, "V"),
            number(step.arrangement_spread_ev_per_formula, None, "eV"),
            "intact" if step.intact else step.framework.words(),
        ]
        for step in record.steps
    ]
    lines: list[Content] = [
        [
            "Topotactic limits against Li/Li+: ",
            number(record.reduction_potential_v, None, "V"),
            " to ",
            number(record.oxidation_potential_v, None, "V"),
        ]
    ]
    lines += [f"{record.status}: {record.reason}"] if record.reason else []
    return [
        tag("h4", formula(record.formula), f", {record.potential['name']}"),
        bullets([*lines, record.uncertainty]),
        table("Contents with the framework kept, by relaxation", COLUMNS, rows),
    ]
