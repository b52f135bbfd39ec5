"""Doped compositions: a host crystal and a formula give a disordered crystal to be ordered.

The anions of the formula fill the anion sites of the host, which sets the scale. Every element
first keeps its own sites; where it gives some up, the new elements of the same sign move in,
those nearest in radius and charge first. Cations that find no framework site and carry at most
3 e go onto the mobile ions' sites (aluminium in garnets). The mobile ion makes the cell neutral.

>>> from pymatgen.core import Lattice, Structure
>>> from interlith.structures.disorder.doping import dope
>>> sites = [[0, 0, 0], [0.5, 0.5, 0.5]]
>>> salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.1), ["Li", "Cl"], sites)
>>> doped = dope(salt, "Li0.8Mg0.1Cl", {"Li": 1, "Cl": -1, "Mg": 2})
>>> doped.structure.composition.formula
'Li3.2 Mg0.4 Cl4'
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from interlith.errors import InputError
from interlith.structures.disorder.orbits import (
    Orbit,
    cation_distances,
    composition_error,
    orbits_of,
    read_formula,
    with_occupants,
)
from interlith.structures.library import PhaseFacts, build

if TYPE_CHECKING:
    from pymatgen.core import Structure

CHARGE_WEIGHT = 0.3
"""How much a difference of 1 e counts against a relative difference in radius."""
LARGEST_MOBILE_CHARGE = 3.0
"""A cation with more charge is not put onto the mobile ions' sites."""
LARGEST_CHARGE_PER_ATOM = 0.02
LEAST_FRAMEWORK = 0.8
"""A full framework orbit of the host must stay filled to this fraction."""
ANIONS = {"N": -3, "O": -2, "F": -1, "S": -2, "Cl": -1, "Se": -2, "Br": -1, "Te": -2, "I": -1}
"""States of these elements unless the caller says otherwise; the others are cations."""
LARGEST_ERROR = 0.05
SMALL = 1e-9


@dataclass(frozen=True)
class Placement:
    """An element that the host did not have there.

    Attributes
    ----------
    replaces : str
        The host's main element on these sites.
    n_sites : int
        Number of these sites in the cell of the host.
    occupancy : float
        Of each of the sites.
    """

    element: str
    replaces: str
    n_sites: int
    occupancy: float


@dataclass(frozen=True)
class Doped:
    """A disordered crystal with a formula, for :func:`ordering.order`.

    Attributes
    ----------
    composition_error : float
        Largest difference of atomic fractions between formula and structure: not zero where the
        host has too few sites of a kind.
    notes : tuple of str
        What was left out or adjusted, in words.
    """

    structure: Structure
    formula: str
    oxidation_states: dict[str, float]
    placements: tuple[Placement, ...]
    composition_error: float
    notes: tuple[str, ...]


@dataclass
class _Work:
    """Orbits of the host, what is put on them, and what still waits for a place."""

    orbits: tuple[Orbit, ...]
    states: dict[str, float]
    free: tuple[str, ...]
    held: list[dict[str, float]]
    rest: dict[str, float]
    notes: list[str]

    def is_mobile(self, index: int) -> bool:
        return any(e in self.free for e in self.orbits[index].occupants)

    def main(self, index: int) -> str:
        """The host's main element on an orbit."""
        held = self.orbits[index].occupants
        return max(held, key=lambda e: (held[e], e))

    def amount(self, index: int) -> float:
        """Atoms of the host on an orbit."""
        return len(self.orbits[index].sites) * self.orbits[index].filled

    def put(self, index: int, element: str, amount: float) -> None:
        self.held[index][element] = self.held[index].get(element, 0.0) + amount
        self.rest[element] -= amount


