"""Labels of frames, and the correction of interface energies that uses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc100
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms

from interlith.engines.electronic.solving import UnsolvedError
from interlith.engines.relax import rattle
from interlith.errors import FailureError, InputError, MissingDependencyError
from interlith.workflows.any_engine.delta import J_PER_M2, Frames, delta_correction
from interlith.workflows.any_engine.labelling import (
    label_frames,
    label_with,
    labelled_vasp_steps,
    teacher_labels,
)
from interlith.workflows.training.data import ENERGY, FORCES, STRESS, element_energies

IDENTITY = {"name": "counting", "sha256": "1", "kind": "dft"}


class Counting(Calculator):
    """EMT that counts, and gives up on frames that hold aluminium."""

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def calculate(self, atoms=None, properties=("energy",), changes=all_changes):
        super().calculate(atoms, properties, changes)
        self.calls += 1
        if "Al" in atoms.symbols:
            raise UnsolvedError("the SCF did not converge", (), converging=True)
        working = atoms.copy()
        working.calc = EMT()
        self.results = {
            "energy": working.get_potential_energy(),
            "forces": working.get_forces(),
            "stress": working.get_stress(),
        }


def frames(n: int = 3) -> list[Atoms]:
    made = [rattle(bulk("Cu", cubic=True), seed=seed) for seed in range(n)]
    for number, frame in enumerate(made):
        frame.info |= {"group": "copper", "source": f"seed {number}"}
    return made


def test_labels_are_what_the_engine_says(tmp_path: Path) -> None:
    labels = label_frames(frames(), "emt", tmp_path)
    assert labels.computed == 3
    for given, made in zip(frames(), labels.frames, strict=True):
        given.calc = EMT()
        assert made.info[ENERGY] == pytest.approx(given.get_potential_energy(), abs=1e-12)
        assert np.allclose(made.arrays[FORCES], given.get_forces(), atol=1e-12)
        assert np.allclose(made.info[STRESS], given.get_stress(voigt=False), atol=1e-12)
        assert made.info["group"] == "copper"
    assert set(element_energies(labels.frames)) == {"Cu"}


def test_what_is_labelled_is_not_computed_again(tmp_path: Path) -> None:
    calculator = Counting()
    first = label_with(frames(3), calculator, IDENTITY, tmp_path)
    again = label_with(frames(5)[::-1], calculator, IDENTITY, tmp_path)
    assert (first.computed, again.computed, calculator.calls) == (3, 2, 5)
    assert len(list(tmp_path.glob("*.json"))) == 5
    assert again.records[-1] == first.records[0]
    other = label_with(frames(1), calculator, IDENTITY | {"sha256": "2"}, tmp_path)
    assert other.computed == 1  # another engine, another label


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    class Killed(Counting):
        def calculate(self, *args: Any, **kwargs: Any) -> None:
            if self.calls == 2:
                raise KeyboardInterrupt
            super().calculate(*args, **kwargs)

    with pytest.raises(KeyboardInterrupt):
        label_with(frames(4), Killed(), IDENTITY, tmp_path)
    (tmp_path / "half.part").write_text("{")
    labels = label_with(frames(4), Counting(), IDENTITY, tmp_path)
    assert labels.computed == 2
    assert len(labels.frames) == 4


def test_a_failed_frame_is_a_record_and_stops_nothing(tmp_path: Path) -> None:
    mixed = frames(3)
    mixed[1].symbols[0] = "Al"
    calculator = Counting()
    labels = label_with(mixed, calculator, IDENTITY, tmp_path)
    assert [record.status for record in labels.records] == ["ok", "failed", "ok"]
    (failed,) = labels.failed
    assert failed.energy_ev is None
    assert "SCF did not converge" in failed.reason
    assert len(labels.frames) == 2
    again = label_with(mixed, calculator, IDENTITY, tmp_path)
    assert (again.computed, calculator.calls) == (0, 3)
    assert label_with(mixed, calculator, IDENTITY, tmp_path, retry=True).computed == 1


def test_a_lost_process_is_no_fault_of_the_frame(tmp_path: Path) -> None:
    class Lost(Counting):
        def calculate(self, *args: Any, **kwargs: Any) -> None:
            raise FailureError("the MPI worker was killed")

    class Incomplete(Counting):
        def calculate(self, *args: Any, **kwargs: Any) -> None:
            raise MissingDependencyError("ranks=2 needs mpirun")

    with pytest.raises(MissingDependencyError):
        label_with(frames(2), Incomplete(), IDENTITY, tmp_path)
    lost = label_with(frames(2), Lost(), IDENTITY, tmp_path)
    assert [record.lasting for record in lost.failed] == [False, False]
    assert label_with(frames(2), Counting(), IDENTITY, tmp_path).computed == 2
    with pytest.raises(FailureError, match=r"none of 2 frames.*worker was killed"):
        teacher_labels(frames(2), Lost(), IDENTITY, tmp_path / "other" / "labelled.xyz")


def test_labels_do_not_know_constraints_but_boundaries(tmp_path: Path) -> None:
    free = frames(1)[0]
    fixed, open_ = free.copy(), free.copy()
    fixed.set_constraint(FixAtoms([0, 1]))
    open_.pbc = False
    labels = label_frames([fixed, free, open_], "emt", tmp_path)
    assert labels.computed == 2
    free.calc = EMT()
    for made in labels.frames[:2]:
        assert np.allclose(made.arrays[FORCES], free.get_forces(), atol=1e-12)
        assert not made.constraints
    open_.calc = EMT()
    assert labels.records[2].energy_ev == pytest.approx(open_.get_potential_energy())
    assert labels.records[2].energy_ev != pytest.approx(labels.records[0].energy_ev, abs=0.1)


def test_settings_of_one_frame_do_not_go_on_to_the_next(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Moments and a wider smearing of the first frame; the solver is stood in for."""
    pytest.importorskip("gpaw", reason="datasets come with GPAW")
    from interlith.engines.electronic import gpaw_calculator
    from interlith.engines.electronic.live_gpaw import Answer

    asked = []

    def solve(_: Any, atoms: Atoms, settings: Any, *rest: Any, **more: Any) -> Any:
        asked.append((settings.magnetic_moments, settings.smearing_ev))
        cured = len(asked) == 1
        chosen = settings.model_copy(update={"smearing_ev": 0.15}) if cured else settings
        results = {"energy": 0.0, "forces": np.zeros((len(atoms), 3)), "stress": np.zeros(6)}
        return Answer(results, 1), chosen, ()

    monkeypatch.setattr(gpaw_calculator, "solve", solve)
    iron = bulk("Fe", cubic=True)
    orders = [iron.copy(), iron.copy()]
    orders[0].set_initial_magnetic_moments([2.5, 2.5])
    orders[1].set_initial_magnetic_moments([2.5, -2.5])
    calculator = gpaw_calculator.GpawCalculator()
    labels = label_with(orders, calculator, IDENTITY, tmp_path)
    assert [moments for moments, _ in asked] == [(2.5, 2.5), (2.5, -2.5)]
    assert asked[0][1] == asked[1][1] != 0.15
    assert [record.reason for record in labels.records] == ["only with smearing 0.15 eV", None]


