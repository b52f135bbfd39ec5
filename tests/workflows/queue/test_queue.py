"""Jobs in folders: claiming, running, failing, being killed, going on; Slurm by stand-ins."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from interlith.errors import FailureError, InputError, MissingDependencyError
from interlith.workflows.queue import slurm
from interlith.workflows.queue.jobs import (
    Attempt,
    Job,
    JobRequest,
    JobState,
    Queue,
    Resources,
    begin,
    end,
    safe_name,
)
from interlith.workflows.queue.reports import report, report_all, why
from interlith.workflows.queue.runner import BUSY, main, run_job
from interlith.workflows.queue.slurm import QueueLine
from interlith.workflows.queue.worker import ended_badly, retry, work

QUICK = ("--version",)
BAD = ("window", "Xx2")
LONG = ("md", "Cu", "--potential", "emt", "--repeat", "2,2,2", "--timestep", "2",
        "--frame-every", "50", "--checkpoint-every", "100", "-o", "cu")  # fmt: skip


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path / "queue")


def add(queue: Queue, *commands: tuple[str, ...], **more: object) -> Job:
    settings = {"name": "demo", "commands": commands, "folder": str(Path.cwd())} | more
    return queue.add(JobRequest.model_validate(settings))


def test_a_job_runs_to_its_end(queue: Queue) -> None:
    job = add(queue, QUICK, QUICK)
    assert report(job).status == "waiting"
    assert work(queue) == [job.id]
    state = job.state()
    assert (state.status, state.done, len(state.attempts)) == ("completed", 2, 1)
    assert job.tail("log.txt")[-1][0].isdigit()
    assert work(queue) == []
    assert run_job(job) is None


def test_a_failure_is_told_and_tried_again(queue: Queue) -> None:
    """What ended well is not repeated; reason, cure and log are there."""
    job = add(queue, QUICK, BAD)
    work(queue)
    found = why(job)
    assert found.status == "failed"
    assert "Xx" in (found.reason or "")
    assert found.exception is not None
    assert "retry" in found.cure
    assert [one.id for one in ended_badly(queue)] == [job.id]
    assert retry([job]) == [job.id]
    assert job.state().done == 1
    work(queue)
    assert (job.state().status, len(job.state().attempts)) == ("failed", 2)
    text = (job.folder / "log.txt").read_text()
    assert (text.count("$ interlith --version"), text.count("$ interlith window")) == (1, 2)


def test_only_what_ended_badly_is_tried_again(queue: Queue) -> None:
    job = add(queue, QUICK)
    with pytest.raises(InputError, match="is waiting"):
        retry([job])
    job.write(JobState(status="completed"))
    with pytest.raises(InputError, match="is completed"):
        retry([job])


def test_two_workers_do_not_take_one_job(queue: Queue) -> None:
    job = add(queue, QUICK)
    with job.claimed() as mine:
        assert mine
        assert work(queue) == []
        assert run_job(job) is None
        assert main(str(job.folder)) == BUSY
    assert work(queue) == [job.id]


def test_a_process_that_died_leaves_a_lost_job(queue: Queue) -> None:
    job = add(queue, QUICK)
    begin(job, None)
    assert report(job).status == "lost"
    retry([job])
    work(queue)
    state = job.state()
    assert state.status == "completed"
    assert [a.outcome for a in state.attempts] == [None, "completed"]


def test_restarts_are_bounded(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    job = add(queue, QUICK, resources=Resources(max_restarts=2))
    attempt = Attempt(host="h", process=1, queue_id=None, started="t")
    job.write(JobState(status="continuing", attempts=(attempt,) * 3))
    from interlith.workflows.queue.runner import _again

    assert _again(job, job.state()) == 1
    assert job.state().status == "failed"
    assert "more walltime" in (job.state().reason or "")


def test_jobs_are_found_by_a_part_of_their_name(queue: Queue) -> None:
    first, second = add(queue, QUICK, name="one"), add(queue, QUICK, name="two")
    second.write(JobState(queue_id="77"))
    assert queue.find("one").id == first.id
    assert queue.find("77").id == second.id
    for bad in ("demo", "-"):
        with pytest.raises(InputError, match="jobs fit"):
            queue.find(bad)


def test_a_damaged_state_says_so(queue: Queue) -> None:
    job = add(queue, QUICK)
    (job.folder / "state.json").write_text('{"status": "runn')
    with pytest.raises(FailureError, match="damaged"):
        job.state()


@pytest.mark.parametrize(
    ("text", "name"), [("a b/c", "a-b-c"), ("../x", "x"), ("", "job"), ("--x", "x")]
)
def test_names(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_the_script_keeps_what_it_is_given_apart(queue: Queue, tmp_path: Path) -> None:
    place = tmp_path / "with space; touch pwned"
    place.mkdir()
    resources = Resources(cores=4, gpus=1, memory_gb=1.5, partition="gpu", account="abc",
                          lines=("--exclusive",), setup=("module load x",))  # fmt: skip
    job = add(queue, QUICK, folder=str(place), resources=resources)
    text = slurm.script(job)
    options = [line for line in text.splitlines() if line.startswith("#SBATCH")]
    for wanted in ("--cpus-per-task=4", "--gres=gpu:1", "--mem=1536M", "--partition=gpu",
                   "--signal=B:USR1@180", "--requeue", "--exclusive"):  # fmt: skip
        assert any(wanted in line for line in options), wanted
    assert f"cd '{place}'" in text
    assert text.rstrip().splitlines()[-1].startswith("exec ")
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    bad = add(queue, QUICK, resources=Resources(lines=("--x\nrm -rf /",)))
    with pytest.raises(InputError, match="line break"):
        slurm.script(bad)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """sbatch, squeue and scontrol that note what they were asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    scripts = {
        "sbatch": 'cp "$2" asked.sh; echo "41;cluster"',
        "squeue": 'echo "41|${STATE:-RUNNING}|0:59|node7|None"',
        "scontrol": 'echo "$@" >> scontrol.txt',
    }
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def test_submitting_and_asking(
    queue: Queue, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = add(queue, QUICK, engine="slurm")
    assert slurm.submit(job) == "41"
    assert Path("asked.sh").read_text() == slurm.script(job)
    monkeypatch.setenv("STATE", "PENDING")
    assert report_all([job])[0].status == "waiting"
    begin(job, "41")
    monkeypatch.setenv("STATE", "RUNNING")
    (found,) = report_all([job])
    assert (found.status, found.left, found.host) == ("running", "0:59", "node7")
    for state, cure in (
        ("OUT_OF_MEMORY", "memory"),
        ("TIMEOUT", "walltime"),
        ("NODE_FAIL", "retry"),
    ):
        monkeypatch.setenv("STATE", state)
        diagnosis = why(job)
        assert diagnosis.status == "lost"
        assert cure in diagnosis.cure
    retry([job])
    assert job.state().queue_id == "41"
    assert work(queue) == []  # Slurm's jobs are Slurm's


def test_slurm_says_no(queue: Queue, stand_in: Path) -> None:
    (stand_in / "sbatch").write_text("#!/bin/bash\necho 'invalid partition' >&2; exit 1\n")
    with pytest.raises(FailureError, match=r"invalid partition.*check partition"):
        slurm.submit(add(queue, QUICK, engine="slurm"))
    (stand_in / "squeue").write_text("#!/bin/bash\nexit 1\n")
    assert slurm.queue_lines(["41"]) == {}


def test_no_slurm_says_so(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MissingDependencyError, match="--engine local"):
        slurm.submit(add(queue, QUICK, engine="slurm"))
    assert slurm.queue_lines(["41"]) == {}


def test_the_walltime_puts_a_job_back(
    queue: Queue, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from interlith.workflows.queue import runner

    monkeypatch.setenv("SLURM_JOB_ID", "41")
    job = add(queue, QUICK, engine="slurm")
    begin(job, "41")
    state = end(job, "continuing", "told of the walltime")
    assert runner._again(job, state) == 0
    assert Path("scontrol.txt").read_text() == "requeue 41\n"
    waiting = QueueLine(state="PENDING", left="1:00", node="", reason="BeginTime")
    assert report(job, waiting).status == "continuing"


def start(job: Job) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "interlith.workflows.queue.runner", job.folder])


