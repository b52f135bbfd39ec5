"""Interface reactions: laws, known answers, equations."""

from __future__ import annotations

from itertools import pairwise

import pytest

from interlith.analysis.batch import react_pairs
from interlith.analysis.equations import coefficient, equation
from interlith.analysis.hull import Hull
from interlith.analysis.reactions import closed_reaction, open_reaction
from interlith.analysis.references import ReferenceSet, parse_formula
from interlith.errors import InputError
from interlith.records import Amount


def _amounts(**parts: float) -> list[Amount]:
    return [Amount(formula=formula, amount=amount) for formula, amount in parts.items()]


def test_argyrodite_with_its_own_product_is_exactly_zero(small: ReferenceSet) -> None:
    reaction = closed_reaction(Hull(small), "Li6PS5Cl", "LiCl")
    assert reaction.energy_ev_per_atom == 0.0
    assert reaction.reaction == "no reaction"
    assert reaction.mixing_fraction_a is None


def test_argyrodite_with_licl_is_zero_on_the_2019_set(hull_2015: Hull) -> None:
    """Though the set's Li6PS5Cl lies 83 meV/atom above the hull."""
    reaction = closed_reaction(hull_2015, "Li6PS5Cl", "LiCl")
    assert reaction.energy_ev_per_atom == 0.0
    assert reaction.endpoint_energy_above_hull.a == pytest.approx(0.0831, abs=1e-3)


@pytest.mark.parametrize(
    ("a", "b"), [("Li", "Li6PS5Cl"), ("Li3PS4", "LiCoO2"), ("Li2S", "Co3O4"), ("P2S5", "Li2O")]
)
def test_order_of_the_reactants_changes_nothing(small: ReferenceSet, a: str, b: str) -> None:
    hull = Hull(small)
    one, two = closed_reaction(hull, a, b), closed_reaction(hull, b, a)
    assert one.energy_ev_per_atom == pytest.approx(two.energy_ev_per_atom, abs=1e-9)
    assert one.mixing_fraction_a == pytest.approx(1 - two.mixing_fraction_a, abs=1e-7)


def test_kinks_are_convex_and_end_at_zero(small: ReferenceSet) -> None:
    kinks = closed_reaction(Hull(small), "Li3PS4", "LiCoO2").kinks
    assert kinks[0].energy_ev_per_atom == kinks[-1].energy_ev_per_atom == 0.0
    slopes = [
        (b.energy_ev_per_atom - a.energy_ev_per_atom) / (b.mixing_fraction_a - a.mixing_fraction_a)
        for a, b in pairwise(kinks)
    ]
    assert slopes == sorted(slopes)


def test_lithium_with_argyrodite_is_the_known_reaction(small: ReferenceSet) -> None:
    reaction = closed_reaction(Hull(small), "Li", "Li6PS5Cl")
    assert reaction.reaction == "8 Li + Li6PS5Cl -> 5 Li2S + Li3P + LiCl"


def test_interphase_grows_nine_nanometres_per_microamp_hour(small: ReferenceSet) -> None:
    volume = closed_reaction(Hull(small), "Li", "Li6PS5Cl").volume
    assert volume is not None
    assert volume.interphase_nm_per_uah_cm2 == pytest.approx(9.0, abs=0.6)
    assert volume.relative_change < 0


def test_capacity_is_the_lithium_consumed(small: ReferenceSet) -> None:
    """8 Li per Li6PS5Cl of 268.4 g/mol: 8 x 26,801 mAh / 268.4 g."""
    reaction = closed_reaction(Hull(small), "Li", "Li6PS5Cl")
    assert reaction.capacity_mah_per_g == pytest.approx(8 * 26801.4 / 268.4, rel=1e-3)
    assert closed_reaction(Hull(small), "Li3PS4", "LiCoO2").capacity_mah_per_g is None


def test_open_reaction_at_zero_volts_is_the_reduction_by_lithium(small: ReferenceSet) -> None:
    """Total at 0 V per formula equals the decomposition energy against Li metal."""
    hull = Hull(small)
    opened = open_reaction(hull, "Li3PS4", "Li2S", 0.0)
    closed = closed_reaction(hull, "Li", "Li3PS4")
    kink = min(closed.kinks, key=lambda k: k.energy_ev_per_atom)
    per_formula = kink.energy_ev_per_atom * 8 / (1 - kink.mixing_fraction_a)
    assert opened.total.per_atom.energy_ev * 8 == pytest.approx(per_formula, abs=1e-6)
    assert opened.total.per_atom.mixing_fraction_a == pytest.approx(1.0)
    assert opened.mutual.per_atom.energy_ev == 0.0


