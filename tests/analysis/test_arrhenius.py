from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from interlith.analysis.arrhenius import fit_arrhenius, fit_runs
from interlith.analysis.displacements import read_paths
from interlith.analysis.trajectories import open_trajectory
from interlith.analysis.transport import analyse
from interlith.analysis.transport_records import TransportRun
from interlith.errors import InputError
from interlith.h5md import H5mdWriter
from interlith.units import BOLTZMANN_EV_PER_K

LADDER = np.array([500.0, 600.0, 700.0, 800.0])


def diffusivity(t: np.ndarray | float, energy: float = 0.3) -> np.ndarray:
    return 1e-3 * np.exp(-energy / (BOLTZMANN_EV_PER_K * np.asarray(t)))


def test_a_line_is_found_exactly() -> None:
    d = diffusivity(LADDER)
    fit, reason = fit_arrhenius(LADDER, d, 0.02 * d, conductivity_times_k_per_diffusivity=3e8)
    assert reason is None
    assert fit.activation_energy_ev == pytest.approx(0.3, abs=1e-6)
    assert fit.prefactor_cm2_s == pytest.approx(1e-3, rel=1e-4)
    room = float(diffusivity(300.0))
    assert fit.diffusivity_300k_cm2_s == pytest.approx(room, rel=1e-4)
    assert fit.conductivity_300k_ms_cm == pytest.approx(3e8 * room / 300, rel=1e-4)
    assert fit.interval95_ms_cm[0] < fit.conductivity_300k_ms_cm < fit.interval95_ms_cm[1]
    assert "300 K is extrapolated from 500 K and above" in fit.flags


@pytest.mark.parametrize("error", [0.1, 0.3])
def test_the_intervals_hold_the_truth(error: float) -> None:
    rng = np.random.default_rng(3)
    true = diffusivity(LADDER)
    held = energy_held = 0
    for _ in range(120):
        d = true * np.exp(rng.normal(size=4) * error)
        fit, _ = fit_arrhenius(LADDER, d, error * d)
        energy_held += fit.interval95_ev[0] < 0.3 < fit.interval95_ev[1]
        held += fit.interval95_cm2_s[0] < diffusivity(300.0) < fit.interval95_cm2_s[1]
    # wider than the stated errors alone would be: the prior allows for scatter between runs
    assert min(held, energy_held) >= 0.92 * 120


def test_scatter_beyond_the_errors_widens_the_interval() -> None:
    d = diffusivity(LADDER) * np.exp([0.4, -0.4, 0.4, -0.4])
    smooth, _ = fit_arrhenius(LADDER, diffusivity(LADDER), 0.02 * d)
    rough, _ = fit_arrhenius(LADDER, d, 0.02 * d)
    assert rough.sigma_ev > 2 * smooth.sigma_ev
    assert rough.scatter > 2 * smooth.scatter
    assert any("scatter" in flag for flag in rough.flags)


def test_precise_runs_weigh_more() -> None:
    d = diffusivity(LADDER)
    d[0] *= 3.0
    fit, _ = fit_arrhenius(LADDER, d, d * [2.0, 0.02, 0.02, 0.02])
    assert fit.activation_energy_ev == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("n", [5, 7, 9])
def test_a_kink_is_flagged_and_a_line_is_not(n: int) -> None:
    t = np.linspace(400.0, 800.0, n)
    kinked = np.where(
        t < 580, diffusivity(t, 0.5), diffusivity(t, 0.2) * math.exp(-0.3 / (8.617333e-5 * 580))
    )
    fit, _ = fit_arrhenius(t, kinked, 0.1 * kinked)
    assert 480 < fit.kink.temperature_k < 700
    assert fit.kink.activation_energy_below_ev > fit.kink.activation_energy_above_ev
    assert any("phase change" in flag for flag in fit.flags)
    rng = np.random.default_rng(n)
    flagged = 0
    for _ in range(50):
        d = diffusivity(t) * np.exp(0.1 * rng.normal(size=n))
        flagged += fit_arrhenius(t, d, 0.1 * d)[0].kink is not None
    assert flagged <= 4


