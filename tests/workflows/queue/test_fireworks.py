"""FireWorks over a LaunchPad: the endpoint of tests/store/wire.py, or a real MongoDB if named."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

MOVING = """
name: moving
electrolyte: LiCl
anode: Li
stages:
  md: {potential: lj, temperatures_k: [300], time_ps: 20, equilibration_ps: 1, frame_every: 25,
       volume: as_given, min_length_angstrom: 5.0}
"""
STUDY = """
name: demo
electrolyte: Li3PS4
anode: Li
cathode: {material: LiCoO2, voltage_v: [3.0, 4.3]}
coatings: [LiF]
"""


@pytest.fixture
def project(mongo_project: Path) -> Path:
    """A project on MongoDB; its jobs and its LaunchPad are there too."""
    return mongo_project


@pytest.mark.slow
def test_a_study_goes_through_a_launchpad(project: Path, ask: Any) -> None:
    """Every job of the flow, and its results in the database; nothing secret in the Fireworks."""
    (project / "study.yaml").write_text(STUDY)
    ask("submit", "study.yaml", "--engine", "fireworks")
    waiting = ask("status", "--engine", "fireworks")
    assert len(waiting) >= 10
    assert ask("worker", "--engine", "fireworks")["ran"] == len(waiting)
    found = ask("status", "--engine", "fireworks")
    assert {one["state"] for one in found} == {"COMPLETED"}, found
    windows = ask("results query windows", "--where", "electrolyte=Li3PS4")
    assert {"Li3PS4", "LiF"} <= {one["record"]["formula"] for one in windows}
    assert (project / "demo-results/report.html").is_file()
    address = os.environ["INTERLITH_MONGO_URI"]
    assert address not in _everything(address)
    assert not [p for p in project.rglob("*") if p.is_file() and address.encode() in p.read_bytes()]


def _everything(address: str) -> str:
    """All documents of the tests' databases, as text."""
    import pymongo

    client: Any = pymongo.MongoClient(address)
    names = json.loads((Path(".interlith") / "names.json").read_text())
    return "".join(
        str(document)
        for name in names
        for collection in client[name].list_collection_names()
        for document in client[name][collection].find()
    )


@pytest.mark.slow
def test_a_failure_is_told_and_run_again(project: Path, ask: Any) -> None:
    ask("submit", "--engine", "fireworks", "--", "md", "Xx2")
    ask("worker", "--engine", "fireworks")
    (found,) = ask("status", "--engine", "fireworks")
    assert (found["state"], "Xx" in found["reason"]) == ("FIZZLED", True)
    assert ask("why", "md")["exception"]
    told = ask("why", "md", "--engine", "fireworks")
    assert "Xx" in told["exception"]
    assert told["attempts"][0]["state"] == "FIZZLED"
    assert ask("retry", "--engine", "fireworks")["retried"] == [found["id"]]
    ask("worker", "--engine", "fireworks")
    assert ask("status", "--engine", "fireworks")[0]["launches"] == 2


@pytest.mark.slow
def test_the_walltime_makes_a_new_firework(project: Path, ask: Any) -> None:
    """A run told to stop goes on in a detour, to the end."""
    ask("submit", "--engine", "fireworks", "--", "md", "Cu", "--potential", "emt", "--repeat",
        "2,2,2", "--time-ps", "20", "--timestep", "2", "-o", "cu")  # fmt: skip
    command = [sys.executable, "-m", "interlith", "worker", "--engine", "fireworks", "--most", "1"]
    worker = subprocess.Popen(command)
    until = time.monotonic() + 120
    while not (project / "cu/progress.json").exists():
        assert time.monotonic() < until
        time.sleep(0.1)
    worker.send_signal(signal.SIGUSR1)
    worker.wait(120)
    found = ask("status", "--engine", "fireworks")
    assert [one["state"] for one in found] == ["COMPLETED", "READY"]
    ask("worker", "--engine", "fireworks")
    found = ask("status", "--engine", "fireworks")
    assert {one["state"] for one in found} == {"COMPLETED"}
    assert json.loads((project / "cu/record.json").read_text())["status"] == "finished"


