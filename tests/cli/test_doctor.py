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
def doctor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Exit code and findings by name; workers are not started."""
    monkeypatch.setattr("interlith.cli.doctor.NEEDED", ())

    def run() -> tuple[int, dict[str, Any]]:
        monkeypatch.setattr(sys, "argv", ["interlith", "doctor", "--json"])
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
