"""Stress of the stores: many writers, killed workers, full disks, damaged files, old copies.

    python benchmarks/soak.py                 # everything, as in docs/reliability.md
    python benchmarks/soak.py writers --runs 3

Each trial works in a folder of its own and raises ``Broken`` when a promise does not hold.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROCESSES, RECORDS = 8, 200
Figures = dict[str, float | int | str]


class Broken(Exception):
    """Something was lost, doubled or not noticed."""


def check(holds: bool, what: str) -> None:
    if not holds:
        raise Broken(what)


def record(number: int):
    """A small record that says which it is."""
    from interlith.analysis.windows import WindowRecord
    from interlith.records import ReferenceIdentity

    return WindowRecord(
        formula=f"Li{number + 1}S",
        reduction_potential_v=1.0,
        oxidation_potential_v=2.0 + number / 1e4,
        energy_above_hull_ev_per_atom=0.0,
        in_reference=True,
        stable_mixture=(),
        reduction=None,
        oxidation=None,
        ladder=(),
        decomposition_energies=(),
        reference=ReferenceIdentity(name="soak", sha256="0" * 64, scheme="none"),
    )


def work(kind: str, folder: str, first: int, count: int) -> None:
    """What a worker process does."""
    if kind == "jobs":
        from interlith.store.jobstore import job_store
        from interlith.store.project import require_project

        store = job_store(require_project(folder))
        store.connect()
        for n in range(first, first + count):
            row = {"uuid": f"job-{n}", "index": 1, "output": {"n": n}, "name": f"job {n}"}
            store.update(row)
            print(n, flush=True)
        return
    from interlith.store.results import ResultsDatabase

    with ResultsDatabase(folder) as database:
        for n in range(first, first + count):
            if kind == "tasks":  # slow enough to be killed in the middle

                def compute(n: int = n):
                    time.sleep(0.1)
                    return record(n)

                database.find_or_compute("window", {"task": n}, compute)
            else:
                database.add(record(n))
            print(n, flush=True)


def start(kind: str, folder: Path, first: int, count: int) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--worker", kind, str(folder), str(first), str(count)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


@contextlib.contextmanager
def project() -> Iterator[Path]:
    from interlith.store.project import init_project

    with tempfile.TemporaryDirectory(prefix="interlith-soak-") as folder:
        init_project(folder)
        yield Path(folder)


def formulas(folder: Path) -> Counter[str]:
    """How often each record is in the database, a sound one."""
    from interlith.store.results import ResultsDatabase
    from interlith.store.verifying import verify

    with ResultsDatabase(folder) as database:
        report = verify(database)
        check(report.sound, f"the database is not sound: {report}")
        return Counter(str(one.record["formula"]) for one in database.everything())


def writers(runs: int = 10, processes: int = PROCESSES, records: int = RECORDS) -> Figures:
    """Processes that write at the same time into the results database: none lost, none twice."""
    times = []
    for _ in range(runs):
        with project() as folder:
            started = time.perf_counter()
            crew = [start("results", folder, n * records, records) for n in range(processes)]
            errors = [one.communicate()[1] for one in crew]
            times.append(time.perf_counter() - started)
            check(all(one.returncode == 0 for one in crew), f"a writer failed: {errors}")
            found = formulas(folder)
            check(len(found) == processes * records, f"{processes * records - len(found)} lost")
            check(set(found.values()) == {1}, "some are there twice")
    return {"runs": runs, "records": processes * records, "seconds a run": _mean(times)}


def same_writers(runs: int = 10, processes: int = PROCESSES, records: int = 50) -> Figures:
    """Processes that all write the same records: each is there once."""
    for _ in range(runs):
        with project() as folder:
            crew = [start("results", folder, 0, records) for _ in range(processes)]
            errors = [one.communicate()[1] for one in crew]
            check(all(one.returncode == 0 for one in crew), f"a writer failed: {errors}")
            found = formulas(folder)
            check(len(found) == records, f"{records - len(found)} lost")
            check(set(found.values()) == {1}, "some are there twice")
    return {"runs": runs, "processes": processes, "records": records}


def job_writers(runs: int = 10, processes: int = PROCESSES, records: int = RECORDS) -> Figures:
    """The same with the embedded job store of jobflow's flows."""
    from interlith.store.jobstore import job_store
    from interlith.store.project import require_project

    times = []
    for _ in range(runs):
        with project() as folder:
            started = time.perf_counter()
            crew = [start("jobs", folder, n * records, records) for n in range(processes)]
            errors = [one.communicate()[1] for one in crew]
            times.append(time.perf_counter() - started)
            check(all(one.returncode == 0 for one in crew), f"a writer failed: {errors}")
            store = job_store(require_project(folder))
            store.connect()
            found = Counter(row["output"]["n"] for row in store.query({}))
            check(len(found) == processes * records, f"{processes * records - len(found)} lost")
            check(set(found.values()) == {1}, "some are there twice")
    return {"runs": runs, "records": processes * records, "seconds a run": _mean(times)}


