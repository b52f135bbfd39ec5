"""The MD driver: laws of each ensemble, going on, stopping, and what it says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.constraints import FixAtoms
from ase.neighborlist import neighbor_list

from interlith.engines.dynamics.checkpoint import load_checkpoint
from interlith.engines.md import GuardSettings, MDProgress, MDRecord, MDSettings, run_md
from interlith.engines.potentials import Potential, potential
from interlith.errors import FailureError, InputError, OutputError
from interlith.h5md import H5mdReader

ENSEMBLES = ["nve", "nvt_langevin", "nvt_bussi", "nvt_nose_hoover", "npt_isotropic", "npt_cell"]


def _copper(n: int = 2) -> Atoms:
    return bulk("Cu", cubic=True) * (n, n, n)


def _run(folder: str, atoms: Atoms | None = None, **options: Any) -> MDRecord:
    settings = MDSettings(**({"steps": 40, "checkpoint_every": 20, "frame_every": 5} | options))
    return run_md(atoms or _copper(), potential("emt"), settings, folder)


def _positions(folder: str) -> np.ndarray:
    saved, _ = load_checkpoint(Path(folder))
    assert saved is not None
    return saved.arrays["positions"]


class BrokenEMT(EMT):
    """EMT that misbehaves from the ``after``-th call on."""

    def __init__(self, after: int, value: float | None) -> None:
        super().__init__()
        self.left, self.value = after, value

    def calculate(self, *arguments: Any, **named: Any) -> None:
        super().calculate(*arguments, **named)
        self.left -= 1
        if self.left < 0:
            if self.value is None:
                raise RuntimeError("out of memory")
            self.results["forces"][0] = self.value


def _broken(after: int, value: float | None) -> Potential:
    return Potential(potential("emt").identity, lambda **_: BrokenEMT(after, value))


@pytest.mark.parametrize("ensemble", ENSEMBLES)
def test_stopping_and_going_on_changes_no_bit(ensemble: str) -> None:
    one = _run("one", ensemble=ensemble, steps=60)
    for steps in (20, 40, 60):
        other = _run("other", ensemble=ensemble, steps=steps)
    assert other.notes == ("resumed at step 40",)
    assert np.array_equal(_positions("one"), _positions("other"))
    with H5mdReader("one/trajectory.h5") as a, H5mdReader("other/trajectory.h5") as b:
        assert a.n_frames == 13
        assert np.array_equal(a.steps(), 5 * np.arange(13))
        assert np.array_equal(a.positions(), b.positions())
        assert np.array_equal(a.cells(), b.cells())
        assert np.array_equal(a.observable("temperature"), b.observable("temperature"))
        assert (a.cells().std(axis=0).max() > 0) == ensemble.startswith("npt")
    assert one.mean_temperature_k == other.mean_temperature_k
    assert one.sigma_temperature_k == other.sigma_temperature_k


def test_going_on_between_checkpoints_is_the_same_within_rounding() -> None:
    _run("one", steps=60)
    for steps in (7, 33, 60):
        _run("other", steps=steps)
    assert np.abs(_positions("one") - _positions("other")).max() < 1e-10


def test_energy_is_conserved_and_the_centre_rests() -> None:
    record = _run("run", ensemble="nve", steps=200, timestep_fs=2, temperature_k=600)
    assert record.energy_drift_mev_per_atom_per_ps == pytest.approx(0, abs=0.2)
    saved, _ = load_checkpoint(Path("run"))
    assert saved is not None
    assert np.abs(saved.arrays["momenta"].sum(axis=0)).max() < 1e-10
    with H5mdReader("run/trajectory.h5") as frames:
        total = frames.observable("potential_energy") + frames.observable("kinetic_energy")
        assert np.ptp(total) < 0.01 * np.ptp(frames.observable("potential_energy"))
        assert frames.observable("temperature", 0, 1) == pytest.approx([600])


class Bonds(Calculator):
    """Morse bonds between the neighbours of a start: a solid that costs 0.1 ms a step."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012 - ASE says list
    depth_ev, per_angstrom = 0.34, 1.36

    def __init__(self, start: Atoms) -> None:
        super().__init__()
        i, j, self.shifts, length = neighbor_list("ijSd", start, 3.0)
        self.i, self.j, self.length = i, j, length

    def calculate(self, atoms: Atoms, *_: Any, **__: Any) -> None:
        vectors = atoms.positions[self.j] - atoms.positions[self.i] + self.shifts @ atoms.cell.array
        apart = np.linalg.norm(vectors, axis=1)
        decay = np.exp(-self.per_angstrom * (apart - self.length))
        slope = 2 * self.depth_ev * self.per_angstrom * (decay - decay**2)  # dE/dr of one bond
        pull = (slope / apart)[:, None] * vectors
        forces = np.stack(
            [np.bincount(self.i, pull[:, axis], len(atoms)) for axis in range(3)], axis=1
        )
        virial = 0.5 * vectors.T @ pull / atoms.cell.volume  # every bond is listed from both ends
        energy = 0.5 * float((self.depth_ev * ((1 - decay) ** 2 - 1)).sum())
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": forces,
            "stress": virial[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]],
        }


