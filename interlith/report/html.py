"""The report of a study: one HTML file that needs nothing else.

No network and no fonts of its own; light, dark and print; everything is said without scripts, which
only sort tables, save figures and turn structures. Sections are questions, each with its answer on
top. A new part of a section is one line in ``_sections``.

>>> from interlith.report.html import render
>>> page = render(results)  # doctest: +SKIP
>>> page.startswith("<!DOCTYPE html>")  # doctest: +SKIP
True
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from interlith.analysis.study_results import StudyResults
from interlith.report import trust
from interlith.report.across import across
from interlith.report.air import air
from interlith.report.answers import QUESTIONS, summary
from interlith.report.built import built, built_views
from interlith.report.commands import made, potential_engine
from interlith.report.dft import dft
from interlith.report.elements import (
    Content,
    Html,
    answer,
    formula,
    gathering,
    markup,
    section,
    tag,
)
from interlith.report.formation import formation
from interlith.report.insertion import hops, insertion
from interlith.report.reactivity import reactivity
from interlith.report.screening import coatings
from interlith.report.stability import stability
from interlith.report.svg import Drawing
from interlith.report.transport import transport, transport_views
from interlith.report.viewer import LIBRARY, LIBRARY_LICENCE, LIBRARY_VERSION, viewer
from interlith.report.views import View, lighter

LARGEST_BYTES = 2_900_000
"""A larger page is made again with fewer frames and stills."""


@dataclass(frozen=True)
class Report:
    """A page and the figures on it, in the order of the page."""

    page: str
    figures: tuple[Drawing, ...]


def render(results: StudyResults, views: Sequence[View] = ()) -> str:
    """Write the whole page.

    Parameters
    ----------
    results : StudyResults
        The same results and views give the same text, byte for byte.
    views : sequence of View
        Structures and trajectories to show.

    Returns
    -------
    str
        HTML below 3 MB: long tables are cut (the page says so), large data are packed.
    """
    return compose(results, views).page


def compose(results: StudyResults, views: Sequence[View] = ()) -> Report:
    """The page of :func:`render` with its figures."""
    report = _compose(results, views)
    if len(report.page.encode()) <= LARGEST_BYTES:
        return report
    return _compose(results, lighter(views))


def _compose(results: StudyResults, views: Sequence[View]) -> Report:
    with gathering() as drawn:
        main = tag("main", summary(results), _sections(results, views), id="content")
    body = (
        _header(results),
        contents(main),
        main,
        tag("footer", tag("p", _signature(results), class_="soft")),
    )
    page = document(f"{results.name}: interface report", body, with_views=bool(views))
    return Report(page=page, figures=tuple(drawn))


def _sections(results: StudyResults, views: Sequence[View]) -> list[Html]:
    """Every question with its answer and the parts that show it."""
    parts: dict[str, list[Content]] = {
        "stable": [stability(results), air(results)],
        "forms": [
            formation(results), reactivity(results), _reactive_views(results, views),
            built(results), built_views(results, views),
        ],
        "moves": [
            transport(results), across(results), transport_views(results, views),
            insertion(results), hops(results),
        ],
        "coating": [coatings(results)],
        "sure": [
            trust.certainty(results), dft(results), trust.failures(results),
            trust.origin(results), trust.data(results),
        ],
    }  # fmt: skip
    return [
        section(name, title, answer(*short(results)), *parts[name])
        for name, title, short in QUESTIONS
    ]


def _reactive_views(results: StudyResults, views: Sequence[View]) -> Html:
    """The reactive runs to play, region by region."""
    shown = [view for view in views if view.group == "reactive"]
    engines = ", ".join({potential_engine(record.potential) for record in results.reactivity})
    return viewer(
        "reactive-3d",
        shown,
        "Frames of the reactive runs, evenly chosen, wrapped into the cell (lines). Colours are "
        "the regions the atoms started in, or the elements; times are from the start of the run.",
        made(None, engines) if shown else None,
    )


def document(title: str, body: Content, with_views: bool = False) -> str:
    """A whole page from its body; scripts run only as they are here, and nothing is loaded."""
    style = _web("page.css", folder=".")
    scripts = [_web("page.js"), *((library(), _web("viewer.js")) if with_views else ())]
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; worker-src blob:; base-uri 'none'; form-action 'none'"
    )
    head = Html(
        tag("meta", charset="utf-8")
        + Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">')
        + tag("meta", name="viewport", content="width=device-width, initial-scale=1")
        + tag("title", title)
        + f"\n<style>\n{style}</style>"
    )
    skip = tag("a", "Skip to the answers", href="#content", class_="skip")
    ends = "\n".join(f"<script>{script}</script>" for script in scripts)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n'
        f"<body>\n{skip}\n{markup(body)}\n{ends}\n</body>\n</html>\n"
    )


def contents(main: Html) -> Html:
    """The list of sections and their parts, read off the headings."""
    found = re.findall(r'<h([23]) id="([^"]+)-title">(.*?)</h\1>', main)
    lines: list[tuple[Html, list[Html]]] = []
    for level, name, title in found:
        link = tag("a", Html(title), href=f"#{name}")
        if level == "2":
            lines.append((link, []))
        elif lines:
            lines[-1][1].append(tag("li", link))
    items = [
        tag("li", link, tag("ul", inner) if inner else None)
        for link, inner in lines
        if 'href="#short"' not in link
    ]
    return tag("nav", tag("ul", items), aria_label="Contents")


def library() -> str:
    """3Dmol.js with its version and licence in front, as its licence asks."""
    notice = f"3dmol v{LIBRARY_VERSION}\n{_web(LIBRARY_LICENCE)}"
    return f"/*! {notice}*/\n{_web(LIBRARY)}"


def _web(name: str, folder: str = "web") -> str:
    """A file that goes into the page as it is."""
    return files("interlith.report").joinpath(folder, name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


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
