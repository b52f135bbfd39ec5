"""Levels and potentials by GPAW; kept apart from what is tested without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from interlith.analysis.band_edges import PotentialProfile
from interlith.analysis.electronic_character import ComputedGap, electronic_character
from interlith.analysis.interphase import classify_interphase
from interlith.engines.electronic.settings import settings_for
from interlith.errors import InputError
from interlith.provenance import provenance
from interlith.records import Amount
from interlith.workflows.any_engine.electronic import (
    LevelsRecord,
    electronic_levels,
    interface_line_up,
)
from interlith.workflows.any_engine.records import structure_of


def levels(
    valence: float, gap: float, profile: Any, formula: str = "X", **settings: Any
) -> LevelsRecord:
    """A record as GPAW would give it."""
    values = np.asarray(profile, float)
    return LevelsRecord(
        status="ok",
        formula=formula,
        n_atoms=2,
        identity={"versions": {"gpaw": "26"}},
        settings={"xc": "PBE", "cutoff_ev": 600.0, **settings},
        gap_ev=gap,
        valence_ev=valence,
        conduction_ev=valence + gap,
        fermi_ev=valence + gap / 2,
        mean_potential_ev=float(values.mean()),
        normal=2,
        profile=PotentialProfile.of(values, 40.0),
        inputs="",
        provenance=provenance(),
    )


def test_an_interface_lines_its_bulks_up() -> None:
    """A profile with a step of 0.8 eV under cores of two periods; bulk zeros of their own."""
    z = np.arange(800) * 0.05
    cores = np.where(z < 20, 5 * np.cos(np.pi * z), 0.8 + 4 * np.cos(0.8 * np.pi * z))
    a = levels(1.0, 4.0, 2.0 + np.zeros(8))  # the edge lies 1 eV below its mean potential
    b = levels(-1.0, 6.0, -2.0 + np.zeros(8))  # and here 1 eV above
    found = interface_line_up(levels(0, 1, cores), a, b, ((5.0, 15.0), (25.0, 35.0)), (2.0, 2.5))
    assert found.valence_offset_ev == pytest.approx(1.0 + 1.0 + 0.8, abs=0.01)
    assert found.conduction_offset_ev == pytest.approx(2.8 + 2.0, abs=0.01)
    other = levels(0, 1, np.zeros(8), cutoff_ev=400.0)
    with pytest.raises(InputError, match="one for all three"):
        interface_line_up(levels(0, 1, cores), a, other, ((5.0, 15.0), (25.0, 35.0)), (2.0, 2.5))


def test_u_and_datasets_matter_where_two_records_share_the_element() -> None:
    """LiCoO2 on Li3PS4: the sulfide has no cobalt, so no U of it either."""
    profile = np.where(np.arange(800) * 0.05 < 20, 0.0, 0.8)
    windows = ((5.0, 15.0), (25.0, 35.0)), (2.0, 2.5)

    def made(formula: str, values: Any, **more: Any) -> LevelsRecord:
        symbols = formula_symbols(formula)
        atoms = Atoms(symbols, [(2.0 * i, 0, 0) for i in range(len(symbols))], cell=[60, 20, 20])
        chosen = settings_for(atoms, "static", **{"cutoff_ev": 800.0, **more})
        return levels(0.0, 2.0, values, formula, **chosen.model_dump(mode="json"))

    whole, oxide = made("Li4CoPS4O2", profile), made("LiCoO2", np.zeros(8))
    sulfide = made("Li3PS4", np.zeros(8))
    found = interface_line_up(whole, oxide, sulfide, *windows)
    assert found.valence_offset_ev == pytest.approx(0.8, abs=0.01)
    for wrong, message in (
        (made("Li3PS4", np.zeros(8), cutoff_ev=600.0), "cutoff_ev 800.0 and 600.0"),
        (made("Li3PS4", np.zeros(8), datasets={}), "datasets of Li 3 and None"),
    ):
        with pytest.raises(InputError, match=message):
            interface_line_up(whole, oxide, wrong, *windows)
    bare = made("LiCoO2", np.zeros(8), hubbard_u_ev={})
    with pytest.raises(InputError, match=r"hubbard_u_ev of Co 3\.32 and 0\.0"):
        interface_line_up(whole, bare, sulfide, *windows)


def formula_symbols(formula: str) -> list[str]:
    return Atoms(formula).get_chemical_symbols()


def test_a_computed_gap_fills_what_is_not_known() -> None:
    unknown = "Li7P3S11"
    assert electronic_character(unknown).character == "unknown"
    wide = ComputedGap(formula="Li14P6S22", gap_ev=2.6, method="PBE")
    found = electronic_character(unknown, [wide])
    assert (found.character, found.gap_ev) == ("semiconductor", 2.6)
    assert "lower bound" in found.source
    assert (
        electronic_character("LiF", [ComputedGap(formula="LiF", gap_ev=9, method="PBE")]).gap_ev
        == 11.7
    )
    assert electronic_character(
        "LiMg", [ComputedGap(formula="LiMg", gap_ev=1, method="PBE")]
    ).conducts


@pytest.mark.parametrize(
    ("gap", "bound", "conducts"),
    [(0.0, True, True), (0.4, True, False), (0.4, False, True), (1.0, True, False)],
)
def test_a_small_semilocal_gap_settles_nothing(gap: float, bound: bool, conducts: bool) -> None:
    """PBE's 0.4 eV may be 0.9 in truth; a hybrid functional's counts as it is."""
    computed = ComputedGap(formula="LiP5", gap_ev=gap, method="test", lower_bound=bound)
    assert electronic_character("LiP5", [computed]).conducts is conducts


def test_the_interphase_class_takes_computed_gaps() -> None:
    products = [Amount(formula="Li3P", amount=1), Amount(formula="Li7P3S11", amount=1)]
    assert classify_interphase(products).interphase_class == "unknown"
    gap = ComputedGap(formula="Li7P3S11", gap_ev=2.6, method="PBE")
    found = classify_interphase(products, computed_gaps=[gap])
    assert found.interphase_class == "passivating"


def test_engines_without_electrons_are_refused(tmp_path: Path) -> None:
    for wrong in ("emt", "7net-0", "vasp"):
        with pytest.raises(InputError, match="only gpaw"):
            electronic_levels(structure_of(bulk("Cu")), wrong, tmp_path)
    with pytest.raises(InputError, match="cell vector 4"):
        electronic_levels(structure_of(bulk("Cu")), "gpaw", tmp_path, normal=4)


@pytest.mark.slow
@pytest.mark.dft
@pytest.mark.parametrize(
    ("formula", "edge", "low", "high"),
    [("NaCl", 5.569, 5.08, 5.20), ("MgO", 4.189, 4.75, 4.84)],
)
def test_gaps_of_insulators_are_those_of_the_literature(
    formula: str, edge: float, low: float, high: float, tmp_path: Path
) -> None:
    """PBE at Gamma by two other codes, as compared by Betzinger, Friedrich and Bluegel.

    Phys. Rev. B 81, 195117 (2010); the values stand in GPAW's own benchmark of PBE0 gaps.
    """
    salt = structure_of(bulk(formula, "rocksalt", a=edge))
    found = electronic_levels(salt, "gpaw", tmp_path)
    assert low - 0.15 < found.gap_ev < high + 0.15
    assert electronic_levels(salt, "gpaw", tmp_path) == found  # read back
    assert (tmp_path / "levels.log").is_file()


@pytest.mark.slow
@pytest.mark.dft
def test_doubling_the_cell_moves_no_edge(tmp_path: Path) -> None:
    """And a metal has no gap."""
    one = bulk("LiCl", "rocksalt", a=5.13)
    small = electronic_levels(
        structure_of(one), 'gpaw:{"kpoints": [2, 2, 4], "cutoff_ev": 400}', tmp_path / "one"
    )
    large = electronic_levels(
        structure_of(one * (1, 1, 2)),
        'gpaw:{"kpoints": [2, 2, 2], "cutoff_ev": 400}',
        tmp_path / "two",
    )
    assert large.edges().valence_ev == pytest.approx(small.edges().valence_ev, abs=0.02)
    assert large.gap_ev == pytest.approx(small.gap_ev, abs=0.02)
    metal = electronic_levels(structure_of(bulk("Li", "bcc", a=3.44)), "gpaw", tmp_path / "li")
    assert metal.gap_ev == 0.0
    assert metal.valence_ev == metal.fermi_ev
