"""What every engine must satisfy, as checks that anyone can run on a calculator.

>>> from ase.build import bulk
>>> from interlith.engines.contract import check_all
>>> from interlith.engines.potentials import potential
>>> from interlith.engines.relax import rattle
>>> check_all(potential("emt").calculator, rattle(bulk("Cu", cubic=True), amplitude_angstrom=0.1))

A plug-in's tests inherit :class:`PotentialContract` and say how to make the calculator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from interlith.errors import FailureError

if TYPE_CHECKING:
    from ase import Atoms

FloatArray = npt.NDArray[np.float64]
N_DIRECTIONS = 3


@dataclass(frozen=True)
class Tolerances:
    """How far two numbers that ought to agree may lie apart.

    Attributes
    ----------
    step : float
        Displacement of the finite differences: Angstrom along a unit vector of all coordinates
        for forces, one hundredth of it as strain for stress.
    slope : float
        Of forces and stress against finite differences, relative to the larger of them.
    energy_ev_per_atom, force_ev_per_angstrom, stress_ev_per_angstrom3 : float
        Of results that symmetry makes equal.
    repeat_ev : float
        Of the energy of one structure computed twice.
    """

    step: float = 1e-3
    slope: float = 1e-4
    energy_ev_per_atom: float = 1e-7
    force_ev_per_angstrom: float = 1e-6
    stress_ev_per_angstrom3: float = 1e-8
    repeat_ev: float = 1e-9


DOUBLE = Tolerances()
SINGLE = Tolerances(
    step=0.02,
    slope=0.02,
    energy_ev_per_atom=1e-5,
    force_ev_per_angstrom=1e-3,
    stress_ev_per_angstrom3=1e-5,
    repeat_ev=0.0,
)
"""For models in single precision."""


def check_forces(calculator: Any, atoms: Atoms, within: Tolerances = DOUBLE) -> None:
    """Forces are minus the slope of the energy, along random directions of all coordinates.

    Raises
    ------
    FailureError
        Here and in every check of this module: says what was found against what was due.
    """
    forces = _run(calculator, atoms)[1]
    rng = np.random.default_rng(1)
    for _ in range(N_DIRECTIONS):
        direction = rng.normal(size=forces.shape)
        direction /= np.linalg.norm(direction)
        energies = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions += sign * within.step * direction
            energies.append(_run(calculator, moved)[0])
        slope = -(energies[0] - energies[1]) / (2 * within.step)
        size = float(np.linalg.norm(forces))
        along = float(forces.ravel() @ direction.ravel())
        _same("forces against -dE/dx", along, slope, within.slope * max(size, 0.1))


def check_stress(calculator: Any, atoms: Atoms, within: Tolerances = DOUBLE) -> None:
    """Stress is the slope of the energy with strain, divided by the volume (tension positive)."""
    stress = _matrix(_run(calculator, atoms)[2])
    rng = np.random.default_rng(2)
    step = within.step / 100 * len(atoms) ** 0.5
    for _ in range(N_DIRECTIONS):
        strain = rng.normal(size=(3, 3))
        strain = (strain + strain.T) / 2 / np.linalg.norm(strain)
        energies = []
        for sign in (1, -1):
            bent = atoms.copy()
            bent.set_cell(atoms.cell.array @ (np.eye(3) + sign * step * strain), scale_atoms=True)
            energies.append(_run(calculator, bent)[0])
        slope = (energies[0] - energies[1]) / (2 * step) / atoms.get_volume()
        size = max(float(np.linalg.norm(stress)), 1e-3)
        along = float((stress * strain).sum())
        _same("stress against dE/d strain/V", along, slope, within.slope * size)


def check_rotation(calculator: Any, atoms: Atoms, within: Tolerances = DOUBLE) -> None:
    """Turning the crystal turns forces and stress and leaves the energy."""
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ turn.T)
    turned.positions = atoms.positions @ turn.T
    before, after = _run(calculator, atoms), _run(calculator, turned)
    due_stress = None if before[2] is None else turn @ _matrix(before[2]) @ turn.T
    _compare("rotation", (before[0], before[1] @ turn.T, due_stress), after, len(atoms), within)


def check_translation(calculator: Any, atoms: Atoms, within: Tolerances = DOUBLE) -> None:
    """A rigid shift changes nothing, and neither does folding atoms back into the cell."""
    shifted = atoms.copy()
    shifted.positions += np.random.default_rng(4).uniform(-20, 20, size=3)
    due = _run(calculator, atoms)
    _compare("translation", due, _run(calculator, shifted), len(atoms), within)
    shifted.wrap()
    _compare("wrapping", due, _run(calculator, shifted), len(atoms), within)


def check_permutation(calculator: Any, atoms: Atoms, within: Tolerances = DOUBLE) -> None:
    """The order of the atoms orders the forces and changes nothing else."""
    order = np.random.default_rng(5).permutation(len(atoms))
    before, after = _run(calculator, atoms), _run(calculator, atoms[order])
    due = (before[0], before[1][order], before[2])
    _compare("permutation", due, after, len(atoms), within)


def check_extensivity(calculator: Any, atoms: Atoms, within: Tolerances = DOUBLE) -> None:
    """Doubling the cell doubles the energy, repeats the forces and leaves the stress."""
    one, two = _run(calculator, atoms), _run(calculator, atoms * (1, 1, 2))
    due = (2 * one[0], np.vstack((one[1], one[1])), one[2])
    _compare("doubling", due, two, 2 * len(atoms), within)


def check_leaves_atoms(calculator: Any, atoms: Atoms) -> None:
    """Computing changes nothing that the caller gave."""
    given = atoms.copy()
    before = given.copy()
    given.calc = calculator
    given.get_forces()
    same = (
        given == before
        and given.arrays.keys() == before.arrays.keys()
        and given.info.keys() == before.info.keys()
    )
    given.calc = None
    if not same:
        raise FailureError("contract 'leaves atoms alone': the calculator changed the atoms")


def check_repeats(make: Callable[[], Any], atoms: Atoms, within: Tolerances = DOUBLE) -> None:
    """One structure has one energy: again, after a visit elsewhere, and with a new calculator."""
    calculator = make()
    energy = _run(calculator, atoms)[0]
    elsewhere = atoms.copy()
    elsewhere.positions += np.random.default_rng(6).normal(scale=0.3, size=atoms.positions.shape)
    _run(calculator, elsewhere)
    for again in (calculator, make()):
        _same("the same structure again", _run(again, atoms)[0], energy, within.repeat_ev)


def check_all(make: Callable[[], Any], atoms: Atoms, within: Tolerances = DOUBLE) -> None:
    """Every check of this module.

    Parameters
    ----------
    make : callable
        Makes a new ASE calculator with energy, forces and stress.
    atoms : Atoms
        Periodic, off its symmetric places, a few atoms; left as it is.
    """
    calculator = make()
    for check in (
        check_forces,
        check_stress,
        check_rotation,
        check_translation,
        check_permutation,
        check_extensivity,
    ):
        check(calculator, atoms, within)
    check_leaves_atoms(calculator, atoms)
    check_repeats(make, atoms, within)


class PotentialContract:
    """Base of a test class: give ``make`` and ``atoms``, and pytest runs every check."""

    within: Tolerances = DOUBLE

    def make(self) -> Any:
        """A new ASE calculator."""
        raise NotImplementedError

    def atoms(self) -> Atoms:
        """A few atoms in a periodic cell, off their symmetric places."""
        raise NotImplementedError

    def test_forces_are_the_slope_of_the_energy(self) -> None:
        """:func:`check_forces`."""
        check_forces(self.make(), self.atoms(), self.within)

    def test_stress_is_the_slope_with_strain(self) -> None:
        """:func:`check_stress`."""
        check_stress(self.make(), self.atoms(), self.within)

    def test_rotation(self) -> None:
        """:func:`check_rotation`."""
        check_rotation(self.make(), self.atoms(), self.within)

    def test_translation(self) -> None:
        """:func:`check_translation`."""
        check_translation(self.make(), self.atoms(), self.within)

    def test_permutation(self) -> None:
        """:func:`check_permutation`."""
        check_permutation(self.make(), self.atoms(), self.within)

    def test_extensivity(self) -> None:
        """:func:`check_extensivity`."""
        check_extensivity(self.make(), self.atoms(), self.within)

    def test_atoms_are_left_alone(self) -> None:
        """:func:`check_leaves_atoms`."""
        check_leaves_atoms(self.make(), self.atoms())

    def test_results_repeat(self) -> None:
        """:func:`check_repeats`."""
        check_repeats(self.make, self.atoms(), self.within)


Answer = tuple[float, FloatArray, FloatArray | None]


def _run(calculator: Any, atoms: Atoms) -> Answer:
    """Energy (eV), forces (n, 3), and stress (6,) where the calculator gives it."""
    working = atoms.copy()
    working.calc = calculator
    energy, forces = float(working.get_potential_energy()), np.array(working.get_forces())
    has_stress = "stress" in calculator.implemented_properties
    return energy, forces, np.array(working.get_stress()) if has_stress else None


def _matrix(stress: FloatArray | None) -> FloatArray:
    from ase.stress import voigt_6_to_full_3x3_stress

    if stress is None:
        raise FailureError("contract 'stress': the calculator gives no stress")
    return np.array(voigt_6_to_full_3x3_stress(stress)) if stress.shape == (6,) else stress


def _same(what: str, found: Any, due: Any, tolerance: float) -> None:
    gap = float(np.abs(np.asarray(found) - np.asarray(due)).max())
    if not gap <= tolerance:  # NaN fails too
        raise FailureError(
            f"contract '{what}': off by {gap:.3g}, {tolerance:.3g} allowed; found {found!s:.80}, "
            f"due {due!s:.80}"
        )


def _compare(what: str, due: Answer, found: Answer, n_atoms: int, within: Tolerances) -> None:
    _same(f"{what}, energy", found[0], due[0], within.energy_ev_per_atom * n_atoms)
    _same(f"{what}, forces", found[1], due[1], within.force_ev_per_angstrom)
    if due[2] is not None:
        stress = _matrix(found[2]), _matrix(due[2])
        _same(f"{what}, stress", *stress, within.stress_ev_per_angstrom3)
