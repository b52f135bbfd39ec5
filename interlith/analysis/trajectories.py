"""Trajectories of any common program, read in blocks, with atoms followed across cell walls.

Formats: H5MD (``.h5``, ``.h5md``), extended XYZ and ASE ``.traj``, VASP ``XDATCAR`` and
``vasprun.xml``, LAMMPS text dumps. Positions come out unwrapped: an atom that leaves through a
face of the cell keeps going. Where the cell changes with time (NPT) the displacement between two
frames is taken in fractional coordinates and turned to Angstrom with the mean of the two cells,
so that an atom that only follows the breathing of the cell has not moved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError

FloatArray = npt.NDArray[np.float64]

LARGEST_STEP = 0.45
"""Largest move between two frames along a cell vector, as a fraction of it, that is trusted."""
SAME_CELL_ANGSTROM = 1e-5


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive frames: positions (n, n_atoms, 3) and cells (n, 3, 3), Angstrom."""

    positions: FloatArray
    cells: FloatArray


@dataclass(frozen=True, eq=False)
class Source:
    """What a file reader gives: facts known at once, and frames as they stand in the file.

    Attributes
    ----------
    symbols : tuple of str
        Element of each atom.
    n_frames : int
        Frames in the file.
    periodic : tuple of bool
        Along a, b, c.
    wrapped : bool
        Whether atoms that leave the cell come back on its other side.
    time_step_fs : float or None
        Between frames, where the file says so.
    frames : callable
        ``frames(chosen, size)`` yields blocks of at most ``size`` frames among those chosen.
    """

    symbols: tuple[str, ...]
    n_frames: int
    periodic: tuple[bool, bool, bool]
    wrapped: bool
    time_step_fs: float | None
    frames: Callable[[range, int], Iterator[Block]]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A trajectory on disk or in memory; :meth:`blocks` reads it.

    Attributes
    ----------
    path : Path
        Its file.
    time_step_fs : float
        Between frames of the file.
    source : Source
        The reader.
    """

    path: Path
    time_step_fs: float
    source: Source

    @property
    def symbols(self) -> tuple[str, ...]:
        """Element of each atom."""
        return self.source.symbols

    @property
    def n_frames(self) -> int:
        """Frames in the file."""
        return self.source.n_frames

    @property
    def periodic(self) -> tuple[bool, bool, bool]:
        """Whether the cell repeats along a, b, c."""
        return self.source.periodic

    def blocks(
        self, size: int, chosen: range | None = None, *, own_cells: bool = False
    ) -> Iterator[Block]:
        """Unwrapped positions of the chosen frames (default all), at most ``size`` at a time.

        Parameters
        ----------
        own_cells : bool
            Positions as they lie in each frame's own cell, for a file or a picture. By default the
            cell's own motion is taken out, as displacements need it.

        Raises
        ------
        InputError
            If an atom moves nearly half the cell between two frames, so that nobody can say
            which way it went.
        """
        chosen = range(self.n_frames) if chosen is None else chosen
        if self.source.wrapped:
            # every frame from the first chosen one on is needed to follow the atoms
            read, take = range(chosen.start, chosen.stop), chosen.step
        else:
            read, take = chosen, 1
        kind = _InOwnCells if own_cells else _Follower
        follow = kind(self.source.wrapped, self.source.periodic, str(self.path))
        seen = 0
        for raw in self.source.frames(read, size):
            block = follow(raw)
            keep = slice(-seen % take, None, take)
            seen += len(raw.positions)
            if block.positions[keep].size:
                yield Block(block.positions[keep], block.cells[keep])


class _Follower:
    """Follows atoms from block to block; the cell's own motion is taken out."""

    def __init__(self, wrapped: bool, periodic: tuple[bool, bool, bool], name: str) -> None:
        self.wrapped, self.periodic, self.name = wrapped, np.array(periodic), name
        self.last: tuple[FloatArray, FloatArray, FloatArray] | None = None  # fractional, cell, out
        self.first_cell: FloatArray | None = None
        self.steady = True
        self.count = 0

    def __call__(self, raw: Block) -> Block:
        self.first_cell = raw.cells[0] if self.first_cell is None else self.first_cell
        if self.steady and not self.wrapped and _same(raw.cells, self.first_cell):
            fractional = _fractional(raw.positions[-1], raw.cells[-1], self.name)
            self.last = (fractional, raw.cells[-1], raw.positions[-1])
            self.count += len(raw.positions)
            return raw
        self.steady = False
        return self._follow(raw)

    def _follow(self, raw: Block) -> Block:
        fractional = _fractional(raw.positions, raw.cells, self.name)
        cells = raw.cells
        if self.last is None:
            out0 = raw.positions[0]
            moves = np.diff(fractional, axis=0)
            between = 0.5 * (cells[1:] + cells[:-1])
        else:
            out0 = self.last[2]
            moves = np.diff(fractional, axis=0, prepend=self.last[0][None])
            before = np.concatenate([self.last[1][None], cells[:-1]])
            between = 0.5 * (cells + before)
        moves = self._nearest(moves)
        steps = _times(moves, between)
        positions = out0 + np.cumsum(steps, axis=0)
        if self.last is None:
            positions = np.concatenate([out0[None], positions])
        self.last = (fractional[-1], cells[-1], positions[-1])
        self.count += len(cells)
        return Block(positions, cells)

    def _nearest(self, moves: FloatArray) -> FloatArray:
        if not self.wrapped:
            return moves
        nearest: FloatArray = moves - np.where(self.periodic, np.round(moves), 0.0)
        self._check(nearest)
        return nearest

    def _check(self, moves: FloatArray) -> None:
        far = np.abs(moves) * self.periodic
        if far.size and float(far.max()) > LARGEST_STEP:
            frame, atom, axis = np.unravel_index(int(far.argmax()), far.shape)
            raise InputError(
                f"atom {int(atom)} of {self.name} moves {far.max():.2f} of the cell along "
                f"{'abc'[int(axis)]} near frame {self.count + int(frame)}; between wrapped frames "
                "it must stay well below half a cell to be followed. Write frames more often, or "
                "give unwrapped positions"
            )


