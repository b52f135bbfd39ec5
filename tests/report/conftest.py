"""Results of a made-up study, for the tests of the report."""

from __future__ import annotations

from typing import Any

import pytest

from interlith.analysis.atmosphere import react_with_atmosphere
from interlith.analysis.coatings import screen_coatings
from interlith.analysis.hull import Hull
from interlith.analysis.interphase import interphase
from interlith.analysis.reactions import closed_reaction, open_reaction
from interlith.analysis.references import build_reference, parse_formula
from interlith.analysis.study_results import (
    Component,
    Interface,
    StudyFailure,
    StudyResults,
)
from interlith.analysis.windows import stability_window
from interlith.provenance import Provenance

# formation energies, eV per atom, made up: near enough to real ones for sensible reactions
ENERGIES = {
    "Li2S": -1.34, "Li3P": -0.70, "LiP": -0.525, "Li3PS4": -0.934, "P2S5": -0.30,
    "LiCl": -1.82, "Li6PS5Cl": -1.165, "Li2O": -1.84, "Li3PO4": -2.42, "P2O5": -1.96,
    "LiCoO2": -1.40, "CoO": -0.95, "Co3O4": -1.05, "CoS2": -0.45, "Li2SO4": -1.92,
    "LiF": -3.05, "Al2O3": -3.20, "LiAlO2": -2.95, "H2O": -0.92, "H2S": -0.15,
}  # fmt: skip
COATINGS = ("Li3PO4", "LiF", "Al2O3", "LiAlO2")


@pytest.fixture(scope="session")
def hull() -> Hull:
    return Hull(
        build_reference(
            [parse_formula(formula) for formula in ENERGIES],
            ENERGIES.values(),
            name="made up",
            sha256="ab" * 32,
            scheme="none",
        ).exclude(["LiP"])
    )


def _component(hull: Hull, role: Any, formula: str) -> Component:
    if formula == "Li":
        return Component(role=role, formula=formula, window=None, reason="Li metal is 0 V")
    return Component(
        role=role, formula=formula, window=stability_window(hull, formula, voltages_v=(0.0, 4.3))
    )


def _interface(hull: Hull, role_a: Any, a: str, role_b: Any, b: str) -> Interface:
    return Interface(
        role_a=role_a,
        role_b=role_b,
        a=a,
        b=b,
        closed=closed_reaction(hull, a, b),
        open=() if "Li" in (a, b) else (open_reaction(hull, a, b, 4.0),),
        interphase=interphase(hull, b) if role_a == "anode" else None,
    )


@pytest.fixture(scope="session")
def results(hull: Hull) -> StudyResults:
    materials = [("electrolyte", "Li6PS5Cl"), ("anode", "Li"), ("cathode", "LiCoO2")]
    materials += [("coating", coating) for coating in COATINGS]
    contacts = [("anode", "Li"), ("cathode", "LiCoO2"), *(("coating", c) for c in COATINGS)]
    return StudyResults(
        name="made-up",
        study={"cathode": {"material": "LiCoO2", "voltage_v": [3.0, 4.3]}},
        reference=hull.reference.identity(),
        components=tuple(_component(hull, role, formula) for role, formula in materials),
        interfaces=tuple(
            _interface(hull, role, formula, "electrolyte", "Li6PS5Cl") for role, formula in contacts
        ),
        coatings=screen_coatings(hull, [*COATINGS, "Xx2O"], "Li6PS5Cl", "LiCoO2"),
        atmosphere=(react_with_atmosphere(hull, "Li6PS5Cl"),),
        failures=(StudyFailure(step="component", subject="Xx2O", reason="no such element <Xx>"),),
        provenance=Provenance(
            created="2026-01-02T03:04:05+00:00",
            versions={"interlith": "0.1.0"},
            python="3.11",
            machine="test",
            seed=7,
            wall_time_s=1.25,
        ),
    )
