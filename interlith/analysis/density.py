"""Where the mobile atoms spend their time: their mean density on a grid over the cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interlith.analysis.displacements import Paths
from interlith.errors import InputError

FloatArray = npt.NDArray[np.float64]
MOST_VOXELS = 20_000_000
BLOCK_ATOMS = 2_000_000


@dataclass(frozen=True, eq=False)
class DensityMap:
    """Mean density of the mobile atoms.

    Attributes
    ----------
    per_angstrom3 : (na, nb, nc)
        Atoms per cubic Angstrom in voxels along a, b, c; sums to the number of atoms inside.
    cell : (3, 3)
        Rows a, b, c of the mean cell, Angstrom.
    """

    per_angstrom3: FloatArray
    cell: FloatArray


def density_map(paths: Paths, spacing_angstrom: float = 0.3) -> DensityMap:
    """Histogram of the positions of the mobile atoms over all frames, folded into the cell.

    Parameters
    ----------
    paths : Paths
        Framework drift removed.
    spacing_angstrom : float
        Largest edge of a voxel.

    Raises
    ------
    InputError
        If the spacing is not positive or gives more than 20 million voxels.
    """
    lengths = np.linalg.norm(paths.mean_cell, axis=1)
    if not spacing_angstrom > 0 or np.prod(lengths / spacing_angstrom) > MOST_VOXELS:
        raise InputError(
            f"a spacing of {spacing_angstrom:g} Angstrom gives no usable grid for a cell of "
            f"{lengths.round(1).tolist()} Angstrom; take about 0.3"
        )
    shape = np.maximum(1, np.ceil(lengths / spacing_angstrom)).astype(np.int64)
    counts = np.zeros(int(np.prod(shape)))
    inverse = np.linalg.inv(paths.mean_cell)
    size = max(1, BLOCK_ATOMS // paths.n_mobile)
    for start in range(0, paths.n_frames, size):
        fractional = paths.positions(start, start + size).reshape(-1, 3) @ inverse
        folded = np.where(paths.periodic, fractional % 1.0, fractional)
        voxel = np.floor(folded * shape).astype(np.int64)
        voxel = np.where(paths.periodic, voxel % shape, voxel)
        inside = np.all((voxel >= 0) & (voxel < shape), axis=1)
        flat = np.ravel_multi_index(tuple(voxel[inside].T), tuple(int(n) for n in shape))
        counts += np.bincount(flat, minlength=counts.size)
    volume = abs(float(np.linalg.det(paths.mean_cell))) / counts.size
    return DensityMap(counts.reshape(shape) / (paths.n_frames * volume), paths.mean_cell)
