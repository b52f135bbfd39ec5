"""How far the members of a committee of models disagree on frames of a run.

>>> import numpy as np
>>> forces = np.zeros((2, 1, 3))
>>> forces[1, 0, 0] = 0.2  # two members, one atom: 0.2 eV/A apart along x
>>> [round(float(x), 4) for x in force_spread(forces)]
[0.1414]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from interlith.records import Record

FloatArray = npt.NDArray[np.float64]

NOTE = (
    "spread: sample standard deviation over the members, length of the vector for forces; members "
    "that share data or starting weights agree more than they are right"
)


class FrameSpread(Record):
    """Disagreement on one frame, over its atoms."""

    time_ps: float
    mean_ev_per_angstrom: float
    max_ev_per_angstrom: float
    energy_mev_per_atom: float


class CommitteeSpread(Record):
    """Disagreement along one run.

    Attributes
    ----------
    driver : dict
        Name and sha256 of the file whose forces moved the atoms.
    judges : tuple of dict
        Name and sha256 of the others.
    mean_ev_per_angstrom, max_ev_per_angstrom : float
        Over atoms and frames.
    relative : float
        Root mean square of the spread over that of the mean force.
    energy_mev_per_atom : float
        Mean over the frames.
    worst_ps : float
        Time of the frame with the largest spread.
    card_force_rmse_ev_per_angstrom : float or None
        What a shipped committee's data card states as its force error (components) against its
        teacher, on frames of its own dynamics: the spread is usually smaller.
    """

    temperature_k: float
    seed: int
    committee: str
    driver: dict[str, Any]
    judges: tuple[dict[str, Any], ...]
    trajectory_sha256: str
    frames: tuple[FrameSpread, ...]
    mean_ev_per_angstrom: float
    max_ev_per_angstrom: float
    relative: float
    energy_mev_per_atom: float
    worst_ps: float
    card_force_rmse_ev_per_angstrom: float | None = None
    note: str = NOTE


def force_spread(forces: npt.ArrayLike) -> FloatArray:
    """Spread of each atom's force, eV/A, from forces (n_members, n_atoms, 3)."""
    all_forces = np.asarray(forces, dtype=np.float64)
    return np.asarray(np.sqrt(all_forces.var(axis=0, ddof=1).sum(axis=-1)), dtype=np.float64)


def frame_spread(time_ps: float, spread: FloatArray, energy_std_ev: float) -> FrameSpread:
    """One frame's row from the spread of each atom's force and that of the energy."""
    return FrameSpread(
        time_ps=time_ps,
        mean_ev_per_angstrom=float(spread.mean()),
        max_ev_per_angstrom=float(spread.max()),
        energy_mev_per_atom=1000 * energy_std_ev / len(spread),
    )


def summed(
    rows: Sequence[FrameSpread], spread_rms: Sequence[float], force_rms: Sequence[float]
) -> dict[str, float]:
    """The numbers over all frames of a :class:`CommitteeSpread`.

    Parameters
    ----------
    rows : sequence of FrameSpread
        At least one.
    spread_rms, force_rms : sequence of float
        Root mean squares over the atoms of each frame, of spread and force.
    """
    worst = max(rows, key=lambda row: row.max_ev_per_angstrom)
    largest = float(np.sqrt(np.mean(np.square(force_rms))))
    return {
        "mean_ev_per_angstrom": float(np.mean([row.mean_ev_per_angstrom for row in rows])),
        "max_ev_per_angstrom": worst.max_ev_per_angstrom,
        "relative": float(np.sqrt(np.mean(np.square(spread_rms)))) / max(largest, 1e-12),
        "energy_mev_per_atom": float(np.mean([row.energy_mev_per_atom for row in rows])),
        "worst_ps": worst.time_ps,
    }
