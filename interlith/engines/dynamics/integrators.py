"""ASE's integrators with their hidden state laid open, so that a run can go on where it stood."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from interlith.engines.dynamics.settings import MDSettings
from interlith.units import GPA_PER_EV_PER_ANGSTROM3

if TYPE_CHECKING:
    from ase import Atoms

_CHAIN = ("_q", "_p", "_thermostat._eta", "_thermostat._p_eta")
_BAROSTAT = (*_CHAIN, "_barostat._xi", "_barostat._p_xi")
_STATE: dict[str, tuple[str, ...]] = {
    "NoseHooverChainNVT": _CHAIN,
    "IsotropicMTKNPT": (*_BAROSTAT, "_eps", "_p_eps"),
    "MTKNPT": (*_BAROSTAT, "_h", "_p_g"),
    "MaskedMTKNPT": (*_BAROSTAT, "_h", "_p_c"),
}


class Integrator:
    """One of ASE's integrators bound to atoms.

    Parameters
    ----------
    dynamics : ase.md.md.MolecularDynamics
    heat : callable
        Sets the temperature in K.
    """

    def __init__(self, dynamics: Any, heat: Callable[[float], None]) -> None:
        self._dynamics = dynamics
        self.set_temperature = heat
        self._fields = _STATE.get(type(dynamics).__name__, ())
        self._forces: Any = None

    def step(self) -> None:
        """One step on.

        Verlet and Langevin start from the forces that the last step ended with; asking the
        calculator for them again would compare all atoms with those it knows.
        """
        if self._fields:
            self._dynamics.step()
        else:
            self._forces = self._dynamics.step(self._forces)

    def forget_forces(self) -> None:
        """Ask for the forces anew at the next step."""
        self._forces = None

    def state(self) -> dict[str, npt.NDArray[np.float64]]:
        """What the next step depends on besides atoms and random numbers."""
        return {
            name: np.array(attrgetter(name)(self._dynamics), dtype=np.float64)
            for name in self._fields
        }

    def restore(self, state: dict[str, npt.NDArray[np.float64]]) -> None:
        """Put back what :meth:`state` gave."""
        for name in self._fields:
            owner, _, field = name.rpartition(".")
            target = attrgetter(owner)(self._dynamics) if owner else self._dynamics
            value = state[name]
            setattr(target, field, value.copy() if value.ndim else float(value))


def degrees_of_freedom(atoms: Atoms) -> int:
    """Those that carry kinetic energy: the centre of mass rests unless something is held fixed."""
    if atoms.constraints or len(atoms) < 2:
        return int(atoms.get_number_of_degrees_of_freedom())
    return 3 * len(atoms) - 3


def draw_velocities(atoms: Atoms, temperature_k: float, random: np.random.Generator) -> None:
    """Momenta of Maxwell's distribution, centre of mass at rest, at exactly this temperature."""
    from ase import units

    masses = atoms.get_masses()[:, None]
    momenta = np.sqrt(masses) * random.standard_normal(size=(len(atoms), 3))
    if not atoms.constraints and len(atoms) > 1:
        momenta -= masses * momenta.sum(axis=0) / masses.sum()
    atoms.set_momenta(momenta)
    wanted = 0.5 * units.kB * temperature_k * degrees_of_freedom(atoms)
    present = atoms.get_kinetic_energy()
    if present > 0:
        atoms.set_momenta(atoms.get_momenta() * np.sqrt(wanted / present))


def make_integrator(
    atoms: Atoms, settings: MDSettings, random: np.random.Generator, start_k: float
) -> Integrator:
    """The integrator of an ensemble, at the temperature ``start_k``."""
    from ase import units

    step = settings.timestep_fs * units.fs
    if settings.ensemble == "nve":
        from ase.md.verlet import VelocityVerlet

        return Integrator(VelocityVerlet(atoms, step), lambda _: None)
    if settings.ensemble == "nvt_langevin":
        return _langevin(atoms, settings, random, start_k, step)
    if settings.ensemble == "nvt_bussi":
        return _bussi(atoms, settings, random, start_k, step)
    return _chains(atoms, settings, start_k, step)


def _langevin(
    atoms: Atoms, settings: MDSettings, random: np.random.Generator, start_k: float, step: float
) -> Integrator:
    from ase import units
    from ase.constraints import FixCom
    from ase.md.langevin import Langevin

    if not atoms.constraints and len(atoms) > 1:
        atoms.set_constraint(FixCom())
    friction = settings.friction_per_ps / (1000 * units.fs)
    dynamics = Langevin(
        atoms, step, temperature_K=start_k, friction=friction, fixcm=False, rng=random
    )
    return Integrator(dynamics, lambda kelvin: dynamics.set_temperature(temperature_K=kelvin))


def _bussi(
    atoms: Atoms, settings: MDSettings, random: np.random.Generator, start_k: float, step: float
) -> Integrator:
    from ase import units
    from ase.md.bussi import Bussi

    time = settings.thermostat_time_fs * units.fs
    dynamics = Bussi(atoms, step, start_k, time, rng=random)
    dynamics.ndof = degrees_of_freedom(atoms)  # ASE would count the resting centre of mass

    def heat(kelvin: float) -> None:
        dynamics.temp = kelvin * units.kB
        dynamics.target_kinetic_energy = 0.5 * dynamics.temp * dynamics.ndof

    heat(start_k)
    return Integrator(dynamics, heat)


def _chains(atoms: Atoms, settings: MDSettings, start_k: float, step: float) -> Integrator:
    """Nose-Hoover chains, with or without the Martyna-Tobias-Klein barostat.

    ASE heats 3 N degrees of freedom; with the centre of mass at rest there are three fewer, so
    the temperature handed over is lower by their share.
    """
    from ase import units
    from ase.md import nose_hoover_chain as chains

    share = degrees_of_freedom(atoms) / (3 * len(atoms))
    options: dict[str, Any] = {
        "timestep": step,
        "temperature_K": start_k * share,
        "tdamp": settings.thermostat_time_fs * units.fs,
    }
    if settings.constant_pressure:
        options["pressure_au"] = settings.pressure_gpa / GPA_PER_EV_PER_ANGSTROM3
        options["pdamp"] = settings.barostat_time_fs * units.fs
    if settings.ensemble == "nvt_nose_hoover":
        dynamics: Any = chains.NoseHooverChainNVT(atoms, **options)
    elif settings.ensemble == "npt_isotropic":
        dynamics = chains.IsotropicMTKNPT(atoms, **options)
    elif settings.free_axes is None:
        dynamics = chains.MTKNPT(atoms, **options)
    else:
        options["mask"] = np.array(settings.free_axes)  # a tuple would index as something else
        dynamics = chains.MaskedMTKNPT(atoms, **options)

    def heat(kelvin: float) -> None:
        dynamics._thermostat._kT = units.kB * kelvin * share
        if settings.constant_pressure:
            dynamics._barostat._kT = units.kB * kelvin * share

    return Integrator(dynamics, heat)
