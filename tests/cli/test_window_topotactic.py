"""``interlith window`` with topotactic limits from a file and from a potential."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from interlith.cli.main import app

SHAPE = {"reduction_potential_v", "oxidation_potential_v", "delithiated", "lithiated"}


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["window", *arguments])


def test_limits_calculated_with_a_potential() -> None:
    """The toy potential knows nothing of Li2S; the shape of the answer is what counts."""
    result = _run("Li2S", "--topotactic-with", "lj", "--li-range", "1,3", "--json")
    assert result.exit_code == 0, result.output
    row = json.loads(result.stdout)
    limits = row["topotactic"]
    assert set(limits) > SHAPE
    assert limits["lithiated"] == "Li3S"
    assert limits["delithiated"] == "LiS"
    assert limits["potential"]["name"] == "lj"
    assert [step["formula"] for step in limits["steps"]] == ["LiS", "Li2S", "Li3S"]
    assert row["reduction_potential_v"] is not None
    assert "LiS: framework intact" in result.stderr


def test_limits_are_shown_and_relaxations_kept(tmp_path: Path) -> None:
    usual = ("Li2S", "--topotactic-with", "lj", "--li-range", "2,3")
    result = _run(*usual, "--topotactic-folder", str(tmp_path / "kept"))
    assert result.exit_code == 0, result.output
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").iterdir()}
    assert {path.name.partition("-")[0] for path in files} == {"Li2", "Li2S1", "Li3S1"}
    again = _run(*usual, "--topotactic-folder", str(tmp_path / "kept"))
    assert again.stdout == result.stdout
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").iterdir()} == files
    assert "Framework kept" in result.stdout
    assert "Li3S" in result.stdout


def test_limits_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "frameworks.csv"
    path.write_text(
        "formula,formation_energy_ev_per_atom\nLi3PS4,-1.0\nLi4PS4,-0.95\nLi2PS4,-0.8\nLi,0\n"
    )
    result = _run("Li3PS4", "--topotactic", str(path), "--json")
    assert result.exit_code == 0, result.output
    limits = json.loads(result.stdout)["topotactic"]
    assert set(limits) == SHAPE
    assert limits["reduction_potential_v"] == pytest.approx(0.55)
    assert limits["oxidation_potential_v"] == pytest.approx(2.4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Li2S", "--li-range", "1,3"], "--topotactic-with"),
        (["Li2S", "--topotactic", "a.csv", "--topotactic-with", "lj"], "one of the two"),
        (["Li2S", "--topotactic-with", "lj", "--li-range", "3,1"], "reversed"),
        (["Li2S", "--topotactic-with", "nonesuch"], "nonesuch"),
        (["Li2S", "--topotactic-with", "lj", "--li-range", "5,6"], "does not hold"),
    ],
)
def test_what_cannot_be_is_refused(arguments: list[str], message: str) -> None:
    result = _run(*arguments)
    assert result.exit_code != 0
    text = result.output + str(result.exception or "")
    assert message in text
