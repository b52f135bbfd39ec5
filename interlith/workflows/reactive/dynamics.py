"""The runs of a reactive cell: equilibrate, run with the cell free along the normal, extend."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from interlith.engines.md import GuardSettings, MDRecord, MDSettings
from interlith.errors import InterlithError
from interlith.h5md import H5mdReader
from interlith.structures.files.formats import read_structure, write_structure
from interlith.structures.regions import Regions
from interlith.workflows.reactive.settings import ReactivitySettings
from interlith.workflows.replicas import Progress, Replica, run_side_by_side

DAMPING_PER_PS = 20.0
THERMOSTAT_FS = 50.0
BAROSTAT_FS = 500.0
EXTENSION = 0.5
"""Each extension, as a share of the time asked for."""
CHECKPOINT_EVERY = 500

Converged = Callable[[MDRecord], bool]


@dataclass(frozen=True)
class Run:
    """A run's folder, what it was, and how it went (a record, or why there is none)."""

    seed: int
    temperature_k: float
    folder: Path
    outcome: MDRecord | str


def replica_folder(folder: Path, temperature_k: float, seed: int) -> Path:
    """Where a run lives."""
    return folder / f"{temperature_k:g}K-seed{seed}"


def run_all(
    start: Path,
    settings: ReactivitySettings,
    folder: Path,
    workers: int,
    converged: Converged,
    progress: Progress | None = None,
    only: Sequence[int] | None = None,
) -> list[Run]:
    """Run, or go on with, every temperature and seed.

    Parameters
    ----------
    start : Path
        The relaxed, labelled cell.
    converged : callable
        Whether a finished run need not be extended.
    only : sequence of int, optional
        Which of the runs, by their place.
    """
    wanted = [(t, s) for t in settings.temperatures_k
              for s in range(settings.seed, settings.seed + settings.seeds)]  # fmt: skip
    if only is not None:
        wanted = [wanted[i] for i in only]
    first = [_equilibration(start, settings, folder, t, s) for t, s in wanted]
    outcomes = run_side_by_side(first, workers)
    ready = [_start_of(replica, outcome) for replica, outcome in zip(first, outcomes, strict=True)]
    results: dict[tuple[float, int], MDRecord | str] = {
        key: outcome if isinstance(outcome, str) else _why(outcome)
        for key, outcome, path in zip(wanted, outcomes, ready, strict=True)
        if path is None
    }
    going = {key: path for key, path in zip(wanted, ready, strict=True) if path is not None}
    results |= _production(going, settings, folder, workers, converged, progress)
    return [
        Run(
            seed, temperature, replica_folder(folder, temperature, seed), results[temperature, seed]
        )
        for temperature, seed in wanted
    ]


def _production(
    starts: dict[tuple[float, int], Path],
    settings: ReactivitySettings,
    folder: Path,
    workers: int,
    converged: Converged,
    progress: Progress | None,
) -> dict[tuple[float, int], MDRecord | str]:
    """All runs to the first length, then those that still change to the next, and so on."""
    results: dict[tuple[float, int], MDRecord | str] = {}
    for length in lengths(settings):
        replicas = {
            key: _replica(path, settings, folder, *key, length)
            for key, path in starts.items()
            if not _settled(results.get(key), converged)
        }
        if not replicas:
            continue
        found = run_side_by_side(list(replicas.values()), workers, progress)
        results |= dict(zip(replicas, found, strict=True))
        if any(isinstance(one, MDRecord) and one.status == "interrupted" for one in found):
            break
    return results


def _settled(outcome: MDRecord | str | None, converged: Converged) -> bool:
    """Whether a run is to be left as it is."""
    if outcome is None:
        return False
    if isinstance(outcome, str) or outcome.status != "finished":
        return True
    return converged(outcome)


