"""Ions in and out of a crystal whose framework stays: where they can go, which ones can leave.

Empty sites are the corners of the Voronoi cells of all atoms that leave room enough. Of the many
ways to fill or empty sites the electrostatically lowest are kept, one of each set that symmetry
makes alike; a relaxation ranks them properly.

>>> from interlith.structures.insertion import insert_ions, void_sites
>>> from interlith.structures.library import build, load_phase
>>> cell = build(load_phase("Li2S"), primitive=True)
>>> void_sites(cell, "Li").ratio.round(2).tolist()  # one: the octahedron of antifluorite
[1.21]
>>> insert_ions(cell, 1, charges={"Li": 1, "S": -2})[0].structure.formula
'Li3 S1'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError
from interlith.structures.disorder.annealing import (
    EMPTY,
    LatticeGas,
    anneal,
    count_arrangements,
    enumerate_all,
)
from interlith.structures.disorder.ewald import coulomb_matrix
from interlith.structures.library import symmetry_cell
from interlith.structures.reading import require_ordered

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int_]

ION = "Li"
MIN_RATIO = 0.75
"""Room for an ion: shortest distance to any atom as a fraction of the covalent radii's sum."""
ION_RATIO = 0.6
"""The same between two ions: they move aside (tetragonal garnet fills sites 1.6 Angstrom apart)."""
MERGE_ANGSTROM = 0.8
"""Corners nearer to each other than this are one site."""
CONTACT_EV = 30.0
"""Penalty for two ions closer than ``min_ratio`` allows: more than charges ever gain by it."""
SYMPREC_ANGSTROM = 0.05
MOST_ENUMERATED = 20_000
CHAINS, SWEEPS = 8, 300


@dataclass(frozen=True)
class VoidSites:
    """Empty sites of a crystal.

    Attributes
    ----------
    frac_coords : (n, 3)
        In the cell, roomiest first.
    ratio : (n,)
        Shortest distance to an atom as a fraction of the covalent radii's sum.
    orbit : (n,)
        The same number for sites that symmetry makes alike.
    """

    frac_coords: FloatArray
    ratio: FloatArray
    orbit: IntArray

    def __len__(self) -> int:
        """Return the number of sites."""
        return len(self.ratio)


@dataclass(frozen=True)
class Arrangement:
    """A crystal with ions put in or taken out.

    Attributes
    ----------
    structure : Structure
        The atoms of the given one in their order, without the ions taken out; the ones put in
        follow.
    coulomb_ev : float
        Electrostatic energy of the cell with formal charges and a compensating background.
    close_pairs : int
        Pairs of ions put in that are nearer to each other than allowed.
    """

    structure: Structure
    coulomb_ev: float
    close_pairs: int


def void_sites(
    structure: Structure,
    ion: str = ION,
    *,
    min_ratio: float = MIN_RATIO,
    merge_angstrom: float = MERGE_ANGSTROM,
    symprec_angstrom: float = SYMPREC_ANGSTROM,
) -> VoidSites:
    """Empty sites with room for an ion.

    Parameters
    ----------
    structure : Structure
        Ordered crystal; its own ions count as filled.
    ion : str
        Element to put in.
    min_ratio : float
        Room asked for, as in :data:`MIN_RATIO`.

    Raises
    ------
    InputError
        If the crystal is disordered, or a number makes no sense.
    """
    require_ordered(structure, structure.composition.reduced_formula)
    if not 0 < min_ratio < 2 or merge_angstrom <= 0 or symprec_angstrom <= 0:
        raise InputError(
            f"min_ratio={min_ratio}, merge_angstrom={merge_angstrom}, "
            f"symprec_angstrom={symprec_angstrom}: all must be positive, min_ratio below 2"
        )
    corners = _voronoi_corners(structure)
    ratios = _room(structure, corners, ion)
    roomy = ratios >= min_ratio
    corners, ratios = corners[roomy], ratios[roomy]
    # Ties are settled by position, so that rounding in the corners does not reorder them.
    keys = np.round(np.column_stack([corners[:, ::-1], -ratios]), 4)
    order = np.lexsort(keys.T)
    corners, ratios = _merged(structure, corners[order], ratios[order], merge_angstrom)
    orbit = site_orbits(structure, corners, symprec_angstrom, merge_angstrom)
    return VoidSites(corners, ratios, orbit)


