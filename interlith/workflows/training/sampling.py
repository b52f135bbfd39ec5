"""Configurations to label: rattled and strained crystals, slabs, interfaces, dimers, dynamics.

Everything is drawn from seeds: the same settings give the same frames, atom for atom.

>>> from interlith.workflows.training.settings import SystemSettings
>>> system = SystemSettings(name="LiCl", material="LiCl", rattles_angstrom=(0.05, 0.1))
>>> [len(frame) for frame in base_frames(system, seed=1)]
[8, 8, 8]
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from interlith.errors import InputError
from interlith.structures.disorder.ordering import order
from interlith.structures.interfaces.plans import InterfaceOptions
from interlith.structures.reading import read_material, require_ordered
from interlith.structures.surfaces.slabs import make_slab
from interlith.structures.surfaces.terminations import terminations
from interlith.units import GPA_PER_EV_PER_ANGSTROM3
from interlith.workflows.structures import interfaces, two_sides
from interlith.workflows.training.settings import DynamicsSettings, SystemSettings

if TYPE_CHECKING:
    from ase import Atoms

BAROSTAT_EVERY = 10
CLIP = 0.002
CONTACT_RATIO = (0.7, 0.9)
"""A pair pushed together ends at this share of its distance."""
DIMER_ANGSTROM = (1.8, 2.0, 2.2, 2.5, 2.8, 3.2, 3.7, 4.3)
DIMER_BOX_ANGSTROM = 12.0
DIMER_WEIGHT = 0.05


def starting_cell(system: SystemSettings, seed: int = 0) -> Atoms:
    """The undisturbed cell of a system.

    Raises
    ------
    InputError
        If the material is unknown or cannot be ordered, cut or matched within the budget.
    """
    if system.kind == "dimer":
        return _dimer(system, DIMER_ANGSTROM[3])
    if system.kind == "interface":
        return _interface(system)
    material = read_material(system.material, for_slabs=system.kind == "slab")
    structure = material.structure
    if not structure.is_ordered or system.anti_site is not None:
        ordering = order(
            structure,
            material.oxidation_states,
            max_atoms=system.max_atoms,
            count=1,
            seed=seed,
            anti_site=system.anti_site,
            keep_axes=True,
        )
        structure = ordering.best.structure
    if system.kind == "slab":
        require_ordered(structure, material.asked)
        faces = terminations(structure, system.miller)
        _check_candidate(system, len(faces), "terminations")
        structure = make_slab(
            structure,
            system.miller,
            system.candidate - 1,
            min_thickness_angstrom=system.thickness_angstrom,
            vacuum_angstrom=system.vacuum_angstrom,
            oxidation_states=material.oxidation_states,
            max_atoms=system.max_atoms,
        ).structure
    repeated: Atoms = _as_atoms(structure).repeat(system.repeat)
    return repeated


def _interface(system: SystemSettings) -> Atoms:
    options = InterfaceOptions(
        max_atoms=system.max_atoms,
        thickness_a_angstrom=0.8 * system.thickness_angstrom,
        thickness_b_angstrom=system.thickness_angstrom,
        count=system.candidate,
        registries=1,
    )
    built = interfaces(*two_sides(system.material, str(system.partner)), options)
    cells = list(built.structures.values())
    _check_candidate(system, len(cells), "interfaces")
    return _as_atoms(cells[system.candidate - 1])


def _check_candidate(system: SystemSettings, found: int, what: str) -> None:
    if system.candidate > found:
        raise InputError(
            f"system '{system.name}': candidate {system.candidate} was asked for, there are "
            f"{found} {what}; lower it, or raise max_atoms"
        )


def _as_atoms(structure: Any) -> Atoms:
    from ase import Atoms

    return Atoms(
        [site.specie.symbol for site in structure],
        positions=structure.cart_coords,
        cell=structure.lattice.matrix,
        pbc=True,
    )


def _dimer(system: SystemSettings, distance: float) -> Atoms:
    from ase import Atoms

    return Atoms(
        [system.material, str(system.partner)],
        positions=[[0.0, 0.0, 0.0], [distance, 0.0, 0.0]],
        cell=[DIMER_BOX_ANGSTROM] * 3,
        pbc=True,
        info={"config_weight": DIMER_WEIGHT},
    )


def base_frames(system: SystemSettings, seed: int) -> list[Atoms]:
    """Frames of the first set: the cell itself, rattled and strained, with short contacts."""
    if system.kind == "dimer":
        frames = [_dimer(system, distance) for distance in DIMER_ANGSTROM]
        return [_marked(frame, system, "dimer") for frame in frames]
    cell = starting_cell(system, seed)
    random = generator(seed, system.name)
    frames = [_marked(cell, system, "ideal")]
    for amplitude in system.rattles_angstrom:
        strain = system.max_strain if system.kind == "bulk" else 0.0
        frames.append(_marked(_rattled(cell, amplitude, strain, random), system, "rattled"))
    for _ in range(system.contacts):
        near = _rattled(cell, 0.05, 0.0, random)
        frames.append(_marked(_with_contact(near, random), system, "contact"))
    return frames


def generator(seed: int, *names: object) -> np.random.Generator:
    """A generator of its own for each name."""
    return np.random.default_rng([seed, *(zlib.crc32(str(name).encode()) for name in names)])


def _marked(atoms: Atoms, system: SystemSettings, source: str) -> Atoms:
    frame: Atoms = atoms.copy()
    frame.info |= {"group": system.name, "source": source}
    return frame


def _rattled(
    atoms: Atoms, amplitude: float, max_strain: float, random: np.random.Generator
) -> Atoms:
    moved: Atoms = atoms.copy()
    upper = np.triu(random.uniform(-max_strain, max_strain, (3, 3)))
    strain = 0.5 * (upper + upper.T)
    moved.set_cell(moved.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    shifts = random.normal(scale=amplitude, size=(len(moved), 3))
    moved.positions += shifts - shifts.mean(axis=0)
    return moved


def _with_contact(atoms: Atoms, random: np.random.Generator) -> Atoms:
    """One atom and its nearest neighbour pushed towards each other."""
    first = int(random.integers(len(atoms)))
    others = [index for index in range(len(atoms)) if index != first]
    vectors = atoms.get_distances(first, others, mic=True, vector=True)
    nearest = int(np.argmin(np.linalg.norm(vectors, axis=1)))
    share = 0.5 * (1 - random.uniform(*CONTACT_RATIO))
    moved: Atoms = atoms.copy()
    moved.positions[first] += share * vectors[nearest]
    moved.positions[others[nearest]] -= share * vectors[nearest]
    return moved


@dataclass(frozen=True)
class Run:
    """One molecular dynamics run that makes frames.

    Attributes
    ----------
    number : int
        Which run of its kind; picks the volume and the random numbers.
    by : str
        Whose dynamics it is, the model's ``own`` or the ``teacher``'s.
    """

    system: SystemSettings
    temperature_k: float
    number: int
    by: str = "own"

    @property
    def label(self) -> str:
        """Plain name for files."""
        return f"{self.system.name}_{self.temperature_k:g}K"


def runs(systems: Sequence[SystemSettings], number: int, by: str = "own") -> list[Run]:
    """The runs of one round."""
    return [
        Run(system, temperature, number + place, by)
        for system in systems
        if not system.held_out and system.kind != "dimer"
        for place, temperature in enumerate(system.temperatures_k)
    ]


def teacher_runs(systems: Sequence[SystemSettings]) -> list[Run]:
    """The teacher's own runs for the base set."""
    return [
        replace(run, system=run.system.model_copy(update={"md_ps": run.system.teacher_ps}))
        for run in runs(systems, 0, by="teacher")
        if run.system.teacher_ps
    ]


