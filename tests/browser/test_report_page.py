"""The report of a study with every stage, opened in a browser as its reader does."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

ARTEFACTS = Path(__file__).parents[2] / "build" / "browser"
SETTLED_MS = 400


class Opened:
    """A page, and what it asked for and complained about."""

    def __init__(self, browser: Any, file: Path, **options: Any) -> None:
        self.context = browser.new_context(viewport={"width": 1100, "height": 900}, **options)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda m: self.said.append(f"{m.type}: {m.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri())

    def complaints(self) -> list[str]:
        mine = [line for line in self.said if "GL Driver Message" not in line]  # software GL's
        return [line for line in mine if line.startswith(("error", "warning"))]


@pytest.fixture(scope="module")
def opened(browser: Any, study_folder: Path) -> Iterator[Opened]:
    one = Opened(browser, study_folder / "report.html", color_scheme="light")
    yield one
    one.context.close()


@pytest.fixture(scope="module")
def live(opened: Opened) -> Any:
    """The page with its 3D views started."""
    for figure in opened.page.query_selector_all("figure.viewer"):
        figure.scroll_into_view_if_needed()
        opened.page.wait_for_function("f => f.stage !== undefined", arg=figure)
    opened.page.wait_for_timeout(SETTLED_MS)
    return opened.page


def _pixels(element: Any) -> np.ndarray:
    with Image.open(io.BytesIO(element.screenshot())) as image:
        return np.asarray(image.convert("RGB"), dtype=float)


def test_nothing_is_asked_for_and_nothing_complains(opened: Opened, live: Any) -> None:
    elsewhere = [url for url in opened.asked if not url.startswith(("data:", "blob:"))]
    assert [url.rpartition("/")[2] for url in elsewhere] == ["report.html"]
    assert opened.complaints() == []
    assert live.evaluate("window.attacked") is None
    assert live.evaluate("document.querySelectorAll('[onerror]').length") == 0


def test_the_page_is_small_and_answers_the_five_questions(study_folder: Path, live: Any) -> None:
    assert (study_folder / "report.html").stat().st_size < 3_000_000
    titles = live.eval_on_selector_all("main h2", "all => all.map(one => one.textContent)")
    assert titles == [
        "In short", "Is it stable?", "What forms?", "Does Li still move?", "Which coating?",
        "How sure are we?",
    ]  # fmt: skip
    answers = live.eval_on_selector_all(".answer", "all => all.map(one => one.textContent)")
    assert len(answers) == 5
    assert all(re.search(r"\d ± \d", answer) for answer in answers[:3])
    listed = live.eval_on_selector_all("nav a", "all => all.map(one => one.hash.slice(1))")
    assert all(live.query_selector(f"[id='{name}']") for name in listed)


def test_every_figure_says_how_it_was_made(live: Any) -> None:
    captions = live.eval_on_selector_all("figcaption", "all => all.map(one => one.textContent)")
    assert len(captions) >= 8
    for caption in captions:
        assert re.search(r"Made by interlith \w+", caption), caption
        assert "engine:" in caption
    assert live.eval_on_selector_all("figure:not(:has(figcaption))", "all => all.length") == 0


def test_the_3d_view_draws_turns_plays_and_colours(live: Any) -> None:
    built = live.query_selector("#built-3d .stage")
    first = _pixels(built)
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 200  # shaded spheres, no blank canvas
    purple = np.abs(first - np.array([0xCC, 0x79, 0xA7])).max(axis=-1) < 25  # the anode's colour
    assert purple.sum() > 300
    built.focus()
    live.keyboard.press("ArrowRight")
    assert np.abs(_pixels(built) - first).max() > 50
    live.select_option("#built-3d .panel label:has-text('Colour') select", "element")
    assert "Li (" in live.text_content("#built-3d .legend")
    options = live.eval_on_selector_all("#built-3d select >> nth=0", "s => s[0].length")
    assert options >= 5
    live.screenshot(path=str(ARTEFACTS / "viewer.png"))
    moves = live.query_selector("#moves-3d .stage")
    moves.scroll_into_view_if_needed()
    before = _pixels(moves)
    live.click("#moves-3d button:has-text('Play')")
    live.wait_for_function("() => document.querySelector('#moves-3d').stage.frame > 3")
    live.click("#moves-3d button:has-text('Stop')")
    assert np.abs(_pixels(moves) - before).max() > 50
    assert re.fullmatch(r"\d+\.\d ps", live.text_content("#moves-3d output"))


def test_tables_sort_by_keyboard(live: Any) -> None:
    table = live.query_selector("#stable table")
    button = table.query_selector("th:nth-child(4) button")  # upper limit
    button.focus()
    live.keyboard.press("Enter")
    assert table.eval_on_selector("th:nth-child(4)", "h => h.ariaSort") == "ascending"
    read = "all => all.map(one => one.querySelector('[data-value]')?.dataset.value)"
    rising = table.eval_on_selector_all("tbody td:nth-child(4)", read)
    live.keyboard.press("Enter")
    assert table.eval_on_selector("th:nth-child(4)", "h => h.ariaSort") == "descending"
    falling = table.eval_on_selector_all("tbody td:nth-child(4)", read)
    known = [float(x) for x in rising if x is not None]
    assert len(known) >= 4
    assert known == sorted(known)
    assert [float(x) for x in falling if x is not None] == known[::-1]
    assert rising[-1] is None is falling[-1]  # Li metal has no window and stays last
    assert table.eval_on_selector_all("th[aria-sort]", "all => all.length") == 1


def test_tables_and_figures_are_downloaded(live: Any) -> None:
    with live.expect_download() as got:
        live.click("#stable button:has-text('Table as CSV') >> nth=0")
    rows = list(csv.DictReader(io.StringIO(Path(got.value.path()).read_text())))
    by_name = {row["Material"]: row for row in rows}
    assert float(by_name["Li6PS5Cl"]["to (V)"]) == pytest.approx(2.25, abs=0.1)
    assert float(by_name["Li6PS5Cl"]["to, standard uncertainty (V)"]) > 0
    with live.expect_download() as got:
        live.click("#stable button:has-text('SVG')")
    svg = Path(got.value.path()).read_text()
    assert svg.startswith("<svg")
    assert "Li₆PS₅Cl" in svg
    with live.expect_download() as got:
        live.click("#stable button:has-text('PNG')")
    with Image.open(got.value.path()) as image:
        assert image.size[0] > 1000
        assert len(image.convert("RGB").getcolors(1 << 20)) > 5


def test_light_and_dark_by_hand_are_kept(live: Any) -> None:
    back = "getComputedStyle(document.body).backgroundColor"
    light = live.evaluate(back)
    live.click("button.theme")
    assert live.evaluate(back) != light
    assert live.text_content("button.theme") == "Light page"
    live.click("button.theme")
    assert live.evaluate(back) == light
    live.evaluate("() => { localStorage.clear(); delete document.documentElement.dataset.theme; }")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(live: Any, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python")
    script = (Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    live.emulate_media(color_scheme=scheme)
    live.wait_for_timeout(SETTLED_MS)
    back = live.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (back == "rgb(255, 255, 255)") == (scheme == "light")
    live.evaluate(script)
    found = live.evaluate("axe.run({resultTypes: ['violations']})")
    grave = [
        f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:200]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert grave == []
    assert len(found["passes"]) > 20
    live.screenshot(path=str(ARTEFACTS / f"report-{scheme}.png"), full_page=True)
    live.emulate_media(color_scheme="light")


def test_it_prints(live: Any) -> None:
    pdf = live.pdf(path=str(ARTEFACTS / "report.pdf"), format="A4")
    assert pdf.startswith(b"%PDF")
    assert 5 < len(re.findall(rb"/Type\s*/Page\b", pdf)) < 40
    live.emulate_media(media="print")
    seen = "one => getComputedStyle(one).display !== 'none'"
    assert live.eval_on_selector("#built-3d .stills", seen)
    assert not live.eval_on_selector("#built-3d .stage", seen)
    assert not live.eval_on_selector("button.theme", seen)
    live.emulate_media(media="screen")


def test_without_scripts_everything_is_said(browser: Any, study_folder: Path) -> None:
    one = Opened(browser, study_folder / "report.html", java_script_enabled=False)
    try:
        assert one.page.locator(".answer").count() == 5
        assert one.page.locator("figure.viewer .still img").first.is_visible()
        assert one.page.locator("button").count() == 0
        assert one.page.locator("a[download]").count() > 5
        assert one.complaints() == []
    finally:
        one.context.close()


def test_a_phone_reads_it_without_scrolling_sideways(browser: Any, study_folder: Path) -> None:
    one = Opened(browser, study_folder / "report.html", color_scheme="dark")
    try:
        one.page.set_viewport_size({"width": 390, "height": 800})
        assert one.page.evaluate("document.documentElement.scrollWidth") <= 390
        one.page.screenshot(path=str(ARTEFACTS / "report-phone.png"))
    finally:
        one.context.close()


def test_the_comparison_opens_too(
    browser: Any, results: tuple[Any, dict[str, str]], tmp_path: Path
) -> None:
    from interlith.report.comparison import compare_page
    from interlith.report.output import write_page

    page = tmp_path / "both.html"
    write_page(compare_page({"one": results[0], "two <b>": results[0]}), page, "both-figures")
    one = Opened(browser, page, color_scheme="dark")
    try:
        assert one.complaints() == []
        assert len(one.asked) == 1
        one.page.click("#stable th:nth-child(1) button")
        one.page.click("#stable th:nth-child(1) button")
        assert one.page.text_content("#stable tbody th") == "two <b>"
        one.page.screenshot(path=str(ARTEFACTS / "comparison.png"), full_page=True)
    finally:
        one.context.close()
