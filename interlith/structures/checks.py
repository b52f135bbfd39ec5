"""Is a structure fit to compute with: distances, charge, composition, symmetry, order.

>>> from interlith.structures.checks import closest_pair
>>> from interlith.structures.library import build, load_phase
>>> closest_pair(build(load_phase("LiCl")))[1]
'Cl-Li'
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError
from interlith.structures.library import PhaseFacts, build, symmetry_cell

if TYPE_CHECKING:
    from pymatgen.core import Structure

SMALLEST_DISTANCE_RATIO = 0.7
"""Shortest allowed distance as a fraction of the sum of covalent radii."""
OVERLAP_RATIO = 0.5
"""A user's atoms closer than this fraction are on top of each other: no bond is that short."""
THINNEST_ANGSTROM, LONGEST_ANGSTROM = 0.5, 1000.0
"""Allowed distance between opposite faces of a cell, and length of its edges."""
MOST_SITES_IN_ANGSTROM3 = 40
CHARGE_TOLERANCE = 0.01
DENSITY_TOLERANCE = 0.03


def check_phase(facts: PhaseFacts) -> list[str]:
    """Everything that is wrong with a phase, in words; empty if it is sound.

    The atoms must add up to the formula, oxidation states to no charge, no two atoms may be closer
    than 0.7 covalent-radius sums, and spglib must find the stated space group (a lattice written
    in P1 may have any).
    """
    structure = build(facts)
    problems = [*_composition_problems(facts, structure), *_charge_problems(facts, structure)]
    ratio, pair = closest_pair(structure)
    if ratio < SMALLEST_DISTANCE_RATIO:
        problems.append(f"{pair} are only {ratio:.2f} covalent-radius sums apart")
    if facts.density_g_cm3 is not None:
        density = float(structure.density)
        if abs(density / facts.density_g_cm3 - 1) > DENSITY_TOLERANCE:
            problems.append(
                f"the cell has {density:.3f} g/cm3, {facts.density_source} has "
                f"{facts.density_g_cm3:.3f}"
            )
    found = space_group_number(structure)
    if found != facts.space_group and facts.space_group != 1:
        problems.append(f"spglib finds space group {found}, the file says {facts.space_group}")
    return problems


def closest_pair(structure: Structure) -> tuple[float, str]:
    """Shortest distance as a fraction of the covalent radii's sum, and the two elements.

    Sites whose occupancies together are at most 1 count as alternatives: they are never both
    filled, and their distance says nothing. Infinity and "" where no two sites are both filled.
    """
    from ase.data import covalent_radii
    from pymatgen.core import Structure

    most = max(site.species.num_atoms for site in structure) - CHARGE_TOLERANCE
    able = [site for site in structure if site.species.num_atoms + most > 1]
    if not able:
        return math.inf, ""
    crowd = Structure.from_sites(able)
    symbols = [max(site.species.items(), key=lambda item: item[1])[0] for site in crowd]
    radii = np.array([max(covalent_radii[element.Z] for element in site.species) for site in crowd])
    filled = np.array([site.species.num_atoms for site in crowd])
    largest, reach = 2.0 * float(radii.max()), sum(crowd.lattice.abc)
    cutoff = SMALLEST_DISTANCE_RATIO * largest + 1.0
    while True:
        centres, neighbours, _, distances = crowd.get_neighbor_list(cutoff)
        together = filled[centres] + filled[neighbours] > 1 + CHARGE_TOLERANCE
        ratios = np.where(together, distances / (radii[centres] + radii[neighbours]), math.inf)
        nearest = float(ratios.min(initial=math.inf))
        if nearest * largest <= cutoff:
            break
        if cutoff > reach:  # no more to come: a molecule of one atom
            return math.inf, ""
        # A pair of larger atoms may be closer by its radii, a little farther out.
        cutoff = nearest * largest + 1e-6 if math.isfinite(nearest) else 1.5 * cutoff
    worst = int(np.argmin(ratios))
    names = [str(symbols[int(i)]) for i in (centres[worst], neighbours[worst])]
    return nearest, "-".join(sorted(names))


