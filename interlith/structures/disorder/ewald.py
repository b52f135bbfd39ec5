"""Electrostatic energy of point charges in a crystal, as a matrix between sites.

The matrix depends on the sites alone, so one matrix serves every arrangement of ions on them:
``energy = 0.5 * q @ coulomb_matrix(cell, positions) @ q``, in eV for charges in e.

>>> import numpy as np
>>> from interlith.structures.disorder.ewald import coulomb_matrix
>>> cell = 5.64 * (np.ones((3, 3)) - np.eye(3)) / 2
>>> matrix = coulomb_matrix(cell, np.array([[0.0, 0, 0], [0.5, 0.5, 0.5]]))
>>> charges = np.array([1.0, -1.0])
>>> print(round(float(0.5 * charges @ matrix @ charges), 3))
-8.924
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError

COULOMB_EV_ANGSTROM = 14.3996454784255
"""e^2 / (4 pi epsilon_0) from CODATA 2018."""
ACCURACY = 1e-9
SMALLEST_DISTANCE_ANGSTROM = 0.1
"""Sites closer than this count as this far apart: alternatives may all but coincide."""

FloatArray = npt.NDArray[np.float64]


def coulomb_matrix(
    cell: FloatArray, positions: FloatArray, *, accuracy: float = ACCURACY
) -> FloatArray:
    """Energies between unit charges on sites and all their periodic images.

    Parameters
    ----------
    cell : (3, 3) Angstrom
        Lattice vectors as rows.
    positions : (n, 3)
        Fractional coordinates of the sites.
    accuracy : float
        Size of the terms that are left out, relative to the largest.

    Returns
    -------
    (n, n) eV
        Symmetric; the diagonal is the energy of a charge with its own images.

    Notes
    -----
    Ewald sums with a uniform background, conducting surroundings. For charges that add up to
    nothing the background has no effect; otherwise the energy contains it.
    """
    from scipy.special import erfc

    n, volume = len(positions), abs(float(np.linalg.det(cell)))
    if not 0 < accuracy < 0.1 or n == 0 or volume <= 0:
        raise InputError(f"no Coulomb matrix for {n} sites, volume {volume}, accuracy {accuracy}")
    reach = np.sqrt(-np.log(accuracy))
    width = np.sqrt(np.pi) * (n / volume**2) ** (1 / 6)
    apart = positions[:, None, :] - positions[None, :, :]
    apart = (apart - np.round(apart)) @ cell
    matrix = _reciprocal_part(cell, positions, width, 2 * width * reach)
    matrix -= np.pi / (volume * width**2)
    for shift in _translations(cell, reach / width):
        distances = np.sqrt(((apart + shift) ** 2).sum(axis=2))
        own = not shift.any()
        distances = np.maximum(distances, SMALLEST_DISTANCE_ANGSTROM)
        terms = erfc(width * distances) / distances
        if own:
            np.fill_diagonal(terms, 0.0)
        matrix += terms
    matrix[np.diag_indices(n)] -= 2 * width / np.sqrt(np.pi)
    result: FloatArray = COULOMB_EV_ANGSTROM * 0.5 * (matrix + matrix.T)
    return result


def _reciprocal_part(
    cell: FloatArray, positions: FloatArray, width: float, largest: float
) -> FloatArray:
    """Smooth part of the sum, from waves no shorter than ``largest`` (1/Angstrom)."""
    waves = 2 * np.pi * np.linalg.inv(cell).T
    counts = np.floor(largest * np.linalg.norm(cell, axis=1) / (2 * np.pi)).astype(int)
    indices = _grid(counts)
    indices = indices[len(indices) // 2 + 1 :]  # one of each pair of opposite waves
    squares = ((indices @ waves) ** 2).sum(axis=1)
    near = squares <= largest**2
    indices, squares = indices[near], squares[near]
    weights = np.exp(-squares / (4 * width**2)) / squares
    phases = 2 * np.pi * positions @ indices.T
    volume = abs(float(np.linalg.det(cell)))
    cosines, sines = np.cos(phases), np.sin(phases)
    part: FloatArray = (cosines * weights) @ cosines.T + (sines * weights) @ sines.T
    return 8 * np.pi / volume * part


def _translations(cell: FloatArray, cutoff: float) -> FloatArray:
    """Lattice vectors that can bring two sites within the cutoff."""
    heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    vectors = _grid(np.ceil(cutoff / heights + 0.5).astype(int)) @ cell
    diagonal = 0.5 * np.abs(cell).sum(axis=0)
    nearest = np.maximum(np.abs(vectors) - diagonal, 0)
    result: FloatArray = vectors[np.linalg.norm(nearest, axis=1) <= cutoff]
    return result


def _grid(counts: npt.NDArray[np.int_]) -> FloatArray:
    axes = [np.arange(-count, count + 1) for count in counts]
    grid: FloatArray = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return grid.astype(np.float64)
