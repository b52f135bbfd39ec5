"""What is bonded to what along a reactive run: polyanions, bonds, Li metal, gaps.

>>> from interlith.structures.library import build, load_phase
>>> cell = build(load_phase("Li6PS5Cl-24g"))
>>> symbols = [site.specie.symbol for site in cell]
>>> who = centres_of(cell.cart_coords, cell.lattice.matrix, symbols)
>>> sorted(set(who.names)), len(who.atoms)
(['PS4'], 4)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interlith.analysis.environments.bonds import (
    CENTRES,
    LIGANDS,
    LONGEST_ANGSTROM,
    bare,
    bonded,
    coordination,
    polyanions,
)
from interlith.analysis.environments.pairs import Pairs, near_pairs
from interlith.analysis.profiles import heights_along_normal
from interlith.analysis.trajectories import Block, Trajectory
from interlith.errors import InputError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

ION = "Li"
BLOCK_FRAMES = 64
PERIODIC = (True, True, True)


class AsStored(Trajectory):
    """Frames as they stand in the file.

    A trajectory's own blocks follow the atoms and take out the breathing of the cell, which is
    right for displacements; distances need positions that belong to the cell of their frame.
    """

    def blocks(
        self, size: int, chosen: range | None = None, *, own_cells: bool = True
    ) -> Iterator[Block]:
        """Positions of the chosen frames (default all), at most ``size`` at a time."""
        wanted = range(self.n_frames) if chosen is None else chosen
        return self.source.frames(wanted, size)


def as_stored(trajectory: Trajectory) -> AsStored:
    """The same trajectory, for geometry."""
    return AsStored(trajectory.path, trajectory.time_step_fs, trajectory.source)


@dataclass(frozen=True, eq=False)
class Centres:
    """Centres of polyanions at the start.

    Attributes
    ----------
    atoms : (n,)
        Indices.
    ligands : (n,)
        How many each has.
    names : tuple of str
        Such as PS4.
    """

    atoms: IntArray
    ligands: IntArray
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Counts:
    """Frame by frame.

    Attributes
    ----------
    times_ps : (f,)
    ligands : (f, n) ligands of each centre
    species, bonds, lithium_around : dict of (f,)
    metal : (f,) Li atoms bonded to nothing but Li
    lengths : (f,) of the cell along the normal, Angstrom
    gaps : (f,) largest stretch of the normal without an atom, Angstrom
    """

    times_ps: FloatArray
    ligands: IntArray
    species: dict[str, FloatArray]
    bonds: dict[str, FloatArray]
    lithium_around: dict[str, FloatArray]
    metal: FloatArray
    lengths: FloatArray
    gaps: FloatArray


def centres_of(positions: npt.ArrayLike, cell: npt.ArrayLike, symbols: Sequence[str]) -> Centres:
    """Centres with at least two ligands: P, Si ... in polyanions, metals in shells of anions."""
    bonds = _bonds(np.asarray(positions, dtype=np.float64), np.asarray(cell), symbols)
    kinds = np.array(symbols)
    ligand = np.isin(kinds, LIGANDS)
    counts = np.bincount(bonds.first[ligand[bonds.second]], minlength=len(kinds))
    chosen = np.flatnonzero(np.isin(kinds, CENTRES) & (counts > 1))
    return Centres(chosen, counts[chosen], tuple(_name(bonds, kinds, int(i)) for i in chosen))


def _name(bonds: Pairs, kinds: npt.NDArray[np.str_], atom: int) -> str:
    around = Counter(map(str, kinds[bonds.second[bonds.first == atom]]))
    listed = [(one, around[one]) for one in LIGANDS if around[one]]
    return str(kinds[atom]) + "".join(f"{one}{n if n > 1 else ''}" for one, n in listed)


def count_along(trajectory: Trajectory, centres: Centres, *, since_ps: float = 0.0) -> Counts:
    """Count bonds frame by frame.

    Parameters
    ----------
    since_ps : float
        Time of the first frame.

    Raises
    ------
    InputError
        If there is no frame.
    """
    chosen = range(trajectory.n_frames)
    if not len(chosen):
        raise InputError("a reactive run needs at least one frame")
    rows: list[_Row] = []
    for block in as_stored(trajectory).blocks(BLOCK_FRAMES, chosen):
        for positions, cell in zip(block.positions, block.cells, strict=True):
            rows.append(_row(positions, cell, trajectory.symbols, centres))
    times = since_ps + np.array([i * trajectory.time_step_fs / 1000.0 for i in chosen])
    return Counts(
        times_ps=times,
        ligands=np.array([row.ligands for row in rows], dtype=np.int64).reshape(len(rows), -1),
        species=_joined([row.species for row in rows]),
        bonds=_joined([row.bonds for row in rows]),
        lithium_around=_joined([row.around for row in rows]),
        metal=np.array([row.metal for row in rows], dtype=np.float64),
        lengths=np.array([row.length for row in rows]),
        gaps=np.array([row.gap for row in rows]),
    )


@dataclass(frozen=True, eq=False)
class _Row:
    ligands: IntArray
    species: dict[str, float]
    bonds: dict[str, float]
    around: dict[str, float]
    metal: int
    length: float
    gap: float


def _row(positions: FloatArray, cell: FloatArray, symbols: Sequence[str], centres: Centres) -> _Row:
    bonds, kinds = _bonds(positions, cell, symbols), np.array(symbols)
    ligand = np.isin(kinds, LIGANDS)
    counts = np.bincount(bonds.first[ligand[bonds.second]], minlength=len(kinds))
    heights, length = heights_along_normal(positions, cell)
    others = [one for one in sorted(set(symbols)) if one != ION]
    around = {
        one: float(coordination(bonds, symbols, one, ION).mean()) if ION in symbols else 0.0
        for one in others
    }
    return _Row(
        ligands=counts[centres.atoms],
        species={k: float(v) for k, v in polyanions(bonds, symbols).items()},
        bonds={k: float(v) for k, v in bond_numbers(bonds, symbols).items()},
        around=around,
        metal=int(lithium_metal(bonds, symbols).sum()),
        length=length,
        gap=largest_gap(heights, length),
    )


def bond_numbers(bonds: Pairs, symbols: Sequence[str]) -> Counter[str]:
    """Bonds of every two elements, Li-Li left out: ``{"P-S": 32, "Li-S": 210}``."""
    kinds = np.array(symbols)
    once = bonds.first < bonds.second
    order = {name: place for place, name in enumerate((ION, *CENTRES))}
    found: Counter[str] = Counter()
    for pair in zip(kinds[bonds.first[once]], kinds[bonds.second[once]], strict=True):
        one, other = sorted(map(str, pair), key=lambda name: (order.get(name, 99), name))
        if (one, other) != (ION, ION):
            found[f"{one}-{other}"] += 1
    return found


def lithium_metal(bonds: Pairs, symbols: Sequence[str]) -> BoolArray:
    """(n,) true for Li atoms bonded to nothing but Li."""
    kinds = np.array(symbols)
    other = kinds != ION
    touched = np.bincount(bonds.first[other[bonds.second]], minlength=len(kinds)) > 0
    return np.asarray(~other & ~touched)


def bare_of(positions: FloatArray, cell: FloatArray, symbols: Sequence[str]) -> BoolArray:
    """(n,) true for atoms other than Li that are bonded to nothing but Li."""
    return bare(_bonds(positions, cell, symbols), symbols)


def largest_gap(heights: FloatArray, length: float) -> float:
    """Largest stretch of a periodic normal without an atom, Angstrom.

    >>> round(largest_gap(np.array([0.0, 1.0, 2.0]), 10.0), 1)
    8.0
    """
    ordered = np.sort(np.asarray(heights) % length)
    return float(np.diff(np.append(ordered, ordered[0] + length)).max())


def settled(flags: BoolArray, window: int) -> BoolArray:
    """Flags (f, n) by the majority of ``window`` frames around each, so that vibrations vanish."""
    half = max(window, 1) // 2
    kept = np.empty_like(flags)
    for frame in range(len(flags)):
        near = flags[max(0, frame - half) : frame + half + 1]
        kept[frame] = near.mean(axis=0) > 0.5
    return kept


def _bonds(positions: FloatArray, cell: FloatArray, symbols: Sequence[str]) -> Pairs:
    return bonded(near_pairs(positions, cell, LONGEST_ANGSTROM, PERIODIC), symbols)


def _joined(rows: Sequence[dict[str, float]]) -> dict[str, FloatArray]:
    names = sorted({name for row in rows for name in row})
    return {name: np.array([row.get(name, 0.0) for row in rows]) for name in names}