def insert_ions(
    structure: Structure,
    count: int,
    *,
    ion: str = ION,
    charges: Mapping[str, float] | None = None,
    keep: int = 4,
    seed: int = 0,
    min_ratio: float = MIN_RATIO,
) -> tuple[Arrangement, ...]:
    """Distinct ways to put ions on empty sites, electrostatically lowest first.

    Parameters
    ----------
    structure : Structure
        Ordered; ions already there stay where they are.
    count : int
        How many to put into this cell.
    charges : mapping
        Element symbol to formal charge. None ranks by the distances between the new ions alone.
    keep : int
        How many to return at most.
    seed : int
        The same seed gives the same cells where they are too many to look at all.

    Raises
    ------
    InputError
        If there are fewer empty sites than ions; the message says how many there are.
    """
    _check_counts(count, keep, seed)
    sites = void_sites(structure, ion, min_ratio=min_ratio)
    if count > len(sites):
        raise InputError(
            f"{structure.formula} has {len(sites)} empty sites with room for {ion} "
            f"(min_ratio={min_ratio}) and {count} ions were to go in; ask for fewer or lower "
            "min_ratio"
        )
    n = len(structure)
    points = np.vstack([structure.frac_coords, sites.frac_coords])
    symbols = [site.specie.symbol for site in structure] + [ion] * len(sites)
    variable = np.arange(n, len(points))
    gas = _gas(structure, points, symbols, variable, count, charges, min_ratio)
    return _arrangements(structure, gas, points, ion, keep, seed)


def remove_ions(
    structure: Structure,
    count: int,
    *,
    ion: str = ION,
    charges: Mapping[str, float] | None = None,
    keep: int = 4,
    seed: int = 0,
) -> tuple[Arrangement, ...]:
    """Distinct ways to take ions out, electrostatically lowest first; as :func:`insert_ions`.

    Raises
    ------
    InputError
        If the crystal is disordered or holds fewer ions.
    """
    _check_counts(count, keep, seed)
    require_ordered(structure, structure.composition.reduced_formula)
    symbols = [site.specie.symbol for site in structure]
    ions = np.flatnonzero(np.array(symbols) == ion)
    if count > len(ions) or count == len(symbols):
        raise InputError(
            f"{structure.formula} holds {len(ions)} {ion} and {count} were to be taken out; ask "
            "for fewer, and leave at least one atom"
        )
    points = np.array(structure.frac_coords)
    gas = _gas(structure, points, symbols, ions, len(ions) - count, charges, 0.0)
    return _arrangements(structure, gas, points, ion, keep, seed)


def site_orbits(
    structure: Structure,
    frac_coords: FloatArray,
    symprec_angstrom: float = SYMPREC_ANGSTROM,
    tolerance_angstrom: float = MERGE_ANGSTROM,
) -> IntArray:
    """Number of the orbit of each site under the space group of a crystal, from 0 in their order.

    Parameters
    ----------
    tolerance_angstrom : float
        How near a mapped site must come to another one to be it.
    """
    rotations, shifts = symmetry_operations(structure, symprec_angstrom)
    orbit = np.full(len(frac_coords), -1)
    number = 0
    for index, point in enumerate(frac_coords):
        if orbit[index] >= 0:
            continue
        images = rotations @ point + shifts
        distances = structure.lattice.get_all_distances(images, frac_coords)
        same = (distances < tolerance_angstrom).any(axis=0) & (orbit < 0)
        same[index] = True
        orbit[same] = number
        number += 1
    return orbit


def symmetry_operations(
    structure: Structure, symprec_angstrom: float = SYMPREC_ANGSTROM
) -> tuple[FloatArray, FloatArray]:
    """Rotations (n, 3, 3) and translations (n, 3) of the space group, for fractional columns."""
    import spglib

    found = spglib.get_symmetry(symmetry_cell(structure), symprec=symprec_angstrom)
    if found is None:
        return np.eye(3)[None], np.zeros((1, 3))
    return np.asarray(found["rotations"], float), np.asarray(found["translations"], float)


def covalent_radius(symbol: str) -> float:
    """Covalent radius in Angstrom, as ASE lists it."""
    from ase.data import atomic_numbers, covalent_radii

    return float(covalent_radii[atomic_numbers[symbol]])


def _voronoi_corners(structure: Structure) -> FloatArray:
    """Corners of the Voronoi cells of all atoms, fractional, within the cell, with duplicates."""
    from scipy.spatial import Voronoi

    reach = _half_diagonal(structure)
    heights = 1 / np.linalg.norm(np.linalg.inv(structure.lattice.matrix), axis=0)
    counts = np.ceil(reach / heights).astype(int)
    axes = [np.arange(-c, c + 1) for c in counts]
    shifts = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    points = (structure.frac_coords[None] % 1 + shifts[:, None]).reshape(-1, 3)
    inside = (points > -reach / heights).all(axis=1) & (points < 1 + reach / heights).all(axis=1)
    corners = Voronoi(points[inside] @ structure.lattice.matrix).vertices
    fractional = corners @ np.linalg.inv(structure.lattice.matrix)
    near = ((fractional > -0.01) & (fractional < 1.01)).all(axis=1)
    wrapped: FloatArray = np.round(fractional[near], 8) % 1.0
    return wrapped