def test_open_energies_are_larger_per_atom_that_is_not_lithium(small: ReferenceSet) -> None:
    opened = open_reaction(Hull(small), "Li3PS4", "LiCoO2", 4.0)
    assert opened.mutual.per_non_lithium_atom.energy_ev < opened.mutual.per_atom.energy_ev < 0.0
    assert opened.total.per_atom.energy_ev < opened.mutual.per_atom.energy_ev
    assert "removed" in opened.mutual.label


def test_open_products_balance_with_the_lithium_given_off(small: ReferenceSet) -> None:
    opened = open_reaction(Hull(small), "Li3PS4", "LiCoO2", 4.0)
    for kink in opened.kinks:
        assert "->" in kink.reaction or kink.reaction == "no reaction"
    for element in ("P", "S", "Co", "O"):
        left = opened.mixing_fraction_a / 8 * parse_formula("Li3PS4").get(element, 0) + (
            1 - opened.mixing_fraction_a
        ) / 4 * parse_formula("LiCoO2").get(element, 0)
        right = sum(p.amount * parse_formula(p.formula).get(element, 0) for p in opened.products)
        assert right == pytest.approx(left, abs=1e-6)


def test_open_element_alone_is_no_reactant(small: ReferenceSet) -> None:
    with pytest.raises(InputError, match="open element itself"):
        open_reaction(Hull(small), "Li", "Li3PS4", 0.0)


@pytest.mark.parametrize("voltage", [-1.0, float("nan"), float("inf")])
def test_a_voltage_where_lithium_plates_is_refused(small: ReferenceSet, voltage: float) -> None:
    with pytest.raises(InputError, match="no voltage for a reaction open to Li"):
        open_reaction(Hull(small), "Li6PS5Cl", "LiCoO2", voltage)


def test_a_reaction_says_when_the_set_holds_no_compound(indium: ReferenceSet) -> None:
    closed = closed_reaction(Hull(indium), "Li3InCl6", "LiCoO2")
    opened = open_reaction(Hull(indium), "Li3InCl6", "LiCoO2", 3.0)
    rows = list(react_pairs(indium, [("Li3InCl6", "LiCoO2"), ("Li6PS5Cl", "LiCoO2")]))
    assert (closed.status, opened.status) == ("diagnosis", "diagnosis")
    for record in (closed, opened, rows[0]):
        assert "no compound of In with Cl" in str(record.reason)
    assert rows[1].reason is None


def test_many_pairs_give_what_one_does_and_keep_bad_rows(small: ReferenceSet) -> None:
    pairs = [("Li3PS4", "LiCoO2"), ("Li3PS4", "Bad("), ("Li", "Li2ZrO3"), ("Li6PS5Cl", "LiCl")]
    rows = list(react_pairs(small, pairs, workers=1))
    expected = closed_reaction(Hull(small), "Li3PS4", "LiCoO2")
    assert rows[0].energy_ev_per_atom == pytest.approx(expected.energy_ev_per_atom, abs=1e-9)
    assert {p.formula for p in rows[0].products} == {p.formula for p in expected.products}
    assert "cannot read" in rows[1].error
    assert "Zr" in rows[2].error
    assert rows[3].energy_ev_per_atom == 0.0


def test_two_processes_keep_the_order(small: ReferenceSet) -> None:
    pairs = [("Li3PS4", "LiCoO2"), ("Li", "Li6PS5Cl")] * 400
    ticks: list[int] = []
    rows = list(react_pairs(small, pairs, workers=2, progress=lambda done, _: ticks.append(done)))
    assert [(row.a, row.b) for row in rows] == pairs
    assert ticks == sorted(ticks)
    assert ticks[-1] == 800


def test_equation_cancels_and_moves_released_lithium() -> None:
    text = equation(_amounts(Li3PS4=1, Li=-3), _amounts(P2S5=0.5, S=1.5))
    assert text == "Li3PS4 -> 3 Li + 1/2 P2S5 + 3/2 S"
    assert equation(_amounts(Li2S=1), _amounts(Li2S=1)) == "no reaction"


def test_equation_cancels_other_spellings() -> None:
    assert equation(_amounts(LiOH=1), _amounts(LiHO=1)) == "no reaction"
    assert equation(_amounts(Li2S2=1, Li=2), _amounts(LiS=1, Li2S=1)) == "1/2 Li2S2 + 2 Li -> Li2S"


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, ""), (5.00001, "5 "), (0.5, "1/2 "), (2 / 3, "2/3 "), (0.1234567, "0.1235 ")],
)
def test_coefficients_are_readable(value: float, text: str) -> None:
    assert coefficient(value) == text
