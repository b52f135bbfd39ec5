"""Ordered cells are neutral, whole, reproducible and the lowest there are; the energy is exact."""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from interlith.errors import InputError
from interlith.structures.checks import closest_pair
from interlith.structures.disorder.annealing import (
    LatticeGas,
    _Walker,
    count_arrangements,
    enumerate_all,
)
from interlith.structures.disorder.ewald import coulomb_matrix
from interlith.structures.disorder.orbits import exchange, orbits_of, set_anti_sites
from interlith.structures.disorder.ordering import Effort, Ordering, order
from interlith.structures.disorder.supercells import choose_supercell
from interlith.structures.library import build, load_phase

ARGYRODITE_STATES = {"Li": 1, "P": 5, "S": -2, "Cl": -1}
SHORT = Effort(chains=2, sweeps=200)
GARNET_STATES = {"Li": 1, "La": 3, "Zr": 4, "O": -2}


def argyrodite() -> Structure:
    return _argyrodite().copy()


@cache  # from_spacegroup takes a second
def _argyrodite() -> Structure:
    sites = [[0.5] * 3, [0.6181] * 3, [0] * 3, [0.25] * 3, [0.183, 0.183, 0.024]]
    species = ["P", "S", "Cl", "S", {"Li": 0.5}]
    return Structure.from_spacegroup("F-43m", Lattice.cubic(9.86), species, sites)


@cache
def garnet() -> Structure:
    sites = [[1 / 8, 0, 1 / 4], [0] * 3, [-0.0311, 0.0546, 0.1501], [3 / 8, 0, 1 / 4]]
    sites.append([0.0959, 0.6869, 0.5747])
    species = ["La", "Zr", "O", {"Li": 13 / 24}, {"Li": 43 / 96}]
    return Structure.from_spacegroup("Ia-3d", Lattice.cubic(12.97), species, sites)


def rock_salt(cation: Any, anion: str) -> Structure:
    corners = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    sites = [*corners, *(np.array(corners) + 0.5).tolist()]
    return Structure(Lattice.cubic(5.1), [cation] * 4 + [anion] * 4, sites)


def charge(structure: Structure, states: dict[str, float]) -> float:
    return sum(states[site.specie.symbol] * 1.0 for site in structure)


def random_gas(rng: np.random.Generator) -> LatticeGas:
    """Two orbits that exchange species 1 and vacancies, and one that does not."""
    n = 14
    coulomb = coulomb_matrix(np.diag([5.0, 6.0, 7.0]), rng.random((n, 3)))
    contact = np.triu(rng.random((n, n)) > 0.8, 1) * 7.0
    movable = np.zeros((3, 4), dtype=bool)
    movable[:2, :2] = True
    return LatticeGas(
        charges=np.array([0.0, 1.0, 3.0, -2.0]),
        coulomb=coulomb,
        contact=contact + contact.T,
        orbit=np.array([0] * 5 + [1] * 5 + [2] * 4),
        start=np.array([1, 0, 2, 0, 1, 0, 1, 0, 0, 1, 3, 3, 2, 2]),
        movable=movable,
    )


def test_the_coulomb_matrix_gives_the_madelung_constant_of_rock_salt() -> None:
    salt = rock_salt("Na", "Cl")
    q = np.where([site.specie.symbol == "Na" for site in salt], 1.0, -1.0)
    energy = 0.5 * q @ coulomb_matrix(salt.lattice.matrix, salt.frac_coords) @ q
    madelung = -energy / 4 * (5.1 / 2) / 14.3996454784
    assert madelung == pytest.approx(1.7475645946, rel=1e-8)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_coulomb_matrix_is_the_energy_of_pymatgens_sum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lattice = Lattice.from_parameters(6 + rng.random(), 9, 7, *(75 + 40 * rng.random(3)))
    structure = Structure(lattice, ["Li", "Mg", "O", "F", "Al", "N"], rng.random((6, 3)))
    q = np.array([1.0, 2.0, -2.0, -1.0, 3.0, -3.0])
    structure.add_oxidation_state_by_site(q.tolist())
    theirs = EwaldSummation(structure, acc_factor=14).total_energy
    matrix = coulomb_matrix(lattice.matrix, structure.frac_coords)
    assert 0.5 * q @ matrix @ q == pytest.approx(theirs, rel=1e-6)
    assert np.allclose(matrix, matrix.T)


