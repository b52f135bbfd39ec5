"""DFT calculations as jobs: one material, a convergence test, and the check of an installation.

A job is one call of :func:`~interlith.engines.dft.run_static` or
:func:`~interlith.engines.dft.run_relax` in a folder of its own; what is finished there is read
back, so a flow that was killed goes on where it stopped.

>>> from interlith.workflows.dft import ConvergenceMaker
>>> flow = ConvergenceMaker(cutoffs_ev=(400, 500)).make("LiCl", "licl-convergence")
>>> len(flow.jobs) > 2
True
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobflow.core.flow import Flow
from jobflow.core.job import Job, job
from jobflow.core.maker import Maker

from interlith.engines.dft import DftRecord, Task, run_relax, run_static, settings_for
from interlith.engines.electronic.checks import check_gpaw_input
from interlith.engines.electronic.records import DftStructure
from interlith.engines.electronic.settings import DftSettings
from interlith.errors import InputError
from interlith.provenance import Provenance, provenance
from interlith.records import Record, Status
from interlith.structures.library import primitive_cell
from interlith.structures.reading import read_material, require_ordered
from interlith.units import GPA_PER_EV_PER_ANGSTROM3

if TYPE_CHECKING:
    from ase import Atoms

RUN_TASKS: tuple[Task, ...] = ("static", "relax", "cell_relax")
GOOD_ENOUGH_MEV = 2.0
MAX_STEPS = 100


class ConvergencePoint(Record):
    """One calculation of a convergence test.

    Attributes
    ----------
    varied : str
        ``cutoff`` or ``kpoints``.
    difference_mev_per_atom : float or None
        To the finest one of its series.
    """

    varied: str
    cutoff_ev: float
    kpoints: tuple[int, int, int]
    kpoint_density_angstrom: float
    status: str
    energy_ev_per_atom: float | None
    difference_mev_per_atom: float | None = None
    pressure_gpa: float | None
    wall_time_s: float


class ConvergenceRecord(Record):
    """How energy and pressure depend on cut-off and k points.

    Attributes
    ----------
    status : str
        "no_answer" where the finest calculation of a series has no energy to compare with,
        "diagnosis" where another one has none; the reason names them.
    enough : dict
        The smallest ``cutoff_ev`` and ``kpoint_density_angstrom`` from which on all energies lie
        within ``tolerance_mev_per_atom`` of the finest; None where only the finest does.
    """

    status: Status = "ok"
    reason: str | None = None
    material: str
    points: tuple[ConvergencePoint, ...]
    tolerance_mev_per_atom: float = GOOD_ENOUGH_MEV
    enough: dict[str, float | None]
    provenance: Provenance


@job
def dft_job(
    structure: dict[str, Any],
    settings: dict[str, Any],
    folder: str,
    *,
    fmax_ev_per_angstrom: float = 0.02,
    max_steps: int = MAX_STEPS,
) -> dict[str, Any]:
    """One calculation; which one says the task of the settings."""
    atoms = DftStructure.model_validate(structure).atoms()
    chosen = DftSettings.model_validate(settings)
    if chosen.task in ("relax", "cell_relax"):
        record = run_relax(
            atoms,
            chosen,
            folder,
            fmax_ev_per_angstrom=fmax_ev_per_angstrom,
            max_steps=max_steps,
        )
    else:
        record = run_static(atoms, chosen, folder)
    return record.to_json()


@dataclass
class DftMaker(Maker):
    """One DFT calculation with GPAW as a job.

    Attributes
    ----------
    task : {"static", "relax", "cell_relax"}
        What is done.
    max_steps : int
        Of a relaxation, in all.
    settings : dict
        Fields of :class:`~interlith.engines.dft.DftSettings` that shall differ.
    """

    name: str = "dft"
    task: Task = "static"
    fmax_ev_per_angstrom: float = 0.02
    max_steps: int = MAX_STEPS
    settings: dict[str, Any] = field(default_factory=dict)

    def make(self, atoms: Atoms, folder: str | Path) -> Job:
        """The job; its output is a :class:`DftRecord` as plain data.

        Raises
        ------
        InputError
            If the structure and the settings do not fit together.
        MissingDependencyError
            If GPAW is not installed.
        """
        if self.task not in RUN_TASKS:
            raise InputError(f"task '{self.task}' is no job; there are {', '.join(RUN_TASKS)}")
        settings = _chosen(atoms, self.task, self.settings)
        check_gpaw_input(atoms, settings)
        made = dft_job(
            DftStructure.of(atoms).model_dump(),
            settings.model_dump(mode="json"),
            str(Path(folder).resolve()),
            fmax_ev_per_angstrom=self.fmax_ev_per_angstrom,
            max_steps=self.max_steps,
        )
        made.name = f"{self.name} {self.task} {atoms.get_chemical_formula()}"
        return made


@dataclass
class ConvergenceMaker(Maker):
    """Static calculations over cut-offs at fixed k points, and over k points at fixed cut-off.

    Attributes
    ----------
    cutoffs_ev, densities_angstrom : tuple of float
        What is tried, ascending; the last of each is the yardstick.
    """

    name: str = "dft convergence"
    cutoffs_ev: Sequence[float] = (400, 500, 600, 700, 800, 1000)
    densities_angstrom: Sequence[float] = (1.5, 2.0, 2.5, 3.0, 4.0)
    settings: dict[str, Any] = field(default_factory=dict)

    def make(self, material: str, folder: str | Path) -> Flow:
        """The flow; its output is a :class:`ConvergenceRecord` as plain data.

        Raises
        ------
        InputError
            If the material is not known, or a list is empty.
        """
        if not self.cutoffs_ev or not self.densities_angstrom:
            raise InputError("a convergence test needs at least one cut-off and one density")
        name, atoms = material_atoms(material)
        usual = _chosen(atoms, "static", self.settings)
        place = Path(folder).resolve()
        jobs: list[Job] = []
        varied: list[str] = []
        for cutoff in sorted(self.cutoffs_ev):
            maker = DftMaker(settings={**self.settings, "cutoff_ev": float(cutoff)})
            jobs.append(maker.make(atoms, place / f"cutoff-{cutoff:g}"))
            varied.append("cutoff")
        for density in _grids(atoms, self.densities_angstrom):
            changed = {"kpoint_density_angstrom": density, "cutoff_ev": usual.cutoff_ev}
            maker = DftMaker(settings={**self.settings, **changed})
            jobs.append(maker.make(atoms, place / f"density-{density:g}"))
            varied.append("kpoints")
        end = convergence_job(name, varied, [one.output for one in jobs])
        return Flow([*jobs, end], output=end.output, name=f"{self.name} {name}")


@job
def convergence_job(
    material: str, varied: Sequence[str], outputs: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The table from the calculations."""
    records = [DftRecord.model_validate(output) for output in outputs]
    return convergence(material, varied, records).to_json()


