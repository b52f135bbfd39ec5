from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from interlith.analysis.atmosphere import react_with_atmosphere
from interlith.analysis.hull import Hull
from interlith.analysis.reference_catalog import load_reference
from interlith.analysis.study_results import (
    Component,
    StudyFailure,
    StudyResults,
)
from interlith.analysis.windows import WindowSigma
from interlith.report.figures import ladder_plot, reaction_curves, spread, window_bars
from interlith.report.html import render
from interlith.report.pareto import coating_plot

VOID = {"meta", "br", "link", "img", "hr", "input"}
ATTACK = "</script><script>alert('x')</script><img src=x onerror=alert(1)>&\"$x$"


@pytest.fixture(scope="session")
def page(results: StudyResults) -> str:
    return render(results)


class Reader(HTMLParser):
    """Reads a page and keeps what the tests ask about."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.seen if name == tag]


def test_the_page_is_well_formed(page: str) -> None:
    reader = Reader(page)
    assert not reader.open
    assert [len(reader.all(tag)) for tag in ("html", "main", "header", "nav", "h1")] == [1] * 5
    assert reader.all("html")[0]["lang"] == "en"
    ids = [attributes["id"] for _, attributes in reader.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {str(a["href"])[1:] for a in reader.all("a") if str(a["href"]).startswith("#")}
    named = {n for _, a in reader.seen for n in str(a.get("aria-labelledby", "")).split()}
    assert targets | named - {""} <= set(ids)


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    reader = Reader(page)
    for _, attributes in reader.seen:
        for key, value in attributes.items():
            if key in {"src", "href", "xlink:href", "action", "srcset", "data"}:
                assert str(value).startswith(("#", "data:"))
    without_names = re.sub(r'xmlns(:xlink)?="[^"]*"', "", page)
    without_scripts = re.sub(r"<script>.*?</script>", "", without_names, flags=re.S)
    assert not re.search(r"https?://|@import|<script|<link|<iframe|<img", without_scripts)
    (policy,) = (
        str(a["content"]) for a in reader.all("meta") if "Security" in str(a.get("http-equiv"))
    )
    assert "default-src 'none'" in policy
    assert not re.search(r"script-src[^;]*(unsafe|https?:|\*)", policy)
    assert set(re.findall(r"url\(([^)]*)\)", page)) <= set(re.findall(r"url\((#[^)]*)\)", page))


def test_every_part_is_said(page: str, results: StudyResults) -> None:
    text = Reader(page).text
    for component in results.components:
        assert component.formula in text
    for interface in results.interfaces:
        assert interface.closed.reaction.replace("->", "→") in text
    assert "no such element <Xx>" in text
    assert results.reference.sha256 in text
    assert "LiP" in text.partition("Excluded phases")[2][:20]
    for word in ("pass", "fail", "passivating", "0.1.0", "1.2 s", "Xx2O", "H2S"):
        assert word in text
    assert results.coatings is not None
    for count in results.coatings.counts:
        assert re.search(rf"{count.left}\b", text)


def test_figures_have_descriptions(page: str, results: StudyResults) -> None:
    reader = Reader(page)
    pictures = reader.all("svg")
    assert len(pictures) == len(reader.all("figcaption")) == 5
    assert all(picture["role"] == "img" for picture in pictures)
    assert all(picture["aria-labelledby"] for picture in pictures)
    descriptions = re.findall(r"<desc id=[^>]*>([^<]+)</desc>", page)
    assert len(descriptions) == 5
    for component in results.components:
        assert component.formula in descriptions[0]


def test_tables_have_captions_and_scopes(page: str) -> None:
    reader = Reader(page)
    assert len(reader.all("caption")) == len(reader.all("table")) > 5
    assert all(head.get("scope") in {"col", "row"} for head in reader.all("th"))


def test_what_the_user_gave_is_escaped(results: StudyResults) -> None:
    def attacked(component: Component) -> Component:
        return component.model_copy(update={"formula": ATTACK, "reason": ATTACK})

    screen = results.coatings
    assert screen is not None
    rows = tuple(row.model_copy(update={"coating": ATTACK}) for row in screen.rows)
    page = render(
        results.model_copy(
            update={
                "name": ATTACK,
                "study": {**results.study, ATTACK: ATTACK},
                "components": tuple(attacked(c) for c in results.components),
                "interfaces": tuple(i.model_copy(update={"a": ATTACK}) for i in results.interfaces),
                "coatings": screen.model_copy(update={"rows": rows, "cathode": ATTACK}),
                "failures": (StudyFailure(step=ATTACK, subject=ATTACK, reason=ATTACK),),
            }
        )
    )
    reader = Reader(page)
    assert not reader.open
    assert [a for a in reader.all("script") if a.get("type") != "application/json"] == [{}]
    assert "onerror" not in {key for _, attributes in reader.seen for key in attributes}
    assert "<script>alert('x')</script>" in reader.text


def test_same_results_same_page(page: str, results: StudyResults) -> None:
    again = StudyResults.model_validate(json.loads(json.dumps(results.to_json())))
    assert render(again) == page


def test_nothing_but_an_electrolyte(results: StudyResults) -> None:
    bare = results.model_copy(
        update={
            "study": {"cathode": None},
            "components": results.components[:1],
            "interfaces": (),
            "coatings": None,
            "atmosphere": (),
            "failures": (),
        }
    )
    text = Reader(render(bare)).text
    assert "Nothing failed." in text
    assert "No coating was screened." in text
    assert "states no uncertainty" in text


def test_uncertainty_decides_the_digits(results: StudyResults) -> None:
    first = results.components[0]
    assert first.window is not None
    sigma = WindowSigma(reduction_v=0.04, oxidation_v=0.2)
    window = first.window.model_copy(
        update={
            "sigma": sigma, "reduction_potential_v": 1.7183, "oxidation_potential_v": 2.0123,
        }
    )  # fmt: skip
    changed = results.model_copy(
        update={"components": (first.model_copy(update={"window": window}),)}
    )
    text = Reader(render(changed)).text
    assert "1.72 ± 0.04 V" in text
    assert "2.0 ± 0.2 V" in text
    assert "standard uncertainties" in text


def test_a_long_screen_stays_small(results: StudyResults) -> None:
    screen = results.coatings
    assert screen is not None
    rows = tuple(
        screen.rows[i % len(screen.rows)].model_copy(update={"coating": f"Li{i + 1}F"})
        for i in range(8000)
    )
    long = results.model_copy(update={"coatings": screen.model_copy(update={"rows": rows})})
    page = render(long)
    assert len(page.encode()) < 1_000_000
    assert "the first 100 of 8000" in Reader(page).text


def _taken(page: str, name: str) -> str:
    link = next(a for a in Reader(page).all("a") if str(a.get("download")).startswith(name))
    data = base64.b64decode(str(link["href"]).partition("base64,")[2])
    return (gzip.decompress(data) if str(link["download"]).endswith(".gz") else data).decode()


def test_the_data_can_be_taken(page: str, results: StudyResults) -> None:
    assert StudyResults.model_validate_json(_taken(page, "results.json")) == results
    windows = list(csv.DictReader(io.StringIO(_taken(page, "windows.csv"))))
    assert [row["formula"] for row in windows] == [c.formula for c in results.components]
    for name in ("ladders.csv", "reactions.csv", "coatings.csv"):
        rows = list(csv.reader(io.StringIO(_taken(page, name))))
        assert len(rows) > 1
        assert len({len(row) for row in rows}) == 1


def test_small_beside_a_megabyte(page: str) -> None:
    assert len(page.encode()) < 500_000


def test_figures_of_nothing(results: StudyResults) -> None:
    assert window_bars([]) is None
    assert reaction_curves([], "x", "none") is None
    window = results.components[0].window
    screen = results.coatings
    assert window is not None
    assert screen is not None
    assert ladder_plot(window.model_copy(update={"ladder": ()})) is None
    assert coating_plot(screen.model_copy(update={"rows": ()})) is None


def test_ink_follows_the_page_and_text_stays_text(results: StudyResults) -> None:
    drawing = window_bars(results.components, ("LiCoO2", (3.0, 4.3)))
    assert drawing is not None
    assert "currentColor" in drawing.svg
    assert "<text" in drawing.svg
    assert "Li₆PS₅Cl" in drawing.svg
    assert "#000000" not in drawing.svg


def test_figures_leave_matplotlib_as_it_was(results: StudyResults) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    window_bars(results.components)
    assert dict(matplotlib.rcParams) == before


def test_labels_keep_apart() -> None:
    placed = spread([2.0, 1.95, 1.9, 0.05, 0.0], 0.3, (0.0, 5.0))
    assert all(a - b >= 0.3 - 1e-9 for a, b in pairwise(placed))
    assert placed[0] <= 5.0
    assert placed[-1] >= 0.0


def test_gases_that_were_not_judged_are_not_none(results: StudyResults) -> None:
    """A set without the gas must not read as safe."""
    hull = Hull(load_reference("default").exclude(["H2S", "PH3"]))
    record = react_with_atmosphere(hull, "Li3PS4")
    shown = Reader(render(results.model_copy(update={"atmosphere": (record,)}))).text
    assert "Toxic gases expected in moist air: not known" in shown
    assert "holds no H2S" in shown
    assert "none found" not in shown


def test_an_unknown_stability_is_no_failure(results: StudyResults) -> None:
    assert results.coatings is not None
    row = results.coatings.rows[0]
    passes = dict.fromkeys(row.passes, True) | {"phase_stability": None}
    screen = results.coatings.model_copy(
        update={"rows": (row.model_copy(update={"passes": passes}),)}
    )
    page = render(results.model_copy(update={"coatings": screen}))
    assert "not known" in page
    assert "stability not known" in page
