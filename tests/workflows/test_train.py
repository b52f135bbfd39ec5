"""Training with a cheap teacher and a trainer that checks what it is given."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from interlith.engines.ml import shipped_models
from interlith.engines.ml.mace_models import shift_element_energies
from interlith.engines.potentials import potential
from interlith.errors import FailureError, InputError
from interlith.workflows.train import TrainMaker, run_training, starting_models
from interlith.workflows.training import fit_steps
from interlith.workflows.training.card import DataCard, card_text, model_file, register
from interlith.workflows.training.data import (
    ENERGY,
    FORCES,
    STRESS,
    drop_violent,
    element_energies,
    errors,
    force_rms,
    label,
    read_frames,
    split,
    write_frames,
)
from interlith.workflows.training.fit import FitJob, _evaluated_every, arguments, mace_fit
from interlith.workflows.training.sampling import (
    Run,
    base_frames,
    held_out_runs,
    runs,
    sample,
    shortest_distance,
    starting_cell,
)
from interlith.workflows.training.settings import (
    DynamicsSettings,
    FitSettings,
    SystemSettings,
    TrainSettings,
    read_train_settings,
)
from interlith.workflows.training.steps import Tools

# --- settings ------------------------------------------------------------------------------------


def _system(name: str = "LiCl", **more: Any) -> SystemSettings:
    return SystemSettings.model_validate({"name": name, "material": name} | more)


def _settings(**more: Any) -> TrainSettings:
    usual = {
        "name": "toy",
        "teacher": "lj",
        "systems": [
            _system("Li", temperatures_k=(200.0,), md_ps=0.02, frames=2, repeat=(2, 2, 2)),
            _system("LiCl", temperatures_k=(200.0,), md_ps=0.02, frames=2),
            _system("Li2S", temperatures_k=(300.0,), md_ps=0.02, frames=2, held_out=True),
        ],
        "members": 2,
        "min_rounds": 1,
        "max_rounds": 2,
    }
    return TrainSettings.model_validate(usual | more)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"systems": []}, "at least 1"),
        ({"systems": [_system(), _system()]}, "two systems are called LiCl"),
        ({"systems": [_system(held_out=True)]}, "nothing is left to train on"),
        ({"min_rounds": 3, "max_rounds": 2}, "above max_rounds"),
        ({"epochs": 3}, "Extra inputs"),
        ({"fit": {"epochs": 5, "stage_two_epoch": 5}}, "stage two begins at epoch 5"),
        ({"systems": [{"name": "a", "material": "Li", "kind": "interface"}]}, "'partner'"),
        (
            {"systems": [_system().model_copy(update={"held_out_temperatures_k": (5.0, 5.0)})]},
            "names a temperature twice",
        ),
        ({"name": "../up"}, "pattern"),
    ],
)
def test_settings_refuse(change: dict[str, Any], said: str) -> None:
    document = json.dumps(json.loads(_settings().model_dump_json()) | _plain(change))
    with pytest.raises(InputError, match="training settings") as caught:
        read_train_settings(document)
    assert said in str(caught.value)


def _plain(change: dict[str, Any]) -> dict[str, Any]:
    systems = change.get("systems")
    if systems and isinstance(systems[0], SystemSettings):
        return {"systems": [json.loads(system.model_dump_json()) for system in systems]}
    return change


def test_settings_that_are_no_yaml() -> None:
    with pytest.raises(InputError, match="no YAML"):
        read_train_settings("name: [")


# --- frames --------------------------------------------------------------------------------------


def _labelled(atoms: Atoms, energy: float = 0.0, group: str = "g") -> Atoms:
    atoms.info |= {"group": group, "source": "test", ENERGY: energy, STRESS: np.zeros((3, 3))}
    atoms.arrays[FORCES] = np.zeros((len(atoms), 3))
    return atoms


def test_element_energies_are_found_again() -> None:
    known = {"Li": -1.9, "Cl": -4.8, "S": -5.9}
    frames = [
        _labelled(Atoms(text), sum(known[s] for s in Atoms(text).symbols))
        for text in ("Li2", "LiCl", "Li2S", "Li3ClS")
    ]
    assert element_energies(frames) == pytest.approx(known, abs=1e-10)


def test_element_energies_need_as_many_compositions_as_elements() -> None:
    frames = [_labelled(Atoms("LiCl"), -7.0), _labelled(Atoms("Li2Cl2"), -14.0)]
    with pytest.raises(InputError, match="settle only 1 of the 2 elements Cl, Li"):
        element_energies(frames)


def test_split_takes_every_tenth_and_loses_none() -> None:
    frames = [_labelled(Atoms("Li"), k) for k in range(80)]
    parts = split(frames, 10)
    assert (len(parts.test), len(parts.valid), len(parts.train)) == (8, 4, 68)
    energies = sorted(f.info[ENERGY] for p in (parts.train, parts.valid, parts.test) for f in p)
    assert energies == list(range(80))


def test_no_later_round_trains_on_what_an_earlier_one_tested() -> None:
    frames = [_labelled(Atoms("Li"), k) for k in range(70)]
    early, late = split(frames[:33], 10), split(frames, 10)
    tested = {frame.info[ENERGY] for frame in (*early.test, *early.valid)}
    assert not tested & {frame.info[ENERGY] for frame in late.train}


def test_split_of_very_few_frames_still_has_all_three_parts() -> None:
    parts = split([_labelled(Atoms("Li"))], 10)
    assert (len(parts.train), len(parts.valid), len(parts.test)) == (1, 1, 1)
    with pytest.raises(InputError, match="no frame to train on"):
        split([], 10)


def test_violent_frames_are_dropped_by_force_components() -> None:
    calm, violent = _labelled(Atoms("Li2")), _labelled(Atoms("Li2"))
    calm.arrays[FORCES][:] = 1.9
    violent.arrays[FORCES][:] = 2.1
    assert force_rms(calm) == pytest.approx(1.9)
    assert drop_violent([calm, violent], 2.0) == ([calm], [violent])


def test_labels_are_the_teachers_and_survive_the_file(tmp_path: Path) -> None:
    calculator = LennardJones(sigma=2.5, epsilon=0.1)
    frame = bulk("Cu", cubic=True)
    frame.rattle(0.05, seed=1)
    frame.info |= {"group": "Cu", "source": "rattled"}
    before = frame.copy()
    label([frame], calculator, tmp_path / "a" / "frames.xyz")
    assert frame == before
    (back,) = read_frames(tmp_path / "a" / "frames.xyz")
    frame.calc = calculator
    assert back.info[ENERGY] == pytest.approx(frame.get_potential_energy())
    np.testing.assert_allclose(back.arrays[FORCES], frame.get_forces(), atol=1e-7)
    np.testing.assert_allclose(back.info[STRESS], frame.get_stress(voigt=False), atol=1e-7)
    assert back.info["group"] == "Cu"
    assert back.calc is None


def test_labelling_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    frames = []
    for seed in range(4):
        frames.append(bulk("Cu", cubic=True))
        frames[-1].rattle(0.05, seed=seed)
        frames[-1].info |= {"group": "Cu", "source": "rattled"}
    path = tmp_path / "frames.xyz"
    complete = label(frames, LennardJones(sigma=2.5, epsilon=0.1), path)
    whole = path.read_text()
    path.write_text(whole[: int(0.6 * len(whole))])  # in the middle of the third frame
    counter = _Counting()
    again = label(frames, counter, path)
    assert counter.calls == 2
    assert len(again) == len(read_frames(path)) == 4
    np.testing.assert_allclose(
        [frame.info[ENERGY] for frame in again], [frame.info[ENERGY] for frame in complete]
    )


class _Counting(LennardJones):
    calls = 0

    def __init__(self) -> None:
        super().__init__(sigma=2.5, epsilon=0.1)

    def calculate(self, *args: Any, **more: Any) -> None:
        self.calls += 1
        super().calculate(*args, **more)


def test_labels_of_other_frames_are_refused(tmp_path: Path) -> None:
    path, calculator = tmp_path / "frames.xyz", LennardJones()
    one, other = bulk("Cu", cubic=True), bulk("Cu", cubic=True, a=3.7)
    label([one], calculator, path)
    with pytest.raises(InputError, match="labels of other frames"):
        label([other], calculator, path)


def test_labels_of_another_teacher_are_refused(tmp_path: Path) -> None:
    path, frames = tmp_path / "frames.xyz", [bulk("Cu", cubic=True), bulk("Cu", cubic=True, a=3.7)]
    label(frames[:1], LennardJones(), path, teacher="a" * 64)
    assert len(label(frames, LennardJones(), path, teacher="a" * 64)) == 2
    with pytest.raises(InputError, match=r"another teacher \(sha256 a{12}\.\.\., not b{12}"):
        label(frames, LennardJones(), path, teacher="b" * 64)


def test_forces_on_fixed_atoms_are_labels_like_all_others(tmp_path: Path) -> None:
    frame = bulk("Cu", cubic=True)
    frame.rattle(0.1, seed=1)
    frame.info["group"] = "Cu"
    due = label([frame], LennardJones(), tmp_path / "free.xyz")[0].arrays[FORCES]
    frame.set_constraint(FixAtoms([0, 1]))
    made = label([frame], LennardJones(), tmp_path / "fixed.xyz")
    np.testing.assert_allclose(made[0].arrays[FORCES], due)
    made[0].set_constraint(FixAtoms([0, 1]))
    assert errors(made, LennardJones())[-1].force_rmse_mev_per_angstrom < 1e-3


@pytest.mark.parametrize("what", ["forces", "stress", "cell", "boundaries", "weight"])
def test_all_that_a_fit_reads_is_in_its_hash(what: str) -> None:
    frame = _labelled(bulk("Cu", cubic=True))
    frame.info[STRESS] = np.eye(3)
    other = frame.copy()
    assert fit_steps.hash_of([frame]) == fit_steps.hash_of([other])
    match what:
        case "forces":
            other.arrays[FORCES] = -frame.arrays[FORCES] + 0.1
        case "stress":
            other.info[STRESS] = -np.eye(3)
        case "cell":
            other.set_cell(1.1 * frame.cell.array)
        case "boundaries":
            other.pbc = False
        case "weight":
            other.info["config_weight"] = 0.1
    assert fit_steps.hash_of([frame]) != fit_steps.hash_of([other])


def test_a_teacher_that_fails_is_a_failure(tmp_path: Path) -> None:
    frame = bulk("Cu")
    frame.info["group"] = "Cu"
    broken = SinglePointCalculator(frame, energy=np.nan, forces=np.zeros((1, 3)))
    with pytest.raises(FailureError, match="no finite energy"):
        label([frame], broken, tmp_path / "frames.xyz")


def test_errors_of_a_known_shift() -> None:
    frames = []
    for group in ("a", "a", "b"):
        frame = _labelled(bulk("Cu", cubic=True), 0.04, group)
        frame.arrays[FORCES][:, 0] = 0.1
        frames.append(frame)
    exact = _Constant(energy=0.0, force=0.0)
    a, b, overall = errors(frames, exact)
    assert (a.group, b.group, overall.group) == ("a", "b", "all")
    assert (a.frames, overall.frames, overall.atoms) == (2, 3, 12)
    assert a.energy_mean_mev_per_atom == pytest.approx(-10.0)
    assert a.energy_rmse_mev_per_atom == pytest.approx(10.0)
    assert a.force_rmse_mev_per_angstrom == pytest.approx(100 / np.sqrt(3), abs=1e-3)
    assert a.force_relative == pytest.approx(1.0)
    assert a.stress_rmse_gpa == pytest.approx(0.0)
    assert errors([], exact) == ()


class _Constant(LennardJones):
    def __init__(self, energy: float, force: float) -> None:
        super().__init__()
        self.energy, self.force = energy, force

    def calculate(self, atoms: Atoms, *args: Any, **more: Any) -> None:
        self.results = {
            "energy": self.energy,
            "forces": np.full((len(atoms), 3), self.force),
            "stress": np.zeros(6),
        }


# --- sampling ------------------------------------------------------------------------------------


def test_base_frames_are_the_same_for_the_same_seed() -> None:
    system = _system(rattles_angstrom=(0.05, 0.2), contacts=1)
    one, two, other = (base_frames(system, seed) for seed in (1, 1, 2))
    assert [f.info["source"] for f in one] == ["ideal", "rattled", "rattled", "contact"]
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first.positions, second.positions)
        np.testing.assert_array_equal(first.cell.array, second.cell.array)
    assert not np.allclose(one[1].positions, other[1].positions)
    assert shortest_distance(one[3]) < 0.93 * shortest_distance(one[0])


def test_strain_stays_within_what_was_asked() -> None:
    ideal, *rest = base_frames(_system(rattles_angstrom=(0.01,) * 10, max_strain=0.03), 0)
    for frame in rest:
        gradient = np.linalg.solve(ideal.cell.array, frame.cell.array) - np.eye(3)
        assert np.abs(gradient).max() <= 0.03 + 1e-12
        np.testing.assert_allclose(gradient, gradient.T, atol=1e-12)


@pytest.mark.parametrize(
    ("more", "formula"),
    [
        ({"repeat": (2, 1, 1)}, "Cl8Li8"),
        ({"kind": "slab", "thickness_angstrom": 6.0}, "Cl3Li3"),
        ({"kind": "dimer", "material": "Li", "partner": "S"}, "LiS"),
        ({"material": "Li6PS5Cl-cubic", "anti_site": 0.5, "max_atoms": 60}, "Cl4Li24P4S20"),
    ],
)
def test_starting_cells(more: dict[str, Any], formula: str) -> None:
    cell = starting_cell(_system(**more))
    assert cell.get_chemical_formula() == formula
    assert cell.pbc.all()


def test_a_dimer_weighs_little() -> None:
    frames = base_frames(_system("Li-S", kind="dimer", material="Li", partner="S"), 0)
    distances = [frame.get_distance(0, 1) for frame in frames]
    assert distances == sorted(distances)
    assert all(0 < frame.info["config_weight"] < 1 for frame in frames)


@pytest.mark.slow
def test_an_interface_of_the_shipped_training() -> None:
    system = _system("a", kind="interface", material="Li", partner="Li6PS5Cl", max_atoms=110)
    assert set(starting_cell(system).symbols) == {"Li", "P", "S", "Cl"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"material": "Unobtainium"}, "Unobtainium"),
        ({"kind": "slab", "candidate": 20}, "candidate 20 was asked for"),
    ],
)
def test_a_system_that_cannot_be_built(more: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        starting_cell(_system(**more))


def test_what_is_held_out_runs_only_at_the_end() -> None:
    systems = (
        _system("Li", temperatures_k=(300.0,), held_out_temperatures_k=(500.0,)),
        _system("LiCl", temperatures_k=(400.0,), held_out=True),
    )
    assert [run.label for run in runs(systems, 1)] == ["Li_300K"]
    assert [run.label for run in held_out_runs(systems)] == ["Li_500K", "LiCl_400K"]


def _run(**more: Any) -> Run:
    usual = {"temperatures_k": (300.0,), "md_ps": 0.1, "frames": 5}
    return Run(_system("LiCl", **(usual | more)), 300.0, 1)


def test_dynamics_gives_frames_evenly_in_time_and_again_the_same() -> None:
    calculator = potential("lj").calculator()
    first = sample(_run(), calculator, DynamicsSettings(), 3)
    again = sample(_run(), calculator, DynamicsSettings(), 3)
    assert first.stopped is None
    assert [frame.info["time_fs"] for frame in first.frames] == [20, 40, 60, 80, 100]
    assert "momenta" not in first.frames[0].arrays
    for one, two in zip(first.frames, again.frames, strict=True):
        np.testing.assert_array_equal(one.positions, two.positions)


def test_an_explosion_stops_the_run_and_keeps_the_frames_before() -> None:
    settings = DynamicsSettings(hottest=1.01, relax_steps=0)
    made = sample(_run(md_ps=1.0, frames=50), potential("lj").calculator(), settings, 0)
    assert made.stopped is not None
    assert "K at 300 K set" in made.stopped
    assert len(made.frames) < 50


def test_the_volume_factor_changes_with_the_round() -> None:
    calculator = potential("lj").calculator()
    system = _system(md_ps=0.01, frames=1, volumes=(1.0, 1.1), temperatures_k=(50.0,))
    volumes = [
        sample(Run(system, 50.0, number), calculator, DynamicsSettings(relax_steps=0), 0)
        .frames[0]
        .get_volume()
        for number in (0, 1)
    ]
    assert volumes[1] / volumes[0] == pytest.approx(1.1)


# --- the trainer's command line ------------------------------------------------------------------


def _job(tmp_path: Path, **more: Any) -> FitJob:
    usual: dict[str, Any] = {
        "name": "m",
        "stage": "first",
        "seed": 7,
        "folder": tmp_path / "m",
        "train": tmp_path / "train.xyz",
        "valid": tmp_path / "valid.xyz",
        "test": tmp_path / "test.xyz",
        "element_energies": {"S": -5.9, "Li": -1.95},
        "settings": FitSettings(),
    }
    return FitJob(**(usual | more))


def test_the_command_of_a_model_from_scratch(tmp_path: Path) -> None:
    given = arguments(_job(tmp_path))
    pairs = dict(itertools.pairwise(given))
    assert pairs["--model"] == "ScaleShiftMACE"
    assert pairs["--E0s"] == "{3: -1.95000, 16: -5.90000}"
    assert pairs["--energy_key"] == ENERGY
    assert (pairs["--max_num_epochs"], pairs["--start_swa"]) == ("36", "26")
    assert "--foundation_model" not in given
    assert {"--swa", "--ema", "--amsgrad"} <= set(given)


def test_the_command_of_a_refit_keeps_the_element_energies(tmp_path: Path) -> None:
    given = arguments(_job(tmp_path, stage="refit", start_from=tmp_path / "old.model"))
    pairs = dict(itertools.pairwise(given))
    assert pairs["--foundation_model"] == str(tmp_path / "old.model")
    assert pairs["--multiheads_finetuning"] == "False"
    assert pairs["--E0s"] == "{3: -1.95000, 16: -5.90000}"
    assert pairs["--lr"] == "0.005"
    assert "--r_max" not in given


@pytest.mark.ml
@pytest.mark.slow
def test_a_trainer_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(FailureError, match=r"ended with code .*train\.xyz.*trainer\.log"):
        mace_fit(_job(tmp_path))


# --- the whole training --------------------------------------------------------------------------


@dataclass
class _Trainer:
    """Checks what it is given and returns a file; students become exact with every fit."""

    jobs: list[FitJob] = field(default_factory=list)
    fail_at: str | None = None
    known: str | None = None  # last model of an earlier call

    def __call__(self, job: FitJob, progress: Callable[[int, int], None] | None) -> Path:
        if job.name == self.fail_at:
            raise FailureError("the trainer was stopped")
        frames = {name: read_frames(getattr(job, name)) for name in ("train", "valid", "test")}
        assert all(frames.values())
        assert {s for frame in frames["train"] for s in frame.symbols} == {"Li", "Cl"}
        assert all(force_rms(frame) <= 2.0 for some in frames.values() for frame in some)
        assert all({ENERGY, STRESS} <= set(frame.info) for frame in frames["train"])
        assert set(job.element_energies) == {"Li", "Cl"}
        if job.stage != "final":
            assert (job.stage == "refit") == (job.start_from is not None)
        if job.start_from is not None:
            before = [self.known, *(one.name for one in self.jobs if one.stage != "final")]
            assert job.start_from.read_text() == before[-1]
        job.folder.mkdir(exist_ok=True)
        path = job.folder / "result.model"
        path.write_text(job.name)
        self.jobs.append(job)
        if progress is not None:
            progress(1, 1)
        return path


def _student(path: Path) -> Any:
    return _student_of({"round-0": 1.2, "round-1": 1.05}.get(path.read_text(), 1.0))


def _student_of(wrong: float) -> Any:
    return LennardJones(sigma=2.5, epsilon=0.1 * wrong, rc=7.5, smooth=True)


def _tools(trainer: _Trainer) -> Tools:
    teacher = potential("lj")
    return Tools(teacher.calculator, teacher.identity.to_json(), trainer, _student)


def test_a_training_from_start_to_card(tmp_path: Path) -> None:
    trainer, said = _Trainer(), []
    settings = _settings(
        force_bound_mev_per_angstrom=1.0, energy_bound_mev_per_atom=1.0, limits=("a toy",)
    )
    card = run_training(
        settings,
        tmp_path / "t",
        lambda *what: said.append(what),
        tools=_tools(trainer),
    )
    members = sorted(trainer.jobs[2:], key=lambda job: job.name)  # side by side, in any order
    jobs = [*trainer.jobs[:2], *members]
    assert [job.name for job in jobs] == ["round-0", "round-1", "member-1", "member-2"]
    assert [job.seed for job in jobs] == [1, 1, 2, 3]
    assert len({json.dumps(job.element_energies) for job in trainer.jobs}) == 1
    assert [one.name for one in card.rounds] == ["own-1", "own-2", "check"]
    assert [one.within_bounds for one in card.rounds] == [False, False, True]
    assert card.status == "within_bounds"
    first, second, last = (one.errors[-1].force_rmse_mev_per_angstrom for one in card.rounds)
    assert first > second > 1.0 > last
    assert {row.group for row in card.rounds[-1].errors} >= {"Li2S own-300K", "Li own-200K"}
    assert "Li2S" not in {group for stage in ("base", "own-1") for group in card.frames[stage]}
    assert card.models[0] == model_file(tmp_path / "t" / "toy-1.model")
    assert DataCard.model_validate_json((tmp_path / "t" / "card.json").read_text()) == card
    assert "a toy" in (tmp_path / "t" / "card.md").read_text()
    assert str(tmp_path) not in (tmp_path / "t" / "card.md").read_text()
    assert ("base: labels", 12, 12) in said


def test_the_base_set_may_hold_dynamics_of_the_teacher(tmp_path: Path) -> None:
    first, *others = _settings().systems
    systems = (first.model_copy(update={"teacher_ps": 0.01, "frames": 3}), *others)
    card = run_training(_settings(systems=systems), tmp_path, tools=_tools(_Trainer()))
    assert sum(card.frames["base"].values()) + card.dropped["base"] == 2 * 6 + 3
    sources = {frame.info["source"] for frame in read_frames(tmp_path / "base" / "labelled.xyz")}
    assert "teacher-200K" in sources


def test_members_may_start_from_the_last_round(tmp_path: Path) -> None:
    trainer = _Trainer()
    settings = _settings(members_start="last_round", members=3)
    card = run_training(settings, tmp_path, tools=_tools(trainer))
    members = [job for job in trainer.jobs if job.stage == "final"]
    trained = [{round(f.info[ENERGY], 6) for f in read_frames(job.train)} for job in members]
    assert len(set.union(*trained)) > max(map(len, trained))
    assert set.intersection(*trained) == set()  # every frame is left out once
    assert all(fit.started_from == card.fits[-4].name for fit in card.fits[-3:])


def _shift(source: Path, target: Path, shifts: Mapping[str, float]) -> dict[str, float]:
    target.write_text(source.read_text())
    return {element: -1.0 + shift for element, shift in shifts.items()}


def _tuning(folder: Path, trainer: _Trainer) -> Tools:
    folder.mkdir(exist_ok=True)
    for number in (1, 2):
        (folder / f"old-{number}.model").write_text("round-0")  # forces of the toy 1.2 times larger
    start = tuple(folder / f"old-{number}.model" for number in (1, 2))
    return replace(_tools(trainer), start=start, shift=_shift)


def test_a_committee_is_tuned_from_its_own_members(tmp_path: Path) -> None:
    trainer = _Trainer(known="round-0")
    settings = _settings(start_from="old", max_rounds=1, members=3, check="held_out")
    card = run_training(settings, tmp_path / "t", tools=_tuning(tmp_path / "old", trainer))
    jobs = sorted(trainer.jobs, key=lambda job: job.name)
    assert [job.name for job in jobs] == ["member-1", "member-2", "member-3"]
    starts = [job.start_from.parent.name for job in jobs if job.start_from]
    assert starts == ["start-1", "start-2", "start-1"]
    assert [one.started_from for one in card.fits] == starts
    assert [one.name for one in card.rounds] == ["own-1", "check"]
    assert card.rounds[0].model == "start-1"
    assert [one.file for one in card.started_from] == ["old-1.model", "old-2.model"]
    before, after = card.before[0].errors[-1], card.after[0].errors[-1]
    assert before.frames == after.frames == 2
    assert before.force_rmse_mev_per_angstrom > 1.0 > after.force_rmse_mev_per_angstrom
    # a toy with 1.2 times the energy: what least squares can move is moved
    assert set(card.element_energies_ev) == {"Li", "Cl"}
    text = card_text(card)
    assert "tuned from old-1.model" in text
    assert "### Before and after" in text
    again = _Trainer(known="round-0")
    resumed = run_training(settings, tmp_path / "t", tools=_tuning(tmp_path / "old", again))
    assert again.jobs == []
    assert resumed.models == card.models


def _given(tmp_path: Path, *materials: str) -> str:
    systems = [_system(name, rattles_angstrom=(0.02, 0.03, 0.04)) for name in materials or ["LiCl"]]
    frames = [frame for system in systems for frame in base_frames(system, 5)]
    for frame in frames:
        frame.info.clear()
    label(frames, _student_of(1.0), tmp_path / "aimd.extxyz")
    return str(tmp_path / "aimd.extxyz")


def test_frames_that_are_labelled_already_are_trained_on(tmp_path: Path) -> None:
    without = run_training(_settings(), tmp_path / "a", tools=_tools(_Trainer()))
    settings = _settings(labelled=[_given(tmp_path)])
    card = run_training(settings, tmp_path / "b", tools=_tools(_Trainer()))
    assert card.frames["given"] == {"aimd": 4}
    assert card.frames["base"] == without.frames["base"]
    trained = [one.train_frames + one.valid_frames + one.test_frames for one in card.fits]
    assert trained[0] == sum(card.frames["base"].values()) + 4


def test_given_frames_alone_tune_a_committee(tmp_path: Path) -> None:
    settings = _settings(
        systems=[_system(temperatures_k=(300.0,), md_ps=0.02, frames=2, held_out=True)],
        labelled=[_given(tmp_path, "Li", "LiCl")],
        start_from="old",
        min_rounds=0,
        max_rounds=0,
        check="held_out",
    )
    trainer = _Trainer(known="round-0")
    card = run_training(settings, tmp_path / "t", tools=_tuning(tmp_path / "old", trainer))
    assert card.frames == {"base": {}, "given": {"aimd": 8}, "check": {"LiCl": 2}}
    assert [one.name for one in card.rounds] == ["check"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace(ENERGY, "energy_of_another_name"), "no REF_energy"),
        (lambda text: "", "holds no frames"),
        (lambda text: text[: len(text) // 2], "cannot read the frames"),
        (lambda text: text.replace(f"{ENERGY}=", f"{ENERGY}=nan other="), "is not finite"),
    ],
)
def test_frames_without_a_label_are_refused(
    change: Callable[[str], str], said: str, tmp_path: Path
) -> None:
    path = Path(_given(tmp_path))
    given = change(path.read_text())
    path.write_text(given)
    with pytest.raises(InputError, match=said):
        run_training(_settings(labelled=[str(path)]), tmp_path / "t", tools=_tools(_Trainer()))
    assert path.read_text() == given  # someone's own file is never mended
    with pytest.raises(InputError, match="cannot read the frames"):
        run_training(_settings(labelled=["nowhere.xyz"]), tmp_path / "u", tools=_tools(_Trainer()))


def test_a_tuning_and_a_training_do_not_share_a_folder(tmp_path: Path) -> None:
    run_training(_settings(), tmp_path / "t", tools=_tools(_Trainer()))
    with pytest.raises(InputError, match="a training with other start_from;"):
        run_training(_settings(start_from="lpscl"), tmp_path / "t", tools=_tools(_Trainer()))


@pytest.mark.parametrize("name", ["7net-0", "lj", "lpscl-9", ""])
def test_only_mace_is_tuned(name: str) -> None:
    with pytest.raises(InputError, match=r"only MACE models can be tuned.*lpscl"):
        starting_models(name)


def test_models_to_tune_by_name() -> None:
    assert [path.name for path in starting_models("lpscl")] == [
        f"lpscl-{number}.model" for number in (1, 2, 3, 4)
    ]
    assert starting_models("lpscl-2") == (shipped_models.MODELS_FOLDER / "lpscl-2.model",)


@pytest.mark.ml
def test_shifted_element_energies_move_energies_and_nothing_else(tmp_path: Path) -> None:
    (source,) = starting_models("lpscl-1")
    energies = shift_element_energies(source, tmp_path / "m.model", {"Li": 0.5, "Cl": -0.25})
    card = shipped_models.shipped_card("lpscl")["element_energies_ev"]
    assert energies["Li"] == pytest.approx(card["Li"] + 0.5, abs=1e-4)
    assert energies["S"] == pytest.approx(card["S"], abs=1e-4)
    atoms = bulk("LiCl", "rocksalt", a=5.1, cubic=True)
    atoms.rattle(0.1, seed=1)
    old, new = (potential(f"mace:{path}").calculator() for path in (source, tmp_path / "m.model"))
    energy = old.get_potential_energy(atoms)
    assert new.get_potential_energy(atoms) == pytest.approx(energy + 4 * 0.25, abs=1e-4)
    np.testing.assert_allclose(new.get_forces(atoms), old.get_forces(atoms), atol=1e-5)
    with pytest.raises(InputError, match="knows Li, P, S, Cl, not O"):
        shift_element_energies(source, tmp_path / "m.model", {"O": 0.5})


def test_what_is_soon_learnt_runs_in_the_first_rounds_only(tmp_path: Path) -> None:
    first, *others = _settings().systems
    systems = (first.model_copy(update={"rounds": 1}), *others)
    settings = _settings(systems=systems, min_rounds=2, check="held_out")
    card = run_training(settings, tmp_path, tools=_tools(_Trainer()))
    ran = [{run.system for run in one.runs} for one in card.rounds]
    assert ran == [{"Li", "LiCl"}, {"LiCl"}, {"Li2S"}]


def test_rounds_end_when_the_error_is_within_the_bounds(tmp_path: Path) -> None:
    trainer = _Trainer()
    settings = _settings(force_bound_mev_per_angstrom=1e4, energy_bound_mev_per_atom=1e4)
    card = run_training(settings, tmp_path / "t", tools=_tools(trainer))
    assert [one.name for one in card.rounds] == ["own-1", "check"]


def test_a_training_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    settings = _settings()
    whole = run_training(settings, tmp_path / "whole", tools=_tools(_Trainer()))
    broken = _Trainer(fail_at="member-2")
    with pytest.raises(FailureError, match="was stopped"):
        run_training(settings, tmp_path / "cut", tools=_tools(broken))
    second = _Trainer(jobs=broken.jobs[-1:])
    resumed = run_training(settings, tmp_path / "cut", tools=_tools(second))
    assert [job.name for job in second.jobs[1:]] == ["member-2"]
    assert resumed.models == whole.models
    assert resumed.element_energies_ev == pytest.approx(whole.element_energies_ev)
    for one, two in zip(resumed.rounds, whole.rounds, strict=True):
        assert one.errors == two.errors


class _Together(_Trainer):
    """Members wait until as many run as are wanted; alone they would wait in vain."""

    def __init__(self, at_once: int, fail_at: str | None = None) -> None:
        super().__init__(fail_at=fail_at)
        self._all_here = threading.Barrier(at_once)

    def __call__(self, job: FitJob, progress: Callable[[int, int], None] | None) -> Path:
        if job.stage == "final":
            self._all_here.wait(timeout=60)
        return super().__call__(job, progress)


def test_members_are_fitted_side_by_side_and_kept_where_one_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_steps, "side_by_side", lambda fits: max(1, fits))
    alone = run_training(_settings(members=3), tmp_path / "a", tools=_tools(_Together(3)))
    with pytest.raises(FailureError, match="the trainer was stopped"):
        run_training(_settings(members=3), tmp_path / "b", tools=_tools(_Together(3, "member-2")))
    second = _Trainer(known="round-0")
    resumed = run_training(_settings(members=3), tmp_path / "b", tools=_tools(second))
    assert [job.name for job in second.jobs] == ["member-2"]
    assert resumed.models == alone.models


def test_an_interruption_ends_the_fits_that_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One member's result cannot be recorded for a reason that is none of the trainer's."""
    monkeypatch.setattr(fit_steps, "side_by_side", lambda fits: max(1, fits))
    told: list[int] = []

    def endless(job: FitJob, progress: Callable[[int, int], None] | None) -> Path:
        path = _Trainer(known="round-0")(job, progress)
        while job.name == "member-2" and progress is not None and len(told) < 3000:
            told.append(1)
            time.sleep(0.02)
            progress(1, 1)
        return path

    def student(path: Path) -> Any:
        if path.read_text() == "member-1":
            raise KeyboardInterrupt
        return _student(path)

    teacher = potential("lj")
    tools = Tools(teacher.calculator, teacher.identity.to_json(), endless, student)
    with pytest.raises(KeyboardInterrupt):
        run_training(_settings(), tmp_path, tools=tools)
    assert len(told) < 3000


