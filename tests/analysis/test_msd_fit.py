from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.signal import lfilter

from interlith.analysis import msd_fit
from interlith.analysis.msd_fit import PathStatistics, covariance_sums, fit_line
from interlith.analysis.transport import interval95

Make = Callable[[np.random.Generator], np.ndarray]
SLOPE = 3.0  # of all walkers below, Angstrom^2 per frame


def brownian(n_atoms: int, n_frames: int, group: int = 1) -> Make:
    """Gaussian steps; ``group`` atoms take each step together."""

    def make(rng: np.random.Generator) -> np.ndarray:
        steps = rng.normal(size=(n_atoms // group, 3, n_frames))
        return np.repeat(steps.cumsum(axis=2), group, axis=0)

    return make


def white(n_atoms: int, n_frames: int) -> Make:
    """Walkers that rattle from frame to frame."""
    return lambda rng: (
        brownian(n_atoms, n_frames)(rng) + 2.0 * rng.normal(size=(n_atoms, 3, n_frames))
    )


def coloured(n_atoms: int, n_frames: int) -> Make:
    """Walkers with slow rattling: noise that forgets over five frames."""

    def make(rng: np.random.Generator) -> np.ndarray:
        rattle = lfilter([1], [1, -0.8], rng.normal(size=(n_atoms, 3, n_frames)), axis=2)
        return brownian(n_atoms, n_frames)(rng) + 2.0 * rattle

    return make


def jumps(n_atoms: int, n_frames: int) -> Make:
    """Atoms that jump rarely: by 10 Angstrom, in 3 of 100 frames."""

    def make(rng: np.random.Generator) -> np.ndarray:
        direction = rng.normal(size=(n_atoms, 3, n_frames))
        direction *= 10.0 / np.linalg.norm(direction, axis=1, keepdims=True)
        return (direction * (rng.random((n_atoms, 1, n_frames)) < SLOPE / 100)).cumsum(axis=2)

    return make


def coverage(make: Make, repeats: int, seed: int) -> tuple[float, float]:
    """Part of the repeats whose 95 % interval holds the truth; mean error in sigma."""
    rng = np.random.default_rng(seed)
    held, off = 0, []
    for _ in range(repeats):
        statistics = PathStatistics.of(make(rng))
        fit = fit_line(statistics, int(0.3 * statistics.n_frames))
        low, high = interval95(fit.slope, fit.sigma)
        held += low < SLOPE < high
        off.append((fit.slope - SLOPE) / fit.sigma)
    return held / repeats, float(np.mean(off))


CASES = {
    "brownian": brownian(10, 400),
    "short": brownian(20, 100),
    "rattling": white(10, 400),
    "slow rattling": coloured(10, 1000),
    "rare jumps": jumps(20, 400),
    "in threes": brownian(30, 400, group=3),
    "one path": brownian(1, 1000),
    "long": coloured(5, 5000),
}


def test_brownian_walkers_give_their_diffusivity_within_the_stated_error() -> None:
    held, off = coverage(CASES["brownian"], 500, seed=11)
    assert abs(held - 0.95) <= 0.03
    assert abs(off) < 0.15


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name != "brownian"])
def test_so_do_others(name: str) -> None:
    held, off = coverage(CASES[name], 500, seed=12)
    print(f"{name}: {held:.3f} of 500 intervals hold the truth, mean error {off:+.2f} sigma")
    assert abs(held - 0.95) <= 0.03
    assert abs(off) < 0.35


def test_the_covariance_is_that_of_brownian_walkers() -> None:
    lags, n_frames = np.array([1, 3, 10, 30]), 100
    rng = np.random.default_rng(3)
    walks = rng.normal(size=(20_000, n_frames)).cumsum(axis=1)
    msd = np.stack([((walks[:, k:] - walks[:, :-k]) ** 2).mean(axis=1) for k in lags])
    gaussian, overlap = covariance_sums(np.arange(200.0), lags, n_frames, 1)
    np.testing.assert_allclose(2 * gaussian, np.cov(msd), rtol=0.06)
    assert np.all(np.diag(overlap) > 0)


def test_the_sums_count_every_pair_of_windows() -> None:
    lags, n_frames = np.array([1, 2, 5]), 12
    model = np.sqrt(np.arange(40.0)) + np.arange(40.0)
    gaussian, overlap = covariance_sums(model, lags, n_frames, n_frames)
    for row, i in enumerate(lags):
        for column, j in enumerate(lags):
            squares = shared = 0.0
            for s in range(n_frames - i):
                for t in range(n_frames - j):
                    a, b = s + i, t + j
                    c = (
                        model[abs(a - t)]
                        + model[abs(b - s)]
                        - model[abs(s - t)]
                        - model[abs(a - b)]
                    )
                    squares += (c / 2) ** 2
                    shared += max(0, min(a, b) - max(s, t))
            windows = (n_frames - i) * (n_frames - j)
            assert gaussian[row, column] == pytest.approx(squares / windows)
            assert overlap[row, column] == pytest.approx(shared / windows)


def test_long_windows_are_summed_closely_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    lags = np.unique(np.geomspace(64, 1500, 15).round().astype(int))
    model = np.arange(6000.0) + 3.0
    model[0] = 0.0
    monkeypatch.setattr(msd_fit, "STEPS_PER_LAG", 10**9)
    exact, _ = covariance_sums(model, lags, 5000, 64)
    monkeypatch.undo()
    close, _ = covariance_sums(model, lags, 5000, 64)
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    least = np.linalg.eigvalsh(exact / scale)[0]
    assert np.abs((close - exact) / scale).max() < 0.1 * least


def test_a_plane_has_two_directions_and_a_channel_one() -> None:
    walk = np.random.default_rng(1).normal(size=(50, 3, 500)).cumsum(axis=2)
    for count in (1, 2, 3):
        flat = walk * (np.arange(3) < count)[:, None]
        assert PathStatistics.of(flat).independent_directions(1) == pytest.approx(count, rel=0.01)


def test_subdiffusion_is_no_line() -> None:
    rng = np.random.default_rng(4)
    trap = lfilter([1], [1, -0.98], rng.normal(size=(20, 3, 2000)), axis=2)
    fit = fit_line(PathStatistics.of(trap), 600)
    assert not fit.linear or fit.exponent + 2 * fit.exponent_sigma < 0.7


def test_a_given_first_lag_is_kept() -> None:
    walk = np.random.default_rng(1).normal(size=(5, 3, 500)).cumsum(axis=2)
    assert fit_line(PathStatistics.of(walk), 100, first_lag=7).lags[0] == 7
