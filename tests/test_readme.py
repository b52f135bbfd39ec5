"""Every block of the README and the how-to pages runs as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "docs/thermodynamics.md",
    "docs/structures.md",
    "docs/dynamics.md",
    "docs/engines.md",
)
STORIES = ("docs/results.md", "docs/cluster.md")
"""Pages whose blocks are one session in one folder."""
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def _blocks(language: str) -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for kind, body in BLOCK.findall((ROOT / page).read_text(encoding="utf-8")):
            if kind == language:
                found.append((page, body))
    return found


def _commands() -> list[str]:
    lines = [
        line.split("  #")[0].strip() for _, body in _blocks("bash") for line in body.split("\n")
    ]
    return [line for line in dict.fromkeys(lines) if line.startswith("interlith ")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the study file of the README."""
    study = next(body for page, body in _blocks("yaml") if page == "README.md")
    (tmp_path / "study.yaml").write_text(study)
    (tmp_path / "own.csv").write_text(
        "formula,formation_energy_ev_per_atom\nLi2S,-1.34\nLi3P,-0.70\nLi3PS4,-0.93\n"
    )
    _walk(tmp_path / "run.extxyz")
    (tmp_path / "copper.yaml").write_text(
        "name: copper\nteacher: emt\n"
        "systems:\n  - {name: Cu, material: Cu, temperatures_k: [600]}\n"
    )
    (tmp_path / "pairs.csv").write_text("a,b\nLi,Li6PS5Cl\nLiCoO2,Li3PO4\n")
    return tmp_path


def _walk(path: Path) -> None:
    """A trajectory from elsewhere: lithium that wanders in a resting lattice of chlorine."""
    import numpy as np
    from ase.build import bulk
    from ase.io import write

    atoms = bulk("LiCl", "rocksalt", a=5.13, cubic=True) * (2, 2, 2)
    moves = np.array(atoms.get_chemical_symbols())[:, None] == "Li"
    upper = atoms.positions[:, 2] > 0.45 * atoms.cell[2, 2]
    atoms.set_array("region", np.where(upper, "electrolyte", "anode"))
    random, frames = np.random.default_rng(0), []
    for _ in range(200):
        atoms.positions += moves * random.normal(scale=0.4, size=atoms.positions.shape)
        frames.append(atoms.copy())
    write(path, frames)


@pytest.mark.parametrize("command", _commands())
def test_command_runs(command: str, folder: Path) -> None:
    if "--reference mp" in command or "reference build" in command:
        pytest.skip("needs the network, or minutes of a potential")
    result = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


@pytest.mark.parametrize(("page", "body"), _blocks("python"))
def test_python_block_runs(page: str, body: str, folder: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", body],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert result.returncode == 0, f"{page}: {result.stderr}"
    assert result.stdout.strip(), f"{page}: the block prints nothing"


@pytest.mark.parametrize("page", STORIES)
def test_page_runs_from_top_to_bottom(page: str, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    shortcut = tmp_path / "bin" / "interlith"
    shortcut.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m interlith "$@"\n')
    shortcut.chmod(0o755)
    place = tmp_path / "project"
    place.mkdir()
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PATH": f"{shortcut.parent}{os.pathsep}{os.environ['PATH']}",
    }
    shells = {"bash": ["bash", "-euc"], "python": [sys.executable, "-c"]}
    for kind, body in BLOCK.findall((ROOT / page).read_text(encoding="utf-8")):
        if kind not in shells:
            continue
        result = subprocess.run(
            [*shells[kind], body],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert result.returncode == 0, f"{body}\n{result.stderr}"


def test_the_study_of_the_readme_is_the_shipped_one() -> None:
    study = next(body for page, body in _blocks("yaml") if page == "README.md")
    shipped = (ROOT / "examples" / "li-lpscl-lco.yaml").read_text(encoding="utf-8")
    meaning = [line.split("#")[0].strip() for line in study.splitlines()]
    assert [line for line in meaning if line] == [
        line.split("#")[0].strip() for line in shipped.splitlines() if line.split("#")[0].strip()
    ]
