"""Whether runs may be believed: a teacher's labels on their own frames, drift, committee.

A model may run stably and be wrong on what it made, so nothing is called trusted without labels of
frames that its own dynamics visited.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from interlith.analysis.reactive_counts import FloatArray
from interlith.analysis.reactive_records import (
    Deviation,
    DriftCheck,
    LabelCheck,
    LabelledFrame,
    ReactiveRun,
    Trust,
)
from interlith.analysis.reactive_trust import (
    LEAST_LABELS,
    Forces,
    calibration,
    deviation_of,
    label_check,
    verdict,
)
from interlith.engines.md import GuardSettings, MDRecord, MDSettings, run_md
from interlith.engines.ml.shipped_models import shipped_card, shipped_models
from interlith.engines.potentials import potential
from interlith.errors import InterlithError
from interlith.h5md import H5mdReader
from interlith.structures.files.formats import write_text
from interlith.workflows.any_engine.labelling import FRAME_BY_FRAME, LabelRecord, label_frames
from interlith.workflows.committee import driver, member_names
from interlith.workflows.reactive.dynamics import CHECKPOINT_EVERY, Run
from interlith.workflows.reactive.settings import ReactivitySettings

TRUST_FILE = "trust.json"
LABEL_FOLDER = "labels"
HARVEST_FILE = "outside-domain.extxyz"
DEFAULT_TEACHER = "7net-0"
OTHER_TEACHER = "7net-l3i5"
COMMITTEE_FRAMES = 12
"""Frames of each run that the whole committee looks at."""
MOST_HARVESTED = 60
TRAINED_ON = 0.02
"""Share of the atoms that may be outside the trained domain in a run that is called trusted."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class _Frame:
    """A frame of a run with what one potential says of it."""

    run: Run
    index: int
    time_ps: float
    atoms: Any


def teacher_of(settings: ReactivitySettings) -> str:
    """The potential that labels: as asked, or that of the data card, or another than the run's.

    A card's DFT would take minutes to hours a frame, so that one is taken only where it is asked.
    """
    if settings.teacher is not None:
        return settings.teacher
    if settings.potential in shipped_models():
        taught = str(shipped_card(settings.potential)["teacher"]["name"])
        return OTHER_TEACHER if taught.startswith(FRAME_BY_FRAME) else taught
    return OTHER_TEACHER if settings.potential == DEFAULT_TEACHER else DEFAULT_TEACHER


