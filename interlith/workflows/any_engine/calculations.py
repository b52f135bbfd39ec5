"""One structure, one engine by name, one record: what the jobs of the makers call.

>>> from pymatgen.core import Lattice, Structure
>>> copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.7), ["Cu"], [[0, 0, 0]])
>>> record = relaxation(copper, "emt")
>>> record.kind, record.status, round(record.volume_a3 / 4, 2)
('cell_relax', 'ok', 11.56)
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, Field

from interlith.engines.potentials import Potential, potential
from interlith.engines.relax import RelaxationRecord, relax
from interlith.errors import FailureError, InputError
from interlith.provenance import provenance
from interlith.records import Record
from interlith.workflows.any_engine.records import (
    CalculationRecord,
    Kind,
    atoms_of,
    inputs_hash,
    keep,
    matrix,
    read_kept,
    structure_of,
    vectors,
)

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

Folder = Path | str | None
VASP = "vasp"
TASKED = ("gpaw",)
"""Engines whose settings follow from the task."""


class RelaxSettings(Record):
    """When a relaxation ends.

    Attributes
    ----------
    fmax_ev_per_angstrom : float
        Largest force left; of a cell relaxation, also the largest force on the cell.
    """

    fmax_ev_per_angstrom: float = Field(default=0.02, gt=0)
    max_steps: int = Field(default=300, ge=1)


def is_vasp(engine: str) -> bool:
    """Whether the engine is VASP, which is no calculator but a job of its own."""
    return engine.partition(":")[0] == VASP


def calculator_engine(engine: str, task: str) -> Potential:
    """The engine as a potential, its settings made for a task.

    Parameters
    ----------
    engine : str
        Any name that :func:`interlith.engines.potentials.potential` takes.
    task : str
        ``static``, ``relax``, ``cell_relax``, ``md`` or ``neb``; for a DFT code that is not told
        one by its name.

    Raises
    ------
    InputError
        If the engine is not known or its options cannot be read, or if it is VASP.
    """
    if is_vasp(engine):
        raise InputError(
            "VASP is run as jobs, not as a calculator; use the makers of "
            "interlith.workflows.makers, or another engine"
        )
    return potential(with_task(engine, task))


def with_grid_of(engine: str, structure: Structure | dict[str, Any], task: str) -> str:
    """The engine's name with the k points that this structure would get, for cells like it.

    Energies of nearly equal cells make a smooth curve only on one grid.
    """
    if engine.partition(":")[0] not in TASKED:
        return engine
    from interlith.engines.electronic.settings import settings_for

    name, _, text = with_task(engine, task).partition(":")
    options = json.loads(text)
    known = {key: value for key, value in options.items() if key != "task"}
    grid = settings_for(atoms_of(structure), options["task"], **known).kpoints
    return f"{name}:{json.dumps({**options, 'kpoints': list(grid)})}"


def with_task(engine: str, task: str) -> str:
    """The engine's name with its task, if it takes one and has none."""
    name, _, options = engine.partition(":")
    if name not in TASKED:
        return engine
    try:
        known = json.loads(options or "{}")
    except json.JSONDecodeError as error:
        raise InputError(
            f"the options of '{engine}' are no JSON object ({error}); write "
            f'{name}:{{"cutoff_ev": 500}}'
        ) from error
    return f"{name}:{json.dumps({'task': task, **known})}"


def static(
    structure: Structure | dict[str, Any], engine: str, *, folder: Folder = None
) -> CalculationRecord:
    """Energy, forces and stress as the atoms stand.

    Parameters
    ----------
    folder : Path, optional
        Keeps the record; what it keeps of the same inputs is read back.

    Raises
    ------
    InputError
        If the engine cannot take the structure.
    FailureError
        If the energy or a force is not finite, or the engine failed.
    """
    begin, chosen = time.monotonic(), calculator_engine(engine, "static")
    atoms = atoms_of(structure)
    inputs = inputs_hash(atoms, "static", chosen.identity)
    kept = read_kept(folder, CalculationRecord, inputs)
    if kept is not None:
        return kept
    atoms.calc = chosen.calculator(elements=set(atoms.symbols))
    return _record("static", atoms, engine, chosen, inputs, folder, begin)


