"""Thermal expansion and heat capacity from phonons at several volumes (quasi-harmonic).

At each temperature the free energy, static energy plus that of the phonons, is fitted against
volume; its minimum is the volume at that temperature.

>>> volumes = np.linspace(9.5, 10.5, 7)
>>> cold = 1.0 * (volumes / 10 - 1) ** 2
>>> push = -0.001 * np.arange(4)[:, None] * (volumes / 10 - 1)
>>> found = expand(volumes, cold + push, np.arange(4) * 100.0)
>>> np.allclose(found.volumes_angstrom3, 10 * (1 + 0.0005 * np.arange(4)), atol=1e-4)
True
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interlith.errors import FailureError, InputError
from interlith.provenance import Provenance
from interlith.records import Record, Status
from interlith.units import (
    AVOGADRO_PER_MOL,
    BOLTZMANN_EV_PER_K,
    ELEMENTARY_CHARGE_C,
    GPA_PER_EV_PER_ANGSTROM3,
)

FloatArray = npt.NDArray[np.float64]

LEAST_VOLUMES = 5
DEGREE = 3
ROOM_K = 300.0
PLANCK_EV_PER_THZ = 4.135667696e-3
RIGID_THZ = 0.01
"""Slower modes are rigid shifts, or imaginary."""


class ThermalRecord(Record):
    """Result of the quasi-harmonic workflow; per formula unit where it says so.

    Attributes
    ----------
    status : str
        ``no_answer`` with a reason where phonons are imaginary or the minimum leaves the volumes.
    linear_expansion_300k_per_k : float or None
        A third of the volume's: the mean over directions.
    heat_capacity_300k_j_per_kg_k : float or None
        At constant pressure.
    imaginary_fraction : float
        Of the modes at the most affected volume, beyond numerical noise.
    """

    schema_version: int = 1
    material: str
    formula: str
    status: Status
    reason: str | None = None
    temperatures_k: tuple[float, ...] = ()
    volumes_angstrom3: tuple[float, ...] = ()
    linear_expansion_per_k: tuple[float, ...] = ()
    heat_capacity_j_per_kg_k: tuple[float, ...] = ()
    bulk_modulus_gpa: tuple[float, ...] = ()
    linear_expansion_300k_per_k: float | None = None
    heat_capacity_300k_j_per_kg_k: float | None = None
    density_300k_g_cm3: float | None = None
    imaginary_fraction: float
    n_atoms: int
    supercell_atoms: int
    calculations: int
    method: str = "quasi-harmonic; cell scaled alike in all directions; no anharmonicity of hops"
    potential: dict[str, object]
    provenance: Provenance


@dataclass(frozen=True, eq=False)
class Expansion:
    """Equilibrium at each temperature: volume (A^3), bulk modulus (GPa), expansion (1/K)."""

    volumes_angstrom3: FloatArray
    bulk_moduli_gpa: FloatArray
    volume_expansion_per_k: FloatArray


def harmonic(
    frequencies_thz: npt.ArrayLike, weights: npt.ArrayLike, temperatures_k: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Free energy (eV) and heat capacity (eV/K) of harmonic phonons by temperature.

    Parameters
    ----------
    frequencies_thz : (n_points, n_modes)
        At wave vectors; the three of a rigid shift and imaginary ones are left out.
    weights : (n_points,)
        Of the wave vectors.
    temperatures_k : (m,)
        From 0 on.
    """
    shares = np.asarray(weights, dtype=np.float64)
    quanta = np.asarray(frequencies_thz, dtype=np.float64) * PLANCK_EV_PER_THZ
    each = np.broadcast_to((shares / shares.sum())[:, None], quanta.shape)
    real = quanta > RIGID_THZ * PLANCK_EV_PER_THZ
    quanta, each = quanta[real], each[real]
    free, heat = [], []
    for temperature in np.asarray(temperatures_k, dtype=np.float64):
        energy = float(each @ quanta) / 2
        if temperature <= 0:
            free.append(energy)
            heat.append(0.0)
            continue
        thermal = BOLTZMANN_EV_PER_K * temperature
        x = quanta / thermal
        free.append(energy + thermal * float(each @ np.log1p(-np.exp(-x))))
        heat.append(
            BOLTZMANN_EV_PER_K * float(each @ (x / 2 / np.sinh(np.minimum(x / 2, 300))) ** 2)
        )
    return np.array(free), np.array(heat)


