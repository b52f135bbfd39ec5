"""Errors on a run's own frames, atoms outside the trained domain, and the verdict.

>>> verdict(None, None, None, {})[0]
'no frame of these runs was labelled by a teacher'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interlith.analysis.reactive_counts import FloatArray
from interlith.analysis.reactive_records import (
    Deviation,
    DriftCheck,
    LabelCheck,
    LabelledFrame,
)

LEAST_LABELS = 10


@dataclass(frozen=True, eq=False)
class Forces:
    """One frame seen by two potentials, or by a committee.

    Attributes
    ----------
    forces, error : (n, 3) eV/A
        Of the teacher (or the committee's mean), and model minus teacher.
    deviation : (n,) eV/A
        Length of the error, or the committee's spread.
    """

    run: str
    time_ps: float
    symbols: tuple[str, ...]
    regions: tuple[str, ...]
    forces: FloatArray
    error: FloatArray
    deviation: FloatArray
    energy_error_per_atom: float

    @property
    def force_rmse(self) -> float:
        """Over components, eV/A."""
        return float(np.sqrt(np.mean(self.error**2)))


def label_check(
    teacher: Mapping[str, Any],
    rows: tuple[LabelledFrame, ...],
    frames: Sequence[Forces],
    bound_ev_per_angstrom: float,
) -> LabelCheck:
    """Errors over all frames; components of forces, energies per atom."""
    squares = np.concatenate([(one.error**2).ravel() for one in frames])
    due = np.concatenate([(one.forces**2).ravel() for one in frames])
    kinds = np.concatenate([np.array(one.symbols) for one in frames])
    by_atom = np.concatenate([(one.error**2).mean(axis=1) for one in frames])
    energies = 1000.0 * np.array([one.energy_error_per_atom for one in frames])
    return LabelCheck(
        teacher=dict(teacher),
        frames=rows,
        force_rmse_mev_per_angstrom=1000.0 * float(np.sqrt(squares.mean())),
        force_relative=float(np.sqrt(squares.mean() / max(float(due.mean()), 1e-12))),
        force_rmse_by_element={
            str(one): 1000.0 * float(np.sqrt(by_atom[kinds == one].mean()))
            for one in np.unique(kinds)
        },
        energy_mean_mev_per_atom=float(energies.mean()),
        energy_rmse_mev_per_atom=float(np.sqrt((energies**2).mean())),
        outside=float(
            np.concatenate([one.deviation > bound_ev_per_angstrom for one in frames]).mean()
        ),
    )


def calibration(spread: Sequence[FloatArray], error: Sequence[FloatArray]) -> float:
    """Factor between the true errors of atoms and the committee's spread, by root mean squares.

    >>> calibration([np.array([0.1, 0.1])], [np.array([0.3, 0.3])])
    3.0
    """
    if not spread:
        return 1.0
    own, due = np.concatenate(list(spread)), np.concatenate(list(error))
    return float(np.sqrt((due**2).mean() / max(float((own**2).mean()), 1e-12)))


def deviation_of(
    by: str,
    factor: float,
    bound: float,
    frames: Sequence[Forces],
    harvested: int,
    file: str | None,
) -> Deviation:
    """Atoms beyond a bound, by region and element."""
    spread = np.concatenate([one.deviation for one in frames])
    kinds = np.concatenate([np.array(one.symbols) for one in frames])
    regions = np.concatenate([np.array(one.regions) for one in frames])
    outside = spread > bound
    frame = max(frames, key=lambda one: float(one.deviation.max()))
    atom = int(frame.deviation.argmax())

    def share(groups: Any) -> dict[str, float]:
        return {str(one): float(outside[groups == one].mean()) for one in np.unique(groups)}

    return Deviation(
        by=by,
        factor=factor,
        bound_ev_per_angstrom=bound,
        frames=len(frames),
        mean_ev_per_angstrom=float(spread.mean()),
        max_ev_per_angstrom=float(spread.max()),
        outside=float(outside.mean()),
        outside_by_region=share(regions),
        outside_by_element=share(kinds),
        mean_by_region={
            str(one): float(spread[regions == one].mean()) for one in np.unique(regions)
        },
        worst=(
            f"{frame.symbols[atom]} of {frame.regions[atom]}, {frame.run}, {frame.time_ps:.2f} ps"
        ),
        harvested=harvested,
        harvest_file=file,
    )


def verdict(
    labels: LabelCheck | None,
    drift: DriftCheck | None,
    deviation: Deviation | None,
    bounds: Mapping[str, float],
) -> list[str]:
    """Why runs are not to be trusted; empty where nothing speaks against them."""
    found = []
    if labels is None:
        found.append("no frame of these runs was labelled by a teacher")
    else:
        found += _labels(labels, bounds)
    if drift is None:
        found.append("energy conservation is not known")
    elif abs(drift.drift_mev_per_atom_per_ps) > bounds["drift_mev_per_atom_per_ps"]:
        found.append(
            f"the energy drifts by {drift.drift_mev_per_atom_per_ps:+.2f} meV/atom/ps without a "
            f"thermostat, beyond {bounds['drift_mev_per_atom_per_ps']:g}"
        )
    if deviation is not None and deviation.outside > bounds["outside_share"]:
        found.append(
            f"{100 * deviation.outside:.1f} % of the atoms are outside the trained domain by the "
            f"{deviation.by}, more than {100 * bounds['outside_share']:g} %"
        )
    return found


def _labels(labels: LabelCheck, bounds: Mapping[str, float]) -> list[str]:
    found = []
    if len(labels.frames) < bounds["labelled_frames"]:
        found.append(
            f"{len(labels.frames)} frames were labelled, {bounds['labelled_frames']:g} are needed"
        )
    force, limit = labels.force_rmse_mev_per_angstrom, bounds["force_rmse_mev_per_angstrom"]
    if force > limit:
        found.append(f"the forces are off by {force:.0f} meV/A (rms), beyond {limit:g}")
    energy, most = labels.energy_mean_mev_per_atom, bounds["energy_mean_mev_per_atom"]
    if abs(energy) > most:
        found.append(f"the energies are off by {energy:+.1f} meV/atom, beyond {most:g}")
    return found
