"""Strain bookkeeping: deformation gradients, strains, who takes how much, elastic energy.

Conventions, the same everywhere in this room:

* vectors are rows; a deformation gradient F takes a column vector x to F x, so rows go as
  ``rows @ F.T``;
* strain is Biot strain in the frame of the strained body, ``V - 1`` with ``F = V R``: its
  eigenvalues are relative changes of length;
* in-plane components are ``(exx, eyy, exy)`` with the tensor shear exy, not the engineering one;
* Voigt order is xx, yy, zz, yz, xz, xy, with engineering shears (twice the tensor ones).

>>> from interlith.structures.interfaces.strain import biot_strain
>>> [round(float(e), 3) for e in biot_strain([[1.02, 0.0], [0.0, 0.99]])]
[0.02, -0.01, 0.0]
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError
from interlith.units import GPA_PER_EV_PER_ANGSTROM3

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = npt.NDArray[np.float64]
Strain = tuple[float, float, float]


@dataclass(frozen=True)
class StrainShare:
    """Who takes how much of a misfit.

    Attributes
    ----------
    share_a : float
        Fraction of the misfit that side a takes, 0 (a stays as it is) to 1 (a takes all).
    basis : str
        What the number rests on, in words.
    """

    share_a: float
    basis: str


def share_by_stiffness(
    modulus_a_gpa: float | None,
    thickness_a_angstrom: float,
    modulus_b_gpa: float | None,
    thickness_b_angstrom: float,
) -> StrainShare:
    """Share a misfit so that the two sides pull equally hard.

    Parameters
    ----------
    modulus_a_gpa, modulus_b_gpa : float or None
        Young's (or biaxial) moduli, both of one kind; None where unknown: then both count as
        equal, for one modulus alone says nothing about the ratio.
    thickness_a_angstrom, thickness_b_angstrom : float
        Thicknesses of the two slabs.

    Returns
    -------
    StrainShare
        ``share_a = M_b h_b / (M_a h_a + M_b h_b)``: the softer or thinner side takes more.

    Raises
    ------
    InputError
        If a modulus or a thickness is not positive and finite.

    Notes
    -----
    Forces per length ``M h e`` of the two sides balance, which is also the least elastic energy at
    a given misfit. Isotropic and linear; both sides with one Poisson ratio.
    """
    for what, value in (
        ("modulus of a, GPa", modulus_a_gpa),
        ("modulus of b, GPa", modulus_b_gpa),
        ("thickness of a, Angstrom", thickness_a_angstrom),
        ("thickness of b, Angstrom", thickness_b_angstrom),
    ):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InputError(f"the {what}, is {value:g}; it must be a positive number")
    if modulus_a_gpa is None or modulus_b_gpa is None:
        unknown = [side for side, m in (("a", modulus_a_gpa), ("b", modulus_b_gpa)) if m is None]
        stiff_a, stiff_b = thickness_a_angstrom, thickness_b_angstrom
        basis = f"modulus of {' and '.join(unknown)} unknown: equal moduli assumed, by thickness"
    else:
        stiff_a = modulus_a_gpa * thickness_a_angstrom
        stiff_b = modulus_b_gpa * thickness_b_angstrom
        basis = f"by stiffness ({modulus_a_gpa:g} and {modulus_b_gpa:g} GPa) and thickness"
    return StrainShare(stiff_b / (stiff_a + stiff_b), basis)


def check_share(share_a: float) -> float:
    """The share as a float; InputError unless it is between 0 and 1."""
    if not (math.isfinite(share_a) and 0 <= share_a <= 1):
        raise InputError(
            f"side a cannot take {share_a:g} of the strain; give a share from 0 (a rigid) to 1 "
            "(a takes all)"
        )
    return float(share_a)


def polar(deformation: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Rotation R and right stretch U of ``F = R U``.

    Parameters
    ----------
    deformation : (n, n)
        Deformation gradient with positive determinant, n = 2 or 3.

    Raises
    ------
    InputError
        If the determinant is not positive: no body is turned inside out.
    """
    gradient = _gradient(deformation)
    left, values, right = np.linalg.svd(gradient)
    return left @ right, right.T @ np.diag(values) @ right


def biot_strain(deformation: npt.ArrayLike) -> Strain:
    """In-plane Biot strain (exx, eyy, exy) of F = V R: ``V - 1``, in the strained frame.

    Raises
    ------
    InputError
        If F is no gradient of positive determinant.
    """
    return biot_strains(_gradient(deformation)[None])[0]


def biot_strains(deformations: FloatArray) -> list[Strain]:
    """As `biot_strain`, for (n, 2, 2) or (n, 3, 3) gradients at once."""
    left, values, _ = np.linalg.svd(deformations)
    strains = (left * (values - 1)[:, None, :]) @ np.swapaxes(left, 1, 2)
    parts = np.stack([strains[:, 0, 0], strains[:, 1, 1], strains[:, 0, 1]], axis=1)
    return [(x, y, xy) for x, y, xy in parts.tolist()]


def green_lagrange(deformation: npt.ArrayLike) -> FloatArray:
    """Green-Lagrange strain ``(F^T F - 1) / 2``, in the unstrained frame."""
    gradient = _gradient(deformation)
    return np.asarray((gradient.T @ gradient - np.eye(len(gradient))) / 2, dtype=np.float64)


def deformation_between(before: npt.ArrayLike, after: npt.ArrayLike) -> FloatArray:
    """F that takes the rows of one cell to the rows of another: ``before @ F.T == after``."""
    one, other = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    return np.asarray(np.linalg.solve(one, other).T, dtype=np.float64)


