"""Several studies on one page: a row each, warned about where they cannot be compared."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from interlith.analysis.study_results import StudyResults
from interlith.cli.main import app
from interlith.errors import InputError
from interlith.report.comparison import compare_page, overview, overview_csv, same_reference

ATTACK = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def other(results: StudyResults) -> StudyResults:
    """The same study on another set, with fewer coatings, and a failure that attacks."""
    screen = results.coatings
    assert screen is not None
    failure = results.failures[0].model_copy(update={"reason": ATTACK, "subject": ATTACK})
    return results.model_copy(
        update={
            "name": "other",
            "reference": results.reference.model_copy(update={"scheme": "MP2020"}),
            "coatings": screen.model_copy(update={"rows": screen.rows[:2]}),
            "failures": (failure,),
        }
    )


def _keep(results: StudyResults, folder: Path) -> None:
    folder.mkdir()
    (folder / "results.json").write_text(json.dumps(results.to_json()))


def test_each_study_has_its_row(results: StudyResults, other: StudyResults) -> None:
    rows = overview({"a": results, "b": other})
    assert [row["study"] for row in rows] == ["a", "b"]
    window = results.components[0].window
    assert window is not None
    assert rows[0]["oxidation_potential_v"] == window.oxidation_potential_v
    assert rows[0]["coatings_screened"] == 5
    assert rows[0]["failures"] == 2
    assert rows[1]["scheme"] == "MP2020"
    assert len(overview_csv({"a": results, "b": other}).splitlines()) == 3


def test_different_references_are_warned_about(results: StudyResults, other: StudyResults) -> None:
    assert same_reference({"a": results, "b": results})
    assert not same_reference({"a": results, "b": other})
    words = "stand on different reference energies"
    assert words in compare_page({"a": results, "b": other}).page
    assert words not in compare_page({"a": results, "b": results}).page


def test_the_page_asks_the_same_questions(results: StudyResults, other: StudyResults) -> None:
    report = compare_page({"first <b>": results, ATTACK: other})
    titles = re.findall(r"<h2[^>]*>(.*?)</h2>", report.page)
    assert titles == [
        "Is it stable?", "What forms?", "Does Li still move?", "Which coating?",
        "How sure are we?",
    ]  # fmt: skip
    assert [figure.name for figure in report.figures] == ["compared-windows", "compared-reactions"]
    assert report.page.count("<script>") == 1  # ours
    assert "<b>" not in report.page
    assert len(report.page.encode()) < 300_000


def test_the_command_writes_the_page(
    results: StudyResults, other: StudyResults, tmp_path: Path
) -> None:
    for name, one in (("a", results), ("b", other), ("c", results)):
        _keep(one, tmp_path / name)
    page = tmp_path / "both.html"
    folders = [str(tmp_path / name) for name in ("a", "b", "c")]
    ran = CliRunner().invoke(app, ["compare", *folders, "--out", str(page), "--json"])
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert told["same_reference"] is False
    assert len({row["study"] for row in told["rows"]}) == 3  # of one name, told apart by folders
    assert page.read_text().startswith("<!DOCTYPE html>")
    figures = {path.name for path in (tmp_path / "both-figures").iterdir()}
    assert {"compared-windows.svg", "compared-windows.png", "compared-windows.csv"} <= figures
    plain = CliRunner().invoke(app, ["compare", *folders, "--out", str(page)])
    assert "compare with care" in plain.stdout


def test_what_is_no_result_is_refused(results: StudyResults, tmp_path: Path) -> None:
    _keep(results, tmp_path / "a")
    (tmp_path / "b").mkdir()

    def refused(*folders: str) -> str:
        ran = CliRunner().invoke(app, ["compare", *(str(tmp_path / name) for name in folders)])
        assert isinstance(ran.exception, InputError)
        return str(ran.exception)

    assert "two result folders" in refused("a")
    assert "two result folders" in refused("a", "a")
    assert "no results.json that can be read" in refused("a", "b")
    (tmp_path / "b" / "results.json").write_text('{"name": "x"}')
    assert "no result of a study" in refused("a", "b")
    (tmp_path / "b" / "results.json").write_text("[1]")
    assert "no result of a study" in refused("a", "b")