def relaxation(
    structure: Structure | dict[str, Any],
    engine: str,
    *,
    cell: bool = True,
    settings: RelaxSettings | None = None,
    folder: Folder = None,
) -> CalculationRecord:
    """Relaxed atoms, and cell if asked; a "diagnosis" when the steps ran out.

    Raises
    ------
    InputError, FailureError
        As :func:`static`.
    """
    settings, begin = settings or RelaxSettings(), time.monotonic()
    kind: Kind = "cell_relax" if cell else "relax"
    chosen, start = calculator_engine(engine, kind), atoms_of(structure)
    inputs = inputs_hash(start, kind, chosen.identity, settings)
    kept = read_kept(folder, CalculationRecord, inputs)
    if kept is not None:
        return kept
    calculator = chosen.calculator(stress=cell, elements=set(start.symbols))
    atoms, how = relax(
        start,
        calculator,
        fmax_ev_per_angstrom=settings.fmax_ev_per_angstrom,
        max_steps=settings.max_steps,
        cell=cell,
    )
    atoms.calc = calculator
    return _record(kind, atoms, engine, chosen, inputs, folder, begin, how)


def _record(
    kind: Kind,
    atoms: Atoms,
    engine: str,
    chosen: Potential,
    inputs: str,
    folder: Folder,
    begin: float,
    how: RelaxationRecord | None = None,
) -> CalculationRecord:
    energy, forces = float(atoms.get_potential_energy()), np.asarray(atoms.get_forces())
    if not (np.isfinite(energy) and np.isfinite(forces).all()):
        raise FailureError(
            f"{engine} gave no finite energy for {atoms.get_chemical_formula()}; atoms may be "
            "much too close"
        )
    moments = _moments(atoms)
    unconverged = how is not None and not how.converged
    record = CalculationRecord(
        kind=kind,
        status="diagnosis" if unconverged else "ok",
        reason=f"not relaxed after {how.steps} steps" if how and unconverged else None,
        engine=engine,
        identity=chosen.identity.to_json(),
        formula=atoms.get_chemical_formula(),
        n_atoms=len(atoms),
        structure=structure_of(atoms, moments).as_dict(),
        energy_ev=energy,
        energy_ev_per_atom=energy / len(atoms),
        volume_a3=float(atoms.get_volume()),
        forces_ev_per_angstrom=vectors(forces),
        largest_force_ev_per_angstrom=float(np.linalg.norm(forces, axis=1).max()),
        stress_ev_per_angstrom3=_stress(atoms),
        magnetic_moments_bohr=moments,
        steps=None if how is None else how.steps,
        settings=_used(atoms.calc),
        inputs=inputs,
        folder=None if folder is None else str(folder),
        provenance=provenance(wall_time_s=time.monotonic() - begin),
    )
    keep(folder, record)
    return record


def _used(calculator: Any) -> dict[str, Any] | None:
    """Settings that a DFT calculator ended with."""
    used = getattr(calculator, "used", None)
    return used.model_dump(mode="json") if isinstance(used, BaseModel) else None


def _stress(atoms: Atoms) -> Any:
    """Stress of a crystal; None where its calculator knows none."""
    from ase.calculators.calculator import PropertyNotImplementedError

    if not atoms.pbc.all():
        return None
    try:
        return matrix(atoms.get_stress(voigt=False))
    except (PropertyNotImplementedError, NotImplementedError):
        return None


def _moments(atoms: Atoms) -> tuple[float, ...] | None:
    """Moments that came with the energy; none is asked for, which could cost another run."""
    found = getattr(atoms.calc, "results", {}).get("magmoms")
    if found is None or not np.any(np.abs(found) > 1e-3):
        return None
    return tuple(float(moment) for moment in found)
