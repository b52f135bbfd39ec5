"""Which coating? Counts, plot, and a table with every criterion."""

from __future__ import annotations

from interlith.analysis.coatings import CoatingRow, ScreenRecord
from interlith.analysis.study_results import StudyResults
from interlith.report.commands import made_from_hull, screen_command
from interlith.report.elements import (
    MOST_ROWS,
    Content,
    Html,
    bullets,
    figure,
    formula,
    left_out,
    markup,
    middle,
    milli,
    number,
    table,
    tag,
    verdict,
)
from interlith.report.pareto import coating_plot

CRITERIA_WORDS = {
    "phase_stability": "phase stability",
    "phase_stability_unknown": "not in the set, stability not known",
    "window": "window",
    "electrolyte": "reaction with electrolyte",
    "cathode": "reaction with cathode",
    "anode": "reaction with anode",
}


def coatings(results: StudyResults) -> Html:
    """Answer which coating: counts, plot, table with every criterion."""
    screen = results.coatings
    if screen is None:
        return tag("p", "No coating was screened.")
    limit = 1000 * screen.criteria.max_reaction_ev_per_atom
    low, high = screen.criteria.voltage_range_v
    above = 1000 * screen.criteria.max_energy_above_hull_ev_per_atom
    rules = (
        f"A coating passes if its energy above hull is at most {above:g} meV/atom, its window "
        f"covers {low:g}–{high:g} V vs Li/Li⁺, and each reaction releases at most {limit:g} "
        "meV/atom. These are conventions, set in the study file, not laws."
    )
    counts: list[list[Content]] = [
        [CRITERIA_WORDS.get(count.step, count.step), str(count.left)] for count in screen.counts
    ]
    failures = [[formula(f.coating), f": {f.reason}"] for f in screen.failures]
    return markup(
        [
            tag("p", rules),
            table("Candidates left after each step", ("Step", "Left"), counts),
            figure(
                coating_plot(screen),
                "Energy released at the strongest mixture with either neighbour, meV per atom; "
                "upper right is best. A filled marker passes every criterion of the table, a "
                "hollow one fails at least one; green: both reactions within the limit. "
                "Uncertainties of these energies stand with each reaction under What forms?",
                made_from_hull(results, screen_command(results)),
            ),
            _coating_table(screen),
            [tag("h3", "Could not be judged"), bullets(failures)] if failures else None,
        ]
    )


def _coating_table(screen: ScreenRecord) -> Html:
    with_anode = screen.anode is not None
    columns: list[Content] = [
        "Coating", "Front", "Verdict", "Class", "Li (atomic)", "Energy above hull",
        "Window", ["With ", formula(screen.electrolyte)],
        ["With ", formula(screen.cathode)],
    ]  # fmt: skip
    if with_anode:
        columns.append(["With ", formula(screen.anode or "")])
    caption = (
        "Every criterion with its outcome. Front 1: no other candidate is better in every "
        f"ranked criterion ({'; '.join(screen.rank_criteria)})."
    )
    rows = [_coating_row(row, with_anode) for row in screen.rows[:MOST_ROWS]]
    return table([caption, left_out(screen.rows)], [*columns, "Flags"], rows)


def _coating_row(row: CoatingRow, with_anode: bool) -> list[Content]:
    def judged(step: str, value: Html) -> Html:
        if step not in row.passes:
            return value
        return middle([value, " ", verdict(row.passes[step])])

    def energy(value: float | None) -> Html:
        return number(milli(value), None, "meV/atom")

    oxidation = row.oxidation_potential_v
    end = "no limit" if oxidation is None else number(oxidation, None, "V")
    cells: list[Content] = [
        formula(row.coating),
        str(row.rank),
        verdict(row.passed),
        row.coating_class,
        number(100 * row.li_fraction, None, "%"),
        judged("phase_stability", energy(row.energy_above_hull_ev_per_atom)),
        judged("window", Html(f"{number(row.reduction_potential_v, None, 'V')} to {end}")),
        judged("electrolyte", energy(row.reaction_electrolyte_ev_per_atom)),
        judged("cathode", energy(row.reaction_cathode_ev_per_atom)),
    ]
    if with_anode:
        cells.append(judged("anode", energy(row.reaction_anode_ev_per_atom)))
    return [*cells, "; ".join(row.flags) or "–"]
