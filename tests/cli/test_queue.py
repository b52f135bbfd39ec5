"""``submit``, ``worker``, ``status``, ``why`` and ``retry``, as a user calls them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interlith.cli.main import main
from interlith.store.project import init_project

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Call:
    """Run a command in a project: exit code, stdout, stderr."""
    init_project(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["interlith", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return run


def read(call: Call, *arguments: str) -> Any:
    code, out, err = call(*arguments)
    assert code == 0, err
    return json.loads(out)


def test_a_command_goes_through_the_queue(call: Call) -> None:
    """What stands behind -- belongs to the command; a failure is told, explained, tried again."""
    made = read(call, "submit", "--json", "--name", "my run", "--", "md", "Xx2", "-o", "x")
    assert made["id"].endswith("my-run")
    (waiting,) = read(call, "status", "--json")
    assert (waiting["status"], waiting["commands"]) == ("waiting", 1)
    assert read(call, "worker", "--json")["ran"] == [made["id"]]
    found = read(call, "why", "my-run", "--json")
    assert found["status"] == "failed"
    assert "Xx" in found["exception"]
    assert any("$ interlith md Xx2 -o x" in line for line in found["log"])
    assert read(call, "status", "--running", "--json") == []
    assert read(call, "retry", "--json")["retried"] == [made["id"]]
    for command in (["status"], ["why", "my-run"]):
        code, out, _ = call(*command)
        assert (code, "my-run" in out) == (0, True)


def test_secrets_in_a_log_are_not_shown(call: Call, tmp_path: Path) -> None:
    made = read(call, "submit", "--json", "--", "md", "Cu")
    log = Path(made["folder"]) / "log.txt"
    log.write_text("cannot reach mongodb://anna:hunter2@host/db\n")
    for form in ([], ["--json"]):
        _, out, err = call("why", "md", *form)
        assert "hunter2" not in out + err
        assert "***@host" in out


def test_a_study_is_checked_before_it_is_queued(call: Call, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("name: demo\nelectrolyte: Li3PS4\n")
    text = read(call, "submit", "study.yaml", "--engine", "slurm", "--time", "01:00:00",
                "--cores", "2", "--dry-run", "--json")["script"]  # fmt: skip
    assert "--cpus-per-task=2" in text
    assert read(call, "status", "--json") == []
    (tmp_path / "bad.yaml").write_text("name: demo\nelectrolite: Li3PS4\n")
    code, _, err = call("submit", "bad.yaml")
    assert (code, "did you mean 'electrolyte'" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("submit", "--", "rm", "-rf"), "cannot be submitted"),
        (("submit", "--engine", "condor", "--", "md", "Cu"), "engines are"),
        (("submit", "--time", "soon", "--", "md", "Cu"), "walltime"),
        (("submit", "--partition", "a b", "--", "md", "Cu"), "partition"),
        (("submit", "--setup", "absent", "--", "md", "Cu"), "setup file"),
        (("submit", "--option", "--x\n--y", "--", "md", "Cu"), "line break"),
        (("why", "nothing"), "jobs fit"),
        (("status", "--store", "absent"), "interlith init"),
    ],
)
def test_bad_input_is_explained(call: Call, arguments: tuple[str, ...], message: str) -> None:
    code, _, err = call(*arguments)
    assert (code, message in err) == (2, True), err
    assert read(call, "status", "--json") == []


def test_fireworks_without_a_server_says_what_to_set(call: Call) -> None:
    code, _, err = call("status", "--engine", "fireworks")
    assert (code, "INTERLITH_MONGO_URI" in err) == (2, True)
