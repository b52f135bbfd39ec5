"""The double interface: both terminations, a right angle, and enough Li in it."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from interlith.errors import InputError
from interlith.structures.regions import Regions
from interlith.workflows.reactive.cell import (
    built,
    formula_units,
    in_plane_repeat,
    thermodynamic_limit,
    upright,
)
from interlith.workflows.reactive.dynamics import lengths
from interlith.workflows.reactive.settings import ReactivitySettings

SMALL = ReactivitySettings(
    potential="lj", thickness_angstrom=9.0, min_length_angstrom=6.5, miller_b=(1, 0, 0)
)


def test_the_reservoir_grows_until_full_reduction_is_possible() -> None:
    limit, _ = thermodynamic_limit("Li", "Li6PS5Cl")
    assert limit is not None
    structure, facts = built("Li", "Li6PS5Cl", SMALL, limit)
    assert facts["reservoir"] == "enough"
    assert facts["lithium_per_formula"] >= 1.25 * 8
    more = SMALL.model_copy(update={"reservoir_excess": 3.0})
    _, thicker = built("Li", "Li6PS5Cl", more, limit)
    assert thicker["lithium_per_formula"] >= 24
    _, none = built("Li", "Li6PS5Cl", SMALL, None)
    assert none["reservoir"] == "not checked"
    assert len(structure) == sum(facts["region_atoms"].values())


def test_units_are_those_that_the_limit_counts() -> None:
    """By Li4P2S6, of which reaction_limit speaks, and not by the reduced Li2PS3."""
    limit, _ = thermodynamic_limit("Li", "Li4P2S6")
    assert limit is not None
    assert sum(one.amount for one in limit.products if "P" in one.formula) == pytest.approx(2)
    wide = SMALL.model_copy(update={"miller_b": None, "min_length_angstrom": 5.5, "max_atoms": 300})
    structure, facts = built("Li", "Li4P2S6", wide, limit)
    assert facts["formula_units"] == structure.composition["P"] / 2
    assert facts["reservoir"] == "enough"
    need = 1.25 * facts["formula_units"] * limit.lithium_per_formula
    assert facts["lithium_metal_atoms"] < need + 2 * facts["region_atoms"]["electrolyte"]
    assert formula_units(["S", "S", "Cl", "Cl"], "S2Cl2") == 1
    _, alone = built("Li4P2S6", None, wide)
    assert alone["formula_units"] == alone["region_atoms"]["electrolyte"] / 12


def test_both_terminations_and_a_right_angle() -> None:
    structure, facts = built("Li", "Li6PS5Cl", SMALL, None)
    assert structure.lattice.alpha == pytest.approx(90)
    assert structure.lattice.beta == pytest.approx(90)
    assert facts["equal_interfaces"] is False
    electrolyte = [s.specie.symbol for s, r in zip(structure, Regions.of(structure).names,
                                                   strict=True) if r != "anode"]  # fmt: skip
    amounts = {one: electrolyte.count(one) for one in set(electrolyte)}
    units = facts["formula_units"]
    assert amounts == {"Li": 6 * units, "P": units, "S": 5 * units, "Cl": units}
    whole = facts["region_angstrom"]
    assert sum(whole.values()) == pytest.approx(structure.lattice.c, abs=0.6)


def test_a_crystal_alone_is_one_region_without_contact() -> None:
    structure, facts = built("Li6PS5Cl", None, SMALL)
    assert set(Regions.of(structure).names) == {"electrolyte"}
    assert facts["formula_units"] == structure.composition["P"]
    assert facts["reservoir"] == "no reservoir"


@pytest.mark.parametrize("least", [3.0, 6.0, 9.0, 12.0])
def test_repeats_are_the_smallest_that_are_wide_enough(least: float) -> None:
    rows = np.array([[5.0, 0, 0], [1.2, 4.0, 0]])
    grid = in_plane_repeat(rows, least)
    long = grid @ rows
    steps = [i * long[0] + j * long[1] for i in range(-3, 4) for j in range(-3, 4) if i or j]
    assert min(np.linalg.norm(one) for one in steps) >= least - 1e-6
    assert np.linalg.det(grid) >= 1


def test_straightening_moves_no_atom() -> None:
    structure, _ = built("Li", "LiCl", SMALL.model_copy(update={"miller_b": None}), None)
    again, lean = upright(structure)
    assert lean == pytest.approx(0, abs=1e-9)
    assert np.allclose(again.cart_coords, structure.cart_coords)


def test_bad_settings_say_what_to_do() -> None:
    with pytest.raises(InputError, match="temperatures_k"):
        ReactivitySettings.read(temperatures_k=())
    with pytest.raises(ValidationError, match="below time_ps"):
        ReactivitySettings(time_ps=10, max_time_ps=5)
    with pytest.raises(InputError, match="raise --max-atoms"):
        built("Li", "Li6PS5Cl", SMALL.model_copy(update={"max_atoms": 50}), None)
    with pytest.raises(InputError, match="nothing to react"):
        built("Li", "Li", SMALL, None)


def test_extensions_end_at_the_budget() -> None:
    assert lengths(ReactivitySettings(time_ps=10)) == (10.0,)
    assert lengths(ReactivitySettings(time_ps=10, max_time_ps=22)) == (10.0, 15.0, 20.0, 22.0)


def test_elements_that_no_energies_are_known_for() -> None:
    limit, reason = thermodynamic_limit("Li", "Li3InCl6")
    assert limit is None
    assert "In" in (reason or "")
