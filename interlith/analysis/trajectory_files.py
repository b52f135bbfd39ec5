"""Readers of trajectory files: each gives frames as they stand in the file, a block at a time.

One function per format, listed in :data:`READERS`; a new format is one more function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from interlith.analysis.trajectories import Block, Source
from interlith.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

FloatArray = npt.NDArray[np.float64]
Frame = tuple[FloatArray, FloatArray]
ALWAYS = (True, True, True)


def open_source(path: Path, kind: str, symbols: Sequence[str] | None) -> Source:
    """Reader of one file.

    Raises
    ------
    InputError
        If the kind is unknown or the file is not of that kind.
    """
    if kind not in READERS:
        raise InputError(f"no reader for '{kind}'; there are {', '.join(sorted(READERS))}")
    with _explained(path, kind):
        source = READERS[kind](path, symbols)
    if source.n_frames < 1 or not source.symbols:
        raise InputError(f"{path.name} holds no frame; give a trajectory with several")
    read = source.frames

    def frames(chosen: range, size: int) -> Iterator[Block]:
        with _explained(path, kind):
            yield from read(chosen, size)

    return replace(source, frames=frames)


@contextmanager
def _explained(path: Path, kind: str) -> Iterator[None]:
    """Turn what a reader stumbles over into bad input."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, KeyError, IndexError, TypeError, OSError) as error:
        raise InputError(
            f"{path.name} cannot be read as {kind} ({type(error).__name__}: {error}); check the "
            "file and the format"
        ) from error


def _blocks(frames: Iterable[Frame], chosen: range, size: int, n_atoms: int) -> Iterator[Block]:
    """Group single frames into blocks of the chosen ones."""
    positions: list[FloatArray] = []
    cells: list[FloatArray] = []
    for number, (where, cell) in enumerate(frames):
        if number >= chosen.stop:
            break
        if number not in chosen:
            continue
        if where.shape != (n_atoms, 3):
            raise InputError(
                f"frame {number} holds {len(where)} atoms, the first {n_atoms}; transport needs "
                "the same atoms throughout"
            )
        positions.append(where)
        cells.append(cell)
        if len(positions) == size:
            yield Block(np.array(positions), np.array(cells))
            positions, cells = [], []
    if positions:
        yield Block(np.array(positions), np.array(cells))


# H5MD


def _h5md(path: Path, _: Sequence[str] | None) -> Source:
    from interlith.h5md import H5mdReader

    with H5mdReader(path) as file:
        n_frames, symbols, periodic = file.n_frames, file.symbols, file.pbc
        time_step, wrapped = file.time_step_fs, not file.unwrapped
        _check_even(file.steps(), path)

    def frames(chosen: range, size: int) -> Iterator[Block]:
        with H5mdReader(path) as file:
            for begin in range(0, len(chosen), size):
                part = chosen[begin : begin + size]
                yield Block(
                    file.positions(part.start, part.stop, part.step),
                    file.cells(part.start, part.stop, part.step),
                )

    return Source(symbols, n_frames, periodic, wrapped, time_step, frames)


def _check_even(steps: npt.NDArray[np.int64], path: Path) -> None:
    apart = np.diff(steps)
    if np.any(apart != apart[:1]):
        odd = int(np.argmax(apart != apart[0]))
        raise InputError(
            f"the frames of {path.name} are not evenly spaced: {apart[0]} steps at first, "
            f"{apart[odd]} after frame {odd}; write them at a fixed interval, or give the even "
            "parts one by one"
        )


# ASE


def _traj(path: Path, _: Sequence[str] | None) -> Source:
    from ase.io.trajectory import Trajectory

    with Trajectory(str(path)) as file:
        n_frames, first = len(file), file[0]
    symbols = tuple(first.get_chemical_symbols())

    def frames(chosen: range, size: int) -> Iterator[Block]:
        with Trajectory(str(path)) as file:
            for begin in range(0, len(chosen), size):
                part = [file[i] for i in chosen[begin : begin + size]]
                yield Block(
                    np.array([a.positions for a in part]), np.array([a.cell.array for a in part])
                )

    a, b, c = (bool(x) for x in first.pbc)
    return Source(symbols, n_frames, (a, b, c), True, None, frames)


def _extxyz(path: Path, _: Sequence[str] | None) -> Source:
    from ase.io import iread, read

    first = cast("Atoms", read(path, index=0, format="extxyz"))
    symbols = tuple(first.get_chemical_symbols())
    n_frames = 0
    with path.open("rb") as file:
        while (line := file.readline()).strip():
            rows = [file.readline() for _ in range(int(line) + 1)]
            n_frames += rows[-1].endswith(b"\n")  # not if cut off in the middle of a frame

    def every() -> Iterator[Frame]:
        for atoms in iread(path, index=f":{n_frames}", format="extxyz"):
            yield atoms.positions, atoms.cell.array

    a, b, c = (bool(x) for x in first.pbc)
    return Source(
        symbols,
        n_frames,
        (a, b, c),
        True,
        None,
        lambda chosen, size: _blocks(every(), chosen, size, len(symbols)),
    )


