"""The sites of an ordered cell to be: which cell, what may sit where, and what it costs.

>>> from pymatgen.core import Lattice, Structure
>>> from interlith.structures.disorder.lattice_gas import choose_candidates, lattice_gas
>>> sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0]]
>>> cell = Structure(Lattice.cubic(4.0), [{"Li": 0.5}, {"Li": 0.5}, "F"], sites)
>>> charges = {"Li": 1.0, "F": -1.0}
>>> chosen = choose_candidates(cell, charges, {"Li": 1, "F": 1}, max_atoms=10)
>>> lattice_gas(chosen, charges)[1]
('', 'Li', 'F')
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from interlith.structures.disorder.annealing import EMPTY, LatticeGas
from interlith.structures.disorder.ewald import coulomb_matrix
from interlith.structures.disorder.orbits import Orbit, cage_orbits, orbits_of
from interlith.structures.disorder.supercells import (
    Counts,
    Question,
    choose_counts,
    choose_supercell,
    primitive_base,
)

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = npt.NDArray[np.float64]

TOLERANCE = 1e-3
"""Composition error (atomic fraction) that is as good as none: printed formulas are rounded."""
LARGEST_ERROR = 0.05
FREE = ("Li", "Na")
"""Elements that leave a partly empty orbit for another of theirs."""
SAME_SIGN_RATIO = 0.8
OTHER_RATIO = 0.7
"""Shortest allowed distance of two filled sites over the sum of covalent radii."""
CONTACT_EV = 5.0
CONTACT_SLOPE_EV = 50.0


@dataclass(frozen=True)
class Candidates:
    """Every site of the chosen supercell, filled or not, the orbits and the whole numbers."""

    cell: Structure
    site_orbits: npt.NDArray[np.int_]
    orbits: tuple[Orbit, ...]
    counts: Counts


def choose_candidates(
    structure: Structure,
    charges: Mapping[str, float],
    target: Mapping[str, float],
    *,
    max_atoms: int,
    free: Sequence[str] = FREE,
    keep_axes: bool = False,
    max_error: float = LARGEST_ERROR,
    anti_site: float | None = None,
) -> Candidates:
    """The smallest cell that holds whole, neutral atoms, with every site that could be filled.

    Parameters
    ----------
    structure, charges, target : Structure, mapping, mapping
        The disordered crystal, formal charges, and the composition to come near to.
    free, keep_axes, max_atoms, max_error, anti_site
        As in :func:`interlith.structures.disorder.ordering.order`.
    """
    base = structure if keep_axes else primitive_base(structure)
    orbits = orbits_of(base)
    share = None
    if anti_site is not None:
        cage, _, halogen = cage_orbits(base, orbits)
        share = cage, halogen, "S", anti_site
    question = Question(orbits, dict(target), dict(charges), tuple(free), share)
    counts = choose_counts(question, max_atoms, TOLERANCE, max_error)
    matrix = choose_supercell(structure.lattice.matrix, base.lattice.matrix, counts.size)
    of_site = {site: index for index, orbit in enumerate(orbits) for site in orbit.sites}
    cell = base.copy(site_properties={"orbit": [of_site[i] for i in range(len(base))]})
    cell.make_supercell(matrix.astype(int), to_unit_cell=True, in_place=True)
    numbers = np.array(cell.site_properties["orbit"], dtype=np.int_)
    ranked = np.argsort(numbers, kind="stable")
    cell = type(cell).from_sites([cell[int(i)] for i in ranked])
    return Candidates(cell, numbers[ranked], orbits, counts)


def lattice_gas(
    chosen: Candidates, charges: Mapping[str, float], free: Sequence[str] = FREE
) -> tuple[LatticeGas, tuple[str, ...]]:
    """Sites, species, energies and some arrangement with the right counts.

    Returns
    -------
    LatticeGas
        Of all candidate sites.
    tuple of str
        Element of each species number; the first, the vacancy, is "".
    """
    cell, orbits = chosen.cell, chosen.orbits
    names = ("", *dict.fromkeys(e for orbit in orbits for e in orbit.occupants))
    start = np.zeros(len(cell), dtype=np.int_)
    movable = np.zeros((len(orbits), len(names)), dtype=np.bool_)
    for index, (orbit, held) in enumerate(zip(orbits, chosen.counts.by_orbit, strict=True)):
        sites = iter(np.flatnonzero(chosen.site_orbits == index).tolist())
        for element, number in held.items():
            for _ in range(number):
                start[next(sites)] = names.index(element)
        roam = [] if orbit.is_full else [e for e in orbit.occupants if e in free]
        movable[index, [names.index(e) for e in roam]] = True
        movable[index, EMPTY] = bool(roam)
    gas = LatticeGas(
        charges=np.array([0.0, *(charges[e] for e in names[1:])]),
        coulomb=coulomb_matrix(cell.lattice.matrix, cell.frac_coords),
        contact=_contacts(cell, chosen.site_orbits, orbits, charges),
        orbit=chosen.site_orbits,
        start=start,
        movable=movable,
    )
    return gas, names


def _contacts(
    cell: Structure,
    site_orbits: npt.NDArray[np.int_],
    orbits: Sequence[Orbit],
    charges: Mapping[str, float],
) -> FloatArray:
    """Penalty (eV) for filling two sites of which one can be empty, if they are too close."""
    from ase.data import atomic_numbers, covalent_radii

    radius, sign = np.zeros(len(orbits)), np.zeros(len(orbits))
    for index, orbit in enumerate(orbits):
        weights = np.array(list(orbit.occupants.values())) / orbit.filled
        radius[index] = weights @ [covalent_radii[atomic_numbers[e]] for e in orbit.occupants]
        sign[index] = np.sign(weights @ [charges[e] for e in orbit.occupants])
    full = np.array([orbit.is_full for orbit in orbits])[site_orbits]
    radius, sign = radius[site_orbits], sign[site_orbits]
    ratio = np.where(sign[:, None] * sign[None, :] > 0, SAME_SIGN_RATIO, OTHER_RATIO)
    shortest = ratio * (radius[:, None] + radius[None, :])
    distances = cell.distance_matrix
    penalty = CONTACT_EV + CONTACT_SLOPE_EV * (1 - distances / shortest)
    penalty = np.where(distances < shortest, penalty, 0.0)
    penalty[full[:, None] & full[None, :]] = 0.0
    np.fill_diagonal(penalty, 0.0)
    return np.asarray(penalty, dtype=np.float64)
