"""What a molecular dynamics run reports."""

from __future__ import annotations

from typing import Literal

from interlith.engines.dynamics.settings import MDSettings
from interlith.engines.potentials import PotentialIdentity
from interlith.provenance import Provenance
from interlith.records import Record

MDStatus = Literal["finished", "interrupted", "stopped"]


class TrajectoryFile(Record):
    """A trajectory on disk.

    Attributes
    ----------
    time_step_fs : float
        From one frame to the next.
    """

    path: str
    sha256: str
    size_bytes: int
    frames: int
    time_step_fs: float


class MDProgress(Record):
    """Where a run stands."""

    step: int
    steps: int
    time_ps: float
    ns_per_day: float
    temperature_k: float
    seconds_left: float | None


class MDRecord(Record):
    """Outcome of a run.

    Attributes
    ----------
    status : str
        ``finished``; ``interrupted`` by a signal (run again to go on); or ``stopped`` by a guard.
    reason : str or None
        Which signal or guard, and why.
    guard : str or None
        Name of the guard that stopped the run.
    mean_temperature_k, sigma_temperature_k : float or None
        Over all steps, from the first on; None if none was done.
    energy_drift_mev_per_atom_per_ps : float or None
        Slope of the total energy; NVE only.
    wall_s, ns_per_day : float
        Of the stepping alone, over all sessions that a checkpoint has seen.
    fraction_outside_forces : float or None
        Share of ``wall_s`` not spent in the potential.
    notes : tuple of str
        What happened on the way (resumed at, checkpoint damaged).
    """

    schema_version: int = 1
    status: MDStatus
    reason: str | None
    guard: str | None
    steps_done: int
    time_ps: float
    trajectory: TrajectoryFile
    settings: MDSettings
    potential: PotentialIdentity
    formula: str
    mean_temperature_k: float | None
    sigma_temperature_k: float | None
    energy_drift_mev_per_atom_per_ps: float | None
    wall_s: float
    ns_per_day: float | None
    fraction_outside_forces: float | None
    notes: tuple[str, ...]
    provenance: Provenance
