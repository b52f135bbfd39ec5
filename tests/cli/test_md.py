"""``interlith md``, ``diffusion`` and ``analyze``: contract fields, going on, mistakes in words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.io import write


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "interlith", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, timeout=180, check=False
    )


def answer(folder: Path, *arguments: str) -> dict[str, Any]:
    done = run(folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


ANALYZE = ("analyze", "plain.xyz", "--temperature", "300", "--time-step", "1")
COPPER = ("md", "Cu", "--potential", "emt", "--temperature", "400", "--out", "run")


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first = answer(tmp_path, *COPPER, "--time-ps", "0.1")
    again = answer(tmp_path, *COPPER, "--time-ps", "0.2")
    assert first["status"] == again["status"] == "finished"
    assert first["trajectory"]["frames"] == 6
    assert again["trajectory"]["frames"] == 11
    assert any("step 50" in note for note in again["notes"]), again["notes"]


def test_a_ladder_and_the_analysis_of_its_files_agree(tmp_path: Path) -> None:
    ladder = answer(
        tmp_path, "diffusion", "Cu", "--potential", "emt", "--mobile", "Cu", "--temperatures",
        "400,500", "--time-ps", "0.2", "--equilibration-ps", "0.05", "--min-length", "5",
        "--as-given", "--out", "ladder", "--frame-every", "1",
    )  # fmt: skip
    assert {"formula", "potential", "runs", "arrhenius"} <= set(ladder)
    assert ladder["arrhenius"] is None
    assert ladder["arrhenius_reason"]
    for row in ladder["runs"]:
        for key in ("status", "reason", "self_diffusivity_cm2_s", "sigma_cm2_s", "haven_ratio"):
            assert key in row
        assert {"path", "sha256", "frames", "time_step_fs"} <= set(row["trajectory"])
    assert (tmp_path / "ladder" / "msd.png").read_bytes().startswith(b"\x89PNG")
    file = ladder["runs"][0]["trajectory"]["path"]
    found = answer(
        tmp_path, "analyze", file, "--temperature", "400", "--mobile", "Cu",
        "--equilibration-ps", "0.05",
    )  # fmt: skip
    assert found["runs"][0]["events"] == pytest.approx(ladder["runs"][0]["events"])
    assert found["potential"] is None


def _two_regions(path: Path) -> None:
    """Li that wanders in the plane, faster in the upper half of a resting lattice of chlorine."""
    atoms = bulk("LiCl", "rocksalt", a=5.13, cubic=True) * (2, 2, 4)
    atoms.positions += 0.1
    upper = atoms.positions[:, 2] > atoms.cell[2, 2] / 2
    moves = (np.array(atoms.get_chemical_symbols()) == "Li") * np.where(upper, 0.3, 0.1)
    atoms.set_array("region", np.where(upper, "electrolyte", "anode"))
    random, frames = np.random.default_rng(0), []
    for _ in range(600):
        step = random.normal(size=(len(atoms), 3)) * moves[:, None] * [1, 1, 0]
        atoms.positions += step
        frames.append(atoms.copy())
    write(path, frames)


def test_analysis_by_region_and_depth(tmp_path: Path) -> None:
    _two_regions(tmp_path / "run.extxyz")
    usual = ("analyze", "run.extxyz", "--temperature", "600", "--time-step", "50",
             "--equilibration-ps", "0")  # fmt: skip
    found = answer(tmp_path, *usual, "--regional", "--depth-bins", "0,3,6", "--out", "out")
    by_region, by_depth = found["regions"]
    slow, fast = (row["self_diffusivity_cm2_s"] for row in by_region["rows"])
    assert [row["region"] for row in by_region["rows"]] == ["anode", "electrolyte"]
    assert fast / slow == pytest.approx(9.0, rel=0.4)
    assert len(by_region["planes_angstrom"]) == 2
    assert [row["region"] for row in by_depth["rows"]] == ["0-3 Angstrom", "3-6 Angstrom"]
    assert (tmp_path / "out" / "regions.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "out" / "analysis.json").read_text()) == found
    text = run(tmp_path, *usual, "--regions", "run.extxyz").stdout
    assert "By region at 600 K" in text
    assert answer(tmp_path, *usual)["regions"] == []


def test_a_file_may_be_said_to_be_unwrapped(tmp_path: Path) -> None:
    """Steps of more than half a cell are followed only where nothing is wrapped."""
    from typer.testing import CliRunner

    from interlith.cli.main import app
    from interlith.errors import InputError

    atoms = bulk("LiCl", "rocksalt", a=5.13, cubic=True)
    frames = []
    for _ in range(40):
        atoms.positions[0, 0] += 0.52 * 5.13
        frames.append(atoms.copy())
    write(tmp_path / "far.extxyz", frames)
    words = ["analyze", str(tmp_path / "far.extxyz"), "--temperature", "300", "--time-step", "9"]
    for option in ([], ["--wrapped"]):
        with pytest.raises(InputError, match="give unwrapped positions"):
            CliRunner().invoke(app, [*words, *option], catch_exceptions=False)
    done = CliRunner().invoke(app, [*words, "--unwrapped", "--json"], catch_exceptions=False)
    assert done.exit_code == 0


def test_crossings_between_regions(tmp_path: Path) -> None:
    """Li wanders among resting chlorine of two regions; labels come from a structure file."""
    atoms = bulk("LiCl", "rocksalt", a=5.13, cubic=True) * (2, 2, 4)
    atoms.positions += 0.1
    upper = atoms.positions[:, 2] > atoms.cell[2, 2] / 2
    atoms.set_array("region", np.where(upper, "electrolyte", "coating"))
    write(tmp_path / "labelled.extxyz", atoms)
    del atoms.arrays["region"]
    lithium = (np.array(atoms.get_chemical_symbols()) == "Li")[:, None]
    random, frames = np.random.default_rng(1), []
    for _ in range(800):
        atoms.positions += random.normal(scale=0.3, size=(len(atoms), 3)) * lithium
        frames.append(atoms.copy())
    write(tmp_path / "run.extxyz", frames)
    usual = ("analyze", "run.extxyz", "--temperature", "600", "--time-step", "50",
             "--equilibration-ps", "0", "--regions", "labelled.extxyz")  # fmt: skip
    found = answer(tmp_path, *usual, "--crossings", "1.5", "--interphase", "4")
    (across,) = found["crossings"]
    assert [one["region"] for one in across["regions"]] == [
        "coating", "interphase", "electrolyte", "interphase"
    ]  # fmt: skip
    assert {one["resistance"]["status"] for one in across["planes"]} == {"ok"}
    sigma = 0.3**2 / 2 / 50 * 0.1  # cm2/s
    per_cm3 = 64 / atoms.get_volume() * 1e24
    ohm_cm = 8.617333e-5 * 600 / (sigma * per_cm3 * 1.602177e-19)
    low, high = across["total"]["interval95_ohm_cm2"]
    assert low < ohm_cm * atoms.cell[2, 2] * 1e-8 < high < 2 * low
    shown = run(tmp_path, *usual, "--crossings", "1.5").stdout
    assert "Crossings at 600 K" in shown
    assert "Once through the cell" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("md", "Cu", "--potential", "gap"), "no potential"),
        (("md", "Nope"), "Nope"),
        (("md", "Cu", "--potential", "emt", "--ensemble", "nvx"), "ensemble"),
        (("md", "Cu", "--potential", "emt", "--timestep", "-1"), "timestep"),
        (("md", "Li6PS5Cl-cubic", "--potential", "lj"), "interlith build order"),
        (("md", "LiCl", "--potential", "emt"), "Li"),
        (("diffusion", "Cu", "--potential", "emt"), "holds no Li"),
        (("diffusion", "LiCl", "--potential", "lj", "--temperatures", "hot"), "numbers"),
        (("diffusion", "LiCl", "--potential", "lj", "--time-ps", "0"), "time_ps"),
        (("analyze", "none.h5", "--temperature", "300"), "none.h5"),
        (("analyze", "plain.xyz", "--temperature", "300", "--time-step", "1", "--regional"),
         "no region labels"),
        (("analyze", "plain.xyz", "--temperature", "300", "--time-step", "1", "--crossings", "1"),
         "no region labels"),
        (("analyze", "plain.xyz", "--temperature", "300", "--time-step", "1", "--interphase", "5"),
         "--crossings MARGIN"),
        (("analyze", "a.h5", "b.h5", "--temperature", "300"), "takes 2"),
        ((*ANALYZE, "--equilibration-ps", "-6"), "give 0 or more"),
        ((*ANALYZE, "--equilibration-ps", "nan"), "give 0 or more"),
        ((*ANALYZE, "--equilibration-ps", "100", "--regional"), "leaves nothing of plain.xyz"),
        ((*ANALYZE, "--equilibration-ps", "0.003"), "which is 0.003 ps long"),
        ((*ANALYZE, "--depth-bins", "0,3,nan"), "finite"),
        ((*ANALYZE, "--depth-bins=-3,0,3"), "0 or more"),
        ((*ANALYZE, "--crossings", "nan"), "finite one above 0"),
        (("diffusion", "LiCl", "--potential", "lj", "--temperatures", "-400"), "above 0 K"),
        (("diffusion", "LiCl", "--potential", "lj", "--temperatures", "nan"), "finite"),
        (("diffusion", "LiCl", "--potential", "lj", "--temperatures", "400,400"), "twice"),
        (("diffusion", "LiCl", "--potential", "lj", "--time-ps", "0.2", "--equilibration-ps", "5"),
         "leaves nothing of time_ps 0.2"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_words(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    crystal = bulk("LiCl", "rocksalt", a=5.13, cubic=True)
    write(tmp_path / "plain.xyz", [crystal] * 3, format="extxyz")
    done = run(tmp_path, *arguments)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    if arguments[0] != "md":
        assert {one.name for one in tmp_path.iterdir()} == {"plain.xyz"}