def test_a_folder_with_another_training_is_refused(tmp_path: Path) -> None:
    run_training(_settings(), tmp_path, tools=_tools(_Trainer()))
    with pytest.raises(InputError, match="a training with other seed;"):
        run_training(_settings(seed=5), tmp_path, tools=_tools(_Trainer()))


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({}, []),
        ({"limits": ["said later"]}, []),
        ({"fit": {"final_epochs": 99}}, ["member-1", "member-2"]),
        ({"members": 3}, ["member-3"]),
        ({"force_bound_mev_per_angstrom": 1e-3}, ["round-1", "member-1", "member-2"]),
        ({"fit": {"epochs": 30}}, ["round-0"]),  # the same weights came out of it
    ],
)
def test_only_what_a_change_touches_is_done_again(
    tmp_path: Path, change: dict[str, Any], again: list[str]
) -> None:
    usual = {"force_bound_mev_per_angstrom": 1e4, "energy_bound_mev_per_atom": 1e4}
    first, second = _Trainer(), _Trainer(known="round-0")
    run_training(_settings(**usual), tmp_path, tools=_tools(first))
    card = run_training(_settings(**(usual | change)), tmp_path, tools=_tools(second))
    assert sorted(job.name for job in second.jobs) == sorted(again)
    assert card.limits[2:] == tuple(change.get("limits", ()))


