"""DFT with GPAW: an ASE calculator, and calculations that leave records and can be resumed.

>>> from ase.build import bulk
>>> from interlith.engines.dft import run_static, settings_for
>>> salt = bulk("LiCl", "rocksalt", a=5.13)
>>> record = run_static(salt, settings_for(salt, "static"), "licl")  # doctest: +SKIP
>>> record.status, record.band_gap_ev  # doctest: +SKIP
('converged', 6.36)

A folder holds one calculation: ``static.json`` or ``relax.json`` once it is finished, GPAW's logs,
and while a relaxation runs its steps. Called again with the same structure and settings, a
finished calculation is read back, and a relaxation that was killed goes on from its last step.
"""

from __future__ import annotations

import hashlib
import json
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from interlith.engines.electronic.checks import check_gpaw_input
from interlith.engines.electronic.datasets import dataset, require_gpaw
from interlith.engines.electronic.gpaw_calculator import GpawCalculator
from interlith.engines.electronic.records import (
    DftRecord,
    DftStatus,
    DftStructure,
    rows,
)
from interlith.engines.electronic.settings import DftSettings, Task, settings_for
from interlith.engines.electronic.solving import UnsolvedError
from interlith.engines.relax import relax
from interlith.errors import FailureError, InputError, OutputError
from interlith.provenance import provenance

if TYPE_CHECKING:
    from ase import Atoms

__all__ = [
    "DftRecord",
    "DftSettings",
    "GpawCalculator",
    "Task",
    "run_relax",
    "run_static",
    "settings_for",
]

RECORD_SCHEMA = 1
STEPS_FILE = "steps.traj"
STATIC_FILE, RELAX_FILE = "static.json", "relax.json"


def run_static(
    atoms: Atoms,
    settings: DftSettings,
    folder: str | Path,
    *,
    stress: bool = True,
    again: bool = False,
) -> DftRecord:
    """Energy, forces and stress of one structure.

    Parameters
    ----------
    atoms : Atoms
        Left as it is.
    folder : path
        Of this calculation alone; made if missing.
    stress : bool
        False leaves the stress out: it costs a few per cent. A finished record without it is
        computed again when it is asked for.
    again : bool
        Compute even if a finished record lies in the folder.

    Returns
    -------
    DftRecord
        With status ``not_converged`` where the SCF and all cures ended without a result, and
        ``failed`` where GPAW gave up; both keep their logs.

    Raises
    ------
    InputError
        If the structure and the settings do not fit together.
    MissingDependencyError
        If GPAW is not installed.
    OutputError
        If the folder cannot be written.
    """
    check_gpaw_input(atoms, settings)
    place = _place(folder)
    key = calculation_key(atoms, settings)
    known = None if again else read_record(place / STATIC_FILE, key)
    if known is not None and not (stress and _lacks_stress(known)):
        return known
    begin = time.monotonic()
    calculator = GpawCalculator(
        settings.task, settings=settings, stress=stress, log=place / "static.log"
    )
    status: DftStatus
    try:
        calculator.calculate(atoms.copy())
        status, reason = _verdict(calculator, settings)
    except UnsolvedError as error:
        status = "not_converged" if error.converging else "failed"
        reason = str(error)
    record = _record(atoms, atoms, settings, calculator, key, status, reason, place, begin)
    calculator.close()
    _write(place / STATIC_FILE, record)
    return record