def dope(
    host: Structure | PhaseFacts,
    formula: str,
    oxidation_states: Mapping[str, float] | None = None,
    *,
    sites: Mapping[str, str] | None = None,
    free: Sequence[str] = ("Li", "Na"),
    max_error: float = LARGEST_ERROR,
) -> Doped:
    """Put a formula onto the sites of a host.

    Parameters
    ----------
    host : Structure or PhaseFacts
        Ordered or not; to take up more of the mobile ion it needs partly empty sites of it.
    formula : str
        Such as ``Li6.2P0.8Sn0.2S5I``.
    oxidation_states : mapping, optional
        For the elements whose state the host's sheet does not give; the ones still unknown are
        chosen from the common states such that the formula is neutral.
    sites : mapping, optional
        Which element of the host a new one replaces, such as ``{"Sn": "P"}``.
    free : sequence of str
        The mobile ions, which make up for charge.
    max_error : float
        A composition error (atomic fraction) above this is refused.

    Raises
    ------
    InputError
        If the formula is not neutral, or the host has no sites for it.
    """
    structure, known = _host(host)
    asked = read_formula(formula).get_el_amt_dict()
    orbits = orbits_of(structure)
    elements = dict.fromkeys([*asked, *(e for o in orbits for e in o.occupants)])
    known |= dict(oxidation_states or {})
    states = guess_states(formula, asked, known, also=list(elements))
    scale = _scale(formula, asked, orbits, states)
    work = _Work(
        orbits,
        states,
        tuple(free),
        [{} for _ in orbits],
        {e: x * scale for e, x in asked.items()},
        [],
    )
    wishes = _check_wishes(sites or {}, asked, orbits)
    _keep_own(work, cation_distances(structure, orbits))
    _fill_framework(work, wishes)
    _fill_mobile(structure, work, wishes)
    _balance(work, formula)
    return _doped(structure, work, formula, asked, max_error)


def _host(host: Structure | PhaseFacts) -> tuple[Structure, dict[str, float]]:
    if isinstance(host, PhaseFacts):
        return build(host), dict(host.oxidation_states or {})
    return host, {}


def guess_states(
    formula: str,
    asked: Mapping[str, float],
    known: Mapping[str, float],
    also: Sequence[str] = (),
) -> dict[str, float]:
    """States for all elements; unknown ones such that the formula is as neutral as can be.

    Parameters
    ----------
    formula, asked : str, mapping
        As written, and as amounts.
    known : mapping
        States that stand.
    also : sequence of str
        Further elements that need a state.

    Raises
    ------
    InputError
        If no choice is neutral within 0.02 e per atom.
    """
    from pymatgen.core import Element

    elements = list(dict.fromkeys([*asked, *also]))
    known = {e: x for e, x in ANIONS.items() if e in elements} | dict(known)
    unknown = [e for e in elements if e not in known]
    listed = [[*Element(e).common_oxidation_states, *Element(e).oxidation_states] for e in unknown]
    options = [[x for x in one if x > 0] or [0] for one in listed]

    def charge(states: Mapping[str, float]) -> float:
        return sum(states[e] * x for e, x in asked.items()) / sum(asked.values())

    best = min(
        (dict(known) | dict(zip(unknown, one, strict=True)) for one in itertools.product(*options)),
        key=lambda states: round(abs(charge(states)), 4),
    )
    if abs(charge(best)) > LARGEST_CHARGE_PER_ATOM:
        used = ", ".join(f"{e} {best[e]:+g}" for e in asked)
        raise InputError(
            f"{formula} is not neutral: {charge(best):+.3f} e per atom with {used}; correct the "
            "formula or give oxidation_states, such as --state Co=3.5"
        )
    return {e: float(best[e]) for e in elements}


def _scale(
    formula: str, asked: Mapping[str, float], orbits: Sequence[Orbit], states: Mapping[str, float]
) -> float:
    """Formula units per host cell: as many as fill its anion sites."""
    anions = sum(x for e, x in asked.items() if states[e] < 0)
    sites = sum(
        x * len(orbit.sites)
        for orbit in orbits
        for e, x in orbit.occupants.items()
        if states[e] < 0
    )
    if not anions or not sites:
        raise InputError(
            f"{formula} and its host must both have anions, which set the scale; the anions are "
            f"{[e for e in asked if states[e] < 0]} and "
            f"{sorted({e for o in orbits for e in o.occupants if states[e] < 0})}"
        )
    return sites / anions