def test_a_training_step_takes_slow_and_fast_teachers_alike(tmp_path: Path) -> None:
    fast, _ = teacher_labels(frames(), EMT(), {"name": "emt"}, tmp_path / "fast" / "labelled.xyz")
    slow, _ = teacher_labels(frames(), EMT(), IDENTITY, tmp_path / "slow" / "labelled.xyz")
    for one, other in zip(fast, slow, strict=True):
        assert one.info[ENERGY] == pytest.approx(other.info[ENERGY], abs=1e-6)
        assert np.allclose(one.arrays[FORCES], other.arrays[FORCES], atol=1e-6)
    assert (tmp_path / "slow" / "labelled.xyz").is_file()
    assert len(list((tmp_path / "slow" / "labels").glob("*.json"))) == 3


def test_a_single_point_of_a_flow_is_a_label() -> None:
    from interlith.workflows.any_engine.calculations import static
    from interlith.workflows.any_engine.labelling import labelled_calculation
    from interlith.workflows.any_engine.records import structure_of

    frame = labelled_calculation(static(structure_of(frames(1)[0]), "emt"))
    due = frame.copy()
    due.calc = EMT()
    assert frame.info[ENERGY] == pytest.approx(due.get_potential_energy(), abs=1e-9)
    assert np.allclose(frame.arrays[FORCES], due.get_forces(), atol=1e-9)


def test_a_folder_in_use_and_a_wrong_engine_are_refused(tmp_path: Path) -> None:
    from interlith.engines.dynamics.session import locked

    with locked(tmp_path), pytest.raises(InputError, match="another run"):
        label_frames(frames(), "emt", tmp_path)
    with pytest.raises(InputError, match="no potential"):
        label_frames(frames(), "nonesuch", tmp_path)
    with pytest.raises(InputError, match="run as jobs"):
        label_frames(frames(), "vasp", tmp_path)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_vasps_steps_become_labelled_frames(tmp_path: Path, fake_vasp: Callable[..., Any]) -> None:
    """The stand-in's dynamics carry EMT's energies, forces and stress: they must come back."""
    from jobflow import run_locally
    from pymatgen.io.ase import AseAtomsAdaptor

    from interlith.workflows.makers import md_maker

    fake_vasp(dynamics={"NSW": 6})
    settings = {"ensemble": "nve", "steps": 6, "timestep_fs": 2.0}
    start = AseAtomsAdaptor.get_structure(bulk("Cu", cubic=True))
    flow = md_maker('vasp:{"potcar_spec": true}', settings, folder=tmp_path / "md").make(start)
    run_locally(flow, log=False, create_folders=True, root_dir=tmp_path, ensure_success=True)
    (source,) = tmp_path.glob("job_*/vasprun.xml")
    made = labelled_vasp_steps(source.parent, every=2)
    assert len(made) == 3
    for frame in made:
        due = frame.copy()
        due.calc = EMT()
        assert frame.info[ENERGY] == pytest.approx(due.get_potential_energy(), abs=1e-6)
        assert np.allclose(frame.arrays[FORCES], due.get_forces(), atol=1e-6)
        assert np.allclose(frame.info[STRESS], due.get_stress(voigt=False), atol=1e-6)


