"""Speed and memory of the transport analysis on a long trajectory, from file to diffusivity."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Note = Callable[[str, str, str, bool], None]
FRAMES, MOBILE, FRAMEWORK = 100_000, 200, 200
STEP_ANGSTROM = 0.05

MEASURE = """
import resource, sys, time
from interlith.analysis.displacements import msd_tensor, read_paths
from interlith.analysis.trajectories import open_trajectory
from interlith.analysis.transport import analyse
import scipy.fft, scipy.stats, h5py

t0 = time.perf_counter()
paths = read_paths(open_trajectory(sys.argv[1]), "Li")
t1 = time.perf_counter()
msd_tensor(paths.mobile)
t2 = time.perf_counter()
run = analyse(paths, 600.0).run
t3 = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(t1 - t0, t2 - t1, t3 - t2, peak, run.self_diffusivity_cm2_s, run.sigma_cm2_s, run.haven_ratio)
"""


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100,000 frames of 200 walkers in a still framework of 200 atoms, H5MD, 32-bit."""
    import h5py

    path = tmp_path_factory.mktemp("long") / "long.h5md"
    rng = np.random.default_rng(7)
    n_atoms = MOBILE + FRAMEWORK
    with h5py.File(path, "w") as file:
        group = file.create_group("particles/all")
        group["species"] = np.array([3] * MOBILE + [16] * FRAMEWORK)
        box = group.create_group("box")
        box.attrs["dimension"] = 3
        box.attrs["boundary"] = [b"periodic"] * 3
        box["edges"] = np.eye(3) * 20.0
        position = group.create_group("position")
        position["step"] = 10
        position["time"] = 20.0
        position["time"].attrs["unit"] = "fs"
        value = position.create_dataset(
            "value", (FRAMES, n_atoms, 3), "f4", chunks=(64, n_atoms, 3)
        )
        place = rng.random((n_atoms, 3)) * 20.0
        for start in range(0, FRAMES, 5000):
            part = np.repeat(place[None], 5000, axis=0)
            steps = rng.normal(size=(5000, MOBILE, 3)) * STEP_ANGSTROM
            part[:, :MOBILE] += steps.cumsum(axis=0)
            place[:MOBILE] = part[-1, :MOBILE]
            part[:, MOBILE:] += rng.normal(size=(5000, FRAMEWORK, 3)) * 0.1
            value[start : start + 5000] = part
    return path


def test_a_long_trajectory(long_run: Path, note: Note) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(long_run)], check=True, capture_output=True, text=True
    )
    read, msd, rest, peak, d, sigma, haven = (float(x) for x in done.stdout.split())
    name = f"{FRAMES:,} frames, {MOBILE} mobile atoms: "
    note(name + "MSD at every lag", f"{msd:.1f} s", "10 s", msd < 10)
    note(
        name + "diffusivity, conductivity and Haven ratio with errors (MSD again included)",
        f"{rest:.1f} s",
        "30 s more",
        rest < 30,
    )
    note(name + "reading the H5MD file in blocks", f"{read:.1f} s", "not asked", True)
    note(name + "peak memory, everything", f"{peak:.2f} GB", "2 GB", peak < 2)
    true = STEP_ANGSTROM**2 / 2 / 20.0 * 0.1
    assert abs(d - true) < 4 * sigma
    assert 0.7 < haven < 1.4
    assert msd < 10
    assert rest < 30
    assert peak < 2


@pytest.mark.skipif(
    importlib.util.find_spec("pymatgen.analysis.diffusion") is None,
    reason="pymatgen-analysis-diffusion is not installed",
)
def test_beside_pymatgen(note: Note) -> None:
    from pymatgen.analysis.diffusion.analyzer import DiffusionAnalyzer
    from pymatgen.core import Lattice, Structure

    from interlith.analysis.displacements import msd_tensor

    frames = 2000
    walk = np.random.default_rng(7).normal(size=(MOBILE, frames, 3)).cumsum(axis=1) * 0.05
    crystal = Structure(Lattice.cubic(20), ["Li"] * MOBILE, np.zeros((MOBILE, 3)))
    started = time.perf_counter()
    DiffusionAnalyzer(crystal, walk, "Li", 600, 2, 10, smoothed="max")
    theirs = time.perf_counter() - started
    started = time.perf_counter()
    msd_tensor(np.moveaxis(walk, 2, 1))
    ours = time.perf_counter() - started
    note(
        f"MSD of {frames:,} frames x {MOBILE} atoms, ours at every lag, beside pymatgen's 200 lags",
        f"{ours:.2f} s, {theirs:.2f} s",
        "faster",
        ours < theirs,
    )
