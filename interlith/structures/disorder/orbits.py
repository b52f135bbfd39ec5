"""Reading and changing partial occupancies: orbits, charges, exchange between two orbits.

>>> from pymatgen.core import Lattice, Structure
>>> from interlith.structures.disorder.orbits import orbits_of
>>> cell = Structure(Lattice.cubic(4.0), [{"Li": 0.5, "Na": 0.5}, "Cl"], [[0, 0, 0], [0.5] * 3])
>>> [dict(orbit.occupants) for orbit in orbits_of(cell)]
[{'Li': 0.5, 'Na': 0.5}, {'Cl': 1.0}]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from interlith.errors import FormulaError, InputError

if TYPE_CHECKING:
    from pymatgen.core import Composition, Structure

FULL_TOLERANCE = 1e-3
"""An occupancy this close to 1 is 1."""
SYMPREC_ANGSTROM = 1e-2
HALOGENS = ("F", "Cl", "Br", "I")
LOOSE_RATIO = 1.3
"""Anions this much farther from the framework's cations than the nearest ones are free."""


@dataclass(frozen=True)
class Orbit:
    """Sites that the crystal's symmetry makes equal.

    Attributes
    ----------
    sites : tuple of int
        Indices in the structure.
    occupants : dict
        Element symbol to occupancy of each site; what is missing to 1 is empty.
    """

    sites: tuple[int, ...]
    occupants: dict[str, float]

    @property
    def filled(self) -> float:
        """Sum of the occupancies."""
        return sum(self.occupants.values())

    @property
    def is_full(self) -> bool:
        """Whether no site of the orbit is ever empty."""
        return self.filled > 1 - FULL_TOLERANCE

    @property
    def is_ordered(self) -> bool:
        """Whether every site holds the one element."""
        return self.is_full and len(self.occupants) == 1


def occupants_of(structure: Structure) -> list[dict[str, float]]:
    """Element symbol to occupancy, site by site, whatever oxidation states are written there."""
    found = []
    for site in structure:
        amounts: dict[str, float] = {}
        for kind, amount in site.species.items():
            if not hasattr(kind, "symbol") or getattr(kind, "Z", 0) < 1:
                raise InputError(f"'{kind}' on a site is no element; name real elements only")
            amounts[kind.symbol] = amounts.get(kind.symbol, 0.0) + float(amount)
        found.append(amounts)
    return found


def orbits_of(structure: Structure) -> tuple[Orbit, ...]:
    """Symmetry-equivalent sites, in the order in which they first appear.

    In a crystal without symmetry (P1) sites with the same occupants count as one orbit, as
    nothing else would let them share whole atoms.
    """
    import spglib

    from interlith.structures.library import symmetry_cell

    occupants = occupants_of(structure)
    found = spglib.get_symmetry_dataset(symmetry_cell(structure), symprec=SYMPREC_ANGSTROM)
    if found is None or found.number == 1:
        keys = [repr(sorted((e, round(x, 3)) for e, x in one.items())) for one in occupants]
    else:
        keys = [str(int(number)) for number in found.crystallographic_orbits]
    groups: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    return tuple(Orbit(tuple(sites), occupants[sites[0]]) for sites in groups.values())


def with_occupants(
    structure: Structure, orbits: Sequence[Orbit], occupants: Sequence[Mapping[str, float]]
) -> Structure:
    """A copy whose orbits hold something else, site order kept; sites left empty are dropped."""
    from pymatgen.core import Structure

    species: list[dict[str, float]] = [{} for _ in structure]
    for orbit, held in zip(orbits, occupants, strict=True):
        for site in orbit.sites:
            species[site] = {e: x for e, x in held.items() if x > 1e-9}
    kept = [i for i, held in enumerate(species) if held]
    return Structure(structure.lattice, [species[i] for i in kept], structure.frac_coords[kept])


def read_formula(formula: str) -> Composition:
    """A formula as amounts, decimals and brackets allowed.

    Raises
    ------
    FormulaError
        If it cannot be read.
    """
    from pymatgen.core import Composition, Element

    try:
        composition = Composition(formula)
        strange = [str(kind) for kind in composition if not Element.is_valid_symbol(str(kind))]
    except (ValueError, KeyError) as error:
        raise FormulaError(
            f"'{formula}' is no chemical formula ({error}); write it as Li6.2P0.8Sn0.2S5I"
        ) from error
    if not composition or strange:
        what = f"{strange[0]} is no element" if strange else "it has no atoms"
        raise FormulaError(f"'{formula}' is no chemical formula: {what}")
    return composition