def killed(jobs: int = 100, kills: int = 20, seed: int = 0) -> Figures:
    """Workers killed with SIGKILL at random until all work is done: each result is there once."""
    chance = random.Random(seed)
    with project() as folder:
        crew = [start("tasks", folder, 0, jobs) for _ in range(2)]
        done = 0
        while done < kills:
            time.sleep(chance.uniform(0.8, 2.0))
            victim = chance.randrange(len(crew))
            if crew[victim].poll() is None:
                done += 1
            crew[victim].send_signal(signal.SIGKILL) if crew[victim].poll() is None else None
            crew[victim].communicate()
            crew[victim] = start("tasks", folder, 0, jobs)
            if len(formulas(folder)) == jobs:
                break
        errors = [one.communicate()[1] for one in crew]
        check(all(one.returncode == 0 for one in crew), f"the last workers failed: {errors}")
        found = formulas(folder)
        check(len(found) == jobs, f"{jobs - len(found)} of {jobs} lost")
        check(set(found.values()) == {1}, "some are there twice")
        return {"jobs": jobs, "kills": done}


def queue_killed(jobs: int = 100, kills: int = 12, seed: int = 0) -> Figures:
    """``interlith worker`` killed at random over many jobs: each completes once, after retry."""
    from interlith.workflows.queue.jobs import JobRequest, Queue
    from interlith.workflows.queue.worker import ended_badly, retry

    chance = random.Random(seed)
    with project() as folder:
        queue = Queue(folder / ".interlith" / "queue")
        for n in range(jobs):
            task = (("--version",),)
            queue.add(JobRequest(name=f"job-{n}", commands=task, folder=str(folder)))
        command = [sys.executable, "-m", "interlith", "worker", "--store", str(folder)]

        def worker() -> subprocess.Popen[bytes]:
            return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        crew, done, tries = [worker(), worker()], 0, 0
        while True:
            time.sleep(chance.uniform(2.0, 4.0))
            victim = chance.randrange(len(crew))
            if done < kills and crew[victim].poll() is None:
                crew[victim].kill()
                crew[victim].wait()
                crew[victim] = worker()
                done += 1
            lost = ended_badly(queue)
            tries += len(retry(lost))
            states = [job.state() for job in queue.jobs()]
            if all(state.status == "completed" for state in states):
                break
            for place, one in enumerate(crew):
                if one.poll() is not None:
                    crew[place] = worker()
        for one in crew:
            one.kill()
            one.wait()
        outcomes = [[a.outcome for a in state.attempts] for state in states]
        check(len(states) == jobs, "jobs are lost")
        check(all(o.count("completed") == 1 for o in outcomes), "a job completed twice, or never")
        return {"jobs": jobs, "kills": done, "retried": tries}


def fireworks_killed(jobs: int = 100, kills: int = 12, seed: int = 0) -> Figures:
    """FireWorks workers killed at random: every Firework COMPLETED once, after ``retry``."""
    chance = random.Random(seed)
    with launchpad() as (pad, one):
        from interlith.workflows.queue.fireworks import job_workflow
        from interlith.workflows.queue.jobs import JobRequest, Queue
        from interlith.workflows.queue.launchpad import retry_failed

        place, queue = one.folder / "launches", Queue(one.folder / "queue")
        for n in range(jobs):
            request = JobRequest(
                name=f"job-{n}", engine="fireworks", commands=(("--version",),),
                folder=str(one.folder),
            )  # fmt: skip
            pad.add_wf(job_workflow(queue.add(request)))
        command = [sys.executable, "-m", "interlith", "worker", "--engine", "fireworks",
                   "--store", str(one.folder)]  # fmt: skip

        def worker() -> subprocess.Popen[bytes]:
            return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        crew, done, again = [worker(), worker()], 0, 0
        while pad.fireworks.count_documents({"state": "COMPLETED"}) < jobs:
            time.sleep(chance.uniform(4.0, 8.0))
            victim = chance.randrange(len(crew))
            if done < kills and crew[victim].poll() is None:
                crew[victim].kill()
                crew[victim].wait()
                done += 1
            again += len(retry_failed(pad, place))
            for number, process in enumerate(crew):
                if process.poll() is not None:
                    crew[number] = worker()
        for process in crew:
            process.kill()
            process.wait()
        launches = Counter(row["fw_id"] for row in pad.launches.find({"state": "COMPLETED"}))
        check(len(launches) == jobs, f"{jobs - len(launches)} of {jobs} have no launch that ended")
        check(set(launches.values()) == {1}, "a Firework completed twice")
        outcomes = [[a.outcome for a in job.state().attempts] for job in queue.jobs()]
        check(all(o.count("completed") == 1 for o in outcomes), "a job ran to its end twice")
        return {"jobs": jobs, "kills": done, "run again": again}


