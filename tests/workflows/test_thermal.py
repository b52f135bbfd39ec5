"""The quasi-harmonic flow with a cheap engine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import spglib.error
from ase.build import bulk

from interlith.engines.potentials import potential
from interlith.errors import InputError
from interlith.structures.files.formats import write_structure
from interlith.structures.library import build, load_phase
from interlith.workflows import thermal
from interlith.workflows.thermal import ThermalSettings, quasi_harmonic

SMALL = ThermalSettings(min_length_angstrom=7.0, mesh_length_angstrom=25.0)


def test_copper_expands_and_holds_heat() -> None:
    record = quasi_harmonic(bulk("Cu", "fcc", a=3.6), potential("emt"), SMALL)
    assert record.status == "ok"
    assert record.linear_expansion_300k_per_k == pytest.approx(2.1e-5, rel=0.15)  # measured 1.65e-5
    assert record.heat_capacity_300k_j_per_kg_k == pytest.approx(386, abs=8)  # measured 385
    assert record.heat_capacity_j_per_kg_k[0] == pytest.approx(0.0, abs=1e-6)
    assert record.bulk_modulus_gpa[-1] < record.bulk_modulus_gpa[0]


def test_phonopy_leaves_spglib_as_it_was() -> None:
    before = spglib.error.OLD_ERROR_HANDLING
    quasi_harmonic(bulk("Cu", "fcc", a=3.6), potential("emt"), SMALL)
    assert "phonopy" in sys.modules
    assert spglib.error.OLD_ERROR_HANDLING is before


def test_imaginary_modes_are_no_answer() -> None:
    record = quasi_harmonic(bulk("Cu", "bcc", a=2.87), potential("emt"), SMALL)
    assert record.status == "no_answer"
    assert "imaginary" in (record.reason or "")
    assert record.linear_expansion_300k_per_k is None


def test_a_relaxed_cell_is_not_averaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = build(load_phase("LiCl"))
    cell.perturb(0.1, seed=1)
    write_structure(cell, tmp_path / "moved.cif")
    taken: list[int] = []
    monkeypatch.setattr(thermal, "quasi_harmonic", lambda atoms, *_, **__: taken.append(len(atoms)))
    thermal.thermal(str(tmp_path / "moved.cif"), "lj")
    thermal.thermal("LiCl", "lj")
    assert taken == [8, 2]


def test_a_crystal_that_did_not_relax_has_no_phonons() -> None:
    """Copper 8 % too large in two steps: it must not pass for its own minimum."""
    settings = ThermalSettings(min_length_angstrom=7.0, mesh_length_angstrom=25.0, max_steps=2)
    record = quasi_harmonic(bulk("Cu", "fcc", a=3.9), potential("emt"), settings)
    assert record.status == "no_answer"
    assert "did not relax to 0.003 eV/Angstrom in 2 steps" in (record.reason or "")
    assert record.linear_expansion_300k_per_k is None


@pytest.mark.parametrize("least", [0.0, -5.0, float("nan"), float("inf")])
def test_a_least_edge_is_positive_and_finite(least: float) -> None:
    with pytest.raises(InputError, match=r"--min-length.*finite number above 0"):
        ThermalSettings(min_length_angstrom=least)


def test_bad_settings() -> None:
    with pytest.raises(InputError, match="five volumes"):
        ThermalSettings(strains=(0.0, 0.01))