def test_doubling_the_cell_doubles_the_energy_and_a_rigid_shift_changes_nothing() -> None:
    cell = np.diag([4.0, 5.0, 6.0])
    positions, q = np.array([[0.1, 0.2, 0.3], [0.6, 0.7, 0.55]]), np.array([1.0, -1.0])
    once = q @ coulomb_matrix(cell, positions) @ q
    moved = q @ coulomb_matrix(cell, positions + np.array([0.31, 0.77, 0.11])) @ q
    both = np.concatenate([positions, positions + np.array([1.0, 0, 0])]) / [2.0, 1, 1]
    q_both = np.concatenate([q, q])
    twice = q_both @ coulomb_matrix(cell * [[2.0], [1], [1]], both) @ q_both
    assert (moved, twice) == (pytest.approx(once, rel=1e-8), pytest.approx(2 * once, rel=1e-8))


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_the_change_of_a_swap_is_the_difference_of_the_energies(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gas = random_gas(rng)
    state = gas.start.copy()
    walker = _Walker(gas, (np.zeros(14), np.zeros(14)), state)
    allowed = gas.allowed(state)
    changes = gas.swap_energies(state)
    for first in range(14):
        for second in range(14):
            assert walker.differ(first, second) == allowed[first, second]
            if allowed[first, second]:
                other = state.copy()
                other[[first, second]] = other[[second, first]]
                before, after = gas.energies(np.array([state, other]))
                assert changes[first, second] == pytest.approx(after - before, abs=1e-8)
                assert walker.change(first, second) == pytest.approx(after - before, abs=1e-8)


def test_energies_kept_up_to_date_over_many_swaps_stay_right() -> None:
    rng = np.random.default_rng(3)
    gas = random_gas(rng)
    walker = _Walker(gas, (np.zeros(14), np.zeros(14)), gas.start)
    total = float(gas.energies(gas.start[None])[0])
    for first, second in rng.integers(0, 14, (500, 2)).tolist():
        if walker.differ(first, second):
            total += walker.change(first, second)
            walker.swap(first, second)
    assert total == pytest.approx(float(gas.energies(np.array(walker.state)[None])[0]), abs=1e-7)
    assert Counter(walker.state) == Counter(gas.start.tolist())


def test_enumeration_counts_every_arrangement_once() -> None:
    gas = random_gas(np.random.default_rng(0))
    # one species 2 on orbit 0, then four species 1 on the nine sites left, two of each on orbit 2
    expected = math.comb(5, 1) * math.comb(9, 4) * math.comb(4, 2)
    assert count_arrangements(gas) == expected
    assert enumerate_all(gas, 3).n_considered == expected


@pytest.mark.parametrize(
    ("structure", "states", "options"),
    [
        (argyrodite(), ARGYRODITE_STATES, {"max_atoms": 13}),
        (
            rock_salt({"Li": 0.5, "Mg": 0.25}, "O"),
            {"Li": 2, "Mg": 4, "O": -2},
            {"max_atoms": 14, "keep_axes": True},
        ),
        (
            rock_salt({"Li": 0.5, "Ti": 0.5}, "O"),
            {"Li": 1, "Ti": 3, "O": -2},
            {"max_atoms": 16},
        ),
    ],
)
def test_annealing_finds_the_minimum_of_the_enumeration(
    structure: Structure, states: dict[str, float], options: dict[str, Any]
) -> None:
    all_of_them = order(structure, states, **options)
    annealed = order(structure, states, effort=Effort(max_enumerated=0), **options)
    assert (all_of_them.method, annealed.method) == ("enumeration", "annealing")
    lowest = all_of_them.best.ewald_ev_per_atom
    assert annealed.best.ewald_ev_per_atom == pytest.approx(lowest, abs=1e-9)


def cage_centres_with_chlorine(structure: Structure) -> int:
    """Chlorine on the sites at (1/4, 1/4, 1/4) and what the face centring makes of it."""
    places = structure.lattice.matrix @ np.linalg.inv(9.86 * np.eye(3))
    found = 0
    for site in structure:
        xyz = (site.frac_coords @ places * 4) % 4
        found += site.specie.symbol == "Cl" and bool(np.allclose(xyz % 2, 1, atol=1e-3))
    return found


@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.5, 1.0])
def test_an_argyrodite_has_the_anti_site_degree_asked_for(fraction: float) -> None:
    options: dict[str, Any] = {"keep_axes": True, "count": 2, "effort": SHORT}
    found = order(argyrodite(), ARGYRODITE_STATES, anti_site=fraction, **options)
    for cell in found.cells:
        assert len(cell.structure) == 52
        assert cage_centres_with_chlorine(cell.structure) == 4 * fraction
        assert charge(cell.structure, ARGYRODITE_STATES) == 0
        assert closest_pair(cell.structure)[0] > 0.7
        assert cell.close_pairs == 0
    assert (found.composition_error, found.misplaced) == (pytest.approx(0), 0)
    assert found.formula_made == "P4S20Cl4Li24"