def test_a_jump_is_a_kink() -> None:
    t = np.linspace(400.0, 800.0, 8)
    d = diffusivity(t) * np.where(t > 600, 10.0, 1.0)
    assert fit_arrhenius(t, d, 0.1 * d)[0].kink.temperature_k == pytest.approx(600, abs=30)


def test_two_temperatures_are_no_line() -> None:
    t = [500.0, 500.0, 600.0]
    d = diffusivity(np.array(t))
    fit, reason = fit_arrhenius(t, d, 0.1 * d)
    assert fit is None
    assert reason.startswith("2 temperatures")


def test_bad_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="one of each per run"):
        fit_arrhenius([500.0], [1e-6, 1e-5], [1e-7])
    with pytest.raises(InputError, match="diffusivities must be positive"):
        fit_arrhenius([500.0, 600.0, 700.0], [1e-6, 0.0, 1e-5], [1e-7] * 3)
    with pytest.raises(InputError, match="temperatures must be positive"):
        fit_arrhenius([500.0, -600.0, 700.0], [1e-6] * 3, [1e-7] * 3)


def run(t: float, status: str = "ok", reason: str | None = None) -> TransportRun:
    d = float(diffusivity(t))
    return TransportRun(
        temperature_k=t,
        status=status,
        reason=reason,
        mobile="Li",
        n_mobile=24,
        events=100.0,
        self_diffusivity_cm2_s=None if status == "no_answer" else d,
        sigma_cm2_s=None if status == "no_answer" else 0.1 * d,
        conductivity_ms_cm=None if status == "no_answer" else 2e8 * d / t,
    )


def test_only_sound_runs_enter() -> None:
    ladder = [run(500.0), run(600.0), run(700.0), run(900.0, "diagnosis", "the framework melted")]
    fit, reason = fit_runs(ladder)
    assert reason is None
    assert fit.temperatures_k == (500.0, 600.0, 700.0)
    assert fit.conductivity_300k_ms_cm == pytest.approx(
        2e8 * float(diffusivity(300)) / 300, rel=1e-3
    )
    assert "left out 900 K: the framework melted" in fit.flags
    fit, reason = fit_runs([*ladder[:2], run(400.0, "no_answer", "too short"), ladder[3]])
    assert fit is None
    assert "2 temperatures" in reason
    assert "400 K: too short" in reason


SYMBOLS = ["Li"] * 12 + ["S"] * 4
STEPS = {500.0: 0.1, 600.0: 0.2, 700.0: 0.33}


def write_run(path: Path, step: float, n_frames: int = 1500) -> None:
    rng = np.random.default_rng(round(1000 * step))
    positions = rng.random((16, 3)) * 12.0
    host = positions[12:].copy()
    writer = H5mdWriter.create(path, SYMBOLS, pbc=(True, True, True), time_step_fs=50.0)
    for frame in range(n_frames):
        positions[:12] += rng.normal(size=(12, 3)) * step
        positions[12:] = host + rng.normal(size=(4, 3)) * 0.05
        writer.append(frame, positions, np.eye(3) * 12.0)
    writer.commit()


def test_files_to_an_activation_energy(tmp_path: Path) -> None:
    runs = []
    for temperature, step in reversed(STEPS.items()):
        path = tmp_path / f"{temperature:.0f}.h5md"
        write_run(path, step)
        run = analyse(read_paths(open_trajectory(path)), temperature).run
        assert run.status == "ok"
        true = step**2 / 2 / 50.0 * 0.1
        assert abs(run.self_diffusivity_cm2_s - true) < 4 * run.sigma_cm2_s
        runs.append(run)
    fit, reason = fit_runs(runs)
    assert reason is None
    d = np.array(list(STEPS.values())) ** 2
    slope = np.polyfit(-1 / (8.617333e-5 * np.array(list(STEPS))), np.log(d), 1)[0]
    assert fit.activation_energy_ev == pytest.approx(slope, abs=0.05)
    assert set(fit.to_json()) >= {
        "activation_energy_ev",
        "interval95_ev",
        "conductivity_300k_ms_cm",
        "interval95_ms_cm",
    }