class _InOwnCells(_Follower):
    """Unwraps, and leaves every frame in its own cell."""

    def __call__(self, raw: Block) -> Block:
        if not self.wrapped:
            return raw
        fractional = _fractional(raw.positions, raw.cells, self.name)
        if self.last is None:
            self.last = (fractional[0], raw.cells[0], fractional[0])
        before, _, unwrapped = self.last
        moves = self._nearest(np.diff(fractional, axis=0, prepend=before[None]))
        places = unwrapped + np.cumsum(moves, axis=0)
        self.last = (fractional[-1], raw.cells[-1], places[-1])
        self.count += len(raw.cells)
        return Block(_times(places, raw.cells), raw.cells)


def _same(a: FloatArray, b: FloatArray) -> bool:
    return bool(np.all(np.abs(a - b) < SAME_CELL_ANGSTROM))


def _fractional(positions: FloatArray, cell: FloatArray, name: str) -> FloatArray:
    try:
        inverse = np.asarray(np.linalg.inv(cell[:1] if _constant(cell) else cell), dtype=np.float64)
    except np.linalg.LinAlgError:
        raise InputError(
            f"{name} has a frame whose cell has no volume; transport needs a cell"
        ) from None
    return _times(positions, inverse)


def _constant(cells: FloatArray) -> bool:
    return cells.ndim == 3 and bool(np.all(cells == cells[:1]))


def _times(rows: FloatArray, cells: FloatArray) -> FloatArray:
    """Rows times one matrix a frame; much faster where all are the same."""
    if len(cells) and _constant(cells):
        one: FloatArray = (rows.reshape(-1, 3) @ cells[0]).reshape(rows.shape)
        return one
    product: FloatArray = np.matmul(rows, cells)
    return product


