"""jobflow-remote: its own runner on a queue in the test endpoint, here and through Slurm."""

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
import yaml

from interlith.errors import InputError
from interlith.store.project import init_project
from interlith.workflows.queue.jobs import Resources
from interlith.workflows.queue.remote import before_run

STUDY = """
name: demo
electrolyte: Li3PS4
anode: Li
"""
MOVING = """
name: moving
electrolyte: LiCl
anode: Li
stages:
  md: {potential: lj, temperatures_k: [300], time_ps: 20, equilibration_ps: 1, frame_every: 25,
       volume: as_given, min_length_angstrom: 5.0}
"""


def test_a_job_is_told_when_to_stop(tmp_path: Path) -> None:
    """The shell lines are valid and name a time before the walltime."""
    asked = Resources(walltime="1-00:10:00", signal_before_s=600, setup=("export SET_UP=1",))
    assert asked.seconds == 87_000
    text = before_run(asked) + '\necho "$SET_UP $INTERLITH_ON_WALLTIME $INTERLITH_STOP_AT"'
    done = subprocess.run(["bash", "-e", "-c", text], capture_output=True, text=True, check=True)
    one, mode, moment = done.stdout.split()
    assert (one, mode) == ("1", "continue")
    now = subprocess.run(["date", "+%s"], capture_output=True, text=True, check=True).stdout
    assert abs(int(moment) - int(now) - 86_400) <= 2


def test_without_the_package_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from interlith.errors import MissingDependencyError
    from interlith.store import remote

    monkeypatch.setattr(remote.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"interlith\[cluster\]"):
        remote.open_remote(init_project(tmp_path, store="mongo"))


@pytest.mark.parametrize("text", ["md", "md:", "md:colour=red", "md:cores", "md:cores=none"])
def test_resources_of_a_stage_are_checked(text: str) -> None:
    from interlith.cli.queue_engines import stage_resources

    with pytest.raises(InputError, match="--stage"):
        stage_resources([text], Resources())


def test_resources_of_a_stage_are_those_of_all_but_what_is_named() -> None:
    from interlith.cli.queue_engines import stage_resources

    found = stage_resources(["md:gpus=1,time=48:00:00,memory=8"], Resources(account="lab"))
    wanted = Resources(account="lab", gpus=1, walltime="48:00:00", memory_gb=8)
    assert found == {"md": wanted}


@pytest.fixture
def project(mongo_project: Path) -> Path:
    """A project whose jobs run in a shell of this machine, whether it has a Slurm or not."""
    pytest.importorskip("jobflow_remote", reason="pip install 'interlith[cluster]'")
    return mongo_project


def _use_worker(project: Path, scheduler: str, ask: Any) -> None:
    """Write jobflow-remote's project by a first call, and choose how its worker runs jobs."""
    ask("status", "--engine", "remote")
    path = project / ".interlith/remote/interlith.yaml"
    data = yaml.safe_load(path.read_text())
    data["workers"]["here"]["scheduler_type"] = scheduler
    path.write_text(yaml.safe_dump(data))


@pytest.mark.slow
def test_a_study_goes_through_its_queue(project: Path, ask: Any) -> None:
    """Every job by its runner, results in the database, no address of a server in any file."""
    _use_worker(project, "shell", ask)
    (project / "study.yaml").write_text(STUDY)
    ask("submit", "study.yaml", "--engine", "remote", "--stage", "window:cores=2")
    waiting = ask("status", "--engine", "remote")
    assert len(waiting) == 5
    assert {one["status"] for one in waiting} == {"waiting"}
    assert ask("worker", "--engine", "remote")["ran"] == len(waiting)
    found = ask("status", "--engine", "remote")
    assert {one["state"] for one in found} == {"COMPLETED"}, found
    windows = ask("results query windows", "--where", "electrolyte=Li3PS4")
    assert {"Li3PS4"} <= {one["record"]["formula"] for one in windows}
    assert (project / "demo-results/report.html").is_file()
    address = os.environ["INTERLITH_MONGO_URI"]
    files = [path for path in project.rglob("*") if path.is_file()]
    assert not [path for path in files if address.encode() in path.read_bytes()]


