"""GPAW's own arguments for our settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interlith.engines.electronic.datasets import OWN_FOLDER
from interlith.engines.electronic.hubbard import gpaw_setups

if TYPE_CHECKING:
    from ase import Atoms

    from interlith.engines.electronic.settings import DftSettings


def gpaw_arguments(settings: DftSettings) -> dict[str, Any]:
    """Keyword arguments of ``gpaw.GPAW``, without its log file."""
    arguments: dict[str, Any] = {
        "mode": {"name": "pw", "ecut": settings.cutoff_ev},
        "xc": settings.xc,
        "kpts": {"size": settings.kpoints, "gamma": True},
        "occupations": _occupations(settings),
        "convergence": {
            "energy": settings.energy_tolerance_ev,
            "density": settings.density_tolerance,
            "eigenstates": settings.eigenstates_tolerance,
        },
        "maxiter": settings.scf_steps,
        "symmetry": "on" if settings.symmetry else {"point_group": False},
        "spinpol": settings.spin_polarised,
    }
    if settings.charge:
        arguments["charge"] = settings.charge
    setups = gpaw_setups(settings.hubbard_u_ev, scaled=settings.hubbard_scaled)
    for element, tag in settings.datasets.items():
        setups[element] = tag + setups.get(element, "")
    if setups:
        arguments["setups"] = setups
    if settings.datasets:
        find_own_datasets()
    if settings.mixer is not None:
        arguments["mixer"] = settings.mixer
    if settings.eigensolver is not None:
        arguments["eigensolver"] = settings.eigensolver
    if settings.dispersion == "d3":
        arguments["extensions"] = [{"name": "d3", "xc": settings.xc, "damping": "bj"}]
    if settings.dipole_correction:
        arguments["poissonsolver"] = {"dipolelayer": "xy"}
    return arguments


def prepared(atoms: Atoms, settings: DftSettings) -> Atoms:
    """A plain copy with the starting moments of the settings and nothing else attached.

    GPAW puts its dipole layer where the cell is not periodic: that is said here, since slabs come
    with vacuum and periodic in all directions.
    """
    from ase import Atoms as PlainAtoms

    pbc = (*atoms.pbc[:2], False) if settings.dipole_correction else atoms.pbc
    copy = PlainAtoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=pbc)
    if settings.spin_polarised:
        copy.set_initial_magnetic_moments(settings.magnetic_moments or [0.0] * len(atoms))
    return copy


def find_own_datasets() -> None:
    """Let GPAW find the datasets of this package too, after its own."""
    from gpaw import setup_paths

    folder = str(OWN_FOLDER)
    if folder not in map(str, setup_paths):
        setup_paths.append(folder)


def _occupations(settings: DftSettings) -> dict[str, Any]:
    if settings.smearing == "fixed":
        return {"name": "fixed-uniform"}
    arguments: dict[str, Any] = {"name": settings.smearing, "width": settings.smearing_ev}
    if settings.smearing == "methfessel-paxton":
        arguments["order"] = 1
    return arguments
