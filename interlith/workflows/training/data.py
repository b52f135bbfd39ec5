"""Labelled configurations: files, reference energies of the elements, split, errors.

A frame is an ASE ``Atoms`` with ``info`` keys ``group`` and ``source`` and, once labelled,
``REF_energy`` (eV), ``REF_stress`` (eV/A^3, ASE's sign) and the array ``REF_forces`` (eV/A).
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interlith.errors import FailureError, InputError
from interlith.records import Record
from interlith.units import GPA_PER_EV_PER_ANGSTROM3

if TYPE_CHECKING:
    from ase import Atoms

ENERGY, FORCES, STRESS = "REF_energy", "REF_forces", "REF_stress"
TEACHER = "teacher_sha256"
FILE_ANGSTROM = 1e-5
"""Positions in a file are rounded; two frames further apart are not the same."""


class ErrorRow(Record):
    """Errors of a model against its teacher on the frames of one group.

    Attributes
    ----------
    energy_mean_mev_per_atom : float
        Model minus teacher: positive where the model is too high.
    force_relative : float
        Root mean square error over the teacher's root mean square force.
    stress_rmse_gpa : float or None
        Over the six components; None where no frame has a stress label.
    """

    group: str
    frames: int
    atoms: int
    energy_rmse_mev_per_atom: float
    energy_mean_mev_per_atom: float
    force_rmse_mev_per_angstrom: float
    force_relative: float
    stress_rmse_gpa: float | None


def label(
    frames: Sequence[Atoms],
    calculator: Any,
    path: Path,
    progress: Callable[[int, int], None] | None = None,
    teacher: str = "",
) -> list[Atoms]:
    """Label frames one after another into a file, going on after those it already holds.

    Parameters
    ----------
    frames : sequence of Atoms
        The same ones, in the same order, at every call.
    path : path
        extxyz file.
    teacher : str
        Hash of what the calculator is, kept with every label.

    Returns
    -------
    list of Atoms
        As they stand in the file, so that they are the same to the last digit at every call.

    Raises
    ------
    InputError
        If the file holds labels of other frames, or of another teacher.
    FailureError
        If an energy or a force is not finite.
    """
    done = read_frames(path) if path.exists() else []
    for frame, labelled in zip(frames, done, strict=False):
        if not _same(frame, labelled):
            raise InputError(
                f"{path} holds labels of other frames; delete it, or name another folder"
            )
        if teacher and labelled.info.get(TEACHER, teacher) != teacher:
            raise InputError(
                f"{path} holds labels of another teacher (sha256 "
                f"{str(labelled.info[TEACHER])[:12]}..., not {teacher[:12]}...); train in another "
                "folder, or delete this one"
            )
    for number, frame in enumerate(frames):
        if number >= len(done):
            labelled = _labelled(frame, calculator)
            if teacher:
                labelled.info[TEACHER] = teacher
            done.append(labelled)
            write_frames(path, done) if number == 0 else _append(path, labelled)
        if progress is not None:
            progress(number + 1, len(frames))
    return read_frames(path)[: len(frames)] if frames else []


def _same(frame: Atoms, other: Atoms) -> bool:
    """The same elements, places, cell and boundaries, to the digits of a file."""
    return (
        np.array_equal(frame.numbers, other.numbers)
        and np.array_equal(frame.pbc, other.pbc)
        and np.allclose(frame.positions, other.positions, atol=FILE_ANGSTROM)
        and np.allclose(frame.cell.array, other.cell.array, atol=FILE_ANGSTROM)
    )


def _labelled(frame: Atoms, calculator: Any) -> Atoms:
    atoms: Atoms = frame.copy()
    atoms.set_constraint()
    atoms.calc = calculator
    energy, forces = float(atoms.get_potential_energy()), atoms.get_forces()
    if not (np.isfinite(energy) and np.isfinite(forces).all()):
        raise FailureError(
            f"the teacher gave no finite energy for a frame of {frame.info.get('group')}; its "
            "atoms may be much too close"
        )
    if frame.pbc.all():
        atoms.info[STRESS] = atoms.get_stress(voigt=False)
    atoms.calc = None
    atoms.info[ENERGY] = energy
    atoms.arrays[FORCES] = np.array(forces, dtype=float)
    return atoms


def write_frames(path: Path, frames: Sequence[Atoms]) -> None:
    """Write an extxyz file in one go: it is there whole or not at all."""
    from ase.io import write

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    write(part, list(frames), format="extxyz")
    os.replace(part, path)


def read_frames(path: Path) -> list[Atoms]:
    """Frames of an extxyz file; a last one that was cut off while writing is left out.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    from ase.io.extxyz import read_xyz

    try:
        with path.open() as file:
            lines = file.readlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the frames in {path}: {error}") from error
    whole, position = [], 0
    while position < len(lines) and lines[position].strip().isdigit():
        size = int(lines[position]) + 2
        if position + size > len(lines) or not lines[position + size - 1].endswith("\n"):
            break
        whole += lines[position : position + size]
        position += size
    if len(whole) < len(lines):
        part = path.with_suffix(".part")
        part.write_text("".join(whole))
        os.replace(part, path)
    if not whole:
        return []
    with path.open() as file:
        return list(read_xyz(file, slice(None)))


