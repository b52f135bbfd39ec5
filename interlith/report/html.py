"""The report of a study: one HTML file that needs nothing else.

No network, no scripts, no fonts of its own; light, dark and print. Sections are questions.

>>> from interlith.report.html import render
>>> page = render(results)  # doctest: +SKIP
>>> page.startswith("<!DOCTYPE html>")  # doctest: +SKIP
True
"""

from __future__ import annotations

from importlib.resources import files

from interlith.analysis.study_results import StudyResults
from interlith.report import trust
from interlith.report.air import air
from interlith.report.built import built
from interlith.report.dft import dft
from interlith.report.elements import Html, formula, markup, tag
from interlith.report.formation import formation
from interlith.report.insertion import hops, insertion
from interlith.report.screening import coatings
from interlith.report.stability import stability
from interlith.report.transport import transport

NAVIGATION = (
    ("stable", "Is it stable?"),
    ("forms", "What forms?"),
    ("inserts", "How much Li goes in?"),
    ("moves", "Does Li still move?"),
    ("hops", "Single hops"),
    ("coating", "Which coating?"),
    ("dft", "What does DFT add?"),
    ("built", "What was built?"),
    ("air", "Air and moisture"),
    ("sure", "How sure are we?"),
    ("failed", "What failed"),
    ("origin", "Where it comes from"),
    ("data", "Take the data"),
)


def render(results: StudyResults) -> str:
    """Write the whole page.

    Parameters
    ----------
    results : StudyResults
        The same results give the same text, byte for byte.

    Returns
    -------
    str
        HTML below 1 MB: long tables are cut (the page says so), large data are packed.
    """
    main = tag(
        "main",
        trust.summary(results),
        stability(results),
        formation(results),
        insertion(results),
        transport(results),
        hops(results),
        coatings(results),
        dft(results),
        built(results),
        air(results),
        trust.certainty(results),
        trust.failures(results),
        trust.origin(results),
        trust.data(results),
        id="content",
    )
    style = files("interlith.report").joinpath("page.css").read_text(encoding="utf-8")
    head = (
        '<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        + tag("title", f"{results.name}: interface report")
        + f"\n<style>\n{style}</style>"
    )
    asked = {
        "built": results.structures,
        "moves": results.diffusion,
        "inserts": results.topotactic,
        "hops": results.barriers,
        "dft": results.dft,
    }
    links = [
        tag("li", tag("a", title, href=f"#{name}"))
        for name, title in NAVIGATION
        if asked.get(name, True)
    ]
    body = "\n".join(
        (
            tag("a", "Skip to the answers", href="#content", class_="skip"),
            _header(results),
            tag("nav", tag("ul", links), aria_label="Sections"),
            main,
            tag("footer", tag("p", _signature(results), class_="soft")),
        )
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n'
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _header(results: StudyResults) -> Html:
    order = ("anode", "electrolyte", "cathode")
    stack = [c.formula for role in order for c in results.components if c.role == role]
    line = Html(" | ".join(formula(material) for material in stack))
    coatings = [formula(c.formula) for c in results.components if c.role == "coating"]
    more = Html(f"; coatings: {', '.join(coatings)}") if coatings else None
    identity = results.reference
    energies = (
        f"Reference energies: {identity.name}, scheme {identity.scheme}, "
        f"SHA-256 {identity.sha256[:12]}"
    )
    return tag(
        "header",
        tag("h1", f"Interface report: {results.name}"),
        tag("p", tag("strong", line), more),
        tag("p", energies, class_="soft"),
    )


def _signature(results: StudyResults) -> Html:
    version = results.provenance.versions.get("interlith", "")
    return markup(["Made by interlith ", version, ", ", results.provenance.created, "."])
