"""FireWorks over a LaunchPad: the endpoint of tests/store/wire.py, or a real MongoDB if named."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

OWN = "INTERLITH_TEST_MONGO_URI"
STUDY = """
name: demo
electrolyte: Li3PS4
anode: Li
cathode: {material: LiCoO2, voltage_v: [3.0, 4.3]}
coatings: [LiF]
"""


def _wire() -> Any:
    path = Path(__file__).parents[2] / "store" / "wire.py"
    spec = importlib.util.spec_from_file_location("interlith_wire", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project on MongoDB; its jobs and its LaunchPad are there too."""
    import pymongo

    name = f"interlith_test_{uuid.uuid4().hex[:10]}"
    server = None if os.environ.get(OWN) else _wire().WireServer()
    uri = os.environ.get(OWN) or server.uri  # type: ignore[union-attr]
    monkeypatch.setenv("INTERLITH_MONGO_URI", uri)
    monkeypatch.delenv("JOBFLOW_CONFIG_FILE", raising=False)
    interlith("init", "--store", "mongo", "--database", name)
    names = [name, f"{name}_fireworks"]
    (tmp_path / ".interlith" / "names.json").write_text(json.dumps(names))
    yield tmp_path
    for database in names:
        pymongo.MongoClient(uri).drop_database(database)
    if server is not None:
        server.__exit__()


def interlith(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "interlith", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ask(command: str, *arguments: str) -> Any:
    return json.loads(interlith(*command.split(), "--json", *arguments))


@pytest.mark.slow
def test_a_study_goes_through_a_launchpad(project: Path) -> None:
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
def test_a_failure_is_told_and_run_again(project: Path) -> None:
    ask("submit", "--engine", "fireworks", "--", "md", "Xx2")
    ask("worker", "--engine", "fireworks")
    (found,) = ask("status", "--engine", "fireworks")
    assert (found["state"], "Xx" in found["reason"]) == ("FIZZLED", True)
    assert ask("why", "md")["exception"]
    assert ask("retry", "--engine", "fireworks")["retried"] == [found["id"]]
    ask("worker", "--engine", "fireworks")
    assert ask("status", "--engine", "fireworks")[0]["launches"] == 2


@pytest.mark.slow
def test_the_walltime_makes_a_new_firework(project: Path) -> None:
    """A run told to stop goes on in a detour, to the end."""
    import signal

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
@pytest.mark.slurm
def test_a_flow_through_slurm(project: Path) -> None:
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
