"""Each notebook runs as plain Python; its last cells assert what it found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
QUICK = {"1_thermodynamics"}
"""In the fast tests too."""


def cells_of(text: str) -> list[tuple[str, str]]:
    """Kind and text of each cell of a percent script."""
    parts = text.split("# %%")[1:]
    return [
        ("markdown" if part.startswith(" [markdown]") else "code", part.split("\n", 1)[1])
        for part in parts
    ]


def test_there_are_the_six() -> None:
    assert [path.name[0] for path in NOTEBOOKS] == ["1", "2", "3", "4", "5", "6"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_explains_and_asserts(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    cells = cells_of(text)
    assert text.startswith("# %% [markdown]\n# # ")
    assert all(
        line.startswith("#")
        for kind, body in cells
        if kind == "markdown"
        for line in body.splitlines()
        if line
    )
    assert "assert " in cells[-1][1]
    assert 'style.use("interlith.report.interlith")' in text
    assert ".savefig(" in text


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            path,
            id=path.stem,
            marks=[] if path.stem in QUICK else [pytest.mark.slow, pytest.mark.ml],
        )
        for path in NOTEBOOKS
    ],
)
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, str(path)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=590,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    figures = [file for file in tmp_path.glob("*.png") if file.stat().st_size > 5000]
    assert figures
