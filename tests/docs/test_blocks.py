"""Every block of the README and the documentation runs, or says in its source why not.

A page is one session in one folder, from top to bottom. Above a block may stand

    <!-- not run: REASON -->     it cannot run here
    <!-- slow: REASON -->        it runs in the slow tests alone

``yaml`` and ``csv`` blocks with ``title="FILE"`` are files of the session; a ``text`` block with
``title="output"`` is part of what the block before it prints. Commands of all blocks, those that do
not run included, must be understood by the command line.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from interlith.cli.main import app
from interlith.workflows.study import Stages, Study

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^( *)```(\w*) *(.*)$")
MARKER = re.compile(r"^<!-- (not run|slow): (.{8,}) -->$")
TITLE = re.compile(r'title="([^"]+)"')
RUN, FILES = ("bash", "python"), ("yaml", "csv")
FAST = ("README.md", "docs/how-to/add-an-engine.md")
"""Pages that the fast tests run too, but for their slow blocks."""
TUTORIAL = "docs/tutorial.md"


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    title: str
    marker: str
    body: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """Lines that call ``interlith``, continued ones joined."""
        joined = self.body.replace("\\\n", " ")
        lines = [line.split("  #")[0].strip() for line in joined.splitlines()]
        return [line for line in lines if line.startswith("interlith ")]


def blocks_of(path: Path) -> Iterator[Block]:
    """The blocks of a page, each with the marker right above it."""
    before, body, opened = "", [], None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        fence = FENCE.match(line)
        if opened is None and fence:
            marker = MARKER.match(before)
            title = TITLE.search(fence[3])
            opened = (number, fence[2], title[1] if title else "", marker[1] if marker else "")
            body = []
        elif opened is not None and fence and not fence[2]:
            name = path.relative_to(ROOT).as_posix()
            yield Block(name, *opened, body="\n".join(body) + "\n")
            opened = None
        elif opened is not None:
            body.append(line)
        if line.strip() and opened is None:
            before = line.strip()
    if opened is not None:
        raise ValueError(f"{path}: the block of line {opened[0]} has no end")


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
SESSIONS = {
    page: [b for b in BLOCKS if b.page == page]
    for page in dict.fromkeys(block.page for block in BLOCKS)
}


@functools.cache
def _command_line() -> Any:
    return typer.main.get_command(app)


def understand(arguments: list[str]) -> None:
    """Parse a command line without running it; raises where the command line would refuse it."""
    command, context = _command_line(), None
    while True:
        context = command.make_context(command.name or "", list(arguments), parent=context)
        if not hasattr(command, "resolve_command"):
            return
        if not (rest := [*context._protected_args, *context.args]):
            return
        _, command, arguments = command.resolve_command(context, rest)


def test_an_option_that_is_not_there_is_found() -> None:
    understand(shlex.split("window Li2S --json"))
    for wrong in ("window Li2S --jason", "reference compare a b --formulas Li2S", "windows Li2S"):
        with pytest.raises(Exception, match=r"No such (option|command)"):
            understand(shlex.split(wrong))


def test_there_are_pages_and_blocks() -> None:
    assert len(SESSIONS) > 10
    assert sum(block.language in RUN for block in BLOCKS) > 40


@pytest.mark.parametrize("block", [b for b in BLOCKS if not b.marker], ids=lambda b: b.place)
def test_a_block_runs_or_says_why_not(block: Block) -> None:
    if block.language in (*RUN, *FILES) or block.title == "output":
        return
    assert not block.commands, f"{block.place} has commands: make it a bash block, or mark it"
    assert "import " not in block.body, f"{block.place} has Python: make it a block of it, or mark"


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.commands], ids=lambda b: b.place)
def test_the_command_line_understands_every_command(block: Block) -> None:
    for command in block.commands:
        words = shlex.split(re.split(r" [|>] | && |; ", command)[0])
        with contextlib.suppress(typer.Exit):  # --version, --help
            understand(words[1:])


@pytest.mark.parametrize(
    "block",
    [b for b in BLOCKS if b.language == "yaml" and not b.marker],
    ids=lambda b: b.place,
)
def test_settings_are_what_a_study_takes(block: Block) -> None:
    data = yaml.safe_load(block.body)
    if "electrolyte" in data:
        Study.model_validate(data)
    elif set(data) == {"stages"}:
        Stages.model_validate(data["stages"])
    else:
        assert block.title, f"{block.place}: neither a study nor its stages; give it a title"


def test_the_study_of_the_readme_is_the_shipped_one() -> None:
    (study,) = (b for b in BLOCKS if b.page == "README.md" and b.title == "study.yaml")
    shipped = (ROOT / "examples" / "li-lpscl-lco.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(study.body) == yaml.safe_load(shipped)


@pytest.fixture
def session(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A folder, and an environment in which ``interlith`` is this checkout's."""
    (tmp_path / "bin").mkdir()
    shortcut = tmp_path / "bin" / "interlith"
    shortcut.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m interlith "$@"\n')
    shortcut.chmod(0o755)
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "project").mkdir()
    path = f"{shortcut.parent}{os.pathsep}{os.environ['PATH']}"
    own = {"PATH": path, "PYTHONPATH": str(ROOT), "INTERLITH_DATA": str(tmp_path / "data")}
    return tmp_path / "project", os.environ | own


