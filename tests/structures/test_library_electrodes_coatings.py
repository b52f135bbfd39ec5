"""Every electrode and coating the toolkit must handle has a sheet of exactly its composition."""

from __future__ import annotations

import pytest
from pymatgen.core import Composition

from interlith.structures.checks import check_phase
from interlith.structures.library import build, list_phases, load_phase

ELECTRODES = {
    "Li": "Li",
    "LiIn": "LiIn",
    "Li13In3": "Li13In3",
    "Li9Ag4": "Li9Ag4",
    "LiAg": "LiAg",
    "Li3Mg": "Li3Mg",
    "LiAl": "LiAl",
    "Li15Si4": "Li15Si4",
    "Li3Sb": "Li3Sb",
    "Li15Ge4": "Li15Ge4",
    "Li17Sn4": "Li17Sn4",
    "Na": "Na",
    "C": "C-graphite",
    "LiC6": "LiC6",
    "Si": "Si",
    "Li4Ti5O12": "Li4Ti5O12",
    "Li7Ti5O12": "Li7Ti5O12",
    "LiCoO2": "LiCoO2",
    "Li0.5CoO2": "Li0.5CoO2",
    "LiNiO2": "LiNiO2",
    "Li3NiMnCoO6": "Li3NiMnCoO6",
    "LiNi0.6Mn0.2Co0.2O2": "LiNi0.6Mn0.2Co0.2O2",
    "LiNi0.8Mn0.1Co0.1O2": "LiNi0.8Mn0.1Co0.1O2",
    "LiNi0.8Co0.15Al0.05O2": "LiNi0.8Co0.15Al0.05O2",
    "LiMn2O4": "LiMn2O4",
    "LiNi0.5Mn1.5O4": "LiNi0.5Mn1.5O4",
    "LiFePO4": "LiFePO4",
    "FePO4": "FePO4",
    "FeS2": "FeS2",
    "S": "S8-alpha",
    "Cu": "Cu",
    "Al": "Al",
    "Ni": "Ni",
    "Au": "Au",
    "Pt": "Pt",
    "Ti": "Ti",
}
COATINGS = {
    "LiNbO3": "LiNbO3",
    "LiNb0.5Ta0.5O3": "LiNb0.5Ta0.5O3",
    "LiTaO3": "LiTaO3",
    "Li3NbO4": "Li3NbO4",
    "Al2O3": "Al2O3",
    "LiAlO2": "LiAlO2-gamma",
    "Li5AlO4": "Li5AlO4",
    "LiAl5O8": "LiAl5O8",
    "LiAlSiO4": "LiAlSiO4-beta",
    "Li5GaSi2O8": "Li5GaSi2O8",
    "Li2SiO3": "Li2SiO3",
    "Li4SiO4": "Li4SiO4",
    "Li3PO4": "Li3PO4-beta",
    "LiPO3": "LiPO3",
    "Li4P2O7": "Li4P2O7",
    "LiH2PO4": "LiH2PO4",
    "LiTi2(PO4)3": "LiTi2P3O12",
    "LiZr2(PO4)3": "LiZr2P3O12",
    "Li3BO3": "Li3BO3",
    "LiBO2": "LiBO2",
    "Li2B4O7": "Li2B4O7",
    "Li2CO3": "Li2CO3",
    "Li2.8B0.8C0.2O3": "Li2.8B0.8C0.2O3",
    "ZrO2": "ZrO2",
    "Li2ZrO3": "Li2ZrO3",
    "Li2TiO3": "Li2TiO3",
    "Li2MoO4": "Li2MoO4",
    "Li2WO4": "Li2WO4",
    "LiF": "LiF",
    "LiCl": "LiCl",
    "LiBr": "LiBr",
    "LiI": "LiI",
    "Li2O": "Li2O",
    "Li2S": "Li2S",
    "Li3N": "Li3N",
    "Li3P": "Li3P",
    "CsLiCl2": "CsLiCl2",
    "BN": "BN",
}
NO_STRUCTURE_YET = ("Li3B11O18", "LiBaB9O15", "Li2B6O9F2")
METALS = ("Cu", "Al", "Ni", "Au", "Pt", "Ti", "Na")


@pytest.mark.parametrize(("formula", "name"), (ELECTRODES | COATINGS).items())
def test_the_sheet_has_the_composition_of_the_row(formula: str, name: str) -> None:
    facts = load_phase(name)
    wanted = Composition(formula).fractional_composition
    assert build(facts).composition.fractional_composition.almost_equals(wanted, rtol=1e-6)
    assert check_phase(facts) == []


@pytest.mark.parametrize("name", ELECTRODES.values())
def test_electrodes_say_what_they_are(name: str) -> None:
    assert {"anode", "cathode", "current collector"} & set(load_phase(name).roles)


@pytest.mark.parametrize("name", COATINGS.values())
def test_coatings_say_what_they_are(name: str) -> None:
    assert "coating" in load_phase(name).roles


def test_cathodes_have_a_voltage() -> None:
    for name in ELECTRODES.values():
        facts = load_phase(name)
        if "cathode" in facts.roles:
            assert facts.voltage_v is not None, name


@pytest.mark.parametrize("name", METALS)
def test_metals_have_the_density_of_the_handbook(name: str) -> None:
    facts = load_phase(name)
    assert facts.density_g_cm3 is not None
    assert facts.oxidation_states in (None, {name: 0})


@pytest.mark.parametrize(
    ("name", "shared"),
    [
        ("Li3NiMnCoO6", {"Ni", "Mn", "Co"}),
        ("LiNi0.8Co0.15Al0.05O2", {"Ni", "Co", "Al"}),
        ("LiNi0.5Mn1.5O4", {"Ni", "Mn"}),
        ("Li4Ti5O12", {"Li", "Ti"}),
        ("LiNb0.5Ta0.5O3", {"Nb", "Ta"}),
        ("Li3Mg", {"Li", "Mg"}),
    ],
)
def test_mixed_sites_are_shared_not_ordered(name: str, shared: set[str]) -> None:
    facts = load_phase(name)
    assert not facts.is_ordered
    assert any(set(site.species) == shared for site in facts.sites)


@pytest.mark.parametrize(
    "name",
    ["Li", "LiCoO2", "LiFePO4", "LiNbO3", "Li2ZrO3", "Li3PO4-beta", "Al2O3", "LiF"],
)
def test_what_interfaces_are_built_of_is_ordered(name: str) -> None:
    assert load_phase(name).is_ordered


def test_missing_rows_stay_known() -> None:
    have = {Composition(load_phase(name).formula).reduced_formula for name in list_phases()}
    for formula in NO_STRUCTURE_YET:
        assert Composition(formula).reduced_formula not in have
