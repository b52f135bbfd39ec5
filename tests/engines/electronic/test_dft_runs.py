"""Records, cures and resuming, with a fake solver in place of the SCF."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.constraints import FixAtoms

from interlith.engines.dft import (
    GpawCalculator,
    calculation_key,
    run_relax,
    run_static,
    settings_for,
)
from interlith.engines.electronic import gpaw_calculator
from interlith.engines.electronic.cures import cures
from interlith.engines.electronic.live_gpaw import Answer, LiveGpaw, NotConvergedError
from interlith.errors import FailureError, InputError

pytestmark = pytest.mark.dft
pytest.importorskip("gpaw")


class FakeSolver:
    """Lennard-Jones under the name of an SCF; the first calls fail as told."""

    def __init__(self) -> None:
        self.failures: list[BaseException] = []
        self.calls: list[Any] = []
        self.closed = 0

    def solve(self, atoms: Atoms, settings: Any, log: Path, *, stress: bool = True) -> Answer:
        self.calls.append(settings)
        log.write_text("what the SCF said")
        if self.failures:
            raise self.failures.pop(0)
        atoms = atoms.copy()
        atoms.calc = LennardJones(sigma=2.3, epsilon=0.5, rc=6.0, smooth=True)
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        results["free_energy"] = results["energy"]
        if stress:
            results["stress"] = atoms.get_stress()
        return Answer(results, 7, 6.0, 1.0)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def solver(monkeypatch: pytest.MonkeyPatch) -> FakeSolver:
    fake = FakeSolver()
    monkeypatch.setattr(gpaw_calculator, "solver_for", lambda settings: fake)
    return fake


def _salt() -> Atoms:
    return bulk("LiCl", "rocksalt", a=5.13)


def test_a_finished_calculation_is_not_repeated(solver: FakeSolver, tmp_path: Path) -> None:
    atoms = _salt()
    settings = settings_for(atoms)
    first = run_static(atoms, settings, tmp_path)
    again = run_static(atoms, settings, tmp_path)
    assert first == again
    assert first.status == "converged"
    assert len(solver.calls) == 1
    assert solver.closed == 1
    other = run_static(atoms, settings_for(atoms, cutoff_ev=500.0), tmp_path)
    assert other.key != first.key
    moved = atoms.copy()
    moved.positions[0] += 0.1
    run_static(moved, settings, tmp_path)
    assert len(solver.calls) == 3


def test_a_stress_that_was_left_out_is_computed_when_asked_for(
    solver: FakeSolver, tmp_path: Path
) -> None:
    atoms, settings = _salt(), settings_for(_salt())
    assert run_static(atoms, settings, tmp_path, stress=False).stress_ev_per_angstrom3 is None
    whole = run_static(atoms, settings, tmp_path)
    assert whole.stress_ev_per_angstrom3 is not None
    assert run_static(atoms, settings, tmp_path, stress=False) == whole
    assert run_static(atoms, settings, tmp_path) == whole
    assert len(solver.calls) == 2


def test_ranks_do_not_change_what_is_computed(solver: FakeSolver, tmp_path: Path) -> None:
    run_static(_salt(), settings_for(_salt()), tmp_path)
    run_static(_salt(), settings_for(_salt(), ranks=2), tmp_path)
    assert len(solver.calls) == 1


def test_a_cure_that_helps_is_recorded_with_its_log(solver: FakeSolver, tmp_path: Path) -> None:
    solver.failures = [NotConvergedError("slow"), NotConvergedError("slow")]
    record = run_static(_salt(), settings_for(_salt()), tmp_path)
    assert record.status == "converged"
    assert [bool(a.change) for a in record.attempts] == [False, True, True]
    assert [a.converged for a in record.attempts] == [False, False, True]
    assert "mixer" in record.attempts[1].change
    assert all((tmp_path / a.log).is_file() for a in record.attempts)
    assert len({a.log for a in record.attempts}) == 3
    assert record.settings.mixer is not None


def test_an_scf_without_cure_is_a_record(solver: FakeSolver, tmp_path: Path) -> None:
    settings = settings_for(_salt())
    solver.failures = [NotConvergedError("never") for _ in range(1 + len(cures(settings)))]
    record = run_static(_salt(), settings, tmp_path)
    assert record.status == "not_converged"
    assert record.energy_ev is None
    assert "did not converge" in (record.reason or "")
    assert len(record.attempts) == 4
    assert run_static(_salt(), settings, tmp_path) == record  # the same again would end the same


def test_wider_smearing_is_said(solver: FakeSolver, tmp_path: Path) -> None:
    settings = settings_for(_salt())
    solver.failures = [NotConvergedError("slow")] * 3
    record = run_static(_salt(), settings, tmp_path)
    assert record.status == "converged"
    assert "only with smearing 0.15" in (record.reason or "")


def test_a_crash_is_a_record_and_tried_again(solver: FakeSolver, tmp_path: Path) -> None:
    solver.failures = [FailureError("out of memory")]
    record = run_static(_salt(), settings_for(_salt()), tmp_path)
    assert record.status == "failed"
    assert "out of memory" in (record.reason or "")
    assert run_static(_salt(), settings_for(_salt()), tmp_path).status == "converged"


def test_cures_are_few_and_only_the_last_changes_the_result() -> None:
    found = cures(settings_for(_salt()))
    assert [cure.alters_result for cure in found] == [False, False, True]
    assert len(cures(settings_for(_salt(), smearing="fixed"))) == 2


def test_a_relaxation_lowers_the_energy_and_is_not_repeated(
    solver: FakeSolver, tmp_path: Path
) -> None:
    atoms = bulk("LiCl", "rocksalt", a=5.6)
    settings = settings_for(atoms, "cell_relax")
    record = run_relax(atoms, settings, tmp_path)
    assert record.status == "converged"
    assert record.volume_change is not None
    assert record.volume_change < 0
    assert np.abs(record.stress_ev_per_angstrom3).max() < 0.02
    calls = len(solver.calls)
    assert run_relax(atoms, settings, tmp_path) == record
    assert len(solver.calls) == calls
    assert {settings.kpoints} == {call.kpoints for call in solver.calls}


def test_a_killed_relaxation_goes_on(
    solver: FakeSolver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atoms = bulk("LiCl", "rocksalt", a=5.6)
    settings = settings_for(atoms, "cell_relax")
    whole = run_relax(atoms, settings, tmp_path / "whole")
    needed = len(solver.calls)
    solve = solver.solve

    def killed(*given: Any, **named: Any) -> Answer:
        if len(solver.calls) == needed + 3:
            raise KeyboardInterrupt
        return solve(*given, **named)

    monkeypatch.setattr(solver, "solve", killed)
    with pytest.raises(KeyboardInterrupt):
        run_relax(atoms, settings, tmp_path / "cut")
    monkeypatch.setattr(solver, "solve", solve)
    solver.calls.clear()
    record = run_relax(atoms, settings, tmp_path / "cut")
    assert record.status == "converged"
    assert len(solver.calls) < needed
    assert record.energy_ev == pytest.approx(whole.energy_ev, abs=1e-3)
    assert record.volume_change == pytest.approx(whole.volume_change, abs=2e-3)


def test_a_relaxation_out_of_steps_goes_on_with_more(solver: FakeSolver, tmp_path: Path) -> None:
    atoms = bulk("LiCl", "rocksalt", a=5.6)
    settings = settings_for(atoms, "cell_relax")
    short = run_relax(atoms, settings, tmp_path, max_steps=2)
    assert (short.status, short.steps) == ("not_converged", 3)  # the start is the first
    assert "--max-steps" in (short.reason or "")
    calls = len(solver.calls)
    assert run_relax(atoms, settings, tmp_path, max_steps=2) == short
    assert len(solver.calls) == calls
    one_more = run_relax(atoms, settings, tmp_path, max_steps=3)
    assert (one_more.steps or 0) > 3
    whole = run_relax(atoms, settings, tmp_path, max_steps=100)
    assert whole.status == "converged"
    assert (whole.energy_ev or 0) < (short.energy_ev or 0)
    assert whole.volume_change is not None
    assert whole.volume_change < 0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AssertionError(), r"AssertionError at 'raise error' \(test_dft_runs.py, line \d+\)$"),
        (TypeError("no such\nargument"), "TypeError no such$"),
        (KeyError("mixer"), "KeyError 'mixer'$"),
        (ZeroDivisionError("division"), "ZeroDivisionError division$"),
        (ValueError("K-points"), "ValueError K-points$"),
    ],
)
def test_what_gpaw_raises_is_a_failure_with_its_reason(
    error: Exception, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: Any) -> Any:
        raise error

    monkeypatch.setattr("gpaw.GPAW", broken)
    with pytest.raises(FailureError, match=f"GPAW failed on ClLi: {reason}"):
        LiveGpaw().solve(_salt(), settings_for(_salt()), tmp_path / "gpaw.log")
    record = run_static(_salt(), settings_for(_salt()), tmp_path / "run")
    assert record.status == "failed"


def test_the_calculator_survives_copies(solver: FakeSolver, tmp_path: Path) -> None:
    calculator = GpawCalculator("md", cutoff_ev=500.0, log=tmp_path / "gpaw.log")
    atoms = _salt()
    atoms.calc = calculator
    atoms.get_potential_energy()
    for other in (
        copy.deepcopy(calculator),
        pickle.loads(pickle.dumps(calculator)),
        GpawCalculator.from_dict(calculator.as_dict()),
    ):
        assert other.todict() == calculator.todict()
        assert other._solver is None
    assert copy.deepcopy(atoms).calc.answer is None


def test_neighbours_keep_settings_and_strangers_get_their_own(solver: FakeSolver) -> None:
    calculator = GpawCalculator("relax")
    atoms = _salt()
    atoms.calc = calculator
    atoms.get_potential_energy()
    atoms.set_cell(atoms.cell * 1.05, scale_atoms=True)
    atoms.get_potential_energy()
    atoms.set_cell(atoms.cell * 2, scale_atoms=True)
    atoms.get_potential_energy()
    first, second, third = (call.kpoints for call in solver.calls)
    assert first == second
    assert third != first
    folder = Path(calculator._log_path()).parent
    assert folder.is_dir()
    calculator.close()
    assert not folder.exists()


def test_stress_can_be_left_out(solver: FakeSolver) -> None:
    calculator = GpawCalculator(stress=False)
    atoms = _salt()
    atoms.calc = calculator
    atoms.get_forces()
    assert "stress" not in calculator.results
    assert "stress" not in calculator.implemented_properties


def test_bad_input_is_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    atoms = bulk("Tc", "fcc", a=3.9)
    with pytest.raises(InputError, match="Tc"):
        run_static(atoms, settings_for(atoms), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_result_with_fixed_atoms_is_no_result_without() -> None:
    free = bulk("Cu", cubic=True)
    fixed = free.copy()
    fixed.set_constraint(FixAtoms([0]))
    settings = settings_for(free, "relax")
    assert calculation_key(free, settings) != calculation_key(fixed, settings)
    assert calculation_key(fixed, settings) == calculation_key(fixed.copy(), settings)