def check_oxidation_states(
    elements: Sequence[str], states: Mapping[str, float] | None
) -> dict[str, float]:
    """The states of these elements as a plain dictionary.

    Raises
    ------
    InputError
        If an element has none.
    """
    given = dict(states or {})
    missing = sorted(set(elements) - set(given))
    if missing:
        raise InputError(
            f"no oxidation state for {', '.join(missing)}, and none that makes the composition "
            f"neutral could be guessed; name those of elements with mixed states, such as --state "
            f"{missing[-1]}=2.5 (oxidation_states={{'{missing[-1]}': 2.5}} in Python)"
        )
    wrong = [e for e in elements if not np.isfinite(given[e])]
    if wrong:
        raise InputError(f"the oxidation state of {wrong[0]} is {given[wrong[0]]}, no number")
    return {e: float(given[e]) for e in dict.fromkeys(elements)}


def composition_error(asked: Mapping[str, float], made: Mapping[str, float]) -> float:
    """Largest difference of two compositions' atomic fractions."""
    total_asked, total_made = sum(asked.values()), sum(made.values())
    return max(
        abs(asked.get(e, 0.0) / total_asked - made.get(e, 0.0) / total_made)
        for e in {*asked, *made}
    )


def exchange(
    structure: Structure,
    element_a: str,
    element_b: str,
    fraction: float,
    *,
    sites: tuple[int, int] | None = None,
) -> Structure:
    """Swap two elements between the orbit of one and the orbit of the other.

    Parameters
    ----------
    structure : Structure
        With an orbit of ``element_b`` and one or more of ``element_a``, pure or already mixed.
    element_a, element_b : str
        Such as "S" and "Cl".
    fraction : float
        Share of the a sites that ``element_b`` then holds; 0 orders the two.
    sites : tuple of int, optional
        Index of one of the a sites and of one of the b sites, which name the two orbits.

    Returns
    -------
    Structure
        Same sites and composition, other occupancies.

    Raises
    ------
    InputError
        If the fraction is not within [0, 1], the elements share no sites, or the composition
        does not allow this fraction.

    Notes
    -----
    Without ``sites`` the b sites are the ones with most of ``element_b``. Of several orbits of
    ``element_a`` the one taken already holds some of ``element_b``, or else is farthest from the
    framework's cations.
    """
    if not 0 <= fraction <= 1:
        raise InputError(
            f"an exchanged fraction of {fraction} was asked for; it is between 0 and 1"
        )
    orbits = orbits_of(structure)
    a, b = (
        _exchange_orbits(structure, orbits, element_a, element_b)
        if sites is None
        else tuple(_orbit_with(orbits, site) for site in sites)
    )
    if a == b or not all({element_a, element_b} & set(orbits[i].occupants) for i in (a, b)):
        raise InputError(
            f"sites {sites} are not on two orbits that hold {element_a} or {element_b}"
        )
    occupants = [orbit.occupants for orbit in orbits]
    occupants[a], occupants[b] = _exchanged(orbits[a], orbits[b], element_a, element_b, fraction)
    return with_occupants(structure, orbits, occupants)


def _exchanged(
    a: Orbit, b: Orbit, element_a: str, element_b: str, fraction: float
) -> tuple[dict[str, float], dict[str, float]]:
    """What the two orbits hold afterwards."""
    before = a.occupants.get(element_b, 0.0)
    shared = a.occupants.get(element_a, 0.0) + before
    ratio = len(b.sites) / len(a.sites)
    back = (fraction * shared - before) / ratio
    limits = (-b.occupants.get(element_a, 0.0), b.occupants.get(element_b, 0.0))
    if not limits[0] - 1e-9 <= back <= limits[1] + 1e-9:
        least, most = ((before + limit * ratio) / shared for limit in limits)
        raise InputError(
            f"{element_b} on a fraction {fraction:g} of the {element_a} sites does not go with "
            f"this composition; it allows {max(least, 0):.3g} to {min(most, 1):.3g}"
        )
    held_a = {element_b: fraction * shared, element_a: (1 - fraction) * shared}
    held_b = {element_a: back - limits[0], element_b: limits[1] - back}
    return a.occupants | held_a, b.occupants | held_b


