"""``interlith reference coverage`` and the refusals of ``reference build``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from interlith.analysis.builtin_reference import BUILTIN
from interlith.cli.reference import app
from interlith.errors import InputError

RUN = CliRunner()


def test_coverage_says_which_set_answers_and_what_is_missing() -> None:
    result = RUN.invoke(app, ["coverage", "Li,Co,La,Zr,P,S,Cl,O", "--json"])
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert answer["set"] == BUILTIN[0 if answer["missing"] else 1]
    assert answer["covered"] == (not answer["missing"])
    assert set(answer["required"]) >= {"Li", "La2Zr2O7", "Co3O4"}


def test_coverage_in_words() -> None:
    result = RUN.invoke(app, ["coverage", "Li,Cl"])
    assert result.exit_code == 0
    assert f"--reference auto takes {BUILTIN[1]}" in result.stdout.replace("\n", " ")


def test_the_list_has_both_sets() -> None:
    listed = json.loads(RUN.invoke(app, ["list", "--json"]).stdout)
    assert {one["name"] for one in listed} >= set(BUILTIN)


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_sets_without_a_common_compound_are_refused(form: tuple[str, ...], tmp_path: Path) -> None:
    for name, compound in (("a", "Li2S"), ("b", "NaCl")):
        text = f"formula,formation_energy_ev_per_atom\n{compound},-1.5\n"
        (tmp_path / f"{name}.csv").write_text(text)
    result = RUN.invoke(app, ["compare", "a.csv", "b.csv", *form])
    assert isinstance(result.exception, InputError)  # exit 2
    assert "no compound in common" in str(result.exception)
    assert not result.stdout


def test_an_unknown_engine_is_refused(tmp_path: Path) -> None:
    result = RUN.invoke(app, ["build", str(tmp_path), "--engine", "abacus"])
    assert isinstance(result.exception, InputError)
    with pytest.raises(InputError, match="sevennet or gpaw"):
        raise result.exception