# VASP


def _xdatcar(path: Path, _: Sequence[str] | None) -> Source:
    with path.open() as file:
        symbols = _xdatcar_head(file)[1]
    n_frames = sum(1 for _ in _xdatcar_frames(path))
    return Source(
        symbols,
        n_frames,
        ALWAYS,
        True,
        None,
        lambda chosen, size: _blocks(_xdatcar_frames(path), chosen, size, len(symbols)),
    )


def _xdatcar_head(file: IO[str], title: str | None = None) -> tuple[FloatArray, tuple[str, ...]]:
    if title is None:
        file.readline()
    scale = float(file.readline())
    cell = np.array([[float(x) for x in file.readline().split()[:3]] for _ in range(3)])
    names, counts = file.readline().split(), [int(n) for n in file.readline().split()]
    if scale < 0:
        scale = (-scale / abs(float(np.linalg.det(cell)))) ** (1 / 3)
    symbols = [name for name, n in zip(names, counts, strict=True) for _ in range(n)]
    return cell * scale, tuple(symbols)


def _xdatcar_frames(path: Path) -> Iterator[Frame]:
    with path.open() as file:
        cell, symbols = _xdatcar_head(file)
        while line := file.readline():
            if not line.strip():
                continue
            if "configuration" not in line:  # the head again, with a new cell
                cell, symbols = _xdatcar_head(file, line)
                line = file.readline()
            rows = [file.readline() for _ in symbols]
            if not rows[-1].strip():
                return  # cut off in the middle of a frame
            yield np.array([[float(x) for x in row.split()[:3]] for row in rows]) @ cell, cell


def _vasprun(path: Path, _: Sequence[str] | None) -> Source:
    symbols, step, n_frames = _vasprun_facts(path)
    return Source(
        symbols,
        n_frames,
        ALWAYS,
        True,
        step,
        lambda chosen, size: _blocks(_vasprun_frames(path), chosen, size, len(symbols)),
    )


def _vasprun_facts(path: Path) -> tuple[tuple[str, ...], float | None, int]:
    from xml.etree import ElementTree

    symbols: list[str] = []
    step, n_frames = None, 0
    try:
        for _, element in ElementTree.iterparse(path):
            if element.tag == "array" and element.get("name") == "atoms":
                symbols = [str(row[0].text).strip() for row in element.iter("rc")]
            elif element.tag == "i" and element.get("name") == "POTIM":
                step = float(str(element.text))
            elif element.tag == "calculation":
                n_frames += 1
                element.clear()
    except ElementTree.ParseError:
        pass  # a running or killed job leaves the last frame open
    return tuple(symbols), step, n_frames


def _vasprun_frames(path: Path) -> Iterator[Frame]:
    from xml.etree import ElementTree

    try:
        for _, element in ElementTree.iterparse(path):
            if element.tag != "calculation":
                continue
            cell = _varray(element, "structure/crystal/varray[@name='basis']")
            yield _varray(element, "structure/varray[@name='positions']") @ cell, cell
            element.clear()
    except ElementTree.ParseError:
        return


def _varray(element: Any, where: str) -> FloatArray:
    rows = element.find(where)
    if rows is None:
        raise InputError("a step of the vasprun.xml has no structure; run VASP with NWRITE >= 1")
    return np.array([[float(x) for x in str(row.text).split()] for row in rows])


# LAMMPS


def _lammps(path: Path, symbols: Sequence[str] | None) -> Source:
    first = next(_lammps_frames(path), None)
    if first is None:
        raise InputError(f"{path.name} holds no whole frame of a LAMMPS dump")
    columns, table = first.columns, first.table
    if "element" in columns:
        names = tuple(str(x) for x in table[:, columns.index("element")])
    elif "type" in columns and symbols:
        types = table[:, columns.index("type")].astype(int)
        if types.max() > len(symbols):
            raise InputError(f"the dump has {types.max()} atom types, {len(symbols)} are named")
        names = tuple(symbols[i - 1] for i in types)
    else:
        raise InputError(
            f"{path.name} does not say which elements its atoms are; add the column 'element' to "
            "the dump, or give the elements of types 1, 2, ... (symbols)"
        )
    unwrapped = "xu" in columns or "xsu" in columns or "ix" in columns
    steps = np.array([frame.step for frame in _lammps_frames(path, parse=False)], dtype=np.int64)
    kept = _without_doubles(steps, path)
    _check_even(steps[kept], path)

    def every() -> Iterator[Frame]:
        frames = enumerate(_lammps_frames(path))
        return (frame.positions() for number, frame in frames if kept[number])

    return Source(
        names,
        int(kept.sum()),
        first.periodic,
        not unwrapped,
        None,
        lambda chosen, size: _blocks(every(), chosen, size, len(names)),
    )


SAME_ANGSTROM = 0.05
"""A frame written twice by a restart has its atoms this close together."""


