"""Bad input is refused before anything is computed, with what to do."""

from __future__ import annotations

from importlib import util
from pathlib import Path
from typing import Any

import pytest
from ase import Atoms
from ase.build import bulk, molecule

from interlith.engines.dft import run_relax
from interlith.engines.electronic import datasets
from interlith.engines.electronic.checks import check_gpaw_input
from interlith.engines.electronic.gpaw_ranks import mpi_command
from interlith.engines.electronic.settings import settings_for
from interlith.engines.potentials import potential
from interlith.errors import InputError, MissingDependencyError

pytestmark = pytest.mark.dft
pytest.importorskip("gpaw")


def _check(atoms: Atoms, **overrides: Any) -> None:
    check_gpaw_input(atoms, settings_for(atoms, "static", **overrides))


def test_fine_input_passes() -> None:
    _check(bulk("LiCl", "rocksalt", a=5.13))
    _check(bulk("Li"))  # one electron: a metal


def test_element_without_dataset() -> None:
    with pytest.raises(InputError, match="no PBE dataset for Tc; there are 83"):
        _check(bulk("Tc", "fcc", a=3.9))


def test_odd_electrons_without_spin() -> None:
    radical = molecule("OH", vacuum=3.0, pbc=True)
    with pytest.raises(InputError, match="7 valence electrons, an odd number"):
        _check(radical, spin_polarised=False)
    _check(radical)
    _check(radical, spin_polarised=False, charge=1.0)


def test_cutoff_below_the_need() -> None:
    with pytest.raises(InputError, match="need at least 500 eV"):
        _check(bulk("MgO", "rocksalt", a=4.2), cutoff_ev=300.0)


def test_atoms_on_top_of_each_other() -> None:
    close = Atoms("Li2", positions=[(0, 0, 0), (0, 0, 0.2)], cell=[5, 5, 5], pbc=True)
    with pytest.raises(InputError, match=r"0\.20 Angstrom apart"):
        _check(close)


def test_no_cell() -> None:
    with pytest.raises(InputError, match="give a molecule a box"):
        _check(Atoms("H2", positions=[(0, 0, 0), (0, 0, 0.74)]))


def test_gpaw_missing_says_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    found = util.find_spec

    def without(name: str, *rest: Any) -> Any:
        return None if name == "gpaw" else found(name, *rest)

    monkeypatch.setattr(datasets, "find_spec", without)
    with pytest.raises(MissingDependencyError, match=r"apt-get install g\+\+ libopenblas-dev"):
        _check(bulk("Li"))
    with pytest.raises(MissingDependencyError, match="pip install gpaw"):
        potential("gpaw")


def test_mpi_missing_says_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingDependencyError, match="openmpi-bin"):
        mpi_command(2)


def test_dispersion_without_its_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="program dftd3"):
        _check(bulk("LiCl", "rocksalt", a=5.13), dispersion="d3")


def _sheet(*heights: float, pbc: Any = True) -> Atoms:
    places = [(0.0, 0.0, height) for height in heights]
    return Atoms("LiCl", positions=places, cell=[3.6, 3.6, 10], pbc=pbc)


def test_a_dipole_layer_needs_vacuum_at_the_ends_of_the_cell() -> None:
    for pbc in (True, (True, True, False)):
        _check(_sheet(4.0, 6.1, pbc=pbc), dipole_correction=True)
    _check(_sheet(14.0, 16.1), dipole_correction=True)  # the next cell's
    _check(_sheet(0.0, 2.1))
    for low, message in ((0.0, r"there are 0\.0 and 7\.9 Angstrom"), (-1.0, "center")):
        with pytest.raises(InputError, match=message):
            _check(_sheet(low, low + 2.1), dipole_correction=True)
    with pytest.raises(InputError, match="2 k points across the vacuum"):
        _check(_sheet(4.0, 6.1), dipole_correction=True, kpoints=(2, 2, 2))
    with pytest.raises(InputError, match="periodic along the first two"):
        _check(_sheet(4.0, 6.1, pbc=False), dipole_correction=True)
    turned = _sheet(4.0, 6.1)
    turned.rotate(90, "x", rotate_cell=True)
    with pytest.raises(InputError, match="must lie across z"):
        _check(turned, dipole_correction=True)


def test_the_cell_of_a_slab_with_a_dipole_layer_is_not_relaxed(tmp_path: Path) -> None:
    sheet = _sheet(4.0, 6.1)
    settings = settings_for(sheet, "cell_relax", dipole_correction=True)
    with pytest.raises(InputError, match="width of its vacuum"):
        run_relax(sheet, settings, tmp_path / "slab")
    assert not (tmp_path / "slab").exists()


def test_lanthanides_have_4f_electrons_in_the_valence() -> None:
    """5s2 5p6 6s2 and the rest: starting moments on them would mean nothing otherwise."""
    for number, element in enumerate("Dy Ho Er Tm Yb".split(), 10):
        assert datasets.dataset(element).valence_electrons == 10 + number
    assert datasets.dataset("Ce").valence_electrons == 12  # and 5d1


def test_dataset_facts() -> None:
    lithium = datasets.dataset("Li")
    assert lithium.valence_electrons == 1
    assert len(lithium.sha256) == 64


def test_potential_is_exact_and_refuses_what_it_does_not_know() -> None:
    plain = potential("gpaw")
    other = potential('gpaw:{"task": "md", "cutoff_ev": 500}')
    assert plain.identity.sha256 != other.identity.sha256
    assert plain.identity.to_json()["kind"] == "dft"
    assert "Li" in plain.identity.elements
    for text, message in (
        ("gpaw:{", "no JSON"),
        ("gpaw:[1]", "JSON object"),
        ('gpaw:{"task": "mdd"}', "no DFT task"),
        ('gpaw:{"cutof": 5}', "no DFT setting is called cutof"),
    ):
        with pytest.raises(InputError, match=message):
            potential(text)
    with pytest.raises(InputError, match="float64"):
        potential("gpaw", dtype="float32")
    with pytest.raises(InputError, match="Tc"):
        plain.calculator(elements=["Tc"])