def test_the_bonds_are_a_potential() -> None:
    start = _copper()
    start.calc = Bonds(start)
    start.rattle(0.1, seed=0)
    assert np.abs(start.get_forces() - calculate_numerical_forces(start, 1e-4)).max() < 1e-6
    numerical = calculate_numerical_stress(start, 1e-5)
    assert np.abs(start.get_stress() - numerical).max() < 1e-6


@pytest.mark.parametrize(
    "ensemble",
    [*ENSEMBLES[1:4], *(pytest.param(name, marks=pytest.mark.slow) for name in ENSEMBLES[4:])],
)
def test_thermostats_hold_the_temperature_and_its_spread(ensemble: str) -> None:
    atoms = _copper()
    solid = Potential(potential("emt").identity, lambda **_: Bonds(atoms))
    usual = {"ensemble": ensemble, "temperature_k": 400, "timestep_fs": 4, "seed": 1}
    usual |= {"thermostat_time_fs": 40, "checkpoint_every": 4500, "frame_every": 100}
    run_md(atoms, solid, MDSettings(steps=500, **usual), "warm")
    record = run_md(atoms, solid, MDSettings(steps=4500, **usual), "warm")
    spread = 400 * np.sqrt(2 / (3 * 32 - 3))
    assert record.mean_temperature_k == pytest.approx(400, rel=0.04)
    assert record.sigma_temperature_k == pytest.approx(spread, rel=0.2)


@pytest.mark.parametrize("ensemble", ENSEMBLES[1:4])
def test_a_ramp_follows_its_line_and_cannot_be_lengthened(ensemble: str) -> None:
    options = {
        "ensemble": ensemble,
        "temperature_k": 100.0,
        "temperature_end_k": 900.0,
        "thermostat_time_fs": 20.0,
        "friction_per_ps": 100.0,
    }
    _run("run", steps=200, **options)
    with H5mdReader("run/trajectory.h5") as frames:
        kelvin = frames.observable("temperature")
    assert kelvin[:10].mean() < 300 < 600 < kelvin[-10:].mean()
    with pytest.raises(InputError, match="steps was 200 and is now 300"):
        _run("run", steps=300, **options)


def test_pressure_squeezes_and_one_axis_can_be_free() -> None:
    options = {"steps": 150, "barostat_time_fs": 100, "timestep_fs": 4, "pressure_gpa": 20}
    _run("all", ensemble="npt_isotropic", **options)
    _run("one", ensemble="npt_cell", free_axes=(False, False, True), **options)
    with H5mdReader("all/trajectory.h5") as all_axes, H5mdReader("one/trajectory.h5") as one_axis:
        first, last = (frames.cells()[[0, -1]] for frames in (all_axes, one_axis))
    change = first[1] / np.where(first[0], first[0], 1)
    assert np.allclose(np.diag(change), change[0, 0])
    assert change[0, 0] < 0.99
    assert np.allclose(np.diag(last[1])[:2], np.diag(last[0])[:2])
    assert last[1, 2, 2] < 0.99 * last[0, 2, 2]


def test_the_start_is_left_alone_and_the_record_tells_all() -> None:
    atoms = _copper()
    atoms.set_array("region", np.array(["anode"] * 32))
    before, seen = atoms.copy(), []
    settings = MDSettings(steps=20, frame_every=4, seed=5)
    record = run_md(atoms, potential("emt"), settings, "run", progress=seen.append)
    assert atoms == before
    assert atoms.calc is None
    assert "momenta" not in atoms.arrays
    assert record.status == "finished"
    assert (record.steps_done, record.time_ps, record.formula) == (20, 0.04, "Cu32")
    assert record.trajectory.time_step_fs == 8
    assert record.trajectory.frames == 6
    assert record.trajectory.size_bytes == os.path.getsize("run/trajectory.h5")
    assert record.provenance.seed == 5
    assert 0 < record.fraction_outside_forces < 1
    assert record == MDRecord.model_validate_json(Path("run/record.json").read_text())
    last = MDProgress.model_validate_json(Path("run/progress.json").read_text())
    assert last == seen[-1]
    assert (last.step, last.seconds_left) == (20, 0)
    with H5mdReader("run/trajectory.h5") as frames:
        assert set(frames.regions) == {"anode"}
        assert frames.parameters["potential"]["name"] == "emt"
        assert frames.parameters["settings"] == settings.to_json()
        assert "ase" in frames.parameters["provenance"]["versions"]


