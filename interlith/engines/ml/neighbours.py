"""Directed edges between atoms closer than a cutoff, in an order that has no memory.

The list is built with a skin and kept until an atom may have crossed it; the edges handed out
depend on the positions and the cell alone, never on when the list was built, so that a run that
is stopped and taken up again sees the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from interlith.engines.ml.torch_setup import load_torch

if TYPE_CHECKING:
    from ase import Atoms

SKIN_ANGSTROM = 0.5
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Edges:
    """Edges of one configuration, as torch tensors on one device.

    Attributes
    ----------
    n_atoms : int
    sender, receiver : tensor, (n_edges,) int64
        Sorted by sender, receiver and cell offset.
    reverse : tensor, (n_edges,) int64
        Index of the edge that runs the other way.
    vectors : tensor, (n_edges, 3) float64
        Receiver minus sender, Angstrom.
    """

    n_atoms: int
    sender: Any
    receiver: Any
    reverse: Any
    vectors: Any

    def within(self, cutoff: float) -> Edges:
        """The edges shorter than ``cutoff`` (Angstrom)."""
        torch = load_torch()
        near = (self.vectors * self.vectors).sum(dim=1) < cutoff**2
        near = near & near[self.reverse]
        if bool(near.all()):
            return self
        kept = torch.nonzero(near).squeeze(1)
        new_index = torch.cumsum(near, dim=0) - 1
        return Edges(
            self.n_atoms,
            self.sender[kept],
            self.receiver[kept],
            new_index[self.reverse[kept]],
            self.vectors[kept],
        )


class NeighbourList:
    """Edges within ``cutoff`` for one configuration after another.

    Parameters
    ----------
    cutoff : float
        Angstrom.
    device : str
        Where the edges are wanted.
    skin : float
        Angstrom; the list is rebuilt when an atom has moved by half of it.
    """

    def __init__(self, cutoff: float, device: str = "cpu", skin: float = SKIN_ANGSTROM) -> None:
        self._cutoff, self._skin, self._device = cutoff, skin, device
        self._start: tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]] | None = None
        self._kept: tuple[Any, Any, Any, Any] | None = None
        self.n_builds = 0

    def edges(self, atoms: Atoms) -> Edges:
        """Edges of ``atoms``, which is left as it is."""
        torch = load_torch()
        positions, cell = atoms.positions, atoms.cell.array
        if self._kept is None or not self._still_holds(positions, cell, atoms.pbc):
            self._build(positions, cell, atoms.pbc)
        if self._kept is None:  # for the type checker: _build has just filled it
            raise RuntimeError("no neighbour list")
        sender, receiver, offsets, reverse = self._kept
        placed = torch.as_tensor(positions, dtype=torch.float64, device=self._device)
        box = torch.as_tensor(cell, dtype=torch.float64, device=self._device)
        vectors = placed[receiver] - placed[sender] + offsets @ box
        everything = Edges(len(atoms), sender, receiver, reverse, vectors)
        return everything.within(self._cutoff)

    def _still_holds(self, positions: FloatArray, cell: FloatArray, pbc: Any) -> bool:
        """Whether every pair now within the cutoff was within cutoff plus skin at the start."""
        if self._start is None:
            return False
        was, cell_then, pbc_then = self._start
        if was.shape != positions.shape or not np.array_equal(pbc, pbc_then):
            return False
        shrink, carried = 1.0, was
        if not np.array_equal(cell, cell_then):
            if abs(np.linalg.det(cell_then)) < 1e-9:
                return False
            stretch = np.linalg.solve(cell_then, cell)
            shrink, carried = float(np.linalg.svd(stretch, compute_uv=False)[-1]), was @ stretch
        moved = float(np.sqrt(((positions - carried) ** 2).sum(axis=1).max(initial=0.0)))
        return shrink * (self._cutoff + self._skin) - 2 * moved > self._cutoff

    def _build(self, positions: FloatArray, cell: FloatArray, pbc: Any) -> None:
        torch = load_torch()
        sender, receiver, offsets = pairs(positions, cell, pbc, self._cutoff + self._skin)
        forth = np.lexsort((*offsets.T[::-1], receiver, sender))
        sender, receiver, offsets = sender[forth], receiver[forth], offsets[forth]
        reverse = np.empty_like(forth)
        reverse[np.lexsort((*-offsets.T[::-1], sender, receiver))] = np.arange(len(forth))
        device = self._device
        self._kept = (
            torch.as_tensor(sender, device=device),
            torch.as_tensor(receiver, device=device),
            torch.as_tensor(offsets, dtype=torch.float64, device=device),
            torch.as_tensor(reverse, device=device),
        )
        self._start = (positions.copy(), cell.copy(), np.array(pbc))
        self.n_builds += 1


def pairs(
    positions: FloatArray, cell: FloatArray, pbc: Any, cutoff: float
) -> tuple[IntArray, IntArray, IntArray]:
    """Sender, receiver and cell offset of every directed pair within ``cutoff`` Angstrom.

    matscipy's list where it is installed, else ASE's, which is some 20 times slower.
    """
    box = _closed_cell(positions, cell, pbc, cutoff)
    periodic = np.array(pbc, dtype=bool)
    shifted = positions - positions.min(axis=0, initial=np.inf) if len(positions) else positions
    try:
        from matscipy.neighbours import neighbour_list  # type: ignore[import-untyped]
    except ImportError:
        from ase.neighborlist import primitive_neighbor_list

        found = primitive_neighbor_list("ijS", periodic, box, shifted, cutoff)
    else:
        found = neighbour_list("ijS", cutoff=cutoff, positions=shifted, cell=box, pbc=periodic)
    sender, receiver, offsets = (np.asarray(part, dtype=np.int64) for part in found)
    return sender, receiver, offsets.reshape(-1, 3)


def _closed_cell(positions: FloatArray, cell: FloatArray, pbc: Any, cutoff: float) -> FloatArray:
    """The cell, with directions that do not repeat long enough to hold every atom."""
    from ase.geometry import complete_cell

    closed = np.array(complete_cell(cell), dtype=float)
    free = ~np.array(pbc, dtype=bool)
    if free.any():
        size = 2 * float(np.ptp(positions, axis=0).sum()) + 2 * cutoff
        frame = complete_cell(np.where(free[:, None], 0.0, closed))
        closed[free] = frame[free] / np.linalg.norm(frame[free], axis=1)[:, None] * size
    return closed
