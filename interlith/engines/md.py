"""Molecular dynamics that streams to disk, survives being killed, and stops when it goes wrong.

>>> from ase.build import bulk
>>> from interlith.engines.md import MDSettings, run_md
>>> from interlith.engines.potentials import potential
>>> settings = MDSettings(temperature_k=300, steps=20, frame_every=5)
>>> record = run_md(bulk("Cu", cubic=True), potential("emt"), settings, "run")
>>> record.status, record.trajectory.frames
('finished', 5)

A folder is one run: ``trajectory.h5`` (H5MD), ``checkpoint`` and the one before, ``progress.json``,
``record.json``. Calling :func:`run_md` again goes on from the checkpoint: the trajectory is cut to
the frames that the checkpoint knows, and the steps after it are done again, the same. To make them
the same, the calculator forgets its neighbour lists at every checkpoint. Told to stop (SIGUSR1, as
before a walltime) a run goes on to its next regular checkpoint if that takes ten seconds at most,
or what ``INTERLITH_GRACE_S`` says.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interlith.engines.dynamics.checkpoint import (
    SCHEMA_VERSION,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from interlith.engines.dynamics.checks import check_same, check_start, check_unused, start_sha256
from interlith.engines.dynamics.guards import Guards, Trip
from interlith.engines.dynamics.integrators import (
    degrees_of_freedom,
    draw_velocities,
    make_integrator,
)
from interlith.engines.dynamics.records import MDProgress, MDRecord, TrajectoryFile
from interlith.engines.dynamics.session import ForceTimer, SignalWatch, locked, write_small
from interlith.engines.dynamics.settings import GuardSettings, MDSettings
from interlith.engines.dynamics.statistics import RunningStatistics
from interlith.engines.potentials import Potential
from interlith.errors import FailureError, InputError, OutputError
from interlith.h5md import H5mdWriter
from interlith.provenance import provenance

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["GuardSettings", "MDProgress", "MDRecord", "MDSettings", "run_md"]

TRAJECTORY = "trajectory.h5"
PROGRESS_EVERY_S = 2.0
# What calculators raise when a model cannot treat what it is given; names, not everything.
FORCE_ERRORS = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError)


def run_md(
    atoms: Atoms,
    potential: Potential,
    settings: MDSettings,
    folder: Path | str,
    *,
    progress: Callable[[MDProgress], None] | None = None,
) -> MDRecord:
    """Run, or go on with, molecular dynamics in a folder.

    Parameters
    ----------
    atoms : Atoms
        The start; left as it is. When a run goes on it must be the same start.
    potential : Potential
        Energies, forces and, at constant pressure, stress.
    folder : Path or str
        Made if absent. Locked while the run lasts.
    progress : callable, optional
        Called every two seconds or so, and at checkpoints.

    Returns
    -------
    MDRecord
        ``finished``, ``interrupted`` (SIGTERM, SIGUSR1 or Ctrl-C; run again to go on) or
        ``stopped`` by a guard. Also in ``record.json``.

    Raises
    ------
    InputError
        If the potential cannot treat these atoms, the folder belongs to another run or is in use.
    OutputError
        If the disk is full; frames and checkpoint on disk stay whole, and the run can go on.
    FailureError
        If no checkpoint of the folder can be read.
    """
    check_start(atoms, settings)
    potential.check_elements(atoms.symbols)
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder '{place}': {error}") from error
    with locked(place), SignalWatch() as signals:
        run = _Run(atoms, potential, settings, place, progress)
        return run.finish(*run.loop(signals))


class _Run:
    """A run at a step: everything that changes from one step to the next."""

    def __init__(
        self,
        atoms: Atoms,
        potential: Potential,
        settings: MDSettings,
        folder: Path,
        progress: Callable[[MDProgress], None] | None,
    ) -> None:
        self.settings, self.potential, self.folder = settings, potential, folder
        self.notes: list[str] = []
        self._start_sha256 = start_sha256(atoms, settings)
        saved, note = load_checkpoint(folder)
        if saved is None:
            check_unused(folder / TRAJECTORY)
        else:
            check_same(saved, potential, settings, self._start_sha256, folder)
        self.atoms: Atoms = atoms.copy()
        self.atoms.calc = potential.calculator(
            stress=settings.constant_pressure, elements=set(atoms.symbols)
        )
        self.timer = ForceTimer(self.atoms.calc)
        self.random = np.random.default_rng(settings.seed)
        self.statistics = RunningStatistics()
        self.step, self.earlier_s, self.earlier_force_s = 0, 0.0, 0.0
        self._progress, self._shown = progress, 0.0
        self._begun: float | None = None  # the clock runs while stepping
        self._irregular: list[int] = []  # steps of checkpoints between the regular ones
        self._saved_at = -1
        if settings.velocities == "draw":
            draw_velocities(self.atoms, settings.temperature_k, self.random)
        self._freedom = degrees_of_freedom(self.atoms)
        self.guards = Guards(settings, self.atoms, atoms.positions.copy(), atoms.cell.array.copy())
        self.integrator = make_integrator(self.atoms, settings, self.random, settings.target_k(0))
        self._first_forces()
        if saved is None:
            self.writer = self._new_trajectory()
            self._frame()
            self.checkpoint()
        else:
            self.notes.extend([note] if note else [])
            self._restore(saved)

    def loop(self, signals: SignalWatch) -> tuple[str, Trip | None, str | None]:
        """Step until the end, a signal or a guard: status, guard, reason."""
        settings = self.settings
        self._begun, self.timer.seconds = time.monotonic(), 0.0
        while self.step < settings.steps:
            if settings.temperature_end_k is not None:
                self.integrator.set_temperature(settings.target_k(self.step))
            try:
                self.integrator.step()
            except FORCE_ERRORS as error:
                return "stopped", *self._give_up(Trip("potential", _say(error)))
            self.step += 1
            trip = self._look()
            if trip is not None:
                return "stopped", *self._give_up(trip)
            regular = self.step % settings.checkpoint_every == 0
            # told to end it goes on to a regular checkpoint if it can: one in between would make
            # neighbour lists anew where a run without a break does not, and sums in another order
            if regular or time.monotonic() > signals.leave_by:
                self._irregular += [] if regular or self.step == settings.steps else [self.step]
                self.checkpoint()
            if time.monotonic() - self._shown > PROGRESS_EVERY_S:
                self._show()
            if signals.caught is not None and self._saved_at == self.step < settings.steps:
                return "interrupted", None, f"{signals.caught} at step {self.step}; run again"
        if self._saved_at != self.step:
            self.checkpoint()
        return "finished", None, None

    def checkpoint(self) -> None:
        """Bring frames, then state, to the disk."""
        frames = self.writer.commit()
        facts = {
            "schema": SCHEMA_VERSION,
            "step": self.step,
            "frames": frames,
            "settings": self.settings.to_json(),
            "potential": self.potential.identity.to_json(),
            "start_sha256": self._start_sha256,
            "random": self.random.bit_generator.state,
            "statistics": self.statistics.state(),
            "wall_s": self.wall_s,
            "force_s": self.force_s,
            "irregular": self._irregular,
        }
        arrays = {
            "positions": self.atoms.positions,
            "momenta": self.atoms.arrays["momenta"],
            "cell": self.atoms.cell.array,
            **{f"integrator {name}": value for name, value in self.integrator.state().items()},
        }
        save_checkpoint(self.folder, Checkpoint(facts, arrays))
        self._saved_at = self.step
        # Neighbour lists depend on the past; whoever resumes here has none.
        self.atoms.calc.reset()
        self.integrator.forget_forces()
        self._show()

    def finish(self, status: Any, trip: Trip | None, reason: str | None) -> MDRecord:
        """The record, also on disk."""
        wall_s, force_s = self.wall_s, self.force_s
        drift = self.statistics.drift_ev_per_ps if self.settings.ensemble == "nve" else None
        record = MDRecord(
            status=status,
            reason=reason,
            guard=None if trip is None else trip.guard,
            steps_done=self.step,
            time_ps=self.time_ps,
            trajectory=self._trajectory(),
            settings=self.settings,
            potential=self.potential.identity,
            formula=self.atoms.get_chemical_formula(),
            mean_temperature_k=self.statistics.mean_k if self.statistics.count else None,
            sigma_temperature_k=self.statistics.sigma_k,
            energy_drift_mev_per_atom_per_ps=(
                None if drift is None else 1000 * drift / len(self.atoms)
            ),
            wall_s=wall_s,
            ns_per_day=self._ns_per_day() or None,
            fraction_outside_forces=max(0.0, 1 - force_s / wall_s) if wall_s > 0 else None,
            notes=(*self.notes, *_on_irregular(self._irregular)),
            provenance=provenance(seed=self.settings.seed, wall_time_s=wall_s),
        )
        write_small(self.folder / "record.json", record)
        return record

    @property
    def time_ps(self) -> float:
        """Simulated time."""
        return self.step * self.settings.timestep_fs / 1000

    @property
    def wall_s(self) -> float:
        """Time spent stepping, in this session and those before it."""
        return self.earlier_s + (0 if self._begun is None else time.monotonic() - self._begun)

    @property
    def force_s(self) -> float:
        """Time spent in the potential, likewise."""
        return self.earlier_force_s + (0 if self._begun is None else self.timer.seconds)

    def _look(self) -> Trip | None:
        """Take the step into the statistics, ask the guards, and keep a frame if it is time."""
        forces, energy = self._results()
        kinetic, kelvin = self._heat()
        trip = self.guards.every_step(self.atoms, forces, energy, kelvin)
        if trip is not None:
            return trip
        self.statistics.add(self.time_ps, kelvin, energy + kinetic)
        if self.step % self.settings.frame_every:
            return None
        self._frame()
        return self.guards.every_frame(self.atoms, self.statistics, self.time_ps)

    def _results(self) -> tuple[Any, float]:
        results = self.atoms.calc.results
        return results["forces"], float(results.get("free_energy", results["energy"]))

    def _heat(self) -> tuple[float, float]:
        """Kinetic energy in eV and temperature in K."""
        from ase.units import kB

        momenta = self.atoms.arrays["momenta"]
        kinetic = 0.5 * float(np.square(momenta).sum(axis=1) @ (1 / self.atoms.get_masses()))
        return kinetic, 2 * kinetic / (kB * self._freedom)

    def _frame(self) -> None:
        _, energy = self._results()
        kinetic, kelvin = self._heat()
        values = {"potential_energy": energy, "kinetic_energy": kinetic, "temperature": kelvin}
        self.writer.append(self.step, self.atoms.positions, self.atoms.cell.array, values)

    def _give_up(self, trip: Trip) -> tuple[Trip, str]:
        """Keep the frames; the last checkpoint, from before the trouble, stays."""
        self.writer.commit()
        return trip, f"{trip.reason} (step {self.step})"

    def _first_forces(self) -> None:
        """A first force call, so that a model that cannot treat these atoms says so at once."""
        try:
            self.atoms.get_forces(md=True)
            if self.settings.constant_pressure:
                self.atoms.get_stress()
        except FORCE_ERRORS as error:
            raise InputError(
                f"the potential '{self.potential.identity.name}' cannot compute "
                f"{self.atoms.get_chemical_formula()}: {_say(error)}"
            ) from error

    def _new_trajectory(self) -> H5mdWriter:
        regions = self.atoms.arrays.get("region")
        return H5mdWriter.create(
            self.folder / TRAJECTORY,
            list(self.atoms.symbols),
            time_step_fs=self.settings.timestep_fs * self.settings.frame_every,
            steps_per_frame=self.settings.frame_every,
            pbc=self.atoms.pbc,
            masses=self.atoms.get_masses(),
            regions=None if regions is None else list(regions),
            parameters={
                "settings": self.settings.to_json(),
                "potential": self.potential.identity.to_json(),
                "provenance": provenance(seed=self.settings.seed).to_json(),
            },
        )

    def _restore(self, saved: Checkpoint) -> None:
        facts, arrays = saved.facts, saved.arrays
        self.writer = H5mdWriter(self.folder / TRAJECTORY)
        if self.writer.frames < facts["frames"]:
            raise FailureError(
                f"'{self.writer.path}' holds {self.writer.frames} frames and its checkpoint knows "
                f"of {facts['frames']}: frames are missing, so the run cannot go on as one"
            )
        self.writer.truncate(facts["frames"])
        self.step = self._saved_at = facts["step"]
        self.atoms.positions[:] = arrays["positions"]
        self.atoms.arrays["momenta"][:] = arrays["momenta"]
        self.atoms.cell[:] = arrays["cell"]
        prefix = "integrator "
        self.integrator.restore(
            {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
        )
        self.random.bit_generator.state = facts["random"]
        self.statistics = RunningStatistics(**facts["statistics"])
        self.earlier_s, self.earlier_force_s = facts["wall_s"], facts["force_s"]
        self._irregular = list(facts.get("irregular", ()))
        self.atoms.calc.reset()
        if facts["settings"] != self.settings.to_json():
            self.writer.describe({"settings": self.settings.to_json()})
        if self.step < self.settings.steps:
            self.notes.append(f"resumed at step {self.step}")

    def _show(self) -> None:
        self._shown = time.monotonic()
        speed = self._ns_per_day()
        left_ns = (self.settings.steps - self.step) * self.settings.timestep_fs * 1e-6
        now = MDProgress(
            step=self.step,
            steps=self.settings.steps,
            time_ps=self.time_ps,
            ns_per_day=speed,
            temperature_k=self._heat()[1],
            seconds_left=86400 * left_ns / speed if speed > 0 else None,
        )
        write_small(self.folder / "progress.json", now)
        if self._progress is not None:
            self._progress(now)

    def _ns_per_day(self) -> float:
        return 86.4 * self.time_ps / self.wall_s if self.wall_s > 0 else 0.0

    def _trajectory(self) -> TrajectoryFile:
        path = self.folder / TRAJECTORY
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return TrajectoryFile(
            path=str(path.resolve()),
            sha256=digest,
            size_bytes=os.path.getsize(path),
            frames=self.writer.frames,
            time_step_fs=self.settings.timestep_fs * self.settings.frame_every,
        )


def _on_irregular(steps: list[int]) -> list[str]:
    if not steps:
        return []
    return [
        f"checkpoints between the regular ones at steps {', '.join(map(str, steps))}: since then "
        "equal to a run without a break up to rounding"
    ]


def _say(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:300]}"
