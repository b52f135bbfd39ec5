"""Where a job of a study ends: a failure is a record, foreseen or not, and the rest goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from interlith.analysis.study_results import StudyFailure, StudyResults
from interlith.engines.md import MDRecord
from interlith.errors import InputError
from interlith.workflows import assess, diffusion
from interlith.workflows.assess import AssessMaker
from interlith.workflows.calculated_stages import guarded
from interlith.workflows.diffusion_settings import DiffusionSettings
from interlith.workflows.local import run_flow
from interlith.workflows.replicas import Replica, run_side_by_side
from interlith.workflows.study import Study


def _fail(error: BaseException) -> Any:
    def work() -> None:
        raise error

    return work


def test_a_foreseen_failure_is_its_message(tmp_path: Path) -> None:
    told = guarded("barriers", "LiCl", _fail(InputError("no such ion")), tmp_path / "absent")
    failure = StudyFailure.model_validate(told["failure"])
    assert (failure.reason, failure.folder, failure.trace) == ("no such ion", None, ())


def test_an_unforeseen_one_says_where_it_came_from(tmp_path: Path) -> None:
    failure = StudyFailure.model_validate(
        guarded("diffusion", "LiCl", _fail(ZeroDivisionError("by zero")), tmp_path)["failure"]
    )
    assert "unexpected ZeroDivisionError: by zero" in failure.reason
    assert failure.folder == str(tmp_path)
    assert any("in work" in line for line in failure.trace)


def test_what_ends_the_process_passes() -> None:
    with pytest.raises(KeyboardInterrupt):
        guarded("diffusion", "LiCl", _fail(KeyboardInterrupt()))


def test_a_study_goes_on_after_an_unforeseen_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(assess, "react_with_atmosphere", broken)
    output = run_flow(AssessMaker().make(Study(name="demo", electrolyte="Li3PS4", anode="Li")))
    results = StudyResults.model_validate(output["results"])
    (failure,) = results.failures
    assert (failure.step, failure.subject) == ("atmosphere", "Li3PS4")
    assert len(results.components) == 2


@pytest.mark.parametrize(
    ("guard", "tries"), [("temperature", 2), ("framework", 1), ("potential", 1)]
)
def test_a_run_that_flew_apart_is_tried_once_more(
    guard: str, tries: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With half the time step, for the same time; both say what was done."""
    asked: list[list[Replica]] = []

    def stopped_once(replicas: list[Replica], *more: Any) -> list[MDRecord | str]:
        asked.append(list(replicas))
        done = run_side_by_side(replicas, *more)
        if len(asked) > 1:
            return done
        change = {"status": "stopped", "guard": guard, "reason": "9000 K"}
        return [one.model_copy(update=change) for one in done if isinstance(one, MDRecord)]

    monkeypatch.setattr(diffusion, "run_side_by_side", stopped_once)
    settings = DiffusionSettings(
        potential="emt", mobile="Cu", temperatures_k=(400,), time_ps=0.1, equilibration_ps=0.01,
        frame_every=5, volume="as_given", min_length_angstrom=3.0,
    )  # fmt: skip
    (run,) = diffusion.diffusion("Cu", settings, tmp_path, workers=1).dynamics
    assert len(asked) == tries
    assert Path(run.folder).is_dir()
    if tries == 1:
        assert (run.status, run.reason) == ("stopped", "9000 K")
        return
    (first,), (second,) = asked
    assert second.settings.timestep_fs == first.settings.timestep_fs / 2
    assert run.time_ps == pytest.approx(0.1)
    assert run.status == "finished"
    assert run.reason == "second try, with 1 fs steps; the first: 9000 K"
    assert run.folder.endswith("-half-step")
