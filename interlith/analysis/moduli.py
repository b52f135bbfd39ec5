"""What follows from an elastic tensor: averages, directions, anisotropy, the criterion for Li.

>>> from interlith.analysis.elasticity import isotropic_stiffness
>>> lipon = moduli(isotropic_stiffness(77.0, 0.25))
>>> round(lipon.shear_gpa, 1), round(lipon.pugh_ratio, 2), round(lipon.universal_anisotropy, 9)
(30.8, 1.67, 0.0)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError
from interlith.provenance import Provenance
from interlith.records import Record, Status
from interlith.units import AVOGADRO_PER_MOL

FloatArray = npt.NDArray[np.float64]
Matrix6 = tuple[tuple[float, ...], ...]

LITHIUM_SHEAR_GPA = 4.25
"""Polycrystalline Li, as the project's list of systems has it from the reviews."""
SHEAR_RATIO_NEEDED = 2.0
"""[Monroe2005]_, for an electrolyte with the Poisson ratio of poly(ethylene oxide)."""
SUPPRESSION_NOTE = (
    "necessary, not sufficient: linear elasticity of flat interfaces without flaws; Li has gone "
    "through electrolytes far stiffer than this along cracks, pores and grain boundaries"
)
PLANCK_J_S, BOLTZMANN_J_K = 6.62607015e-34, 1.380649e-23
SPHERE_POINTS = 4000


class SuppressionRatio(Record):
    """Shear modulus over that of Li, against the ratio of Monroe and Newman."""

    ratio: float
    needed: float
    met: bool
    lithium_shear_gpa: float
    note: str = SUPPRESSION_NOTE


class Moduli(Record):
    """Averages over all orientations of a polycrystal and measures of anisotropy.

    Attributes
    ----------
    bulk_gpa, shear_gpa : float
        Hill's means of the Voigt (upper) and Reuss (lower) bounds [Hill1952]_.
    pugh_ratio : float
        Bulk over shear modulus; large is ductile.
    zener_ratio : float or None
        2 C44 / (C11 - C12); None unless the tensor is cubic in its axes.
    universal_anisotropy : float
        5 G_V/G_R + K_V/K_R - 6, zero for an isotropic body.
    youngs_min_gpa, youngs_max_gpa : float
        Over all directions.
    """

    bulk_voigt_gpa: float
    bulk_reuss_gpa: float
    bulk_gpa: float
    shear_voigt_gpa: float
    shear_reuss_gpa: float
    shear_gpa: float
    youngs_gpa: float
    poisson_ratio: float
    pugh_ratio: float
    zener_ratio: float | None
    universal_anisotropy: float
    youngs_min_gpa: float
    youngs_max_gpa: float


class ElasticRecord(Record):
    """Elastic tensor of a crystal and what follows from it.

    Attributes
    ----------
    status : str
        ``ok``; ``no_answer`` where the tensor is not positive definite (the crystal is not a
        minimum of this potential) or a strained cell did not relax.
    stiffness_gpa, compliance_per_gpa : (6, 6)
        Voigt, Cartesian axes of the relaxed cell; compliance with engineering shears.
    sigma_gpa : (6, 6)
        Standard uncertainty of the constants from the scatter of stresses within the symmetry.
    directional_youngs_gpa : dict
        By direction [uvw] of the crystal's conventional axes (of the cell's own for bare atoms).
    symmetry : str
        Point group used, and whether it was the crystal's own.
    forces : int
        Calculations of energy, forces and stress spent.
    """

    schema_version: int = 1
    material: str
    formula: str
    n_atoms: int
    status: Status
    reason: str | None = None
    stiffness_gpa: Matrix6
    sigma_gpa: Matrix6
    compliance_per_gpa: Matrix6 | None
    residual_gpa: float
    independent_constants: int
    symmetry: str
    moduli: Moduli | None
    directional_youngs_gpa: dict[str, float]
    density_g_cm3: float
    debye_temperature_k: float | None
    suppression: SuppressionRatio | None
    cell: tuple[tuple[float, float, float], ...]
    ions: str
    strain: float
    fmax_ev_per_angstrom: float
    calculations: int
    potential: dict[str, object]
    provenance: Provenance


def stable(stiffness_gpa: npt.ArrayLike) -> bool:
    """Whether every small strain costs energy (Born): all eigenvalues are positive."""
    return bool(np.linalg.eigvalsh(np.asarray(stiffness_gpa, dtype=np.float64)).min() > 0)


def compliance(stiffness_gpa: npt.ArrayLike) -> FloatArray:
    """Inverse of a stiffness, 1/GPa, engineering shears.

    Raises
    ------
    InputError
        If the stiffness is not positive definite.
    """
    given = np.asarray(stiffness_gpa, dtype=np.float64)
    if given.shape != (6, 6) or not np.allclose(given, given.T, atol=1e-6 * np.abs(given).max()):
        raise InputError("an elastic stiffness is a symmetric (6, 6) matrix in Voigt order")
    if not stable(given):
        lowest = float(np.linalg.eigvalsh(given).min())
        raise InputError(
            f"the stiffness has an eigenvalue of {lowest:.3g} GPa: the crystal is not stable "
            "against strain, and has no moduli"
        )
    return np.asarray(np.linalg.inv(given))