@contextlib.contextmanager
def launchpad() -> Iterator[tuple[Any, Any]]:
    """A LaunchPad in the tests' endpoint, or on INTERLITH_TEST_MONGO_URI."""
    from interlith.store.launchpad import open_launchpad
    from interlith.store.project import init_project

    own = os.environ.get("INTERLITH_TEST_MONGO_URI")
    path = Path(__file__).parents[1] / "tests" / "store" / "wire.py"
    spec = importlib.util.spec_from_file_location("interlith_wire", path)
    check(spec is not None and spec.loader is not None, f"{path} cannot be read")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with contextlib.ExitStack() as stack:
        os.environ["INTERLITH_MONGO_URI"] = own or stack.enter_context(module.WireServer()).uri
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="interlith-soak-"))
        name = f"interlith_soak_{os.getpid()}"
        one = init_project(folder, store="mongo", database=name)
        pad = open_launchpad(one)
        try:
            yield pad, one
        finally:
            for database in (name, f"{name}_fireworks"):
                pad.connection.drop_database(database)


def one_job_two_workers(times: int = 8) -> Figures:
    """Two workers that take the same job at the same moment: one result."""
    with project() as folder:
        for n in range(times):
            crew = [start("tasks", folder, n, 1) for _ in range(2)]
            for one in crew:
                one.communicate()
        found = formulas(folder)
        check(set(found.values()) == {1}, "some are there twice")
        check(len(found) == times, "some are lost")
    return {"jobs": times}


def disk_full(megabytes: int = 12) -> Figures:
    """A disk that fills up: what was acknowledged is there, and with space the work goes on."""
    from interlith.errors import OutputError
    from interlith.store.project import init_project
    from interlith.store.results import ResultsDatabase

    with small_disk(megabytes) as disk:
        if disk is None:
            return {"skipped": "mounting a tmpfs needs root"}
        init_project(disk)
        written = 0
        with ResultsDatabase(disk) as database:
            ballast = disk / "ballast"
            ballast.write_bytes(b"x" * 4_000_000)
            message = ""
            while not message:
                try:
                    database.add(record(written))
                    written += 1
                except OutputError as error:
                    message = str(error)
                check(written < 50_000, "the disk did not fill up")
            check("full" in message and "free some space" in message, f"unclear: {message}")
            try:
                database.artefacts.put_bytes(b"y" * 8_000_000, "large.bin")
                check(False, "a file larger than the disk was kept")
            except OutputError:
                check(not list(database.artefacts.stored()), "half a file took its place")
            ballast.unlink()
            for n in range(written, written + 50):
                database.add(record(n))
        found = formulas(disk)
        check(len(found) == written + 50, "records that were acknowledged are gone")
        check(set(found.values()) == {1}, "some are there twice")
        return {"records before": written, "after": written + 50, "message": message[:60]}


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[Path | None]:
    with tempfile.TemporaryDirectory(
        prefix="interlith-disk-", ignore_cleanup_errors=True
    ) as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
            yield None
            return
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], capture_output=True, check=False)


def corrupted(files: int = 50, seed: int = 0) -> Figures:
    """One bit changed in one of many files: named by the check."""
    from interlith.store.results import ResultsDatabase
    from interlith.store.verifying import verify

    chance = random.Random(seed)
    with project() as folder, ResultsDatabase(folder) as database:
        kept = []
        for n in range(files):
            artefact = database.artefacts.put_bytes(chance.randbytes(20_000), f"{n}.bin")
            database.add(record(n), artefacts=[artefact])
            kept.append(artefact)
        check(verify(database).sound, "sound files are called damaged")
        victim = chance.choice(kept)
        path = database.artefacts.path_of(victim.sha256)
        content = bytearray(path.read_bytes())
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(bytes(content))
        found = [fault.file for fault in verify(database).file_faults]
        check(found == [f"{victim.sha256[:2]}/{victim.sha256}"], f"found {found}")
    return {"files": files, "found": 1}