@pytest.mark.parametrize(("fraction", "atoms"), [(0.0, 13), (0.25, 52), (0.5, 26)])
def test_the_smallest_cell_that_holds_the_anti_site_degree_is_taken(
    fraction: float, atoms: int
) -> None:
    found = order(argyrodite(), ARGYRODITE_STATES, anti_site=fraction, count=1, effort=SHORT)
    assert len(found.best.structure) == atoms
    change = np.array(found.supercell)
    assert np.allclose(change @ argyrodite().lattice.matrix, found.best.structure.lattice.matrix)
    assert np.linalg.det(change) == pytest.approx(atoms / 52)


def test_a_degree_that_needs_rounding_says_by_how_much() -> None:
    options: dict[str, Any] = {"anti_site": 0.3, "max_atoms": 60, "count": 1, "effort": SHORT}
    found = order(argyrodite(), ARGYRODITE_STATES, **options)
    assert found.composition_error == pytest.approx(0)
    assert len(found.best.structure) == 39  # one of three cage centres is nearer than one of four
    assert found.misplaced == pytest.approx(0.1 / 39)
    along = order(argyrodite(), ARGYRODITE_STATES, keep_axes=True, **options)
    assert along.misplaced == pytest.approx(0.2 / 52)
    assert (found.anti_site, along.anti_site) == (pytest.approx(1 / 3), 0.25)


def test_a_degree_asked_for_weighs_in_the_choice_of_the_cell() -> None:
    options: dict[str, Any] = {"anti_site": 0.1, "count": 1, "effort": Effort(chains=1, sweeps=5)}
    small = order(argyrodite(), ARGYRODITE_STATES, max_atoms=60, **options)
    assert small.anti_site == 0
    assert small.misplaced == pytest.approx(0.1 / 13)
    large = order(argyrodite(), ARGYRODITE_STATES, max_atoms=200, **options)
    assert len(large.best.structure) == 130  # one of ten cage centres, not one of eight
    assert large.anti_site == pytest.approx(0.1)
    assert order(argyrodite(), ARGYRODITE_STATES, count=1, effort=SHORT).anti_site is None


