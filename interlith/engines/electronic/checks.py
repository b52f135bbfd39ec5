"""What is refused before a DFT calculation is started."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np

from interlith.engines.electronic.datasets import dataset, require_gpaw
from interlith.engines.electronic.settings import DftSettings, lowest_cutoff_ev
from interlith.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

CLOSEST_ANGSTROM = 0.5
DISPERSION_PROGRAM = "dftd3"
LEAST_VACUUM_ANGSTROM = 3.5
"""On either side of a slab with a dipole layer at the end of its cell: the electrons of a sheet of
LiCl reach over it and cost 14 meV at this distance, 35 at 3 Angstrom, 200 at 2."""
LEVEL_ANGSTROM = 1e-3


def check_gpaw_input(atoms: Atoms, settings: DftSettings) -> None:
    """Refuse what GPAW cannot compute or would compute wrongly.

    Raises
    ------
    MissingDependencyError
        If GPAW is not installed.
    InputError
        If an element has no dataset, the electrons cannot be paired without spin, the cut-off is
        below what the datasets need, or the structure and the settings do not fit together.
    """
    require_gpaw()
    if not len(atoms):
        raise InputError("a structure without atoms has no energy")
    symbols = atoms.get_chemical_symbols()
    electrons = sum(
        dataset(symbol, settings.xc, settings.datasets.get(symbol)).valence_electrons
        for symbol in symbols
    )
    if settings.dispersion == "d3" and shutil.which(DISPERSION_PROGRAM) is None:
        raise InputError(
            f"dispersion 'd3': GPAW calls Grimme's program {DISPERSION_PROGRAM} for it, which is "
            "not on the PATH; install it, or leave dispersion out"
        )
    _check_cutoff(set(symbols), settings)
    _check_electrons(electrons - settings.charge, atoms, settings)
    _check_shape(atoms, settings)
    if settings.dipole_correction:
        _check_vacuum(atoms, settings)


def _check_cutoff(elements: set[str], settings: DftSettings) -> None:
    lowest = lowest_cutoff_ev(elements)
    if settings.cutoff_ev < lowest:
        raise InputError(
            f"cut-off {settings.cutoff_ev:g} eV for {', '.join(sorted(elements))}: their datasets "
            f"need at least {lowest:g} eV, and energies for a hull 600 (800 with N, O, F or 3d "
            "metals); leave cutoff_ev out to get what the chemistry asks for"
        )


def _check_electrons(electrons: float, atoms: Atoms, settings: DftSettings) -> None:
    """An odd count without spin puts half an electron into each of two states of an insulator."""
    odd = abs(electrons % 2 - 1) < 1e-6
    if odd and not settings.spin_polarised and settings.bonding != "metal":
        raise InputError(
            f"{atoms.get_chemical_formula()} has {electrons:g} valence electrons, an odd number, "
            "and the calculation has no spin: set spin_polarised to true, or correct the "
            "composition or the charge"
        )


def _check_shape(atoms: Atoms, settings: DftSettings) -> None:
    if settings.magnetic_moments and len(settings.magnetic_moments) != len(atoms):
        raise InputError(
            f"{len(settings.magnetic_moments)} magnetic moments for {len(atoms)} atoms; make the "
            "settings with settings_for(atoms, task)"
        )
    if abs(atoms.get_volume() if atoms.cell.rank == 3 else 0.0) < 1.0:
        raise InputError(
            "plane waves need a cell in three dimensions: give a molecule a box with "
            "atoms.center(vacuum=4)"
        )
    if len(atoms) > 1:
        distances = atoms.get_all_distances(mic=True)
        closest = float(distances[np.triu_indices(len(atoms), 1)].min())
        if closest < CLOSEST_ANGSTROM:
            raise InputError(
                f"two atoms of {atoms.get_chemical_formula()} are {closest:.2f} Angstrom apart; "
                "correct the structure"
            )


def _check_vacuum(atoms: Atoms, settings: DftSettings) -> None:
    """GPAW's dipole layer lies across z at the cell's end, where it must meet no electrons."""
    cell = atoms.cell.array
    if not atoms.pbc[:2].all() or np.abs(cell[:2, 2]).max() > LEVEL_ANGSTROM:
        raise InputError(
            "dipole_correction: the slab must be periodic along the first two cell vectors, and "
            "these must lie across z; turn the cell, or leave dipole_correction out"
        )
    if settings.kpoints[2] != 1:
        raise InputError(
            f"dipole_correction with {settings.kpoints[2]} k points across the vacuum: give 1 "
            "there, as in kpoints [3, 3, 1]"
        )
    height = abs(float(cell[2, 2]))
    places = np.mod(atoms.get_scaled_positions(wrap=False)[:, 2], 1.0) * height
    below, above = float(places.min()), height - float(places.max())
    if min(below, above) < LEAST_VACUUM_ANGSTROM:
        raise InputError(
            f"dipole_correction: there are {below:.1f} and {above:.1f} Angstrom between the slab "
            f"and the ends of its cell along z, and {LEAST_VACUUM_ANGSTROM:g} are needed at "
            "either; move the slab to the middle (ASE: atoms.center(axis=2)), make the vacuum "
            "wider, or leave dipole_correction out"
        )