def read_labelled(path: Path) -> list[Atoms]:
    """Frames with energies and forces that someone has computed, in the group of the file's name.

    Raises
    ------
    InputError
        If the file cannot be read, holds no frames, or one of them has no finite label.
    """
    from ase.io.extxyz import XYZError, read_xyz

    try:
        with path.open(encoding="utf-8") as file:  # not read_frames: it mends what it reads
            frames = list(read_xyz(file, slice(None)))
    except (OSError, ValueError, IndexError, KeyError, XYZError) as error:
        raise InputError(f"cannot read the frames in {path}: {error}") from error
    if not frames:
        raise InputError(f"{path} holds no frames; give an extxyz file of labelled ones")
    for number, frame in enumerate(frames, 1):
        energy, forces = frame.info.get(ENERGY), frame.arrays.get(FORCES)
        if energy is None or forces is None:
            raise InputError(
                f"frame {number} of {path} has no {ENERGY} or no {FORCES}; label it first with "
                "interlith.workflows.any_engine.labelling.label_frames"
            )
        if not (np.isfinite(energy) and np.isfinite(forces).all()):
            raise InputError(f"the label of frame {number} of {path} is not finite; leave it out")
        frame.info |= {"group": str(frame.info.get("group", path.stem)), "source": "given"}
    return frames


def _append(path: Path, frame: Atoms) -> None:
    from ase.io import write

    write(path, frame, format="extxyz", append=True)


def force_rms(frame: Atoms) -> float:
    """Root mean square of the components of the teacher's forces, eV/A."""
    return float(np.sqrt(np.mean(frame.arrays[FORCES] ** 2)))


def drop_violent(frames: Iterable[Atoms], largest: float) -> tuple[list[Atoms], list[Atoms]]:
    """Frames whose force rms is at most ``largest`` (eV/A), and those that are dropped."""
    kept: list[Atoms] = []
    dropped: list[Atoms] = []
    for frame in frames:
        (kept if force_rms(frame) <= largest else dropped).append(frame)
    return kept, dropped


@dataclass(frozen=True)
class Split:
    """Frames to fit, to choose the best epoch by, and to test on."""

    train: list[Atoms]
    valid: list[Atoms]
    test: list[Atoms]

    def without_share(self, number: int, shares: int) -> Split:
        """Leave every ``shares``-th training frame out, another set for each ``number``."""
        if shares < 2 or len(self.train) < shares:
            return self
        kept = [f for k, f in enumerate(self.train) if k % shares != number % shares]
        return Split(kept, self.valid, self.test)


def split(frames: Iterable[Atoms], test_every: int) -> Split:
    """Every n-th frame to the test set, half as many to the validation set.

    Notes
    -----
    Frames appended later move none of those before: what one round tests on, no later round
    trains on. Neighbours in time of test frames are trained: the errors on this test set are
    optimistic.
    """
    train: list[Atoms] = []
    valid: list[Atoms] = []
    test: list[Atoms] = []
    for number, frame in enumerate(frames):
        if number % test_every == test_every // 2:
            test.append(frame)
        elif number % (2 * test_every) == test_every // 2 - 1:
            valid.append(frame)
        else:
            train.append(frame)
    if not train:
        raise InputError("there is no frame to train on; sample more or allow larger forces")
    return Split(train, valid or test or train[:1], test or train[:1])


