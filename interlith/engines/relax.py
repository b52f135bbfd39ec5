"""Relaxation of atoms and cell with any ASE calculator.

>>> from ase.build import bulk
>>> from interlith.engines.potentials import potential
>>> from interlith.engines.relax import relax
>>> relaxed, record = relax(bulk("Cu", a=3.7), potential("emt").calculator())
>>> record.converged, record.volume_change < 0
(True, True)
"""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

import numpy as np

from interlith.errors import FailureError, InputError
from interlith.records import Record

if TYPE_CHECKING:
    from ase import Atoms

LARGEST_STEP_ANGSTROM = 0.1
RATTLE_ANGSTROM = 0.02


class RelaxationRecord(Record):
    """What a relaxation did.

    Attributes
    ----------
    fmax_ev_per_angstrom : float
        The force tolerance asked for.
    energy_gain_ev_per_atom : float
        Start minus end: positive when the energy fell.
    volume_change : float
        Fraction of the starting volume.
    """

    converged: bool
    steps: int
    fmax_ev_per_angstrom: float
    energy_ev_per_atom: float
    energy_gain_ev_per_atom: float
    volume_a3_per_atom: float
    volume_change: float
    wall_s: float


def relax(
    atoms: Atoms,
    calculator: Any,
    *,
    fmax_ev_per_angstrom: float = 0.03,
    max_steps: int = 300,
    cell: bool = True,
    watch: Callable[[Atoms], None] | None = None,
) -> tuple[Atoms, RelaxationRecord]:
    """Lower the energy until the largest force is below ``fmax_ev_per_angstrom``.

    Parameters
    ----------
    atoms : Atoms
        The start; left as it is.
    calculator : ASE calculator
        Energies, forces and (for ``cell``) stress.
    cell : bool
        Relax all six cell parameters too, at zero pressure.
    watch : callable, optional
        Called with the atoms after every step.

    Returns
    -------
    Atoms
        Relaxed copy, with no calculator attached.
    RelaxationRecord
        How it went; ``converged`` false when the steps ran out.

    Raises
    ------
    FailureError
        If the energy or the cell blows up on the way.

    Notes
    -----
    A symmetric start keeps its symmetry and may stop at a saddle: :func:`rattle` first, or
    compare with a rattled run.
    """
    from ase.filters import FrechetCellFilter
    from ase.optimize import BFGS

    if fmax_ev_per_angstrom <= 0 or max_steps < 1:
        raise InputError(
            f"fmax_ev_per_angstrom={fmax_ev_per_angstrom} and max_steps={max_steps}: both must be "
            "positive"
        )
    begin = time.monotonic()
    working = atoms.copy()
    working.calc = calculator
    energy, volume = working.get_potential_energy(), working.get_volume()
    target: Any = FrechetCellFilter(working) if cell else working
    optimizer = BFGS(target, logfile=None, maxstep=LARGEST_STEP_ANGSTROM)
    converged = False
    with _quiet_logarithm():
        for reached in optimizer.irun(fmax=fmax_ev_per_angstrom, steps=max_steps):
            _check_sane(working, volume)
            if watch is not None:
                watch(working)
            converged = bool(reached)
    final, n = working.get_potential_energy(), len(working)
    record = RelaxationRecord(
        converged=converged,
        steps=optimizer.nsteps,
        fmax_ev_per_angstrom=fmax_ev_per_angstrom,
        energy_ev_per_atom=float(final / n),
        energy_gain_ev_per_atom=float((energy - final) / n),
        volume_a3_per_atom=float(working.get_volume() / n),
        volume_change=float(working.get_volume() / volume - 1),
        wall_s=time.monotonic() - begin,
    )
    working.calc = None
    return working, record


@contextmanager
def _quiet_logarithm() -> Iterator[None]:
    """The cell filter's matrix logarithm prints its error estimate, tiny as it is, every time."""
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="logm result may be inaccurate")
        yield


def rattle(atoms: Atoms, *, amplitude_angstrom: float = RATTLE_ANGSTROM, seed: int = 0) -> Atoms:
    """A copy with every coordinate displaced by a normal deviate, the same for the same seed."""
    moved: Atoms = atoms.copy()
    shifts = np.random.default_rng(seed).normal(scale=amplitude_angstrom, size=(len(atoms), 3))
    moved.positions += shifts - shifts.mean(axis=0)
    return moved


def _check_sane(atoms: Atoms, start_volume: float) -> None:
    energy, ratio = atoms.get_potential_energy(), atoms.get_volume() / start_volume
    if not np.isfinite(energy) or not 0.3 < ratio < 4.0:
        raise FailureError(
            f"the relaxation of {atoms.get_chemical_formula()} ran away: energy {energy} eV at "
            f"{ratio:.2f} times the starting volume; check the starting structure"
        )
