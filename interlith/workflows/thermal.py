"""Thermal expansion and heat capacity of a crystal with any potential, through phonopy.

>>> from ase.build import bulk
>>> record = quasi_harmonic(bulk("Cu", "fcc", a=3.6), potential("emt"))
>>> record.status, 1e-5 < record.linear_expansion_300k_per_k < 3e-5
('ok', True)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import util
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from interlith.analysis.thermal import (
    LEAST_VOLUMES,
    ROOM_K,
    Expansion,
    ThermalRecord,
    expand,
    harmonic,
    heat_capacity_at_pressure,
    per_kilogram,
)
from interlith.engines.potentials import Potential
from interlith.engines.relax import relax
from interlith.errors import FailureError, InputError, MissingDependencyError
from interlith.provenance import provenance
from interlith.structures.library import primitive_cell
from interlith.structures.reading import read_material, require_ordered
from interlith.workflows.elastic import AMU_PER_ANGSTROM3_IN_G_CM3, double_precision

if TYPE_CHECKING:
    from ase import Atoms

FloatArray = npt.NDArray[np.float64]
Progress = Callable[[int, int], None]

DISPLACEMENT_ANGSTROM = 0.01
IMAGINARY_THZ = -0.15
"""Lower frequencies are imaginary modes and no rounding."""
IMAGINARY_ALLOWED = 0.002
MOST_STRAIN = 0.2


@dataclass(frozen=True)
class ThermalSettings:
    """Volumes, cells and temperatures.

    Attributes
    ----------
    strains : tuple of float
        Linear strains of the cell about the relaxed one.
    min_length_angstrom : float
        Least edge of the supercells.
    mesh_length_angstrom : float
        Density of wave vectors, as phonopy takes it.
    """

    strains: tuple[float, ...] = (-0.012, -0.006, 0.0, 0.006, 0.012, 0.018, 0.024)
    min_length_angstrom: float = 8.0
    mesh_length_angstrom: float = 40.0
    temperature_max_k: float = 500.0
    temperature_step_k: float = 20.0
    fmax_ev_per_angstrom: float = 0.003
    max_steps: int = 500

    def __post_init__(self) -> None:
        """Refuse settings that cannot give an answer.

        Raises
        ------
        InputError
            If there are fewer than five volumes, temperatures do not reach 300 K, or a length, a
            step or a tolerance is not positive and finite.
        """
        if len(self.strains) < LEAST_VOLUMES or not self.temperature_max_k >= ROOM_K:
            raise InputError("take at least five volumes, and temperatures up to 300 K or more")
        for words, value in (
            ("a least edge (--min-length) of {} Angstrom", self.min_length_angstrom),
            ("a mesh of {} Angstrom", self.mesh_length_angstrom),
            ("temperatures up to {} K", self.temperature_max_k),
            ("a step of {} K", self.temperature_step_k),
            ("forces to {} eV/Angstrom", self.fmax_ev_per_angstrom),
            ("{} relaxation steps", self.max_steps),
        ):
            if not 0 < value < math.inf:
                raise InputError(f"{words.format(f'{value:g}')}; give a finite number above 0")
        if not all(abs(one) < MOST_STRAIN for one in self.strains):
            raise InputError(
                f"strains {self.strains}; each is a finite number between -{MOST_STRAIN:g} and "
                f"{MOST_STRAIN:g}"
            )


@dataclass(frozen=True, eq=False)
class _Phonons:
    """At one volume: energy (eV), free energy and heat capacity of the phonons by temperature.

    ``settled`` tells whether the ions came to rest there.
    """

    volume: float
    energy: float
    free: FloatArray
    heat: FloatArray
    imaginary: float
    calculations: int
    supercell_atoms: int
    settled: bool


def thermal(
    material: str, potential_name: str, settings: ThermalSettings | None = None, **keywords: Any
) -> ThermalRecord:
    """As :func:`quasi_harmonic`, of a library phase, a formula or a file."""
    found = read_material(material)
    require_ordered(found.structure, found.asked)
    cell = primitive_cell(found.structure).to_ase_atoms(msonable=False)
    engine = double_precision(potential_name)
    return quasi_harmonic(cell, engine, settings, material=found.name, **keywords)


def quasi_harmonic(
    atoms: Atoms,
    engine: Potential,
    settings: ThermalSettings | None = None,
    *,
    material: str = "",
    progress: Progress | None = None,
) -> ThermalRecord:
    """Expansion and heat capacity from phonons at several volumes.

    Parameters
    ----------
    atoms : Atoms
        A crystal; its primitive cell is the cheapest. Left as it is.

    Returns
    -------
    ThermalRecord
        ``no_answer`` where a relaxation does not come to rest, modes are imaginary (in conductors
        with mobile Li often: the harmonic picture does not hold there) or no minimum is found.

    Raises
    ------
    MissingDependencyError
        If phonopy is not installed.
    InputError, FailureError
        If the potential does not know an element, or the relaxation runs away.
    """
    if util.find_spec("phonopy") is None:
        raise MissingDependencyError(
            "thermal expansion needs phonopy, which is not installed; pip install phonopy"
        )
    chosen = settings or ThermalSettings()
    begin = time.monotonic()
    engine.check_elements(atoms.get_chemical_symbols())
    calculator = engine.calculator()
    start, record = relax(
        atoms,
        calculator,
        fmax_ev_per_angstrom=chosen.fmax_ev_per_angstrom,
        max_steps=chosen.max_steps,
    )
    temperatures = np.arange(
        0.0, chosen.temperature_max_k + chosen.temperature_step_k / 2, chosen.temperature_step_k
    )
    phonons = []
    for done, strain in enumerate(chosen.strains):
        phonons.append(_phonons(start, strain, calculator, chosen, temperatures))
        if progress is not None:
            progress(done + 1, len(chosen.strains))
        hopeless = phonons[-1].imaginary > IMAGINARY_ALLOWED and strain <= 0
        if hopeless or not (record.converged and phonons[-1].settled):
            break  # it will not get better, and each volume costs the same
    calculations = record.steps + 1 + sum(one.calculations for one in phonons)
    common: dict[str, Any] = {
        "material": material or atoms.get_chemical_formula(mode="metal", empirical=True),
        "formula": atoms.get_chemical_formula(mode="metal", empirical=True),
        "imaginary_fraction": max(one.imaginary for one in phonons),
        "n_atoms": len(atoms),
        "supercell_atoms": phonons[0].supercell_atoms,
        "calculations": calculations,
        "potential": engine.identity.to_json(),
    }
    numbers: dict[str, Any] = {}
    reason = _unsettled(record.converged, phonons, chosen)
    if reason is None:
        numbers, reason = _numbers(start, phonons, temperatures)
    return ThermalRecord(
        **common,
        **numbers,
        status="ok" if reason is None else "no_answer",
        reason=reason,
        provenance=provenance(None, time.monotonic() - begin),
    )


def _unsettled(converged: bool, phonons: list[_Phonons], settings: ThermalSettings) -> str | None:
    """Which relaxation ran out of steps, if one did."""
    if converged and all(one.settled for one in phonons):
        return None
    strain = settings.strains[len(phonons) - 1]
    what = f"the ions at a strain of {strain:+g}" if converged else "the crystal"
    return (
        f"{what} did not relax to {settings.fmax_ev_per_angstrom:g} eV/Angstrom in "
        f"{settings.max_steps} steps, so phonons there mean nothing; take a better start"
    )


def _numbers(
    atoms: Atoms, phonons: list[_Phonons], temperatures: FloatArray
) -> tuple[dict[str, Any], str | None]:
    bad = max(one.imaginary for one in phonons)
    if bad > IMAGINARY_ALLOWED:
        return {}, (
            f"{100 * bad:.1f} % of the modes are imaginary: the crystal is not at a minimum of "
            "this potential at these volumes, or atoms hop; relax from a rattled start, or take "
            "dynamics at constant pressure"
        )
    volumes = np.array([one.volume for one in phonons])
    free = np.array([one.energy + one.free for one in phonons]).T
    try:
        found = expand(volumes, free, temperatures)
    except FailureError as error:
        return {}, str(error)
    heat = _interpolated(volumes, np.array([one.heat for one in phonons]).T, found)
    mass = float(atoms.get_masses().sum())
    capacity = per_kilogram(heat_capacity_at_pressure(heat, found, temperatures), mass)
    linear = found.volume_expansion_per_k / 3
    at = {
        name: float(np.interp(ROOM_K, temperatures, values))
        for name, values in (("a", linear), ("c", capacity), ("v", found.volumes_angstrom3))
    }
    return {
        "temperatures_k": _listed(temperatures),
        "volumes_angstrom3": _listed(found.volumes_angstrom3),
        "linear_expansion_per_k": _listed(linear),
        "heat_capacity_j_per_kg_k": _listed(capacity),
        "bulk_modulus_gpa": _listed(found.bulk_moduli_gpa),
        "linear_expansion_300k_per_k": at["a"],
        "heat_capacity_300k_j_per_kg_k": at["c"],
        "density_300k_g_cm3": mass / at["v"] * AMU_PER_ANGSTROM3_IN_G_CM3,
    }, None


def _interpolated(volumes: FloatArray, rows: FloatArray, found: Expansion) -> FloatArray:
    """Each row's value at the volume of its temperature."""
    return np.array(
        [np.interp(v, volumes, row) for v, row in zip(found.volumes_angstrom3, rows, strict=True)]
    )