def element_energies(frames: Iterable[Atoms]) -> dict[str, float]:
    """Energy of each element (eV) by least squares of the energies per atom on composition.

    Raises
    ------
    InputError
        If the frames' compositions do not settle every element.
    """
    frames = list(frames)
    symbols = sorted({symbol for frame in frames for symbol in set(frame.symbols)})
    matrix = np.array(
        [[np.mean(np.array(frame.symbols) == symbol) for symbol in symbols] for frame in frames]
    )
    energies = np.array([float(frame.info[ENERGY]) / len(frame) for frame in frames])
    rank = int(np.linalg.matrix_rank(matrix, tol=1e-6)) if frames else 0
    if rank < len(symbols) or not frames:
        raise InputError(
            f"the compositions of {len(frames)} frames settle only {rank} of the "
            f"{len(symbols)} elements {', '.join(symbols)}; add systems of other compositions, "
            "such as the pure metal and the binaries"
        )
    solution = np.linalg.lstsq(matrix, energies, rcond=None)[0]
    return dict(zip(symbols, map(float, solution), strict=True))


def errors(
    frames: Sequence[Atoms], calculator: Any, group_of: Callable[[Atoms], str] | None = None
) -> tuple[ErrorRow, ...]:
    """Errors of a calculator on labelled frames, by group; ``all`` comes last.

    Parameters
    ----------
    group_of : callable, optional
        Names a frame's group; its ``group`` by default.
    """
    name = group_of or (lambda frame: str(frame.info["group"]))
    groups: dict[str, list[_Difference]] = defaultdict(list)
    for frame in frames:
        difference = _difference(frame, calculator)
        groups[name(frame)].append(difference)
    rows = [_row(group, groups[group]) for group in sorted(groups)]
    if rows:
        rows.append(_row("all", [one for many in groups.values() for one in many]))
    return tuple(rows)


@dataclass(frozen=True)
class _Difference:
    energy: float  # eV/atom, model minus teacher
    forces: Any  # (n, 3) eV/A
    teacher_forces: Any
    stress: Any | None  # (3, 3) eV/A^3


def _difference(frame: Atoms, calculator: Any) -> _Difference:
    atoms = frame.copy()
    atoms.calc = calculator
    stress = None
    if STRESS in frame.info:
        stress = atoms.get_stress(voigt=False) - np.reshape(frame.info[STRESS], (3, 3))
    return _Difference(
        energy=(float(atoms.get_potential_energy()) - float(frame.info[ENERGY])) / len(frame),
        forces=atoms.get_forces(apply_constraint=False) - frame.arrays[FORCES],
        teacher_forces=frame.arrays[FORCES],
        stress=stress,
    )


def _row(group: str, differences: Sequence[_Difference]) -> ErrorRow:
    energies = np.array([one.energy for one in differences])
    forces = np.concatenate([one.forces for one in differences])
    teacher = np.concatenate([one.teacher_forces for one in differences])
    stresses = [one.stress[np.triu_indices(3)] for one in differences if one.stress is not None]
    rmse, rms = np.sqrt(np.mean(forces**2)), np.sqrt(np.mean(teacher**2))
    gpa = GPA_PER_EV_PER_ANGSTROM3
    return ErrorRow(
        group=group,
        frames=len(differences),
        atoms=len(forces),
        energy_rmse_mev_per_atom=round(1e3 * float(np.sqrt(np.mean(energies**2))), 3),
        energy_mean_mev_per_atom=round(1e3 * float(energies.mean()), 3),
        force_rmse_mev_per_angstrom=round(1e3 * float(rmse), 3),
        force_relative=round(float(rmse / rms), 4) if rms > 0 else 0.0,
        stress_rmse_gpa=round(gpa * float(np.sqrt(np.mean(np.square(stresses)))), 4)
        if stresses
        else None,
    )


def counts(frames: Iterable[Atoms]) -> Mapping[str, int]:
    """How many frames each group has."""
    found: dict[str, int] = defaultdict(int)
    for frame in frames:
        found[str(frame.info["group"])] += 1
    return dict(sorted(found.items()))
