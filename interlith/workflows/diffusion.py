"""Li diffusion of a material: cell, a ladder of temperatures side by side, analysis, Arrhenius.

A folder is one ladder. Each replica has a folder of its own in it and restarts from its own
checkpoint, so calling :func:`diffusion` again after an interruption goes on where it stopped.

>>> DiffusionSettings(potential="lj", temperatures_k=(500, 600, 700)).n_steps
25000
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jobflow import Flow, Maker, job

from interlith.analysis.committee import CommitteeSpread
from interlith.analysis.diffusion_results import DiffusionRecord, MDOutcome, diffusion_record
from interlith.analysis.displacements import read_paths
from interlith.analysis.trajectories import open_trajectory
from interlith.analysis.transport import TransportAnalysis, analyse
from interlith.analysis.transport_records import TrajectoryIdentity
from interlith.engines.md import GuardSettings, MDRecord, MDSettings
from interlith.engines.potentials import Potential
from interlith.engines.relax import relax
from interlith.errors import FailureError, InputError, OutputError
from interlith.provenance import provenance
from interlith.structures.disorder.ordering import order
from interlith.structures.files.formats import read_structure, write_structure
from interlith.structures.reading import read_material
from interlith.workflows.committee import driver, judge
from interlith.workflows.diffusion_settings import DiffusionSettings
from interlith.workflows.replicas import Progress, Replica, run_side_by_side
from interlith.workflows.walltime import going_on

if TYPE_CHECKING:
    from pymatgen.core import Structure

START_FILE = "start.extxyz"
CELL_FILE = "cell.json"
GENTLER_HELPS = ("energy drift", "forces", "lost atoms", "overlap", "temperature")
"""Guards whose trip a shorter time step may avoid."""


@dataclass(frozen=True, eq=False)
class Cell:
    """The cell that is run."""

    structure: Structure
    material: str
    formula: str
    charge_e: float
    facts: dict[str, Any]


def prepare_cell(name_or_path: str, settings: DiffusionSettings) -> Cell:
    """Order, repeat and relax a material.

    Raises
    ------
    InputError
        If it is not known or holds no mobile ion, or the cell has more atoms than the budget.
    FailureError
        If the relaxation runs away.
    """
    from pymatgen.io.ase import AseAtomsAdaptor

    material = read_material(name_or_path, for_dynamics=True)
    cell = material.structure
    if not cell.is_ordered:
        found = order(
            cell, material.oxidation_states, max_atoms=settings.max_atoms, count=1,
            seed=settings.seed,
        )  # fmt: skip
        cell = found.best.structure
    if settings.mobile not in {site.specie.symbol for site in cell}:
        raise InputError(
            f"{material.name} holds no {settings.mobile} to follow; name the mobile element with "
            "--mobile"
        )
    repeats = _repeats(cell, settings)
    steps = 0
    if settings.volume == "relaxed":
        calculator = _precise(settings.potential).calculator(elements=cell.symbol_set)
        atoms, record = relax(cell.to_ase_atoms(msonable=False), calculator)
        cell, steps = AseAtomsAdaptor.get_structure(atoms), record.steps
    cell = cell.make_supercell(repeats, in_place=False)
    states = material.oxidation_states or {}
    facts = {
        "n_atoms": len(cell),
        "repeats": list(repeats),
        "lengths_angstrom": [round(float(x), 4) for x in cell.lattice.abc],
        "angles_deg": [round(float(x), 3) for x in cell.lattice.angles],
        "density_g_cm3": round(float(cell.density), 4),
        "volume": settings.volume,
        "relaxation_steps": steps,
        "source": material.source,
    }
    formula = material.facts.formula if material.facts else cell.composition.reduced_formula
    return Cell(cell, material.name, formula, float(states.get(settings.mobile, 1.0)), facts)


def _precise(name: str) -> Potential:
    """In double precision where the potential can be asked for it."""
    try:
        return driver(name, dtype="float64")
    except InputError:  # calculators by dotted name have their own settings
        return driver(name)


def diffusion(
    name_or_path: str,
    settings: DiffusionSettings,
    folder: Path | str,
    *,
    workers: int = 2,
    progress: Progress | None = None,
) -> DiffusionRecord:
    """Run, or go on with, a ladder of temperatures and analyse it.

    Parameters
    ----------
    folder : Path or str
        Holds the ladder: cell, replicas, ``diffusion.json``.
    workers : int
        Replicas at a time, one thread each.
    progress : callable, optional
        Called with (steps done, steps in all).

    Raises
    ------
    InputError
        If the material or a setting cannot be used, or the folder holds another ladder.
    FailureError
        If no replica came to an end.
    """
    begin = time.monotonic()
    driver(settings.potential)  # refuses an unknown one before anything is written
    place = Path(folder)
    cell = _kept_cell(name_or_path, settings, place)
    replicas = make_replicas(settings, cell.structure, place)
    records = run_ladder(replicas, workers, progress)
    record = collect(cell, settings, replicas, records, time.monotonic() - begin)
    _write_json(place / "diffusion.json", record.to_json())
    return record


def make_replicas(settings: DiffusionSettings, structure: Structure, folder: Path) -> list[Replica]:
    """One replica for each temperature and seed, hottest first: those take no longer."""
    framework = tuple(sorted({site.specie.symbol for site in structure} - {settings.mobile}))
    return [
        Replica(
            folder=str(folder / f"{temperature:g}K-seed{seed}"),
            start=str(folder / START_FILE),
            potential=settings.potential,
            settings=MDSettings(
                ensemble="nvt_bussi",
                temperature_k=temperature,
                timestep_fs=settings.timestep_fs,
                steps=settings.n_steps,
                frame_every=settings.frame_every,
                checkpoint_every=max(500, settings.frame_every),
                seed=seed,
                guards=GuardSettings(framework=framework, max_framework_rmsd_angstrom=None),
            ),
        )
        for temperature in sorted(settings.temperatures_k, reverse=True)
        for seed in range(settings.seed, settings.seed + settings.seeds)
    ]


def run_ladder(
    replicas: Sequence[Replica], workers: int, progress: Progress | None = None
) -> list[MDRecord | str]:
    """Run replicas; one that a guard stopped for its motion once more, with half the time step.

    The record of a second try says so in its ``reason``; both folders are kept.
    """
    outcomes = run_side_by_side(replicas, workers, progress)
    second = {
        place: gentler(replicas[place])
        for place, outcome in enumerate(outcomes)
        if isinstance(outcome, MDRecord) and outcome.guard in GENTLER_HELPS
    }
    again = run_side_by_side(list(second.values()), workers) if second else []
    for (place, replica), outcome in zip(second.items(), again, strict=True):
        first = outcomes[place]
        if isinstance(first, MDRecord) and isinstance(outcome, MDRecord):
            said = f" ({outcome.reason})" if outcome.reason else ""
            tried = f"second try, with {replica.settings.timestep_fs:g} fs steps{said}"
            outcome = outcome.model_copy(update={"reason": f"{tried}; the first: {first.reason}"})
        outcomes[place] = outcome
    return outcomes


def gentler(replica: Replica) -> Replica:
    """The same run with half the time step, beside it; frames at the same times."""
    settings = replica.settings
    changed = {
        "timestep_fs": settings.timestep_fs / 2,
        **{
            name: 2 * getattr(settings, name)
            for name in ("steps", "frame_every", "checkpoint_every")
        },
    }
    return replace(
        replica,
        folder=f"{replica.folder}-half-step",
        settings=settings.model_copy(update=changed),
    )


def collect(
    cell: Cell,
    settings: DiffusionSettings,
    replicas: Sequence[Replica],
    outcomes: Sequence[MDRecord | str],
    wall_s: float,
) -> DiffusionRecord:
    """Analyse every replica and fit the Arrhenius line.

    Raises
    ------
    FailureError
        If no replica left a trajectory.
    """
    analyses: list[TransportAnalysis] = []
    dynamics: list[MDOutcome] = []
    spreads: list[CommitteeSpread] = []
    for replica, outcome in zip(replicas, outcomes, strict=True):
        temperature = replica.settings.temperature_k
        if isinstance(outcome, str):
            dynamics.append(_failed(replica, outcome))
            continue
        dynamics.append(
            MDOutcome(
                temperature_k=temperature,
                seed=replica.settings.seed,
                status=outcome.status,
                reason=outcome.reason,
                time_ps=outcome.time_ps,
                mean_temperature_k=outcome.mean_temperature_k,
                ns_per_day=outcome.ns_per_day,
                folder=str(Path(outcome.trajectory.path).parent),
            )
        )
        spread = judge(settings.potential, outcome)
        spreads += [] if spread is None else [spread]
        try:
            analyses.append(_analysed(cell, settings, outcome))
        except InputError as error:
            dynamics[-1] = _failed(replica, f"too short to analyse: {error}")
    if not analyses:
        reasons = "; ".join(f"{one.temperature_k:g} K: {one.reason}" for one in dynamics)
        raise FailureError(f"no replica of {cell.material} came to an end: {reasons}")
    return diffusion_record(
        analyses,
        formula=cell.formula,
        material=cell.material,
        potential=driver(settings.potential).identity.to_json(),
        committee=spreads,
        cell=cell.facts,
        settings=settings.model_dump(mode="json"),
        dynamics=dynamics,
        provenance=provenance(settings.seed, wall_s),
    )


@dataclass
class DiffusionMaker(Maker):
    """Makes the flow of a ladder: replicas in jobs of their own, then the analysis.

    Attributes
    ----------
    workers : int
        Replicas side by side in a job.
    """

    name: str = "diffusion"
    workers: int = 1

    def make(self, name_or_path: str, settings: DiffusionSettings, folder: str) -> Flow:
        """Jobs for the cell, each ``workers`` replicas, and the collecting one.

        Parameters
        ----------
        folder : str
            On a file system that every job sees.
        """
        data = settings.model_dump(mode="json")
        cell = cell_job(name_or_path, data, folder)
        count = len(settings.temperatures_k) * settings.seeds
        parts = [
            replicas_job(name_or_path, data, folder, list(range(i, min(i + self.workers, count))),
                         cell.output)
            for i in range(0, count, self.workers)
        ]  # fmt: skip
        last = collect_job(name_or_path, data, folder, [part.output for part in parts])
        return Flow([cell, *parts, last], output=last.output, name=f"{self.name} {name_or_path}")


@job
def cell_job(name_or_path: str, settings: dict[str, Any], folder: str) -> dict[str, Any]:
    """Make the cell of a ladder, or find it made."""
    return _kept_cell(name_or_path, DiffusionSettings(**settings), Path(folder)).facts


@job
def replicas_job(
    name_or_path: str, settings: dict[str, Any], folder: str, which: list[int], cell: dict[str, Any]
) -> Any:
    """Run some replicas of a ladder, or go on with them."""
    asked = DiffusionSettings(**settings)

    def work() -> list[str]:
        structure = _kept_cell(name_or_path, asked, Path(folder)).structure
        replicas = make_replicas(asked, structure, Path(folder))
        outcomes = run_ladder([replicas[i] for i in which], len(which))
        return [outcome if isinstance(outcome, str) else outcome.status for outcome in outcomes]

    return going_on(work, lambda: replicas_job(name_or_path, settings, folder, which, cell))


@job
def collect_job(
    name_or_path: str, settings: dict[str, Any], folder: str, parts: list[list[str]]
) -> dict[str, Any]:
    """Analyse the ladder; replicas that are finished are not run again."""
    return diffusion(name_or_path, DiffusionSettings(**settings), folder).to_json()


def _analysed(cell: Cell, settings: DiffusionSettings, outcome: MDRecord) -> TransportAnalysis:
    file = outcome.trajectory
    paths = read_paths(open_trajectory(file.path), settings.mobile)
    return analyse(
        paths,
        outcome.settings.temperature_k,
        charge_e=cell.charge_e,
        equilibration_fs=1000 * settings.equilibration_ps,
        trajectory=TrajectoryIdentity(
            path=file.path, sha256=file.sha256, frames=file.frames, time_step_fs=file.time_step_fs
        ),
    )


def _failed(replica: Replica, reason: str) -> MDOutcome:
    return MDOutcome(
        temperature_k=replica.settings.temperature_k,
        seed=replica.settings.seed,
        status="failed",
        reason=reason,
        time_ps=0.0,
        mean_temperature_k=None,
        ns_per_day=None,
        folder=replica.folder,
    )


def _repeats(cell: Structure, settings: DiffusionSettings) -> tuple[int, int, int]:
    """Repeats along a, b, c that part the faces far enough, within the atom budget."""
    apart = cell.volume / np.array(
        [
            np.linalg.norm(np.cross(cell.lattice.matrix[i - 2], cell.lattice.matrix[i - 1]))
            for i in range(3)
        ]
    )
    a, b, c = (int(n) for n in np.ceil(settings.min_length_angstrom / apart - 1e-9))
    n_atoms = len(cell) * a * b * c
    if n_atoms > settings.max_atoms:
        raise InputError(
            f"a cell with faces {settings.min_length_angstrom:g} A apart has {n_atoms} atoms, the "
            f"budget is {settings.max_atoms}; raise --max-atoms or lower --min-length"
        )
    return a, b, c


def _kept_cell(name_or_path: str, settings: DiffusionSettings, folder: Path) -> Cell:
    """The cell of a ladder's folder, made there the first time."""
    kept, question = folder / CELL_FILE, _question(name_or_path, settings)
    if kept.exists():
        known = json.loads(kept.read_text(encoding="utf-8"))
        if known["question"] != question:
            differ = [key for key in question if known["question"].get(key) != question[key]]
            raise InputError(
                f"{folder} holds another ladder ({', '.join(differ)} differ); name another --out, "
                "or repeat the settings to go on with it"
            )
        return Cell(read_structure(folder / START_FILE), **known["cell"])
    cell = prepare_cell(name_or_path, settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot write into {folder} ({error.strerror}); choose another folder with --out"
        ) from error
    write_structure(cell.structure, folder / START_FILE)
    facts: dict[str, Any] = {
        "material": cell.material,
        "formula": cell.formula,
        "charge_e": cell.charge_e,
        "facts": cell.facts,
    }
    _write_json(kept, {"question": question, "cell": facts})
    return Cell(read_structure(folder / START_FILE), **facts)


def _question(name_or_path: str, settings: DiffusionSettings) -> dict[str, Any]:
    """What may not change between two calls with one folder; more time and seeds may come."""
    free = {"time_ps", "equilibration_ps", "temperatures_k", "seeds"}
    return {"material": name_or_path} | settings.model_dump(mode="json", exclude=free)


def _write_json(path: Path, data: dict[str, Any]) -> None:
    from interlith.structures.files.formats import write_text

    write_text(path, json.dumps(data, indent=1, allow_nan=False))