def test_a_settings_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{}")
    with pytest.raises(InputError, match="holds no training settings"):
        run_training(_settings(), tmp_path, tools=_tools(_Trainer()))


def test_a_model_that_was_exchanged_is_refused(tmp_path: Path) -> None:
    run_training(_settings(), tmp_path, tools=_tools(_Trainer()))
    (tmp_path / "round-0" / "round-0.model").write_text("another")
    with pytest.raises(InputError, match="is not the model that"):
        run_training(_settings(), tmp_path, tools=_tools(_Trainer()))


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write into"):
        run_training(_settings(), tmp_path / "file", tools=_tools(_Trainer()))


def test_the_job_carries_the_settings() -> None:
    job = TrainMaker(_settings()).make("somewhere")
    assert job.name == "train toy"
    settings, folder = job.function_args
    assert TrainSettings.model_validate(settings) == _settings()
    assert folder == "somewhere"


def test_the_card_for_people(tmp_path: Path) -> None:
    text = card_text(run_training(_settings(), tmp_path, tools=_tools(_Trainer())))
    dropped, held_out = (
        [int(cell) for cell in line.split("|")[2:-1]]
        for name in ("| dropped ", "| Li2S |")
        for line in text.splitlines()
        if line.startswith(name)
    )
    assert dropped[0] > 0  # the largest rattles
    assert held_out[:-1] == [0] * (len(held_out) - 1)
    assert held_out[-1] == 2
    assert "mace_run_train --name round-0" in text


