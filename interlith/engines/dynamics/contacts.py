"""The two atoms that are closest for their size, fast enough to ask at every frame."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ase import Atoms

Floats = npt.NDArray[np.float64]


def closest_overlap(atoms: Atoms, radii: Floats) -> tuple[int, int, float] | None:
    """Two atoms closer than the sum of their radii: indices and distance in Angstrom.

    Parameters
    ----------
    radii : (n_atoms,) Angstrom

    Returns
    -------
    tuple or None
        Of all such pairs the one with the smallest distance relative to its sum; an atom may
        meet its own image. None if there is none.
    """
    from scipy.spatial import cKDTree

    reach = 2 * float(radii.max())
    origins, points = _with_images(atoms, reach)
    pairs = cKDTree(points).query_pairs(reach, output_type="ndarray")
    pairs = pairs[(pairs < len(atoms)).any(axis=1)]
    distances = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    ratios = distances / radii[origins[pairs]].sum(axis=1)
    if not len(ratios) or ratios.min() >= 1:
        return None
    closest = int(ratios.argmin())
    first, second = sorted(origins[pairs[closest]])
    return int(first), int(second), float(distances[closest])


def _with_images(atoms: Atoms, reach: float) -> tuple[npt.NDArray[np.int64], Floats]:
    """Atoms in the cell, then images within ``reach`` of it: which atom, and where."""
    cell = atoms.cell.complete().array
    inside = np.linalg.solve(cell.T, atoms.positions.T).T
    inside -= np.floor(inside) * atoms.pbc
    margins = reach * np.linalg.norm(np.linalg.inv(cell), axis=0)  # in fractions of the cell
    origins, points = [np.arange(len(atoms))], [inside]
    for shift in _shifts(np.ceil(margins).astype(int) * atoms.pbc):
        moved = inside + shift
        near = ((moved > -margins) & (moved < 1 + margins) | ~atoms.pbc).all(axis=1)
        origins.append(np.flatnonzero(near))
        points.append(moved[near])
    return np.concatenate(origins), np.concatenate(points) @ cell


def _shifts(counts: npt.NDArray[np.int64]) -> Iterator[Floats]:
    for shift in product(*(range(-n, n + 1) for n in counts)):
        if any(shift):
            yield np.array(shift, dtype=np.float64)
