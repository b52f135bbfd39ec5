"""Moisture and CO2: balance and consistency, and the claims of the reviews on the 2019 set."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlith.analysis.atmosphere import (
    AtmosphereRecord,
    GasRelease,
    air_reaction,
    hydrolysis,
    react_with_atmosphere,
    without_reduced_carbon,
)
from interlith.analysis.gas_energies import (
    GASES,
    GasConditions,
    gas_energy_ev,
    room_temperature_reference,
)
from interlith.analysis.hull import Hull
from interlith.analysis.reactions import closed_reaction
from interlith.analysis.references import ReferenceSet, build_reference, parse_formula
from interlith.errors import FormulaError, InputError

# made up, close to experiment, eV per atom
AIR = {
    "Li2S": -1.52,
    "Li3P": -0.87,
    "Li3PS4": -0.95,
    "LiOH": -1.67,
    "H2O": -0.98,
    "H2S": -0.15,
    "PH3": 0.01,
    "Li3PO4": -2.70,
    "CO2": -1.36,
    "CO": -0.57,
    "Li2CO3": -2.10,
    "Li2O": -2.06,
}


@pytest.fixture(scope="module")
def air() -> ReferenceSet:
    return build_reference(
        [parse_formula(formula) for formula in AIR],
        AIR.values(),
        name="air",
        sha256="0" * 64,
        scheme="none",
    )


@pytest.fixture(scope="module")
def hull_2019(set_2019: ReferenceSet) -> Hull:
    return Hull(set_2019)


def release(record: AtmosphereRecord, of: str, gas: str) -> GasRelease:
    every = (*record.releases, *record.releases_after_lithium)
    return next(r for r in every if (r.of, r.gas) == (of, gas))


def dry_and_in_air(hull: Hull, formula: str) -> tuple[AtmosphereRecord, AtmosphereRecord]:
    return (
        react_with_atmosphere(hull, formula),
        react_with_atmosphere(hull, formula, conditions=GasConditions()),
    )


def check_balance(found: GasRelease) -> None:
    assert found.water_per_formula is not None
    left: dict[str, float] = dict(parse_formula(found.of))
    for element, n in parse_formula("H2O").items():
        left[element] = left.get(element, 0.0) + found.water_per_formula * n
    for product in found.products:
        for element, n in parse_formula(product.formula).items():
            left[element] = left.get(element, 0.0) - product.amount * n
    assert left == pytest.approx(dict.fromkeys(left, 0.0), abs=1e-5)


def test_air_reaction_agrees_with_the_closed_reaction(air: ReferenceSet) -> None:
    hull = Hull(air)
    ours, other = air_reaction(hull, "Li3PS4", "H2O"), closed_reaction(hull, "Li3PS4", "H2O")
    assert ours.energy_ev_per_atom == pytest.approx(other.energy_ev_per_atom)
    assert {p.formula for p in ours.products} == {p.formula for p in other.products}


def test_release_is_balanced_and_its_energy_adds_up(air: ReferenceSet) -> None:
    (found,) = hydrolysis(Hull(air), "Li2S")
    check_balance(found)
    assert found.reaction == "Li2S + 2 H2O -> 2 LiHO + H2S"
    by_hand = 2 * 3 * AIR["LiOH"] + 3 * AIR["H2S"] - 3 * AIR["Li2S"] - 2 * 3 * AIR["H2O"]
    assert found.energy_ev_per_gas == pytest.approx(by_hand)
    assert found.exothermic == (by_hand < 0)


def test_gas_above_its_elements_pays_for_it(air: ReferenceSet) -> None:
    """PH3 with a positive formation energy must not be taken as P and H2."""
    (found,) = hydrolysis(Hull(air), "Li3P")
    by_hand = 9 * AIR["LiOH"] + 4 * AIR["PH3"] - 4 * AIR["Li3P"] - 9 * AIR["H2O"]
    assert found.energy_ev_per_gas == pytest.approx(by_hand)
    assert found.extra_ev_per_gas == pytest.approx(0.0, abs=1e-6)
    assert found.expected


def test_release_costs_at_least_the_equilibrium(air: ReferenceSet) -> None:
    for formula in ("Li3PS4", "Li2S"):
        for found in hydrolysis(Hull(air), formula):
            assert found.extra_ev_per_gas is not None
            assert found.extra_ev_per_gas >= -1e-6


def test_set_without_water_gives_no_answer(small: ReferenceSet) -> None:
    record = react_with_atmosphere(Hull(small), "Li3PS4")
    assert record.status == "no_answer"
    assert "holds no H2O" in str(record.reason)
    assert "holds no CO2" in str(record.reason)
    assert all(r.status == "no_answer" and r.energy_ev_per_gas is None for r in record.releases)
    assert record.toxic_gases == ()


def test_gas_that_the_set_lacks_is_named(air: ReferenceSet) -> None:
    record = react_with_atmosphere(Hull(air.exclude(["PH3"])), "Li3PS4")
    assert record.status == "diagnosis"
    assert "holds no PH3" in str(record.reason)
    assert release(record, "Li3P", "PH3").status == "no_answer"
    assert record.judged_gases() == ("H2S", "diagnosis")


def test_none_is_said_only_where_every_gas_was_judged(air: ReferenceSet) -> None:
    judged = react_with_atmosphere(Hull(air), "Li2CO3")
    assert (judged.status, judged.judged_gases()) == ("ok", ("none", "ok"))
    lacking = react_with_atmosphere(Hull(air.exclude(["H2S", "PH3"])), "Li3PS4")
    assert lacking.toxic_gases == ()
    assert lacking.status == "diagnosis"
    assert lacking.judged_gases() == ("not known", "no_answer")


def test_bad_formula_is_refused(air: ReferenceSet) -> None:
    with pytest.raises(FormulaError):
        react_with_atmosphere(Hull(air), "Li3PSx4")


def test_carbonation_keeps_carbon_oxidised(air: ReferenceSet) -> None:
    kept = without_reduced_carbon(air)
    names = {kept.formula(i) for i in range(len(kept))}
    assert {"CO2", "Li2CO3"} <= names
    assert not {"C", "CO"} & names
    no_carbon = air.select(~air.contains("C"))
    assert len(without_reduced_carbon(no_carbon)) == len(no_carbon)


def test_gas_energy_follows_pressure() -> None:
    ten = gas_energy_ev("H2S", 1.0) - gas_energy_ev("H2S", 0.1)
    assert ten == pytest.approx(8.617333e-5 * 298.15 * 2.302585, rel=1e-6)
    with pytest.raises(InputError, match="no thermal data"):
        gas_energy_ev("XeF2", 1.0)


def test_water_vapour_at_saturation_is_near_ice() -> None:
    """At 298 K and 0.0317 bar vapour has liquid water's potential, about 0.1 eV below 0 K ice."""
    assert gas_energy_ev("H2O", 0.0317) == pytest.approx(-0.08, abs=0.04)


