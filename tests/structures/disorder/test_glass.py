"""Packings keep their distances, density and composition; the protocol checks itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from interlith.errors import InputError
from interlith.structures.checks import closest_pair
from interlith.structures.disorder.glass import MeltQuench, pack_glass

STATES = {"Li": 1, "P": 5, "S": -2, "O": -2, "N": -3}


@pytest.mark.parametrize(
    ("formula", "density", "units"),
    [
        ("Li3PS4", 1.87, 16),
        ("Li7P3S11", 1.9, 18),
        ("Li2.88PO3.73N0.14", 2.3, None),
        ("Li2.98PO3.3N0.46", 2.3, None),
    ],
)
def test_a_packing_keeps_density_charge_distances_and_units(
    formula: str, density: float, units: int | None
) -> None:
    packed = pack_glass(formula, density, 128)
    structure, amounts = packed.structure, packed.structure.composition.get_el_amt_dict()
    assert structure.density == pytest.approx(density, rel=1e-6)
    assert sum(STATES[e] * x for e, x in amounts.items()) == 0
    assert 103 <= len(structure) <= 128
    assert packed.smallest_margin > 0.97
    assert closest_pair(structure)[0] > 0.7
    assert packed.composition_error < 0.005
    assert packed.n_units == (amounts["P"] if units is None else units)
    phosphorus = [i for i, site in enumerate(structure) if site.specie.symbol == "P"]
    anions = [i for i, site in enumerate(structure) if STATES[site.specie.symbol] < 0]
    near = structure.distance_matrix[np.ix_(phosphorus, anions)] < 2.3
    assert set(near.sum(axis=1)) <= {3, 4}
    assert near.sum() == len(anions)


def test_without_units_every_atom_is_for_itself() -> None:
    packed = pack_glass("Li3PS4", 1.87, 128, units=False)
    assert packed.n_units == 0
    assert packed.smallest_margin > 0.97


@settings(max_examples=8)
@given(seed=st.integers(0, 1000), n_atoms=st.integers(48, 90))
def test_the_same_seed_gives_the_same_packing(seed: int, n_atoms: int) -> None:
    once, twice = (pack_glass("Li3PS4", 1.7, n_atoms, seed=seed) for _ in range(2))
    assert np.array_equal(once.structure.frac_coords, twice.structure.frac_coords)
    assert once.structure.composition.reduced_formula == "Li3PS4"
    other = pack_glass("Li3PS4", 1.7, n_atoms, seed=seed + 1)
    assert not np.array_equal(once.structure.frac_coords, other.structure.frac_coords)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"density_g_cm3": 5.0}, "lower density_g_cm3"),
        ({"density_g_cm3": 0.0}, "between 0 and 30"),
        ({"density_g_cm3": float("nan")}, "between 0 and 30"),
        ({"n_atoms": 2}, "n_atoms=2"),
        ({"n_atoms": 6}, "use more atoms"),
        ({"n_atoms": 100_000}, "n_atoms=100000"),
        ({"seed": -1}, "seed=-1"),
        ({"contact_ratio": 2.0}, "contact_ratio=2.0"),
        ({"formula": "Li3PS"}, "not neutral"),
        ({"formula": "Li3PXx4"}, "element"),
    ],
)
def test_bad_input_is_told_what_is_wrong(change: dict[str, Any], words: str) -> None:
    options: dict[str, Any] = {"formula": "Li3PS4", "density_g_cm3": 1.8, "n_atoms": 48} | change
    with pytest.raises(InputError, match=words):
        pack_glass(**options)


def test_the_protocol_adds_up_and_survives_json() -> None:
    protocol = MeltQuench(formula="Li3PS4", density_g_cm3=1.87)
    assert protocol.quench_ps == pytest.approx((2000 - 300) / 10)
    assert protocol.total_ps == pytest.approx(20 + 170 + 20)
    assert MeltQuench.model_validate(protocol.to_json()) == protocol


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"final_temperature_k": 2500}, "below"),
        ({"cooling_rate_k_per_ps": 0}, "greater than 0"),
        ({"formula": "Xx"}, "formula|element"),
        ({"pressure": 1}, "pressure"),
    ],
)
def test_an_impossible_protocol_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        MeltQuench(**({"formula": "Li3PS4", "density_g_cm3": 1.87} | change))