def test_a_lengthened_run_states_its_new_length_in_its_file() -> None:
    _run("run")
    _run("run", steps=60)
    with H5mdReader("run/trajectory.h5") as frames:
        assert frames.parameters["settings"]["steps"] == 60
        assert frames.parameters["potential"]["name"] == "emt"
        assert frames.n_frames == 13


def test_seeds_make_trajectories() -> None:
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        _run(folder, seed=seed)
    assert np.array_equal(_positions("a"), _positions("b"))
    assert not np.allclose(_positions("a"), _positions("c"))


def test_held_atoms_stay_and_kept_velocities_count() -> None:
    atoms = _copper()
    atoms.set_constraint(FixAtoms([0, 1]))
    _run("fixed", atoms)
    assert np.array_equal(_positions("fixed")[:2], atoms.positions[:2])
    with pytest.raises(InputError, match="cannot hold atoms fixed"):
        _run("no", atoms, ensemble="npt_cell")
    with pytest.raises(InputError, match="at rest"):
        _run("no", velocities="keep")
    moving = _copper()
    moving.set_velocities(np.tile([0.01, 0, 0], (32, 1)))
    _run("kept", moving, ensemble="nve", velocities="keep")
    assert np.ptp((_positions("kept") - moving.positions)[:, 0]) < 1e-10


def test_a_finished_run_is_not_run_again_and_can_be_lengthened() -> None:
    first = _run("run")
    again = _run("run")
    assert again.trajectory == first.trajectory
    assert again.notes == ()
    assert _run("run", steps=60).trajectory.frames == 13


def test_what_differs_is_said() -> None:
    _run("run")
    with pytest.raises(InputError, match=r"temperature_k was 300.0 and is now 400"):
        _run("run", temperature_k=400)
    with pytest.raises(InputError, match="40 steps are done already and steps=20"):
        _run("run", steps=20)
    with pytest.raises(InputError, match="the atoms to start from are others"):
        _run("run", bulk("Cu", a=3.7, cubic=True) * (2, 2, 2))
    with pytest.raises(InputError, match="the potential was emt"):
        run_md(
            _copper(),
            potential("lj"),
            MDSettings(steps=40, checkpoint_every=20, frame_every=5),
            "run",
        )
    assert _run("run", guards=GuardSettings(min_distance_ratio=None)).status == "finished"


def test_settings_refuse_what_has_no_meaning() -> None:
    for wrong, said in [
        ({"ensemble": "nve", "temperature_end_k": 500}, "no thermostat"),
        ({"free_axes": (True, True, True)}, "npt_cell"),
        ({"pressure_gpa": 1}, "npt_isotropic"),
        ({"timestep_fs": -1}, "timestep_fs"),
        ({"temprature_k": 1}, "temprature_k"),
    ]:
        with pytest.raises(InputError, match=said):
            MDSettings.read(wrong)
    with pytest.raises(InputError, match="needs atoms"):
        run_md(Atoms(), potential("emt"), MDSettings(), "run")
    with pytest.raises(InputError, match="periodic in all directions"):
        _run("run", molecule("H2O"), ensemble="npt_isotropic")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_forces_that_are_no_numbers_stop_the_run(value: float) -> None:
    settings = MDSettings(steps=50, frame_every=5, checkpoint_every=10)
    record = run_md(_copper(), _broken(30, value), settings, "run")
    assert (record.status, record.guard) == ("stopped", "forces")
    assert record.trajectory.frames == 6  # 0, 5, ... 25; the 27th step has no forces
    with H5mdReader("run/trajectory.h5") as frames:
        assert np.isfinite(frames.positions()).all()
    mended = run_md(_copper(), potential("emt"), settings, "run")  # from the checkpoint before
    assert (mended.status, mended.trajectory.frames) == ("finished", 11)


def test_a_potential_that_breaks_down_stops_the_run() -> None:
    record = run_md(_copper(), _broken(8, None), MDSettings(steps=50, frame_every=2), "run")
    assert (record.status, record.guard) == ("stopped", "potential")
    assert "out of memory" in str(record.reason)
    assert record.trajectory.frames == 4


