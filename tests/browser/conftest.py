"""A report with every stage, and Debian's chromium to open it in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms

from interlith.analysis.diffusion_results import DiffusionRecord
from interlith.analysis.study_results import StudyFailure, StudyResults
from interlith.h5md import H5mdWriter
from interlith.report.output import write_results
from interlith.structures.library import build, load_phase
from interlith.workflows.analyze import analyze_files
from interlith.workflows.assess import AssessMaker
from interlith.workflows.local import run_flow
from interlith.workflows.study import Study

CHROMIUM = Path("/usr/bin/chromium")
ARTEFACTS = Path(__file__).parents[2] / "build" / "browser"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",  # WebGL without a graphics card
]
ATTACK = "</script><script>window.attacked = 1</script><img src=x onerror='window.attacked = 1'>"
STUDY = {
    "name": "main",
    "electrolyte": "Li6PS5Cl",
    "anode": "Li",
    "cathode": {"material": "LiCoO2", "voltage_v": [3.0, 4.3]},
    "coatings": ["LiNbO3", "LiF"],
    "stages": {
        "structures": {"max_atoms": 140, "max_strain": 0.08, "max_area_angstrom2": 120},
        "md": {"potential": "lpscl-1", "temperatures_k": [700, 900], "time_ps": 2},
        "reactivity": {
            "potential": "lpscl",
            "temperatures_k": [600],
            "time_ps": 1.0,
            "seeds": 1,
            "contacts": ["anode"],
            "min_length_angstrom": 6.5,
            "thickness_angstrom": 8,
            "label_frames": 2,
            "teacher": "lpscl-2",
            "nve_ps": 0.2,
            "relax_steps": 20,
        },
    },
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow)


def random_walk(folder: Path, temperature_k: float) -> Path:
    """Li that hops at random with 0.3 eV, in Li6PS5Cl whose other atoms only shake."""
    atoms: Atoms = build(load_phase("Li6PS5Cl-24g")).to_ase_atoms(msonable=False)
    rng = np.random.default_rng(int(temperature_k))
    moves = np.array(atoms.get_chemical_symbols()) == "Li"
    step = 1.2 * np.exp(-0.15 / 8.617e-5 * (1 / temperature_k - 1 / 800))
    path = folder / f"walk-{temperature_k:g}.h5"
    writer = H5mdWriter.create(path, atoms.get_chemical_symbols(), time_step_fs=100.0)
    at = atoms.positions.copy()
    for frame in range(500):
        at[moves] += rng.normal(0, step / 5, (moves.sum(), 3))
        writer.append(frame, at + rng.normal(0, 0.05, at.shape), atoms.cell.array)
    writer.commit()
    return path


def dynamics(folder: Path) -> DiffusionRecord:
    temperatures = (500.0, 600.0, 700.0, 800.0)
    record = analyze_files([random_walk(folder, t) for t in temperatures], temperatures)
    return record.model_copy(update={"formula": "Li6PS5Cl"})


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyResults, dict[str, str]]:
    """A study by the real flow, and a ladder of random walks: long dynamics in no time."""
    work = tmp_path_factory.mktemp("work")
    output = run_flow(AssessMaker(work_folder=str(work)).make(Study.model_validate(STUDY)))
    found = StudyResults.model_validate(output["results"])
    assert not found.failures
    assert [len(found.diffusion[0].runs), len(found.reactivity[0].runs)] == [2, 1]
    failures = (*found.failures, StudyFailure(step="md", subject=ATTACK, reason=ATTACK))
    update = {
        "diffusion": (*found.diffusion, dynamics(tmp_path_factory.mktemp("walks"))),
        "failures": failures,
        "study": {**found.study, "notes": ATTACK},
    }
    return found.model_copy(update=update), output["files"]


@pytest.fixture(scope="session")
def study_folder(
    results: tuple[StudyResults, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("report") / "main-results"
    write_results(results[0], folder, results[1])
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright; one for all tests."""
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM} (apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright (extra dev)")
    os.makedirs(ARTEFACTS, exist_ok=True)
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield opened
        opened.close()