def test_a_finished_committee_is_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="holds no finished training"):
        register(tmp_path, tmp_path / "models")
    run_training(_settings(), tmp_path, tools=_tools(_Trainer()))
    register(tmp_path, tmp_path / "models")
    monkeypatch.setattr(shipped_models, "MODELS_FOLDER", tmp_path / "models")
    shipped_models.check_shipped("toy")
    assert [path.name for path in shipped_models.shipped_models()["toy"]] == [
        "toy-1.model",
        "toy-2.model",
    ]
    (tmp_path / "toy-2.model").write_text("another")
    with pytest.raises(InputError, match="is not the model that"):
        register(tmp_path, tmp_path / "models")


@pytest.mark.ml
@pytest.mark.slow
def test_a_tiny_real_training(tmp_path: Path) -> None:
    quick = {"epochs": 2, "stage_two_epoch": 1, "refit_epochs": 2, "refit_stage_two_epoch": 1}
    settings = _settings(
        systems=[
            _system("Li", repeat=(2, 2, 2), temperatures_k=(300.0,), md_ps=0.02, frames=2),
            _system("LiCl"),
        ],
        fit=quick | {"final_epochs": 2, "final_stage_two_epoch": 1, "hidden_irreps": "4x0e"},
        members=1,
        max_rounds=2,
        min_rounds=2,
        dynamics={"hottest": 1000.0, "shortest_distance_angstrom": 0.01},
    )
    card = run_training(settings, tmp_path)
    assert [fit.name for fit in card.fits] == ["round-0", "round-1", "member-1"]
    assert card.fits[1].started_from == "round-0"
    assert all(np.isfinite(row.force_rmse_mev_per_angstrom) for row in card.rounds[-1].errors)
    assert (tmp_path / "toy-1.model").stat().st_size == card.models[0].size_bytes


def test_frames_written_in_one_go(tmp_path: Path) -> None:
    frame = _labelled(bulk("Cu"))
    write_frames(tmp_path / "deep" / "a.xyz", [frame, frame])
    assert len(read_frames(tmp_path / "deep" / "a.xyz")) == 2
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.xyz"]
    with pytest.raises(InputError, match="cannot read the frames"):
        read_frames(tmp_path / "absent.xyz")


def test_stage_two_always_gets_a_checkpoint() -> None:
    for epochs in range(2, 60):
        for stage_two in range(1, epochs):
            every = _evaluated_every(epochs, stage_two)
            assert any(epoch % every == 0 for epoch in range(stage_two, epochs))
    assert _evaluated_every(36, 26) == 5  # the shipped settings' fits are as they were
