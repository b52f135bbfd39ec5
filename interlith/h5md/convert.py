"""H5MD to extxyz, ASE's traj, or a LAMMPS dump, one block of frames at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError, OutputError
from interlith.h5md.reader import H5mdReader

if TYPE_CHECKING:
    from ase import Atoms

BLOCK_BYTES = 8 * 1024 * 1024
FORMATS = {
    ".xyz": "extxyz",
    ".extxyz": "extxyz",
    ".traj": "traj",
    ".lammpstrj": "lammps",
    ".dump": "lammps",
}


def convert(path: Path | str, target: Path | str, fmt: str | None = None) -> Path:
    """Write a trajectory in another format; memory does not grow with its length.

    Parameters
    ----------
    path : Path or str
        H5MD file.
    target : Path or str
        Written whole or not at all, in place of any that is there.
    fmt : {"extxyz", "traj", "lammps"}, optional
        Guessed from the ending of ``target`` (.xyz, .extxyz, .traj, .lammpstrj, .dump).

    Returns
    -------
    Path
        ``target``.

    Raises
    ------
    InputError
        If the format is not known or the trajectory cannot be read.
    OutputError
        If the target cannot be written.

    Notes
    -----
    Positions stay unwrapped. LAMMPS knows cells with a along x and b in the xy plane only, so its
    frames are turned; lengths and angles are kept.
    """
    target = Path(target)
    fmt = fmt or FORMATS.get(target.suffix.lower(), "none")
    if fmt not in FORMATS.values():
        raise InputError(
            f"'{target.name}' in format {fmt}: known are extxyz (.xyz, .extxyz), traj (.traj) and "
            "lammps (.lammpstrj, .dump)"
        )
    temporary = target.with_name(target.name + ".part")
    with H5mdReader(path) as source:
        try:
            {"extxyz": _extxyz, "traj": _traj, "lammps": _lammps}[fmt](source, temporary)
            os.replace(temporary, target)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise OutputError(f"cannot write '{target}': {error}") from error
    return target


def _frames(source: H5mdReader) -> Iterator[tuple[int, Atoms]]:
    """Step and atoms of every frame."""
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator

    atoms = Atoms(list(source.symbols), pbc=source.pbc)
    if source.regions is not None:
        atoms.set_array("region", np.array(source.regions))
    for start, stop in source.blocks(max(1, BLOCK_BYTES // (24 * source.n_atoms))):
        cells, steps = source.cells(start, stop), source.steps(start, stop)
        energies = _energies(source, start, stop)
        for row, positions in enumerate(source.positions(start, stop)):
            frame = atoms.copy()
            frame.positions = positions
            frame.set_cell(cells[row])
            if source.time_step_fs is not None:
                frame.info["time_fs"] = (start + row) * source.time_step_fs
            frame.info["step"] = int(steps[row])
            if energies is not None and np.isfinite(energies[row]):
                frame.calc = SinglePointCalculator(frame, energy=float(energies[row]))
            yield int(steps[row]), frame


def _energies(source: H5mdReader, start: int, stop: int) -> npt.NDArray[np.float64] | None:
    if "potential_energy" not in source.observables:
        return None
    return source.observable("potential_energy", start, stop)


def _extxyz(source: H5mdReader, target: Path) -> None:
    from ase.io.extxyz import write_extxyz

    with target.open("w") as file:
        for _, atoms in _frames(source):
            write_extxyz(file, [atoms])


def _traj(source: H5mdReader, target: Path) -> None:
    from ase.io.trajectory import TrajectoryWriter

    writer: Any = TrajectoryWriter(target, "w")
    with writer:
        for _, atoms in _frames(source):
            writer.write(atoms)


def _lammps(source: H5mdReader, target: Path) -> None:
    kinds = {symbol: number for number, symbol in enumerate(sorted(set(source.symbols)), 1)}
    labels = [
        f"{number} {kinds[symbol]} {symbol}" for number, symbol in enumerate(source.symbols, 1)
    ]
    boundary = " ".join("pp" if periodic else "ff" for periodic in source.pbc)
    with target.open("w") as file:
        for step, atoms in _frames(source):
            _dump_frame(file, step, atoms, labels, boundary)


def _dump_frame(file: TextIO, step: int, atoms: Atoms, labels: list[str], boundary: str) -> None:
    if atoms.cell.rank < 3 or atoms.cell.handedness < 0:
        raise InputError("a LAMMPS dump needs a right-handed cell of three vectors")
    standard, turn = atoms.cell.standard_form()
    positions = atoms.positions @ np.asarray(turn).T
    lengths, (xy, xz, yz) = np.diag(standard), standard[[1, 2, 2], [0, 0, 1]]
    low, high = min(0, xy, xz, xy + xz), max(0, xy, xz, xy + xz)
    file.write(
        f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{len(atoms)}\n"
        f"ITEM: BOX BOUNDS xy xz yz {boundary}\n"
        f"{low:.9g} {lengths[0] + high:.9g} {xy:.9g}\n"
        f"{min(0, yz):.9g} {lengths[1] + max(0, yz):.9g} {xz:.9g}\n"
        f"0 {lengths[2]:.9g} {yz:.9g}\nITEM: ATOMS id type element xu yu zu\n"
    )
    file.writelines(
        f"{label} {x:.7g} {y:.7g} {z:.7g}\n"
        for label, (x, y, z) in zip(labels, positions, strict=True)
    )
