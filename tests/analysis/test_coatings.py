"""The coating funnel and its ranking."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlith.analysis.coating_facts import classify_coating, element_flags
from interlith.analysis.coatings import (
    ScreenCriteria,
    lithium_phases,
    pareto_ranks,
    screen_coatings,
)
from interlith.analysis.hull import Hull
from interlith.analysis.references import ReferenceSet, parse_formula
from interlith.analysis.windows import stability_window
from interlith.errors import FormulaError, InputError


def test_one_bad_row_stops_nothing(small: ReferenceSet) -> None:
    coatings = ["Li3PO4", "Bad(", "LiCl", "Li2ZrO3", "Li"]
    screen = screen_coatings(Hull(small), coatings, "Li6PS5Cl", "LiCoO2")
    assert {row.coating for row in screen.rows} == {"Li3PO4", "LiCl"}
    reasons = {failure.coating: failure.reason for failure in screen.failures}
    assert set(reasons) == {"Bad(", "Li2ZrO3", "Li"}
    assert "Zr" in reasons["Li2ZrO3"]


def test_counts_narrow_and_start_with_all(small: ReferenceSet) -> None:
    screen = screen_coatings(
        Hull(small), lithium_phases(small), "Li6PS5Cl", "LiCoO2", only_stable=True
    )
    left = [count.left for count in screen.counts]
    assert left[0] == len(lithium_phases(small))
    assert left[1] == left[0]
    assert left == sorted(left, reverse=True)
    assert [count.step for count in screen.counts][:3] == [
        "candidates",
        "judged",
        "phase_stability",
    ]


def test_anode_coatings_are_judged_against_the_anode(small: ReferenceSet) -> None:
    screen = screen_coatings(Hull(small), ["Li3PO4", "Li2O"], "Li6PS5Cl", "LiCoO2", "Li")
    by_name = {row.coating: row for row in screen.rows}
    assert by_name["Li3PO4"].reaction_anode_ev_per_atom < -0.1
    assert not by_name["Li3PO4"].passes["anode"]
    assert by_name["Li2O"].reaction_anode_ev_per_atom == 0.0
    assert by_name["Li2O"].passes["anode"]


@pytest.mark.parametrize("formula", ["Li2.99PO4", "Li5PS4", "Li3PO4", "LiPS3", "Co3O4"])
def test_screen_and_window_agree(small: ReferenceSet, formula: str) -> None:
    hull = Hull(small)
    window = stability_window(hull, formula)
    (row,) = screen_coatings(hull, [formula], "Li6PS5Cl", "LiCoO2").rows
    assert row.reduction_potential_v == pytest.approx(window.reduction_potential_v, abs=1e-6)
    if window.oxidation_potential_v is None:
        assert row.oxidation_potential_v is None
    else:
        assert row.oxidation_potential_v == pytest.approx(window.oxidation_potential_v, abs=1e-6)
    assert (window.status == "diagnosis") == (window.reason in row.flags)


def test_what_the_set_does_not_hold_is_not_called_unstable(small: ReferenceSet) -> None:
    screen = screen_coatings(Hull(small), ["Li2.99PO4", "Li3PO4", "LiP"], "Li6PS5Cl", "LiCoO2")
    by_name = {row.coating: row for row in screen.rows}
    doped = by_name["Li2.99PO4"]
    assert doped.passes["phase_stability"] is None
    assert doped.passed is False or doped.passed is None
    assert "not in the set; taken on its hull" in doped.flags
    assert by_name["Li3PO4"].passes["phase_stability"] is True
    counts = {count.step: count.left for count in screen.counts}
    assert counts["phase_stability"] == 2
    assert counts["phase_stability_unknown"] == 1


def test_row_speaks_the_contract(small: ReferenceSet) -> None:
    screen = screen_coatings(Hull(small), ["Li3PO4"], "Li6PS5Cl", "LiCoO2").to_json()
    row = screen["rows"][0]
    assert row["class"] == "polyanionic oxide"
    assert {"coating", "rank", "passes", "reduction_potential_v"} <= set(row)
    assert row["rank"] == 1


def test_bad_neighbour_and_range_are_refused(small: ReferenceSet) -> None:
    with pytest.raises(FormulaError):
        screen_coatings(Hull(small), ["LiCl"], "Bad(", "LiCoO2")
    with pytest.raises(InputError, match="reversed"):
        screen_coatings(
            Hull(small),
            ["LiCl"],
            "Li6PS5Cl",
            "LiCoO2",
            criteria=ScreenCriteria(voltage_range_v=(4.3, 2.5)),
        )


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("LiF", "fluoride"),
        ("Li3AlF6", "fluoride"),
        ("Li3YCl6", "chloride"),
        ("Li2B6O9F2", "oxyfluoride"),
        ("Li3PO4", "polyanionic oxide"),
        ("Li2CO3", "polyanionic oxide"),
        ("LiAlSiO4", "polyanionic oxide"),
        ("LiNbO3", "oxide"),
        ("Al2O3", "oxide"),
        ("Li2S", "sulfide"),
        ("Li3N", "nitride"),
        ("Li3P", "other"),
        ("LiBr", "other"),
    ],
)
def test_classes(formula: str, expected: str) -> None:
    assert classify_coating(parse_formula(formula)) == expected


def test_troublesome_elements_are_flagged() -> None:
    assert element_flags(parse_formula("LiTcO4")) == ("radioactive: Tc",)
    assert element_flags(parse_formula("Li2PtO3")) == ("rare: Pt",)
    assert element_flags(parse_formula("LiNbO3")) == ()


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=25
    )
)
def test_pareto_fronts_obey_their_definition(rows: list[tuple[int, int, int]]) -> None:
    """A row's front is one more than the worst front that dominates it (naive definition)."""
    merit = np.array(rows, dtype=float)
    rank = pareto_ranks(merit)
    for i in range(len(merit)):
        above = [
            rank[j]
            for j in range(len(merit))
            if np.all(merit[j] >= merit[i]) and np.any(merit[j] > merit[i])
        ]
        assert rank[i] == 1 + max(above, default=0)