def old_copy() -> Figures:
    """A database restored from a copy: what is missing is named, and comes back by importing."""
    from interlith.store.results import ResultsDatabase
    from interlith.store.verifying import verify

    with project() as folder:
        with ResultsDatabase(folder) as database:
            for n in range(20):
                database.add(record(n))
            file = database.project.results
        copy = folder / "copy.sqlite"
        shutil.copy(file, copy)
        with ResultsDatabase(folder) as database:
            for n in range(20, 30):
                database.add(record(n))
            check(len(database.windows()) == 30, "thirty were written")
        for name in (f"{file.name}-wal", f"{file.name}-shm"):
            file.with_name(name).unlink(missing_ok=True)
        shutil.copy(copy, file)
        with ResultsDatabase(folder) as database:
            lost = len(verify(database).lost)
            check(lost == 10, f"{lost} of 10 lost records were named")
            check(len(database.windows()) == 20, "the flat table shows what is gone")
            for n in range(30):
                database.add(record(n))
            check(len(database.windows()) == 30, "importing did not bring them back")
            check(verify(database).sound, "not sound after importing")
    return {"named as lost": lost}


def removed_in_mid_run() -> Figures:
    """The folder of the store removed while a worker writes: it stops with a message."""
    with project() as folder:
        crew = [start(kind, folder, 0, 100_000) for kind in ("results", "jobs")]
        for one in crew:
            one.stdout.readline()  # type: ignore[union-attr]
        shutil.rmtree(folder / ".interlith", ignore_errors=True)
        shutil.rmtree(folder / ".interlith", ignore_errors=True)
        said = []
        for one in crew:
            try:
                said.append(one.communicate(timeout=120)[1])
            except subprocess.TimeoutExpired:
                one.kill()
                raise Broken("a worker went on writing into nothing") from None
        for text in said:
            check("removed" in text or "does not exist" in text or "cannot" in text, text[-300:])
        (folder / ".interlith").mkdir(exist_ok=True)
    return {"workers stopped": len(said)}


def clock_backwards() -> Figures:
    """Records whose clock runs backwards: order and the latest are those of writing."""
    from interlith.provenance import provenance
    from interlith.store.results import ResultsDatabase

    with project() as folder, ResultsDatabase(folder) as database:
        for n in range(50):
            one = database.envelope(record(n))
            created = f"20{70 - n:02d}-01-01T00:00:00+00:00"
            database.add_documents([one.model_copy(update={"created": created})])
        check(provenance().created < "2070", "this machine's clock is off")
        order = [one.record["formula"] for one in database.query()]
        check(order == [f"Li{n + 1}S" for n in range(50)], "the order is not that of writing")
        check(database.latest("window").formula == "Li50S", "the latest is not the last written")
    return {"records": 50}


TRIALS = {
    "writers": writers,
    "same_writers": same_writers,
    "job_writers": job_writers,
    "killed": killed,
    "queue_killed": queue_killed,
    "fireworks_killed": fireworks_killed,
    "one_job_two_workers": one_job_two_workers,
    "disk_full": disk_full,
    "corrupted": corrupted,
    "old_copy": old_copy,
    "removed_in_mid_run": removed_in_mid_run,
    "clock_backwards": clock_backwards,
}


def _mean(times: list[float]) -> float:
    return round(sum(times) / len(times), 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trials", nargs="*", choices=[[], *TRIALS], default=[])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--worker", nargs=4, metavar=("KIND", "FOLDER", "FIRST", "COUNT"))
    asked = parser.parse_args()
    if asked.worker:
        kind, folder, first, count = asked.worker
        work(kind, folder, int(first), int(count))
        return 0
    failures = 0
    for name in asked.trials or TRIALS:
        started = time.perf_counter()
        try:
            repeated = name in ("writers", "same_writers", "job_writers")
            figures = TRIALS[name](runs=asked.runs) if repeated else TRIALS[name]()
        except Broken as error:
            failures += 1
            figures = {"BROKEN": str(error)}
        print(f"{name:20} {time.perf_counter() - started:7.1f} s  {figures}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