def slab_and_bulk() -> Frames:
    """A copper slab of five layers: an interface with vacuum, and its bulk."""
    slab = fcc100("Cu", (1, 1, 5), a=3.6, vacuum=8.0, periodic=True)
    return Frames(slab, [(bulk("Cu", a=3.6), 5.0)], interfaces=2)


def test_a_correction_is_the_difference_of_two_surface_energies(tmp_path: Path) -> None:
    frames = slab_and_bulk()
    found = delta_correction(frames, "lj", "emt", tmp_path)
    gammas = []
    for calculator in ("lj", "emt"):
        same = delta_correction(frames, calculator, calculator)
        assert same.correction_j_per_m2 == pytest.approx(0, abs=1e-12)
        gammas.append(same.potential_j_per_m2)
    assert found.correction_j_per_m2 == pytest.approx(gammas[1] - gammas[0], abs=1e-9)
    slab, cell = frames.interface.copy(), frames.parts[0][0].copy()
    slab.calc = cell.calc = EMT()
    area = 3.6**2 / 2
    due = (slab.get_potential_energy() - 5 * cell.get_potential_energy()) / (2 * area) * J_PER_M2
    assert found.dft_j_per_m2 == pytest.approx(due, abs=1e-9)
    assert found.area_angstrom2 == pytest.approx(area)
    assert "as it stands" in found.corrects
    assert found.frames[0].largest_force_dft_ev_per_angstrom > 0
    assert json.loads(json.dumps(found.to_json()))["dft"]["name"] == "emt"
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_a_constant_shift_of_dft_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zeros of energy differ between codes; the correction must not see them."""
    plain = delta_correction(slab_and_bulk(), "lj", "emt")
    original = EMT.calculate

    def shifted(self: Any, atoms: Any = None, *args: Any, **kwargs: Any) -> None:
        original(self, atoms, *args, **kwargs)
        self.results["energy"] += 1000.0 * len(atoms)

    monkeypatch.setattr(EMT, "calculate", shifted)
    moved = delta_correction(slab_and_bulk(), "lj", "emt")
    assert moved.correction_j_per_m2 == pytest.approx(plain.correction_j_per_m2, abs=1e-9)


def test_parts_must_add_up_and_a_failed_point_is_no_answer() -> None:
    slab, parts = slab_and_bulk().interface, slab_and_bulk().parts
    with pytest.raises(InputError, match="'Cu': -1"):
        delta_correction(Frames(slab, [(parts[0][0], 4.0)]), "lj", "emt")
    with pytest.raises(InputError, match="normal"):
        delta_correction(Frames(slab, parts, normal=3), "lj", "emt")
    close = bulk("Cu", cubic=True)
    close.positions[1] = close.positions[0]
    with np.errstate(all="ignore"):
        record = delta_correction(Frames(close, [(close, 1.0)]), "lj", "emt")
    assert record.status == "no_answer"
    assert record.correction_j_per_m2 is None
    assert "interface" in record.reason


@pytest.mark.slow
@pytest.mark.dft
def test_dft_labels_and_moves_atoms(tmp_path: Path) -> None:
    """Labels are forces: minus the slope of the energy; and the same engine runs dynamics."""
    from interlith.engines.dynamics.settings import MDSettings
    from interlith.engines.md import MDRecord
    from interlith.workflows.any_engine.dynamics import dynamics
    from interlith.workflows.any_engine.records import structure_of

    engine = 'gpaw:{"cutoff_ev": 350, "kpoints": [2, 2, 2]}'
    start = rattle(bulk("LiCl", "rocksalt", a=5.13), amplitude_angstrom=0.15, seed=1)
    step = 0.02
    moved = [start.copy() for _ in range(2)]
    for sign, frame in zip((1, -1), moved, strict=True):
        frame.positions[0, 0] += sign * step
    labels = label_frames([start, *moved], engine, tmp_path / "labels")
    assert not labels.failed
    here, up, down = labels.frames
    slope = (up.info[ENERGY] - down.info[ENERGY]) / (2 * step)
    assert here.arrays[FORCES][0, 0] == pytest.approx(-slope, abs=0.02)
    assert label_frames([start, *moved], engine, tmp_path / "labels").computed == 0
    assert labels.records[0].settings["cutoff_ev"] == 350
    settings = MDSettings(ensemble="nve", steps=3, timestep_fs=1.0, frame_every=1)
    record = dynamics(structure_of(start), engine, settings, tmp_path / "md")
    assert isinstance(record, MDRecord)
    assert (record.status, record.trajectory.frames) == ("finished", 4)
    assert record.potential.name.startswith("gpaw")
