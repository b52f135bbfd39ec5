"""The closest pair, as ASE's neighbour list finds it."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list

from interlith.engines.dynamics.contacts import closest_overlap


@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_pair_of_the_neighbour_list(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(2, 40))
    cell = np.eye(3) * random.uniform(2, 12, 3) + random.uniform(-2, 2, (3, 3))
    atoms = Atoms(
        numbers=random.integers(1, 90, count),
        positions=random.uniform(-20, 20, (count, 3)),
        cell=cell,
        pbc=random.random(3) < 0.7,
    )
    radii = random.uniform(0.2, 1.2, count)
    i, j, distances = neighbor_list("ijd", atoms, list(radii))
    found = closest_overlap(atoms, radii)
    if not len(i):
        assert found is None
        return
    best = (distances / (radii[i] + radii[j])).argmin()
    assert found is not None
    assert found[:2] == tuple(sorted((i[best], j[best])))
    assert found[2] == pytest.approx(distances[best])


def test_without_a_cell_and_far_apart_there_is_none() -> None:
    assert closest_overlap(Atoms("H2", [[0, 0, 0], [0, 0, 3]]), np.full(2, 1.0)) is None
    assert closest_overlap(Atoms("H2", [[0, 0, 0], [0, 0, 1]]), np.full(2, 1.0)) == (0, 1, 1.0)
    assert closest_overlap(Atoms("H"), np.ones(1)) is None
    assert closest_overlap(bulk("Cu"), np.array([1.4])) == (0, 0, pytest.approx(3.61 / 2**0.5))