def share_stretch(stretch: npt.ArrayLike, share: float) -> FloatArray:
    """``U ** share`` of a symmetric stretch: that fraction of its logarithmic strain.

    Exact at both ends, and ``U**s @ U**(1 - s) == U``.
    """
    values, vectors = np.linalg.eigh(np.asarray(stretch, dtype=np.float64))
    return np.asarray((vectors * values**share) @ vectors.T, dtype=np.float64)


def von_mises(strain: Strain) -> float:
    """Equivalent strain of in-plane components (exx, eyy, exy), with ezz = 0.

    ``sqrt(2/3 e':e')`` of the deviator e', which is
    ``sqrt(4/9 (exx^2 + eyy^2 - exx eyy) + 4/3 exy^2)``: the thickness is held.
    """
    x, y, xy = strain
    return math.sqrt(4 / 9 * (x * x + y * y - x * y) + 4 / 3 * xy * xy)


def principal_strains(strain: Strain) -> tuple[float, float]:
    """Principal values of in-plane components, the smaller first."""
    x, y, xy = strain
    half, radius = (x + y) / 2, math.hypot((x - y) / 2, xy)
    return half - radius, half + radius


def thickness_stretch(strain: Strain, poisson_ratio: float) -> float:
    """Stretch along z of an isotropic slab with free faces: ``1 - nu/(1 - nu) (exx + eyy)``.

    Raises
    ------
    InputError
        If the Poisson ratio is not above -1 and at most 0.5, or the slab would vanish.
    """
    if not -1 < poisson_ratio <= 0.5:
        raise InputError(f"a Poisson ratio of {poisson_ratio:g} is not between -1 and 0.5")
    stretch = 1 - poisson_ratio / (1 - poisson_ratio) * (strain[0] + strain[1])
    if stretch <= 0:
        raise InputError(f"in-plane strains of {strain[0]:g} and {strain[1]:g} are not small")
    return stretch


def embed(deformation: npt.ArrayLike, z_stretch: float = 1.0) -> FloatArray:
    """An in-plane F (2, 2) as a (3, 3) one that stretches z by ``z_stretch``."""
    gradient = np.eye(3)
    gradient[:2, :2] = _gradient(deformation)
    gradient[2, 2] = z_stretch
    return gradient


def strain_structure(
    structure: Structure, deformation: npt.ArrayLike, z_stretch: float = 1.0
) -> Structure:
    """A strained copy: the cell goes as ``lattice @ F.T``, fractional coordinates stay.

    Parameters
    ----------
    structure : Structure
        Periodic; xy is the plane of the interface where F is (2, 2).
    deformation : (2, 2) or (3, 3)
        Deformation gradient in Cartesian axes.
    z_stretch : float
        Stretch along z that goes with a (2, 2) gradient; ignored for a (3, 3) one.
    """
    from pymatgen.core import Lattice, Structure

    gradient = np.asarray(deformation, dtype=np.float64)
    gradient = embed(gradient, z_stretch) if gradient.shape == (2, 2) else _gradient(gradient)
    return Structure(
        Lattice(structure.lattice.matrix @ gradient.T),
        structure.species_and_occu,
        structure.frac_coords,
        site_properties=dict(structure.site_properties),
    )


def voigt_strain(strain: npt.ArrayLike) -> FloatArray:
    """(6,) engineering Voigt components of a (3, 3) strain or of (exx, eyy, exy)."""
    tensor = np.asarray(strain, dtype=np.float64)
    if tensor.shape == (3,):
        return np.array([tensor[0], tensor[1], 0.0, 0.0, 0.0, 2 * tensor[2]])
    if tensor.shape != (3, 3):
        raise InputError(f"a strain of shape {tensor.shape}; give (3, 3) or (exx, eyy, exy)")
    x, y, z = np.diag(tensor)
    yz, xz, xy = (tensor[i, j] + tensor[j, i] for i, j in ((1, 2), (0, 2), (0, 1)))
    return np.array([x, y, z, yz, xz, xy])


def elastic_energy(
    stiffness_gpa: npt.ArrayLike, strain: npt.ArrayLike, volume_angstrom3: float
) -> float:
    """Elastic energy ``1/2 V e C e`` in eV.

    Parameters
    ----------
    stiffness_gpa : (6, 6)
        Voigt stiffness in GPa, in the Cartesian axes of the strain.
    strain : (3, 3) or (exx, eyy, exy)
        Tensor strain; the second form has no strain out of the plane.
    volume_angstrom3 : float
        Volume of the unstrained body.

    Notes
    -----
    Linear elasticity about a stress-free state: good to a few per cent of the energy per per cent
    of strain.
    """
    stiffness = np.asarray(stiffness_gpa, dtype=np.float64) / GPA_PER_EV_PER_ANGSTROM3
    if stiffness.shape != (6, 6):
        raise InputError(f"a stiffness of shape {stiffness.shape}; give a (6, 6) Voigt matrix")
    voigt = voigt_strain(strain)
    return float(0.5 * volume_angstrom3 * voigt @ stiffness @ voigt)


def _gradient(deformation: npt.ArrayLike) -> FloatArray:
    gradient = np.asarray(deformation, dtype=np.float64)
    if gradient.shape not in ((2, 2), (3, 3)) or not np.isfinite(gradient).all():
        raise InputError("a deformation gradient is a finite (2, 2) or (3, 3) matrix")
    if (determinant := float(np.linalg.det(gradient))) <= 0:
        raise InputError(
            f"the deformation gradient has determinant {determinant:.3g}; it must be positive, "
            "so swap two vectors of one cell"
        )
    return gradient