def test_room_temperature_moves_gases_only(air: ReferenceSet) -> None:
    warm = room_temperature_reference(air, GasConditions())
    for i in range(len(air)):
        moved = abs(float(warm.energies[i] - air.energies[i])) > 1e-9
        gases = [parse_formula(gas) for gas in GASES]
        assert moved == (air.find(air.composition(i)) in [air.find(g) for g in gases])
    assert "298.15 K" in warm.notes[-1]
    assert warm.content_hash != air.content_hash


def test_record_survives_json(air: ReferenceSet) -> None:
    for record in dry_and_in_air(Hull(air), "Li3PS4"):
        assert AtmosphereRecord.model_validate(record.to_json()) == record


@pytest.mark.reference
@pytest.mark.parametrize("formula", ["Li3PS4", "Li6PS5Cl"])
def test_thiophosphates_give_h2s(shared: Path, hull_2019: Hull, formula: str) -> None:
    for record in dry_and_in_air(hull_2019, formula):
        assert record.status == "ok"
        assert "H2S" in record.toxic_gases
        assert "PH3" not in record.toxic_gases  # P(V) gives none
        assert "PH3" in record.toxic_gases_after_lithium  # Li3P does
        found = release(record, formula, "H2S")
        assert found.expected
        check_balance(found)


@pytest.mark.reference
def test_argyrodite_keeps_its_chloride(shared: Path, hull_2019: Hull) -> None:
    """HCl leaves only on the back of the rest of the reaction: exothermic, not expected."""
    found = release(react_with_atmosphere(hull_2019, "Li6PS5Cl"), "Li6PS5Cl", "HCl")
    assert found.exothermic
    assert not found.expected


@pytest.mark.reference
def test_lipon_gives_ammonia_and_after_lithium_phosphine(shared: Path, hull_2019: Hull) -> None:
    for record in dry_and_in_air(hull_2019, "Li2PO2N"):
        assert record.toxic_gases == ("NH3",)
        assert record.toxic_gases_after_lithium == ("NH3", "PH3")
        assert not release(record, "Li2PO2N", "PH3").exothermic
        assert release(record, "Li2PO2N", "NH3").exothermic


@pytest.mark.reference
def test_garnet_gives_hydroxide_and_carbonate(shared: Path, hull_2019: Hull) -> None:
    for record in dry_and_in_air(hull_2019, "Li7La3Zr2O12"):
        assert {"Li": 1, "O": 1, "H": 1} in [
            parse_formula(p.formula) for p in record.water.products
        ]
        assert "Li2CO3" in {p.formula for p in record.carbonation.products}
        assert record.toxic_gases == ()
        assert record.releases == ()
