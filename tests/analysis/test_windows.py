"""Windows and ladders: laws on a small set, the literature on the 2015-like set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from interlith.analysis.builtin_reference import (
    DATA_FOLDER,
    load_builtin,
    reference_from_data,
)
from interlith.analysis.hull import Hull
from interlith.analysis.references import (
    ReferenceSet,
    build_reference,
    parse_formula,
)
from interlith.analysis.reservations import charges_balance
from interlith.analysis.topotactic import topotactic_window
from interlith.analysis.windows import check_range, stability_window, window_limits
from interlith.errors import FormulaError, InputError, MissingElementError

LITERATURE = json.loads(
    path.read_text()
    if (path := Path(__file__).parents[2].parent / "shared/literature/zhu2015.json").exists()
    else '{"windows": {}, "products_at_reduction": {}, "products_at_oxidation": {},'
    ' "decomposition_energy_ev_per_atom": {"0.0": {}, "5.0": {}},'
    ' "energy_above_hull_used_mev_per_atom": {}, "Li6PS5Cl_ladder_v": []}'
)


def test_binary_window_is_its_formation_energy(small: ReferenceSet) -> None:
    """Li2S oxidises at minus its formation energy per Li."""
    window = stability_window(Hull(small), "Li2S")
    assert window.reduction_potential_v == pytest.approx(0.0, abs=1e-9)
    assert window.oxidation_potential_v == pytest.approx(1.34 * 3 / 2, abs=1e-7)
    assert window.oxidation is not None
    assert window.oxidation.reaction == "Li2S -> 2 Li + S"
    assert window.reduction is None


def test_ladder_is_ordered_balanced_and_consistent_with_the_limits(small: ReferenceSet) -> None:
    window = stability_window(Hull(small), "Li6PS5Cl")
    voltages = [step.voltage_v for step in window.ladder]
    assert voltages == sorted(voltages, reverse=True)
    reductions = [s.voltage_v for s in window.ladder if s.direction == "reduction"]
    oxidations = [s.voltage_v for s in window.ladder if s.direction == "oxidation"]
    assert max(reductions) == pytest.approx(window.reduction_potential_v)
    assert min(oxidations) == pytest.approx(window.oxidation_potential_v)
    for step in window.ladder:
        held = sum(p.amount * parse_formula(p.formula).get("Li", 0) for p in step.products)
        assert held == pytest.approx(6 + step.li_change_per_formula, abs=1e-6)
    assert window.ladder[-1].reaction == "Li6PS5Cl + 8 Li -> 5 Li2S + Li3P + LiCl"


@pytest.mark.parametrize("formula", ["Li6PS5Cl", "Li3PS4", "Li3PO4", "LiCoO2", "Li2SO4", "LiCl"])
def test_two_methods_give_one_window(small: ReferenceSet, formula: str) -> None:
    """Corners of the whole line against two directional derivatives."""
    hull = Hull(small)
    window = stability_window(hull, formula)
    reduction, oxidation = window_limits(hull, hull.compound(formula))
    assert reduction == pytest.approx(window.reduction_potential_v, abs=1e-6)
    assert oxidation == pytest.approx(window.oxidation_potential_v, abs=1e-6)


def test_decomposition_energy_includes_the_energy_above_hull(small: ReferenceSet) -> None:
    """A rigid rise of the compound's energy lowers it, and leaves the window as it is."""
    raised = build_reference(
        [small.composition(i) for i in range(len(small))],
        [e + (0.2 if small.formula(i) == "Li3PS4" else 0.0) for i, e in enumerate(small.energies)],
        name="raised",
        sha256="1" * 64,
        scheme="none",
    )
    metastable = stability_window(Hull(raised), "Li3PS4", voltages_v=(2.0,))
    assert metastable.energy_above_hull_ev_per_atom > 0
    exact = Hull(raised).compound("Li3PS4")
    inside = stability_window(
        Hull(raised), "Li3PS4", voltages_v=(metastable.reduction_potential_v + 1e-3,)
    )
    assert inside.decomposition_energies[0].energy_ev_per_atom == pytest.approx(
        -exact.energy_above_hull, abs=1e-3
    )