def run_relax(
    atoms: Atoms,
    settings: DftSettings,
    folder: str | Path,
    *,
    cell: bool | None = None,
    fmax_ev_per_angstrom: float = 0.02,
    max_steps: int = 100,
    again: bool = False,
) -> DftRecord:
    """Relax the atoms and, where asked, the cell.

    Parameters
    ----------
    cell : bool, optional
        Relax the cell too; by default if the settings are for ``cell_relax``.
    fmax_ev_per_angstrom : float
        Largest force left; for the cell it bounds the virial per atom.
    max_steps : int
        In all: called again with more, a relaxation that ran out of them goes on.

    Returns
    -------
    DftRecord
        Status ``not_converged`` also where the steps ran out before the forces were small.

    Raises
    ------
    InputError, MissingDependencyError, OutputError
        As in :func:`run_static`; also for the cell of a slab with a dipole correction.

    Notes
    -----
    The k points stay those of the start; the plane waves follow the cell, so the last energy
    needs no further calculation.
    """
    check_gpaw_input(atoms, settings)
    cell = settings.task == "cell_relax" if cell is None else cell
    if cell and settings.dipole_correction:
        raise InputError(
            "the cell of a slab with dipole_correction cannot be relaxed: nothing holds the width "
            "of its vacuum; relax the atoms alone (task relax), with the plane's lattice from bulk"
        )
    place = _place(folder)
    key = calculation_key(atoms, settings, cell, fmax_ev_per_angstrom)
    known = None if again else read_record(place / RELAX_FILE, key)
    if known is not None and not _wants_more(known, max_steps):
        return known
    begin = time.monotonic()
    start, done = _last_step(place, key, atoms)
    calculator = GpawCalculator(
        settings.task, settings=settings, stress=cell, log=place / "relax.log"
    )
    writer = _StepWriter(place, key, done)
    end, status, reason = _relaxed(
        start,
        calculator,
        settings,
        writer,
        fmax_ev_per_angstrom=fmax_ev_per_angstrom,
        max_steps=max(1, max_steps - done),
        cell=cell,
    )
    more = {"fmax_ev_per_angstrom": fmax_ev_per_angstrom, "steps": writer.count}
    record = _record(atoms, end, settings, calculator, key, status, reason, place, begin, **more)
    calculator.close()
    _write(place / RELAX_FILE, record)
    return record


def _relaxed(
    start: Atoms,
    calculator: GpawCalculator,
    settings: DftSettings,
    writer: _StepWriter,
    **how: Any,
) -> tuple[Atoms, DftStatus, str | None]:
    """The last structure, and how the relaxation ended."""
    end: Atoms = start
    status: DftStatus = "failed"
    try:
        end, made = relax(start, calculator, watch=writer, **how)
        status, reason = _verdict(calculator, settings)
        if not made.converged:
            status = "not_converged"
            reason = (
                f"forces above the limit after {writer.count} steps; allow more (max_steps, "
                "--max-steps) and it goes on"
            )
    except UnsolvedError as error:
        status, reason = "not_converged" if error.converging else "failed", str(error)
    except FailureError as error:
        reason = str(error)
    return end if writer.last is None else writer.last, status, reason


