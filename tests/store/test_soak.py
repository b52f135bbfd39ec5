"""Short versions of benchmarks/soak.py; the long ones are in docs/reliability.md."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def soak() -> Any:
    path = Path(__file__).parents[2] / "benchmarks" / "soak.py"
    spec = importlib.util.spec_from_file_location("interlith_soak", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_changed_bit_is_found(soak: Any) -> None:
    assert soak.corrupted(files=6)["found"] == 1


def test_an_old_copy_is_noticed(soak: Any) -> None:
    assert soak.old_copy()["named as lost"] == 10


def test_a_clock_that_runs_backwards(soak: Any) -> None:
    assert soak.clock_backwards()["records"] == 50


@pytest.mark.slow
def test_a_full_disk(soak: Any) -> None:
    figures = soak.disk_full()
    if "skipped" in figures:
        pytest.skip(figures["skipped"])
    assert figures["records before"] > 0


@pytest.mark.slow
def test_writers_at_the_same_time(soak: Any) -> None:
    assert soak.writers(runs=1, processes=4, records=25)["records"] == 100
    assert soak.same_writers(runs=1, processes=4, records=10)["records"] == 10
    assert soak.job_writers(runs=1, processes=4, records=10)["records"] == 40


@pytest.mark.slow
def test_killed_workers(soak: Any) -> None:
    assert soak.killed(jobs=30, kills=3)["jobs"] == 30


@pytest.mark.slow
def test_killed_queue_workers(soak: Any) -> None:
    assert soak.queue_killed(jobs=12, kills=2)["jobs"] == 12


@pytest.mark.slow
def test_killed_fireworks_workers(soak: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("INTERLITH_MONGO_URI", "JOBFLOW_CONFIG_FILE"):  # put back at the end
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    assert soak.fireworks_killed(jobs=8, kills=1)["jobs"] == 8


@pytest.mark.slow
def test_a_store_removed_while_it_is_written(soak: Any) -> None:
    assert soak.removed_in_mid_run()["workers stopped"] == 2


def test_a_broken_promise_is_said(soak: Any) -> None:
    with pytest.raises(soak.Broken, match="lost"):
        soak.check(False, "3 lost")