def moduli(stiffness_gpa: npt.ArrayLike) -> Moduli:
    """Averages and anisotropy of a stiffness.

    Raises
    ------
    InputError
        As :func:`compliance`.
    """
    c = np.asarray(stiffness_gpa, dtype=np.float64)
    s = compliance(c)
    axial, cross, shear = np.trace(c[:3, :3]), c[0, 1] + c[0, 2] + c[1, 2], np.trace(c[3:, 3:])
    bulk_voigt = (axial + 2 * cross) / 9
    shear_voigt = (axial - cross + 3 * shear) / 15
    axial_s, cross_s = np.trace(s[:3, :3]), s[0, 1] + s[0, 2] + s[1, 2]
    bulk_reuss = 1 / (axial_s + 2 * cross_s)
    shear_reuss = 15 / (4 * axial_s - 4 * cross_s + 3 * np.trace(s[3:, 3:]))
    bulk, rigidity = (bulk_voigt + bulk_reuss) / 2, (shear_voigt + shear_reuss) / 2
    over_sphere = youngs_modulus(c, _sphere(SPHERE_POINTS))
    return Moduli(
        bulk_voigt_gpa=bulk_voigt,
        bulk_reuss_gpa=bulk_reuss,
        bulk_gpa=bulk,
        shear_voigt_gpa=shear_voigt,
        shear_reuss_gpa=shear_reuss,
        shear_gpa=rigidity,
        youngs_gpa=9 * bulk * rigidity / (3 * bulk + rigidity),
        poisson_ratio=(3 * bulk - 2 * rigidity) / (2 * (3 * bulk + rigidity)),
        pugh_ratio=bulk / rigidity,
        zener_ratio=zener_ratio(c),
        universal_anisotropy=5 * shear_voigt / shear_reuss + bulk_voigt / bulk_reuss - 6,
        youngs_min_gpa=float(over_sphere.min()),
        youngs_max_gpa=float(over_sphere.max()),
    )


def zener_ratio(stiffness_gpa: npt.ArrayLike, tolerance: float = 0.02) -> float | None:
    """2 C44 / (C11 - C12), or None unless the tensor is cubic within a fraction of C11."""
    c = np.asarray(stiffness_gpa, dtype=np.float64)
    c11, c12, c44 = (
        float(np.mean(v)) for v in (np.diag(c)[:3], c[[0, 0, 1], [1, 2, 2]], np.diag(c)[3:])
    )
    ideal = np.zeros((6, 6))
    ideal[:3, :3] = c12
    ideal[range(3), range(3)], ideal[range(3, 6), range(3, 6)] = c11, c44
    if np.abs(c - ideal).max() > tolerance * c11:
        return None
    return 2 * c44 / (c11 - c12)


def youngs_modulus(stiffness_gpa: npt.ArrayLike, directions: npt.ArrayLike) -> FloatArray:
    """Young's modulus along Cartesian directions (n, 3), GPa: 1/E = s_ijkl n_i n_j n_k n_l."""
    ways = np.atleast_2d(np.asarray(directions, dtype=np.float64))
    x, y, z = (ways / np.linalg.norm(ways, axis=1, keepdims=True)).T
    voigt = np.array([x * x, y * y, z * z, y * z, x * z, x * y])
    return np.asarray(1.0 / np.einsum("in,ij,jn->n", voigt, compliance(stiffness_gpa), voigt))


def debye_temperature_k(
    bulk_gpa: float, shear_gpa: float, density_g_cm3: float, mean_atomic_mass_g_mol: float
) -> float:
    """Debye temperature from the mean sound velocity of a polycrystal.

    Notes
    -----
    h/k (3 N_A rho / (4 pi M))^(1/3) v_m with M the mean atomic mass and
    3/v_m^3 = 1/v_l^3 + 2/v_t^3 (Anderson's approximation).
    """
    density = density_g_cm3 * 1000.0
    transverse = (shear_gpa * 1e9 / density) ** 0.5
    longitudinal = ((bulk_gpa + 4 / 3 * shear_gpa) * 1e9 / density) ** 0.5
    mean = (3.0 / (1 / longitudinal**3 + 2 / transverse**3)) ** (1 / 3)
    per_m3 = density * AVOGADRO_PER_MOL / (mean_atomic_mass_g_mol * 1e-3)
    return float(PLANCK_J_S / BOLTZMANN_J_K * (3 * per_m3 / (4 * np.pi)) ** (1 / 3) * mean)


def suppression_ratio(
    shear_gpa: float, lithium_shear_gpa: float = LITHIUM_SHEAR_GPA
) -> SuppressionRatio:
    """Shear modulus of an electrolyte over that of Li, against about 2 [Monroe2005]_.

    Necessary for a flat front, not sufficient against Li filaments: see ``note``.
    """
    ratio = shear_gpa / lithium_shear_gpa
    return SuppressionRatio(
        ratio=ratio,
        needed=SHEAR_RATIO_NEEDED,
        met=ratio > SHEAR_RATIO_NEEDED,
        lithium_shear_gpa=lithium_shear_gpa,
    )


def _sphere(count: int) -> FloatArray:
    """Directions spread evenly over a half sphere, and the axes and diagonals exactly."""
    k = np.arange(count) + 0.5
    height, turn = 1 - k / count, np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - height**2)
    spiral = np.stack([ring * np.cos(turn), ring * np.sin(turn), height], axis=1)
    exact = [(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (0, 1) if x or y or z]
    return np.concatenate([spiral, np.array(exact, dtype=float)])