def _check_wishes(
    sites: Mapping[str, str], asked: Mapping[str, float], orbits: Sequence[Orbit]
) -> dict[str, str]:
    held = {e for orbit in orbits for e in orbit.occupants}
    for element, replaced in sites.items():
        if element not in asked or replaced not in held:
            raise InputError(
                f"sites={{'{element}': '{replaced}'}}: the formula has {', '.join(asked)}, the "
                f"host has {', '.join(sorted(held))}; name an element of each"
            )
    return dict(sites)


def _keep_own(work: _Work, away: Sequence[float]) -> None:
    """Let each framework element stay where it is, or give up what it has too much of.

    Sites that it shares already are given up first, then the ones farthest from the framework's
    cations.
    """
    framework = [i for i in range(len(work.orbits)) if not work.is_mobile(i)]
    for element in [e for e in work.rest if e not in work.free]:
        own = [i for i in framework if element in work.orbits[i].occupants]
        amounts = {i: work.orbits[i].occupants[element] * len(work.orbits[i].sites) for i in own}
        surplus = max(sum(amounts.values()) - work.rest[element], 0.0)
        classes: dict[tuple[bool, float], list[int]] = {}
        for i in own:
            classes.setdefault((len(work.orbits[i].occupants) > 1, round(away[i], 2)), []).append(i)
        for key in sorted(classes, reverse=True):
            members = classes[key]
            there = sum(amounts[i] for i in members)
            given = min(surplus, there)
            surplus -= given
            for i in members:
                amounts[i] *= 1 - given / there
        for i, amount in amounts.items():
            if amount > SMALL:
                work.put(i, element, amount)


def _fill_framework(work: _Work, wishes: Mapping[str, str]) -> None:
    """Put what waits onto the sites given up, the best-fitting pairs first."""
    pairs = []
    for element in [e for e, x in work.rest.items() if x > SMALL and e not in work.free]:
        for i, orbit in enumerate(work.orbits):
            displaced = work.main(i)
            same_sign = work.states[element] * work.states[displaced] > 0
            wished = element not in wishes or wishes[element] in orbit.occupants
            if not work.is_mobile(i) and same_sign and wished:
                pairs.append((_misfit(element, displaced, work.states), i, element))
    for _, i, element in sorted(pairs):
        room = work.amount(i) - sum(work.held[i].values())
        amount = min(room, work.rest[element])
        if amount > SMALL:
            work.put(i, element, amount)


def _misfit(element: str, displaced: str, states: Mapping[str, float]) -> float:
    one, other = (ionic_radius(e, states[e]) for e in (element, displaced))
    return abs(one - other) / other + CHARGE_WEIGHT * abs(states[element] - states[displaced])


def ionic_radius(element: str, state: float) -> float:
    """Ionic radius (Angstrom) of the state nearest to the one given, as pymatgen lists them."""
    from ase.data import atomic_numbers, covalent_radii
    from pymatgen.core import Element

    radii = Element(element).ionic_radii
    if not radii:
        return float(covalent_radii[atomic_numbers[element]])
    return float(radii[min(radii, key=lambda known: (abs(known - state), known))])


def _fill_mobile(structure: Structure, work: _Work, wishes: Mapping[str, str]) -> None:
    """Put small leftover cations onto the mobile ions' sites; note what has no place at all."""
    mobile = [i for i in range(len(work.orbits)) if work.is_mobile(i)]
    for element in [e for e, x in work.rest.items() if x > SMALL and e not in work.free]:
        state = work.states[element]
        wished = wishes.get(element, next(iter(work.free))) in {
            e for i in mobile for e in work.orbits[i].occupants
        }
        if 0 < state <= LARGEST_MOBILE_CHARGE and wished:
            sizes = {i: _anion_distance(structure, work, i) for i in mobile}
            smaller = ionic_radius(element, state) <= ionic_radius(work.free[0], 1.0)
            for i in sorted(mobile, key=lambda i: (sizes[i] if smaller else -sizes[i], i)):
                room = len(work.orbits[i].sites) - sum(work.held[i].values())
                work.put(i, element, min(room, work.rest[element]))
        left = work.rest[element]
        if left > SMALL:
            placed = sum(held.get(element, 0.0) for held in work.held)
            work.notes.append(
                f"{left:.3g} of {left + placed:.3g} {element} per host cell have no sites"
            )