def open_trajectory(
    path: str | Path,
    *,
    time_step_fs: float | None = None,
    format: str | None = None,
    symbols: Sequence[str] | None = None,
    wrapped: bool | None = None,
) -> Trajectory:
    """Open a trajectory file.

    Parameters
    ----------
    path : str or Path
        The file.
    time_step_fs : float, optional
        Time between two frames of the file. Needed where the file does not hold it (extxyz,
        traj, XDATCAR, LAMMPS dumps); where it does, this wins.
    format : {"h5md", "extxyz", "traj", "xdatcar", "vasprun", "lammps"}, optional
        By default what the name says.
    symbols : sequence of str, optional
        Elements of the LAMMPS atom types 1, 2, ..., where the dump has no ``element`` column.
    wrapped : bool, optional
        Whether atoms come back on the other side of the cell. By default False for H5MD that
        interlith wrote or that counts images, and for LAMMPS dumps with ``xu yu zu`` or
        ``ix iy iz``; else True, which does no harm to unwrapped positions as long as no atom
        crosses half a cell between two frames.

    Returns
    -------
    Trajectory

    Raises
    ------
    InputError
        If the file is absent, damaged, of no known format, or without a time step.
    """
    from interlith.analysis import trajectory_files

    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no trajectory {path}; give an existing file")
    kind = format or _format_of(path)
    source = trajectory_files.open_source(path, kind, symbols)
    step = source.time_step_fs if time_step_fs is None else time_step_fs
    if step is None:
        raise InputError(
            f"{path.name} does not say how far apart its frames are; give the time between two "
            "frames in fs (time_step_fs)"
        )
    if not (step > 0 and math.isfinite(step)):
        raise InputError(f"a time between frames of {step:g} fs is impossible; it is positive")
    if wrapped is not None and wrapped != source.wrapped:
        source = replace(source, wrapped=wrapped)
    return Trajectory(path, float(step), source)


def from_arrays(
    positions: npt.ArrayLike,
    cell: npt.ArrayLike,
    symbols: Sequence[str],
    time_step_fs: float,
    *,
    wrapped: bool = False,
    periodic: tuple[bool, bool, bool] = (True, True, True),
) -> Trajectory:
    """Trajectory held in memory (for small ones and made-up ones).

    Parameters
    ----------
    positions : (n_frames, n_atoms, 3)
        Angstrom.
    cell : (3, 3) or (n_frames, 3, 3)
        Rows a, b, c in Angstrom.
    symbols : sequence of str
        One per atom.
    time_step_fs : float
        Between frames.
    wrapped : bool
        Whether atoms come back on the other side of the cell.
    periodic : (bool, bool, bool)
        Along a, b, c.

    Raises
    ------
    InputError
        If the shapes do not belong together.
    """
    where = np.asarray(positions, dtype=np.float64)
    if where.ndim != 3 or where.shape[1:] != (len(symbols), 3):
        raise InputError(
            f"positions of shape {where.shape} do not fit {len(symbols)} atoms; give "
            "(frames, atoms, 3)"
        )
    cells = np.broadcast_to(np.asarray(cell, dtype=np.float64), (len(where), 3, 3))

    def frames(chosen: range, size: int) -> Iterator[Block]:
        for begin in range(0, len(chosen), size):
            index = np.array(chosen[begin : begin + size])
            yield Block(where[index], cells[index])

    source = Source(tuple(symbols), len(where), periodic, wrapped, time_step_fs, frames)
    return Trajectory(Path("memory"), time_step_fs, source)


def _format_of(path: Path) -> str:
    name = path.name.lower()
    if name.startswith("xdatcar"):
        return "xdatcar"
    if name.startswith("vasprun") or name.endswith(".xml"):
        return "vasprun"
    for ending, kind in {
        ".h5": "h5md",
        ".h5md": "h5md",
        ".hdf5": "h5md",
        ".xyz": "extxyz",
        ".extxyz": "extxyz",
        ".traj": "traj",
        ".dump": "lammps",
        ".lammpstrj": "lammps",
        ".lammpsdump": "lammps",
    }.items():
        if name.endswith(ending):
            return kind
    raise InputError(
        f"{path.name} is of no known kind; name it .h5md, .extxyz, .traj, .lammpstrj, XDATCAR or "
        "vasprun.xml, or give the format: h5md, extxyz, traj, lammps, xdatcar, vasprun"
    )