def calculation_key(atoms: Atoms, settings: DftSettings, *more: object) -> str:
    """Hash of everything that a result depends on."""
    require_gpaw()
    structure = DftStructure.of(atoms)
    hashed = {
        element: dataset(element, settings.xc, settings.datasets.get(element)).sha256
        for element in structure.elements
    }
    text = json.dumps(
        [
            RECORD_SCHEMA,
            metadata.version("gpaw"),
            structure.model_dump(),
            settings.model_dump(exclude={"ranks"}),
            sorted(hashed.items()),
            *more,
            *(repr(constraint.todict()) for constraint in atoms.constraints),
        ],
        sort_keys=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()


def read_record(path: Path, key: str | None = None) -> DftRecord | None:
    """A finished record, or None if there is none, it is of other inputs, or GPAW failed."""
    try:
        record = DftRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None
    if record.status == "failed" or (key is not None and record.key != key):
        return None
    return record


def _lacks_stress(known: DftRecord) -> bool:
    return known.energy_ev is not None and known.stress_ev_per_angstrom3 is None


def _wants_more(known: DftRecord, max_steps: int) -> bool:
    """Whether a relaxation ran out of steps and may now take more; its start is no step."""
    stopped = known.status == "not_converged" and known.attempts and known.attempts[-1].converged
    return bool(stopped) and (known.steps or 0) <= max_steps


def _verdict(calculator: GpawCalculator, asked: DftSettings) -> tuple[DftStatus, str | None]:
    used = calculator.used
    if used is not None and used.smearing_ev != asked.smearing_ev:
        return "converged", (
            f"only with smearing {used.smearing_ev:g} eV instead of {asked.smearing_ev:g}"
        )
    return "converged", None


def _record(
    start: Atoms,
    end: Atoms,
    settings: DftSettings,
    calculator: GpawCalculator,
    key: str,
    status: DftStatus,
    reason: str | None,
    place: Path,
    begin: float,
    **more: Any,
) -> DftRecord:
    elements = sorted(set(start.get_chemical_symbols()))
    seconds = time.monotonic() - begin
    return DftRecord(
        status=status,
        reason=reason,
        key=key,
        formula=start.get_chemical_formula(),
        n_atoms=len(start),
        settings=calculator.used or settings,
        datasets=tuple(
            dataset(element, settings.xc, settings.datasets.get(element)) for element in elements
        ),
        volume_angstrom3=float(end.get_volume()),
        volume_change=float(end.get_volume() / start.get_volume() - 1),
        attempts=calculator.history or calculator.attempts,
        structure=DftStructure.of(end),
        folder=str(place),
        wall_time_s=seconds,
        provenance=provenance(wall_time_s=seconds),
        **(_numbers(calculator, len(start)) if calculator.results else {}),
        **more,
    )


def _numbers(calculator: GpawCalculator, n_atoms: int) -> dict[str, Any]:
    """The numbers of a record from the calculator's last answer."""
    results, answer = calculator.results, calculator.answer
    found: dict[str, Any] = {
        "energy_ev": float(results["energy"]),
        "energy_ev_per_atom": float(results["energy"]) / n_atoms,
        "free_energy_ev": float(results["free_energy"]),
        "forces_ev_per_angstrom": rows(results["forces"]),
    }
    if "stress" in results:
        found["stress_ev_per_angstrom3"] = tuple(float(s) for s in results["stress"])
    if "magmoms" in results:
        found["magnetic_moments"] = tuple(float(m) for m in results["magmoms"])
        found["total_magnetic_moment"] = float(results["magmom"])
    if answer is not None:
        found["band_gap_ev"] = answer.band_gap_ev
        found["fermi_level_ev"] = answer.fermi_level_ev
    return found


class _StepWriter:
    """Keeps every step of a relaxation, so that a killed one goes on."""

    def __init__(self, place: Path, key: str, done: int) -> None:
        self.path, self.key, self.count = place / STEPS_FILE, key, done
        self.last: Atoms | None = None

    def __call__(self, atoms: Atoms) -> None:
        from ase.io.trajectory import Trajectory

        plain = atoms.copy()
        plain.info = {"key": self.key}
        with Trajectory(self.path, "a") as file:
            file.write(plain)
        self.count += 1
        self.last = plain


def _last_step(place: Path, key: str, atoms: Atoms) -> tuple[Atoms, int]:
    """The structure to start from and the number of steps already done."""
    from ase.io import read

    path = place / STEPS_FILE
    try:
        frames = read(path, ":") if path.is_file() else []
    except (OSError, ValueError):  # killed while it wrote
        frames = []
    mine = [frame for frame in frames if frame.info.get("key") == key]
    if not mine:
        path.unlink(missing_ok=True)
        return atoms.copy(), 0
    last = atoms.copy()
    last.set_cell(mine[-1].cell)
    last.positions = mine[-1].positions
    return last, len(mine)


def _place(folder: str | Path) -> Path:
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot write into {place} ({error.strerror}); name a folder of your own"
        ) from error
    return place


def _write(path: Path, record: DftRecord) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(json.dumps(record.to_json(), indent=1), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path} ({error.strerror})") from error
