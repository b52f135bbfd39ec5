"""DFT flows: convergence tables and the check's arithmetic on made-up records, then real ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ase import Atoms
from ase.build import bulk
from typer.testing import CliRunner

from interlith.cli.dft import _convergence_tables, app
from interlith.engines.dft import settings_for
from interlith.engines.electronic.records import DftRecord, DftStructure
from interlith.errors import FailureError, InputError
from interlith.provenance import provenance
from interlith.workflows.dft import ConvergenceMaker, DftMaker, convergence
from interlith.workflows.dft_check import FORMATION_EV, compare, sulfur_ring

pytestmark = pytest.mark.dft


def _record(atoms: Atoms, energy_ev_per_atom: float, **more: Any) -> DftRecord:
    values: dict[str, Any] = {
        "status": "converged",
        "key": "",
        "formula": atoms.get_chemical_formula(),
        "n_atoms": len(atoms),
        "settings": settings_for(atoms, **more.pop("settings", {})),
        "energy_ev": energy_ev_per_atom * len(atoms),
        "energy_ev_per_atom": energy_ev_per_atom,
        "stress_ev_per_angstrom3": (0.01, 0.01, 0.01, 0, 0, 0),
        "volume_angstrom3": atoms.get_volume(),
        "structure": DftStructure.of(atoms),
        "folder": "",
        "wall_time_s": 1.0,
        "provenance": provenance(),
    }
    return DftRecord(**{**values, **more})


def _fluorite(a: float) -> Atoms:
    places = [(0, 0, 0), (0.25, 0.25, 0.25), (0.75, 0.75, 0.75)]
    return Atoms("SLi2", scaled_positions=places, cell=bulk("Cu", a=a).cell, pbc=True)


def _records() -> dict[str, DftRecord]:
    return {
        "Li": _record(bulk("Li"), -1.9),
        "LiCl": _record(bulk("LiCl", "rocksalt", a=5.15), -3.67),
        "Li2S": _record(_fluorite(5.72), -3.98),
        "Cl2": _record(Atoms("Cl2", [(0, 0, 0), (0, 0, 2)], cell=[5] * 3, pbc=True), -1.82),
        "S8": _record(sulfur_ring(), -4.10),
    }


def test_the_check_adds_the_anion_corrections() -> None:
    pytest.importorskip("gpaw")
    found = {one.formula: one for one in compare(_records()).compounds}
    assert found["LiCl"].raw_formation_energy_ev == pytest.approx(-7.34 + 1.9 + 1.82)
    assert found["LiCl"].formation_energy_ev == pytest.approx(-3.62 - 0.614)
    assert found["Li2S"].formation_energy_ev == pytest.approx(-11.94 + 3.8 + 4.1 - 0.503)
    assert found["LiCl"].lattice_angstrom == pytest.approx(5.15)
    assert all(one.passed for one in found.values())


def test_a_wrong_lattice_or_energy_does_not_pass() -> None:
    pytest.importorskip("gpaw")
    records = _records()
    wide = records | {"LiCl": _record(bulk("LiCl", "rocksalt", a=5.3), -3.67)}
    high = records | {"LiCl": _record(bulk("LiCl", "rocksalt", a=5.15), -3.5)}
    lost = records | {"S8": records["S8"].model_copy(update={"status": "not_converged"})}
    assert [compare(one).passed for one in (records, wide, high, lost)] == [True] + 3 * [False]
    (sulfide,) = (one for one in compare(lost).compounds if one.formula == "Li2S")
    assert (sulfide.status, sulfide.formation_energy_ev) == ("not_converged", None)


def test_the_sulfur_ring_has_its_bonds_and_angles() -> None:
    ring = sulfur_ring()
    for i in range(8):
        j, k = (i + 1) % 8, (i + 2) % 8
        assert ring.get_distance(i, j) == pytest.approx(2.06)
        assert ring.get_angle(i, j, k) == pytest.approx(108.0)


def test_enough_is_the_smallest_from_which_all_are_close() -> None:
    salt = bulk("LiCl", "rocksalt", a=5.13)
    energies = {400.0: -3.660, 500.0: -3.6761, 600.0: -3.674, 800.0: -3.6762, 1000.0: -3.677}
    records = [_record(salt, e, settings={"cutoff_ev": c}) for c, e in energies.items()]
    table = convergence("LiCl", ["cutoff"] * len(records), records)
    assert table.enough == {"cutoff_ev": 800.0, "kpoint_density_angstrom": None}
    assert table.points[0].difference_mev_per_atom == pytest.approx(17.0)
    assert table.points[0].pressure_gpa == pytest.approx(-1.602, abs=1e-3)


def test_without_the_finest_there_is_nothing_to_compare_with() -> None:
    salt = bulk("LiCl", "rocksalt", a=5.13)
    lost: dict[str, Any] = {"energy_ev": None, "energy_ev_per_atom": None}
    coarse = _record(salt, -3.66, settings={"cutoff_ev": 400.0})
    fine = _record(salt, -3.67, settings={"cutoff_ev": 800.0})
    failed = _record(salt, 0.0, settings={"cutoff_ev": 800.0}).model_copy(
        update={**lost, "status": "not_converged"}
    )
    grid = _record(salt, 0.0, settings={"kpoint_density_angstrom": 1.5}).model_copy(
        update={**lost, "status": "failed"}
    )
    table = convergence("LiCl", ["cutoff", "cutoff", "kpoints"], [coarse, failed, grid])
    assert table.status == "no_answer"
    assert table.reason == (
        "no energy from cut-off 800 eV: not_converged; k-point density 1.5 Angstrom: failed"
    )
    last = _convergence_tables(table.to_json())[-2:]
    assert "cut-off not known, density not known" in str(last[0])
    assert "no_answer: no energy from cut-off 800 eV" in str(last[1])
    kept = convergence("LiCl", ["cutoff", "kpoints", "kpoints"], [fine, grid, fine])
    assert (kept.status, kept.points[1].status) == ("diagnosis", "failed")
    assert "only the largest, density only the largest" in str(
        _convergence_tables(kept.to_json())[-2]
    )
    good = convergence("LiCl", ["cutoff", "cutoff"], [coarse, fine])
    assert (good.status, good.reason) == ("ok", None)


def test_converge_without_an_answer_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("gpaw")
    salt = bulk("LiCl", "rocksalt", a=5.13)
    failed = _record(salt, 0.0).model_copy(
        update={"energy_ev": None, "energy_ev_per_atom": None, "status": "failed"}
    )
    table = convergence("LiCl", ["cutoff"], [failed]).to_json()
    monkeypatch.setattr("interlith.workflows.local.run_flow", lambda *_, **__: table)
    result = CliRunner().invoke(app, ["converge", "LiCl", "--json", "--out", str(tmp_path)])
    assert json.loads(result.stdout)["status"] == "no_answer"
    assert isinstance(result.exception, FailureError)  # exit 1
    assert "nothing to compare" in str(result.exception)


@pytest.mark.parametrize("command", [("run", "LiCl"), ("converge", "LiCl"), ("check",)])
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("task=relax", "the task is no setting"),
        ("kpoint_density_angstrom=abc", "no positive number"),
        ("kpoints=[0,1,1]", "greater than or equal to 1"),
        ('hubbard_u_ev={"Li":-1}', "greater than or equal to 0"),
        ('mixer={"name":"foo"}', "there are msr1, pulay"),
        ("eigensolver=foo", "should be 'ppcg'"),
    ],
)
def test_a_wrong_setting_is_bad_input(
    command: tuple[str, ...], setting: str, message: str, tmp_path: Path
) -> None:
    pytest.importorskip("gpaw")
    result = CliRunner().invoke(app, [*command, "--set", setting, "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, InputError)  # exit 2
    assert message in str(result.exception)


def test_the_task_is_named_once() -> None:
    for maker in (DftMaker(settings={"task": "relax"}), ConvergenceMaker(settings={"task": "md"})):
        with pytest.raises(InputError, match="name it once"):
            maker.make(bulk("Li") if isinstance(maker, DftMaker) else "LiCl", "x")


def test_a_relaxation_may_have_more_steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("gpaw")
    asked: dict[str, Any] = {}

    def relaxed(atoms: Atoms, settings: Any, folder: str, **how: Any) -> DftRecord:
        asked.update(how)
        return _record(atoms, -1.0)

    monkeypatch.setattr("interlith.workflows.dft.run_relax", relaxed)
    command = ["run", "LiCl", "--task", "relax", "--out", str(tmp_path), "--json"]
    for more, due in (((), 100), (("--max-steps", "250"), 250)):
        result = CliRunner().invoke(app, [*command, *more])
        assert result.exit_code == 0, result.exception
        assert asked["max_steps"] == due
    assert CliRunner().invoke(app, [*command, "--max-steps", "0"]).exit_code == 2


def test_flows_refuse_bad_input() -> None:
    pytest.importorskip("gpaw")
    with pytest.raises(InputError, match="task 'md' is no job"):
        DftMaker(task="md").make(bulk("Li"), "x")
    with pytest.raises(InputError, match="at least one cut-off"):
        ConvergenceMaker(cutoffs_ev=()).make("LiCl", "x")


def test_densities_that_give_one_grid_are_computed_once(tmp_path: Path) -> None:
    pytest.importorskip("gpaw")
    maker = ConvergenceMaker(cutoffs_ev=(400,), densities_angstrom=(2.0, 2.01, 3.0))
    assert len(maker.make("LiCl", tmp_path).jobs) == 1 + 2 + 1


COMMAND = [sys.executable, "-m", "interlith", "dft"]
TINY = ["--set", "kpoints=[2,2,2]"]


@pytest.mark.slow
def test_a_killed_flow_goes_on_and_repeats_nothing(tmp_path: Path) -> None:
    pytest.importorskip("gpaw")
    command = [*COMMAND, "converge", "LiCl", "--cutoffs", "300,350,400", "--densities", "2"]
    command += [*TINY, "--out", str(tmp_path), "--json"]
    first = tmp_path / "cutoff-300" / "static.json"
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not first.is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/static.json")}
    assert first in finished
    assert len(finished) < 4
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    points = json.loads(done.stdout)["points"]
    assert [point["status"] for point in points] == ["converged"] * 4
    assert all(path.stat().st_mtime_ns == before for path, before in finished.items())


@pytest.mark.slow
def test_the_check_passes(tmp_path: Path) -> None:
    pytest.importorskip("gpaw")
    done = subprocess.run(
        [*COMMAND, "check", "--json", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["passed"]
    for compound in record["compounds"]:
        assert abs(compound["lattice_error"]) < 0.015
        assert abs(compound["formation_energy_ev"] - FORMATION_EV[compound["formula"]]) < 0.15
