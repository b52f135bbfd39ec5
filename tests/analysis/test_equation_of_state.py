"""Equations of state: the fit gives back what made the curve."""

from __future__ import annotations

import numpy as np
import pytest
from ase.eos import EquationOfState as AseCurve
from hypothesis import example, given, settings
from hypothesis import strategies as st

from interlith.analysis.equation_of_state import fit_equation_of_state
from interlith.errors import InputError
from interlith.units import GPA_PER_EV_PER_ANGSTROM3


def curve(volumes: np.ndarray, e0: float, b0: float, slope: float, v0: float) -> np.ndarray:
    """Birch and Murnaghan's energy, as textbooks write it."""
    eta = (v0 / volumes) ** (2 / 3) - 1
    return e0 + 9 * b0 * v0 / 16 * (eta**3 * slope + eta**2 * (2 - 4 * eta))


@settings(max_examples=40, deadline=None)
@given(
    v0=st.floats(5, 500),
    b0=st.floats(0.05, 3.0),
    slope=st.floats(2.5, 7.0),
    e0=st.floats(-1e4, 1e4),
)
@example(v0=5.0, b0=1.0, slope=4.0, e0=0.0)  # its cubic term is rounding alone
def test_the_parameters_of_a_curve_come_back(v0: float, b0: float, slope: float, e0: float) -> None:
    volumes = v0 * np.linspace(0.92, 1.09, 7)
    found = fit_equation_of_state(volumes, curve(volumes, e0, b0, slope, v0))
    assert found.status == "ok"
    assert found.volume_a3 == pytest.approx(v0, rel=1e-4)
    assert found.bulk_modulus_gpa == pytest.approx(b0 * GPA_PER_EV_PER_ANGSTROM3, rel=1e-3)
    assert found.bulk_modulus_slope == pytest.approx(slope, abs=0.1)


def test_it_agrees_with_ase() -> None:
    volumes = 11.0 * np.linspace(0.94, 1.06, 7)
    energies = curve(volumes, -3.0, 0.8, 4.5, 11.2) + 1e-4 * np.sin(7 * volumes)
    found = fit_equation_of_state(volumes, energies)
    volume, _, modulus = AseCurve(volumes, energies, eos="birchmurnaghan").fit()
    assert found.volume_a3 == pytest.approx(volume, rel=1e-5)
    assert found.bulk_modulus_gpa == pytest.approx(modulus * GPA_PER_EV_PER_ANGSTROM3, rel=1e-4)
    assert 1e-5 < found.rms_ev < 1e-4


def test_doubling_the_cell_doubles_the_volume_only() -> None:
    volumes = 11.0 * np.linspace(0.94, 1.06, 7)
    energies = curve(volumes, -3.0, 0.8, 4.5, 11.2)
    one, two = (fit_equation_of_state(n * volumes, n * energies) for n in (1, 2))
    assert two.volume_a3 == pytest.approx(2 * one.volume_a3)
    assert two.bulk_modulus_gpa == pytest.approx(one.bulk_modulus_gpa)


def test_a_curve_without_a_minimum_is_no_answer() -> None:
    volumes = 11.0 * np.linspace(1.05, 1.2, 6)
    found = fit_equation_of_state(volumes, curve(volumes, -3.0, 0.8, 4.5, 11.0))
    assert found.status == "no_answer"
    assert found.volume_a3 is None
    assert "both sides" in found.reason


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="different volumes"):
        fit_equation_of_state([9, 10, 11, 11], [1, 0, 1, 1])
    with pytest.raises(InputError, match="finite"):
        fit_equation_of_state([9, 10, 11, 12], [1, float("nan"), 1, 2])