def check_trust(
    runs: Sequence[Run],
    regions: Sequence[str],
    settings: ReactivitySettings,
    folder: Path,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> Trust:
    """Label, look for drift and let the committee judge; kept, and repeated for other runs only.

    A check that cannot be made (no teacher installed, no committee) is missing from the record,
    and the reason is among those why the runs are not trusted.

    Parameters
    ----------
    progress : callable, optional
        Called with (done, all) of the frames to label, then of the steps without a thermostat.
    say : callable, optional
        Told which part begins.

    Raises
    ------
    KeyboardInterrupt
        If a signal ended the run without a thermostat; called again, it goes on.
    """
    tell = say or (lambda _: None)
    done = [run for run in runs if isinstance(run.outcome, MDRecord) and run.outcome.steps_done]
    question = _question(done, settings)
    kept = _kept(folder / TRUST_FILE, question)
    if kept is not None:
        return kept
    reasons = [
        f"{run.temperature_k:g} K, seed {run.seed}: {_how(run)}" for run in runs if _how(run)
    ]
    tell("labels")
    labels, forces, why = _labels(done, regions, settings, folder, progress)
    reasons += [why] if why else []
    tell("energy conservation")
    drift, why = _drift(done, settings, folder, progress)
    reasons += [why] if why else []
    deviation = _deviation(done, regions, settings, folder, forces)
    reasons += verdict(labels, drift, deviation, bounds(settings))
    trust = Trust(
        trusted=not reasons,
        reasons=tuple(reasons),
        bounds=bounds(settings),
        labels=labels,
        drift=drift,
        deviation=deviation,
    )
    write_text(folder / TRUST_FILE, json.dumps({"question": question, "trust": trust.to_json()}))
    return trust


def untested(reason: str) -> Trust:
    """What is said of runs that nobody has tested."""
    return Trust(
        trusted=False, reasons=(reason,), bounds={}, labels=None, drift=None, deviation=None
    )


def unless_broken(trust: Trust, runs: Sequence[ReactiveRun]) -> Trust:
    """The same, with every run that came apart among the reasons."""
    broken = tuple(
        f"{run.temperature_k:g} K, seed {run.seed}: {run.reason}"
        for run in runs
        if run.status in ("delaminated", "exploded")
    )
    if not broken:
        return trust
    return trust.model_copy(update={"trusted": False, "reasons": (*broken, *trust.reasons)})


def bounds(settings: ReactivitySettings) -> dict[str, float]:
    """What a trusted run must keep."""
    return {
        "labelled_frames": float(LEAST_LABELS),
        "force_rmse_mev_per_angstrom": settings.force_bound_mev_per_angstrom,
        "energy_mean_mev_per_atom": settings.energy_bound_mev_per_atom,
        "drift_mev_per_atom_per_ps": settings.drift_bound_mev_per_atom_per_ps,
        "outside_share": TRAINED_ON,
    }


def _how(run: Run) -> str | None:
    if isinstance(run.outcome, str):
        return run.outcome
    return None if run.outcome.status == "finished" else f"{run.outcome.status}"


def _question(done: Sequence[Run], settings: ReactivitySettings) -> dict[str, Any]:
    hashes = [run.outcome.trajectory.sha256 for run in done if isinstance(run.outcome, MDRecord)]
    free = {"time_ps", "max_time_ps", "temperatures_k", "seeds"}
    return {
        "trajectories": hashes,
        "teacher": teacher_of(settings),
        "settings": settings.model_dump(mode="json", exclude=free),
    }


def _kept(path: Path, question: dict[str, Any]) -> Trust | None:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["question"] != question:
            return None
        return Trust.model_validate(known["trust"])
    except (OSError, ValueError, KeyError, ValidationError):
        return None


def _labels(
    done: Sequence[Run],
    regions: Sequence[str],
    settings: ReactivitySettings,
    folder: Path,
    progress: Progress | None,
) -> tuple[LabelCheck | None, list[Forces], str | None]:
    """Both potentials on frames evenly over all runs, the last frame of each included."""
    if settings.label_frames == 0 or not done:
        return None, [], "no frame was labelled"
    name = teacher_of(settings)
    try:
        mine = driver(settings.potential)
        frames = labelled_frames(done, settings)
        atoms, place = [frame.atoms for frame in frames], folder / LABEL_FOLDER
        labels = label_frames(atoms[:1], name, place)
        if labels.frames:  # an engine that cannot treat the first can treat none
            labels = label_frames(atoms, name, place, progress=progress)
        if not labels.frames:
            return None, [], f"no labels by {name}: {labels.failed[0].reason}"
        identity = labels.records[0].engine
        if identity.get("sha256") == mine.identity.sha256:
            return None, [], f"{name} is the potential itself and cannot be its own teacher"
        kept = [
            (frame, record)
            for frame, record in zip(frames, labels.records, strict=True)
            if record.status == "ok"
        ]
        own = mine.calculator(stress=False, elements=set(frames[0].atoms.symbols))
        found = [_compared(frame, own, record, regions) for frame, record in kept]
    except InterlithError as error:
        return None, [], f"no labels by {name}: {error}"
    if identity.get("kind") == "dft" or name.startswith("gpaw"):
        found = _from_first(found)  # total energies of DFT have a zero of their own
    rows = tuple(
        LabelledFrame(
            seed=frame.run.seed,
            temperature_k=frame.run.temperature_k,
            time_ps=frame.time_ps,
            force_rmse_mev_per_angstrom=1000 * one.force_rmse,
            energy_error_mev_per_atom=1000 * one.energy_error_per_atom,
            largest_force_error_ev_per_angstrom=float(one.deviation.max()),
        )
        for (frame, _), one in zip(kept, found, strict=True)
    )
    return label_check(identity, rows, found, settings.deviation_bound_ev_per_angstrom), found, None


def labelled_frames(done: Sequence[Run], settings: ReactivitySettings) -> list[_Frame]:
    """Frames to label, evenly over all runs."""
    share = max(1, -(-settings.label_frames // max(len(done), 1)))
    return [frame for run in done for frame in _frames(run, share)]


def _from_first(found: Sequence[Forces]) -> list[Forces]:
    first = found[0].energy_error_per_atom
    return [replace(one, energy_error_per_atom=one.energy_error_per_atom - first) for one in found]


def _frames(run: Run, count: int) -> list[_Frame]:
    """Frames evenly over a run, its start left out and its end included."""
    with H5mdReader(run.folder / "trajectory.h5") as reader:
        last = reader.n_frames - 1
        chosen = np.unique(np.linspace(0, last, count + 1).round().astype(int))[1:]
        return [_read(run, reader, int(index)) for index in chosen]


def _read(run: Run, reader: H5mdReader, index: int) -> _Frame:
    from ase import Atoms

    atoms = Atoms(
        list(reader.symbols),
        positions=reader.positions(index, index + 1)[0],
        cell=reader.cells(index, index + 1)[0],
        pbc=True,
    )
    return _Frame(run, index, index * (reader.time_step_fs or 0.0) / 1000.0, atoms)


def _compared(frame: _Frame, own: Any, record: LabelRecord, regions: Sequence[str]) -> Forces:
    frame.atoms.calc = own
    forces = np.array(frame.atoms.get_forces())
    energy = float(frame.atoms.get_potential_energy())
    frame.atoms.calc = None
    due = np.array(record.forces_ev_per_angstrom, dtype=np.float64)
    return Forces(
        run=f"{frame.run.temperature_k:g} K, seed {frame.run.seed}",
        time_ps=frame.time_ps,
        symbols=tuple(frame.atoms.symbols),
        regions=tuple(regions),
        forces=due,
        error=forces - due,
        deviation=np.linalg.norm(forces - due, axis=1),
        energy_error_per_atom=(energy - (record.energy_ev or 0.0)) / len(forces),
    )


def _drift(
    done: Sequence[Run], settings: ReactivitySettings, folder: Path, progress: Progress | None
) -> tuple[DriftCheck | None, str | None]:
    """Total energy without a thermostat, from the last frame of the first run."""
    if settings.nve_ps <= 0 or not done:
        return None, "energy conservation was not tested"
    run = done[0]
    with H5mdReader(run.folder / "trajectory.h5") as reader:
        frame = _read(run, reader, reader.n_frames - 1)
    steps = settings.steps(settings.nve_ps)
    asked = MDSettings(
        ensemble="nve",
        temperature_k=run.temperature_k,
        timestep_fs=settings.timestep_fs,
        steps=steps,
        frame_every=5,
        checkpoint_every=CHECKPOINT_EVERY,
        seed=run.seed,
        guards=GuardSettings(framework=()),
    )
    sha = run.outcome.trajectory.sha256[:12] if isinstance(run.outcome, MDRecord) else "none"
    watch = None if progress is None else lambda now: progress(now.step, now.steps)
    place = folder / f"drift-{sha}"
    try:
        outcome = run_md(frame.atoms, driver(settings.potential), asked, place, progress=watch)
        with H5mdReader(outcome.trajectory.path) as reader:
            total = reader.observable("potential_energy") + reader.observable("kinetic_energy")
    except InterlithError as error:
        return None, f"energy conservation was not tested: {error}"
    if outcome.status == "interrupted":
        raise KeyboardInterrupt
    if outcome.status != "finished":
        return None, f"the test of energy conservation {outcome.status}: {outcome.reason}"
    n = len(frame.atoms)
    time = np.arange(len(total)) * 5 * settings.timestep_fs / 1000.0
    slope, offset = np.polyfit(time, total, 1)
    return DriftCheck(
        time_ps=float(time[-1]),
        drift_mev_per_atom_per_ps=float(1000 * slope / n),
        noise_mev_per_atom=float(1000 * (total - slope * time - offset).std() / n),
    ), None


def _deviation(
    done: Sequence[Run],
    regions: Sequence[str],
    settings: ReactivitySettings,
    folder: Path,
    labelled: Sequence[Forces],
) -> Deviation | None:
    """Atoms beyond the bound: by the committee, or by the teacher where there is none."""
    if not done:
        return None
    bound = settings.deviation_bound_ev_per_angstrom
    known = labelled_frames(done, settings) if labelled else []
    if len(member_names(settings.potential)) < 2:
        if not labelled or len(known) != len(labelled):
            return None
        file, count = _harvest(known, labelled, bound, folder)
        return deviation_of("teacher", 1.0, bound, labelled, count, file)
    whole = potential(settings.potential)
    elements = set(known[0].atoms.symbols) if known else None
    calculator = whole.calculator(stress=False, elements=elements)
    factor = 1.0
    if len(known) == len(labelled) and labelled:
        spreads = [_spread(frame, calculator) for frame in known]
        factor = calibration(spreads, [one.deviation for one in labelled])
    frames = [frame for run in done for frame in _frames(run, COMMITTEE_FRAMES)]
    found = [_judged(frame, calculator, factor, regions) for frame in frames]
    file, count = _harvest(frames, found, bound, folder)
    return deviation_of("committee", factor, bound, found, count, file)


def _spread(frame: _Frame, calculator: Any) -> FloatArray:
    frame.atoms.calc = calculator
    frame.atoms.get_forces()
    spread = np.array(calculator.results["forces_std"], dtype=np.float64)
    frame.atoms.calc = None
    return spread


def _judged(frame: _Frame, calculator: Any, factor: float, regions: Sequence[str]) -> Forces:
    spread = factor * _spread(frame, calculator)
    empty = np.zeros((len(spread), 3))
    return Forces(
        run=f"{frame.run.temperature_k:g} K, seed {frame.run.seed}",
        time_ps=frame.time_ps,
        symbols=tuple(frame.atoms.symbols),
        regions=tuple(regions),
        forces=empty,
        error=empty,
        deviation=spread,
        energy_error_per_atom=0.0,
    )


def _harvest(
    frames: Sequence[_Frame], found: Sequence[Forces], bound: float, folder: Path
) -> tuple[str | None, int]:
    """Write the frames with an atom beyond the bound, to be labelled; their deviation with them."""
    from ase.io import write

    kept = []
    for frame, one in zip(frames, found, strict=True):
        if one.deviation.max() <= bound:
            continue
        atoms = frame.atoms.copy()
        atoms.wrap()
        atoms.set_array("region", np.array(one.regions))
        atoms.set_array("deviation_ev_per_angstrom", np.asarray(one.deviation))
        atoms.info.update(run=one.run, time_ps=round(one.time_ps, 4))
        kept.append(atoms)
    if not kept:
        (folder / HARVEST_FILE).unlink(missing_ok=True)
        return None, 0
    write(str(folder / HARVEST_FILE), kept[:MOST_HARVESTED], format="extxyz")
    return HARVEST_FILE, len(kept)
