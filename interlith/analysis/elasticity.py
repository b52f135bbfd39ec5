"""Elastic tensors: fitted to stresses under small strains, with the symmetry of the crystal.

Voigt order is xx, yy, zz, yz, xz, xy; strains are engineering ones (twice the tensor shear), so
that stress = C strain. The tensors that a point group allows form a linear space; the measured
stresses fix the coordinates in it by least squares, and what is left over is the error.

>>> stiffness = cubic_stiffness(13.0, 11.0, 9.0)
>>> strains = np.eye(6)[[0, 3]] * 0.01
>>> fit = fit_stiffness(strains, strains @ stiffness, CUBIC_ROTATIONS)
>>> np.allclose(fit.stiffness_gpa, stiffness), fit.n_independent
(True, 3)
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

FloatArray = npt.NDArray[np.float64]

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
RANK_TOLERANCE = 1e-6
SYMMETRY_TOLERANCE_ANGSTROM = 0.02
"""Atoms this close to their images count as symmetric (relaxed cells are not exact)."""


def _proper_cubic() -> FloatArray:
    """The 24 rotations of a cube as matrices."""
    found = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            turn = np.zeros((3, 3))
            turn[range(3), order] = signs
            if np.linalg.det(turn) > 0:
                found.append(turn)
    return np.array(found)


CUBIC_ROTATIONS = _proper_cubic()


@dataclass(frozen=True, eq=False)
class StiffnessFit:
    """A stiffness and how well the stresses agree with it.

    Attributes
    ----------
    stiffness_gpa : (6, 6)
        Symmetric, Voigt.
    sigma_gpa : (6, 6)
        Standard uncertainty of each entry from the scatter of the stresses about the fit.
    residual_gpa : float
        Root mean square of what the fit leaves over, divided by the strain: an error of a constant.
    n_independent : int
        Constants that the point group leaves free.
    """

    stiffness_gpa: FloatArray
    sigma_gpa: FloatArray
    residual_gpa: float
    n_independent: int


def rotation_voigt(rotation: npt.ArrayLike) -> FloatArray:
    """(6, 6) matrix M that takes a Voigt stress to the turned one; C goes as M C M^T."""
    turn = np.asarray(rotation, dtype=np.float64)
    made = np.empty((6, 6))
    for row, (i, j) in enumerate(VOIGT):
        for column, (k, m) in enumerate(VOIGT):
            made[row, column] = turn[i, k] * turn[j, m]
            if k != m:
                made[row, column] += turn[i, m] * turn[j, k]
    return made


def rotate_stiffness(stiffness: npt.ArrayLike, rotation: npt.ArrayLike) -> FloatArray:
    """A Voigt stiffness in axes in which a vector v of the old ones is ``rotation @ v``."""
    turn = rotation_voigt(rotation)
    return np.asarray(turn @ np.asarray(stiffness, dtype=np.float64) @ turn.T)


def symmetrise(stiffness: npt.ArrayLike, rotations: npt.ArrayLike) -> FloatArray:
    """Mean of a stiffness over a group of rotations; symmetric."""
    given = np.asarray(stiffness, dtype=np.float64)
    turned = [rotate_stiffness(given, one) for one in np.asarray(rotations, dtype=np.float64)]
    mean = np.mean(turned, axis=0)
    return np.asarray((mean + mean.T) / 2)


def allowed_tensors(rotations: npt.ArrayLike) -> FloatArray:
    """Orthonormal basis (n, 6, 6) of the stiffnesses that a group of rotations leaves alone."""
    images = []
    for i, j in itertools.combinations_with_replacement(range(6), 2):
        unit = np.zeros((6, 6))
        unit[i, j] = unit[j, i] = 1.0
        images.append(symmetrise(unit, rotations).ravel())
    _, values, rows = np.linalg.svd(np.array(images), full_matrices=False)
    return np.asarray(rows[values > RANK_TOLERANCE].reshape(-1, 6, 6))


def needed_strains(rotations: npt.ArrayLike) -> tuple[int, ...]:
    """Fewest of the six Voigt strains, as indices, whose stresses fix every free constant."""
    basis = allowed_tensors(rotations)
    for count in range(1, 7):
        for modes in itertools.combinations(range(6), count):
            equations = basis[:, :, list(modes)].reshape(len(basis), -1)
            if np.linalg.matrix_rank(equations, tol=1e-4) == len(basis):
                return modes
    raise InputError("six strains must fix an elastic tensor; the rotations are not orthogonal")


def fit_stiffness(
    strains: npt.ArrayLike, stresses_gpa: npt.ArrayLike, rotations: npt.ArrayLike
) -> StiffnessFit:
    """Least-squares stiffness within what a point group allows.

    Parameters
    ----------
    strains : (n, 6)
        Engineering Voigt strains.
    stresses_gpa : (n, 6)
        What each strain adds to the stress, tension positive.
    rotations : (m, 3, 3)
        Rotations of the point group in the same Cartesian axes; one unit matrix for none.

    Raises
    ------
    InputError
        If shapes differ, or the strains do not fix every constant that the group leaves free.
    """
    given = np.asarray(strains, dtype=np.float64)
    measured = np.asarray(stresses_gpa, dtype=np.float64)
    if given.shape != measured.shape or given.ndim != 2 or given.shape[1] != 6:
        raise InputError(
            f"strains of shape {given.shape} and stresses of shape {measured.shape}; both are "
            "(n, 6) in Voigt order"
        )
    basis = allowed_tensors(rotations)
    design = np.einsum("kij,nj->nik", basis, given).reshape(-1, len(basis))
    amounts, _, rank, _ = np.linalg.lstsq(design, measured.ravel(), rcond=1e-8)
    if rank < len(basis):
        raise InputError(
            f"{len(given)} strains fix only {rank} of {len(basis)} elastic constants; take the "
            "strains that needed_strains names"
        )
    left = measured.ravel() - design @ amounts
    spare = max(len(left) - len(basis), 1)
    variance = float(left @ left) / spare
    covariance = variance * np.linalg.inv(design.T @ design)
    flat = basis.reshape(len(basis), 36)
    sigma = np.sqrt(np.clip(np.einsum("ki,kl,li->i", flat, covariance, flat), 0, None))
    size = float(np.sqrt(np.mean(np.sum(given**2, axis=1))))
    return StiffnessFit(
        stiffness_gpa=np.tensordot(amounts, basis, axes=1),
        sigma_gpa=sigma.reshape(6, 6),
        residual_gpa=float(np.sqrt(np.mean(left**2))) / size,
        n_independent=len(basis),
    )


def point_group(
    atoms: Atoms, tolerance_angstrom: float = SYMMETRY_TOLERANCE_ANGSTROM
) -> tuple[str, FloatArray]:
    """Name of the point group of a crystal and its operations as Cartesian matrices.

    Raises
    ------
    InputError
        If no symmetry can be found (overlapping atoms, a broken cell).
    """
    import spglib

    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = spglib.get_symmetry_dataset(cell, symprec=tolerance_angstrom)
    if found is None:
        raise InputError(
            f"no symmetry can be found for {atoms.get_chemical_formula()}; do atoms overlap?"
        )
    columns = atoms.cell.array.T
    inverse = np.linalg.inv(columns)
    turns = {tuple(map(int, turn.ravel())) for turn in found.rotations}
    matrices = [columns @ np.reshape(turn, (3, 3)) @ inverse for turn in sorted(turns)]
    return str(found.pointgroup), np.array([_nearest_rotation(one) for one in matrices])


def _nearest_rotation(matrix: FloatArray) -> FloatArray:
    left, _, right = np.linalg.svd(matrix)
    return np.asarray(left @ right)


def cubic_stiffness(c11: float, c12: float, c44: float) -> FloatArray:
    """Voigt stiffness of a cubic crystal with the axes along x, y, z."""
    made = np.zeros((6, 6))
    made[:3, :3] = c12
    made[range(3), range(3)] = c11
    made[range(3, 6), range(3, 6)] = c44
    return made


def isotropic_stiffness(youngs_modulus: float, poisson_ratio: float) -> FloatArray:
    """Voigt stiffness of an isotropic body.

    Raises
    ------
    InputError
        If it is not stable: E > 0 and -1 < nu < 0.5.
    """
    if youngs_modulus <= 0 or not -1 < poisson_ratio < 0.5:
        raise InputError(
            f"E {youngs_modulus:g} and Poisson ratio {poisson_ratio:g} are no stable body; E must "
            "be positive and the ratio between -1 and 0.5"
        )
    shear = youngs_modulus / (2 * (1 + poisson_ratio))
    c12 = youngs_modulus * poisson_ratio / ((1 + poisson_ratio) * (1 - 2 * poisson_ratio))
    return cubic_stiffness(c12 + 2 * shear, c12, shear)
