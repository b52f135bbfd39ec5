"""Reactive dynamics of an explicit interface: build, relax, equilibrate, run, count, judge.

A folder is one interface with one potential. Each run has a folder of its own in it and restarts
from its own checkpoint, so calling :func:`reactivity` again after an interruption goes on where it
stopped. With one material alone it is the control: a crystal that must stay what it is.

>>> from interlith.workflows.reactive.settings import ReactivitySettings
>>> ReactivitySettings(time_ps=20).steps(20)
10000
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jobflow import Flow, Maker, job
from pydantic import ValidationError

from interlith.analysis.reactive_counts import centres_of
from interlith.analysis.reactive_limit import ReactionLimit
from interlith.analysis.reactive_records import CellFacts, ReactiveRun, ReactivityRecord, Trust
from interlith.analysis.reactive_runs import Observed, Start, has_reservoir, observe, start_of
from interlith.analysis.reactive_summary import summarise
from interlith.engines.md import MDRecord
from interlith.errors import InputError, OutputError
from interlith.provenance import provenance
from interlith.structures.files.formats import read_structure, write_structure, write_text
from interlith.structures.regions import Regions
from interlith.workflows.committee import driver
from interlith.workflows.reactive.cell import ReactiveCell, prepare
from interlith.workflows.reactive.dynamics import Run, last_structure, run_all
from interlith.workflows.reactive.settings import ReactivitySettings
from interlith.workflows.reactive.trust import check_trust, unless_broken, untested
from interlith.workflows.replicas import Progress

START_FILE, CELL_FILE, RECORD_FILE = "start.extxyz", "cell.json", "reactivity.json"
Say = Callable[[str], None]


def reactivity(
    a: str,
    b: str | None,
    settings: ReactivitySettings,
    folder: Path | str,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    say: Say | None = None,
) -> ReactivityRecord:
    """Run, or go on with, the dynamics of an interface and say what became of it.

    Parameters
    ----------
    a, b : str
        Library names, formulas or structure files; without ``b`` the crystal ``a`` alone.
    folder : Path or str
        Holds the cell, the runs, the labels, and ``reactivity.json``.
    workers : int
        Runs side by side, one thread each.
    progress : callable, optional
        Called with (done, all): steps of the dynamics, frames labelled, steps of the last check.
    say : callable, optional
        Told which part begins.

    Raises
    ------
    InputError
        If a material, an element or a setting cannot be used, or the folder holds other runs.
    """
    begin, tell = time.monotonic(), say or (lambda _: None)
    driver(settings.potential)  # refuses an unknown one before anything is written
    place = Path(folder)
    tell("cell")
    cell = kept_cell(a, b, settings, place)
    start = common_start(cell, settings)
    predicted = cell.limit.products if cell.limit is not None else ()
    seen: dict[str, Observed] = {}

    def look(outcome: MDRecord) -> Observed:
        key = outcome.trajectory.sha256
        if key not in seen:
            seen[key] = observe(outcome.trajectory.path, start, predicted)
        return seen[key]

    tell("dynamics")
    runs = run_all(
        place / START_FILE, settings, place, workers, lambda one: look(one).converged, progress
    )
    tell("analysis")
    observed = [_observed(run, look) for run in runs]
    if any(one.status == "interrupted" for one in observed):
        trust = untested("the runs were interrupted; the checks come when they are finished")
    else:
        trust = check_trust(runs, start.regions, settings, place, progress, tell)
        trust = unless_broken(trust, observed)
    record = _record(a, b, cell, settings, observed, trust, time.monotonic() - begin)
    write_text(place / RECORD_FILE, json.dumps(record.to_json(), allow_nan=False))
    return record


def kept_cell(a: str, b: str | None, settings: ReactivitySettings, folder: Path) -> ReactiveCell:
    """The cell of a folder, built and relaxed there the first time.

    Raises
    ------
    InputError
        If the folder holds another one.
    """
    kept, question = folder / CELL_FILE, _question(a, b, settings)
    if kept.exists():
        known = json.loads(kept.read_text(encoding="utf-8"))
        if known["question"] != question:
            differ = [k for k in question if known["question"].get(k) != question[k]]
            raise InputError(
                f"{folder} holds other runs ({', '.join(differ)} differ); name another --out, or "
                "repeat the settings to go on with them"
            )
        return _read_cell(known, folder)
    cell = prepare(a, b, settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot write into {folder} ({error.strerror}); choose another folder with --out"
        ) from error
    write_structure(cell.structure, folder / START_FILE)
    known = {
        "question": question,
        "facts": cell.facts.to_json(),
        "limit": None if cell.limit is None else cell.limit.to_json(),
        "limit_reason": cell.limit_reason,
    }
    write_text(kept, json.dumps(known, indent=1, allow_nan=False))
    return _read_cell(known, folder)


def _read_cell(known: dict[str, Any], folder: Path) -> ReactiveCell:
    limit = known["limit"]
    return ReactiveCell(
        read_structure(folder / START_FILE),
        CellFacts.model_validate(known["facts"]),
        None if limit is None else ReactionLimit.model_validate(limit),
        known["limit_reason"],
    )


def _question(a: str, b: str | None, settings: ReactivitySettings) -> dict[str, Any]:
    """What may not change between two calls with one folder."""
    kept = (
        "potential", "equilibration_ps", "timestep_fs", "frame_every", "miller_a", "miller_b",
        "thickness_angstrom", "reservoir_excess", "min_length_angstrom", "max_atoms", "max_strain",
        "candidate", "relax_steps",
    )  # fmt: skip
    data = settings.model_dump(mode="json")
    return {"a": a, "b": b} | {name: data[name] for name in kept}


def common_start(cell: ReactiveCell, settings: ReactivitySettings) -> Start:
    """Labels, centres and depths that the counts of every run refer to."""
    structure = cell.structure
    symbols = [site.specie.symbol for site in structure]
    positions, matrix = structure.cart_coords, np.array(structure.lattice.matrix)
    regions = Regions.of(structure).names
    metals = [
        name
        for name in dict.fromkeys(regions)
        if len(set(regions)) > 1 and has_reservoir(regions, symbols, name)
    ]
    return start_of(
        positions,
        matrix,
        symbols,
        regions,
        centres_of(positions, matrix, symbols),
        metal_region=metals[0] if metals else None,
        thickness_angstrom=cell.facts.region_angstrom,
        formula_units=cell.facts.formula_units,
        relaxed_energy_ev=cell.facts.relaxed_energy_ev,
        equilibrated_ps=settings.equilibration_ps,
    )


def _observed(run: Run, look: Callable[[MDRecord], Observed]) -> ReactiveRun:
    """A run's numbers, or why it has none; one that came apart keeps its last good frame."""
    outcome = run.outcome
    if isinstance(outcome, str):
        return failed_run(run, outcome)
    try:
        found = look(outcome)
    except InputError as error:
        return failed_run(run, f"{outcome.status}, and cannot be analysed: {error}")
    status, reason, last = outcome.status, outcome.reason, None
    if found.torn is not None:
        word = "delaminated" if found.torn.startswith("delaminated") else "exploded"
        path = last_structure(run, found.last_good_frame)
        return _run_of(run, outcome, found, word, found.torn, path)
    if status == "stopped":
        last = last_structure(run, found.last_good_frame)
        heat = outcome.guard in ("temperature", "lost atoms", "forces", "overlap")
        return _run_of(run, outcome, found, "exploded" if heat else "stopped", reason, last)
    return _run_of(run, outcome, found, status, reason, last)


