"""What a training would sample, label and fit, and about how long that takes.

>>> from interlith.workflows.training.settings import SystemSettings, TrainSettings
>>> plan = training_plan(TrainSettings(systems=(SystemSettings(name="LiCl", material="LiCl"),)))
>>> plan.systems[0].atoms, plan.systems[0].base_frames, plan.labels
(8, 6, 6)
"""

from __future__ import annotations

import math
import time
from typing import Any

from interlith.engines.potentials import potential
from interlith.records import Record
from interlith.workflows.training.fit_steps import side_by_side
from interlith.workflows.training.sampling import base_frames, held_out_runs, runs, teacher_runs
from interlith.workflows.training.settings import SystemSettings, TrainSettings

SECONDS_PER_ATOM_AND_EPOCH = 0.75e-3
"""Of fits with the usual settings: 0.7 to 1.6 ms in the first card of the committee lpscl."""
SECONDS_PER_ATOM_AND_STEP = 0.3e-3
"""Of dynamics of such models: 0.25 to 0.4 ms on a free core in the same card."""


class SystemPlan(Record):
    """One system.

    Attributes
    ----------
    base_frames : int
        Frames of the first set, with those of the teacher's own dynamics.
    runs : int
        Runs of a model's dynamics over all rounds and the last check.
    own_frames : int
        Frames that come out of those, all of them labelled.
    """

    name: str
    kind: str
    atoms: int
    base_frames: int
    runs: int
    own_frames: int
    held_out: bool


class TrainPlan(Record):
    """What a training would do if every round is needed.

    Attributes
    ----------
    labels : int
        Calls of the teacher for energies, forces and stress; its own dynamics comes on top.
    label_s : float or None
        One label of a cell of mean size; None where it was not measured.
    label_basis, fit_basis : str
        Where the times come from.
    """

    name: str
    teacher: str
    systems: tuple[SystemPlan, ...]
    rounds: int
    members: int
    labels: int
    teacher_steps: int
    fits: int
    label_s: float | None
    label_basis: str
    labels_total_s: float | None
    dynamics_total_s: float
    fit_total_s: float
    fit_basis: str
    total_s: float | None


def training_plan(settings: TrainSettings, *, measure: bool = False) -> TrainPlan:
    """Build every cell, count, and estimate the time.

    Parameters
    ----------
    measure : bool
        Label one frame with the teacher to time it; density functional theory is never called.

    Raises
    ------
    InputError
        If a system cannot be built or the teacher is unknown.
    """
    cells = {one.name: base_frames(one, settings.seed) for one in settings.systems}
    systems = tuple(_system(one, settings, cells[one.name]) for one in settings.systems)
    labels = sum(one.base_frames + one.own_frames for one in systems)
    atoms = sum((one.base_frames + one.own_frames) * one.atoms for one in systems)
    size = atoms / max(labels, 1)
    per_atom, basis = _label_cost(settings.teacher, cells) if measure else (None, "not measured")
    fits, fit_s = _fits(settings, systems)
    steps = {one.name: _steps(settings, one) for one in settings.systems}
    dynamics = sum(one.runs * steps[one.name][0] * one.atoms for one in systems)
    teacher_steps = sum(count for _, count in steps.values())
    mean_teacher = sum(steps[one.name][1] * one.atoms for one in systems)
    label_total = None if per_atom is None else per_atom * (atoms + mean_teacher)
    dynamics_s = dynamics * SECONDS_PER_ATOM_AND_STEP
    return TrainPlan(
        name=settings.name,
        teacher=settings.teacher,
        systems=systems,
        rounds=settings.max_rounds,
        members=settings.members,
        labels=labels,
        teacher_steps=teacher_steps,
        fits=fits,
        label_s=None if per_atom is None else per_atom * size,
        label_basis=basis,
        labels_total_s=label_total,
        dynamics_total_s=dynamics_s,
        fit_total_s=fit_s,
        fit_basis="estimated from the training of the shipped Li-P-S-Cl committee on busy cores",
        total_s=None if label_total is None else label_total + dynamics_s + fit_s,
    )


def _system(system: SystemSettings, settings: TrainSettings, frames: list[Any]) -> SystemPlan:
    rounds = min(settings.max_rounds, system.rounds)
    trained = [] if system.held_out else runs([system], 1)
    checked = len(held_out_runs([system]))
    if settings.start_from:
        checked *= 2  # by the model that is tuned, and by the tuned one
    if settings.check == "all":
        checked += len(trained)
    count = rounds * len(trained) + checked
    by_teacher = len(teacher_runs([system])) * system.frames
    return SystemPlan(
        name=system.name,
        kind=system.kind,
        atoms=len(frames[0]),
        base_frames=0 if system.held_out else len(frames) + by_teacher,
        runs=count,
        own_frames=count * system.frames,
        held_out=system.held_out,
    )


def _steps(settings: TrainSettings, system: SystemSettings) -> tuple[int, int]:
    """Steps of one run of a model, and of all runs of the teacher."""
    per_ps = 1000 / settings.dynamics.timestep_fs
    teacher = len(teacher_runs([system])) * system.teacher_ps
    return round(system.md_ps * per_ps), round(teacher * per_ps)


def _fits(settings: TrainSettings, systems: tuple[SystemPlan, ...]) -> tuple[int, float]:
    """Number of fits and their time here, with the frames that each would see."""
    trained = [one for one in systems if not one.held_out]
    facts = {one.name: one for one in settings.systems}

    def atoms(rounds: int) -> int:
        own = sum(
            len(runs([facts[one.name]], 1)) * facts[one.name].frames * one.atoms
            * min(rounds, facts[one.name].rounds)
            for one in trained
        )  # fmt: skip
        return own + sum(one.base_frames * one.atoms for one in trained)

    fit, last = settings.fit, settings.max_rounds
    first = 0 if settings.start_from else 1
    work = first * fit.epochs * atoms(0)
    work += sum(fit.refit_epochs * atoms(number) for number in range(1, last))
    turns = math.ceil(settings.members / side_by_side(settings.members))
    work += turns * fit.final_epochs * atoms(last)
    return first + max(0, last - 1) + settings.members, work * SECONDS_PER_ATOM_AND_EPOCH


def _label_cost(name: str, cells: dict[str, list[Any]]) -> tuple[float | None, str]:
    """Seconds per atom of one label, from the middle-sized cell, and how that was found."""
    teacher = potential(name)
    if name.startswith("gpaw") or getattr(teacher.identity, "kind", "") == "dft":
        return None, "not measured: a DFT calculation takes minutes to hours"
    frames = sorted((frames[0] for frames in cells.values()), key=len)
    atoms = frames[len(frames) // 2].copy()
    atoms.calc = teacher.calculator(elements=set(atoms.symbols))
    seconds = 0.0
    for shift in (0.0, 0.01):  # the first call loads and compiles
        atoms.positions[0] += shift
        begin = time.perf_counter()
        atoms.get_potential_energy()
        atoms.get_stress()
        seconds = time.perf_counter() - begin
    return seconds / len(atoms), f"measured: one label of {len(atoms)} atoms took {seconds:.2g} s"