def _anion_distance(structure: Structure, work: _Work, index: int) -> float:
    """Mean distance (Angstrom) of a site to its four nearest anions."""
    anions = [
        s
        for i, o in enumerate(work.orbits)
        if o.is_full and work.states[work.main(i)] < 0
        for s in o.sites
    ]
    distances = np.sort(structure.distance_matrix[work.orbits[index].sites[0], anions])
    return float(distances[:4].mean())


def _balance(work: _Work, formula: str) -> None:
    """Spread the mobile ion such that the cell is neutral, in the host's proportions."""
    ions = [e for e in work.free if e in work.rest]
    if not ions:
        return
    ion = ions[0]
    for other in ions[1:]:
        _spread(work, other, work.rest[other])
    charge = sum(work.states[e] * x for held in work.held for e, x in held.items())
    needed = -charge / work.states[ion]
    if needed < -SMALL:
        raise InputError(
            f"{formula} on this host needs {needed:.3g} {ion} per cell to be neutral; choose a "
            "host whose framework is less positive"
        )
    if abs(needed - work.rest[ion]) > 1e-3 * max(work.rest[ion], 1):
        work.notes.append(
            f"{needed:.4g} {ion} per host cell instead of {work.rest[ion]:.4g}, to be neutral"
        )
    _spread(work, ion, needed)


def _spread(work: _Work, ion: str, needed: float) -> None:
    own = [i for i in range(len(work.orbits)) if work.is_mobile(i)]
    room = {i: len(work.orbits[i].sites) - sum(work.held[i].values()) for i in own}
    if needed > sum(room.values()) + 1e-6:
        raise InputError(
            f"{needed:.4g} {ion} per host cell, but only {sum(room.values()):.4g} sites for it: "
            f"take a host with partly occupied {ion} sites"
        )
    share = {i: work.amount(i) for i in own}
    while needed > SMALL:
        total = sum(share[i] for i in own if room[i] > SMALL)
        added = {i: min(room[i], needed * share[i] / total) for i in own if room[i] > SMALL}
        for i, amount in added.items():
            work.put(i, ion, amount)
            room[i] -= amount
        needed -= sum(added.values())


def _check_framework(work: _Work, index: int, formula: str) -> None:
    filled, full = sum(work.held[index].values()), work.amount(index)
    if work.is_mobile(index) or filled > full - 1e-6:
        return
    words = f"{filled / full * 100:.0f} % of the host's {work.main(index)} sites"
    if filled < LEAST_FRAMEWORK * full:
        raise InputError(
            f"{formula} fills only {words}: it is no doped variant of this host; take another host"
        )
    work.notes.append(f"filled are only {words}")


def _doped(
    structure: Structure, work: _Work, formula: str, asked: Mapping[str, float], max_error: float
) -> Doped:
    occupants, placements, made = [], [], dict.fromkeys(asked, 0.0)
    for index, orbit in enumerate(work.orbits):
        held = {e: x / len(orbit.sites) for e, x in work.held[index].items() if x > SMALL}
        occupants.append(held)
        _check_framework(work, index, formula)
        for element, x in held.items():
            made[element] += x * len(orbit.sites)
            if element not in orbit.occupants:
                placements.append(Placement(element, work.main(index), len(orbit.sites), x))
    error = composition_error(asked, made)
    if error > max_error:
        raise InputError(
            f"{formula} does not go onto the sites of {structure.composition.reduced_formula}: the "
            f"nearest has atomic fractions off by {error:.3f} ({'; '.join(work.notes)}); take a "
            "host with the same numbers of sites"
        )
    return Doped(
        structure=with_occupants(structure, work.orbits, occupants),
        formula=formula,
        oxidation_states={e: work.states[e] for e in asked},
        placements=tuple(placements),
        composition_error=error,
        notes=tuple(work.notes),
    )
