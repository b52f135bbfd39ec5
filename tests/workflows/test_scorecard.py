"""One page per electrolyte: what is there, what is not and why, and the literature beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase.build import bulk

from interlith.analysis.band_edges import (
    BulkEdges,
    StepRecord,
    line_up,
    potentials_against_lithium,
)
from interlith.analysis.hull import Hull
from interlith.analysis.reference_catalog import load_reference
from interlith.analysis.references import build_reference, parse_formula
from interlith.analysis.scorecard import literature, row, shipped_elastic
from interlith.analysis.windows import stability_window
from interlith.engines.potentials import potential
from interlith.errors import InputError
from interlith.workflows.elastic import elastic_tensor
from interlith.workflows.scorecard import ScorecardOptions, scorecard


@pytest.fixture(scope="module")
def hull() -> Hull:
    return Hull(load_reference("default"))


def by_quantity(card: Any, formula: str) -> dict[str, Any]:
    return {one.quantity: one for one in card.rows if one.formula == formula}


def test_thermodynamics_without_a_potential(hull: Hull) -> None:
    rows = by_quantity(scorecard(["Li6PS5Cl"], hull, ScorecardOptions()), "Li6PS5Cl")
    window = stability_window(hull, "Li6PS5Cl")
    assert rows["reduction_potential"].value == window.reduction_potential_v
    assert rows["reduction_potential"].sigma > 0
    assert rows["interphase_class"].value == "passivating"
    assert rows["interphase_per_charge"].value == pytest.approx(9.0, abs=0.5)
    assert rows["interphase_per_charge"].literature_value == 9
    assert rows["toxic_gases_in_air"].value == "H2S"
    for name in ("activation_energy", "linear_expansion_300k", "oxidation_potential_band_edges"):
        assert rows[name].status == "not_computed"
        assert rows[name].value is None
        assert rows[name].reason
    assert rows["activation_energy"].literature_value == 0.31


def test_mechanics_from_a_record(hull: Hull) -> None:
    record = elastic_tensor(bulk("Al", cubic=True), potential("emt"), material="Li6PS5Cl")
    card = scorecard(["Li6PS5Cl"], hull, ScorecardOptions(elastic=(record,)))
    rows = by_quantity(card, "Li6PS5Cl")
    assert record.moduli is not None
    assert rows["shear_modulus"].value == record.moduli.shear_gpa
    assert rows["shear_modulus"].deviation == pytest.approx(record.moduli.shear_gpa - 8.1)
    assert "emt" in rows["shear_modulus"].method
    assert "not sufficient" in rows["monroe_newman_ratio"].method


def test_shipped_moduli_stand_beside_the_literature(hull: Hull) -> None:
    """Error to the list of systems, as docs/mechanics.md states it; no potential is run."""
    card = scorecard(["Li6PS5Br", "Li7La3Zr2O12", "LiF"], hull, ScorecardOptions())
    bromide = by_quantity(card, "Li6PS5Br")
    assert bromide["shear_modulus"].deviation == pytest.approx(10.0 - 9.3, abs=0.1)
    assert "7net-0" in bromide["shear_modulus"].method
    assert "shipped" in bromide["shear_modulus"].method
    garnet = by_quantity(card, "Li7La3Zr2O12")
    assert garnet["youngs_modulus"].literature_value == "147-150"
    assert 0.85 < garnet["youngs_modulus"].value / 147 < 0.95
    assert by_quantity(card, "LiF")["shear_modulus"].status == "not_computed"
    for one in shipped_elastic():
        assert one.status == "ok"
        assert np.allclose(np.array(one.stiffness_gpa), np.array(one.stiffness_gpa).T, atol=1e-3)
        assert np.allclose(
            np.array(one.stiffness_gpa) @ one.compliance_per_gpa, np.eye(6), atol=1e-3
        )


def test_band_edges_of_a_line_up_with_lithium(hull: Hull) -> None:
    step = StepRecord(
        status="ok",
        step_ev=1.0,
        levels_ev=(0, 1),
        ranges_ev=(0, 0),
        windows_angstrom=((0, 1), (2, 3)),
    )
    salt = BulkEdges(formula="LiCl", valence_ev=-4.0, gap_ev=6.0)
    metal = BulkEdges(formula="Li", valence_ev=0.0, gap_ev=0.0)
    held = ScorecardOptions(band_edges=(line_up(salt, metal, step),))
    rows = by_quantity(scorecard(["LiCl"], hull, held), "LiCl")
    assert rows["reduction_potential_band_edges"].value == -1.0  # its band lies 1 eV above Li
    assert rows["oxidation_potential_band_edges"].value == 5.0
    turned = line_up(metal, salt, step.model_copy(update={"step_ev": -1.0}))
    assert potentials_against_lithium(turned) == (-1.0, 5.0)
    other = by_quantity(scorecard(["LiF"], hull, held), "LiF")
    assert other["reduction_potential_band_edges"].status == "not_computed"


def test_what_fails_is_a_row(hull: Hull) -> None:
    card = scorecard(["Li10GeP2S12", "LiCl"], hull, ScorecardOptions())
    rows = [one for one in card.rows if one.formula == "Li10GeP2S12"]
    failed = [one for one in rows if one.status == "no_answer"]
    assert any("Ge" in (one.reason or "") for one in failed)
    assert by_quantity(card, "LiCl")["oxidation_potential"].status == "ok"


LACKING = load_reference("default").exclude(["H2S", "PH3"])


def test_toxic_gases_that_could_not_be_judged_are_not_none() -> None:
    card = scorecard(["Li3PS4"], Hull(LACKING), ScorecardOptions())
    found = by_quantity(card, "Li3PS4")["toxic_gases_in_air"]
    assert (found.value, found.status) == (None, "no_answer")
    assert "holds no H2S" in found.reason


def test_no_reaction_has_no_strain(hull: Hull) -> None:
    found = by_quantity(scorecard(["LiCl"], hull, ScorecardOptions()), "LiCl")["reaction_strain"]
    assert (found.status, found.reason) == ("no_answer", "nothing reacts")


def test_a_set_without_compounds_of_an_element_is_said() -> None:
    held = {"LiCl": -1.82, "LiIn": -0.2}
    compositions = [parse_formula(formula) for formula in held]
    own = build_reference(compositions, held.values(), name="own", sha256="0" * 64, scheme="none")
    card = scorecard(["Li3InCl6"], Hull(own), ScorecardOptions())
    rows = by_quantity(card, "Li3InCl6")
    for name in ("oxidation_potential", "decomposition_energy_0v", "reaction_with_lithium_energy"):
        assert rows[name].status == "diagnosis"
        assert "no compound of In with Cl" in rows[name].reason


def test_every_literature_value_has_a_source_and_a_place() -> None:
    assert len(literature()) > 30
    for entry in literature().values():
        assert entry["source"]
    found = row("Li12P2S10Cl2", "bulk_modulus", 20.0, "GPa", "test")  # the same composition
    assert found.literature_value == 28.7
    assert found.deviation == pytest.approx(-8.7)


def test_bad_input(hull: Hull) -> None:
    with pytest.raises(InputError, match="at least one"):
        scorecard([], hull, ScorecardOptions())
    with pytest.raises(InputError, match="cannot read the formula 'Foo'"):
        scorecard(["Foo"], hull, ScorecardOptions())
    with pytest.raises(InputError, match="need a potential"):
        scorecard(["LiCl"], hull, ScorecardOptions(thermal=True))