def _run_of(
    run: Run, outcome: MDRecord, found: Observed, status: Any, reason: str | None, last: Path | None
) -> ReactiveRun:
    steps = max(outcome.steps_done, 1)
    return ReactiveRun(
        seed=run.seed,
        temperature_k=run.temperature_k,
        status=status,
        reason=reason,
        time_ps=outcome.time_ps,
        mean_temperature_k=outcome.mean_temperature_k,
        max_temperature_k=found.max_temperature_k,
        wall_s=outcome.wall_s,
        ms_per_step=1000 * outcome.wall_s / steps,
        trajectory=outcome.trajectory.path,
        trajectory_sha256=outcome.trajectory.sha256,
        converged=found.converged,
        series=found.series,
        layers=found.layers,
        edges=found.edges,
        depths=found.depths,
        comparison=found.comparison,
        phases_at_end=found.phases_at_end,
        length_change=found.length_change,
        snapshots=found.snapshots,
        last_good=None if last is None else str(last),
    )


def failed_run(run: Run, reason: str) -> ReactiveRun:
    """A run without numbers."""
    ended = reason.startswith(("interrupted", "not run"))
    return ReactiveRun(
        seed=run.seed, temperature_k=run.temperature_k,
        status="interrupted" if ended else "failed",
        reason=reason, time_ps=0.0, mean_temperature_k=None, max_temperature_k=None, wall_s=0.0,
        ms_per_step=None, trajectory=None, trajectory_sha256=None, converged=False, series=None,
        layers=(), edges=(), depths=(), comparison=(), phases_at_end={}, length_change=None,
        snapshots=(),
    )  # fmt: skip


