"""Interfaces: limits kept, nothing lost in the count, both interfaces alike, shifts periodic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlith.errors import InputError
from interlith.structures.interfaces.assembly import Joint, stack_layers
from interlith.structures.interfaces.plans import InterfaceOptions, Side, distinct_planes
from interlith.structures.interfaces.registry import best_registries, shift_cell
from interlith.structures.interfaces.search import Candidate, build_interfaces, make_layers
from interlith.structures.library import build, load_phase
from interlith.structures.regions import Regions


def side(region: str, name: str) -> Side:
    facts = load_phase(name)
    return Side(region, name, build(facts), facts.oxidation_states, facts.youngs_modulus_gpa)


LI, LICL = side("anode", "Li"), side("electrolyte", "LiCl")
ONE_PAIR = InterfaceOptions(miller_a=((0, 0, 1),), miller_b=((0, 0, 1),), max_area_angstrom2=200)


@pytest.fixture(scope="module")
def candidates() -> tuple[Candidate, ...]:
    return build_interfaces(LI, LICL, InterfaceOptions(count=6)).candidates


def test_every_candidate_keeps_the_limits_and_its_labels(candidates: tuple[Candidate, ...]) -> None:
    for one in candidates:
        assert len(one.structure) == one.plan.n_atoms <= 400
        assert one.plan.match.largest_strain <= 0.05
        assert one.min_distance_ratio >= 0.7
        regions = Regions.of(one.structure)
        assert list(dict.fromkeys(regions.names)) == ["anode", "electrolyte"]
        assert regions.interface_distance_angstrom.max() < one.structure.lattice.c / 2
        li = np.array([site.specie.symbol == "Li" for site in one.structure])
        assert (regions.mobile == li).all()


def test_deformation_gradients_carry_the_slabs_into_the_cell(
    candidates: tuple[Candidate, ...],
) -> None:
    for one in candidates:
        for layer in one.layers:
            own = np.array(layer.slab.structure.lattice.matrix[:2, :2])
            if layer.flipped:
                own = own @ np.diag([1.0, -1.0]) * [[1], [-1]]
            strained = layer.supercell @ own @ layer.deformation[:2, :2].T
            assert np.allclose(strained, one.plan.match.cell, atol=1e-9)
            per_atom = layer.slab.structure.lattice.volume / len(layer.slab.structure)
            area = abs(np.linalg.det(one.plan.match.cell))
            height = layer.slab.structure.lattice.c * layer.deformation[2, 2]
            stretched = per_atom * np.linalg.det(layer.deformation)
            assert area * height / len(layer.symbols) == pytest.approx(stretched)


def test_both_interfaces_of_a_periodic_cell_are_images_of_each_other(
    candidates: tuple[Candidate, ...],
) -> None:
    equal = [one for one in candidates if one.equal_interfaces]
    assert equal
    for one in equal:
        lower, upper = _cross_distances(one, 0), _cross_distances(one, 1)
        assert len(lower) > 4
        assert np.allclose(lower, upper, atol=1e-3)


def test_two_builds_are_identical(candidates: tuple[Candidate, ...]) -> None:
    again = build_interfaces(LI, LICL, InterfaceOptions(count=6)).candidates
    assert [one.structure for one in again] == [one.structure for one in candidates]


def test_the_front_of_strain_area_and_atoms_is_marked() -> None:
    from interlith.structures.interfaces.plans import make_plans

    plans, _ = make_plans(LI, LICL, InterfaceOptions())
    costs = [(p.match.largest_strain, p.match.area_angstrom2, p.n_atoms) for p in plans]
    front = [plan for plan in plans if plan.on_front]
    assert 0 < len(front) < len(plans)
    for plan, own in zip(plans, costs, strict=True):
        better = any(all(np.array(other) < np.array(own) - 1e-5) for other in costs)
        assert not (plan.on_front and better)
        if not plan.on_front:
            assert any(all(np.array(other) <= np.array(own) + 1e-5) for other in costs)


def test_everything_considered_is_accounted_for() -> None:
    search = build_interfaces(LI, LICL, InterfaceOptions(count=3, max_atoms=150))
    assert search.considered == len(search.candidates) + sum(search.dropped.values())


def test_a_shift_by_a_lattice_vector_of_either_side_keeps_the_energy() -> None:
    """Lennard-Jones energies at one gap; a shift that is no lattice vector does change them."""
    from ase.calculators.lj import LennardJones

    one_to_one = ONE_PAIR.model_copy(update={"max_area_angstrom2": 15.0})
    plan = build_interfaces(LI, LICL, one_to_one).candidates[0].plan
    layers = make_layers(plan, 0.3)

    def energy(shift: np.ndarray) -> float:
        joints = [Joint(shift, 2.5)]
        cell, _, _ = stack_layers(layers, joints, plan.match.cell, vacuum_angstrom=20.0)
        atoms = cell.to_ase_atoms(msonable=False)
        atoms.calc = LennardJones(sigma=2.2, epsilon=0.1, rc=6.0, smooth=True)
        return float(atoms.get_potential_energy())

    start = np.array([0.3, 0.2])
    first = energy(start)
    for layer in layers:
        for vector in layer.lattice:
            assert energy(start + vector) == pytest.approx(first, abs=1e-6)
    assert abs(energy(start + 0.4 * layers[0].lattice[0]) - first) > 1e-3


def test_the_shift_cell_holds_the_lattice_vectors_of_both_sides() -> None:
    for one in build_interfaces(LI, LICL, InterfaceOptions(count=4)).candidates:
        match = one.plan.match
        distinct = shift_cell(match.supercell_a, match.supercell_b, match.cell)
        for layer in one.layers:
            whole = layer.lattice @ np.linalg.inv(distinct)
            assert np.allclose(whole, np.round(whole), atol=1e-6)
        assert abs(np.linalg.det(distinct)) <= abs(np.linalg.det(match.cell)) + 1e-9


def test_the_best_shift_has_the_smallest_gap_of_a_finer_grid() -> None:
    plan = build_interfaces(LI, LICL, ONE_PAIR).candidates[0].plan
    layers = make_layers(plan, 0.3)
    distinct = shift_cell(plan.match.supercell_a, plan.match.supercell_b, plan.match.cell)
    coarse = best_registries(*layers, plan.match.cell, distinct, count=3, spacing_angstrom=0.5)
    fine = best_registries(*layers, plan.match.cell, distinct, count=3, spacing_angstrom=0.25)
    gaps = [one.joint.gap for one in coarse]
    assert gaps == sorted(gaps)
    assert fine[0].joint.gap <= coarse[0].joint.gap + 1e-9


def test_an_energy_ranks_the_shifts_and_a_relaxation_moves_the_atoms() -> None:
    from ase.calculators.lj import LennardJones

    from interlith.engines.relax import relax as relax_atoms

    def energy(structure: object) -> float:
        atoms = structure.to_ase_atoms(msonable=False)  # type: ignore[attr-defined]
        atoms.calc = LennardJones(sigma=2.2, epsilon=0.1, rc=6.0, smooth=True)
        return float(atoms.get_potential_energy())

    options = ONE_PAIR.model_copy(update={"count": 1, "registries": 2, "max_area_angstrom2": 60})
    best = build_interfaces(LI, LICL, options, energy=energy).candidates[0]
    assert best.energy_ev == pytest.approx(energy(best.structure))
    ranked = [one.energy_ev for one in best.registries]
    assert ranked == sorted(ranked)  # type: ignore[type-var]

    def relax(structure: object) -> tuple[object, float]:
        atoms = structure.to_ase_atoms(msonable=False)  # type: ignore[attr-defined]
        moved, record = relax_atoms(
            atoms, LennardJones(sigma=2.2, epsilon=0.1, rc=6.0, smooth=True), cell=False,
            max_steps=5,
        )  # fmt: skip
        copy = structure.copy()  # type: ignore[attr-defined]
        for index, site in enumerate(moved.positions):
            copy.translate_sites([index], site - copy[index].coords, frac_coords=False)
        return copy, record.energy_ev_per_atom * len(atoms)

    relaxed = build_interfaces(LI, LICL, options, energy=energy, relax=relax).candidates[0]
    assert relaxed.relaxed
    assert relaxed.energy_ev < best.energy_ev  # type: ignore[operator]


def test_one_interface_with_vacuum_has_one_joint_and_room_above() -> None:
    options = ONE_PAIR.model_copy(update={"vacuum_angstrom": 12.0, "count": 1})
    one = build_interfaces(LI, LICL, options).candidates[0]
    heights = one.structure.cart_coords[:, 2]
    assert len(one.joints) == len(one.interface_heights) == 1
    assert one.structure.lattice.c - (heights.max() - heights.min()) == pytest.approx(12.0)


@settings(max_examples=8, deadline=None)
@given(
    max_strain=st.floats(0.01, 0.08),
    max_atoms=st.integers(60, 300),
    thickness=st.floats(3.0, 12.0),
    share=st.none() | st.floats(0.0, 1.0),
)
def test_limits_hold_or_the_message_says_which_to_loosen(
    max_strain: float, max_atoms: int, thickness: float, share: float | None
) -> None:
    options = InterfaceOptions(
        max_strain=max_strain,
        max_atoms=max_atoms,
        thickness_b_angstrom=thickness,
        share_a=share,
        miller_a=((0, 0, 1), (1, 1, 0)),
        miller_b=((0, 0, 1),),
        count=2,
    )
    try:
        found = build_interfaces(LI, LICL, options).candidates
    except InputError as error:
        message = str(error)
        assert "--max-" in message
        return
    for one in found:
        assert one.plan.match.largest_strain <= max_strain + 1e-9
        assert len(one.structure) <= max_atoms
        if share == 0.0:
            assert max(np.abs(one.plan.match.strain_a)) < 1e-9


def test_bad_input_is_refused_in_words() -> None:
    with pytest.raises(InputError, match=r"--max-strain or --max-area"):
        build_interfaces(
            LI, LICL, ONE_PAIR.model_copy(update={"max_strain": 1e-4, "max_area_angstrom2": 30})
        )
    with pytest.raises(InputError, match="the smallest has"):
        build_interfaces(
            LI, LICL, ONE_PAIR.model_copy(update={"max_atoms": 12, "max_area_angstrom2": 400.0})
        )
    with pytest.raises(InputError, match="name no plane"):
        build_interfaces(LI, LICL, ONE_PAIR.model_copy(update={"miller_a": ((0, 0, 0),)}))


def test_distinct_planes_of_cubic_hexagonal_and_triclinic_crystals() -> None:
    assert distinct_planes(LI.bulk, 1) == ((1, 0, 0), (1, 1, 0), (1, 1, 1))
    assert len(distinct_planes(build(load_phase("LiCoO2")), 1)) < 10
    assert len(distinct_planes(build(load_phase("Li6PS5Cl")), 1)) == 26


def _cross_distances(one: Candidate, which: int) -> np.ndarray:
    """Sorted distances across one interface, up to 4 Angstrom."""
    names = np.array(Regions.of(one.structure).names)
    height = one.interface_heights[which]
    period = one.structure.lattice.matrix[2, 2]
    centres, ends, _, distances = one.structure.get_neighbor_list(4.0)
    middle = (one.structure.cart_coords[centres, 2] - height + period / 2) % period - period / 2
    crossing = (names[centres] != names[ends]) & (np.abs(middle) < period / 4)
    return np.sort(distances[crossing])