def close_pairs(
    cell: npt.ArrayLike, fractional: npt.ArrayLike, cutoff_angstrom: float
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Pairs of sites closer than a cutoff, images included; an atom and its own image count.

    Parameters
    ----------
    cell : (3, 3)
        Rows a, b, c in Angstrom.
    fractional : (n, 3)
        Positions.
    cutoff_angstrom : float
        Largest distance.

    Returns
    -------
    first, second : (k,) int
        With ``first <= second``; a pair stands once for every image that is close enough.
    distance : (k,)
        Angstrom.
    """
    from scipy.spatial import cKDTree

    rows = np.asarray(cell, dtype=np.float64)
    inside = np.asarray(fractional, dtype=np.float64) % 1.0
    margin = cutoff_angstrom * np.linalg.norm(np.linalg.inv(rows), axis=0) + 1e-9
    reach = [np.arange(-math.ceil(m), math.ceil(m) + 1) for m in margin]
    shifts = np.stack(np.meshgrid(*reach, indexing="ij"), axis=-1).reshape(-1, 3)
    images = inside[None, :, :] + shifts[:, None, :]
    near = np.all((images >= -margin) & (images <= 1 + margin), axis=-1)
    shift, second = np.nonzero(near)
    found = cKDTree(inside @ rows).sparse_distance_matrix(
        cKDTree(images[near] @ rows), cutoff_angstrom, output_type="ndarray"
    )
    first, image, distance = found["i"], found["j"], found["v"]
    second, shift = second[image], shift[image]
    home = np.all(shifts == 0, axis=1)[shift]
    kept = (first < second) | ((first == second) & ~home)
    return first[kept], second[kept], distance[kept]


def require_cell(cell: npt.ArrayLike, name: str) -> None:
    """Refuse a cell that holds no volume, or that no crystal has.

    Raises
    ------
    InputError
        If a number is not finite, or the cell is flat, thinner than 0.5 or longer than 1000
        Angstrom.
    """
    rows = np.asarray(cell, dtype=np.float64)
    if not np.all(np.isfinite(rows)):
        raise InputError(f"{name}: the cell has numbers that are not finite; correct the file")
    longest = float(np.abs(rows).max())
    if longest > LONGEST_ANGSTROM:
        raise InputError(
            f"{name}: an edge of the cell is {longest:.4g} Angstrom long; up to "
            f"{LONGEST_ANGSTROM:g} are taken. Are the lengths in Angstrom?"
        )
    faces = np.linalg.norm(np.cross(rows[[1, 2, 0]], rows[[2, 0, 1]]), axis=1)
    volume = abs(float(np.linalg.det(rows)))
    thinnest = volume / float(faces.max()) if faces.max() > 0 else 0.0
    if thinnest < THINNEST_ANGSTROM:
        raise InputError(
            f"{name}: the cell has no volume to speak of ({volume:.3g} Angstrom^3, "
            f"{thinnest:.3g} Angstrom between two faces); check its lengths and angles"
        )


def require_room(cell: npt.ArrayLike, fractional: npt.ArrayLike, name: str) -> None:
    """Refuse positions that are not finite, or so crowded that no structure can be meant.

    Raises
    ------
    InputError
        If a position is no number, or a box of 1 Angstrom holds more than 40 sites.
    """
    inside = np.asarray(fractional, dtype=np.float64)
    if not np.all(np.isfinite(inside)):
        atom = int(np.flatnonzero(~np.isfinite(inside).all(axis=1))[0]) + 1
        raise InputError(f"{name}: the position of atom {atom} is no number; correct the file")
    boxes = np.floor((inside % 1.0) @ np.asarray(cell, dtype=np.float64)).astype(np.int64)
    crowd = int(np.unique(boxes, axis=0, return_counts=True)[1].max())
    if crowd > MOST_SITES_IN_ANGSTROM3:
        raise InputError(
            f"{name}: {crowd} sites lie within a cube of 1 Angstrom; check the coordinates, the "
            "cell and that both are in Angstrom"
        )


def require_no_overlap(structure: Structure, name: str) -> None:
    """Refuse a structure with atoms on top of each other.

    Sites whose occupancies together are at most 1 are alternatives and may be close.

    Raises
    ------
    InputError
        If two atoms are closer than half the sum of their covalent radii; the message names the
        worst pair.
    """
    from ase.data import covalent_radii

    radii = np.array(
        [max(covalent_radii[element.Z] for element in site.species) for site in structure]
    )
    filled = np.array([site.species.num_atoms for site in structure])
    first, second, distance = close_pairs(
        structure.lattice.matrix, structure.frac_coords, 2 * OVERLAP_RATIO * float(radii.max())
    )
    reach = OVERLAP_RATIO * (radii[first] + radii[second])
    together = filled[first] + filled[second] > 1 + CHARGE_TOLERANCE
    wrong = np.flatnonzero(together & (distance < reach))
    if len(wrong) == 0:
        return
    worst = wrong[np.argmin(distance[wrong] / reach[wrong])]
    i, j = int(first[worst]), int(second[worst])
    symbols = [next(iter(structure[k].species.elements)).symbol for k in (i, j)]
    pair = (
        f"{symbols[0]} (atom {i + 1}) and its own periodic image"
        if i == j
        else f"{symbols[0]} (atom {i + 1}) and {symbols[1]} (atom {j + 1})"
    )
    more = f"; {len(wrong)} pairs are too close" if len(wrong) > 1 else ""
    raise InputError(
        f"{name}: {pair} are {distance[worst]:.3f} Angstrom apart, atoms of these elements are "
        f"more than {reach[worst]:.2f} apart{more}. Remove the doubled atoms, or give sites that "
        "are never both filled their occupancies"
    )


def space_group_number(structure: Structure, symprec: float = 1e-2) -> int:
    """International number that spglib finds; 0 if it finds none."""
    import spglib

    found = spglib.get_symmetry_dataset(symmetry_cell(structure), symprec=symprec)
    return 0 if found is None else int(found.number)


def _composition_problems(facts: PhaseFacts, structure: Structure) -> list[str]:
    from pymatgen.core import Composition

    stated = Composition(facts.formula).fractional_composition
    if structure.composition.fractional_composition.almost_equals(stated, rtol=1e-6):
        return []
    return [f"the sites add up to {structure.composition.formula}, the formula is {facts.formula}"]


def _charge_problems(facts: PhaseFacts, structure: Structure) -> list[str]:
    states = facts.oxidation_states
    if states is None:
        return []
    amounts = structure.composition.get_el_amt_dict()
    if set(states) != set(amounts):
        return [
            f"oxidation states are given for {sorted(states)}, the sites hold {sorted(amounts)}"
        ]
    charge = sum(states[element] * amount for element, amount in amounts.items()) / len(structure)
    return [] if abs(charge) < CHARGE_TOLERANCE else [f"the charge is {charge:+.3f} per atom"]
