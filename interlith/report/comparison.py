"""Several studies side by side on one page: the same five questions, a row for each study.

>>> page = compare_page({"a": first, "b": second})  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping

from interlith.analysis.study_results import Interface, StudyResults
from interlith.formatting import two_digits
from interlith.report.commands import potential_engine
from interlith.report.comparison_figures import arrhenius_lines, electrolyte_bars, reaction_bars
from interlith.report.elements import (
    Content,
    Html,
    answer,
    download,
    figure,
    formula,
    formulas,
    gathering,
    middle,
    milli,
    number,
    part,
    section,
    table,
    tag,
    verdict,
)
from interlith.report.figures import CathodeRange
from interlith.report.html import Report, contents, document
from interlith.report.readings import (
    cathode_range,
    contacts,
    electrolyte_of,
    limits,
    number_failed,
    stable_between,
)
from interlith.report.tables import csv_text

Studies = Mapping[str, StudyResults]
"""Results by the label they have on the page."""
MADE = tag(
    "span",
    " Made by ",
    tag("code", "interlith compare FOLDER..."),
    " from the results.json of each study; engine: that of each study, see How sure are we?",
    class_="made",
)


def compare_page(studies: Studies, folder: str = "comparison-figures") -> Report:
    """One page over several studies, with its figures.

    Parameters
    ----------
    studies : mapping of str to StudyResults
        In the order of the rows.
    folder : str
        Where the files of its figures will be, beside the page.
    """
    with gathering(folder) as drawn:
        main = tag(
            "main",
            _warning(studies),
            section("stable", "Is it stable?", answer(_widest(studies)), *_stable(studies)),
            section("forms", "What forms?", answer(_mildest(studies)), *_forms(studies)),
            section("moves", "Does Li still move?", answer(_fastest(studies)), *_moves(studies)),
            section("coating", "Which coating?", answer(_shared(studies)), _coatings(studies)),
            section("sure", "How sure are we?", answer(_basis(studies)), *_sure(studies)),
            id="content",
        )
    names = ", ".join(studies)
    header = tag("header", tag("h1", "Comparison of studies"), tag("p", tag("strong", names)))
    footer = tag("footer", tag("p", "Made by interlith compare.", class_="soft"))
    page = document(f"Comparison: {names}", (header, contents(main), main, footer))
    return Report(page=page, figures=tuple(drawn))


def same_reference(studies: Studies) -> bool:
    """Whether every study stands on the same reference energies, treated in the same way."""
    found = {results.reference.model_dump_json(exclude={"notes"}) for results in studies.values()}
    return len(found) == 1


def overview(studies: Studies) -> list[dict[str, object]]:
    """What the tables hold, a row for each study, for ``--json`` and the CSV."""
    return [_row(name, results) for name, results in studies.items()]


def overview_csv(studies: Studies) -> str:
    """The same as comma-separated values."""
    rows = overview(studies)
    return csv_text(list(rows[0]), [list(row.values()) for row in rows])


def _row(name: str, results: StudyResults) -> dict[str, object]:
    electrolyte = electrolyte_of(results)
    window = electrolyte.window if electrolyte else None
    sigma = window.sigma if window else None
    roles = {i.role_a: i.closed for i in contacts(results)}
    fit = next((r.arrhenius for r in results.diffusion if r.arrhenius), None)
    interval = fit.interval95_ms_cm if fit else None
    screen = results.coatings
    row: dict[str, object] = {
        "study": name,
        "electrolyte": electrolyte.formula if electrolyte else None,
        "reduction_potential_v": window.reduction_potential_v if window else None,
        "sigma_reduction_v": sigma.reduction_v if sigma else None,
        "oxidation_potential_v": window.oxidation_potential_v if window else None,
        "sigma_oxidation_v": sigma.oxidation_v if sigma else None,
    }
    for role in ("anode", "cathode"):
        closed = roles.get(role)
        row[f"reaction_{role}_ev_per_atom"] = closed.energy_ev_per_atom if closed else None
        row[f"sigma_{role}_ev_per_atom"] = closed.sigma_ev_per_atom if closed else None
    return row | {
        "activation_energy_ev": fit.activation_energy_ev if fit else None,
        "sigma_activation_energy_ev": fit.sigma_ev if fit else None,
        "conductivity_300k_ms_cm": fit.conductivity_300k_ms_cm if fit else None,
        "conductivity_low95_ms_cm": interval[0] if interval else None,
        "conductivity_high95_ms_cm": interval[1] if interval else None,
        "coatings_passed": _n_passed(results) if screen else None,
        "coatings_screened": len(screen.rows) + len(screen.failures) if screen else None,
        "failures": number_failed(results),
        "reference": results.reference.name,
        "scheme": results.reference.scheme,
        "reference_sha256": results.reference.sha256,
    }


def _warning(studies: Studies) -> Html:
    if same_reference(studies):
        return Html("")
    return tag(
        "p",
        tag("strong", "These studies stand on different reference energies"),
        " (name, scheme, exclusions or shifts): thermodynamic numbers of different rows differ for "
        "that reason too. The rows are named under How sure are we?",
        class_="warn",
    )


def _widest(studies: Studies) -> Content:
    found = [
        (electrolyte.window.oxidation_potential_v - (low or 0.0), name, electrolyte)
        for name, results in studies.items()
        if (electrolyte := electrolyte_of(results)) is not None
        and electrolyte.window is not None
        and electrolyte.window.oxidation_potential_v is not None
        for low in [electrolyte.window.reduction_potential_v]
    ]
    if not found:
        return "No electrolyte has a window with two limits."
    _, name, best = max(found, key=lambda one: one[0])
    if best.window is None:
        return None
    low, high = limits(best.window)
    return ["The widest window is that of ", formula(best.formula), f" ({name}): ", low, " to ",
            high, "."]  # fmt: skip


def _stable(studies: Studies) -> list[Content]:
    rows: list[list[Content]] = []
    for name, results in studies.items():
        electrolyte, cathode = electrolyte_of(results), cathode_range(results)
        window = electrolyte.window if electrolyte else None
        if electrolyte is None or window is None:
            rows.append([name, *["–"] * 6])
            continue
        held = "–"
        if cathode:
            held = "yes" if stable_between(window, *cathode[1]) else "no"
        rows.append(
            [
                name,
                formula(electrolyte.formula),
                *limits(window),
                number(milli(window.energy_above_hull_ev_per_atom), None, "meV/atom"),
                _works(cathode),
                held,
            ]
        )
    columns = (
        "Study", "Electrolyte", "Stable from", "to", "Energy above hull", "Cathode", "Stable there",
    )  # fmt: skip
    caption = (
        "Windows of the electrolytes, V vs Li/Li⁺, energy above hull set to zero; whiskers and ± "
        "are one standard uncertainty, where the set states it."
    )
    return [figure(electrolyte_bars(studies), caption, MADE), table(caption, columns, rows)]


def _works(cathode: CathodeRange | None) -> Content:
    """A cathode and its voltages."""
    if cathode is None:
        return "–"
    low, high = cathode[1]
    return [formula(cathode[0]), f" {low:g}–{high:g} V"]


def _mildest(studies: Studies) -> Content:
    found = [
        (i.closed.energy_ev_per_atom, name, i)
        for name, results in studies.items()
        for i in contacts(results)
        if i.role_a == "anode"
    ]
    if not found:
        return "No study names an anode."
    energy, name, best = max(found, key=lambda one: one[0])
    return [
        "Against the anode ", formula(best.b), f" ({name}) reacts least: ",
        number(milli(energy), milli(best.closed.sigma_ev_per_atom), "meV/atom"), ".",
    ]  # fmt: skip


def _forms(studies: Studies) -> list[Content]:
    rows = [_contact(name, i) for name, results in studies.items() for i in contacts(results)]
    columns = ("Study", "Contact", "Energy", "Products", "Interphase", "Volume change")
    caption = "Closed reactions of the electrodes with the electrolyte at their strongest"
    drawn = figure(
        reaction_bars(studies),
        f"{caption}, meV per atom; whiskers are one standard uncertainty, where the set states it.",
        MADE,
    )
    return [drawn, table(caption, columns, rows)]


def _contact(name: str, interface: Interface) -> list[Content]:
    closed = interface.closed
    volume = closed.volume
    return [
        name,
        Html(f"{formula(interface.a)} | {formula(interface.b)}"),
        number(milli(closed.energy_ev_per_atom), milli(closed.sigma_ev_per_atom), "meV/atom"),
        middle(formulas(p.formula for p in closed.products)),
        interface.interphase.interphase_class if interface.interphase else "–",
        "–" if volume is None else number(100 * volume.relative_change, None, "%"),
    ]


def _fastest(studies: Studies) -> Content:
    found = [
        (fit.conductivity_300k_ms_cm, name, record.formula, fit.interval95_ms_cm)
        for name, results in studies.items()
        for record in results.diffusion
        if (fit := record.arrhenius) is not None
        and fit.conductivity_300k_ms_cm is not None
        and fit.interval95_ms_cm is not None
    ]
    if not found:
        return "No study has dynamics with a conductivity at 300 K."
    value, name, material, interval = max(found, key=lambda one: one[0])
    low, high = map(two_digits, interval)
    return ["Extrapolated to 300 K, ", formula(material), f" ({name}) conducts best: ",
            f"{two_digits(value)} mS/cm (95 %: {low}–{high})."]  # fmt: skip


def _moves(studies: Studies) -> list[Content]:
    rows: list[list[Content]] = []
    for name, results in studies.items():
        for record in results.diffusion:
            fit = record.arrhenius
            engine = potential_engine(record.potential)
            if fit is None:
                rows.append([name, formula(record.formula), engine, "none", "none", "–",
                             record.arrhenius_reason])  # fmt: skip
                continue
            interval = fit.interval95_ms_cm
            rows.append(
                [
                    name,
                    formula(record.formula),
                    engine,
                    number(fit.activation_energy_ev, fit.sigma_ev, "eV"),
                    _conductivity(fit.conductivity_300k_ms_cm),
                    "–" if interval is None else "–".join(map(two_digits, interval)) + " mS/cm",
                    "; ".join(fit.flags) or "–",
                ]
            )
    if not rows:
        return []
    columns = (
        "Study", "Material", "Potential", "Activation energy", "At 300 K, extrapolated", "95 %",
        "Remarks",
    )  # fmt: skip
    caption = "Li diffusion in the bulk (Nernst-Einstein)"
    words = "Self diffusivity (cm²/s) of each run with its standard uncertainty, and fitted lines."
    return [figure(arrhenius_lines(studies), words, MADE), table(caption, columns, rows)]


def _conductivity(value: float | None) -> Content:
    """Two digits: the interval beside it allows no more."""
    if value is None:
        return "none"
    return number(value, None, "mS/cm", text=f"{two_digits(value)} mS/cm")


def _passed(results: StudyResults) -> dict[str, bool]:
    rows = results.coatings.rows if results.coatings else ()
    return {row.coating: all(row.passes.values()) for row in rows}


def _n_passed(results: StudyResults) -> int:
    return sum(_passed(results).values())


def _shared(studies: Studies) -> Content:
    screened = [_passed(results) for results in studies.values() if results.coatings is not None]
    if not screened:
        return "No study screened coatings."
    everywhere = [
        coating
        for coating in screened[0]
        if all(outcome.get(coating, False) for outcome in screened)
    ]
    if not everywhere:
        return f"No coating passes in all of the {len(screened)} studies that screened any."
    named = Html(", ".join(formula(coating) for coating in everywhere[:12]))
    return ["Passing wherever coatings were screened: ", named, "."]


def _coatings(studies: Studies) -> Html:
    screened = {n: _passed(r) for n, r in studies.items() if r.coatings is not None}
    coatings = list(dict.fromkeys(c for outcome in screened.values() for c in outcome))
    if not coatings:
        return Html("")
    rows: list[list[Content]] = [
        [
            formula(coating),
            *(
                verdict(outcome[coating]) if coating in outcome else "–"
                for outcome in screened.values()
            ),
        ]
        for coating in coatings[:200]
    ]
    cut = f" (the first 200 of {len(coatings)})" if len(coatings) > 200 else ""
    caption = f"Coatings that pass every criterion of their study{cut}"
    return table(caption, ["Coating", *screened], rows)


def _basis(studies: Studies) -> Content:
    failed = sum(number_failed(results) for results in studies.values())
    same = "the same reference energies" if same_reference(studies) else "different references"
    parts = "1 part" if failed == 1 else f"{failed} parts"
    return f"The studies stand on {same}; {parts} of them gave no answer."


def _sure(studies: Studies) -> list[Content]:
    rows: list[list[Content]] = [
        [
            name,
            results.reference.name,
            results.reference.scheme,
            tag("code", results.reference.sha256[:12]),
            Html(", ".join(formula(f) for f in results.reference.excluded)) or "none",
            str(len(results.reference.shifts)),
            results.provenance.versions.get("interlith", ""),
            results.provenance.created,
            str(number_failed(results)),
        ]
        for name, results in studies.items()
    ]
    columns = (
        "Study", "Reference", "Scheme", "SHA-256", "Excluded", "Shifts", "interlith", "Made",
        "No answer",
    )  # fmt: skip
    failures: list[list[Content]] = [
        [name, failure.step, formula(failure.subject), failure.reason]
        for name, results in studies.items()
        for failure in results.failures
    ]
    link = download(overview_csv(studies), "comparison.csv", "text/csv")
    return [
        table("What each study stands on", columns, rows),
        part(
            "failed",
            "What failed",
            table("Parts without an answer", ("Study", "Step", "Subject", "Reason"), failures)
            if failures
            else tag("p", "Nothing failed."),
        ),
        part("data", "Take the data", tag("p", link, " – one row for each study")),
    ]
