"""GPAW itself on tiny cells: the contract of engines, MPI, atomate2, an SCF that needs a cure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from interlith.engines.contract import PotentialContract, Tolerances
from interlith.engines.dft import GpawCalculator, run_relax, run_static, settings_for
from interlith.engines.potentials import potential
from interlith.engines.relax import rattle

pytestmark = [pytest.mark.dft, pytest.mark.slow]
pytest.importorskip("gpaw")

QUICK: dict[str, Any] = {"cutoff_ev": 350.0, "kpoints": (2, 2, 2)}


def _small_salt() -> Atoms:
    """Two atoms, squeezed so that stress and forces are large against the noise."""
    salt = Atoms("LiCl", scaled_positions=[(0, 0, 0), (0.5, 0.5, 0.5)], cell=[2.95] * 3, pbc=True)
    return rattle(salt, amplitude_angstrom=0.15, seed=1)


class TestGpaw(PotentialContract):
    # finite differences see the plane waves and the grid change; stress is at constant waves
    within = Tolerances(
        step=0.02,
        slope=0.03,
        energy_ev_per_atom=1e-3,
        force_ev_per_angstrom=0.02,
        stress_ev_per_angstrom3=1e-3,
        repeat_ev=1e-4,
    )

    def make(self) -> Any:
        # a density of 0.93 gives 2 points along 2.95 Angstrom and 1 along twice that
        return potential(
            'gpaw:{"task": "md", "cutoff_ev": 600, "kpoint_density_angstrom": 0.93, '
            '"density_tolerance": 1e-6}'
        ).calculator()

    def atoms(self) -> Atoms:
        return _small_salt()

    def test_stress_is_the_slope_with_strain(self) -> None:
        """With a strain of 1 %: a smaller one measures the plane waves that come and go."""
        calculator = potential(
            'gpaw:{"task": "md", "cutoff_ev": 1000, "kpoint_density_angstrom": 0.93}'
        ).calculator()
        energies = []
        for scale in (0.99, 1.01, 1.0):
            atoms = self.atoms()
            atoms.set_cell(scale * atoms.cell.array, scale_atoms=True)
            atoms.calc = calculator
            energies.append(atoms.get_potential_energy())
        slope = (energies[1] - energies[0]) / 0.02 / atoms.get_volume()
        assert atoms.get_stress()[:3].sum() == pytest.approx(slope, rel=0.1)


def test_a_salt_is_an_insulator_and_is_read_back(tmp_path: Path) -> None:
    salt = bulk("LiCl", "rocksalt", a=5.13)
    settings = settings_for(salt, "static", **QUICK)
    record = run_static(salt, settings, tmp_path)
    assert record.status == "converged"
    assert record.band_gap_ev == pytest.approx(6.3, abs=0.5)  # PBE; experiment 9.4 eV
    assert np.abs(record.forces_ev_per_angstrom).max() < 1e-3
    assert "Converged in" in (tmp_path / "static.log").read_text()
    assert run_static(salt, settings, tmp_path) == record


def test_iron_is_magnetic(tmp_path: Path) -> None:
    iron = bulk("Fe", "bcc", a=2.84)
    settings = settings_for(iron, "static", cutoff_ev=500.0, kpoints=(5, 5, 5))
    record = run_static(iron, settings, tmp_path, stress=False)
    assert record.total_magnetic_moment == pytest.approx(2.2, abs=0.3)  # experiment 2.22


def test_a_relaxation_finds_the_cell(tmp_path: Path) -> None:
    salt = bulk("LiCl", "rocksalt", a=5.3)
    settings = settings_for(salt, "cell_relax", cutoff_ev=500.0, kpoints=(3, 3, 3))
    record = run_relax(salt, settings, tmp_path)
    assert record.status == "converged"
    assert (4 * record.volume_angstrom3) ** (1 / 3) == pytest.approx(5.15, abs=0.06)


def test_a_real_scf_without_enough_steps_is_cured(tmp_path: Path) -> None:
    salt = bulk("LiCl", "rocksalt", a=5.13)
    settings = settings_for(salt, "static", **QUICK, scf_steps=5, eigensolver="davidson")
    record = run_static(salt, settings, tmp_path)
    assert len(record.attempts) > 1
    assert not record.attempts[0].converged
    assert "did not converge in 5 steps" in (record.attempts[0].reason or "")
    assert (tmp_path / record.attempts[0].log).stat().st_size > 1000


def test_a_dipole_layer_in_a_cell_that_is_periodic_all_round(tmp_path: Path) -> None:
    """Slabs come with vacuum and periodic along it; GPAW wants to hear where the layer goes."""
    from gpaw import GPAW

    from interlith.engines.electronic.gpaw_arguments import gpaw_arguments
    from interlith.workflows.any_engine.labelling import label_frames

    places = [(0, 0, 4.0), (0, 0, 6.1)]
    sheet = Atoms("LiCl", positions=places, cell=[3.6, 3.6, 10], pbc=True)
    options = {"cutoff_ev": 300.0, "kpoints": (1, 1, 1)}
    record = run_static(sheet, settings_for(sheet, dipole_correction=True, **options), tmp_path)
    assert record.status == "converged"
    open_cell = sheet.copy()
    open_cell.pbc = (True, True, False)
    own = GPAW(**gpaw_arguments(record.settings), txt=None)
    assert record.energy_ev == pytest.approx(own.get_property("energy", open_cell), abs=1e-6)
    without = run_static(sheet, settings_for(sheet, **options), tmp_path / "without")
    assert abs((record.energy_ev or 0) - (without.energy_ev or 0)) > 0.05
    low = sheet.copy()
    low.positions[:, 2] -= 4.0
    engine = 'gpaw:{"dipole_correction": true, "cutoff_ev": 300, "kpoints": [1, 1, 1]}'
    labels = label_frames([low, sheet], engine, tmp_path / "labels")
    assert [one.status for one in labels.records] == ["failed", "ok"]
    assert "Angstrom between the slab" in (labels.records[0].reason or "")
    assert labels.records[1].energy_ev == pytest.approx(record.energy_ev, abs=1e-5)


def test_ranks_give_the_same_energy(tmp_path: Path) -> None:
    salt = _small_salt()
    energies = []
    for ranks in (1, 2):
        calculator = GpawCalculator("md", **QUICK, ranks=ranks, log=tmp_path / f"{ranks}.log")
        atoms = salt.copy()
        atoms.calc = calculator
        energies.append(atoms.get_potential_energy())
        atoms.positions[0] += 0.02
        atoms.get_forces()  # the worker keeps its wave functions
        calculator.close()
    assert energies[0] == pytest.approx(energies[1], abs=1e-5)
    assert "cores:  2" in (tmp_path / "2.log").read_text()


def test_atomate2_relaxes_with_it_by_dotted_name(tmp_path: Path, monkeypatch: Any) -> None:
    from atomate2.forcefields.jobs import ForceFieldRelaxMaker
    from jobflow import run_locally
    from pymatgen.io.ase import AseAtomsAdaptor

    monkeypatch.chdir(tmp_path)
    maker = ForceFieldRelaxMaker(
        force_field_name={"@module": "interlith.engines.dft", "@callable": "GpawCalculator"},
        calculator_kwargs={"task": "cell_relax", "cutoff_ev": 400.0, "kpoints": [3, 3, 3]},
        steps=3,
        relax_kwargs={"fmax": 0.1},
    )
    one = maker.make(AseAtomsAdaptor.get_structure(bulk("LiCl", "rocksalt", a=5.13)))
    (answers,) = run_locally(one)[one.uuid].values()
    assert answers.output.output.energy_per_atom == pytest.approx(-3.634, abs=0.02)