def set_anti_sites(structure: Structure, fraction: float) -> Structure:
    """An argyrodite with its halogen on this fraction of the sulfide sites inside the Li cages.

    Parameters
    ----------
    structure : Structure
        With sulfur, one halogen and lithium, and two orbits of free anions (4a and 4c or 4d of
        the cubic cell).
    fraction : float
        0 for all halogens on 4a and all free sulfide in the cages, as far as the composition
        goes; 0.5 for half of the cage centres holding halogen.

    Raises
    ------
    InputError
        If the structure is no such argyrodite, or has too few or many halogens.

    Notes
    -----
    The cage centre is the free-anion site that is nearer to a lithium site.
    """
    if not 0 <= fraction <= 1:
        raise InputError(f"anti_site={fraction} was given; it is a fraction between 0 and 1")
    orbits = orbits_of(structure)
    cage, other, halogen = cage_orbits(structure, orbits)
    return exchange(
        structure, "S", halogen, fraction, sites=(orbits[cage].sites[0], orbits[other].sites[0])
    )


def cage_orbits(structure: Structure, orbits: Sequence[Orbit]) -> tuple[int, int, str]:
    """Orbits of the cage centres and of the other free anions of an argyrodite, and its halogen.

    Raises
    ------
    InputError
        If the structure is no such argyrodite.
    """
    held = sorted({e for orbit in orbits for e in orbit.occupants})
    halogens = [e for e in held if e in HALOGENS]
    if "S" not in held or "Li" not in held or len(halogens) != 1:
        raise InputError(
            f"anti_site needs lithium, sulfur and one halogen, the structure has "
            f"{', '.join(held)}; disorder.orbits.exchange takes any two elements"
        )
    pair = {"S", halogens[0]}
    away = cation_distances(structure, orbits)
    anions = [i for i, orbit in enumerate(orbits) if pair & set(orbit.occupants)]
    bonded = min(away[i] for i in anions)
    loose = [i for i in anions if away[i] > LOOSE_RATIO * bonded]
    if len(loose) != 2:
        raise InputError(
            f"anti_site needs the two kinds of free-anion sites of a cubic argyrodite, found are "
            f"{len(loose)}; start from the cubic, disordered structure"
        )
    lithium = [s for orbit in orbits if "Li" in orbit.occupants for s in orbit.sites]
    reach = {i: structure.distance_matrix[orbits[i].sites[0], lithium].min() for i in loose}
    cage, other = sorted(loose, key=lambda i: (round(float(reach[i]), 3), i))
    return cage, other, halogens[0]


def _orbit_with(orbits: Sequence[Orbit], site: int) -> int:
    for index, orbit in enumerate(orbits):
        if site in orbit.sites:
            return index
    raise InputError(f"site {site} was named; the structure's sites are numbered from 0")


def _exchange_orbits(
    structure: Structure, orbits: Sequence[Orbit], element_a: str, element_b: str
) -> tuple[int, int]:
    def share_b(index: int) -> float:
        held = orbits[index].occupants
        b = held.get(element_b, 0.0)
        return b / (b + held.get(element_a, 0.0))

    with_b = [i for i, orbit in enumerate(orbits) if element_b in orbit.occupants]
    b = max(with_b, key=lambda i: (share_b(i), -i), default=-1)
    with_a = [i for i, orbit in enumerate(orbits) if element_a in orbit.occupants and i != b]
    if b < 0 or not with_a:
        raise InputError(
            f"{element_a} and {element_b} have no two kinds of sites to be exchanged between; the "
            f"structure is {structure.composition.reduced_formula}"
        )
    away = cation_distances(structure, orbits)
    a = max(with_a, key=lambda i: (element_b in orbits[i].occupants, away[i], -i))
    return a, b


def cation_distances(structure: Structure, orbits: Sequence[Orbit]) -> list[float]:
    """Distance (Angstrom) from each orbit to its nearest cation of the framework.

    The framework's cations are those on full orbits whose elements are all less electronegative
    than 2.4 (carbon, sulfur and what lies beyond count as anions) and are not alkali metals.
    """
    from pymatgen.core import Element

    def is_cation(symbol: str) -> bool:
        element = Element(symbol)
        return element.X < 2.4 and not element.is_alkali

    framework = [
        s for o in orbits if o.is_full and all(map(is_cation, o.occupants)) for s in o.sites
    ]
    if not framework:
        return [0.0] * len(orbits)
    distances = structure.distance_matrix[:, framework]
    distances = np.where(distances < 1e-3, np.inf, distances)
    return [float(distances[orbit.sites[0]].min()) for orbit in orbits]