def lengths(settings: ReactivitySettings) -> tuple[float, ...]:
    """Lengths of the runs, ps: the first, and up to where they are extended.

    >>> lengths(ReactivitySettings(time_ps=10, max_time_ps=18))
    (10.0, 15.0, 18.0)
    """
    found = [settings.time_ps]
    while found[-1] < settings.budget_ps - 1e-9:
        found.append(min(found[-1] + EXTENSION * settings.time_ps, settings.budget_ps))
    return tuple(found)


def _equilibration(
    start: Path, settings: ReactivitySettings, folder: Path, temperature: float, seed: int
) -> Replica:
    steps = settings.steps(settings.equilibration_ps)
    return Replica(
        folder=str(replica_folder(folder, temperature, seed) / "equilibration"),
        start=str(start),
        potential=settings.potential,
        settings=MDSettings(
            ensemble="nvt_langevin",
            temperature_k=temperature,
            timestep_fs=settings.timestep_fs,
            steps=steps,
            friction_per_ps=DAMPING_PER_PS,
            frame_every=steps,
            checkpoint_every=max(CHECKPOINT_EVERY, 1),
            seed=seed,
            guards=GuardSettings(framework=()),
        ),
    )


def _replica(
    start: Path,
    settings: ReactivitySettings,
    folder: Path,
    temperature: float,
    seed: int,
    time_ps: float,
) -> Replica:
    """A run up to a time; one that is longer already stays as it is."""
    place = replica_folder(folder, temperature, seed)
    return Replica(
        folder=str(place),
        start=str(start),
        potential=settings.potential,
        settings=MDSettings(
            ensemble="npt_cell",
            free_axes=(False, False, True),
            temperature_k=temperature,
            timestep_fs=settings.timestep_fs,
            steps=max(settings.steps(time_ps), steps_done(place)),
            thermostat_time_fs=THERMOSTAT_FS,
            barostat_time_fs=BAROSTAT_FS,
            frame_every=settings.frame_every,
            checkpoint_every=CHECKPOINT_EVERY,
            seed=seed,
            guards=GuardSettings(framework=()),  # a reaction is what is looked for
        ),
    )


def steps_done(place: Path) -> int:
    """Steps that a run's folder holds, by its record or its progress."""
    for name, key in (("record.json", "steps_done"), ("progress.json", "step")):
        try:
            return int(json.loads((place / name).read_text(encoding="utf-8"))[key])
        except (OSError, ValueError, KeyError):
            continue
    return 0


def _start_of(replica: Replica, outcome: MDRecord | str) -> Path | None:
    """The end of an equilibration as the labelled start of its run, written once."""
    if isinstance(outcome, str) or outcome.status != "finished":
        return None
    path = Path(replica.folder) / "end.extxyz"
    if not path.exists():
        cell = read_structure(Path(replica.start))
        with H5mdReader(Path(replica.folder) / "trajectory.h5") as reader:
            last = reader.positions(reader.n_frames - 1)[0]
        moved = cell.copy()
        for index, point in enumerate(last):
            moved.translate_sites(
                [index], point - moved[index].coords, frac_coords=False, to_unit_cell=False
            )
        write_structure(Regions.of(cell).attach(moved), path)
    return path


def _why(outcome: MDRecord) -> str:
    word = "interrupted" if outcome.status == "interrupted" else "failed"
    return f"{word} while it was equilibrated: {outcome.reason}"


def last_structure(run: Run, frame: int | None = None) -> Path | None:
    """Write a frame of a run (by default the last) as a labelled structure; None without one."""
    from pymatgen.core import Lattice, Structure

    source = run.folder / "trajectory.h5"
    try:
        with H5mdReader(source) as reader:
            which = reader.n_frames - 1 if frame is None else frame
            structure = Structure(
                Lattice(reader.cells(which, which + 1)[0]),
                list(reader.symbols),
                reader.positions(which, which + 1)[0],
                coords_are_cartesian=True,
            )
    except InterlithError:
        return None
    return write_structure(structure, run.folder / "last-good.extxyz")
