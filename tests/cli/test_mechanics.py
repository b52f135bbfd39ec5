"""``interlith elastic``, ``thermal``, ``adhesion`` and ``scorecard`` as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from interlith.cli.main import app
from interlith.errors import InputError

RUN = CliRunner()


def asked(*words: str) -> Any:
    done = RUN.invoke(app, [*words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    return json.loads(done.stdout)


def test_elastic_and_scorecard_pass_a_record_on(tmp_path: Path) -> None:
    file = tmp_path / "al.json"
    record = asked("elastic", "Al", "--potential", "emt", "--out", str(file))
    assert record["status"] == "ok"
    assert len(record["stiffness_gpa"]) == 6
    assert record["directional_youngs_gpa"].keys() == {"100", "110", "111"}
    assert json.loads(file.read_text()) == record
    shown = RUN.invoke(app, ["elastic", "Al", "--potential", "emt"])
    assert "not sufficient" in shown.stdout.replace("\n", " ")
    rows = asked("scorecard", "Al2O3", "--elastic", str(file))["rows"]
    keys = {
        "formula",
        "quantity",
        "value",
        "unit",
        "sigma",
        "method",
        "literature_value",
        "source",
        "status",
    }
    assert all(keys <= one.keys() for one in rows)


def test_adhesion_of_two_metals() -> None:
    planes = ("--plane", "0,0,1", "--plane", "0,0,1")
    limits = ("--thickness", "5", "--max-strain", "0.08", "--rigid")
    found = asked("adhesion", "Cu", "Al", "--potential", "emt", *planes, *limits)
    assert found["joints"][0]["rigid_work_j_m2"] > 0
    assert found["weakest"]["where"]


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["elastic", "Al", "--potential", "emt", "--strain", "0.5"], "linear range"),
        (["elastic", "Al", "--potential", "emt", "--symmetry", "square"], "none of crystal"),
        (["elastic", "Li6PS5Cl-cubic", "--potential", "emt"], "disordered"),
        (["elastic", "LiCl", "--potential", "emt"], "does not know"),
        (["thermal", "LiCl", "--potential", "emt"], "does not know"),
        (["adhesion", "LiCl", "LiF", "--potential", "emt", "--max-atoms", "60"], "does not know"),
        (["adhesion", "Cu", "Al", "--potential", "emt", "--plane", "0,0,1"], "one for each"),
        (["scorecard", "LiCl", "--elastic", "no-such.json"], "cannot be read"),
        (["scorecard", "LiCl", "--thermal"], "need a potential"),
        (["elastic", "Al", "--potential", "emt", "--rattle", "-1"], "a rattle of -1"),
        (["elastic", "Al", "--potential", "emt", "--rattle", "nan"], "a rattle of nan"),
        (["thermal", "Al", "--potential", "emt", "--min-length", "0"], "above 0"),
        (["thermal", "Al", "--potential", "emt", "--min-length", "nan"], "above 0"),
        (["adhesion", "Cu", "Al", "--potential", "emt", "--thickness", "-3"], "above 0"),
        (["adhesion", "Cu", "Al", "--potential", "emt", "--max-strain", "nan"], "at most 0.2"),
        (["adhesion", "Cu", "Al", "--potential", "emt", "--registry", "0"], "--registry"),
        (["adhesion", "Cu", "Al", "--potential", "emt", "--liquid", "-1"], "--liquid"),
        (["adhesion", "Cu", "Al", "--potential", "emt", "--max-atoms", "1"], "two and more"),
    ],
)
def test_bad_input(words: list[str], match: str) -> None:
    with pytest.raises(InputError, match=match):
        RUN.invoke(app, words, catch_exceptions=False)
