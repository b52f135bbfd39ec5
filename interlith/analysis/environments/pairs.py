"""All pairs of atoms within a distance, across the walls of any cell.

>>> found = near_pairs([[0, 0, 0], [0.9, 0, 0]], [[1, 0, 0], [0, 9, 0], [0, 0, 9]], 0.5)
>>> found.first.tolist(), found.second.tolist(), [round(float(d), 2) for d in found.distance]
([0, 1], [1, 0], [0.1, 0.1])
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MOST_IMAGES = 200_000


@dataclass(frozen=True, eq=False)
class Pairs:
    """Each pair twice, sorted by the first atom.

    Attributes
    ----------
    first, second : (n,)
        Indices of the two atoms.
    vector : (n, 3)
        From the first to the image of the second, Angstrom.
    distance : (n,)
        Its length.
    """

    first: IntArray
    second: IntArray
    vector: FloatArray
    distance: FloatArray

    def within(self, largest: float | FloatArray) -> Pairs:
        """The pairs below a distance, or below one for each pair."""
        keep = self.distance < largest
        return Pairs(self.first[keep], self.second[keep], self.vector[keep], self.distance[keep])


def near_pairs(
    positions: npt.ArrayLike,
    cell: npt.ArrayLike,
    cutoff_angstrom: float,
    periodic: tuple[bool, bool, bool] = (True, True, True),
) -> Pairs:
    """Pairs of atoms closer than a cut-off, periodic images included.

    Parameters
    ----------
    positions : (n, 3)
        Angstrom, inside the cell or not.
    cell : (3, 3)
        Rows a, b, c; any shape, smaller than the cut-off too.

    Raises
    ------
    InputError
        If the cell has no volume, or is so small that the images are too many.
    """
    from scipy.spatial import cKDTree

    rows = np.asarray(cell, dtype=np.float64)
    volume = abs(float(np.linalg.det(rows)))
    if not volume > 1e-6:
        raise InputError("the cell has no volume; give three vectors that span one")
    inverse = np.linalg.inv(rows)
    fractional = np.asarray(positions, dtype=np.float64) @ inverse
    wraps = np.array(periodic)
    fractional = np.where(wraps, fractional % 1.0, fractional)
    inside = fractional @ rows
    reach = cutoff_angstrom * np.linalg.norm(inverse, axis=0)  # in units of the cell's heights
    counts = np.where(wraps, np.ceil(reach).astype(int), 0)
    if len(inside) * np.prod(2 * counts + 1) > 50 * MOST_IMAGES:
        raise InputError(
            f"a cell of {volume:.1f} A^3 needs too many images for {cutoff_angstrom:g} Angstrom; "
            "repeat it first"
        )
    points, owners = _images(fractional, rows, counts, reach)
    tree, all_points = cKDTree(inside), cKDTree(points)
    found = tree.sparse_distance_matrix(all_points, cutoff_angstrom, output_type="ndarray")
    first, image = found["i"].astype(np.int64), found["j"].astype(np.int64)
    keep = (found["v"] > 1e-8) & (found["v"] < cutoff_angstrom - 1e-9)
    first, image, distance = first[keep], image[keep], found["v"][keep]
    order = np.argsort(first, kind="stable")
    first, image, distance = first[order], image[order], distance[order]
    return Pairs(first, owners[image], points[image] - inside[first], distance)


def _images(
    fractional: FloatArray, rows: FloatArray, counts: IntArray, reach: FloatArray
) -> tuple[FloatArray, IntArray]:
    """Atoms and their images within reach of the cell, with the atom each belongs to."""
    points, owners = fractional, np.arange(len(fractional))
    for axis in range(3):
        made, whose = [points], [owners]
        for shift in range(-int(counts[axis]), int(counts[axis]) + 1):
            if shift == 0:
                continue
            moved = points[:, axis] + shift
            near = (moved > -reach[axis]) & (moved < 1 + reach[axis])
            copy = points[near].copy()
            copy[:, axis] += shift
            made.append(copy)
            whose.append(owners[near])
        points, owners = np.concatenate(made), np.concatenate(whose)
    return points @ rows, owners
