"""Equation of state: energies at several volumes to volume, bulk modulus and its slope.

The third order in Eulerian strain (Birch and Murnaghan), which is a cubic in V^(-2/3): the fit is
linear, needs no start and has one minimum or none.

>>> volumes = [9.8, 9.9, 10.0, 10.1, 10.2]
>>> fit = fit_equation_of_state(volumes, [0.05 * (v - 10.0) ** 2 for v in volumes])
>>> fit.status, round(fit.volume_a3, 2), round(fit.bulk_modulus_gpa)
('ok', 10.0, 160)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from interlith.errors import InputError
from interlith.records import Record, Status
from interlith.units import GPA_PER_EV_PER_ANGSTROM3

FEWEST_POINTS = 4
"""Parameters of the fit: with exactly so many points nothing is left over to judge it by."""

POLISH = 3


class EquationOfState(Record):
    """What energies against volume say.

    Attributes
    ----------
    status : str
        "no_answer" where the energies have no minimum between the smallest and largest volume.
    volume_a3, energy_ev : float or None
        At the minimum, of the cell whose volumes were given.
    bulk_modulus_slope : float or None
        Derivative of the bulk modulus with pressure, at none.
    rms_ev : float or None
        Root mean square distance of the energies from the curve.
    """

    status: Status
    reason: str | None = None
    volume_a3: float | None = None
    energy_ev: float | None = None
    bulk_modulus_gpa: float | None = None
    bulk_modulus_slope: float | None = None
    rms_ev: float | None = None
    volumes_a3: tuple[float, ...]
    energies_ev: tuple[float, ...]


def fit_equation_of_state(
    volumes_a3: Sequence[float], energies_ev: Sequence[float]
) -> EquationOfState:
    """Fit a Birch-Murnaghan curve of third order.

    Parameters
    ----------
    volumes_a3, energies_ev : sequence of float
        At least four points, in any order.

    Raises
    ------
    InputError
        If there are too few points, or a number is not finite or not positive where it must be.
    """
    volumes, energies = np.asarray(volumes_a3, float), np.asarray(energies_ev, float)
    if volumes.shape != energies.shape or len(set(volumes_a3)) < FEWEST_POINTS:
        raise InputError(
            f"{len(volumes)} volumes and {len(energies)} energies; an equation of state needs "
            f"both at {FEWEST_POINTS} or more different volumes"
        )
    if not np.isfinite(energies).all() or not (np.isfinite(volumes) & (volumes > 0)).all():
        raise InputError("volumes must be positive and all numbers finite")
    scale = float(volumes.mean())
    points: dict[str, Any] = {
        "volumes_a3": tuple(map(float, volumes)),
        "energies_ev": tuple(map(float, energies)),
    }
    x = (volumes / scale) ** (-2 / 3)
    shift = float(energies.mean())
    curve = np.polynomial.Polynomial.fit(x, energies - shift, 3).convert()
    low, high = float(x.min()), float(x.max())
    roots = [complex(root) for root in curve.deriv().roots()]
    minima = [
        root.real
        for root in roots
        if abs(root.imag) < 1e-12 and low < root.real < high and curve.deriv(2)(root.real) > 0
    ]
    if not minima:
        reason = (
            f"the energy has no minimum between {volumes.min():.2f} and {volumes.max():.2f} A^3; "
            "take volumes on both sides of the relaxed one"
        )
        return EquationOfState(status="no_answer", reason=reason, **points)
    at = minima[0]
    for _ in range(POLISH):  # roots of a cubic that is nearly a parabola come out inexact
        at -= float(curve.deriv()(at)) / float(curve.deriv(2)(at))
    second, third = float(curve.deriv(2)(at)), float(curve.deriv(3)(at))
    modulus = 4 / 9 * second * at**3.5 / scale
    return EquationOfState(
        status="ok",
        volume_a3=scale * at**-1.5,
        energy_ev=float(curve(at)) + shift,
        bulk_modulus_gpa=modulus * GPA_PER_EV_PER_ANGSTROM3,
        bulk_modulus_slope=4 + 2 / 3 * at * third / second,
        rms_ev=float(np.sqrt(np.mean((curve(x) + shift - energies) ** 2))),
        **points,
    )
