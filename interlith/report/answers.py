"""The short answer to each question, in plain words, with the uncertainty of every number."""

from __future__ import annotations

from interlith.analysis.study_results import Interface, StudyResults
from interlith.formatting import two_digits
from interlith.report.elements import Content, Html, formula, formulas, markup, milli, number, tag
from interlith.report.reactivity import short_answer
from interlith.report.readings import (
    cathode_range,
    contacts,
    electrolyte_of,
    limits,
    number_failed,
    stable_between,
)

MOST_NAMED = 8
STAGE_MD = "md: {potential: 7net-0, temperatures_k: [500, 600, 700, 800], time_ps: 50}"


def stable(results: StudyResults) -> list[Content]:
    """Whether the electrolyte is stable, against both electrodes."""
    electrolyte, cathode = electrolyte_of(results), cathode_range(results)
    if electrolyte is None or electrolyte.window is None:
        return ["No window: the electrolyte has no answer; the reason is below."]
    window = electrolyte.window
    low, high = limits(window)
    name = formula(window.formula)
    first: list[Content] = [name, " neither takes up nor gives off Li between ", low, " and "]
    first += [high, " against Li/Li⁺." if window.oxidation_potential_v is not None else "."]
    if window.oxidation_potential_v is None:
        first = [name, " takes up Li below ", low, "; nothing oxidises it in the range asked for."]
    said: list[Content] = [first]
    if window.reduction_potential_v is not None and window.reduction_potential_v > 0:
        said.append("Li metal (0 V) reduces it.")
    else:
        said.append("Li metal (0 V) does not reduce it.")
    if cathode:
        a, b = cathode[1]
        verb = "is stable" if stable_between(window, a, b) else "is not stable"
        said.append([f"It {verb} over the range of ", formula(cathode[0]), f", {a:g}–{b:g} V."])
    return [_joined(said)]


def forms(results: StudyResults) -> list[Content]:
    """What each electrode and the electrolyte turn into."""
    said: list[Content] = [_contact_words(one) for one in contacts(results)]
    for record in results.reactivity:
        said += [markup(sentence) for sentence in short_answer(record)]
    return said or ["The study names no electrode, so no contact was asked about."]


def _contact_words(interface: Interface) -> Html:
    closed, found = interface.closed, interface.interphase
    pair: list[Content] = [formula(interface.a), " with ", formula(interface.b), ": "]
    if not closed.products:
        return _joined([[*pair, "no reaction."]])
    energy = number(milli(closed.energy_ev_per_atom), milli(closed.sigma_ev_per_atom), "meV/atom")
    products = formulas(p.formula for p in closed.products)
    known: list[Content] = ["; the interphase is ", found.interphase_class] if found else []
    return _joined([[*pair, "they turn into ", products, " (", energy, ")", *known, "."]])


def moves(results: StudyResults) -> list[Content]:
    """How fast Li moves in the electrolyte."""
    said: list[Content] = []
    for record in results.diffusion:
        fit, name = record.arrhenius, formula(record.formula)
        if fit is None:
            said.append(["Li in ", name, ": no activation energy. ", record.arrhenius_reason])
            continue
        line: list[Content] = ["Li moves in ", name, " with an activation energy of "]
        line.append(number(fit.activation_energy_ev, fit.sigma_ev, "eV"))
        if fit.conductivity_300k_ms_cm is not None and fit.interval95_ms_cm is not None:
            low, high = map(two_digits, fit.interval95_ms_cm)
            said_k = two_digits(fit.conductivity_300k_ms_cm)
            line.append(f"; extrapolated to 300 K it conducts {said_k} mS/cm (95 %: {low}–{high})")
        said.append([*line, "."])
    if said:
        return said
    failed = [f for f in results.failures if f.step == "diffusion"]
    if failed:
        return [["No answer: ", failed[0].reason]]
    return [["Not asked: this study ran no dynamics. Add the stage ", tag("code", STAGE_MD), "."]]


def coating(results: StudyResults) -> list[Content]:
    """Which coating passes, and which is best."""
    screen = results.coatings
    if screen is None:
        return ["No coating was screened: that takes coatings and a cathode in the study file."]
    passed = [row for row in screen.rows if row.passed]
    n_all = len(screen.rows) + len(screen.failures)
    if not passed and n_all == 1:
        return ["The one coating asked about does not pass every criterion."]
    if not passed:
        return [f"None of {n_all} coatings passes every criterion."]
    names: list[Content] = []
    for i, row in enumerate(passed[:MOST_NAMED]):
        names += [", " if i else "", formula(row.coating)]
    more = f" and {len(passed) - MOST_NAMED} more" if len(passed) > MOST_NAMED else ""
    verb = "passes" if len(passed) == 1 else "pass"
    line: list[Content] = [f"{len(passed)} of {n_all} coatings {verb} every criterion: ", *names]
    best = passed[0]
    sigmas = {(i.a, i.b): i.closed.sigma_ev_per_atom for i in results.interfaces}
    with_electrolyte = number(
        milli(best.reaction_electrolyte_ev_per_atom),
        milli(sigmas.get((best.coating, screen.electrolyte))),
        "meV/atom",
    )
    with_cathode = number(
        milli(best.reaction_cathode_ev_per_atom),
        milli(sigmas.get((best.coating, screen.cathode))),
        "meV/atom",
    )
    return [
        [*line, more, "."],
        [
            "First by rank is ", formula(best.coating), ": ", with_electrolyte, " with ",
            formula(screen.electrolyte), ", ", with_cathode, " with ", formula(screen.cathode),
            ".",
        ],
    ]  # fmt: skip


def sure(results: StudyResults) -> list[Content]:
    """How far the numbers may be trusted."""
    stated = [
        c.window.sigma.oxidation_v
        for c in results.components
        if c.window is not None and c.window.sigma is not None and c.window.sigma.oxidation_v
    ]
    said: list[Content] = []
    if stated:
        said.append(
            f"The ± are standard uncertainties from the reference energies: up to "
            f"{max(stated):.2g} V on an oxidation limit."
        )
    else:
        said.append("The reference set states no uncertainty, so no ± is printed.")
    lacking = sum(
        bool(c.window is not None and c.window.missing_phases) for c in results.components
    )
    if lacking:
        said.append(
            f"For {lacking} of {len(results.components)} materials the set lacks phases known to "
            "be stable: their answers are bounds."
        )
    failed = number_failed(results)
    parts = "part" if failed == 1 else "parts"
    link = tag("a", f"{failed} {parts} gave no answer", href="#failed")
    said.append([link, "."] if failed else "Every part of the study gave an answer.")
    return [_joined(said)]


QUESTIONS = (
    ("stable", "Is it stable?", stable),
    ("forms", "What forms?", forms),
    ("moves", "Does Li still move?", moves),
    ("coating", "Which coating?", coating),
    ("sure", "How sure are we?", sure),
)
"""Name, title and answer of each section, in the order of the page."""


def summary(results: StudyResults) -> Html:
    """Every answer at a glance, each with its question as a link."""
    pairs = [
        Html(
            tag("dt", tag("a", title, href=f"#{name}"))
            + tag("dd", [tag("p", line) for line in answer(results)])
        )
        for name, title, answer in QUESTIONS
    ]
    heading = tag("h2", "In short", id="short-title")
    return tag("section", heading, tag("dl", pairs), class_="lead", aria_labelledby="short-title")


def _joined(sentences: list[Content]) -> Html:
    return Html(" ".join(markup(sentence) for sentence in sentences))