def _without_doubles(steps: npt.NDArray[np.int64], path: Path) -> npt.NDArray[np.bool_]:
    """(n_frames,) False for frames that a restart wrote anew: the later ones go on.

    Raises
    ------
    InputError
        If a step comes again with other atoms: then it was counted anew, and nothing says how the
        parts follow each other.
    """
    kept, again = np.ones(len(steps), dtype=bool), np.flatnonzero(np.diff(steps) <= 0) + 1
    if not len(again) or np.all(steps == steps[0]):  # a converter that counts no steps
        return kept
    pairs = {}
    for frame in map(int, again):
        before = np.flatnonzero(kept[:frame] & (steps[:frame] >= steps[frame]))
        if steps[before[0]] != steps[frame]:
            raise InputError(_counted_anew(path, int(steps[frame])))
        pairs[int(before[0])] = frame
        kept[before] = False
    wanted = {*pairs, *pairs.values()}
    places = {n: one.positions() for n, one in enumerate(_lammps_frames(path)) if n in wanted}
    for first, second in pairs.items():
        (old, cell), (new, _) = places[first], places[second]
        apart = (new - old) @ np.linalg.inv(cell)
        if np.abs((apart - np.round(apart)) @ cell).max() > SAME_ANGSTROM:
            raise InputError(_counted_anew(path, int(steps[second])))
    return kept


def _counted_anew(path: Path, step: int) -> str:
    return (
        f"{path.name} goes back to step {step}, and not to a frame that it has already: its steps "
        "were counted anew; give each part as a file of its own"
    )


class _Dump:
    """One frame of a dump: columns, rows sorted by atom, cell and its origin, its step."""

    def __init__(self, columns: list[str], table: Any, cell: FloatArray, origin: FloatArray):
        self.columns, self.cell, self.origin = columns, cell, origin
        self.periodic: tuple[bool, bool, bool] = ALWAYS
        self.step = 0
        order = table[:, columns.index("id")].astype(int).argsort() if "id" in columns else ...
        self.table = table[order]

    def _numbers(self, names: Sequence[str]) -> FloatArray:
        numbers: FloatArray = self.table[:, [self.columns.index(n) for n in names]].astype(float)
        return numbers

    def positions(self) -> Frame:
        for names, scaled in (
            (("xu", "yu", "zu"), False),
            (("xsu", "ysu", "zsu"), True),
            (("x", "y", "z"), False),
            (("xs", "ys", "zs"), True),
        ):
            if names[0] in self.columns:
                where = self._numbers(names)
                where = where @ self.cell if scaled else where - self.origin
                if len(names[0]) < 3 and "u" not in names[0] and "ix" in self.columns:
                    where = where + self._numbers(("ix", "iy", "iz")) @ self.cell
                return where, self.cell
        raise InputError("the dump has no positions; write x y z, xs ys zs or xu yu zu")


def _lammps_frames(path: Path, parse: bool = True) -> Iterator[_Dump]:
    with path.open() as file:
        while line := file.readline():
            if not line.startswith("ITEM: TIMESTEP"):
                continue
            step = int(float(file.readline()))
            file.readline()
            count = int(file.readline())
            flags = file.readline().split()[3:]
            bounds = np.array([[float(x) for x in file.readline().split()] for _ in range(3)])
            columns = file.readline().split()[2:]
            rows = [file.readline() for _ in range(count)]
            if not rows or not rows[-1].endswith("\n"):
                return  # cut off in the middle of a frame
            table = np.array([row.split() for row in rows]) if parse else np.empty((0, 0))
            general = flags[:2] == ["abc", "origin"]
            cell, origin = (bounds[:, :3], bounds[:, 3]) if general else _lammps_cell(bounds)
            dump = _Dump(columns if parse else [], table, cell, origin)
            dump.step = step
            a, b, c = (flag == "pp" for flag in flags[-3:]) if len(flags) >= 3 else ALWAYS
            dump.periodic = (a, b, c)
            yield dump


def _lammps_cell(bounds: FloatArray) -> Frame:
    low, high = bounds[:, 0].copy(), bounds[:, 1].copy()
    xy, xz, yz = bounds[:, 2] if bounds.shape[1] == 3 else (0.0, 0.0, 0.0)
    # a tilted box is written with the bounds of its hull
    low[0] -= min(0.0, xy, xz, xy + xz)
    high[0] -= max(0.0, xy, xz, xy + xz)
    low[1] -= min(0.0, yz)
    high[1] -= max(0.0, yz)
    lx, ly, lz = high - low
    return np.array([[lx, 0.0, 0.0], [xy, ly, 0.0], [xz, yz, lz]]), low


READERS: dict[str, Callable[[Path, Sequence[str] | None], Source]] = {
    "h5md": _h5md,
    "traj": _traj,
    "extxyz": _extxyz,
    "xdatcar": _xdatcar,
    "vasprun": _vasprun,
    "lammps": _lammps,
}
"""Reader of each format."""
