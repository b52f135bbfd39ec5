"""The shipped studies: one for every family, each of which runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from interlith.cli.main import app
from interlith.errors import InputError
from interlith.workflows.study import load_study

STUDIES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.stem for path in STUDIES.glob("*.yaml"))
FAMILIES = {
    "argyrodite": ["li-lpscl-lco"],
    "doped argyrodite": ["doped-argyrodite"],
    "LGPS type": ["lgps"],
    "thiophosphate": ["sulfide"],
    "garnet": ["garnet"],
    "NASICON": ["nasicon"],
    "perovskite / antiperovskite": ["perovskite", "antiperovskite"],
    "oxynitride": ["oxynitride"],
    "halide": ["halide"],
    "nitride, hydride, LISICON": ["nitride", "hydride", "lisicon"],
}


def run(*arguments: str) -> Any:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_list_names_every_study_and_says_what_it_is() -> None:
    listed = json.loads(run("examples", "--json"))
    assert [example["name"] for example in listed] == NAMES
    assert all(len(example["about"]) > 30 for example in listed)


def test_every_electrolyte_family_has_an_example(shared: Path) -> None:
    text = (shared / "systems.md").read_text(encoding="utf-8")
    rows = text.split("## Electrolytes")[1].split("##")[0].splitlines()
    families = dict(line.strip("| ").split(" | ", 1) for line in rows if line.startswith("| "))
    del families["family"]
    assert set(families) == set(FAMILIES)
    for family, names in FAMILIES.items():
        for name in names:
            assert load_study(STUDIES / f"{name}.yaml").electrolyte in families[family]


def test_a_copy_brings_its_energies_along(tmp_path: Path) -> None:
    (copied,) = json.loads(run("examples", "lgps", "--to", str(tmp_path / "new"), "--json"))
    assert [Path(file).name for file in copied["files"]] == [
        "lgps.yaml",
        "materials-project-2019.csv",
    ]
    study = load_study(Path(copied["files"][0]))
    assert study.stages.thermodynamics.reference == copied["files"][1]
    run("examples", "lgps", "--to", str(tmp_path / "new"))  # the same again is no conflict


def test_all_of_them_at_once(tmp_path: Path) -> None:
    run("examples", "all", "--to", str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        path.name for path in STUDIES.iterdir()
    )


def test_nothing_of_the_user_is_overwritten(tmp_path: Path) -> None:
    own = tmp_path / "garnet.yaml"
    own.write_text("name: mine\n")
    with pytest.raises(InputError, match=r"garnet\.yaml is there with other contents"):
        run("examples", "garnet", "--to", str(tmp_path))
    assert own.read_text() == "name: mine\n"


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"no example 'granet'; there are .*garnet"):
        run("examples", "granet")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_study_runs_and_has_no_failures(name: str, tmp_path: Path) -> None:
    out = tmp_path / "results"
    options = ["--only", "thermodynamics", "--json", "--out", str(out)]
    results = json.loads(run("assess", str(STUDIES / f"{name}.yaml"), *options))
    assert results["failures"] == []
    electrolyte = results["components"][0]
    assert electrolyte["role"] == "electrolyte"
    window = electrolyte["window"]
    assert window["reduction_potential_v"] < window["oxidation_potential_v"]
    assert (out / "report.html").stat().st_size > 10_000
