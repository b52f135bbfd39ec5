"""``interlith train``: template, plan, a whole training with a stand-in trainer, mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ase.calculators.lj import LennardJones
from typer.testing import CliRunner

from interlith.cli.main import app
from interlith.engines.potentials import potential
from interlith.errors import InputError
from interlith.workflows import train as workflow
from interlith.workflows.training.fit import FitJob
from interlith.workflows.training.settings import read_train_settings
from interlith.workflows.training.steps import Tools

TOY = {
    "name": "toy",
    "teacher": "lj",
    "members": 2,
    "min_rounds": 1,
    "max_rounds": 1,
    "limits": ["a toy"],
    "systems": [
        {"name": "Li", "material": "Li", "repeat": [2, 2, 2], "temperatures_k": [200],
         "md_ps": 0.02, "frames": 2, "rattles_angstrom": [0.05]},
        {"name": "LiCl", "material": "LiCl", "rattles_angstrom": [0.05]},
    ],
}  # fmt: skip


def _answer(*arguments: str) -> Any:
    done = CliRunner().invoke(app, ["train", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def settings_file(tmp_path: Path) -> str:
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(TOY))
    return str(path)


def test_the_template_is_a_settings_file() -> None:
    text = CliRunner().invoke(app, ["train", "--example"]).stdout
    template = read_train_settings(text)
    assert template.name == "lpscl"
    assert _answer("--example", "--json")["teacher"] == template.teacher


def test_a_dry_run_says_what_and_how_long_and_writes_nothing(
    settings_file: str, tmp_path: Path
) -> None:
    plan = _answer(settings_file, "--dry-run", "--json")
    assert [one["atoms"] for one in plan["systems"]] == [16, 8]
    assert plan["labels"] == (2 + 4) + 2  # ideal and rattled, twice two frames of dynamics
    assert plan["fits"] == 3
    assert plan["label_basis"].startswith("measured")
    parts = ("labels_total_s", "dynamics_total_s", "fit_total_s")
    assert plan["total_s"] == pytest.approx(sum(plan[part] for part in parts))
    text = CliRunner().invoke(app, ["train", settings_file, "--dry-run"]).stdout
    assert "8 labels" in text
    assert [path.name for path in tmp_path.iterdir()] == ["toy.yaml"]


def test_a_training_leaves_models_that_can_be_named(
    settings_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fit(job: FitJob, progress: Callable[[int, int], None] | None) -> Path:
        job.folder.mkdir(exist_ok=True)
        path = job.folder / "result.model"
        path.write_text(job.name)
        if progress is not None:
            progress(1, 2)
            progress(2, 2)
        return path

    def tools(settings: Any) -> Tools:
        asked.append(settings.teacher)
        teacher = potential("lj")
        student = LennardJones(sigma=2.5, epsilon=0.1, rc=7.5, smooth=True)
        return Tools(teacher.calculator, teacher.identity.to_json(), fit, lambda _: student)

    monkeypatch.setattr(workflow, "usual_tools", tools)
    place, target = str(tmp_path / "t"), tmp_path / "models"
    card = _answer(
        settings_file, "--folder", place, "--register", str(target), "--engine", "emt", "--json"
    )
    assert asked == ["emt"]
    assert card["status"] == "within_bounds"
    frames = sum(sum(stage.values()) for stage in card["frames"].values())
    assert frames + sum(card["dropped"].values()) == 8  # as the plan said
    assert [model["file"] for model in card["models"]] == ["toy-1.model", "toy-2.model"]
    identity = potential(card["potential"]).identity
    assert identity.members == tuple(model["sha256"] for model in card["models"])
    assert "distilled from lj" in identity.functional
    assert {path.name for path in target.iterdir()} >= {"toy-1.model", "toy-1.yaml"}
    assert sorted(card["registered"]) == sorted(map(str, target.iterdir()))
    again = CliRunner().invoke(
        app, ["train", settings_file, "-o", place, "--teacher", "emt"], catch_exceptions=False
    )
    assert "Errors on frames of the dynamics of member-1" in again.stdout
    assert "toy-2.model" in again.stdout
    assert "Limit: a toy" in again.stdout


def test_progress_goes_to_stderr_with_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    from interlith.cli.train import _progress

    with _progress(False) as tell:
        tell("member-1: epochs", 1, 4)
        tell("member-1: epochs", 2, 4)  # too soon after the last line
        tell("member-1: epochs", 4, 4)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == ["member-1: epochs 1/4", "member-1: epochs 4/4"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "train --example"),
        (("none.yaml",), "cannot read the settings none.yaml"),
        (("bad.yaml",), "training settings"),
        (("toy.yaml", "--teacher", "gap", "--dry-run"), "no potential"),
    ],
)
def test_bad_input_is_refused_in_words(
    tmp_path: Path, settings_file: str, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "bad.yaml").write_text("name: bad\nsistems: []\n")
    with pytest.raises(InputError, match=words):
        CliRunner().invoke(app, ["train", *arguments], catch_exceptions=False)


def test_bad_input_ends_with_code_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "interlith", "train", "none.yaml"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
