"""Energies and forces of many frames by any engine: labels for training, one record a frame.

A label is computed once: its record lies in the folder under the hash of the frame and the engine,
in whatever order the frames come again; settings of one frame (cures, moments) do not go on to the
next. A frame that fails is a record with the reason, and does not stop the others; it is computed
again by the next call unless the frame itself is to blame. Forces are those before constraints.

>>> from ase.build import bulk
>>> from interlith.engines.relax import rattle
>>> frames = [rattle(bulk("Cu", cubic=True), seed=seed) for seed in range(3)]
>>> labels = label_frames(frames, "emt", "labels")
>>> len(labels.frames), labels.failed
(3, ())
>>> "REF_forces" in labels.frames[0].arrays
True
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import ValidationError

from interlith.engines.dynamics.session import locked
from interlith.engines.electronic.solving import UnsolvedError
from interlith.errors import (
    FailureError,
    InterlithError,
    MissingDependencyError,
    OutputError,
)
from interlith.provenance import Provenance, provenance
from interlith.records import Record
from interlith.workflows.any_engine.calculations import calculator_engine
from interlith.workflows.any_engine.records import (
    CalculationRecord,
    Matrix,
    Vector,
    atoms_of,
    inputs_hash,
    matrix,
    vectors,
)
from interlith.workflows.training.data import ENERGY, FORCES, STRESS, label

if TYPE_CHECKING:
    from ase import Atoms

Progress = Callable[[int, int], None]
FRAME_BY_FRAME = ("gpaw", "dft")
"""Teachers so slow that each label is worth a record of its own."""
ENGINE_ERRORS = (InterlithError, ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)
"""What engines raise on a frame that they cannot treat."""


class LabelRecord(Record):
    """Energy and forces of one frame.

    Attributes
    ----------
    inputs : str
        Hash of the frame and of the engine; names the record's file.
    reason : str or None
        Why there is no label, or what the engine had to change to give one.
    lasting : bool
        The frame is to blame: another try would fail as well.
    settings : dict or None
        What a DFT code used in the end.
    """

    schema_version: int = 1
    inputs: str
    engine: dict[str, Any]
    formula: str
    n_atoms: int
    status: Literal["ok", "failed"]
    reason: str | None = None
    lasting: bool = False
    energy_ev: float | None = None
    forces_ev_per_angstrom: tuple[Vector, ...] | None = None
    stress_ev_per_angstrom3: Matrix | None = None
    magnetic_moments_bohr: tuple[float, ...] | None = None
    settings: dict[str, Any] | None = None
    provenance: Provenance


@dataclass(frozen=True)
class Labels:
    """What came of labelling.

    Attributes
    ----------
    frames : list of Atoms
        Copies of those that have a label, with ``REF_energy``, ``REF_forces``, ``REF_stress``.
    records : tuple of LabelRecord
        One for each frame that came, in order.
    computed : int
        How many were not in the folder.
    """

    frames: list[Atoms]
    records: tuple[LabelRecord, ...]
    computed: int

    @property
    def failed(self) -> tuple[LabelRecord, ...]:
        """Those without a label."""
        return tuple(record for record in self.records if record.status != "ok")


def label_frames(
    frames: Sequence[Atoms],
    engine: str,
    folder: Path | str,
    *,
    retry: bool = False,
    progress: Progress | None = None,
) -> Labels:
    """Label frames with an engine by name; what the folder holds is not computed again.

    Parameters
    ----------
    engine : str
        Any calculator engine: ``gpaw``, ``7net-0``, ...
    folder : Path
        One record file for each frame; locked while this runs.
    retry : bool
        Compute all failed frames again, also those that are to blame themselves.
    progress : callable, optional
        Called with (frames done, frames).

    Raises
    ------
    InputError
        If the engine cannot be used, or another process uses the folder.
    MissingDependencyError
        If a program that the engine needs is missing.
    OutputError
        If the folder cannot be written to.
    """
    chosen = calculator_engine(engine, "static")
    return label_with(
        frames,
        chosen.calculator(),
        chosen.identity.to_json(),
        folder,
        retry=retry,
        progress=progress,
    )


def label_with(
    frames: Sequence[Atoms],
    calculator: Any,
    identity: dict[str, Any],
    folder: Path | str,
    *,
    retry: bool = False,
    progress: Progress | None = None,
) -> Labels:
    """As :func:`label_frames`, with a calculator and what it is."""
    place = _made(Path(folder))
    records: list[LabelRecord] = []
    computed = 0
    with locked(place):
        for number, given in enumerate(frames, 1):
            frame = _unconstrained(given)
            inputs = inputs_hash(frame, identity.get("sha256"), identity.get("settings"))
            path = place / f"{inputs[:24]}.json"
            record = _read(path, inputs)
            if record is None or (record.status != "ok" and (retry or not record.lasting)):
                record = label_frame(frame, calculator, identity, inputs)
                _write(path, record)
                computed += 1
            records.append(record)
            if progress is not None:
                progress(number, len(frames))
    labelled = [
        labelled_atoms(frame, record)
        for frame, record in zip(frames, records, strict=True)
        if record.status == "ok"
    ]
    return Labels(labelled, tuple(records), computed)


def label_frame(
    frame: Atoms, calculator: Any, identity: dict[str, Any], inputs: str = ""
) -> LabelRecord:
    """Label one frame; a failure is a record, not an exception.

    Raises
    ------
    MissingDependencyError
        If a program that the engine needs is missing.
    """
    begin, atoms = time.monotonic(), _unconstrained(frame)
    if hasattr(calculator, "forget"):
        calculator.forget()
    atoms.calc = calculator
    common: dict[str, Any] = {
        "inputs": inputs,
        "engine": identity,
        "formula": atoms.get_chemical_formula(),
        "n_atoms": len(atoms),
    }
    try:
        energy, forces = float(atoms.get_potential_energy()), np.asarray(atoms.get_forces())
        stress = matrix(atoms.get_stress(voigt=False)) if atoms.pbc.all() else None
    except MissingDependencyError:
        raise
    except ENGINE_ERRORS as error:
        common |= {"reason": f"{type(error).__name__}: {error}", "lasting": _lasting(error)}
        return LabelRecord(status="failed", provenance=_spent(begin), **common)
    if not (np.isfinite(energy) and np.isfinite(forces).all()):
        reason = "energy or forces are not finite: atoms may be much too close"
        common |= {"reason": reason, "lasting": True}
        return LabelRecord(status="failed", provenance=_spent(begin), **common)
    used, moments = getattr(calculator, "used", None), calculator.results.get("magmoms")
    return LabelRecord(
        status="ok",
        reason=getattr(calculator, "altered", None),
        energy_ev=energy,
        forces_ev_per_angstrom=vectors(forces),
        stress_ev_per_angstrom3=stress,
        magnetic_moments_bohr=None if moments is None else tuple(map(float, moments)),
        settings=None if used is None else used.model_dump(mode="json"),
        provenance=_spent(begin),
        **common,
    )


def _unconstrained(frame: Atoms) -> Atoms:
    """A copy without constraints, which would set forces to 0."""
    atoms: Atoms = frame.copy()
    atoms.set_constraint()
    return atoms


def _lasting(error: BaseException) -> bool:
    """Whether the frame is to blame, and no lost process or full disk."""
    if isinstance(error, UnsolvedError):
        return error.converging
    return not isinstance(error, RuntimeError | OSError)


def labelled_atoms(frame: Atoms, record: LabelRecord) -> Atoms:
    """A copy of the frame that carries its label as training reads it."""
    atoms = _unconstrained(frame)
    atoms.calc = None
    atoms.info[ENERGY] = record.energy_ev
    atoms.arrays[FORCES] = np.array(record.forces_ev_per_angstrom)
    if record.stress_ev_per_angstrom3 is not None:
        atoms.info[STRESS] = np.array(record.stress_ev_per_angstrom3)
    return atoms


def teacher_labels(
    frames: Sequence[Atoms],
    calculator: Any,
    identity: dict[str, Any],
    path: Path,
    progress: Progress | None = None,
) -> tuple[list[Atoms], tuple[str, ...]]:
    """Labels of a training step: one file from a fast teacher, one record a frame from a slow one.

    Parameters
    ----------
    path : Path
        The extxyz file of labels; a slow teacher's records lie beside it in ``labels/``.

    Returns
    -------
    list of Atoms
        Without the frames that a slow teacher could not treat.
    tuple of str
        Why it could not, one reason for each.

    Raises
    ------
    FailureError
        If not one frame could be labelled.
    """
    slow = identity.get("kind") in FRAME_BY_FRAME or identity.get("name", "") in FRAME_BY_FRAME
    if not slow:
        return label(frames, calculator, path, progress, str(identity.get("sha256", ""))), ()
    from interlith.workflows.training.data import write_frames

    labels = label_with(frames, calculator, identity, path.parent / "labels", progress=progress)
    reasons = tuple(str(record.reason) for record in labels.failed)
    if labels.frames:
        write_frames(path, labels.frames)
    elif reasons:
        raise FailureError(
            f"the teacher labelled none of {len(frames)} frames, the first because: {reasons[0]}"
        )
    return labels.frames, reasons


def labelled_calculation(record: CalculationRecord) -> Atoms:
    """A single point of any engine, VASP's flows among them, as a labelled frame."""
    frame = atoms_of(record.structure)
    frame.info[ENERGY] = record.energy_ev
    frame.arrays[FORCES] = np.array(record.forces_ev_per_angstrom)
    if record.stress_ev_per_angstrom3 is not None:
        frame.info[STRESS] = np.array(record.stress_ev_per_angstrom3)
    return frame


