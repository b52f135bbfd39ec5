"""``interlith doctor``: is everything there that a study or a cluster run needs."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interlith.cli.common import JsonOption, print_json, print_tables, table
from interlith.errors import FailureError, InterlithError

if TYPE_CHECKING:
    from interlith.store.project import Project

Finding = tuple[str, str, str, str]
"""Name, "ok", "missing" (not needed by everybody) or "wrong", what was found, what helps."""
EXTRAS = {
    "torch": "pip install 'interlith[ml]' (learned potentials)",
    "mace": "pip install 'interlith[ml]' (MACE models)",
    "sevenn": "pip install 'interlith[ml]' (7net-0)",
    "gpaw": "apt-get install g++ libopenblas-dev libxc-dev libopenmpi-dev openmpi-bin, then "
    "pip install 'interlith[dft]' (open DFT)",
    "jobflow_remote": "pip install 'interlith[cluster]' (submit --engine remote)",
    "mp_api": "pip install 'interlith[mp]' (Materials Project)",
    "optimade": "pip install 'interlith[optimade]' (interlith results serve)",
    "pyarrow": "pip install 'interlith[parquet]' (export to parquet)",
}
NEEDED = ("interlith.workflows.assess", "interlith.workflows.queue.fireworks")
"""What a worker imports: a Firework whose module is missing there is FIZZLED."""
LEAST_GB = 1.0
MOST_SKEW_S = 5.0


def doctor(
    store: Annotated[
        Path | None, typer.Option("--store", help="Project folder (default: the one from here).")
    ] = None,
    dft: Annotated[
        bool, typer.Option("--dft", help="Also relax LiCl in GPAW, which takes about a minute.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check packages, models, store, queue, disk and clock; exit code 1 if something is wrong."""
    found = [finding for check in (_packages, _worker, _models) for finding in check()]
    found += _project_findings(store)
    found += _queues()
    found += [_salt()] if dft else []
    wrong = [one for one in found if one[1] == "wrong"]
    names = ("check", "status", "found", "cure")
    if as_json:
        print_json([dict(zip(names, one, strict=True)) for one in found])
    else:
        print_tables(table("interlith doctor", names, found))
    if wrong:
        raise FailureError(f"wrong: {', '.join(one[0] for one in wrong)}")


def _packages() -> Iterator[Finding]:
    from interlith.provenance import provenance

    made = provenance()
    versions = ", ".join(f"{name} {number}" for name, number in made.versions.items())
    yield "python", "ok", f"{made.python} on {made.machine}", ""
    yield "packages", "ok", versions, ""
    for name, cure in EXTRAS.items():
        there = importlib.util.find_spec(name) is not None
        offer = "installed; interlith doctor --dft runs LiCl in it" if name == "gpaw" else ""
        yield (
            name,
            "ok" if there else "missing",
            (offer or "installed") if there else "",
            "" if there else cure,
        )


def _salt() -> Finding:
    """Rock salt in GPAW against experiment: the quickest of what ``interlith dft check`` does."""
    from tempfile import TemporaryDirectory

    from interlith.workflows.dft import run_material
    from interlith.workflows.dft_check import (
        CUBIC_LATTICE_ANGSTROM,
        FMAX_EV_PER_ANGSTROM,
        LATTICE_LIMIT,
    )

    name = "LiCl in GPAW"
    try:
        with TemporaryDirectory(prefix="interlith-doctor-") as folder:
            record = run_material(
                "LiCl", "cell_relax", folder, fmax_ev_per_angstrom=FMAX_EV_PER_ANGSTROM
            )
    except InterlithError as error:
        return name, "wrong", str(error)[:300], EXTRAS["gpaw"]
    cure = "interlith dft check shows more; docs/dft.md has the packages that GPAW needs"
    if record.status != "converged":
        return name, "wrong", f"{record.status}: {record.reason}", cure
    measured = CUBIC_LATTICE_ANGSTROM["LiCl"]
    lattice = (4 * record.volume_angstrom3) ** (1 / 3)
    said = (
        f"a = {lattice:.3f} A, {measured:.3f} A measured ({lattice / measured - 1:+.1%}), "
        f"{record.wall_time_s:.0f} s"
    )
    right = abs(lattice / measured - 1) < LATTICE_LIMIT
    return name, "ok" if right else "wrong", said, "" if right else cure