def _record(
    a: str,
    b: str | None,
    cell: ReactiveCell,
    settings: ReactivitySettings,
    runs: Sequence[ReactiveRun],
    trust: Trust,
    wall_s: float,
) -> ReactivityRecord:
    spent = wall_s + sum(run.wall_s for run in runs)
    return ReactivityRecord(
        a=a,
        b=b,
        cell=cell.facts,
        limit=cell.limit,
        limit_reason=cell.limit_reason,
        runs=tuple(runs),
        trust=trust,
        potential=driver(settings.potential).identity.to_json(),
        settings=settings.model_dump(mode="json"),
        provenance=provenance(settings.seed, spent),
        **summarise(runs, cell.facts, cell.limit),
    )


@dataclass
class ReactivityMaker(Maker):
    """Makes the flow of an interface: cell, runs in jobs of their own, then everything else.

    Attributes
    ----------
    workers : int
        Runs side by side in a job.
    """

    name: str = "reactivity"
    workers: int = 1

    def make(self, a: str, b: str | None, settings: ReactivitySettings, folder: str) -> Flow:
        """Jobs for the cell, each ``workers`` runs, and the collecting one.

        Parameters
        ----------
        folder : str
            On a file system that every job sees.
        """
        data = settings.model_dump(mode="json")
        cell = cell_job(a, b, data, folder)
        count = len(settings.temperatures_k) * settings.seeds
        parts = [
            runs_job(a, b, data, folder, list(range(i, min(i + self.workers, count))), cell.output)
            for i in range(0, count, self.workers)
        ]
        last = collect_job(a, b, data, folder, [part.output for part in parts])
        title = f"{self.name} {a}" + ("" if b is None else f" | {b}")
        return Flow([cell, *parts, last], output=last.output, name=title)


@job
def cell_job(a: str, b: str | None, settings: dict[str, Any], folder: str) -> dict[str, Any]:
    """Make the cell, or find it made."""
    return kept_cell(a, b, ReactivitySettings(**settings), Path(folder)).facts.to_json()


@job
def runs_job(
    a: str,
    b: str | None,
    settings: dict[str, Any],
    folder: str,
    which: list[int],
    cell: dict[str, Any],
) -> list[str]:
    """Run some of the runs, or go on with them."""
    asked, place = ReactivitySettings(**settings), Path(folder)
    start = common_start(kept_cell(a, b, asked, place), asked)

    def converged(outcome: MDRecord) -> bool:
        return observe(outcome.trajectory.path, start).converged

    runs = run_all(place / START_FILE, asked, place, len(which), converged, only=which)
    return [run.outcome if isinstance(run.outcome, str) else run.outcome.status for run in runs]


@job
def collect_job(
    a: str, b: str | None, settings: dict[str, Any], folder: str, parts: list[list[str]]
) -> dict[str, Any]:
    """Count, label and judge; runs that are finished are not run again."""
    return reactivity(a, b, ReactivitySettings(**settings), folder).to_json()


def read_record(folder: Path | str) -> ReactivityRecord:
    """The record that a folder holds.

    Raises
    ------
    InputError
        If it holds none.
    """
    path = Path(folder) / RECORD_FILE
    try:
        return ReactivityRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise InputError(
            f"{folder} holds no finished runs of an interface ({path.name}: "
            f"{type(error).__name__}); run `interlith reactivity` with --out {folder}"
        ) from error