def test_cubic_garnet_is_ordered_in_its_primitive_cell() -> None:
    found = order(garnet(), GARNET_STATES, effort=Effort(chains=4, sweeps=500))
    assert found.formula_made == "La12Zr8O48Li28"
    assert found.composition_error == pytest.approx(0)
    for cell in found.cells:
        assert charge(cell.structure, GARNET_STATES) == 0
        assert cell.close_pairs == 0
        assert closest_pair(cell.structure)[0] > 0.7
    matcher = StructureMatcher(scale=False, primitive_cell=False, ltol=0.02, stol=0.03)
    first, second = (cell.structure for cell in found.cells[:2])
    assert not matcher.fit(first, second)


@pytest.mark.slow
def test_a_conventional_garnet_cell_fits_into_two_hundred_atoms() -> None:
    found = order(garnet(), GARNET_STATES, keep_axes=True)
    assert len(found.best.structure) == 192
    assert found.best.close_pairs == 0
    assert found.supercell == ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def test_two_calls_give_the_same_atoms_in_the_same_order() -> None:
    def run(seed: int) -> Ordering:
        effort = Effort(chains=2, sweeps=100)
        return order(argyrodite(), ARGYRODITE_STATES, anti_site=0.25, seed=seed, effort=effort)

    once, twice, other = run(5), run(5), run(6)
    for one, same in zip(once.cells, twice.cells, strict=True):
        assert [s.symbol for s in one.structure.species] == [
            s.symbol for s in same.structure.species
        ]
        assert np.array_equal(one.structure.frac_coords, same.structure.frac_coords)
        assert one.ewald_ev_per_atom == same.ewald_ev_per_atom
    assert any(
        not np.array_equal(one.structure.frac_coords, same.structure.frac_coords)
        for one, same in zip(once.cells, other.cells, strict=True)
    )


def test_the_cells_energy_is_pymatgens() -> None:
    cell = order(argyrodite(), ARGYRODITE_STATES, count=1).best
    decorated = cell.structure.copy()
    decorated.add_oxidation_state_by_element(ARGYRODITE_STATES)
    theirs = EwaldSummation(decorated, acc_factor=14).total_energy / len(decorated)
    assert cell.ewald_ev_per_atom == pytest.approx(theirs, rel=1e-6)


def test_ions_of_one_charge_give_distinct_cells_though_their_electrostatics_are_equal() -> None:
    mixed = rock_salt({"Ni": 0.5, "Mg": 0.5}, "O")
    mixed.make_supercell([2, 1, 1])
    states = {"Ni": 2, "Mg": 2, "O": -2}
    found = order(mixed, states, max_atoms=16, keep_axes=True, count=4)
    assert len(found.cells) > 1
    assert np.ptp([cell.ewald_ev_per_atom for cell in found.cells]) < 1e-9
    matcher = StructureMatcher(scale=False, primitive_cell=False)
    structures = [cell.structure for cell in found.cells]
    for index, one in enumerate(structures):
        assert not any(matcher.fit(one, other) for other in structures[:index])


def test_the_callers_energy_ranks_and_its_relaxation_replaces_the_cells() -> None:
    seen: list[int] = []

    def energy(structure: Structure) -> float:
        seen.append(len(structure))
        lithium = [site.coords for site in structure if site.specie.symbol == "Li"]
        return float(np.sum(lithium))

    def relax(structure: Structure) -> tuple[Structure, float]:
        return structure.copy(), -energy(structure)

    ranked = order(argyrodite(), ARGYRODITE_STATES, energy=energy, count=3, candidates=8)
    energies = [cell.energy_ev_per_atom for cell in ranked.cells]
    assert len(seen) == 8
    assert energies == sorted(energies)
    relaxed = order(argyrodite(), ARGYRODITE_STATES, energy=energy, relax=relax, count=3)
    assert all(cell.relaxed for cell in relaxed.cells)
    values = [cell.energy_ev_per_atom for cell in relaxed.cells]
    assert values == sorted(values)


def test_an_ordered_structure_comes_back_as_it_is() -> None:
    salt = rock_salt("Li", "Cl")
    found = order(salt, {"Li": 1, "Cl": -1})
    assert (found.method, len(found.cells)) == ("ordered already", 1)
    assert found.best.structure == salt
    assert found.composition_error == 0


