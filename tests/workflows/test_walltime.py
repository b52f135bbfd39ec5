"""Jobs told of the walltime: the next one goes on, and nothing differs from one that was not."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from jobflow import Flow, job

from interlith.engines.dynamics.checkpoint import load_checkpoint
from interlith.errors import FailureError
from interlith.workflows import calculated_stages, dft_stage, walltime
from interlith.workflows.diffusion import DiffusionMaker
from interlith.workflows.diffusion_settings import DiffusionSettings
from interlith.workflows.local import run_flow
from interlith.workflows.walltime import ON_WALLTIME, STOP_AT, TimeIsUp, going_on

LADDER = DiffusionSettings(
    potential="emt",
    mobile="Cu",
    temperatures_k=(400, 900),
    time_ps=1.2,
    equilibration_ps=0.1,
    frame_every=50,
    volume="as_given",
    min_length_angstrom=5.0,
)


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR1)
    yield
    assert signal.getsignal(signal.SIGUSR1) == before


@job
def counting(path: str, until: int) -> Any:
    """Adds a line each time; told to stop before the last."""

    def work() -> int:
        place = Path(path)
        done = len(place.read_text().splitlines()) if place.exists() else 0
        with place.open("a") as file:
            file.write("x\n")
        if done + 1 < until:
            os.kill(os.getpid(), signal.SIGUSR1)
        return done + 1

    return going_on(work, lambda: counting(path, until))


@job
def doubled(number: int) -> int:
    return 2 * number


def _flow(path: Path, until: int = 3) -> Flow:
    first = counting(str(path), until)
    second = doubled(first.output)
    return Flow([first, second], output=second.output)


def test_what_follows_gets_the_result_of_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ON_WALLTIME, "continue")
    assert run_flow(_flow(tmp_path / "lines")) == 6


def test_a_batch_job_ends_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ON_WALLTIME, "stop")
    for _ in range(2):
        with pytest.raises(TimeIsUp):
            run_flow(_flow(tmp_path / "lines"))
    assert run_flow(_flow(tmp_path / "lines")) == 6


def test_restarts_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ON_WALLTIME, "continue")
    monkeypatch.setattr(walltime, "MOST_RESTARTS", 2)
    with pytest.raises(FailureError, match="give it more walltime"):
        run_flow(_flow(tmp_path / "lines", until=9))
    assert (tmp_path / "lines").read_text() == "x\n" * 3


def test_a_time_stands_for_the_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the queue sends none; and where nobody says how to go on, nothing is heard."""
    monkeypatch.setenv(STOP_AT, str(time.time() + 0.1))
    assert going_on(lambda: "done", lambda: None) == "done"
    monkeypatch.setenv(ON_WALLTIME, "stop")
    with pytest.raises(TimeIsUp):
        going_on(lambda: time.sleep(20), lambda: None)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_dynamics_in_a_flow_go_on_exactly(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told in the middle, in this process and in two others: every bit as without."""
    ladder = LADDER.model_copy(update={"temperatures_k": (400, 900)[-workers:]})
    run_flow(DiffusionMaker().make("Cu", ladder, str(tmp_path / "whole")))
    monkeypatch.setenv(ON_WALLTIME, "continue")
    monkeypatch.setenv("INTERLITH_GRACE_S", "120")  # for machines that are busy
    told: list[str] = []
    names = []
    watcher = threading.Thread(target=_tell_once, args=(tmp_path / "told", told), daemon=True)
    watcher.start()
    flow = DiffusionMaker(workers=workers).make("Cu", ladder, str(tmp_path / "told"))
    run_flow(flow, lambda name, done, total: names.append(name))
    assert told == ["told"]
    assert len(names) > len(list(flow.iterflow()))  # one job more than the flow had
    for run in ("400K-seed0", "900K-seed0")[-workers:]:
        whole, same = (load_checkpoint(tmp_path / n / run)[0] for n in ("whole", "told"))
        assert whole is not None
        assert same is not None
        assert same.facts["irregular"] == []
        for name, values in whole.arrays.items():
            assert np.array_equal(values, same.arrays[name]), (run, name)


STAGES = {
    "md": ("diffusion", "run_dynamics",
           lambda study: calculated_stages.diffusion_job(study, ".", 1)),
    "topotactic": ("topotactic", "run_insertion",
                   lambda study: calculated_stages.insertion_job(study, ".")),
    "barriers": ("barriers", "run_barriers",
                 lambda study: calculated_stages.barriers_job(study, ".")),
    "reactivity": ("reactivity", "run_reactivity",
                   lambda study: calculated_stages.reactivity_job(study, ("Li", "LiCl"), ".", 1)),
}  # fmt: skip


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_goes_on(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its work is a stand-in, which is told the first time."""
    step, function, make = STAGES[stage]
    monkeypatch.setenv(ON_WALLTIME, "continue")
    monkeypatch.setattr(calculated_stages, function, _told_first(answer={"whole": True}))
    only = make({"name": "demo", "electrolyte": "LiCl"})
    assert run_flow(Flow([only], output=only.output)) == {step: {"whole": True}}


def test_dft_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ON_WALLTIME, "continue")
    answer = SimpleNamespace(to_json=lambda: {"whole": True})
    monkeypatch.setattr(dft_stage, "run_dft", _told_first(answer))
    study = {"name": "demo", "electrolyte": "LiCl", "stages": {"dft": {}}}
    only = dft_stage.dft_job(study, [], ".")
    assert run_flow(Flow([only], output=only.output)) == {"dft": {"whole": True}}


def _told_first(answer: Any) -> Any:
    calls: list[int] = []

    def work(*_: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(5)  # the signal comes in here
            raise AssertionError("nobody heard")
        return answer

    return work


def _tell_once(folder: Path, told: list[str]) -> None:
    while not list(folder.glob("*/progress.json")):
        time.sleep(0.01)
    time.sleep(0.1)
    told.append("told")
    os.kill(os.getpid(), signal.SIGUSR1)
