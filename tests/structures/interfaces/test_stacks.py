"""Stacks: every layer fits the one cell, in order, strained within the limit."""

from __future__ import annotations

import numpy as np
import pytest

from interlith.errors import InputError
from interlith.structures.interfaces.plans import Side
from interlith.structures.interfaces.stacks import Sheet, StackOptions, build_stack
from interlith.structures.library import build, load_phase
from interlith.structures.regions import Regions


def sheet(region: str, name: str, thickness: float) -> Sheet:
    facts = load_phase(name)
    crystal = Side(region, name, build(facts), facts.oxidation_states, facts.youngs_modulus_gpa)
    return Sheet(crystal, thickness)


THREE = [sheet("anode", "Li", 8), sheet("coating", "LiF", 6), sheet("electrolyte", "LiCl", 8)]


def test_layers_lie_in_order_and_share_the_cell() -> None:
    stack = build_stack(THREE, StackOptions())
    names = Regions.of(stack.structure).names
    assert list(dict.fromkeys(names)) == ["anode", "coating", "electrolyte"]
    heights = stack.structure.cart_coords[:, 2]
    tops = [heights[[name == one for name in names]].max() for one in dict.fromkeys(names)]
    assert tops == sorted(tops)
    for layer, strain in zip(stack.layers, stack.strains, strict=True):
        own = np.array(layer.slab.structure.lattice.matrix[:2, :2])
        if layer.flipped:
            own = own @ np.diag([1.0, -1.0]) * [[1], [-1]]
        strained = layer.supercell @ own @ layer.deformation[:2, :2].T
        assert np.allclose(strained, stack.cell, atol=1e-9)
        assert max(np.abs(strain)) <= 0.05
    assert stack.largest_strain <= 0.05
    assert len(stack.structure) <= 400
    assert stack.min_distance_ratio >= 0.7


def test_a_periodic_stack_has_one_more_joint_and_no_vacuum() -> None:
    sandwich = [*THREE, sheet("coating", "LiF", 6)]
    stack = build_stack(sandwich, StackOptions(periodic=True, max_area_angstrom2=150))
    assert len(stack.joints) == len(stack.interface_heights) == 4
    heights = stack.structure.cart_coords[:, 2]
    room = stack.structure.lattice.matrix[2, 2] - (heights.max() - heights.min())
    assert room == pytest.approx(stack.joints[-1].gap, abs=1e-6)
    names = ["anode", "coating-1", "electrolyte", "coating-2"]
    assert list(dict.fromkeys(Regions.of(stack.structure).names)) == names
    assert [layer.name for layer in stack.layers] == names


def test_two_builds_are_identical() -> None:
    assert build_stack(THREE[:2]).structure == build_stack(THREE[:2]).structure


def test_bad_stacks_are_refused_in_words() -> None:
    with pytest.raises(InputError, match="at least two"):
        build_stack(THREE[:1])
    with pytest.raises(InputError, match="must be positive"):
        build_stack([THREE[0], sheet("coating", "LiF", -3)])
    with pytest.raises(InputError, match="positive and finite"):
        build_stack([sheet("anode", "Li", float("inf")), THREE[1]])
    with pytest.raises(InputError, match="of a layer of a stack"):
        build_stack(THREE, StackOptions(max_atoms=2))
    with pytest.raises(InputError, match="loosen"):
        build_stack(THREE, StackOptions(max_atoms=20))
