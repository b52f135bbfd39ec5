"""Windows under mechanical constriction, against the ordinary ones and a sum by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest

from interlith.analysis.constriction import constricted_windows
from interlith.analysis.hull import Hull
from interlith.analysis.reference_catalog import load_reference
from interlith.analysis.volumes import volume_change
from interlith.analysis.windows import stability_window
from interlith.errors import InputError
from interlith.records import Amount
from interlith.units import GPA_PER_EV_PER_ANGSTROM3


@pytest.fixture(scope="module")
def hull() -> Hull:
    return Hull(load_reference("default"))


@pytest.mark.parametrize("formula", ["Li3PO4", "Li6PS5Cl", "LiCl", "Li7La3Zr2O12"])
def test_no_modulus_no_difference_and_more_never_narrows(hull: Hull, formula: str) -> None:
    rows = constricted_windows(hull, formula, (0.0, 5.0, 20.0)).rows
    window = stability_window(hull, formula)
    assert rows[0].reduction_potential_v == pytest.approx(window.reduction_potential_v, abs=1e-6)
    assert rows[0].oxidation_potential_v == pytest.approx(window.oxidation_potential_v, abs=1e-6)
    for less, more in pairwise(rows):
        assert more.reduction_potential_v <= less.reduction_potential_v + 1e-6
        assert (more.oxidation_potential_v or 0) >= (less.oxidation_potential_v or 0) - 1e-6


def test_a_reduction_that_swells_by_hand(hull: Hull) -> None:
    # Li3PO4 + 8 Li -> Li3P + 4 Li2O; at a small modulus the products stay the same
    modulus = 0.5
    free, held = constricted_windows(hull, "Li3PO4", (0.0, modulus)).rows
    step = stability_window(hull, "Li3PO4").reduction
    assert step is not None
    solids = [p for p in step.products if p.formula != "Li"]
    change = volume_change([Amount(formula="Li3PO4", amount=1)], solids)
    assert change is not None
    swelling = change.products_angstrom3 - change.reactants_angstrom3
    taken = sum(p.amount * {"Li3P": 3, "LiP": 1, "Li2O": 2}.get(p.formula, 0) for p in solids) - 3
    by_hand = free.reduction_potential_v - modulus / GPA_PER_EV_PER_ANGSTROM3 * swelling / taken
    assert held.reduction_potential_v <= free.reduction_potential_v
    assert held.reduction_potential_v == pytest.approx(by_hand, abs=0.03)


def test_bad_input(hull: Hull) -> None:
    with pytest.raises(InputError, match="from 0 on"):
        constricted_windows(hull, "LiCl", (-1.0,))
    with pytest.raises(InputError, match="no window"):
        constricted_windows(hull, "Li")
