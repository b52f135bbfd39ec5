"""Comparing reference sets: parity is antisymmetric, scheme shifts show, windows follow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from interlith.analysis.builtin_reference import BUILTIN, load_builtin
from interlith.analysis.hull import Hull
from interlith.analysis.reference_compare import WindowLimits, compare, li_window
from interlith.analysis.reference_files import load_csv
from interlith.analysis.references import ReferenceSet, build_reference

NAME = BUILTIN[0]
MAGNETIC = ("Mn", "Fe", "Co", "Ni")


def _toy(name: str, shift: float) -> ReferenceSet:
    phases = [{"Li": 2.0, "S": 1.0}, {"Li": 1.0, "Cl": 1.0}]
    energies = [-1.5 + shift, -2.1 + shift]
    return build_reference(phases, energies, name=name, sha256="0" * 64, scheme="none")


def test_a_set_equals_itself() -> None:
    same = compare(_toy("a", 0.0), _toy("b", 0.0))
    assert same.n_common == 2
    assert same.max_ev_per_atom == 0
    assert same.robust_sigma_ev_per_atom == 0


def test_exchanging_the_sets_turns_the_sign() -> None:
    there = compare(_toy("a", 0.0), _toy("b", 0.02))
    back = compare(_toy("b", 0.02), _toy("a", 0.0))
    assert there.mean_ev_per_atom == pytest.approx(0.02)
    assert back.mean_ev_per_atom == pytest.approx(-0.02)
    assert there.a.name == "a"


def test_sets_without_common_phases_have_no_numbers() -> None:
    other = build_reference(
        [{"Na": 1.0, "F": 1.0}], [-3.0], name="c", sha256="1" * 64, scheme="none"
    )
    empty = compare(_toy("a", 0.0), other)
    assert empty.n_common == 0
    assert empty.mean_ev_per_atom is None
    assert empty.rows == ()


def test_windows_follow_and_a_failure_is_a_row() -> None:
    result = compare(_toy("a", 0.0), _toy("b", -0.03), formulas=["Li2S", "LiXe"])
    good, bad = result.windows
    assert good.oxidation_difference_v == pytest.approx(0.03 * 3 / 2, abs=1e-6)
    assert bad.error
    assert bad.a is None


def test_a_window_function_can_be_given() -> None:
    def constant(hull: Hull, formula: str) -> WindowLimits:
        return WindowLimits(reduction_potential_v=0.0, oxidation_potential_v=None)

    result = compare(_toy("a", 0.0), _toy("b", 0.0), formulas=["Li2S"], window=constant)
    assert result.windows[0].reduction_difference_v == 0
    assert result.windows[0].oxidation_difference_v is None


def test_raw_and_corrected_windows_of_the_sulfide_differ_by_the_correction() -> None:
    raw, modern = (Hull(load_builtin(NAME, scheme)) for scheme in ("none", "MP2020"))
    upper = [li_window(hull, "Li2S").oxidation_potential_v for hull in (raw, modern)]
    # The S correction is -0.503 eV per S, two electrons leave per S.
    assert upper[1] - upper[0] == pytest.approx(0.503 / 2, abs=1e-6)


@pytest.fixture(scope="module")
def mp2019(shared: Path) -> ReferenceSet:
    return load_csv(shared / "reference" / "mp2019_ground_states.csv.gz")


@pytest.mark.reference
def test_the_sets_own_sigma_is_what_the_comparison_gives(mp2019: ReferenceSet) -> None:
    """The 2019 set in its own scheme; phases of magnetic metals have a sigma of their own."""
    own = load_builtin(NAME, "MP2018")
    rows = [
        row.difference_ev_per_atom
        for row in compare(mp2019, own).rows
        if not any(metal in row.formula for metal in MAGNETIC)
    ]
    assert len(rows) >= 60
    robust = 1.4826 * float(np.median(np.abs(rows)))
    stated = own.sigma[own.find({"Li": 2.0, "O": 1.0})]
    assert robust == pytest.approx(stated, abs=0.002)


@pytest.mark.reference
def test_windows_agree_with_the_2019_set_in_its_scheme(mp2019: ReferenceSet) -> None:
    materials = ["Li2S", "Li2O", "LiCl", "LiF", "Li3P", "Li3N", "LiBr", "LiI"]
    own = load_builtin(NAME, "MP2018")
    result = compare(mp2019.exclude(["LiS4", "P2S7", "SCl"]), own, formulas=materials)
    differences = [
        abs(value)
        for row in result.windows
        for value in (row.reduction_difference_v, row.oxidation_difference_v)
        if value is not None
    ]
    assert max(differences) < 0.10
    assert float(np.median(differences)) < 0.03