def held_out_runs(systems: Sequence[SystemSettings]) -> list[Run]:
    """Runs at temperatures and of compositions that no model is trained on."""
    return [
        Run(system, temperature, place)
        for system in systems
        if system.kind != "dimer"
        for place, temperature in enumerate(
            (*system.held_out_temperatures_k, *(system.temperatures_k if system.held_out else ()))
        )
    ]


@dataclass(frozen=True)
class Sampled:
    """Frames of a run, and why it ended early (None if it did not)."""

    frames: list[Atoms]
    stopped: str | None
    seconds_per_step: float


def sample(
    run: Run,
    calculator: Any,
    settings: DynamicsSettings,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Sampled:
    """Langevin dynamics from the system's cell: a few FIRE steps, then frames evenly in time.

    Notes
    -----
    The cell of an interface follows the stress along z by a Berendsen rule: reactions change the
    volume, and lithium melts. This makes configurations; it samples no ensemble exactly.
    """
    atoms = _start_of_run(run, seed)
    atoms.calc = calculator
    dynamics = _langevin(atoms, run, settings, generator(seed, "dynamics", run.label, run.number))
    n_steps = max(round(1000 * run.system.md_ps / settings.timestep_fs), run.system.frames)
    when = {round(n_steps * (k + 1) / run.system.frames) for k in range(run.system.frames)}
    frames: list[Atoms] = []
    stopped, begin, step = None, time.perf_counter(), 0
    for step in range(1, n_steps + 1):
        dynamics.run(1)
        if step % BAROSTAT_EVERY == 0:
            stopped = _trouble(atoms, run, settings)
            if stopped is not None:
                break
            if run.system.kind == "interface":
                _follow_stress(atoms, run.temperature_k, settings)
        if step in when:
            frames.append(_snapshot(atoms, run, step * settings.timestep_fs))
        if progress is not None and step % 100 == 0:
            progress(step, n_steps)
    return Sampled(frames, stopped, (time.perf_counter() - begin) / max(step, 1))


def _langevin(
    atoms: Atoms, run: Run, settings: DynamicsSettings, random: np.random.Generator
) -> Any:
    """The integrator, after a few FIRE steps and with velocities of the temperature."""
    from ase import units
    from ase.md.langevin import Langevin
    from ase.optimize import FIRE

    if settings.relax_steps:
        FIRE(atoms, logfile=None).run(fmax=0.05, steps=settings.relax_steps)
    masses = atoms.get_masses()[:, None]
    momenta = np.sqrt(masses * units.kB * run.temperature_k) * random.normal(size=(len(atoms), 3))
    atoms.set_momenta(momenta - masses * momenta.sum(axis=0) / masses.sum())
    return Langevin(
        atoms,
        settings.timestep_fs * units.fs,
        temperature_K=run.temperature_k,
        friction=settings.friction_per_ps / (1000 * units.fs),
        rng=random,
        fixcm=False,
    )


def _start_of_run(run: Run, seed: int) -> Atoms:
    system = run.system
    atoms = starting_cell(system, seed)
    if system.kind == "bulk":
        factor = system.volumes[run.number % len(system.volumes)]
        atoms.set_cell(atoms.cell.array * factor ** (1 / 3), scale_atoms=True)
    shifts = generator(seed, "start", run.label, run.number).normal(
        scale=0.02, size=(len(atoms), 3)
    )
    atoms.positions += shifts
    return atoms


def _snapshot(atoms: Atoms, run: Run, time_fs: float) -> Atoms:
    frame = _marked(atoms, run.system, f"{run.by}-{run.temperature_k:g}K")
    frame.calc = None
    frame.set_momenta(None)
    frame.arrays.pop("momenta", None)
    frame.info["time_fs"] = float(time_fs)
    frame.info["temperature_k"] = float(run.temperature_k)
    return frame


def _trouble(atoms: Atoms, run: Run, settings: DynamicsSettings) -> str | None:
    temperature = atoms.get_temperature()
    if not np.isfinite(atoms.positions).all() or not np.isfinite(temperature):
        return "coordinates are no longer finite"
    if temperature > settings.hottest * run.temperature_k:
        return f"{temperature:.0f} K at {run.temperature_k:g} K set"
    shortest = shortest_distance(atoms)
    if shortest < settings.shortest_distance_angstrom:
        return f"two atoms came within {shortest:.2f} A"
    return None


def shortest_distance(atoms: Atoms) -> float:
    """Shortest distance between two atoms or images, up to 3 A; infinity if none is closer."""
    from ase.neighborlist import neighbor_list

    distances = neighbor_list("d", atoms, 3.0)
    return float(distances.min()) if len(distances) else float("inf")


def _follow_stress(atoms: Atoms, temperature_k: float, settings: DynamicsSettings) -> None:
    from ase import units

    kinetic = len(atoms) * units.kB * temperature_k / atoms.get_volume()
    pull = (float(atoms.get_stress(voigt=True)[2]) - kinetic) * GPA_PER_EV_PER_ANGSTROM3
    rate = settings.compressibility_per_gpa * BAROSTAT_EVERY * settings.timestep_fs
    change = float(np.clip(-pull * rate / settings.barostat_time_fs, -CLIP, CLIP))
    cell = atoms.cell.array
    cell[:, 2] *= 1 + change
    atoms.set_cell(cell, scale_atoms=True)
