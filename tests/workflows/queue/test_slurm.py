"""With a real Slurm: scripts/slurm-test.sh starts one; run with ``pytest -m slurm``."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.slurm]

STUDY = """
name: demo
electrolyte: Li3PS4
anode: Li
cathode: {material: LiCoO2, voltage_v: [3.0, 4.3]}
coatings: [LiF, Li3PO4]
"""
MOVING = """
name: moving
electrolyte: LiCl
anode: Li
stages:
  md: {potential: lj, temperatures_k: [300], time_ps: 20, equilibration_ps: 1, frame_every: 25,
       volume: as_given, min_length_angstrom: 5.0}
"""


@pytest.fixture(autouse=True)
def _slurm() -> None:
    if shutil.which("sbatch") is None:
        pytest.skip("there is no sbatch; sudo bash scripts/slurm-test.sh starts a Slurm")
    if subprocess.run(["sinfo"], capture_output=True, check=False).returncode:
        pytest.skip("Slurm does not answer; sudo bash scripts/slurm-test.sh starts it")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder that Slurm's node sees, with a project in it."""
    interlith("init")
    return tmp_path


def interlith(*arguments: str) -> Any:
    command = [sys.executable, "-m", "interlith", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(command: str, *arguments: str) -> Any:
    """A command with --json, which goes before ``--``."""
    return json.loads(interlith(*command.split(), "--json", *arguments))


def wait_until(status: str, seconds: float) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while True:
        (found,) = ask("status")
        if found["status"] == status:
            return dict(found)
        assert time.monotonic() < until, f"not {status} in {seconds} s: {found}"
        time.sleep(2)


def test_a_study_and_its_results(project: Path) -> None:
    (project / "study.yaml").write_text(STUDY)
    ask("submit", "study.yaml", "--engine", "slurm", "--time", "00:10:00")
    found = wait_until("completed", 180)
    assert found["attempts"] == 1
    windows = ask("results query windows", "--where", "electrolyte=Li3PS4")
    assert {"Li3PS4", "LiF", "Li3PO4"} <= {one["record"]["formula"] for one in windows}
    assert ask("results verify")["sound"]


def test_a_failure_is_explained(project: Path) -> None:
    ask("submit", "--engine", "slurm", "--time", "00:05:00", "--", "md", "Xx2")
    wait_until("failed", 120)
    found = ask("why", "md")
    assert "Xx" in found["exception"]
    assert found["log"]


def test_a_cancelled_job_is_tried_again(project: Path) -> None:
    made = ask("submit", "--engine", "slurm", "--time", "00:30:00", "--", *md("20"))
    wait_until("running", 60)
    subprocess.run(["scancel", made["queue_id"]], check=True)
    until = time.monotonic() + 60
    while ask("status")[0]["status"] not in ("cancelled", "lost"):
        assert time.monotonic() < until
        time.sleep(1)
    assert "retry" in ask("why", "md")["cure"]
    assert ask("retry")["retried"] == [made["id"]]
    assert wait_until("completed", 400)["attempts"] == 2


def test_a_run_survives_its_walltime(project: Path) -> None:
    """Killed by a walltime of one minute, continued by Slurm: every bit as without."""
    import h5py
    import numpy as np

    time_ps = str(_ps_of(45.0))
    ask("submit", "--engine", "slurm", "--time", "00:01:00", "--signal-before", "30", "--",
        *md(time_ps))  # fmt: skip
    found = wait_until("completed", 900)
    assert found["attempts"] >= 2
    interlith(*md(time_ps, "whole"))
    place = "particles/all/position/value"
    with h5py.File("cu/trajectory.h5") as a, h5py.File("whole/trajectory.h5") as b:
        assert a[place].shape == b[place].shape
        assert np.array_equal(a[place][()], b[place][()])


def test_dynamics_of_a_study_go_on_after_the_signal(project: Path) -> None:
    """One batch job for the whole study, put back by itself; nothing unfinished is kept."""
    (project / "study.yaml").write_text(MOVING)
    made = ask("submit", "study.yaml", "--engine", "slurm", "--time", "00:10:00")
    until = time.monotonic() + 120
    while not Path("moving-md/300K-seed0/progress.json").exists():
        assert time.monotonic() < until
        time.sleep(0.5)
    subprocess.run(["scancel", "--signal=USR1", "--batch", made["queue_id"]], check=True)
    found = wait_until("completed", 600)
    assert found["attempts"] == 2
    record = json.loads(Path("moving-md/300K-seed0/record.json").read_text())
    assert (record["status"], record["steps_done"]) == ("finished", 10_000)
    assert any("resumed" in note for note in record["notes"])
    assert not any("between the regular" in note for note in record["notes"])
    (kept,) = ask("results query diffusivities", "--all-revisions")
    assert kept["record"]["dynamics"][0]["status"] == "finished"


def md(time_ps: str, out: str = "cu") -> tuple[str, ...]:
    return ("md", "Cu", "--potential", "emt", "--repeat", "3,3,3", "--timestep", "2",
            "--frame-every", "100", "--checkpoint-every", "200", "--time-ps", time_ps,
            "-o", out)  # fmt: skip


def _ps_of(seconds: float) -> float:
    """Simulated time that takes about so much processor time here, whatever else runs."""
    spent = []
    for time_ps in ("0.2", "2.2"):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        interlith(*md(time_ps, f"probe-{time_ps}"))
        spent.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)
    return round(2 * seconds / (spent[1] - spent[0]))
