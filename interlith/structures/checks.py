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

from interlith.structures.library import PhaseFacts, build, symmetry_cell

if TYPE_CHECKING:
    from pymatgen.core import Structure

SMALLEST_DISTANCE_RATIO = 0.7
"""Shortest allowed distance as a fraction of the sum of covalent radii."""
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
    filled, and their distance says nothing.
    """
    from ase.data import covalent_radii

    symbols = [max(site.species.items(), key=lambda item: item[1])[0] for site in structure]
    radii = np.array(
        [max(covalent_radii[element.Z] for element in site.species) for site in structure]
    )
    filled = np.array([site.species.num_atoms for site in structure])
    centres, neighbours, _, distances = structure.get_neighbor_list(
        2.0 * SMALLEST_DISTANCE_RATIO * float(radii.max()) + 1.0
    )
    together = filled[centres] + filled[neighbours] > 1 + CHARGE_TOLERANCE
    if not together.any():
        return math.inf, ""
    ratios = np.where(together, distances / (radii[centres] + radii[neighbours]), math.inf)
    worst = int(np.argmin(ratios))
    names = [str(symbols[int(i)]) for i in (centres[worst], neighbours[worst])]
    return float(ratios[worst]), "-".join(sorted(names))


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