def _worker() -> Iterator[Finding]:
    """In a new process, from another folder: as a worker would."""
    for module in NEEDED:
        done = subprocess.run(
            [sys.executable, "-c", f"import {module}"],
            cwd="/", capture_output=True, text=True, check=False,
        )  # fmt: skip
        said = done.stderr.strip().splitlines()
        yield (
            f"import {module}",
            "wrong" if done.returncode else "ok",
            said[-1][:200] if done.returncode and said else "",
            "install interlith into the environment that workers use" if done.returncode else "",
        )


def _models() -> Iterator[Finding]:
    """Shipped models have the hash that their card states."""
    from interlith.engines.ml.shipped_models import MODELS_FOLDER, check_shipped

    for card in sorted(MODELS_FOLDER.glob("*-card.json")):
        name = card.name.removesuffix("-card.json")
        try:
            check_shipped(name)
            yield f"model {name}", "ok", "its files are whole", ""
        except FailureError as error:
            yield f"model {name}", "wrong", str(error), "install interlith again"


def _project_findings(store: Path | None) -> list[Finding]:
    from interlith.store.project import find_project, require_project

    try:
        project = find_project() if store is None else require_project(store)
    except InterlithError as error:
        return [("project", "wrong", str(error)[:200], "interlith init")]
    if project is None:
        return [("project", "missing", "no .interlith here or above", "interlith init")]
    found: list[Finding] = [("project", "ok", f"{project.folder} ({project.config.store})", "")]
    checks: tuple[tuple[str, Callable[[Project], str]], ...] = (
        ("results database", _database),
        ("job store", _jobs),
        ("disk", _disk),
        ("clock", _clock),
        ("file locks", _locks),
    )
    for name, check in checks:
        try:
            found.append((name, "ok", check(project), ""))
        except (InterlithError, OSError) as error:
            found.append((name, "wrong", str(error)[:300], "see the message"))
    return found


def _database(project: Project) -> str:
    from interlith.store.results import ResultsDatabase

    with ResultsDatabase(project) as database:
        _, rows = database.rows("records")
        return f"{len(rows)} records; `interlith results verify` reads them all"


def _jobs(project: Project) -> str:
    from interlith.store.jobstore import job_store

    store = job_store(project)
    store.connect()
    return f"{type(store.docs_store).__name__}, {store.count()} outputs"


def _disk(project: Project) -> str:
    free = shutil.disk_usage(project.folder).free / 1e9
    if free < LEAST_GB:
        raise FailureError(f"{free:.1f} GB are left on the disk of {project.folder}; free some")
    return f"{free:.0f} GB free"


def _clock(project: Project) -> str:
    """The file server's clock against this machine's."""
    probe = project.folder / f".clock-{os.getpid()}"
    try:
        probe.touch()
        skew = probe.stat().st_mtime - time.time()
    finally:
        probe.unlink(missing_ok=True)
    if abs(skew) > MOST_SKEW_S:
        raise FailureError(
            f"the clock of the disk is {skew:+.0f} s off this machine's; set it (ntp). Results "
            "keep their order, but status and make-like tools are misled"
        )
    return f"{skew:+.1f} s against the disk"


def _locks(project: Project) -> str:
    """Some network file systems take locks without keeping them."""
    import fcntl

    probe = project.folder / f".lock-{os.getpid()}"
    try:
        with probe.open("a") as first, probe.open("a") as second:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return "kept"
    finally:
        probe.unlink(missing_ok=True)
    raise FailureError(
        f"the file system of {project.folder} does not keep locks; use another folder, or MongoDB"
    )


def _queues() -> list[Finding]:
    from interlith.workflows.queue.slurm import queue_lines

    found: list[Finding] = []
    if shutil.which("sbatch") is None:
        return [("slurm", "missing", "no sbatch here", "submit on a machine of the cluster")]
    done = subprocess.run(
        ["sinfo", "--noheader", "--format=%P %a %D"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    if done.returncode:
        return [("slurm", "wrong", done.stderr.strip()[:200], "ask who runs the cluster")]
    queue_lines(["0"])
    found.append(("slurm", "ok", "; ".join(done.stdout.split("\n")[:4]).strip("; "), ""))
    return found