def _half_diagonal(structure: Structure) -> float:
    """No void of a crystal is wider than this (Angstrom): every one has an atom in its cell."""
    return 0.5 * float(np.linalg.norm(structure.lattice.get_lll_reduced_lattice().abc)) + 0.5


def _room(structure: Structure, points: FloatArray, ion: str) -> FloatArray:
    """Shortest distance of each point to an atom over the covalent radii's sum.

    The one to an ion of the same kind counts as longer, as :data:`ION_RATIO` is smaller.
    """
    symbols = np.array([site.specie.symbol for site in structure])
    radii = np.array([covalent_radius(one) for one in symbols]) + covalent_radius(ion)
    radii[symbols == ion] *= ION_RATIO / MIN_RATIO
    if not len(points):
        return np.empty(0)
    distances = structure.lattice.get_all_distances(points, structure.frac_coords)
    ratios: FloatArray = (distances / radii).min(axis=1)
    return ratios


def _merged(
    structure: Structure, points: FloatArray, ratios: FloatArray, apart: float
) -> tuple[FloatArray, FloatArray]:
    """The first of every group of points nearer than ``apart``."""
    kept: list[int] = []
    distances = structure.lattice.get_all_distances(points, points) if len(points) else None
    for index in range(len(points)):
        if distances is None or not kept or distances[index, kept].min() >= apart:
            kept.append(index)
    return points[kept], ratios[kept]


def _gas(
    structure: Structure,
    points: FloatArray,
    symbols: list[str],
    variable: IntArray,
    filled: int,
    charges: Mapping[str, float] | None,
    min_ratio: float,
) -> LatticeGas:
    """All sites of the cell; only ``variable`` ones change, ``filled`` of them hold an ion."""
    names = list(dict.fromkeys(symbols))
    missing = [name for name in names if charges is not None and name not in charges]
    if missing:
        raise InputError(
            f"no oxidation state for {', '.join(missing)}; give one for each of {', '.join(names)}"
        )
    given = dict.fromkeys(names, 0.0) if charges is None else charges
    start = np.array([names.index(symbol) + 1 for symbol in symbols])
    start[variable[filled:]] = EMPTY
    orbit = np.zeros(len(points), dtype=np.int_)
    for index, symbol in enumerate(symbols):
        orbit[index] = names.index(symbol)
    orbit[variable] = len(names)
    contact = np.zeros((len(points), len(points)))
    if min_ratio > 0:
        apart = structure.lattice.get_all_distances(points[variable], points[variable])
        nearest = ION_RATIO * 2 * covalent_radius(symbols[int(variable[0])])
        near = np.where(apart < nearest, CONTACT_EV, 0.0)
        np.fill_diagonal(near, 0.0)
        contact[np.ix_(variable, variable)] = near
    return LatticeGas(
        charges=np.array([0.0, *(float(given[name]) for name in names)]),
        coulomb=coulomb_matrix(structure.lattice.matrix, points),
        contact=contact,
        orbit=orbit,
        start=start,
        movable=np.zeros((len(names) + 1, len(names) + 1), dtype=bool),
    )


def _arrangements(
    structure: Structure, gas: LatticeGas, points: FloatArray, ion: str, keep: int, seed: int
) -> tuple[Arrangement, ...]:
    if count_arrangements(gas) <= MOST_ENUMERATED:
        found = enumerate_all(gas, keep)
    else:
        found = anneal(gas, keep, chains=CHAINS, sweeps=SWEEPS, seed=seed)
    made = []
    for row, energy in zip(found.arrangements, found.energies_ev, strict=True):
        n = len(structure)
        new = structure.copy()
        for index in np.flatnonzero(row[n:] != EMPTY):
            new.append(ion, points[n + index])
        new.remove_sites(np.flatnonzero(row[:n] == EMPTY).tolist())
        held = np.flatnonzero(row != EMPTY)
        close = float(gas.contact[np.ix_(held, held)].sum()) / 2
        made.append(Arrangement(new, float(energy) - close, round(close / CONTACT_EV)))
    return tuple(made)


def _check_counts(count: int, keep: int, seed: int) -> None:
    if count < 1 or keep < 1 or seed < 0:
        raise InputError(
            f"count={count}, keep={keep}, seed={seed}: count and keep are at least 1, seed 0"
        )
