"""What a terminal sees: completion, colours, plain output in a pipe, JSON, and Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from interlith.cli.main import app

WITHOUT_JSON = {"results serve"}  # a server; it has no result
ESCAPE = "\x1b"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
STUDY = "name: a\nelectrolyte: Li3PS4\nanode: Li\n"


def _leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield " ".join(path), command
        return
    for name, below in command.commands.items():
        yield from _leaves(below, (*path, name))


COMMANDS = dict(_leaves(typer.main.get_command(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_json_and_explains_itself(name: str) -> None:
    command = COMMANDS[name]
    options = {option for parameter in command.params for option in parameter.opts}
    assert ("--json" in options) != (name in WITHOUT_JSON)
    assert len(command.help or "") > 20


def _interlith(arguments: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "interlith", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **more,
    )


def test_the_shell_completes_commands_and_options() -> None:
    code = "import sys; sys.argv = ['interlith']; from interlith.cli.main import main; main()"
    shell = {"_INTERLITH_COMPLETE": "complete_bash"}
    for words, wanted in (("interlith ex", "examples"), ("interlith md --tim", "--timestep")):
        asked = shell | {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        result = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=os.environ | asked,
        )
        assert wanted in result.stdout
    assert "complete_bash" in _interlith(["--show-completion", "bash"], env=_bash()).stdout


def _bash() -> dict[str, str]:
    return os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}


@pytest.mark.parametrize(
    "arguments",
    [["window", "Li3PS4"], ["library", "list", "--role", "coating"], ["--help"], ["window", "Xx"]],
)
def test_output_into_a_pipe_is_plain(arguments: list[str]) -> None:
    result = _interlith(arguments, env=os.environ | {"TERM": "xterm-256color"})
    assert ESCAPE not in result.stdout + result.stderr
    assert result.stdout or result.returncode == 2


def test_nothing_is_folded_in_a_pipe() -> None:
    result = _interlith(["react", "LiCoO2", "Li6PS5Cl"])
    assert re.search(r"^.*LiCoO2 \+ .* -> .*LiCl", result.stdout, re.MULTILINE)


def _on_a_terminal(arguments: list[str], environment: dict[str, str]) -> str:
    """Everything a terminal of 80 columns gets to see."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "interlith", *arguments],
        stdin=child,
        stdout=child,
        stderr=child,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "80"} | environment,
    )
    os.close(child)
    seen = b""
    while True:
        try:
            part = os.read(parent, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(parent)
    assert process.wait(timeout=60) == 0
    return seen.decode()


def test_a_terminal_gets_colours_unless_told_not_to() -> None:
    plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    assert COLOUR.search(_on_a_terminal(["window", "Li3PS4"], plain))
    for said in ("1", "yes"):
        seen = _on_a_terminal(["window", "Li3PS4"], {"NO_COLOR": said})
        assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", seen)
        assert max(len(line) for line in COLOUR.sub("", seen).splitlines()) <= 81


def _until(there: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end, "it did not begin"
        time.sleep(0.05)


def interrupted(arguments: list[str], begun: Callable[[], bool]) -> tuple[int, str]:
    """Exit code and stderr of a command that gets Ctrl-C once it has begun."""
    process = subprocess.Popen(
        [sys.executable, "-m", "interlith", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C reaches every process of the terminal's foreground
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    watchdog = threading.Timer(120, process.kill)
    watchdog.start()
    try:
        _until(begun)
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate()
    finally:
        watchdog.cancel()
        process.kill()
    return process.returncode, said


def _has_frames(path: Path) -> Callable[[], bool]:
    return lambda: path.exists() and path.stat().st_size > 0


def test_dynamics_says_how_to_go_on(tmp_path: Path) -> None:
    told = ["md", "Cu", "--potential", "emt", "--time-ps", "1000", "--repeat", "2,2,2", "-o", "a b"]
    code, said = interrupted(told, _has_frames(tmp_path / "a b" / "trajectory.h5"))
    assert code == 1
    assert "interlith md Cu --potential emt --time-ps 1000 --repeat 2,2,2 -o 'a b'" in said, said
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_ladder_says_how_to_go_on(tmp_path: Path) -> None:
    told = ["diffusion", "Cu", "--mobile", "Cu", "--potential", "emt", "--temperatures", "400,500"]
    told += ["--min-length", "5", "--as-given", "--workers", "2", "--out", "ladder"]
    code, said = interrupted(
        [*told, "--time-ps", "2000", "--equilibration-ps", "0"],
        lambda: len(list((tmp_path / "ladder").rglob("trajectory.h5"))) == 2,
    )
    assert code in (1, 130)  # all runs said that they were interrupted, or the wait for them was
    assert re.search("[Gg]o on with: interlith diffusion Cu --mobile Cu", said), said
    assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "begun"),
    [
        (["assess", "study.yaml"], "jobs"),
        (["train", "train.yaml", "--out", "made"], "made"),
        (["reference", "build", "set", "--only", "Li2S"], "set"),
    ],
)
def test_long_work_says_how_to_go_on(arguments: list[str], begun: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "study.yaml").write_text(STUDY.replace("anode: Li\n", "coatings: all\nanode: Li\n"))
    (tmp_path / "train.yaml").write_text(
        "name: made\nteacher: 7net-0\nsystems:\n"
        "  - {name: LiCl, material: LiCl, temperatures_k: [600], md_ps: 1}\n"
    )
    begin = time.monotonic()
    started = (
        (lambda: time.monotonic() - begin > 1.5)
        if begun == "jobs"
        else (lambda: (tmp_path / begun).is_dir() and any((tmp_path / begun).iterdir()))
    )
    code, said = interrupted(arguments, started)
    assert code == 130, said
    assert f"Go on with: interlith {' '.join(arguments)}" in said
    assert "Traceback" not in said
    again = _interlith([*arguments, "--help"])  # what it says can be typed
    assert again.returncode == 0


def test_json_is_one_document() -> None:
    asked = ["screen", "--electrolyte", "Li3PS4", "--cathode", "LiCoO2", "--coatings", "all"]
    assert json.loads(_interlith([*asked, "--json"]).stdout)["rows"]


@pytest.mark.slow
@pytest.mark.ml
def test_a_study_leaves_its_dynamics_at_once(tmp_path: Path) -> None:
    md = "{potential: lpscl, temperatures_k: [700, 800, 900], time_ps: 500, volume: as_given}"
    study = f"name: a\nelectrolyte: Li6PS5Cl\nanode: Li\nstages:\n  md: {md}\n"
    (tmp_path / "study.yaml").write_text(study)
    begin = time.monotonic()
    code, said = interrupted(
        ["assess", "study.yaml"],
        lambda: len(list(tmp_path.rglob("trajectory.h5"))) == 2,
    )
    assert code == 130
    assert "Go on with: interlith assess study.yaml" in said
    assert list(tmp_path.rglob("checkpoint")), "its dynamics has nothing to go on from"
    assert not list(tmp_path.glob("a-results/*"))
    assert time.monotonic() - begin < 110
