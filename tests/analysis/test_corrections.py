"""Correction classes and numbers are those of pymatgen's MaterialsProject2020Compatibility."""

from __future__ import annotations

import warnings

import pytest
from pymatgen.core import Structure

from interlith.analysis.corrections import (
    Correction,
    choose_scheme,
    correction_counts,
    correction_energy,
    schemes_from_pymatgen,
)
from interlith.errors import InputError
from interlith.structures.library import build, list_phases, load_phase

WANTED = [
    "Li2O", "Li2O2", "LiCl", "Li2S", "Li3PO4-beta", "LiCoO2", "CoSO4", "Li2SO4", "CoS2", "Li3N",
    "LiF", "LiH", "Li2CO3", "LiPN2", "Li3OCl", "LiBr", "LiI", "LiClO4", "LiNO3", "Li6PS5Cl",
    "Li3P7", "LiNbO3", "LiOH", "PCl3", "NH3", "PH3", "H2S", "H2O", "SO2", "P2S5", "CoF2", "Al2O3",
]  # fmt: skip
HUBBARD_U = {"Co": 3.32}
GIVEN = {
    "peroxide": (1.5, {"Li": 2, "O": 2}, "peroxide"),
    "oxide": (2.9, {"Li": 2, "O": 2}, "oxide"),
}


@pytest.mark.parametrize("name", [name for name in WANTED if name in list_phases()])
def test_corrections_equal_those_of_pymatgen(name: str) -> None:
    from pymatgen.analysis.compatibility import MaterialsProject2020Compatibility
    from pymatgen.entries.computed_entries import ComputedStructureEntry

    facts = load_phase(name)
    structure = build(facts, primitive=True)
    scheme = schemes_from_pymatgen()["MP2020"]
    composition = structure.composition.reduced_composition.get_el_amt_dict()
    counts = correction_counts(structure, facts.oxidation_states)
    units = len(structure) / sum(composition.values())
    metals = {m: u for m, u in HUBBARD_U.items() if m in composition}
    strongest = max(structure.composition.elements, key=lambda e: e.X).symbol
    entry = ComputedStructureEntry(
        structure,
        energy=0.0,
        parameters={
            "run_type": "GGA+U" if metals else "GGA",
            "software": "other",
            "hubbards": metals if strongest in ("O", "F") else {},
        },
        data={"oxidation_states": facts.oxidation_states} if facts.oxidation_states else {},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compatibility = MaterialsProject2020Compatibility(
            check_potcar=False, strict_anions="no_check"
        )
        adjustments = compatibility.get_adjustments(entry)
    expected = sum(one.value for one in adjustments)
    assert correction_energy(scheme, composition, counts) * units == pytest.approx(expected)
    sigma = sum((one.sigma_ev * one.atoms(composition, counts) * units) ** 2 for one in scheme)
    assert sigma == pytest.approx(sum(one.uncertainty**2 for one in adjustments), rel=1e-6)


@pytest.mark.parametrize("case", GIVEN)
def test_the_distance_between_oxygens_decides(case: str) -> None:
    distance, _, expected = GIVEN[case]
    cell = [[6, 0, 0], [0, 6, 0], [0, 0, 6]]
    positions = [[0, 0, 0], [3, 3, 3], [3, 0, 0], [3 + distance, 0, 0]]
    pair = Structure(cell, ["Li", "Li", "O", "O"], positions, coords_are_cartesian=True)
    assert set(correction_counts(pair)) == {expected}


def test_polysulfide_and_sulfate_are_told_from_sulfide() -> None:
    assert correction_counts(build(load_phase("Li2S")))["sulfide"] == 1
    sulfate = correction_counts(build(load_phase("Li2SO4")))
    assert sulfate["oxidised S"] == 1
    assert "sulfide" not in sulfate
    modern = schemes_from_pymatgen()["MP2020"]
    assert correction_energy(modern, {"Li": 2, "S": 1, "O": 4}, sulfate) == pytest.approx(
        4 * -0.687
    )


def test_doubling_the_cell_changes_no_count() -> None:
    facts = load_phase("Li6PS5Cl")
    one = build(facts)
    assert correction_counts(one * (2, 1, 1), facts.oxidation_states) == correction_counts(
        one, facts.oxidation_states
    )


def test_elements_are_never_corrected() -> None:
    scheme = [Correction(name="every N", ev_per_atom=-1.0, classes=("every N",))]
    assert correction_energy(scheme, {"N": 1}, {}) == 0
    assert correction_energy(scheme, {"N": 1, "Li": 3}, {}) == -1
    assert correction_counts(build(load_phase("S8"))) == {}


def test_schemes_differ_as_they_should() -> None:
    schemes = schemes_from_pymatgen()
    sulfide, counts = {"Li": 2, "S": 1}, {"sulfide": 1.0}
    energies = {name: correction_energy(s, sulfide, counts) for name, s in schemes.items()}
    assert energies == pytest.approx(
        {"none": 0, "MP2020": -0.503, "zhu2015": 0, "MP2018": -0.66346}
    )
    left_out = {one.name for one in schemes["MP2020"]} - {one.name for one in schemes["zhu2015"]}
    assert left_out == {"S", "Br", "I", "Se", "Si", "Sb", "Te"}


def test_an_unknown_scheme_names_the_known() -> None:
    with pytest.raises(InputError, match="MP2020"):
        choose_scheme(schemes_from_pymatgen(), "MP2021")