def test_lithium_free_compound_has_no_oxidation_limit_but_a_reason(small: ReferenceSet) -> None:
    window = stability_window(Hull(small), "Co3O4")
    assert window.oxidation_potential_v is None
    assert window.reduction_potential_v > 0
    assert "no Li" in window.reason


def test_slightly_off_balance_formula_gets_the_window_of_the_balanced_one(
    small: ReferenceSet,
) -> None:
    hull = Hull(small)
    off = stability_window(hull, "Li3.02PS4")
    balanced = stability_window(hull, "Li3PS4")
    assert off.status == "diagnosis"
    assert "+0.02 Li" in off.reason
    assert off.reduction_potential_v == pytest.approx(balanced.reduction_potential_v, abs=1e-6)
    assert off.oxidation_potential_v == pytest.approx(balanced.oxidation_potential_v, abs=1e-6)


def test_compound_far_from_balance_sits_on_a_plateau(small: ReferenceSet) -> None:
    window = stability_window(Hull(small), "Li5PS4")
    assert window.status == "diagnosis"
    assert window.reduction_potential_v == window.oxidation_potential_v
    assert "plateau" in window.reason


def test_a_plateau_is_left_both_ways(small: ReferenceSet) -> None:
    """On a plateau the ladder has the step up and the step down at the same voltage."""
    window = stability_window(Hull(small), "Li5PS4")
    at_it = [s for s in window.ladder if s.voltage_v == window.oxidation_potential_v]
    assert [s.direction for s in at_it] == ["oxidation", "reduction"]
    assert at_it[0].li_change_per_formula < 0 < at_it[1].li_change_per_formula
    assert window.oxidation is not None
    assert at_it[0].reaction == window.oxidation.reaction


def test_a_balanced_formula_is_not_taken_as_rounded() -> None:
    """Li2PO2N lies 0.05 Li off a corner of the set and is charge neutral as it is written."""
    assert charges_balance(parse_formula("Li2PO2N"))
    assert charges_balance(parse_formula("Li6.3P0.9Cu0.1S4.9Cl1.1"))
    assert not charges_balance(parse_formula("Li0.33La0.56TiO3"))
    assert not charges_balance(parse_formula("Li2.99PO4"))
    whole = load_builtin("sevennet-l3i5-v1")
    kept = "Li P N2 O2 Li2O Li2O2 Li3N LiN3 Li3P Li3P7 LiP Li3PO4 P2O5".split()
    without_nitridophosphates = np.zeros(len(whole), dtype=bool)
    without_nitridophosphates[[whole.find(parse_formula(formula)) for formula in kept]] = True
    window = stability_window(Hull(whole.select(without_nitridophosphates)), "Li2PO2N")
    assert window.reduction_potential_v == window.oxidation_potential_v
    assert "charges balance" in str(window.reason)
    assert "Li2.048" not in str(window.reason)


def test_an_element_without_compounds_is_a_reservation(indium: ReferenceSet) -> None:
    """The set holds In and LiIn and no chloride of In."""
    window = stability_window(Hull(indium), "Li3InCl6")
    assert window.status == "diagnosis"
    assert "no compound of In with Cl" in str(window.reason)
    assert stability_window(Hull(indium), "Li5.5PS4.5Cl1.5").status == "ok"
    # neither Al with Zr nor S with I matters: no alloy of theirs, and two anions
    built_in = Hull(load_builtin("sevennet-l3i5-v1"))
    for formula in ("Li1.3Al0.3Zr1.7P3O12", "Li7P2S8I"):
        assert stability_window(built_in, formula).status == "ok"


def test_phases_planned_for_a_set_are_missing_ones(tmp_path: Path) -> None:
    """Of elements that the literature's list does not have: nothing else says what is absent."""
    content = json.loads((DATA_FOLDER / "sevennet-l3i5-v1.json").read_text())
    planned = [{"reduced_formula": f, "name": f, "why": "not yet"} for f in ("Li13In3", "LiC12O9")]
    (tmp_path / "own.json").write_text(json.dumps(content | {"missing": planned}))
    own = reference_from_data(tmp_path / "own.json")
    assert "Li13In3" in own.missing_phases(["Li", "In", "Cl"])
    assert "LiC12O9" not in own.missing_phases(["Li", "C", "O"])


