"""Harmonic and quasi-harmonic sums against what must come out."""

from __future__ import annotations

import numpy as np
import pytest

from interlith.analysis.thermal import expand, harmonic, heat_capacity_at_pressure, per_kilogram
from interlith.errors import FailureError, InputError
from interlith.units import BOLTZMANN_EV_PER_K


def test_hot_phonons_follow_dulong_and_petit_and_cold_ones_freeze() -> None:
    frequencies = np.full((4, 6), 5.0)
    free, heat = harmonic(frequencies, [1, 1, 2, 4], [0.0, 10.0, 3000.0])
    assert heat == pytest.approx([0.0, 0.0, 6 * BOLTZMANN_EV_PER_K], rel=0.01, abs=1e-9)
    assert free[0] == pytest.approx(6 * 5.0 * 4.135667696e-3 / 2)
    assert free[2] < free[1] <= free[0]


def test_heat_capacity_is_the_curvature_of_the_free_energy() -> None:
    rng = np.random.default_rng(0)
    frequencies, weights = rng.uniform(1, 15, (5, 9)), rng.integers(1, 5, 5)
    temperatures = np.array([299.0, 300.0, 301.0])
    free, heat = harmonic(frequencies, weights, temperatures)
    curvature = -300.0 * (free[0] - 2 * free[1] + free[2])
    assert heat[1] == pytest.approx(curvature, rel=1e-3)


def test_a_flat_crystal_does_not_expand() -> None:
    volumes = np.linspace(95, 105, 7)
    cold = 0.5 * 0.6 * (volumes - 100) ** 2 / 100
    found = expand(volumes, np.tile(cold, (4, 1)), [0, 100, 200, 300])
    assert found.volumes_angstrom3 == pytest.approx([100.0] * 4, rel=1e-3)
    assert found.volume_expansion_per_k == pytest.approx([0.0] * 4, abs=1e-12)
    assert found.bulk_moduli_gpa == pytest.approx([0.6 * 160.2177] * 4, rel=0.02)
    heat = heat_capacity_at_pressure([1e-3] * 4, found, [0, 100, 200, 300])
    assert heat == pytest.approx([1e-3] * 4)


def test_per_kilogram() -> None:
    # 3 R per mole of Cu atoms is 392.5 J/kg/K
    assert per_kilogram(3 * BOLTZMANN_EV_PER_K, 63.546) == pytest.approx(392.5, abs=0.5)


def test_no_minimum_and_too_few_volumes() -> None:
    volumes = np.linspace(95, 105, 7)
    with pytest.raises(FailureError, match="no minimum"):
        expand(volumes, [-0.1 * volumes], [300])
    with pytest.raises(InputError, match="at least 5"):
        expand(volumes[:3], [volumes[:3]], [300])
