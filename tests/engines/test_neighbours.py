"""Edges are the pairs within the cutoff, both ways, whatever the list remembers."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.neighborlist import neighbor_list

from interlith.engines.ml.neighbours import Edges, NeighbourList
from interlith.engines.relax import rattle

pytestmark = pytest.mark.ml
pytest.importorskip("torch")

CUTOFF = 4.5


def _salt() -> Atoms:
    atoms = rattle(bulk("LiCl", "rocksalt", a=5.1) * (2, 1, 1), amplitude_angstrom=0.2)
    atoms.positions += [30.0, -7.0, 2.0]  # outside the cell, as unwrapped trajectories are
    return atoms


def _slab() -> Atoms:
    atoms = _salt() * (2, 1, 2)
    atoms.pbc = (True, True, False)
    return atoms


def _distances(edges: Edges) -> np.ndarray:
    return np.sort(np.linalg.norm(edges.vectors.numpy(), axis=1))


@pytest.mark.parametrize("atoms", [_salt(), _slab(), molecule("CH3CH2OH")])
def test_edges_are_those_of_ase(atoms: Atoms) -> None:
    edges = NeighbourList(CUTOFF).edges(atoms)
    assert np.allclose(_distances(edges), np.sort(neighbor_list("d", atoms, CUTOFF)))


def test_edges_without_matscipy_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = NeighbourList(CUTOFF).edges(_salt())
    monkeypatch.setitem(sys.modules, "matscipy.neighbours", None)
    slow = NeighbourList(CUTOFF).edges(_salt())
    assert np.array_equal(fast.sender, slow.sender)
    assert np.allclose(fast.vectors, slow.vectors)


def test_reverse_edges_point_back() -> None:
    edges = NeighbourList(CUTOFF).edges(_salt())
    assert np.array_equal(edges.sender[edges.reverse], edges.receiver)
    assert np.array_equal(edges.vectors[edges.reverse], -edges.vectors)
    assert len(edges.within(3.0).sender) < len(edges.sender)
    assert np.array_equal(edges.reverse[edges.reverse], np.arange(len(edges.sender)))


def test_a_kept_list_gives_the_bits_of_a_new_one() -> None:
    kept, atoms = NeighbourList(CUTOFF), _salt()
    rng = np.random.default_rng(0)
    for _ in range(40):
        atoms.positions += rng.normal(scale=0.03, size=atoms.positions.shape)
        atoms.set_cell(atoms.cell.array * 1.001, scale_atoms=True)
        old, new = kept.edges(atoms), NeighbourList(CUTOFF).edges(atoms)
        assert np.array_equal(old.sender, new.sender)
        assert np.array_equal(old.vectors, new.vectors)
    assert 1 < kept.n_builds < 20


def test_lone_atoms_have_no_edges() -> None:
    edges = NeighbourList(CUTOFF).edges(Atoms("Li", cell=[20, 20, 20], pbc=True))
    assert len(edges.sender) == 0
    assert edges.vectors.shape == (0, 3)
