"""One page per electrolyte: what is there, what is not and why, and the literature beside it."""

from __future__ import annotations

from typing import Any

import pytest
from ase.build import bulk

from interlith.analysis.hull import Hull
from interlith.analysis.reference_catalog import load_reference
from interlith.analysis.scorecard import literature, row
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
    for name in ("shear_modulus", "activation_energy", "linear_expansion_300k"):
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


def test_what_fails_is_a_row(hull: Hull) -> None:
    card = scorecard(["Li10GeP2S12", "LiCl"], hull, ScorecardOptions())
    rows = [one for one in card.rows if one.formula == "Li10GeP2S12"]
    failed = [one for one in rows if one.status == "no_answer"]
    assert any("Ge" in (one.reason or "") for one in failed)
    assert by_quantity(card, "LiCl")["oxidation_potential"].status == "ok"


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
    with pytest.raises(InputError, match="need a potential"):
        scorecard(["LiCl"], hull, ScorecardOptions(thermal=True))