@contextmanager
def _spglib_as_it_was() -> Iterator[None]:
    """Phonopy changes, for the whole process, how spglib fails; pymatgen counts on the old way."""
    import spglib.error

    before = spglib.error.OLD_ERROR_HANDLING
    try:
        yield
    finally:
        spglib.error.OLD_ERROR_HANDLING = before


@_spglib_as_it_was()
def _phonons(
    atoms: Atoms,
    strain: float,
    calculator: Any,
    settings: ThermalSettings,
    temperatures: FloatArray,
) -> _Phonons:
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms

    swollen: Atoms = atoms.copy()
    swollen.set_cell(atoms.cell.array * (1 + strain), scale_atoms=True)
    swollen, record = relax(
        swollen,
        calculator,
        fmax_ev_per_angstrom=settings.fmax_ev_per_angstrom,
        max_steps=settings.max_steps,
        cell=False,
    )
    cell = PhonopyAtoms(
        symbols=swollen.get_chemical_symbols(),
        cell=swollen.cell.array,
        scaled_positions=swollen.get_scaled_positions(),
    )
    repeats = np.ceil(settings.min_length_angstrom / swollen.cell.lengths()).astype(int)
    phonon = Phonopy(cell, supercell_matrix=np.diag(repeats), primitive_matrix=np.eye(3))
    phonon.generate_displacements(distance=DISPLACEMENT_ANGSTROM)
    moved = phonon.supercells_with_displacements or []
    phonon.forces = np.array([_forces(one, calculator) for one in moved])
    phonon.produce_force_constants()
    phonon.symmetrize_force_constants()
    phonon.run_mesh(settings.mesh_length_angstrom)
    mesh: Any = phonon.mesh
    frequencies, weights = np.array(mesh.frequencies), np.array(mesh.weights, dtype=float)
    free, heat = harmonic(frequencies, weights, temperatures)
    below = (frequencies < IMAGINARY_THZ).sum(axis=1)
    return _Phonons(
        volume=float(swollen.get_volume()),
        energy=record.energy_ev_per_atom * len(swollen),
        free=free,
        heat=heat,
        imaginary=float(below @ weights / weights.sum() / frequencies.shape[1]),
        calculations=record.steps + 1 + len(moved),
        supercell_atoms=len(swollen) * int(np.prod(repeats)),
        settled=record.converged,
    )


def _forces(cell: Any, calculator: Any) -> FloatArray:
    from ase import Atoms

    atoms = Atoms(cell.symbols, positions=cell.positions, cell=cell.cell, pbc=True)
    atoms.calc = calculator
    return np.array(atoms.get_forces())


def _listed(values: FloatArray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