def test_forces_that_throw_atoms_apart_stop_the_run() -> None:
    record = run_md(_copper(), _broken(8, 1e5), MDSettings(steps=50), "run")
    assert record.status == "stopped"
    assert record.guard in ("temperature", "lost atoms")
    assert "above the bound" in str(record.reason) or "moves" in str(record.reason)


def test_atoms_that_overlap_stop_the_run() -> None:
    atoms = _copper()
    atoms.positions[1] = atoms.positions[0] + [1.0, 0, 0]
    guards = GuardSettings(max_temperature_k=None, max_step_angstrom=None)
    record = _run("run", atoms, frame_every=1, timestep_fs=0.01, guards=guards)
    assert (record.status, record.guard) == ("stopped", "overlap")
    assert "atoms 0 (Cu) and 1 (Cu)" in str(record.reason)


def test_drift_melting_and_escape_stop_the_run() -> None:
    bounds = {"max_step_angstrom": None, "max_temperature_k": None, "min_distance_ratio": None}
    drifting = _run(
        "drift",
        ensemble="nve",
        timestep_fs=20,
        temperature_k=3000,
        steps=400,
        checkpoint_every=400,
        guards=GuardSettings(**bounds, max_drift_mev_per_atom_per_ps=0.01),
    )
    assert drifting.guard == "energy drift"
    melted = _run(
        "melt",
        temperature_k=3000,
        timestep_fs=5,
        steps=400,
        guards=GuardSettings(framework=("Cu",), max_framework_rmsd_angstrom=0.5),
    )
    assert melted.guard == "framework"
    assert "melted or reacted" in str(melted.reason)
    atoms = Atoms("Cu2", [[5, 5, 5], [5, 5, 13]], cell=[10, 10, 10])
    atoms.set_velocities([[0, 0, 0], [0, 0, 2.0]])
    flown = _run(
        "fly",
        atoms,
        ensemble="nve",
        velocities="keep",
        timestep_fs=10,
        steps=100,
        guards=GuardSettings(**bounds, max_drift_mev_per_atom_per_ps=None),
    )
    assert "has left the cell" in str(flown.reason)


def test_a_cell_that_moves_is_no_molten_framework() -> None:
    guards = GuardSettings(framework=("Cu",), max_framework_rmsd_angstrom=0.25)
    options = {"barostat_time_fs": 100, "timestep_fs": 4, "pressure_gpa": 30, "steps": 100}
    wide = bulk("Cu", a=3.9, cubic=True) * (2, 2, 2)
    record = _run(
        "run", wide, ensemble="npt_isotropic", temperature_k=300, guards=guards, **options
    )
    assert record.status == "finished"
    with H5mdReader("run/trajectory.h5") as frames:
        moved = frames.positions()[-1] - frames.positions()[0]
        assert np.sqrt((np.square(moved - moved.mean(axis=0)).sum(axis=1)).mean()) > 0.25


def test_a_model_without_the_element_says_so_before_anything_is_written() -> None:
    with pytest.raises(InputError, match=r"'emt' (does not know Li|cannot compute Li2)"):
        _run("run", bulk("Li", cubic=True))
    assert not Path("run").exists()


@pytest.mark.parametrize("damage", ["cut", "empty", "flip", "gone"])
def test_a_damaged_checkpoint_falls_back_on_the_one_before(damage: str) -> None:
    _run("whole", steps=60)
    _run("run")
    path = Path("run/checkpoint")
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        path.write_bytes({"cut": content[:middle], "empty": b"", "flip": flipped}[damage])
    record = _run("run", steps=60)
    assert record.notes[-1] == "resumed at step 20"
    assert (damage == "gone") or "damaged" in record.notes[0]
    assert np.array_equal(_positions("whole"), _positions("run"))
    with H5mdReader("run/trajectory.h5") as frames:
        assert np.array_equal(frames.steps(), 5 * np.arange(13))


def test_without_any_checkpoint_nothing_is_overwritten() -> None:
    _run("run")
    for name in ("checkpoint", "checkpoint.bak"):
        Path("run", name).write_bytes(b"?")
    with pytest.raises(FailureError, match=r"every checkpoint in 'run' is damaged"):
        _run("run")
    for name in ("checkpoint", "checkpoint.bak"):
        Path("run", name).unlink()
    with pytest.raises(InputError, match="holds 9 frames and has no checkpoint"):
        _run("run")
    with H5mdReader("run/trajectory.h5") as frames:
        assert frames.n_frames == 9