def test_printed_formulas_that_are_not_quite_neutral_become_neutral() -> None:
    sites = [[0.5] * 3, [0] * 3, [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]
    species = [{"Li": 0.33, "La": 0.56}, "Ti", "O", "O", "O"]
    perovskite = Structure(Lattice.cubic(3.87), species, sites)
    states = {"Li": 1, "La": 3, "Ti": 4, "O": -2}
    found = order(perovskite, states, formula="Li0.33La0.56TiO3", effort=Effort(2, 200), count=1)
    assert found.formula_made == "Li3La5Ti9O27"
    assert found.composition_error < 1e-3
    assert charge(found.best.structure, states) == 0


@settings(max_examples=12)
@given(
    lithium=st.floats(0.05, 0.95),
    magnesium=st.floats(0.05, 0.9),
    budget=st.integers(6, 30),
    seed=st.integers(0, 3),
)
def test_whatever_comes_back_is_neutral_and_within_the_budget(
    lithium: float, magnesium: float, budget: int, seed: int
) -> None:
    total = max(lithium + magnesium, 1.0)
    mixed = rock_salt({"Li": lithium / total, "Mg": magnesium / total}, "O")
    states = {"Li": 1.0, "Mg": 3.0, "O": -2.0}
    options: dict[str, Any] = {"max_atoms": budget, "seed": seed, "count": 2}
    try:
        found = order(mixed, states, effort=Effort(1, 10, 500), **options)
    except InputError:
        return  # what it says is tested below
    for cell in found.cells:
        amounts = cell.structure.composition.get_el_amt_dict()
        assert charge(cell.structure, states) == 0
        assert len(cell.structure) <= budget
        assert amounts["Li"] + amounts["Mg"] <= amounts["O"]
        fractions = {e: x / len(cell.structure) for e, x in amounts.items()}
        asked = mixed.composition.get_el_amt_dict()
        error = max(abs(fractions[e] - asked[e] / sum(asked.values())) for e in asked)
        assert error == pytest.approx(found.composition_error, abs=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 12])
def test_supercells_have_the_volume_and_are_compact(size: int) -> None:
    base = 9.86 / 2 * (np.ones((3, 3)) - np.eye(3))
    given_cell = 9.86 * np.eye(3)
    cell = choose_supercell(given_cell, base, size)
    assert np.allclose(cell, np.round(cell))
    assert np.linalg.det(cell) == pytest.approx(size)
    lengths = np.linalg.norm(cell @ base, axis=1)
    assert lengths.max() / lengths.min() < 3.1


def test_a_cell_along_the_given_axes_is_preferred() -> None:
    base = 9.86 / 2 * (np.ones((3, 3)) - np.eye(3))
    assert np.allclose(choose_supercell(9.86 * np.eye(3), base, 4) @ base, 9.86 * np.eye(3))


def test_exchange_keeps_the_composition_and_changes_the_two_orbits_only() -> None:
    before = argyrodite()
    after = exchange(before, "S", "Cl", 0.25)
    assert after.composition.almost_equals(before.composition)
    held = [dict(orbit.occupants) for orbit in orbits_of(after)]
    assert {"S": 0.75, "Cl": 0.25} in held
    assert {"Cl": 0.75, "S": 0.25} in held
    again = set_anti_sites(after, 0.0)
    assert again.composition.almost_equals(before.composition)
    assert sum(orbit.is_ordered for orbit in orbits_of(again)) == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"oxidation_states": {"Li": 1, "P": 5, "S": -2}}, "no oxidation state for Cl"),
        ({"oxidation_states": None}, "no oxidation state"),
        ({"oxidation_states": ARGYRODITE_STATES | {"Cl": math.nan}}, "no number"),
        ({"max_atoms": 10}, "raise max_atoms"),
        ({"max_atoms": 0}, "max_atoms=0"),
        ({"count": 0}, "count=0"),
        ({"seed": -1}, "seed=-1"),
        ({"anti_site": 1.2}, "between 0 and 1"),
        ({"anti_site": -0.1}, "between 0 and 1"),
        ({"oxidation_states": {"Li": 1, "P": 5, "S": -2, "Cl": 2}}, "correct one of them"),
        ({"oxidation_states": {"Li": -1, "P": 5, "S": 2, "Cl": 1}}, "correct one of them"),
        ({"formula": "Li6PS5Clx"}, "formula"),
    ],
)
def test_bad_input_is_told_what_is_wrong(change: dict[str, Any], words: str) -> None:
    options = {"oxidation_states": ARGYRODITE_STATES} | change
    with pytest.raises(InputError, match=words):
        order(argyrodite(), options.pop("oxidation_states"), **options)


