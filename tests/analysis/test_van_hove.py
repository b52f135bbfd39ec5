from __future__ import annotations

import numpy as np
import pytest

from interlith.analysis.displacements import Paths, read_paths
from interlith.analysis.trajectories import from_arrays
from interlith.analysis.van_hove import non_gaussian_parameter, van_hove
from interlith.errors import InputError

CELL = np.eye(3) * 12.0


def paths_of(positions: np.ndarray) -> Paths:
    symbols = ["Li"] * positions.shape[1]
    return read_paths(from_arrays(positions, CELL, symbols, 100.0), drift="none")


def walkers(n_frames: int = 1500, n_atoms: int = 30) -> np.ndarray:
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(n_frames, n_atoms, 3)) * 0.3
    return rng.random((n_atoms, 3)) * 12.0 + steps.cumsum(axis=0)


def test_free_walkers_have_the_known_functions() -> None:
    paths = paths_of(walkers())
    found = van_hove(paths, 400.0, largest_angstrom=6.0, bins=24)
    r, width = found.radius_angstrom, 0.25
    assert (found.self_per_angstrom * width).sum() == pytest.approx(1.0, abs=1e-6)
    variance = 4 * 0.3**2
    maxwell = np.sqrt(2 / np.pi) * r**2 / variance**1.5 * np.exp(-(r**2) / (2 * variance))
    np.testing.assert_allclose(found.self_per_angstrom, maxwell, atol=0.06)
    inside = r > 2.0
    np.testing.assert_allclose(found.distinct[inside], 1.0, atol=0.15)
    assert np.isnan(van_hove(paths, 400.0, largest_angstrom=8.0).distinct[-1])


def test_free_walkers_are_gaussian() -> None:
    lag, alpha = non_gaussian_parameter(paths_of(walkers()))
    assert lag[0] == pytest.approx(0.1)
    np.testing.assert_allclose(alpha[:10], 0.0, atol=0.05)


def test_rare_jumps_are_not_gaussian() -> None:
    rng = np.random.default_rng(2)
    jumps = rng.normal(size=(2000, 30, 3)) * (rng.random((2000, 30, 1)) < 0.02)
    _, alpha = non_gaussian_parameter(paths_of(jumps.cumsum(axis=0)), [100.0, 10_000.0])
    # compound Poisson: 1 / (jumps per lag) for Gaussian jumps
    assert alpha[0] == pytest.approx(50.0, rel=0.2)
    assert alpha[1] == pytest.approx(0.5, rel=0.5)


def test_lags_outside_the_run_are_refused() -> None:
    paths = paths_of(walkers(20, 2))
    for lag in (10.0, 2000.0):
        with pytest.raises(InputError, match="within the run"):
            van_hove(paths, lag)
    with pytest.raises(InputError, match="positive range"):
        van_hove(paths, 100.0, largest_angstrom=0.0)