def test_bad_input_is_refused(small: ReferenceSet) -> None:
    hull = Hull(small)
    with pytest.raises(FormulaError):
        stability_window(hull, "Li6PS5Clx")
    with pytest.raises(MissingElementError, match="Zr"):
        stability_window(hull, "Li2ZrO3")
    with pytest.raises(InputError, match="reversed"):
        stability_window(hull, "Li3PS4", voltage_range_v=(5.0, 0.0))
    with pytest.raises(InputError, match="nan V"):
        stability_window(hull, "Li3PS4", voltages_v=(float("nan"),))
    with pytest.raises(InputError, match="against Li"):
        stability_window(hull, "Li")
    assert check_range((0.0, 5.0)) == (0.0, 5.0)


def test_topotactic_limits() -> None:
    """Li1 to Li2 of host MX: energies per formula -3, -4, -6 eV for x = 1, 2, 0 give 1 and -3 V."""
    frameworks = {"LiFePO4": -3 / 7, "Li2FePO4": -4 / 8, "FePO4": 0.0, "Li2S": -1.0}
    limits = topotactic_window("LiFePO4", frameworks)
    assert limits.reduction_potential_v == pytest.approx(1.0)
    assert limits.oxidation_potential_v == pytest.approx(3.0)
    assert (limits.lithiated, limits.delithiated) == ("Li2FePO4", "FePO4")
    with pytest.raises(InputError, match="another Li content"):
        topotactic_window("LiFePO4", {"LiFePO4": -1.0})


@pytest.mark.parametrize("formula", LITERATURE["windows"])
def test_window_of_zhu_2015(hull_2015: Hull, formula: str) -> None:
    low, high = LITERATURE["windows"][formula]
    window = stability_window(hull_2015, formula)
    assert window.reduction_potential_v == pytest.approx(low, abs=0.02)
    assert window.oxidation_potential_v == pytest.approx(high, abs=0.02)


@pytest.mark.parametrize("voltage", ["0.0", "5.0"])
@pytest.mark.parametrize("formula", LITERATURE["windows"])
def test_decomposition_energy_of_zhu_2015(hull_2015: Hull, formula: str, voltage: str) -> None:
    """Where the set does not hold the compound, with the energy above hull that Zhu used."""
    above = LITERATURE["energy_above_hull_used_mev_per_atom"].get(formula, 0.0) / 1000
    window = stability_window(
        hull_2015,
        formula,
        voltages_v=(float(voltage),),
        energy_above_hull_ev_per_atom=None if hull_2015.compound(formula).phase else above,
    )
    expected = LITERATURE["decomposition_energy_ev_per_atom"][voltage][formula]
    tolerance = 0.02 if formula == "Li3La5Ti9O27" else 0.01
    assert window.decomposition_energies[0].energy_ev_per_atom == pytest.approx(
        expected, abs=tolerance
    )


@pytest.mark.parametrize("side", ["reduction", "oxidation"])
def test_products_of_zhu_2015(hull_2015: Hull, side: str) -> None:
    expected = LITERATURE[f"products_at_{side}"]
    if not expected:
        pytest.skip("the literature table is not beside the repository")
    for formula, products in expected.items():
        window = stability_window(hull_2015, formula)
        found = getattr(window, side)
        assert {p.formula for p in found.products} == set(products), formula


def test_ladder_of_zhu_2015(hull_2015: Hull) -> None:
    window = stability_window(hull_2015, "Li6PS5Cl", voltage_range_v=(0.1, 5.0))
    found = sorted(step.voltage_v for step in window.ladder)
    assert found == pytest.approx(LITERATURE["Li6PS5Cl_ladder_v"], abs=0.05)


@pytest.mark.parametrize(
    "formula", ["Li0.33La0.56TiO3", "Li2.88PO3.73N0.14", "Li9.54Si1.74P1.44S11.7Cl0.3"]
)
def test_off_stoichiometric_formulas_get_an_answer(hull_2015: Hull, formula: str) -> None:
    window = stability_window(hull_2015, formula)
    assert window.reduction_potential_v < window.oxidation_potential_v
    assert window.status == "ok" or window.reason
