"""What stops a run that has left physics: each guard says its name and what it saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from interlith.engines.dynamics.contacts import closest_overlap
from interlith.engines.dynamics.settings import MDSettings
from interlith.engines.dynamics.statistics import RunningStatistics

if TYPE_CHECKING:
    from ase import Atoms

DRIFT_FROM_PS = 0.5


@dataclass(frozen=True)
class Trip:
    """A guard that stops the run, and why."""

    guard: str
    reason: str


class Guards:
    """The guards of one run.

    Parameters
    ----------
    start_positions, start_cell : (n_atoms, 3) and (3, 3) Angstrom
        What the framework is compared with.
    """

    def __init__(
        self,
        settings: MDSettings,
        atoms: Atoms,
        start_positions: npt.NDArray[np.float64],
        start_cell: npt.NDArray[np.float64],
    ) -> None:
        from ase.neighborlist import natural_cutoffs

        self._bounds = settings.guards
        self._ensemble = settings.ensemble
        self._max_k = _max_temperature(settings)
        self._step_time = settings.timestep_fs
        ratio = self._bounds.min_distance_ratio
        self._radii = None if ratio is None else np.array(natural_cutoffs(atoms, mult=ratio))
        self._framework = np.isin(np.array(atoms.symbols), self._bounds.framework)
        self._masses = atoms.get_masses()[:, None]
        self._start_positions, self._start_cell = start_positions, start_cell

    def every_step(
        self,
        atoms: Atoms,
        forces: npt.NDArray[np.float64],
        energy_ev: float,
        temperature_k: float,
    ) -> Trip | None:
        """The cheap ones: numbers that are none, heat, speed."""
        from ase import units

        if not np.isfinite(energy_ev) or not np.isfinite(forces).all():
            return Trip("forces", "the potential gave an energy or forces that are not numbers")
        if not np.isfinite(temperature_k) or not np.isfinite(atoms.positions).all():
            return Trip("lost atoms", "positions or momenta are not numbers any more")
        if self._max_k is not None and temperature_k > self._max_k:
            return Trip(
                "temperature", f"{temperature_k:.0f} K is above the bound of {self._max_k:.0f} K"
            )
        if self._bounds.max_step_angstrom is not None:
            speeds = np.abs(atoms.arrays["momenta"] / self._masses)
            farthest = float(speeds.max()) * self._step_time * units.fs
            if farthest > self._bounds.max_step_angstrom:
                atom = int(speeds.max(axis=1).argmax())
                return Trip(
                    "lost atoms",
                    f"atom {atom} ({atoms.symbols[atom]}) moves {farthest:.2f} Angstrom in one "
                    f"step, more than {self._bounds.max_step_angstrom}",
                )
        return None

    def every_frame(
        self, atoms: Atoms, statistics: RunningStatistics, time_ps: float
    ) -> Trip | None:
        """The dearer ones: distances, escape, drift, framework."""
        return (
            self._overlap(atoms)
            or self._escape(atoms)
            or self._drift(len(atoms), statistics, time_ps)
            or self._melting(atoms)
        )

    def _overlap(self, atoms: Atoms) -> Trip | None:
        found = None if self._radii is None else closest_overlap(atoms, self._radii)
        if found is None:
            return None
        i, j, distance = found
        return Trip(
            "overlap",
            f"atoms {i} ({atoms.symbols[i]}) and {j} ({atoms.symbols[j]}) are "
            f"{distance:.2f} Angstrom apart, less than "
            f"{self._bounds.min_distance_ratio} of the sum of their covalent radii",
        )

    def _escape(self, atoms: Atoms) -> Trip | None:
        """An atom a whole cell outside in a direction that is not periodic."""
        if atoms.pbc.all() or atoms.cell.rank < 3:
            return None
        outside = np.abs(atoms.cell.scaled_positions(atoms.positions) - 0.5) > 1.5
        outside[:, atoms.pbc] = False
        if not outside.any():
            return None
        atom = int(outside.any(axis=1).argmax())
        return Trip("lost atoms", f"atom {atom} ({atoms.symbols[atom]}) has left the cell")

    def _drift(self, n_atoms: int, statistics: RunningStatistics, time_ps: float) -> Trip | None:
        bound, slope = self._bounds.max_drift_mev_per_atom_per_ps, statistics.drift_ev_per_ps
        if self._ensemble != "nve" or bound is None or slope is None or time_ps < DRIFT_FROM_PS:
            return None
        drift = 1000 * slope / n_atoms
        if abs(drift) <= bound:
            return None
        return Trip(
            "energy drift",
            f"the total energy drifts by {drift:.1f} meV/atom/ps, more than {bound}; take a "
            "shorter time step",
        )

    def _melting(self, atoms: Atoms) -> Trip | None:
        bound = self._bounds.max_framework_rmsd_angstrom
        if bound is None or not self._framework.any():
            return None
        moved = atoms.positions - self._start_positions
        if atoms.cell.rank == 3:  # a cell that moves carries its atoms along
            strain = np.linalg.solve(self._start_cell, atoms.cell.array)
            moved = atoms.positions - self._start_positions @ strain
        moved = moved[self._framework]
        rmsd = float(np.sqrt((np.square(moved - moved.mean(axis=0)).sum(axis=1)).mean()))
        if rmsd <= bound:
            return None
        return Trip(
            "framework",
            f"the framework ({', '.join(self._bounds.framework)}) is {rmsd:.2f} Angstrom (rms) "
            f"from its start, more than {bound}: melted or reacted",
        )


def _max_temperature(settings: MDSettings) -> float | None:
    bound = settings.guards.max_temperature_k
    if bound != "default":
        return bound
    highest = max(settings.temperature_k, settings.temperature_end_k or 0.0)
    return max(3 * highest, highest + 1000)
