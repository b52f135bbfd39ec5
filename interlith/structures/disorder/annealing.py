"""Arrangements of ions on the sites of a cell: all of them, or the best that annealing finds.

The energy of an arrangement is electrostatic (formal charges, one Coulomb matrix for all sites)
plus a penalty for pairs of filled sites that are too close.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int_]
BoolArray = npt.NDArray[np.bool_]

EMPTY = 0
"""Number of the vacancy among the species."""
BATCH = 4096
KEPT = 4096
"""Lowest arrangements of an enumeration that are looked at for duplicates."""
SAME_EV = 1e-5
HOT_SHARE = 0.3
"""First temperature of annealing over the median energy change of a random swap."""
COLD_SHARE = 0.01
"""Last temperature of annealing over the first."""


@dataclass(frozen=True)
class LatticeGas:
    """Sites of one cell, what may sit on them and what it costs.

    Attributes
    ----------
    charges : (n_species,) e
        Of each species; the first is the vacancy, 0.
    coulomb : (n, n) eV
        Coulomb matrix of all sites.
    contact : (n, n) eV
        Penalty for both sites being filled; zero on the diagonal.
    orbit : (n,)
        Orbit of each site.
    start : (n,)
        Some arrangement with the right counts: species number of each site.
    movable : (n_orbits, n_species)
        Whether a species may leave the orbit for another one that may hold it; vacancies too.
    """

    charges: FloatArray
    coulomb: FloatArray
    contact: FloatArray
    orbit: IntArray
    start: IntArray
    movable: BoolArray

    def energies(self, arrangements: IntArray) -> FloatArray:
        """Energy (eV) of each row of arrangements, (k, n) to (k,)."""
        charges = self.charges[arrangements]
        filled = (arrangements != EMPTY).astype(np.float64)
        electrostatic = ((charges @ self.coulomb) * charges).sum(axis=1)
        total: FloatArray = 0.5 * (electrostatic + ((filled @ self.contact) * filled).sum(axis=1))
        return total

    def swap_energies(self, arrangement: IntArray) -> FloatArray:
        """Energy change (eV) of every swap of two sites; infinite for the ones not allowed."""
        charges = self.charges[arrangement]
        filled = (arrangement != EMPTY).astype(np.float64)
        change = _pair_changes(charges, self.coulomb) + _pair_changes(filled, self.contact)
        return np.where(self.allowed(arrangement), change, np.inf)

    def allowed(self, arrangement: IntArray) -> BoolArray:
        """Which pairs of sites may swap their occupants, and differ."""
        differ = arrangement[:, None] != arrangement[None, :]
        same = self.orbit[:, None] == self.orbit[None, :]
        may = self.movable[self.orbit][:, arrangement]  # may[i, j]: i can take what j holds
        own = np.diag(may)
        roams = may & may.T & own[:, None] & own[None, :]
        result: BoolArray = differ & (same | roams)
        return result

    def active(self) -> IntArray:
        """Sites whose occupants can change at all."""
        kinds = [set(self.start[self.orbit == o]) for o in range(len(self.movable))]
        varies = np.array([len(one) > 1 for one in kinds]) | self.movable.any(axis=1)
        return np.flatnonzero(varies[self.orbit])

    def fingerprint(self, arrangement: IntArray) -> tuple[Any, ...]:
        """The same for arrangements that symmetry maps onto each other.

        Each species gets a charge of its own, so that ions of equal charge differ too; compared
        are the potentials at the filled sites, sorted.
        """
        labels = np.sqrt(np.arange(len(self.charges)) * 1.37 + 0.31)
        labels[EMPTY] = 0.0
        potential = self.coulomb @ labels[arrangement]
        filled = arrangement != EMPTY
        pairs = zip(arrangement[filled].tolist(), np.round(potential[filled], 3), strict=True)
        return tuple(sorted((kind, float(value)) for kind, value in pairs))


def _pair_changes(values: FloatArray, matrix: FloatArray) -> FloatArray:
    """Change of 0.5 v M v when two entries of v are swapped, for every pair."""
    potential, own = matrix @ values, np.diag(matrix)
    step = values[None, :] - values[:, None]
    change: FloatArray = step * (potential[:, None] - potential[None, :])
    change += 0.5 * step**2 * (own[:, None] + own[None, :] - 2 * matrix)
    return change


@dataclass(frozen=True)
class Found:
    """Distinct arrangements, lowest energy first, and how they were come by."""

    arrangements: tuple[IntArray, ...]
    energies_ev: tuple[float, ...]
    n_considered: int
    n_duplicates: int


def count_arrangements(gas: LatticeGas) -> int:
    """Number of arrangements with the given counts (an upper bound if two species roam freely)."""
    total = 1
    taken: dict[tuple[int, ...], int] = {}
    for _, sites, count in _tasks(gas):
        key = tuple(sites.tolist())
        used = sum(n for held, n in taken.items() if set(held) <= set(key))
        total *= math.comb(len(key) - used, count)
        taken[key] = taken.get(key, 0) + count
    return total


def enumerate_all(gas: LatticeGas, keep: int) -> Found:
    """The lowest distinct arrangements out of all of them."""
    energies, rows, considered = np.empty(0), np.empty((0, len(gas.start)), dtype=np.int_), 0
    for batch in _batches(gas):
        considered += len(batch)
        energies = np.concatenate([energies, gas.energies(batch)])
        rows = np.concatenate([rows, batch])
        order = np.argsort(energies, kind="stable")[:KEPT]
        energies, rows = energies[order], rows[order]
    return _distinct(gas, list(zip(energies.tolist(), rows, strict=True)), keep, considered)


def anneal(gas: LatticeGas, keep: int, *, chains: int, sweeps: int, seed: int) -> Found:
    """The lowest distinct arrangements from several annealing runs.

    Parameters
    ----------
    gas : LatticeGas
        The cell.
    keep : int
        How many to return at most.
    chains, sweeps : int
        Runs, and swap attempts per site in each.
    seed : int
        Of the first chain; the others follow from it.

    Notes
    -----
    Each run cools geometrically and ends in the nearest minimum against every single swap. Its
    lowest neighbours join the candidates, so that a deep minimum found by all runs does not leave
    fewer than ``keep``.
    """
    active = gas.active()
    inner, field = _reduced(gas, active)
    pool: list[tuple[float, IntArray]] = []
    considered = 0
    for chain in range(chains):
        rng = np.random.default_rng([seed, chain])
        state = _shuffled(inner, rng)
        considered += _cool(inner, field, state, sweeps, rng)
        whole = gas.start.copy()
        whole[active] = state
        changes = _descend(gas, whole)
        energy = float(gas.energies(whole[None])[0])
        pool.append((energy, whole))
        pool += _neighbours(whole, energy, changes, keep)
    pool.sort(key=lambda one: (round(one[0], 6), one[1].tolist()))
    return _distinct(gas, pool, keep, considered)


def _distinct(
    gas: LatticeGas, pool: Sequence[tuple[float, IntArray]], keep: int, considered: int
) -> Found:
    seen: set[tuple[Any, ...]] = set()
    kept: list[tuple[float, IntArray]] = []
    duplicates = 0
    for energy, row in pool:
        if len(kept) == keep:
            break
        mark = gas.fingerprint(row)
        if mark in seen:
            duplicates += 1
            continue
        seen.add(mark)
        kept.append((energy, row))
    return Found(tuple(row for _, row in kept), tuple(e for e, _ in kept), considered, duplicates)


def _tasks(gas: LatticeGas) -> list[tuple[int, IntArray, int]]:
    """Which species go onto which sites, and how many; those bound to an orbit first."""
    bound: list[tuple[int, IntArray, int]] = []
    roaming: dict[int, list[int]] = {}
    for orbit in range(len(gas.movable)):
        sites = np.flatnonzero(gas.orbit == orbit)
        for species in range(1, len(gas.charges)):
            if gas.movable[orbit, species]:
                roaming.setdefault(species, []).append(orbit)
            elif count := int((gas.start[sites] == species).sum()):
                bound.append((species, sites, count))
    for species, orbits in roaming.items():
        sites = np.flatnonzero(np.isin(gas.orbit, orbits))
        bound.append((species, sites, int((gas.start[sites] == species).sum())))
    return bound


def _batches(gas: LatticeGas) -> Iterator[IntArray]:
    source = _arrangements(_tasks(gas), np.zeros(len(gas.start), dtype=np.int_))
    while batch := list(itertools.islice(source, BATCH)):
        yield np.array(batch)


def _arrangements(
    tasks: Sequence[tuple[int, IntArray, int]], state: IntArray
) -> Iterator[IntArray]:
    if not tasks:
        yield state.copy()
        return
    species, sites, count = tasks[0]
    room = sites[state[sites] == EMPTY].tolist()
    for chosen in itertools.combinations(room, count):
        taken = list(chosen)
        state[taken] = species
        yield from _arrangements(tasks[1:], state)
        state[taken] = EMPTY


def _reduced(gas: LatticeGas, active: IntArray) -> tuple[LatticeGas, tuple[FloatArray, FloatArray]]:
    """The sites that can change, and the potentials of all the others on them."""
    fixed = np.setdiff1d(np.arange(len(gas.start)), active)
    charges = gas.charges[gas.start[fixed]]
    filled = (gas.start[fixed] != EMPTY).astype(np.float64)
    field = gas.coulomb[np.ix_(active, fixed)] @ charges
    crowd = gas.contact[np.ix_(active, fixed)] @ filled
    square = np.ix_(active, active)
    inner = LatticeGas(
        gas.charges,
        gas.coulomb[square],
        gas.contact[square],
        gas.orbit[active],
        gas.start[active],
        gas.movable,
    )
    return inner, (field, crowd)


def _shuffled(gas: LatticeGas, rng: np.random.Generator) -> IntArray:
    """The start with every group of sites that exchange shuffled, roaming species as well."""
    state = np.zeros_like(gas.start)
    for species, sites, count in _tasks(gas):
        room = sites[state[sites] == EMPTY]
        state[rng.permutation(room)[:count]] = species
    return state


def _cool(
    gas: LatticeGas,
    field: tuple[FloatArray, FloatArray],
    state: IntArray,
    sweeps: int,
    rng: np.random.Generator,
) -> int:
    """Anneal a state in place with Metropolis swaps; returns the number of attempts."""
    n = len(state)
    partners = _partners(gas)
    steps = sweeps * n
    walker = _Walker(gas, field, state)
    temperature = walker.first_temperature(partners, rng)
    factor = COLD_SHARE ** (1 / max(steps, 1))
    firsts = rng.integers(0, n, steps).tolist()
    fractions, chances = rng.random(steps).tolist(), np.log(rng.random(steps)).tolist()
    for first, fraction, chance in zip(firsts, fractions, chances, strict=True):
        others = partners[first]
        second = others[int(fraction * len(others))]
        temperature *= factor
        if walker.differ(first, second):
            change = walker.change(first, second)
            if change <= 0 or chance < -change / temperature:
                walker.swap(first, second)
    state[:] = walker.state
    return steps


def _partners(gas: LatticeGas) -> list[list[int]]:
    """Sites that each site may swap with for some occupants."""
    shared = gas.movable[:, None, 1:] & gas.movable[None, :, 1:]
    linked: BoolArray = np.asarray(shared.any(axis=2), dtype=np.bool_)
    np.fill_diagonal(linked, True)
    return [np.flatnonzero(linked[o][gas.orbit]).tolist() for o in gas.orbit]


class _Walker:
    """A state, the potentials at its sites, and what a swap changes, in O(n) per swap."""

    def __init__(
        self, gas: LatticeGas, field: tuple[FloatArray, FloatArray], state: IntArray
    ) -> None:
        charges = gas.charges[state]
        filled = (state != EMPTY).astype(np.float64)
        self.state: list[int] = state.tolist()
        self.charges: list[float] = gas.charges.tolist()
        self.coulomb, self.contact = gas.coulomb, gas.contact
        self.potential = field[0] + gas.coulomb @ charges
        self.crowd = field[1] + gas.contact @ filled
        own = np.diag(gas.coulomb)
        self.pair: FloatArray = 0.5 * (own[:, None] + own[None, :]) - gas.coulomb
        self.orbit: list[int] = gas.orbit.tolist()
        self.movable: list[list[bool]] = gas.movable.tolist()

    def differ(self, first: int, second: int) -> bool:
        """Whether the swap changes anything and is allowed."""
        a, b = self.state[first], self.state[second]
        if a == b:
            return False
        one, other = self.orbit[first], self.orbit[second]
        return one == other or (
            self.movable[one][a]
            and self.movable[one][b]
            and self.movable[other][a]
            and self.movable[other][b]
        )

    def change(self, first: int, second: int) -> float:
        """Energy change (eV) of a swap."""
        a, b = self.state[first], self.state[second]
        step = self.charges[b] - self.charges[a]
        change = step * (self.potential[first] - self.potential[second])
        change += step * step * self.pair[first, second]
        if a == EMPTY or b == EMPTY:
            moved = 1.0 if a == EMPTY else -1.0
            change += moved * (self.crowd[first] - self.crowd[second])
            change -= self.contact[first, second]
        return float(change)

    def swap(self, first: int, second: int) -> None:
        """Swap two occupants and keep the potentials up to date."""
        a, b = self.state[first], self.state[second]
        step = self.charges[b] - self.charges[a]
        if step:
            self.potential += step * (self.coulomb[first] - self.coulomb[second])
        if a == EMPTY or b == EMPTY:
            moved = 1.0 if a == EMPTY else -1.0
            self.crowd += moved * (self.contact[first] - self.contact[second])
        self.state[first], self.state[second] = b, a

    def first_temperature(
        self, partners: Sequence[Sequence[int]], rng: np.random.Generator
    ) -> float:
        """Where cooling starts (eV), from the changes that random swaps make."""
        sizes = []
        for first in rng.integers(0, len(self.state), 200).tolist():
            second = partners[first][int(rng.integers(0, len(partners[first])))]
            if self.differ(first, second):
                sizes.append(abs(self.change(first, second)))
        return max(HOT_SHARE * float(np.median(sizes)), 1e-3) if sizes else 1e-3


def _descend(gas: LatticeGas, state: IntArray) -> FloatArray:
    """Take the best swap until none lowers the energy; returns the changes of all swaps left."""
    for _ in range(10 * len(state)):
        changes = gas.swap_energies(state)
        first, second = divmod(int(np.argmin(changes)), len(state))
        if changes[first, second] > -SAME_EV:
            break
        state[first], state[second] = state[second], state[first]
    return gas.swap_energies(state)


def _neighbours(
    state: IntArray, energy: float, changes: FloatArray, keep: int
) -> list[tuple[float, IntArray]]:
    """The lowest single swaps away from a minimum."""
    rows, columns = np.triu_indices(len(state), 1)
    upper = changes[rows, columns]
    found = []
    for index in np.argsort(upper, kind="stable")[: 4 * keep]:
        if not np.isfinite(upper[index]):
            break
        other = state.copy()
        i, j = rows[index], columns[index]
        other[i], other[j] = other[j], other[i]
        found.append((energy + float(upper[index]), other))
    return found