def run(page: str, session: tuple[Path, dict[str, str]], with_slow: bool) -> list[str]:
    """Run a page from top to bottom; returns what its blocks print."""
    folder, environment = session
    shells = {"bash": ["bash", "-euc"], "python": [sys.executable, "-c"]}
    printed, skipped = [], False
    for block in SESSIONS[page]:
        if block.title == "output":
            if not skipped:
                _has(printed[-1], block)
            continue
        skipped = block.marker == "not run" or (block.marker == "slow" and not with_slow)
        if skipped:
            continue
        if block.language in FILES and block.title:
            (folder / block.title).write_text(block.body)
        if block.language not in RUN:
            continue
        command = [*shells[block.language], block.body]
        result = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=570,
        )
        assert result.returncode == 0, f"{block.place}\n{block.body}\n{result.stderr}"
        if block.commands:
            assert result.stdout.strip(), f"{block.place} prints nothing"
        printed.append(result.stdout)
    return printed


def _has(printed: str, wanted: Block) -> None:
    """Each line of an output block is in the output, spaces apart."""
    seen = " ".join(printed.split())
    for line in wanted.body.splitlines():
        assert " ".join(line.split()) in seen, f"{wanted.place}: '{line}' is not in:\n{printed}"


@pytest.mark.parametrize("page", FAST)
def test_a_page_runs(page: str, session: tuple[Path, dict[str, str]]) -> None:
    assert run(page, session, with_slow=False)


@pytest.mark.slow
@pytest.mark.ml
@pytest.mark.parametrize(
    "page",
    [
        page
        for page, blocks in SESSIONS.items()
        if any(b.language in RUN and b.marker != "not run" for b in blocks)
        and page != TUTORIAL
        and not (page in FAST and all(b.marker != "slow" for b in blocks))
    ],
)
def test_a_page_runs_with_its_slow_blocks(page: str, session: tuple[Path, dict[str, str]]) -> None:
    assert run(page, session, with_slow=True)


@pytest.mark.slow
@pytest.mark.ml
def test_the_first_own_result_takes_less_than_five_minutes(
    session: tuple[Path, dict[str, str]],
) -> None:
    begun = time.monotonic()
    printed = run(TUTORIAL, session, with_slow=True)
    assert time.monotonic() - begun < 300
    folder, _ = session
    assert "Li6PS5Br" in (folder / "mine-results" / "report.html").read_text(encoding="utf-8")
    assert "Li3PS4" in printed[-1]
