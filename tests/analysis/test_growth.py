"""Growth laws from made-up runs whose law is known, and thicknesses that are no growth."""

from __future__ import annotations

import numpy as np
import pytest

from interlith.analysis.growth import (
    Rate,
    growth_law,
    lithium_consumed,
    rate_arrhenius,
)
from interlith.units import BOLTZMANN_EV_PER_K

TIMES = np.linspace(0.2, 20.0, 100)


def runs(power: float, slope: float, noise: float, seeds: int, first: int = 0, memory: float = 0.0):
    made = []
    for seed in range(first, first + seeds):
        rng = np.random.default_rng(seed)
        jitter = np.zeros(len(TIMES))
        for i in range(len(TIMES)):
            jitter[i] = (memory * jitter[i - 1] if i else 0.0) + rng.normal()
        jitter *= noise * np.sqrt(1 - memory**2)
        made.append((TIMES, 0.1 + slope * TIMES**power + jitter))
    return made


@pytest.mark.parametrize(("power", "law"), [(0.5, "parabolic"), (1.0, "linear")])
def test_the_law_is_found(power: float, law: str) -> None:
    fit = growth_law(runs(power, 0.3, 0.05, 3))
    assert fit.status == "ok"
    assert fit.law == law
    assert fit.is_rate
    assert fit.exponent == pytest.approx(power, abs=0.1)
    assert fit.exponent_interval95 is not None
    assert fit.exponent_interval95[0] <= power <= fit.exponent_interval95[1]


def test_the_parabolic_rate_is_half_the_square_of_the_slope() -> None:
    fit = growth_law(runs(0.5, 0.3, 1e-6, 3))
    assert fit.parabolic is not None
    assert fit.parabolic.value == pytest.approx(0.3**2 / 2, rel=1e-4)
    assert fit.parabolic.offset_nm == pytest.approx(0.1, abs=1e-4)


@pytest.mark.parametrize(("seeds", "memory"), [(3, 0.0), (1, 0.0), (1, 0.5)])
def test_intervals_hold_the_truth_as_often_as_they_say(seeds: int, memory: float) -> None:
    held = []
    for trial in range(120):
        fit = growth_law(runs(1.0, 0.2, 0.2, seeds, 1000 * trial, memory))
        assert fit.linear is not None
        low, high = fit.linear.interval95
        held.append(low <= 0.2 <= high)
    assert np.mean(held) > 0.88


def test_slow_noise_counts_as_few_points() -> None:
    white = growth_law(runs(0.5, 0.5, 0.1, 3)).independent_points
    slow = growth_law(runs(0.5, 0.5, 0.1, 3, memory=0.7)).independent_points
    assert slow < 0.5 * white


def test_noisy_runs_leave_the_law_undecided() -> None:
    fit = growth_law(runs(0.75, 0.1, 0.15, 3))
    assert fit.status == "ok"
    assert fit.law == "undecided"
    assert not fit.is_rate
    assert any("shape" in text for text in fit.caveats)


def test_what_does_not_grow_is_no_answer() -> None:
    fit = growth_law(runs(0.5, 0.0, 0.1, 3))
    assert fit.status == "no_answer"
    assert fit.reason is not None
    assert fit.law is None
    assert fit.parabolic is None


def test_a_run_too_short_is_no_answer() -> None:
    fit = growth_law([(TIMES[:5], TIMES[:5])])
    assert fit.status == "no_answer"
    assert "too few" in (fit.reason or "")
    assert growth_law([]).status == "no_answer"


def test_one_seed_or_a_starved_run_is_a_shape() -> None:
    assert not growth_law(runs(0.5, 0.3, 0.02, 1)).is_rate
    starved = growth_law(runs(0.5, 0.3, 0.02, 3), starved=True)
    assert not starved.is_rate
    assert any("reservoir" in text for text in starved.caveats)


def rate(value: float, law: str = "parabolic") -> Rate:
    return Rate(
        law=law,
        value=value,
        sigma=0.05 * value,
        interval95=(0.9 * value, 1.1 * value),
        unit="nm2/ps",
        offset_nm=0.0,
        residual_nm=0.0,
    )


def test_the_activation_energy_of_rates() -> None:
    temperatures = [500.0, 600.0, 700.0, 800.0]
    rates = [rate(np.exp(-0.4 / (BOLTZMANN_EV_PER_K * t))) for t in temperatures]
    fit, reason = rate_arrhenius(temperatures, rates)
    assert reason is None
    assert fit is not None
    assert fit.interval95_ev[0] < 0.4 < fit.interval95_ev[1]


def test_rates_of_two_laws_do_not_mix() -> None:
    fit, reason = rate_arrhenius([500, 600, 700], [rate(1.0), rate(2.0), rate(3.0, "linear")])
    assert fit is None
    assert "different laws" in (reason or "")


def test_lithium_is_counted_in_charge() -> None:
    # Li metal: 4.85 nm per uAh/cm2 with about 21.6 A^3 per atom
    atoms, area = 100.0, 100.0
    metal_nm = atoms * 21.6 / area / 10
    found = lithium_consumed(atoms, area, metal_nm, 9.0)
    assert found.nm_per_uah_cm2 == pytest.approx(4.85, abs=0.02)
    assert found.ratio == pytest.approx(4.85 / 9, abs=0.01)
    assert "stoichiometric" in found.explanation
    assert lithium_consumed(0.0, area, 0.0, 9.0).ratio is None