def convergence(
    material: str, varied: Sequence[str], records: Sequence[DftRecord]
) -> ConvergenceRecord:
    """Differences to the finest calculation of each series."""
    points: list[ConvergencePoint] = []
    enough: dict[str, float | None] = {}
    lost: list[str] = []
    answered = True
    for series, setting in (("cutoff", "cutoff_ev"), ("kpoints", "kpoint_density_angstrom")):
        mine = [
            _point(series, r) for what, r in zip(varied, records, strict=True) if what == series
        ]
        finest = mine[-1].energy_ev_per_atom if mine else None
        compared = [_compared(point, finest) for point in mine]
        points += compared
        enough[setting] = _enough(compared, setting)
        lost += [f"{_name(one)}: {one.status}" for one in mine if one.energy_ev_per_atom is None]
        answered &= not mine or finest is not None
    status: Status = "no_answer" if not answered else "diagnosis" if lost else "ok"
    return ConvergenceRecord(
        status=status,
        reason=f"no energy from {'; '.join(lost)}" if lost else None,
        material=material,
        points=tuple(points),
        enough=enough,
        provenance=provenance(),
    )


def run_material(
    material: str,
    task: Task,
    folder: str | Path,
    *,
    fmax_ev_per_angstrom: float = 0.02,
    max_steps: int = MAX_STEPS,
    settings: dict[str, Any] | None = None,
) -> DftRecord:
    """One calculation of a material by name or file, run here; resumes what the folder holds."""
    from interlith.workflows.local import run_flow

    _, atoms = material_atoms(material)
    maker = DftMaker(
        task=task,
        fmax_ev_per_angstrom=fmax_ev_per_angstrom,
        max_steps=max_steps,
        settings=dict(settings or {}),
    )
    one = maker.make(atoms, folder)
    return DftRecord.model_validate(run_flow(Flow([one], output=one.output, name=one.name)))


def material_atoms(material: str) -> tuple[str, Atoms]:
    """Name and primitive cell of a material.

    Raises
    ------
    InputError
        If it is not known, or has partly occupied sites.
    """
    found = read_material(material)
    require_ordered(found.structure, found.asked)
    primitive = primitive_cell(found.structure)
    return found.name, primitive.to_ase_atoms(msonable=False)


def _chosen(atoms: Atoms, task: Task, settings: dict[str, Any]) -> DftSettings:
    if "task" in settings:
        raise InputError(
            f"the task is '{task}' and among the settings '{settings['task']}': name it once "
            "(interlith dft run --task, or the maker's own)"
        )
    return settings_for(atoms, task, **settings)


def _name(point: ConvergencePoint) -> str:
    if point.varied == "cutoff":
        return f"cut-off {point.cutoff_ev:g} eV"
    return f"k-point density {point.kpoint_density_angstrom:g} Angstrom"


def _grids(atoms: Atoms, densities: Sequence[float]) -> list[float]:
    """Densities that give different grids, ascending."""
    from interlith.engines.electronic.settings import grid

    by_grid = {grid(atoms, density): float(density) for density in sorted(densities, reverse=True)}
    return sorted(by_grid.values())


def _point(varied: str, record: DftRecord) -> ConvergencePoint:
    stress = record.stress_ev_per_angstrom3
    pressure = None if stress is None else -sum(stress[:3]) / 3 * GPA_PER_EV_PER_ANGSTROM3
    return ConvergencePoint(
        varied=varied,
        cutoff_ev=record.settings.cutoff_ev,
        kpoints=record.settings.kpoints,
        kpoint_density_angstrom=record.settings.kpoint_density_angstrom,
        status=record.status,
        energy_ev_per_atom=record.energy_ev_per_atom,
        pressure_gpa=pressure,
        wall_time_s=record.wall_time_s,
    )


def _compared(point: ConvergencePoint, finest: float | None) -> ConvergencePoint:
    if finest is None or point.energy_ev_per_atom is None:
        return point
    gap = 1000 * (point.energy_ev_per_atom - finest)
    return point.model_copy(update={"difference_mev_per_atom": gap})


def _enough(points: Sequence[ConvergencePoint], setting: str) -> float | None:
    found = None
    for point in reversed(points[:-1]):
        gap = point.difference_mev_per_atom
        if gap is None or abs(gap) > GOOD_ENOUGH_MEV:
            break
        found = float(getattr(point, setting))
    return found