@pytest.mark.slow
def test_dynamics_of_a_study_go_on_in_a_new_firework(
    project: Path, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told of the walltime, the job is replaced by one that goes on: every bit is the same."""
    import h5py
    import numpy as np

    monkeypatch.setenv("INTERLITH_GRACE_S", "120")  # for machines that are busy
    (project / "study.yaml").write_text(MOVING)
    for name in ("whole", "told"):
        (project / name).mkdir()
    ask.plain("assess", "study.yaml", "-o", "whole/results")
    ask("submit", "study.yaml", "--engine", "fireworks", "-o", "told/results")
    before = ask("status", "--engine", "fireworks")
    worker = subprocess.Popen(
        [sys.executable, "-m", "interlith", "worker", "--engine", "fireworks"]
    )
    run = project / "told/moving-md/300K-seed0"
    until = time.monotonic() + 120
    while not (run / "progress.json").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    (moving,) = [o for o in ask("status", "--engine", "fireworks") if o["status"] == "running"]
    assert 0 <= moving["progress"] <= 1
    worker.send_signal(signal.SIGUSR1)
    assert worker.wait(200) == 0
    found = ask("status", "--engine", "fireworks")
    assert {one["state"] for one in found} == {"COMPLETED"}, found
    assert len(found) == len(before) + 1
    assert any("resumed" in note for note in json.loads((run / "record.json").read_text())["notes"])
    place = "particles/all/position/value"
    whole = project / "whole/moving-md/300K-seed0/trajectory.h5"
    with h5py.File(run / "trajectory.h5") as a, h5py.File(whole) as b:
        assert np.array_equal(a[place][()], b[place][()])
    kept = ask("results query diffusivities")
    assert {one["record"]["dynamics"][0]["status"] for one in kept} == {"finished"}


@pytest.mark.slow
def test_a_killed_worker_is_noticed_at_once(project: Path, ask: Any) -> None:
    """kill -9: the Firework is lost, not running; retry runs it, and never one that lives."""
    ask("submit", "--engine", "fireworks", "--", "md", "Cu", "--potential", "emt", "--repeat",
        "2,2,2", "--time-ps", "20", "--timestep", "2", "-o", "cu")  # fmt: skip
    command = [sys.executable, "-m", "interlith", "worker", "--engine", "fireworks", "--most", "1"]
    worker = subprocess.Popen(command)
    until = time.monotonic() + 120
    while not (project / "cu/progress.json").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    (found,) = ask("status", "--engine", "fireworks")
    assert found["status"] == "running"
    assert 0 <= found["progress"] <= 1
    assert ask("retry", "--engine", "fireworks")["retried"] == []
    worker.kill()
    worker.wait()
    (found,) = ask("status", "--engine", "fireworks")
    assert (found["status"], found["state"]) == ("lost", "RUNNING")
    assert "retry --engine fireworks" in ask("why", "md", "--engine", "fireworks")["cure"]
    assert ask("retry", "--engine", "fireworks")["retried"] == [found["id"]]
    time.sleep(2)  # the run notices that its runner is gone
    ask("worker", "--engine", "fireworks")
    assert ask("status", "--engine", "fireworks")[0]["state"] == "COMPLETED"


@pytest.mark.slow
@pytest.mark.slurm
def test_a_flow_through_slurm(project: Path, ask: Any) -> None:
    """``qlaunch -r`` on a real Slurm: every job of a study, all results in the store."""
    if shutil.which("sbatch") is None:
        pytest.skip("there is no sbatch; sudo bash scripts/slurm-test.sh starts a Slurm")
    (project / "study.yaml").write_text(STUDY)
    ask("submit", "study.yaml", "--engine", "fireworks", "--time", "00:10:00")
    until = time.monotonic() + 540
    while True:
        ask("worker", "--engine", "fireworks", "--queue", "slurm")
        found = ask("status", "--engine", "fireworks")
        if all(one["state"] == "COMPLETED" for one in found):
            break
        assert time.monotonic() < until, found
        assert not any(one["state"] == "FIZZLED" for one in found), found
        time.sleep(3)
    assert len(found) >= 10
    assert all(one["queue_id"] for one in found)
    windows = ask("results query windows", "--where", "electrolyte=Li3PS4")
    assert {"Li3PS4", "LiF"} <= {one["record"]["formula"] for one in windows}


@pytest.mark.slow
@pytest.mark.slurm
def test_dynamics_of_a_study_survive_walltimes(project: Path, ask: Any) -> None:
    """A real walltime of a minute: new Fireworks in new Slurm jobs, to the end, by themselves."""
    if shutil.which("sbatch") is None:
        pytest.skip("there is no sbatch; sudo bash scripts/slurm-test.sh starts a Slurm")
    (project / "study.yaml").write_text(MOVING.replace("time_ps: 20,", "time_ps: 56,"))
    ask("submit", "study.yaml", "--engine", "fireworks", "--stage", "md:time=00:01:00",
        "--time", "00:10:00", "--signal-before", "30")  # fmt: skip
    before = ask("status", "--engine", "fireworks")
    command = [sys.executable, "-m", "interlith", "worker", "--engine", "fireworks",
               "--queue", "slurm", "--wait"]  # fmt: skip
    filler = subprocess.Popen(command)
    try:
        until = time.monotonic() + 540
        while {one["state"] for one in ask("status", "--engine", "fireworks")} != {"COMPLETED"}:
            assert time.monotonic() < until, ask("status", "--engine", "fireworks")
            time.sleep(5)
    finally:
        filler.terminate()
        filler.wait()
    found = ask("status", "--engine", "fireworks")
    runs = [one for one in found if one["name"].startswith("md ")]
    assert len(found) == len(before) + len(runs) - 1
    assert len({one["queue_id"] for one in runs}) == len(runs) >= 2
    record = json.loads((project / "moving-md/300K-seed0/record.json").read_text())
    assert (record["status"], record["steps_done"]) == ("finished", 28_000)
    assert not any("between the regular" in note for note in record["notes"])


def test_batch_scripts_for_every_queue(tmp_path: Path) -> None:
    from interlith.errors import InputError
    from interlith.workflows.queue.fireworks import queue_adapter
    from interlith.workflows.queue.jobs import Resources

    asked = Resources(cores=4, memory_gb=2, walltime="01:00:00", partition="long")
    wanted = {
        "slurm": ("--cpus-per-task=4", "--signal=B:USR1@180", "--partition=long", "--mem=2048M"),
        "pbs": ("select=1:ncpus=4", "walltime=01:00:00", "-q long"),
        "lsf": ("-n 4", "-W 01:00:00", "-wt 3 -wa USR1"),
    }
    for queue, parts in wanted.items():
        with pytest.warns(UserWarning, match="not present in template"):
            text = queue_adapter(queue, tmp_path, asked).get_script_str(str(tmp_path))
        for part in parts:
            assert part in text, (queue, part)
        assert "exec " in text.rstrip().splitlines()[-1]
        assert "$${" not in text
    with pytest.raises(InputError, match="slurm, pbs, lsf"):
        queue_adapter("condor", tmp_path, asked)
