from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from interlith.analysis.displacements import read_paths
from interlith.analysis.framework import FrameworkCheck, check_framework
from interlith.analysis.trajectories import from_arrays

CELL = np.eye(3) * 12.0
TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3) * 2.05
CENTRES = np.array([[3.0, 3, 3], [9, 3, 9], [3, 9, 9], [9, 9, 3]])


def check(spoil: str = "", n_frames: int = 200) -> FrameworkCheck:
    """Four PS4 units, one Li and one free Cl."""
    rng = np.random.default_rng(0)
    frames = []
    for i in range(n_frames):
        part = i / n_frames
        turn = Rotation.from_rotvec([0, 0, np.pi * part * (spoil == "turn")])
        units = [np.concatenate([[c], c + turn.apply(TETRAHEDRON)]) for c in CENTRES]
        atoms = np.concatenate([*units, [[0.0, 0, 0]], [[6.0, 6, 6]]])
        if spoil == "strip":
            atoms[[1, 2]] += part * 4.0
        if spoil == "melt":
            atoms[:20] += part * 6.0 * rng.permutation(np.eye(3))[0]
            atoms[:20:5] += part * np.array([[3.0, 0, 0], [0, 3, 0], [-3, 0, 0], [0, -3, 0]])
        frames.append(atoms + rng.normal(size=atoms.shape) * 0.08)
    symbols = ["P", "S", "S", "S", "S"] * 4 + ["Cl", "Li"]
    trajectory = from_arrays(np.array(frames), CELL, symbols, 100.0)
    found = check_framework(read_paths(trajectory))
    assert found is not None
    return found


def test_a_still_framework_is_intact() -> None:
    found = check()
    assert found.intact
    assert found.reason is None
    assert (found.bonds, found.bonds_kept) == (16, 1.0)
    assert found.skeleton_rmsd_angstrom < 0.1


def test_polyanions_may_turn() -> None:
    found = check("turn")
    assert found.intact
    assert found.bonds_kept == 1.0


@pytest.mark.parametrize(("spoil", "reason"), [("strip", "bonds"), ("melt", "bonds|moved")])
def test_broken_and_molten_ones_are_not(spoil: str, reason: str) -> None:
    found = check(spoil)
    assert not found.intact
    assert any(word in found.reason for word in reason.split("|"))


def test_no_framework_no_check() -> None:
    trajectory = from_arrays(np.zeros((60, 2, 3)), CELL, ["Li", "Li"], 1.0)
    assert check_framework(read_paths(trajectory)) is None