def labelled_vasp_steps(folder: Path | str, *, every: int = 1) -> list[Atoms]:
    """Steps of a VASP run as labelled frames (atoms sorted as VASP has them).

    Raises
    ------
    InputError
        If there is no ``vasprun.xml``.
    """
    from ase.io.vasp import read_vasp_xml

    from interlith.workflows.any_engine.aimd import unpacked

    with unpacked(Path(folder), "vasprun.xml") as path:
        steps = list(read_vasp_xml(str(path), index=slice(0, None, every)))
    frames = []
    for step in steps:
        frame = step.copy()
        frame.info[ENERGY] = float(step.get_potential_energy())
        frame.arrays[FORCES] = np.array(step.get_forces(apply_constraint=False))
        frame.info[STRESS] = np.array(step.get_stress(voigt=False))
        frames.append(frame)
    return frames


def _spent(begin: float) -> Provenance:
    return provenance(wall_time_s=time.monotonic() - begin)


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder '{folder}': {error.strerror}") from error
    return folder


def _read(path: Path, inputs: str) -> LabelRecord | None:
    try:
        record = LabelRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError):
        return None
    return record if record.inputs == inputs else None


def _write(path: Path, record: LabelRecord) -> None:
    part = path.with_suffix(".part")
    try:
        part.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
