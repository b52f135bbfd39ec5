from __future__ import annotations

import numpy as np
import pytest

from interlith.analysis.density import density_map
from interlith.analysis.displacements import Paths, read_paths
from interlith.analysis.trajectories import from_arrays
from interlith.errors import InputError

CELL = np.array([[6.0, 0.0, 0.0], [1.0, 5.0, 0.0], [0.0, 0.0, 8.0]])


def paths_of(positions: np.ndarray, periodic: tuple[bool, bool, bool]) -> Paths:
    trajectory = from_arrays(positions, CELL, ["Li", "Li"], 1.0, periodic=periodic)
    return read_paths(trajectory, drift="none")


def test_all_atoms_are_on_the_map_where_they_sit() -> None:
    fractional = np.array([[0.11, 0.52, 0.93], [0.61, 0.22, 0.33]])
    away = np.array([[0, 0, 0], [2, -1, 3]])
    noise = np.random.default_rng(0).normal(size=(50, 2, 3)) * 1e-4
    paths = paths_of((fractional + away) @ CELL + noise, (True, True, True))
    grid = density_map(paths, 0.5)
    voxel = abs(np.linalg.det(CELL)) / grid.per_angstrom3.size
    assert grid.per_angstrom3.sum() * voxel == pytest.approx(2.0)
    for place in fractional:
        index = tuple(np.floor(place * grid.per_angstrom3.shape).astype(int))
        assert grid.per_angstrom3[index] * voxel == pytest.approx(1.0)


def test_what_leaves_an_open_cell_is_not_folded_back() -> None:
    fractional = np.array([[0.5, 0.5, 0.5], [0.5, 0.5, 1.5]])
    paths = paths_of(np.repeat((fractional @ CELL)[None], 3, axis=0), (True, True, False))
    grid = density_map(paths, 0.5)
    voxel = abs(np.linalg.det(CELL)) / grid.per_angstrom3.size
    assert grid.per_angstrom3.sum() * voxel == pytest.approx(1.0)


@pytest.mark.parametrize("spacing", [0.0, -1.0, 1e-3])
def test_impossible_grids_are_refused(spacing: float) -> None:
    with pytest.raises(InputError, match="no usable grid"):
        density_map(paths_of(np.zeros((3, 2, 3)), (True, True, True)), spacing)
