from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlith.analysis import displacements
from interlith.analysis.displacements import PAIRS, collective_path, msd_tensor, read_paths
from interlith.analysis.trajectories import from_arrays
from interlith.errors import InputError

CELL = np.eye(3) * 10.0


def naive(paths: np.ndarray) -> np.ndarray:
    n_frames = paths.shape[2]
    tensor = np.zeros((n_frames, 6))
    for lag in range(1, n_frames):
        moved = paths[:, :, lag:] - paths[:, :, :-lag]
        tensor[lag] = [(moved[:, a] * moved[:, b]).mean() for a, b in PAIRS]
    return tensor


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(2, 40))
def test_the_naive_loop_gives_the_same(seed: int, n_atoms: int, n_frames: int) -> None:
    rng = np.random.default_rng(seed)
    paths = rng.normal(size=(n_atoms, 3, n_frames)).cumsum(axis=2) + 50.0
    np.testing.assert_allclose(msd_tensor(paths), naive(paths), atol=1e-8)


def test_atoms_may_come_in_any_order_and_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = np.random.default_rng(0).normal(size=(7, 3, 50)).cumsum(axis=2)
    whole = msd_tensor(paths)
    np.testing.assert_allclose(msd_tensor(paths[::-1]), whole, rtol=1e-10, atol=1e-10)
    monkeypatch.setattr(displacements, "FFT_BYTES", 1)
    np.testing.assert_allclose(msd_tensor(paths), whole, rtol=1e-10, atol=1e-10)


def positions_of(n_frames: int = 30) -> np.ndarray:
    rng = np.random.default_rng(2)
    return rng.random((5, 3)) * 10 + rng.normal(size=(n_frames, 5, 3)).cumsum(axis=0) * 0.2


def test_a_drift_of_everything_changes_nothing() -> None:
    positions, symbols = positions_of(), ["Li", "S", "Li", "P", "S"]
    drift = np.arange(30)[:, None, None] * np.array([0.7, -0.2, 0.1])
    still = read_paths(from_arrays(positions, CELL, symbols, 1.0))
    drifting = read_paths(from_arrays(positions + drift, CELL, symbols, 1.0))
    np.testing.assert_allclose(still.mobile, drifting.mobile, atol=1e-5)
    np.testing.assert_allclose(still.framework_frames, drifting.framework_frames, atol=1e-8)
    everything = read_paths(from_arrays(positions + drift, CELL, symbols, 1.0), drift="all")
    assert np.abs(everything.mobile - drifting.mobile).max() > 1e-3


def test_the_framework_is_at_rest_by_its_centre_of_mass() -> None:
    positions, symbols = positions_of(), ["Li", "S", "Li", "P", "S"]
    paths = read_paths(from_arrays(positions, CELL, symbols, 1.0))
    masses = np.array([32.06, 30.973761998, 32.06])
    centre = np.einsum("a,fad->fd", masses / masses.sum(), positions[:, [1, 3, 4]])
    expected = positions[:, [0, 2]] - (centre - centre[0])[:, None]
    np.testing.assert_allclose(paths.positions(0, 30), expected, atol=1e-4)
    assert paths.n_mobile == 2
    assert paths.volume_angstrom3 == pytest.approx(1000.0)


def test_blocks_strides_and_scratch_files_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    trajectory = from_arrays(positions_of(), CELL, ["Li", "S", "Li", "P", "S"], 2.0)
    whole = read_paths(trajectory)
    some = read_paths(trajectory, first=3, last=28, stride=4)
    assert some.time_step_fs == 8.0
    picked = whole.mobile[:, :, 3:28:4]
    np.testing.assert_allclose(some.mobile, picked - picked[:, :, :1], atol=1e-5)
    monkeypatch.setattr(displacements, "BLOCK_BYTES", 1)
    monkeypatch.setattr(displacements, "IN_MEMORY_BYTES", 1)
    scratch = read_paths(trajectory)
    assert isinstance(scratch.mobile, np.memmap)
    np.testing.assert_array_equal(scratch.mobile, whole.mobile)


def test_the_collective_path_of_one_group_grows_with_its_size() -> None:
    one = np.random.default_rng(1).normal(size=(1, 3, 100)).cumsum(axis=2)
    together = np.repeat(one, 4, axis=0)
    ratio = msd_tensor(collective_path(together))[1:] / msd_tensor(one)[1:]
    np.testing.assert_allclose(ratio[:, :3], 4.0, rtol=1e-6)


def test_bad_choices_are_explained() -> None:
    trajectory = from_arrays(positions_of(), CELL, ["Li", "S", "Li", "P", "S"], 2.0)
    with pytest.raises(InputError, match="holds no Na; its elements are Li, S, P"):
        read_paths(trajectory, "Na")
    with pytest.raises(InputError, match="numbered from 0 to 4"):
        read_paths(trajectory, [5])
    with pytest.raises(InputError, match="each mobile atom once"):
        read_paths(trajectory, [1, 1])
    with pytest.raises(InputError, match="no framework"):
        read_paths(trajectory, range(5), drift="framework")
    with pytest.raises(InputError, match="at least two"):
        read_paths(trajectory, first=29)
    with pytest.raises(InputError, match="both count up"):
        read_paths(trajectory, stride=0)
    assert read_paths(trajectory, range(5)).drift == "all"
