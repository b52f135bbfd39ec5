"""Each electrolyte of the project's list has a sheet of exactly its composition."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Composition, Structure

from interlith.structures.checks import check_phase
from interlith.structures.library import build, list_phases, load_phase

# As printed in the list (a few written without brackets) -> sheet.
SHEETS = {
    "Li6PS5Cl": "Li6PS5Cl-cubic",
    "Li6PS5Br": "Li6PS5Br-cubic",
    "Li6PS5I": "Li6PS5I-cubic",
    "Li5.5PS4.5Cl1.5": "Li5.5PS4.5Cl1.5",
    "Li5.7PS4.7Cl1.3": "Li5.7PS4.7Cl1.3",
    "Li6.4PS5.4Cl0.6": "Li6.4PS5.4Cl0.6",
    "Li4PS5Cl": "Li4PS5Cl",
    "Li11PS5Cl": "Li11PS5Cl",
    "Li6.3P0.9Cu0.1S4.9Cl1.1": "Li6.3P0.9Cu0.1S4.9Cl1.1",
    "Li6.25PS4.75ClN0.25": "Li6.25PS4.75ClN0.25",
    "Li6PS5Cl0.3F0.7": "Li6PS5Cl0.3F0.7",
    "Li6PS4.7O0.3Br": "Li6PS4.7O0.3Br",
    "Li6.05P0.95Mo0.05S4.9O0.1Cl": "Li6.05P0.95Mo0.05S4.9O0.1Cl",
    "Li6.04P0.98Bi0.02S4.97O0.03Cl": "Li6.04P0.98Bi0.02S4.97O0.03Cl",
    "Li6.5In0.25P0.75S5I": "Li6.5In0.25P0.75S5I",
    "Li6.2P0.8Sn0.2S5I": "Li6.2P0.8Sn0.2S5I",
    "Li6.7Si0.7Sb0.3S5I": "Li6.7Si0.7Sb0.3S5I",
    "Li5.6Cu0.2PS4.8Br1.2": "Li5.6Cu0.2PS4.8Br1.2",
    "Li6P0.925Sb0.075S5Cl": "Li6P0.925Sb0.075S5Cl",
    "Li6.6P0.4Ge0.6S5I": "Li6.6P0.4Ge0.6S5I",
    "Li6.6Ge0.6Sb0.4S5I": "Li6.6Ge0.6Sb0.4S5I",
    "Li6.8Si0.8As0.2S5I": "Li6.8Si0.8As0.2S5I",
    "Li10GeP2S12": "Li10GeP2S12",
    "Li10SnP2S12": "Li10SnP2S12",
    "Li10SiP2S12": "Li10SiP2S12",
    "Li9.54Si1.74P1.44S11.7Cl0.3": "Li9.54Si1.74P1.44S11.7Cl0.3",
    "beta-Li3PS4": "Li3PS4-beta",
    "gamma-Li3PS4": "Li3PS4-gamma",
    "Li4SnS4": "Li4SnS4",
    "Li4GeS4": "Li4GeS4",
    "Li4P2S6": "Li4P2S6",
    "Li3.25Ge0.25P0.75S4": "Li3.25Ge0.25P0.75S4",
    "cubic-Li7La3Zr2O12": "Li7La3Zr2O12-cubic",
    "tetragonal-Li7La3Zr2O12": "Li7La3Zr2O12-tetragonal",
    "Li6.5La3Zr1.5Ta0.5O12": "Li6.5La3Zr1.5Ta0.5O12",
    "Li6.25Al0.25La3Zr2O12": "Li6.25Al0.25La3Zr2O12",
    "Li7La2.75Ca0.25Zr1.75Nb0.25O12": "Li7La2.75Ca0.25Zr1.75Nb0.25O12",
    "LiTi2(PO4)3": "LiTi2P3O12",
    "Li1.3Al0.3Ti1.7(PO4)3": "Li1.3Al0.3Ti1.7P3O12",
    "LiGe2(PO4)3": "LiGe2P3O12",
    "Li1.5Al0.5Ge1.5(PO4)3": "Li1.5Al0.5Ge1.5P3O12",
    "LiZr2(PO4)3": "LiZr2P3O12",
    "Li1.15Y0.15Zr1.85(PO4)3": "Li1.15Y0.15Zr1.85P3O12",
    "Li0.33La0.56TiO3": "Li0.33La0.56TiO3",
    "Li3La5Ti9O27": "Li3La5Ti9O27",
    "Li3OCl": "Li3OCl",
    "Li2PO2N": "Li2PO2N",
    "Li2.88PO3.73N0.14": "Li2.88PO3.73N0.14",
    "Li2.98PO3.3N0.46": "Li2.98PO3.3N0.46",
    "Li3YCl6": "Li3YCl6",
    "Li3YBr6": "Li3YBr6",
    "Li3InCl6": "Li3InCl6",
    "Li2ZrCl6": "Li2ZrCl6",
    "Li3ScCl6": "Li3ScCl6",
    "Li3ErCl6": "Li3ErCl6",
    "Li3N": "Li3N",
    "LiBH4": "LiBH4",
    "Li14ZnGe4O16": "Li14ZnGe4O16",
}
# 1/3 printed with three digits.
ROUNDED = {"Li2In0.333Sc0.333Cl4": "Li2In0.333Sc0.333Cl4"}
# The list names the dopant only; the composition is an example.
EXAMPLES = {"Ga-doped garnet": "Li6.25Ga0.25La3Zr2O12", "Y on P": "Li6.2P0.9Y0.1S5Cl"}
NO_CRYSTAL = {
    "Li3PS4 glass": "a glass is not a crystal",
    "75Li2S-25P2S5 glass": "a glass is not a crystal",
    "Li7P3S11": "no coordinates found that could be trusted",
    "Li7P2S8I": "its crystal structure is not known well enough to be written down",
}
NEW = sorted({*SHEETS.values(), *ROUNDED.values(), *EXAMPLES.values()})


def same(sheet: str, formula: str, tolerance: float) -> bool:
    made = build(load_phase(sheet)).composition.fractional_composition
    bare = formula.split("-")[-1]
    return bool(made.almost_equals(Composition(bare).fractional_composition, rtol=tolerance))


@pytest.mark.parametrize(("formula", "sheet"), sorted(SHEETS.items()))
def test_there_is_a_sheet_of_exactly_this_composition(formula: str, sheet: str) -> None:
    assert same(sheet, formula, 1e-6)
    assert "electrolyte" in load_phase(sheet).roles


@pytest.mark.parametrize(("formula", "sheet"), sorted(ROUNDED.items()))
def test_a_rounded_formula_has_the_exact_form_of_it(formula: str, sheet: str) -> None:
    assert not same(sheet, formula, 1e-6)
    assert same(sheet, formula, 2e-3)


@pytest.mark.parametrize("sheet", sorted(EXAMPLES.values()))
def test_examples_say_that_they_are_examples(sheet: str) -> None:
    assert "example" in load_phase(sheet).notes


@pytest.mark.parametrize("name", sorted(NO_CRYSTAL))
def test_what_has_no_sheet_is_listed_with_a_reason(name: str) -> None:
    assert name not in list_phases()
    assert NO_CRYSTAL[name]


@pytest.mark.parametrize("sheet", NEW)
def test_sheets_are_sound_and_neutral(sheet: str) -> None:
    facts = load_phase(sheet)
    assert check_phase(facts) == []
    assert facts.oxidation_states is not None


def test_phases_to_cut_slabs_from_exist_are_ordered_and_of_the_same_composition() -> None:
    for sheet in [*NEW, "Li6PS5Cl", "Li6PS5Br", "Li6PS5I"]:
        facts = load_phase(sheet)
        if facts.builds_from is not None:
            base = load_phase(facts.builds_from)
            assert base.is_ordered
            assert Composition(base.formula) == Composition(facts.formula)
    assert load_phase("Li10GeP2S12").builds_from == "Li10GeP2S12-ordered"


def bonds(structure: Structure, centre: str, other: str, longest: float) -> np.ndarray:
    """Sorted bond lengths (Angstrom) around the first site with the element."""
    site = next(one for one in structure if centre in one.species.as_dict())
    near = structure.get_neighbors(site, longest)
    return np.sort([one.nn_distance for one in near if other in one.species.as_dict()])


@pytest.mark.parametrize(
    ("sheet", "centre", "other", "count", "low", "high"),
    [
        ("Li6PS5Cl-24g", "P", "S", 4, 1.98, 2.10),
        ("Li6PS5I-cubic", "P", "S", 4, 1.98, 2.10),
        ("Li6.6P0.4Ge0.6S5I", "P", "S", 4, 2.05, 2.25),
        ("Li10GeP2S12-ordered", "Ge", "S", 4, 2.15, 2.30),
        ("Li10GeP2S12", "Ge", "S", 4, 2.0, 2.25),
        ("Li7La3Zr2O12-cubic", "Zr", "O", 6, 2.08, 2.14),
        ("Li7La3Zr2O12-cubic", "La", "O", 8, 2.48, 2.62),
        ("LiTi2P3O12", "Ti", "O", 6, 1.85, 2.05),
        ("LiGe2P3O12", "P", "O", 4, 1.48, 1.60),
        ("Li3YCl6", "Y", "Cl", 6, 2.55, 2.70),
        ("Li2ZrCl6", "Zr", "Cl", 6, 2.40, 2.55),
        ("Li3InCl6", "In", "Cl", 6, 2.45, 2.60),
        ("Li4GeS4", "Ge", "S", 4, 2.18, 2.30),
        ("Li14ZnGe4O16", "Ge", "O", 4, 1.70, 1.82),
        ("LiBH4", "B", "H", 4, 1.15, 1.28),
        ("Li2.88PO3.73N0.14", "P", "O", 4, 1.45, 1.70),
    ],
)
def test_the_polyhedra_are_whole(
    sheet: str, centre: str, other: str, count: int, low: float, high: float
) -> None:
    found = bonds(build(load_phase(sheet)), centre, other, high + 0.15)
    assert len(found) == count
    assert low < found[0]
    assert found[-1] < high