def test_two_runs_cannot_share_a_folder() -> None:
    said = []

    def second(now: MDProgress) -> None:
        with pytest.raises(InputError, match="another run is using the folder") as caught:
            _run("run")
        said.append(caught.value)

    run_md(_copper(), potential("emt"), MDSettings(steps=2), "run", progress=second)
    assert said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_signals_leave_a_run_that_can_go_on(number: signal.Signals) -> None:
    _run("whole", steps=60)
    before = signal.getsignal(number)

    def send(now: MDProgress) -> None:
        if now.step == 20:
            os.kill(os.getpid(), number)

    settings = MDSettings(steps=60, checkpoint_every=20, frame_every=5)
    record = run_md(_copper(), potential("emt"), settings, "run", progress=send)
    assert signal.getsignal(number) == before
    assert record.status == "interrupted"
    assert record.steps_done == 20
    assert str(record.reason).startswith(number.name)
    assert _run("run", steps=60).status == "finished"
    assert np.abs(_positions("whole") - _positions("run")).max() < 1e-10


class TellingEMT(EMT):
    """EMT whose process gets a signal while it computes."""

    def __init__(self, after: int, number: signal.Signals) -> None:
        super().__init__()
        self.left, self.number = after, number

    def calculate(self, *arguments: Any, **named: Any) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.number)
        super().calculate(*arguments, **named)


def _telling(number: signal.Signals) -> Potential:
    return Potential(potential("emt").identity, lambda **_: TellingEMT(130, number))


@pytest.mark.parametrize("ensemble", ["nvt_langevin", "nvt_nose_hoover"])
def test_told_of_the_walltime_a_run_stays_exactly_the_same(
    ensemble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGUSR1 between two checkpoints: it goes on to the next one, and every bit is the same."""
    monkeypatch.setenv("INTERLITH_GRACE_S", "120")  # for machines that are busy
    settings: dict[str, Any] = {"ensemble": ensemble, "temperature_k": 900, "steps": 300}
    settings |= {"checkpoint_every": 100, "frame_every": 5}
    _run("whole", _copper(), **settings)
    for number in (signal.SIGUSR1, signal.SIGTERM):
        told = run_md(_copper(), _telling(number), MDSettings(**settings), number.name)
        assert told.status == "interrupted"
        assert (told.steps_done == 200) == (number == signal.SIGUSR1)
        record = _run(number.name, _copper(), **settings)
        assert record.status == "finished"
        said = [note for note in record.notes if "between the regular ones at steps" in note]
        assert len(said) == (number == signal.SIGTERM)
    whole, same = (load_checkpoint(Path(name))[0] for name in ("whole", "SIGUSR1"))
    assert whole is not None
    assert same is not None
    for name, values in whole.arrays.items():
        assert np.array_equal(values, same.arrays[name]), name


def test_without_time_a_run_leaves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLITH_GRACE_S", "0")
    settings = MDSettings(steps=300, checkpoint_every=100)
    record = run_md(_copper(), _telling(signal.SIGUSR1), settings, "run")
    assert record.status == "interrupted"
    assert 120 < record.steps_done < 132


def test_it_runs_outside_the_main_thread() -> None:
    found: list[MDRecord] = []
    thread = threading.Thread(target=lambda: found.append(_run("run")))
    thread.start()
    thread.join()
    assert found[0].status == "finished"


_FULL = """
import resource, sys
from ase.build import bulk
from interlith.engines.md import MDSettings, run_md
from interlith.engines.potentials import potential
from interlith.errors import OutputError
from interlith.h5md import writer
writer.CHUNK_BYTES = 16384
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
settings = MDSettings(steps=300, frame_every=1, checkpoint_every=20)
try:
    run_md(bulk("Cu", cubic=True) * (2, 2, 2), potential("emt"), settings, "run")
except OutputError as error:
    print(error)
"""


def test_a_full_disk_stops_the_run_and_room_lets_it_go_on(repository: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(repository)}
    answer = subprocess.run(
        [sys.executable, "-c", _FULL], capture_output=True, text=True, env=environment, check=True
    )
    assert "make room" in answer.stdout
    with H5mdReader("run/trajectory.h5") as frames:
        kept = frames.n_frames
    assert kept > 20
    record = _run("run", steps=300, frame_every=1)
    assert record.status == "finished"
    assert record.trajectory.frames == 301
    assert record.notes[0].startswith("resumed at step")


def test_a_folder_that_cannot_be_made_is_said() -> None:
    Path("file").write_text("")
    with pytest.raises(OutputError, match="cannot make the folder"):
        _run("file/run")


def test_the_record_is_json_without_surprises() -> None:
    record = _run("run")
    assert json.loads(json.dumps(record.to_json()))["settings"]["ensemble"] == "nvt_langevin"