def test_the_budget_that_the_message_names_works() -> None:
    mixed = exchange(argyrodite(), "S", "Cl", 0.5)
    with pytest.raises(InputError, match="has 13 atoms") as caught:
        order(mixed, ARGYRODITE_STATES, max_atoms=12)
    (budget,) = re.findall(r"has (\d+) atoms", str(caught.value))
    assert order(mixed, ARGYRODITE_STATES, max_atoms=int(budget)).cells
    with pytest.raises(InputError, match="has 96 atoms"):
        order(garnet(), GARNET_STATES, max_atoms=50)


@pytest.mark.parametrize("halogen", ["Cl", "Br", "I"])
@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.5])
def test_the_librarys_argyrodites_take_any_anti_site_degree(halogen: str, fraction: float) -> None:
    before = build(load_phase(f"Li6PS5{halogen}-cubic"))
    after = set_anti_sites(before, fraction)
    assert after.composition.almost_equals(before.composition)
    place = [0.25, 0.25, 0.25]
    (cage,) = [site for site in after if np.allclose(site.frac_coords % 1, place, atol=1e-3)]
    assert cage.species.get_el_amt_dict().get(halogen, 0.0) == pytest.approx(fraction)


def test_alloys_need_no_charges_and_decorated_structures_bring_theirs() -> None:
    alloy = order(rock_salt({"Li": 0.75, "Mg": 0.25}, "Ag"), None, count=2)
    assert alloy.best.ewald_ev_per_atom == 0
    mixed = rock_salt({"Li": 0.5, "Na": 0.5}, "Cl")
    mixed.add_oxidation_state_by_element({"Li": 1, "Na": 1, "Cl": -1})
    found = order(mixed, None, max_atoms=8)
    assert found.formula_made == "Li1Na1Cl2"
    assert {str(kind) for kind in found.best.structure.species} == {"Li", "Na", "Cl"}


def test_the_structure_given_is_left_as_it_is() -> None:
    given_one = argyrodite()
    order(given_one, ARGYRODITE_STATES, anti_site=0.5, effort=SHORT)
    assert given_one == argyrodite()


def test_a_charged_ordered_structure_and_anti_sites_elsewhere_are_refused() -> None:
    with pytest.raises(InputError, match="no disorder"):
        order(rock_salt("Li", "O"), {"Li": 1, "O": -2})
    with pytest.raises(InputError, match="more than"):
        order(rock_salt("Li", "Cl"), {"Li": 1, "Cl": -1}, max_atoms=4)
    with pytest.raises(InputError, match="one halogen"):
        order(rock_salt({"Li": 0.5, "Na": 0.5}, "Cl"), {"Li": 1, "Na": 1, "Cl": -1}, anti_site=0.1)
    few = set_anti_sites(argyrodite(), 0.0)
    few.replace_species({"Cl": {"Cl": 0.5, "Br": 0.5}})
    with pytest.raises(InputError, match=r"it allows 0 to 0\.5"):
        exchange(few, "S", "Br", 0.9)