def expand(
    volumes_angstrom3: npt.ArrayLike, free_energies_ev: npt.ArrayLike, temperatures_k: npt.ArrayLike
) -> Expansion:
    """Volume at the minimum of the free energy at each temperature.

    Parameters
    ----------
    volumes_angstrom3 : (n,)
        At least five.
    free_energies_ev : (m, n)
        At each temperature and volume, for the same cell.
    temperatures_k : (m,)
        Evenly spaced or not, increasing.

    Raises
    ------
    InputError
        If there are too few volumes or shapes differ.
    FailureError
        If the free energy has no minimum within the volumes.

    Notes
    -----
    A cubic in V^(-2/3), as in the Birch-Murnaghan equation of third order.
    """
    volumes = np.asarray(volumes_angstrom3, dtype=np.float64)
    energies = np.asarray(free_energies_ev, dtype=np.float64)
    temperatures = np.asarray(temperatures_k, dtype=np.float64)
    if len(volumes) < LEAST_VOLUMES or energies.shape != (len(temperatures), len(volumes)):
        raise InputError(
            f"{len(volumes)} volumes, {len(temperatures)} temperatures and free energies of shape "
            f"{energies.shape}; give at least {LEAST_VOLUMES} volumes and a row per temperature"
        )
    scale = float(np.median(volumes))
    x = (volumes / scale) ** (-2 / 3)
    at, stiff = [], []
    for row, temperature in zip(energies, temperatures, strict=True):
        curve = np.polynomial.Polynomial.fit(x, row, DEGREE)
        slope, bend = curve.deriv(1), curve.deriv(2)
        roots = [float(r.real) for r in slope.roots() if abs(r.imag) < 1e-9 and bend(r.real) > 0]
        inside = [r for r in roots if x.min() <= r <= x.max()]
        if not inside:
            raise FailureError(
                f"at {temperature:g} K the free energy has no minimum between {volumes.min():.1f} "
                f"and {volumes.max():.1f} A^3; take larger volumes or a lower temperature"
            )
        best = inside[0]
        volume = scale * best**-1.5
        dx_dv = -2 / 3 * best / volume
        at.append(volume)
        stiff.append(volume * bend(best) * dx_dv**2 * GPA_PER_EV_PER_ANGSTROM3)
    found = np.array(at)
    gradient = np.gradient(found, temperatures) if len(found) > 1 else np.zeros(1)
    return Expansion(found, np.array(stiff), gradient / found)


def heat_capacity_at_pressure(
    at_volume_ev_per_k: npt.ArrayLike, expansion: Expansion, temperatures_k: npt.ArrayLike
) -> FloatArray:
    """C_P = C_V + T V B alpha^2, eV/K for the cell, with alpha of the volume."""
    work = (
        np.asarray(temperatures_k, dtype=np.float64)
        * expansion.volumes_angstrom3
        * expansion.bulk_moduli_gpa
        / GPA_PER_EV_PER_ANGSTROM3
        * expansion.volume_expansion_per_k**2
    )
    return np.asarray(np.asarray(at_volume_ev_per_k, dtype=np.float64) + work)


def per_kilogram(value_ev_per_k: npt.ArrayLike, mass_g_mol: float) -> FloatArray:
    """From eV/K for a cell of this molar mass to J/kg/K."""
    joule = np.asarray(value_ev_per_k, dtype=np.float64) * ELEMENTARY_CHARGE_C * AVOGADRO_PER_MOL
    return np.asarray(joule / (mass_g_mol * 1e-3))
