"""Which cell a disordered crystal needs to hold whole atoms, and how many of each.

The counts come from a small integer program: nearest to the composition asked, charge neutral,
no more atoms on an orbit than it has sites, within the atom budget.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError
from interlith.structures.disorder.orbits import Orbit, composition_error

if TYPE_CHECKING:
    from pymatgen.core import Structure

WORTH_MORE_ATOMS = 0.9
"""A larger cell is preferred only if its error is below this share of the smaller one's."""
NEUTRAL = 1e-2
"""Charge of a whole cell (e) below which it is neutral; average states are not exact numbers."""
MISPLACED_WEIGHT = 0.4
SHARE_WEIGHT = 0.1
"""What a share that was asked for by itself counts against an atomic fraction."""
REACHED = 2e-3
"""Atomic fraction within which a disordered structure has the composition asked."""
LARGEST_SEARCH_ATOMS = 2000
SEARCHED_SIZES = 60
"""How far beyond the budget a sufficient one is looked for."""
SHARES_OF_BEST = 0.95

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int_]


@dataclass(frozen=True)
class Counts:
    """Whole atoms for every orbit of a cell ``size`` times the base.

    Attributes
    ----------
    by_orbit : tuple of dict
        Element to number of atoms, in the order of the orbits.
    composition_error : float
        Largest difference of atomic fractions from what was asked.
    misplaced : float
        Most atoms of an element too many or few on an orbit, as a fraction of all atoms; of
        elements that are not free to change orbits.
    reachable : bool
        Whether the occupancies as stated add up to the composition asked; where they do not,
        only the composition counts.
    share, share_off : float
        Share of an element on an orbit where one was asked for by itself (`Question.share`), and
        how far it is from what was asked.
    """

    size: int
    by_orbit: tuple[dict[str, int], ...]
    composition_error: float
    misplaced: float
    reachable: bool = True
    share: float = 0.0
    share_off: float = 0.0

    @property
    def total(self) -> dict[str, int]:
        """Element to number of atoms in the cell."""
        total: dict[str, int] = {}
        for held in self.by_orbit:
            for element, count in held.items():
                total[element] = total.get(element, 0) + count
        return {element: count for element, count in total.items() if count}

    @property
    def n_atoms(self) -> int:
        """Atoms in the cell."""
        return sum(self.total.values())

    @property
    def error(self) -> float:
        """The largest of the three, misplaced atoms counting less; see ``reachable``."""
        errors = [self.composition_error, SHARE_WEIGHT * self.share_off]
        return max(*errors, MISPLACED_WEIGHT * self.misplaced if self.reachable else 0.0)


@dataclass(frozen=True)
class Question:
    """What the integer program is asked: orbits of the base cell, target and charges.

    ``share`` names an orbit, two elements and the fraction that the first is to have of their atoms
    there, where that was asked for by itself, as anti-sites are. It weighs in the choice of a size.
    """

    orbits: tuple[Orbit, ...]
    target: dict[str, float]
    charges: dict[str, float]
    free: tuple[str, ...]
    share: tuple[int, str, str, float] | None = None


def choose_counts(question: Question, max_atoms: int, tolerance: float, max_error: float) -> Counts:
    """Counts of the smallest cell that is good enough, or of the best one within the budget.

    Parameters
    ----------
    question : Question
        The disordered crystal.
    max_atoms : int
        Budget.
    tolerance : float
        An error up to this is as good as none.
    max_error : float
        A larger error is refused.

    Raises
    ------
    InputError
        If no cell within the budget is neutral and near enough; the message has the budget that
        would do, if there is one.
    """
    base = sum(len(orbit.sites) * orbit.filled for orbit in question.orbits)
    best: Counts | None = None
    nearest: Counts | None = None
    largest = max(int(max_atoms / base * 1.1) + 1, 1)
    for size in range(1, largest + 1):
        found = _counts(question, size, max_atoms)
        if found is None:
            continue
        if nearest is None or found.error < nearest.error - 1e-6:
            nearest = found
        good = found.composition_error <= max_error
        if good and (best is None or found.error < WORTH_MORE_ATOMS * best.error):
            best = found
        if good and found.error <= tolerance:
            return found
    if best is None:
        raise InputError(_why_not(question, max_atoms, max_error, nearest))
    return best


