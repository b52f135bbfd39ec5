"""Interphase classes: the table's sanity, the rule's laws, the literature on the 2015-like set."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlith.analysis.electronic_character import (
    ComputedGap,
    electronic_character,
    passivation_hint,
    table_rows,
)
from interlith.analysis.hull import Hull
from interlith.analysis.interphase import (
    PERCOLATES_FROM,
    classify_interphase,
    interphase,
)
from interlith.analysis.references import ReferenceSet, parse_formula
from interlith.errors import InputError
from interlith.records import Amount

LISTED = (
    "Li2S Li3P LiP Li3P7 LiP7 P LiCl LiBr LiI Li2O Li2O2 Li3N Li3PO4 Li4P2O7 P2S5 P2S7 P4S9 "
    "GeS2 Ge S Li2SO4 Li2CO3 LiOH LiH H2S PH3 NH3 SO2 In2S3 FeS Fe2P Li2FeP2O7 CoS CoS2 Co9S8 "
    "CoP Co3O4 CoO Ni3S2 NiS2 NiO MnS MnO Zr Zr3O La2O3 La2Zr2O7 Li6Zr2O7 TiO2 La2Ti2O7 Ti3P "
    "TiAl AlPO4 TiP2O7 PCl3 Nb2O5 LiNb3O8 LiPN2 P3N5 PON"
).split()


def amounts(**units: float) -> list[Amount]:
    return [Amount(formula=formula, amount=n) for formula, n in units.items()]


def test_table_has_no_duplicates_and_every_formula_parses() -> None:
    keys = []
    for row in table_rows():
        composition = parse_formula(row.formula)
        atoms = sum(composition.values())
        keys.append(frozenset((e, round(n / atoms, 6)) for e, n in composition.items()))
    assert len(keys) == len(set(keys))


def test_every_row_has_a_source_and_a_sensible_gap() -> None:
    for row in table_rows():
        assert row.source
        if row.character in ("metal", "alloy"):
            assert row.gap_ev is None, row.formula
        if row.character == "insulator" and row.gap_ev is not None:
            assert row.gap_ev >= 2.8, row.formula
        if row.character == "semiconductor" and row.gap_ev is not None:
            assert 0.0 < row.gap_ev < 3.0, row.formula


@pytest.mark.parametrize("formula", LISTED)
def test_listed_interphase_phases_are_known(formula: str) -> None:
    assert electronic_character(formula).character != "unknown"


def test_spelling_does_not_matter() -> None:
    assert electronic_character("SLi2").character == electronic_character("Li2S").character
    assert electronic_character("H3N").character == electronic_character("NH3").character


def test_rule_knows_alloys_and_leaves_the_rest_unknown() -> None:
    assert electronic_character("Li22Zn7").character == "alloy"
    assert electronic_character("W").character == "metal"
    assert electronic_character("CsPbS9").character == "unknown"


def test_class_depends_on_shares_not_on_amounts() -> None:
    few = classify_interphase(amounts(Li2S=12, Li3P=2, Li15Ge4=0.25))
    many = classify_interphase(amounts(Li2S=120, Li3P=20, Li15Ge4=2.5))
    assert (few.interphase_class, few.reason) == (many.interphase_class, many.reason)
    assert few.interphase_class == "mixed-conducting"
    assert sum(p.atomic_fraction for p in few.products) == pytest.approx(1.0)
    assert "Li15Ge4" in few.reason


def test_traces_of_metal_do_not_connect() -> None:
    trace = 3.0 * PERCOLATES_FROM  # of 3 atoms of Li2S
    below = classify_interphase(amounts(Li2S=1, Zr=0.5 * trace))
    above = classify_interphase(amounts(Li2S=1, Zr=2.0 * trace))
    assert (below.interphase_class, above.interphase_class) == ("passivating", "mixed-conducting")
    assert "Zr" in below.reason


def test_unknown_products_are_said() -> None:
    found = classify_interphase(amounts(Li2S=1, CsPbS9=1))
    assert found.interphase_class == "unknown"
    assert "CsPbS9" in found.reason
    metal_too = classify_interphase(amounts(Li2S=1, CsPbS9=1, Co=1))
    assert metal_too.interphase_class == "mixed-conducting"
    assert "CsPbS9 unknown" in metal_too.reason


def test_driving_force_within_the_threshold_is_stable() -> None:
    products = amounts(Li2O=1, Zr=1)
    assert classify_interphase(products, energy_ev_per_atom=-0.019).interphase_class == "stable"
    assert (
        classify_interphase(products, energy_ev_per_atom=-0.021).interphase_class
        == "mixed-conducting"
    )
    assert (
        classify_interphase(
            products, energy_ev_per_atom=-0.019, stable_within_ev_per_atom=0.01
        ).interphase_class
        == "mixed-conducting"
    )


def test_lithium_metal_is_the_electrode_not_a_product() -> None:
    assert classify_interphase(amounts(Li2S=1, Li=5)).interphase_class == "passivating"


def test_a_gap_that_is_not_known_is_no_passivation() -> None:
    """A semilocal gap of 0.3 eV is a lower bound: the phase may conduct or not."""
    open_gap = ComputedGap(formula="CsPbS9", gap_ev=0.3, method="PBE")
    found = classify_interphase(amounts(Li2S=1, CsPbS9=1), computed_gaps=[open_gap])
    assert found.interphase_class == "unknown"
    assert "CsPbS9 unknown" in found.reason
    wide = ComputedGap(formula="CsPbS9", gap_ev=1.2, method="PBE")
    settled = classify_interphase(amounts(Li2S=1, CsPbS9=1), computed_gaps=[wide])
    assert settled.interphase_class == "passivating"
    for formula in ("NbS3", "LiSi", "LiGe", "LiP7", "Li3As"):  # semiconductors without a gap
        of_it = classify_interphase([Amount(formula=formula, amount=1.0)])
        assert of_it.interphase_class == "unknown", formula
        assert "unknown" in passivation_hint([Amount(formula=formula, amount=1.0)])


def test_a_lower_bound_above_the_limit_settles_it() -> None:
    for formula in ("Li3P", "LiP", "Li3P7"):
        known = electronic_character(formula)
        assert known.gap_ev is None
        assert known.gap_at_least_ev is not None
        assert not known.open
    semilocal = ComputedGap(formula="Li3P", gap_ev=0.65, method="PBE")
    found = classify_interphase(amounts(Li2S=5, Li3P=1), computed_gaps=[semilocal])
    assert found.interphase_class == "passivating"


def test_an_alloy_anode_is_the_electrode_not_a_product(indium: ReferenceSet) -> None:
    hull = Hull(indium)
    found = interphase(hull, "Li6PS5Cl", against="LiIn")
    assert found.interphase_class == "passivating"
    assert not {"In", "LiIn"} & {p.formula for p in found.products}
    own = interphase(hull, "Li3InCl6", against="LiIn")  # this In is the electrolyte's
    assert own.interphase_class == "mixed-conducting"
    assert "no compound of In with Cl" in own.reason


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="needs products"):
        classify_interphase([])
    with pytest.raises(InputError, match="negative"):
        classify_interphase(amounts(Li2S=1), stable_within_ev_per_atom=-1.0)


@pytest.mark.parametrize(
    ("formulas", "hint"),
    [
        ("Li2S Li3P LiCl", "insulating products: may passivate"),
        ("Li2S Li15Ge4", "metallic Li15Ge4: keeps growing"),
        ("Li2O Ti3P TiAl", "metallic Ti3P and TiAl: keeps growing"),
        ("Li2S Ge", "small-gap Ge (0.66 eV): may keep growing"),
        ("Li2S CsPbS9", "electronic character of CsPbS9 unknown"),
        ("Li", "no products"),
    ],
)
def test_hint(formulas: str, hint: str) -> None:
    assert passivation_hint(amounts(**dict.fromkeys(formulas.split(), 1.0))) == hint


def test_record_survives_json(small: ReferenceSet) -> None:
    record = interphase(Hull(small), "Li6PS5Cl")
    assert type(record).model_validate(record.to_json()) == record


def test_against_a_voltage_and_a_compound(small: ReferenceSet) -> None:
    hull = Hull(small)
    assert interphase(hull, "Li6PS5Cl").interphase_class == "passivating"
    at_zero = interphase(hull, "Li6PS5Cl", against=0.0)
    assert {p.formula for p in at_zero.products} == {"Li2S", "Li3P", "LiCl"}
    assert (at_zero.against, at_zero.voltage_v) == (None, 0.0)
    assert interphase(hull, "Li6PS5Cl", against="LiCl").interphase_class == "stable"
    cathode = interphase(hull, "Li3PS4", against="LiCoO2")
    assert cathode.interphase_class == "mixed-conducting"
    assert (cathode.against, cathode.voltage_v) == ("LiCoO2", None)


@pytest.mark.reference
@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        *((f, "stable") for f in "Li7La3Zr2O12 LiF Li2O Li2S Li3N Li3P LiCl".split()),
        *((f, "passivating") for f in "Li2PO2N Li6PS5Cl Li3PS4 Li3PO4".split()),
        *(
            (f, "mixed-conducting")
            for f in "Li10GeP2S12 LiTi2(PO4)3 Li1.3Al0.3Ti1.7(PO4)3 LiGe2(PO4)3 "
            "Li1.5Al0.5Ge1.5(PO4)3 LiZr2(PO4)3 Li1.15Y0.15Zr1.85(PO4)3".split()
        ),
    ],
)
def test_classes_of_the_literature(
    shared: Path, hull_2015: Hull, formula: str, expected: str
) -> None:
    assert interphase(hull_2015, formula).interphase_class == expected


@pytest.mark.reference
def test_garnet_is_stable_by_14_mev(shared: Path, hull_2015: Hull) -> None:
    record = interphase(hull_2015, "Li7La3Zr2O12")
    assert record.energy_ev_per_atom == pytest.approx(-0.0145, abs=0.002)