def wait_for(path: Path, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < until, f"{path} did not come"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_run_goes_on_after_the_signal_and_is_the_same(queue: Queue, tmp_path: Path) -> None:
    """SIGUSR1 before the walltime, then kill -9, then to the end: equal to one run."""
    import h5py
    import numpy as np

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    whole = add(queue, (*LONG, "--time-ps", "20"), folder=str(tmp_path / "a"))
    work(queue)
    assert whole.state().status == "completed"

    job = add(queue, (*LONG, "--time-ps", "20"), folder=str(tmp_path / "b"))
    first = start(job)
    wait_for(tmp_path / "b/cu/progress.json")
    first.send_signal(signal.SIGUSR1)
    first.wait(60)
    assert job.state().status == "continuing"
    second = start(job)
    time.sleep(3)
    if second.poll() is None:
        second.kill()
        second.wait()
        time.sleep(2)  # the run notices that its runner is gone
        assert report(job).status == "lost"
        retry([job])
    work(queue)
    assert job.state().status == "completed"
    with (
        h5py.File(tmp_path / "a/cu/trajectory.h5") as a,
        h5py.File(tmp_path / "b/cu/trajectory.h5") as b,
    ):
        place = "particles/all/position/value"
        assert a[place].shape == b[place].shape
        assert np.array_equal(a[place][()], b[place][()])