def _why_not(question: Question, max_atoms: int, max_error: float, nearest: Counts | None) -> str:
    amounts = _asked(question)
    n_base = sum(len(orbit.sites) * orbit.filled for orbit in question.orbits)
    charge = sum(question.charges[e] * x for e, x in amounts.items()) / n_base
    asked = " ".join(f"{e}{x:.4g}" for e, x in amounts.items())
    last = min(int(LARGEST_SEARCH_ATOMS / n_base) + 2, max_atoms // round(n_base) + SEARCHED_SIZES)
    possible = _counts(question, last, int(2 * last * n_base), whole=False)
    first = max(int(0.8 * max_atoms / n_base), 1)
    sizes = range(first, last + 1) if possible and possible.composition_error <= max_error else ()
    head = f"no neutral cell of {asked} fits into max_atoms={max_atoms}"
    for size in sizes:
        found = _counts(question, size, LARGEST_SEARCH_ATOMS)
        if found and found.n_atoms > max_atoms and found.composition_error <= max_error:
            return (
                f"{head}; the smallest that does has {found.n_atoms} atoms "
                f"({_text(found.total)}): raise max_atoms to that"
            )
    if nearest is not None:
        return (
            f"{head} with a composition error below {max_error:g}: the nearest is "
            f"{_text(nearest.total)}, error {nearest.composition_error:.3f}. The occupancies and "
            f"oxidation states add up to {charge:+.3f} e per atom; correct one of them"
        )
    return (
        f"{head}, nor into a larger one: the occupancies and oxidation states "
        f"{question.charges} add up to {charge:+.3f} e per atom, and no partly filled site can "
        "make up for it; correct one of them"
    )


def _text(amounts: Mapping[str, int]) -> str:
    return "".join(f"{element}{count}" for element, count in amounts.items())


def _asked(question: Question) -> dict[str, float]:
    amounts: dict[str, float] = {}
    for orbit in question.orbits:
        for element, x in orbit.occupants.items():
            amounts[element] = amounts.get(element, 0.0) + x * len(orbit.sites)
    return amounts


def _counts(question: Question, size: int, max_atoms: int, *, whole: bool = True) -> Counts | None:
    """Solve the integer program for one size; None where nothing is neutral."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    slots = [(o, e) for o, orbit in enumerate(question.orbits) for e in orbit.occupants]
    sites = np.array([len(orbit.sites) * size for orbit in question.orbits], dtype=np.float64)
    stated = np.array([sites[o] * question.orbits[o].occupants[e] for o, e in slots])
    n, elements = len(slots), list(dict.fromkeys(e for _, e in slots))
    rows, low, high = _limits(question, slots, sites, elements, max_atoms)
    goal_rows, goal_low = _goals(question, slots, stated, elements)
    matrix = np.vstack([np.hstack([rows, np.zeros((len(rows), 1 + n))]), goal_rows])
    low, high = [*low, *goal_low], [*high, *[math.inf] * len(goal_rows)]
    fixed = np.array([question.orbits[o].is_ordered for o, _ in slots])
    lower = np.where(fixed, np.round(stated), 0)
    upper = np.where(fixed, np.round(stated), sites[[o for o, _ in slots]])
    weights = np.array([0.01 if e in question.free else 0.1 for _, e in slots])
    result: Any = milp(
        np.concatenate([np.zeros(n), [10.0], weights]),
        integrality=np.concatenate([np.full(n, int(whole)), np.zeros(1 + n)]),
        bounds=Bounds(
            np.concatenate([lower, np.zeros(1 + n)]),
            np.concatenate([upper, np.full(1 + n, np.inf)]),
        ),
        constraints=LinearConstraint(matrix, np.array(low), np.array(high)),
    )
    if result.x is None:
        return None
    values = np.round(result.x[:n]) if whole else result.x[:n]
    return _as_counts(question, slots, stated, values, size)


def _limits(
    question: Question,
    slots: Sequence[tuple[int, str]],
    sites: FloatArray,
    elements: Sequence[str],
    max_atoms: int,
) -> tuple[FloatArray, list[float], list[float]]:
    """Sites per orbit, neutrality, budget, and at least one atom of each element."""
    rows = [[float(o == one) for o, _ in slots] for one in range(len(sites))]
    low = [x if orbit.is_full else 0.0 for x, orbit in zip(sites, question.orbits, strict=True)]
    high = [float(x) for x in sites]
    rows += [[question.charges[e] for _, e in slots], [1.0] * len(slots)]
    low += [-NEUTRAL, 1.0]
    high += [NEUTRAL, float(max_atoms)]
    for element in elements:
        rows.append([float(e == element) for _, e in slots])
        low.append(1.0)
        high.append(math.inf)
    return np.array(rows), low, high


def _goals(
    question: Question,
    slots: Sequence[tuple[int, str]],
    stated: FloatArray,
    elements: Sequence[str],
) -> tuple[FloatArray, list[float]]:
    """Rows that bound the composition error and each slot's deviation from below."""
    n, total = len(slots), sum(question.target.values())
    rows, low = [], []
    for element in dict.fromkeys([*elements, *question.target]):
        fraction = question.target.get(element, 0.0) / total
        off = np.array([float(e == element) - fraction for _, e in slots])
        for sign in (1.0, -1.0):
            rows.append(np.concatenate([sign * off, [1.0], np.zeros(n)]))
            low.append(0.0)
    for index in range(n):
        for sign in (1.0, -1.0):
            row = np.zeros(2 * n + 1)
            row[index], row[n + 1 + index] = sign, 1.0
            rows.append(row)
            low.append(sign * float(stated[index]))
    return np.array(rows), low


def _as_counts(
    question: Question,
    slots: Sequence[tuple[int, str]],
    stated: FloatArray,
    values: FloatArray,
    size: int,
) -> Counts:
    by_orbit: list[dict[str, int]] = [{} for _ in question.orbits]
    total: dict[str, float] = {}
    off = 0.0
    for (orbit, element), value, wanted in zip(slots, values.tolist(), stated, strict=True):
        by_orbit[orbit][element] = round(value)
        total[element] = total.get(element, 0.0) + value
        if element not in question.free:
            off = max(off, abs(value - wanted))
    error = composition_error(question.target, total)
    reachable = composition_error(question.target, _asked(question)) < REACHED
    share = share_off = 0.0
    if question.share is not None:
        place, one, other, fraction = question.share
        own, rest = (by_orbit[place].get(e, 0) for e in (one, other))
        share = own / max(own + rest, 1)
        share_off = abs(share - fraction)
    misplaced = float(off) / sum(total.values())
    return Counts(size, tuple(by_orbit), error, misplaced, reachable, share, share_off)


def choose_supercell(given: FloatArray, base: FloatArray, size: int) -> FloatArray:
    """The most isotropic cell of a size; along the given axes where that is about as good.

    Parameters
    ----------
    given : (3, 3) Angstrom
        Lattice vectors (rows) as the caller has them.
    base : (3, 3) Angstrom
        Lattice vectors of the primitive cell, or ``given`` again.
    size : int
        Volume in base cells.

    Returns
    -------
    (3, 3)
        The cell's vectors (rows) in terms of the base's; whole numbers, determinant ``size``.
    """
    along = _along_axes(given, base, size)
    reduced = _reduce(_hermite_forms(size) @ base)
    shortest, spread = _shape(reduced)
    order = np.lexsort((np.arange(len(reduced)), np.round(spread, 4), -np.round(shortest, 4)))
    best = int(order[0])
    if along is not None:
        own, _ = _shape(_reduce((along @ base)[None]))
        if own[0] >= SHARES_OF_BEST * shortest[best]:
            return along
    matrix = np.round(reduced[best] @ np.linalg.inv(base))
    return np.asarray(matrix * np.sign(np.linalg.det(matrix)), dtype=np.float64)


def _along_axes(given: FloatArray, base: FloatArray, size: int) -> FloatArray | None:
    """Whole multiples of the given axes with the volume of ``size`` base cells."""
    change = np.round(given @ np.linalg.inv(base))
    held = round(abs(float(np.linalg.det(change))))
    if size % held:
        return None
    times = size // held
    lengths = np.linalg.norm(given, axis=1)
    triples = [
        (i, j, times // (i * j))
        for i in range(1, times + 1)
        for j in range(1, times // i + 1)
        if times % (i * j) == 0
    ]
    best = min(triples, key=lambda t: (round(max(t * lengths) / min(t * lengths), 6), t))
    return np.asarray(np.diag(np.array(best, dtype=np.float64)) @ change, dtype=np.float64)


def _hermite_forms(size: int) -> FloatArray:
    """Every sublattice of an index, as row Hermite normal forms."""
    forms = [
        [[a, 0, 0], [p, b, 0], [q, r, size // (a * b)]]
        for a in range(1, size + 1)
        if size % a == 0
        for b in range(1, size // a + 1)
        if (size // a) % b == 0
        for p in range(a)
        for q in range(a)
        for r in range(b)
    ]
    return np.array(forms, dtype=np.float64)


def _reduce(cells: FloatArray) -> FloatArray:
    """Shorten the vectors of many cells at once by subtracting multiples of each other."""
    cells = cells.copy()
    for _ in range(60):
        before = cells.copy()
        for i in range(3):
            for j in range(3):
                if i != j:
                    ratio = (cells[:, i] * cells[:, j]).sum(1) / (cells[:, j] ** 2).sum(1)
                    # A tie goes down, so that the loop ends.
                    whole = np.ceil(np.abs(ratio) - 0.5 - 1e-9) * np.sign(ratio)
                    cells[:, i] -= whole[:, None] * cells[:, j]
        if np.allclose(before, cells):
            break
    return cells


def _shape(cells: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shortest vector of each lattice, and the sum of squares of the three given."""
    combinations = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), -1).reshape(-1, 3)
    combinations = combinations[combinations.any(axis=1)]
    lengths = np.linalg.norm(np.einsum("mi,kij->kmj", combinations, cells), axis=2)
    return lengths.min(axis=1), (cells**2).sum(axis=(1, 2))


def primitive_base(structure: Structure) -> Structure:
    """The primitive cell with its occupancies, or the structure itself where it is one."""
    import spglib
    from pymatgen.core import Structure

    from interlith.structures.library import symmetry_cell

    cell = symmetry_cell(structure)
    kinds = {number: site.species for number, site in zip(cell[2], structure, strict=True)}
    found = spglib.standardize_cell(cell, to_primitive=True, no_idealize=True, symprec=1e-3)
    if found is None or len(found[2]) >= len(structure):
        return structure
    return Structure(found[0], [kinds[int(number)] for number in found[2]], found[1])
