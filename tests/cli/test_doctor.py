"""``interlith doctor`` says what is there and what is wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from interlith.cli.main import main
from interlith.store.project import init_project


@pytest.fixture
def programs(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder with programs: this machine may have a Slurm that does not run."""
    folder = tmp_path_factory.mktemp("programs")
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def doctor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, programs: Path
) -> Any:
    """Exit code and findings by name; workers are not started."""
    monkeypatch.setattr("interlith.cli.doctor.NEEDED", ())

    def run(*more: str) -> tuple[int, dict[str, Any]]:
        monkeypatch.setattr(sys, "argv", ["interlith", "doctor", "--json", *more])
        with pytest.raises(SystemExit) as stop:
            main()
        rows = json.loads(capsys.readouterr().out)
        return int(stop.value.code or 0), {row["check"]: row for row in rows}

    return run


def test_a_sound_project(doctor: Any, tmp_path: Path) -> None:
    init_project(tmp_path)
    code, found = doctor()
    assert code == 0
    for name in ("packages", "model lpscl", "project", "results database", "job store", "disk",
                 "clock", "file locks"):  # fmt: skip
        assert found[name]["status"] == "ok", found[name]


def test_without_a_project(doctor: Any) -> None:
    code, found = doctor()
    assert (code, found["project"]["status"]) == (0, "missing")
    assert found["project"]["cure"] == "interlith init"


def test_a_damaged_database(doctor: Any, tmp_path: Path) -> None:
    project = init_project(tmp_path)
    project.results.write_bytes(b"something else" * 1000)
    code, found = doctor()
    assert (code, found["results database"]["status"]) == (1, "wrong")
    assert "restore a copy" in found["results database"]["found"]


def test_a_clock_that_is_off(doctor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    init_project(tmp_path)
    now = time.time
    monkeypatch.setattr("interlith.cli.doctor.time.time", lambda: now() - 60)
    code, found = doctor()
    assert (code, found["clock"]["status"]) == (1, "wrong")
    assert "+60 s" in found["clock"]["found"]


def test_a_worker_that_cannot_import(
    doctor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interlith.cli.doctor.NEEDED", ("interlith.no_such_module",))
    code, found = doctor()
    assert code == 1
    assert "no_such_module" in found["import interlith.no_such_module"]["found"]


def test_without_slurm(doctor: Any) -> None:
    code, found = doctor()
    assert (code, found["slurm"]["status"]) == (0, "missing")


def slurm(programs: Path, sinfo: str) -> None:
    for name, body in {"sbatch": "", "sinfo": sinfo}.items():
        program = programs / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)


def test_a_slurm_that_answers(doctor: Any, programs: Path) -> None:
    slurm(programs, "echo main up 4; echo long up 2")
    code, found = doctor()
    assert (code, found["slurm"]["status"]) == (0, "ok")
    assert found["slurm"]["found"] == "main up 4; long up 2"


def test_a_slurm_that_does_not_answer(doctor: Any, programs: Path) -> None:
    slurm(programs, "echo no controller >&2; exit 1")
    code, found = doctor()
    assert (code, found["slurm"]["status"]) == (1, "wrong")
    assert found["slurm"]["found"] == "no controller"


def test_without_gpaw_it_says_how_to_get_it(doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The packages of the system too; asked to run it, that is wrong and not a crash."""
    import importlib.util

    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "gpaw" else there(name, *a)
    )
    monkeypatch.setattr("interlith.engines.electronic.datasets.find_spec", lambda name: None)
    code, found = doctor("--dft")
    assert (code, found["gpaw"]["status"]) == (1, "missing")
    for part in ("apt-get install", "libxc-dev", "interlith[dft]"):
        assert part in found["gpaw"]["cure"]
        assert part in found["LiCl in GPAW"]["cure"]
    assert "not installed" in found["LiCl in GPAW"]["found"]


@pytest.mark.dft
@pytest.mark.slow
def test_rock_salt_runs_in_gpaw(doctor: Any) -> None:
    pytest.importorskip("gpaw")
    code, found = doctor("--dft")
    assert (code, found["LiCl in GPAW"]["status"]) == (0, "ok"), found["LiCl in GPAW"]
    assert "A measured" in found["LiCl in GPAW"]["found"]
