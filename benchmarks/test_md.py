"""The MD driver beside atomate2's, its own overhead, and its memory.

Each potential is skipped where it is not installed. The small MACE is the one shipped with the
package, or the file that INTERLITH_TEST_MACE names.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ase import Atoms
from pymatgen.io.ase import AseAtomsAdaptor

from interlith.engines.md import GuardSettings, MDSettings, run_md
from interlith.engines.ml.shipped_models import MODELS_FOLDER
from interlith.engines.potentials import list_potentials, potential
from interlith.errors import InterlithError
from interlith.structures.library import build, load_phase

Note = Callable[[str, str, str, bool], None]
SECONDS = float(os.environ.get("INTERLITH_TEST_BENCH_SECONDS", "20"))
NO_GUARDS = GuardSettings(max_temperature_k=None, max_drift_mev_per_atom_per_ps=None)


def _argyrodite(atoms: int) -> Atoms:
    cell: Atoms = AseAtomsAdaptor.get_atoms(build(load_phase("Li6PS5Cl")))
    plain = Atoms(cell.symbols, cell=cell.cell, positions=cell.positions, pbc=True)
    return plain * {52: (1, 1, 1), 416: (2, 2, 2)}[atoms]


def _mace() -> str:
    named = os.environ.get("INTERLITH_TEST_MACE")
    if named:
        return f"mace:{named}"
    if "lpscl-1" not in list_potentials():
        pytest.skip("no small MACE: none is shipped and INTERLITH_TEST_MACE names none")
    return "lpscl-1"


def _theirs(name: str, steps: int, atoms: Atoms) -> float:
    """Seconds of stepping alone, as atomate2 measures them (its document comes on top)."""
    from atomate2.forcefields.md import ForceFieldMDMaker

    kind: Any = {"7net-0": "SevenNet", "chgnet": "CHGNet"}.get(name)
    options: dict[str, Any] = {"7net-0": {"model": "7net-0", "device": "cpu"}}.get(name, {})
    if kind is None:
        kind = {"@module": "mace.calculators", "@callable": "MACECalculator"}
        files = potential(name).identity.files
        path = (
            MODELS_FOLDER / Path(files[0]).name if files[0].startswith("interlith/") else files[0]
        )
        options = {"model_paths": str(path), "device": "cpu", "default_dtype": "float32"}
    maker = ForceFieldMDMaker(
        force_field_name=kind,
        calculator_kwargs=options,
        time_step=2.0,
        n_steps=steps,
        temperature=300,
        ensemble="nvt",
        dynamics="langevin",
        traj_interval=10,
        mb_velocity_seed=1,
    )
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            return float(maker.run_ase(AseAtomsAdaptor.get_structure(atoms)).elapsed_time)
        finally:
            os.chdir(before)


def _ours(name: str, steps: int, atoms: Atoms) -> tuple[float, float]:
    """Seconds of stepping, and the share outside the potential."""
    settings = MDSettings(steps=steps, frame_every=10, friction_per_ps=10, guards=NO_GUARDS)
    with tempfile.TemporaryDirectory() as folder:
        record = run_md(atoms, potential(name), settings, Path(folder) / "run")
    assert record.status == "finished", record.reason
    assert record.fraction_outside_forces is not None
    return record.wall_s, record.fraction_outside_forces


@pytest.mark.parametrize("size", [52, 416])
@pytest.mark.parametrize("name", ["chgnet", "mace", "7net-0"])
def test_steps_beside_atomate2(name: str, size: int, note: Note) -> None:
    pytest.importorskip("torch")
    asked = {"chgnet": 1.3, "mace": 1.3, "7net-0": 1.0}[name]
    label, name = name, _mace() if name == "mace" else name
    atoms = _argyrodite(size)
    try:
        potential(name)
    except InterlithError as error:
        pytest.skip(str(error))
    warm, _ = _ours(name, 5, atoms)
    steps = max(5, min(500, int(SECONDS / (warm / 5))))
    ours, theirs = [], []
    for _ in range(2):  # taken in turn, so that both meet the same load
        ours.append(_ours(name, steps, atoms))
        theirs.append(_theirs(name, steps, atoms))
    best, share = min(ours)
    ratio = min(theirs) / best
    note(
        f"MD steps a second, {label}, {size} atoms of Li6PS5Cl, Langevin, {steps} steps",
        f"{steps / best:.3g}, atomate2's ForceFieldMDMaker {steps / min(theirs):.3g}: "
        f"{ratio:.2f} times",
        f"{asked} times",
        ratio >= asked,
    )
    if label != "chgnet" and size == 52:
        bound = {"mace": 0.15, "7net-0": 0.05}[label]
        note(
            f"MD time outside the force call, {label}, {size} atoms",
            f"{100 * share:.1f} %",
            f"{100 * bound:.0f} %",
            share <= bound,
        )


@pytest.mark.parametrize("size", [52, 416])
def test_shipped_mace_beside_its_teachers_family(size: int, note: Note) -> None:
    pytest.importorskip("torch")
    atoms, fast = _argyrodite(size), _mace()
    seconds: dict[str, list[float]] = {fast: [], "7net-0": []}
    for name in (*seconds, *seconds):  # taken in turn
        steps = {fast: 20800, "7net-0": 4160}[name] // size
        _ours(name, 5, atoms)
        seconds[name].append(_ours(name, steps, atoms)[0] / steps)
    ratio = min(seconds["7net-0"]) / min(seconds[fast])
    note(
        f"MD step of the shipped MACE (one member) beside SevenNet 7net-0, {size} atoms",
        f"{1000 * min(seconds[fast]):.1f} ms against {1000 * min(seconds['7net-0']):.0f} ms: "
        f"{ratio:.0f} times faster",
        "15 times",
        ratio >= 15,
    )


_MEMORY = """
import resource, sys
from ase.build import bulk
from interlith.engines.md import MDSettings, run_md
from interlith.engines.potentials import potential
def resident_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20
def show(now):
    if now.step in (1000, int(sys.argv[1])):
        print(now.step, resident_mb())
settings = MDSettings(steps=int(sys.argv[1]), frame_every=1, checkpoint_every=500)
run_md(bulk("Cu", cubic=True) * (2, 2, 1), potential("emt"), settings, "run", progress=show)
"""


def test_memory_does_not_grow_with_steps(note: Note, tmp_path: Path) -> None:
    if not Path("/proc/self/statm").exists():
        pytest.skip("resident memory is read from /proc")
    steps = int(os.environ.get("INTERLITH_TEST_BENCH_STEPS", "20000"))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    started = time.perf_counter()
    answer = subprocess.run(
        [sys.executable, "-c", _MEMORY, str(steps)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    resident = {int(step): float(mb) for step, mb in map(str.split, answer.stdout.splitlines())}
    growth = resident[steps] - resident[1000]
    note(
        f"resident memory from 1,000 to {steps:,} MD steps (EMT, a frame every step)",
        f"{growth:+.1f} MB ({resident[1000]:.0f} MB), in {time.perf_counter() - started:.0f} s",
        "50 MB",
        abs(growth) <= 50,
    )
