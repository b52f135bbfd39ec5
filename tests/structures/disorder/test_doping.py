"""Formulas go onto the sites of a host, neutral, and become whole atoms within a budget."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition, Lattice, Structure

from interlith.errors import FormulaError, InputError
from interlith.structures.checks import closest_pair
from interlith.structures.disorder.doping import Doped, dope
from interlith.structures.disorder.orbits import orbits_of
from interlith.structures.disorder.ordering import Effort, Ordering, order
from interlith.structures.library import build, load_phase

SHORT = Effort(chains=2, sweeps=200)
SULFIDE = {"Li": 1, "P": 5, "S": -2, "Cl": -1}
GARNET = {"Li": 1, "La": 3, "Zr": 4, "O": -2}


def argyrodite() -> Structure:
    return _argyrodite().copy()


@cache  # from_spacegroup takes a second
def _argyrodite() -> Structure:
    sites = [[0.5] * 3, [0.6181] * 3, [0] * 3, [0.25] * 3, [0.183, 0.183, 0.024]]
    species = ["P", "S", "Cl", "S", {"Li": 0.5}]
    return Structure.from_spacegroup("F-43m", Lattice.cubic(9.86), species, sites)


def placed(doped: Doped) -> dict[tuple[str, str], float]:
    return {(one.element, one.replaces): round(one.occupancy, 4) for one in doped.placements}


def made(doped: Doped, **options: Any) -> Ordering:
    options = {"count": 1, "effort": SHORT} | options
    return order(doped.structure, doped.oxidation_states, formula=doped.formula, **options)


def fractions(composition: Composition) -> dict[str, float]:
    return {str(e): x / composition.num_atoms for e, x in composition.items()}


@pytest.mark.parametrize(
    ("formula", "expected", "states"),
    [
        ("Li6PS5I", {("I", "Cl"): 1.0}, {"I": -1}),
        ("Li6.2P0.8Sn0.2S5I", {("Sn", "P"): 0.2, ("I", "Cl"): 1.0}, {"Sn": 4}),
        ("Li6.5In0.25P0.75S5I", {("In", "P"): 0.25, ("I", "Cl"): 1.0}, {"In": 3}),
        (
            "Li6.7Si0.7Sb0.3S5I",
            {("Si", "P"): 0.7, ("Sb", "P"): 0.3, ("I", "Cl"): 1.0},
            {"Si": 4, "Sb": 5},
        ),
        ("Li6.3P0.9Cu0.1S4.9Cl1.1", {("Cu", "P"): 0.1, ("Cl", "S"): 0.1}, {"Cu": 1}),
        (
            "Li5.6Cu0.2PS4.8Br1.2",
            {("Br", "Cl"): 1.0, ("Br", "S"): 0.2, ("Cu", "Li"): 0.0167},
            {"Cu": 1},
        ),
        ("Li5.5PS4.5Cl1.5", {("Cl", "S"): 0.5}, {}),
        ("Li6.4PS5.4Cl0.6", {("S", "Cl"): 0.4}, {}),
        ("Li6.25PS4.75ClN0.25", {("N", "S"): 0.25}, {"N": -3}),
        ("Li6PS5Cl0.3F0.7", {("F", "Cl"): 0.7}, {"F": -1}),
        ("Li6.05P0.95Mo0.05S4.9O0.1Cl", {("Mo", "P"): 0.05, ("O", "S"): 0.1}, {"Mo": 4}),
    ],
)
def test_dopants_find_their_sites_in_an_argyrodite(
    formula: str, expected: dict[tuple[str, str], float], states: dict[str, float]
) -> None:
    doped = dope(argyrodite(), formula, SULFIDE)
    assert placed(doped) == expected
    assert {e: doped.oxidation_states[e] for e in states} == states
    assert doped.composition_error == pytest.approx(0, abs=1e-9)
    assert doped.notes == ()
    bonded = [o for o in orbits_of(doped.structure) if len(o.sites) == 16]
    assert [o.occupants for o in bonded] == [{"S": 1.0}]  # PS4 keeps its sulfur


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("Li6.25Al0.25La3Zr2O12", {("Al", "Li"): 0.0833}),
        ("Li6.25Ga0.25La3Zr2O12", {("Ga", "Li"): 0.0833}),
        ("Li6.5La3Zr1.5Ta0.5O12", {("Ta", "Zr"): 0.25}),
        ("Li7La2.75Ca0.25Zr1.75Nb0.25O12", {("Ca", "La"): 0.0833, ("Nb", "Zr"): 0.125}),
    ],
)
def test_dopants_find_their_sites_in_a_garnet(
    formula: str, expected: dict[tuple[str, str], float]
) -> None:
    doped = dope(load_phase("Li7La3Zr2O12-cubic"), formula)
    assert placed(doped) == expected
    found = made(doped)
    assert found.composition_error == pytest.approx(0, abs=1e-9)
    assert len(found.best.structure) <= 96
    assert closest_pair(found.best.structure)[0] > 0.7
    aluminium = [one.n_sites for one in doped.placements if one.element in ("Al", "Ga")]
    assert aluminium in ([], [24])  # the tetrahedral site


@pytest.mark.parametrize(
    ("formula", "made_of"),
    [
        ("Li6.2P0.8Sn0.2S5I", {"Li": 31, "P": 4, "Sn": 1, "S": 25, "I": 5}),
        ("Li6.5In0.25P0.75S5I", {"Li": 26, "P": 3, "In": 1, "S": 20, "I": 4}),
        ("Li5.5PS4.5Cl1.5", {"Li": 11, "P": 2, "S": 9, "Cl": 3}),
    ],
)
def test_the_smallest_cell_with_whole_atoms_is_taken(formula: str, made_of: dict[str, int]) -> None:
    found = made(dope(argyrodite(), formula, SULFIDE))
    assert found.best.structure.composition.get_el_amt_dict() == made_of
    assert found.composition_error == pytest.approx(0, abs=1e-9)


def test_a_dopant_too_dilute_for_the_budget_stays_in_and_the_error_is_told() -> None:
    doped = dope(argyrodite(), "Li6.04P0.98Bi0.02S4.97O0.03Cl", SULFIDE)
    found = made(doped, max_atoms=60)
    amounts = fractions(found.best.structure.composition)
    asked = fractions(Composition(doped.formula))
    assert amounts["Bi"] > 0
    assert amounts["O"] > 0
    error = max(abs(amounts[e] - asked[e]) for e in asked)
    assert found.composition_error == pytest.approx(error, abs=1e-9)
    assert 0.01 < error < 0.03


def lgps() -> Structure:
    """The host Li10GeP2S12 with its tetrahedra: four mixed and two of phosphorus."""
    return build(load_phase("Li10GeP2S12"))


def test_the_best_conductor_comes_within_two_hundred_atoms_with_its_error() -> None:
    states = {"Li": 1, "Ge": 4, "P": 5, "S": -2}
    doped = dope(lgps(), "Li9.54Si1.74P1.44S11.7Cl0.3", states)
    # 3.18 Si and P for three tetrahedra: the rest has no place, which is said
    assert any("no sites" in note for note in doped.notes)
    assert 0.01 < doped.composition_error < 0.03
    found = made(doped)
    assert len(found.best.structure) <= 200
    assert found.composition_error < doped.composition_error
    charge = sum(
        doped.oxidation_states[e] * x
        for e, x in found.best.structure.composition.get_el_amt_dict().items()
    )
    assert charge == 0


@pytest.mark.parametrize(
    ("name", "atoms", "error"),
    [
        ("Li7La3Zr2O12-cubic", 96, 1e-6),
        ("Li1.3Al0.3Ti1.7P3O12", 183, 1e-6),
        ("Li0.33La0.56TiO3", 176, 1e-3),
        ("Li9.54Si1.74P1.44S11.7Cl0.3", 200, 4e-3),
    ],
)
def test_disordered_sheets_of_the_library_become_whole(name: str, atoms: int, error: float) -> None:
    facts = load_phase(name)
    found = order(build(facts), facts.oxidation_states, count=1, effort=SHORT)
    assert len(found.best.structure) <= atoms
    assert found.composition_error <= error
    assert found.best.close_pairs == 0
    assert closest_pair(found.best.structure)[0] > 0.7
    amounts = found.best.structure.composition.get_el_amt_dict()
    assert sum((facts.oxidation_states or {})[e] * x for e, x in amounts.items()) == 0


def test_tetragonal_garnet_is_ordered_already_and_takes_dopants_that_leave_lithium_out() -> None:
    facts = load_phase("Li7La3Zr2O12-tetragonal")
    assert order(build(facts), facts.oxidation_states).method == "ordered already"
    doped = dope(facts, "Li6.25Al0.25La3Zr2O12")
    assert doped.composition_error == pytest.approx(0, abs=1e-9)
    with pytest.raises(InputError, match="partly occupied Li sites"):
        dope(facts, "Li7.5La3Zr1.5In0.5O12", {"In": 3})


def test_a_host_without_anions_sets_no_scale() -> None:
    metal = Structure(Lattice.cubic(3.5), ["Li"], [[0, 0, 0]])
    with pytest.raises(InputError, match="must both have anions"):
        dope(metal, "LiCl", SULFIDE)


def test_the_user_may_say_what_is_replaced() -> None:
    free = dope(argyrodite(), "Li6PS4.7O0.3Br", SULFIDE)
    assert ("O", "S") in placed(free)
    on_lithium = dope(argyrodite(), "Li5.8Mg0.1PS5Cl", SULFIDE, sites={"Mg": "Li"})
    assert placed(on_lithium) == {("Mg", "Li"): pytest.approx(0.1 / 12, abs=1e-4)}
    with pytest.raises(InputError, match="name an element of each"):
        dope(argyrodite(), "Li6.2P0.8Sn0.2S5I", SULFIDE, sites={"Sn": "Zr"})
    with pytest.raises(InputError, match="name an element of each"):
        dope(argyrodite(), "Li6.2P0.8Sn0.2S5I", SULFIDE, sites={"Ge": "P"})


@settings(max_examples=20)
@given(tin=st.floats(0.01, 0.6), chlorine=st.floats(0.7, 1.5))
def test_every_neutral_formula_within_the_sites_is_met_and_neutral(
    tin: float, chlorine: float
) -> None:
    lithium = 7 + tin - chlorine
    formula = f"Li{lithium:.6f}P{1 - tin:.6f}Sn{tin:.6f}S{6 - chlorine:.6f}Cl{chlorine:.6f}"
    doped = dope(argyrodite(), formula, SULFIDE)
    amounts = doped.structure.composition.get_el_amt_dict()
    charge = sum(doped.oxidation_states[e] * x for e, x in amounts.items())
    assert charge == pytest.approx(0, abs=1e-6)
    assert doped.composition_error < 1e-5
    assert all(site.species.num_atoms <= 1 + 1e-9 for site in doped.structure)


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("Li6PS5", "not neutral"),
        ("Li11PS5Cl", "not neutral"),
        ("LiCl", "no doped variant"),
        ("Li3PO4", "does not go onto the sites|no doped variant"),
        ("Li2Mg", "not neutral"),
    ],
)
def test_formulas_that_do_not_fit_are_refused(formula: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        dope(argyrodite(), formula, SULFIDE)


@pytest.mark.parametrize("formula", ["", "Li6PS5Xx", "123", "Li(", "Li-6PS5Cl"])
def test_what_is_no_formula_is_refused(formula: str) -> None:
    with pytest.raises(FormulaError):
        dope(argyrodite(), formula, SULFIDE)