@pytest.mark.slow
def test_a_failure_is_told_and_run_again(project: Path, ask: Any) -> None:
    _use_worker(project, "shell", ask)
    ask("submit", "--engine", "remote", "--", "md", "Xx2")
    ask("worker", "--engine", "remote")
    (found,) = ask("status", "--engine", "remote")
    assert (found["status"], found["state"]) == ("failed", "FAILED")
    assert "Xx" in found["reason"]
    told = ask("why", "md", "--engine", "remote")
    assert "retry --engine remote" in told["cure"]
    assert any("FailureError" in line for line in told["log"])
    assert ask("retry", "--engine", "remote")["retried"] == [found["id"]]
    ask("worker", "--engine", "remote")
    assert ask("status", "--engine", "remote")[0]["state"] == "FAILED"
    text = (project / ".interlith/queue").glob("*/log.txt")
    assert sum(path.read_text().count("$ interlith md") for path in text) == 2


@pytest.mark.slow
def test_dynamics_of_a_study_go_on_in_a_new_job(project: Path, ask: Any) -> None:
    """Told of the walltime, the job is replaced by one that goes on to the end."""
    _use_worker(project, "shell", ask)
    (project / "study.yaml").write_text(MOVING)
    ask("submit", "study.yaml", "--engine", "remote", "--signal-before", "240")
    worker = subprocess.Popen([sys.executable, "-m", "interlith", "worker", "--engine", "remote"])
    progress = project / "moving-md/300K-seed0/progress.json"
    until = time.monotonic() + 200
    while not progress.exists():
        assert time.monotonic() < until
        time.sleep(0.1)
    (run,) = [one for one in ask("status", "--engine", "remote") if one["name"].startswith("md ")]
    (process,) = _processes(f"execution run {run['folder']}")
    os.kill(process, signal.SIGUSR1)
    assert worker.wait(300) == 0
    _finished(project, ask("status", "--engine", "remote"), 10_000)
    (kept,) = ask("results query diffusivities", "--all-revisions")
    assert kept["record"]["dynamics"][0]["status"] == "finished"


def _processes(text: str) -> list[int]:
    """Python processes whose command line holds a text."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line and "python" in line.split()[0]:
            found.append(int(place.parent.name))
    return found


@pytest.mark.slow
@pytest.mark.slurm
def test_dynamics_of_a_study_survive_walltimes(project: Path, ask: Any) -> None:
    """The same with a real walltime of a minute, by Slurm."""
    if shutil.which("sbatch") is None:
        pytest.skip("there is no sbatch; sudo bash scripts/slurm-test.sh starts a Slurm")
    _use_worker(project, "slurm", ask)
    (project / "study.yaml").write_text(MOVING.replace("time_ps: 20,", "time_ps: 56,"))
    ask("submit", "study.yaml", "--engine", "remote", "--time", "00:01:00",
        "--signal-before", "30")  # fmt: skip
    ask("worker", "--engine", "remote")
    found = ask("status", "--engine", "remote")
    _finished(project, found, 28_000)
    assert all(one["queue_id"] for one in found)


def _finished(project: Path, found: list[dict[str, Any]], steps: int) -> None:
    assert {one["state"] for one in found} == {"COMPLETED"}, found
    runs = [one for one in found if one["name"].startswith("md ")]
    assert [one["index"] for one in runs] == list(range(1, len(runs) + 1))
    assert len(runs) >= 2
    record = json.loads((project / "moving-md/300K-seed0/record.json").read_text())
    assert (record["status"], record["steps_done"]) == ("finished", steps)
    assert not any("between the regular" in note for note in record["notes"])
