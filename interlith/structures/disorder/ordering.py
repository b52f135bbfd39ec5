"""Ordered cells of a disordered crystal: partial occupancies become whole atoms.

A cell that holds whole, charge-neutral atoms is chosen first; then the arrangements of the ions on
its sites are enumerated, or annealed where they are too many, with formal charges and a penalty
for sites too close to be both filled. The lowest distinct ones are kept, and ranked by the
caller's own energy if there is one.

>>> from pymatgen.core import Lattice, Structure
>>> from interlith.structures.disorder.ordering import order
>>> cell = Structure.from_spacegroup(
...     "Fm-3m", Lattice.cubic(5.1), [{"Li": 0.5, "Na": 0.5}, "Cl"], [[0, 0, 0], [0.5] * 3]
... )
>>> found = order(cell, {"Li": 1, "Na": 1, "Cl": -1}, max_atoms=8)
>>> found.formula_made, found.composition_error
('Li1Na1Cl2', 0.0)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError
from interlith.structures.disorder.annealing import (
    EMPTY,
    Found,
    LatticeGas,
    anneal,
    count_arrangements,
    enumerate_all,
)
from interlith.structures.disorder.ewald import coulomb_matrix
from interlith.structures.disorder.lattice_gas import (
    FREE,
    LARGEST_ERROR,
    Candidates,
    choose_candidates,
    lattice_gas,
)
from interlith.structures.disorder.orbits import (
    check_oxidation_states,
    composition_error,
    occupants_of,
    read_formula,
    set_anti_sites,
)
from interlith.structures.energies import EnergyFunction, RelaxFunction

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = npt.NDArray[np.float64]
Method = Literal["ordered already", "enumeration", "annealing"]

MATCHED_ATOMS = 100
"""Up to this many atoms StructureMatcher has the last word on duplicates."""
MATCHED_EV_PER_ATOM = 1e-3


@dataclass(frozen=True)
class Effort:
    """How long to search.

    Attributes
    ----------
    chains, sweeps : int
        Annealing runs, and swap attempts per site in each.
    max_enumerated : int
        Up to this many arrangements are all looked at instead.
    """

    chains: int = 12
    sweeps: int = 2000
    max_enumerated: int = 20_000

    def __post_init__(self) -> None:
        """Refuse numbers that mean no search."""
        if self.chains < 1 or self.sweeps < 1 or self.max_enumerated < 0:
            raise InputError(f"{self}: chains and sweeps are at least 1, max_enumerated 0")


@dataclass(frozen=True)
class OrderedCell:
    """One ordered arrangement.

    Attributes
    ----------
    structure : Structure
        Sorted by element in the order of the disordered sites.
    ewald_ev_per_atom : float
        Electrostatic energy with formal charges, before any relaxation.
    energy_ev_per_atom : float or None
        By the caller's energy; of the relaxed cell where a relaxation was given.
    close_pairs : int
        Pairs of filled alternative sites nearer to each other than allowed.
    relaxed : bool
        Whether the structure is relaxed.
    """

    structure: Structure
    ewald_ev_per_atom: float
    energy_ev_per_atom: float | None = None
    close_pairs: int = 0
    relaxed: bool = False


@dataclass(frozen=True)
class Ordering:
    """Ordered cells, best first, and what was done to find them.

    Attributes
    ----------
    composition_error : float
        Largest difference of atomic fractions between what was asked and what was made.
    misplaced : float
        Most atoms too many or few of an element on one of its orbits, over all atoms; elements
        that move freely between orbits do not count.
    anti_site : float or None
        Fraction of an argyrodite's cage centres with halogen, where one was asked for.
    supercell : (3, 3) nested tuples
        New lattice vectors (rows) in terms of the given ones; thirds and halves if the given cell
        was not primitive.
    """

    cells: tuple[OrderedCell, ...]
    formula_asked: str
    formula_made: str
    composition_error: float
    misplaced: float
    method: Method
    n_considered: int
    n_duplicates: int
    supercell: tuple[tuple[float, ...], ...]
    seed: int
    anti_site: float | None = None

    @property
    def best(self) -> OrderedCell:
        """The lowest cell."""
        return self.cells[0]


def order(
    structure: Structure,
    oxidation_states: Mapping[str, float] | None,
    *,
    max_atoms: int = 200,
    count: int = 5,
    seed: int = 0,
    energy: EnergyFunction | None = None,
    relax: RelaxFunction | None = None,
    anti_site: float | None = None,
    formula: str | None = None,
    free: Sequence[str] = FREE,
    keep_axes: bool = False,
    candidates: int | None = None,
    effort: Effort | None = None,
    max_error: float = LARGEST_ERROR,
) -> Ordering:
    """Ordered, charge-neutral cells of a disordered structure.

    Parameters
    ----------
    structure : Structure
        With partial occupancies; one without comes back as it is.
    oxidation_states : mapping
        Element symbol to formal charge; averages such as Mn 3.5 are fine. None takes what is
        written on the sites; alloys need none, their arrangements all cost the same.
    max_atoms : int
        Budget for the ordered cell.
    count : int
        Most cells to return.
    seed : int
        The same seed gives the same cells, atom for atom.
    energy : EnergyFunction, optional
        Ranks the ``candidates`` lowest electrostatic arrangements; eV of the whole cell.
    relax : RelaxFunction, optional
        Relaxes the best ``count`` and ranks them by the relaxed energy.
    anti_site : float, optional
        Argyrodites: fraction of the cage centres (4c or 4d, sulfide when ordered) that hold the
        halogen.
    formula : str, optional
        What the composition error is measured against and the counts aim at; the structure's own
        composition if left out.
    free : sequence of str
        Elements that may leave a partly empty orbit for another partly empty one of theirs.
    keep_axes : bool
        Only whole multiples of the cell as given; otherwise the smallest cell of any shape.
    candidates : int, optional
        How many distinct arrangements to rank by ``energy``; 4 ``count`` if left out.
    effort : Effort, optional
        How long to search.
    max_error : float
        A larger error of the composition (atomic fraction) is refused.

    Raises
    ------
    InputError
        If an element has no oxidation state, or no neutral cell fits into the budget; the message
        names the budget that does.
    """
    effort = effort or Effort()
    _check_numbers(max_atoms, count, candidates, seed)
    elements = list(dict.fromkeys(e for held in occupants_of(structure) for e in held))
    charges = check_oxidation_states(
        elements, oxidation_states or _written(structure) or _of_metals(elements)
    )
    if anti_site is not None:
        structure = set_anti_sites(structure, anti_site)
    target = read_formula(formula).get_el_amt_dict() if formula else _amounts(structure)
    if structure.is_ordered:
        whole = _as_it_is(structure, charges, target, max_atoms, seed, energy)
        return replace(whole, anti_site=anti_site)
    chosen = choose_candidates(
        structure,
        charges,
        target,
        max_atoms=max_atoms,
        free=free,
        keep_axes=keep_axes,
        max_error=max_error,
        anti_site=anti_site,
    )
    wanted = count if energy is None else max(count, candidates or 4 * count)
    cells, found, method = _search(chosen, charges, free, wanted, effort, seed)
    change = chosen.cell.lattice.matrix @ np.linalg.inv(structure.lattice.matrix)
    return Ordering(
        cells=_ranked(cells, count, energy, relax),
        formula_asked=formula or _formula(target),
        formula_made=_formula(chosen.counts.total),
        composition_error=round(chosen.counts.composition_error, 12),
        misplaced=chosen.counts.misplaced,
        method=method,
        n_considered=found.n_considered,
        n_duplicates=found.n_duplicates + len(found.arrangements) - len(cells),
        supercell=tuple(tuple(round(float(x), 6) + 0.0 for x in row) for row in change),
        seed=seed,
        anti_site=None if anti_site is None else round(chosen.counts.share, 12),
    )


def _search(
    chosen: Candidates,
    charges: Mapping[str, float],
    free: Sequence[str],
    wanted: int,
    effort: Effort,
    seed: int,
) -> tuple[list[OrderedCell], Found, Method]:
    """The lowest distinct arrangements, all looked at or annealed."""
    gas, names = lattice_gas(chosen, charges, free)
    method: Method
    if count_arrangements(gas) <= effort.max_enumerated:
        method, found = "enumeration", enumerate_all(gas, wanted)
    else:
        method = "annealing"
        found = anneal(gas, wanted, chains=effort.chains, sweeps=effort.sweeps, seed=seed)
    return _distinct_cells(_cells(chosen.cell, gas, names, found)), found, method


def _written(structure: Structure) -> dict[str, float] | None:
    """Oxidation states of a decorated structure, averaged over each element's sites."""
    sums: dict[str, list[float]] = {}
    for site in structure:
        for kind, amount in site.species.items():
            state = getattr(kind, "oxi_state", None)
            if state is None:
                return None
            total = sums.setdefault(kind.symbol, [0.0, 0.0])
            total[0] += state * amount
            total[1] += amount
    return {element: charge / amount for element, (charge, amount) in sums.items()}


def _of_metals(elements: Sequence[str]) -> dict[str, float] | None:
    """No charges in an alloy."""
    from pymatgen.core import Element

    metals = all(Element(e).is_metal for e in elements)
    return dict.fromkeys(elements, 0.0) if metals else None


def _check_numbers(max_atoms: int, count: int, candidates: int | None, seed: int) -> None:
    least = {"max_atoms": (max_atoms, 1), "count": (count, 1), "seed": (seed, 0)}
    if candidates is not None:
        least["candidates"] = (candidates, 1)
    for name, (value, smallest) in least.items():
        if value < smallest:
            raise InputError(f"{name}={value} was given; it must be at least {smallest}")


def _amounts(structure: Structure) -> dict[str, float]:
    amounts: dict[str, float] = {}
    for held in occupants_of(structure):
        for element, x in held.items():
            amounts[element] = amounts.get(element, 0.0) + x
    return amounts


def _formula(amounts: Mapping[str, float]) -> str:
    return "".join(f"{element}{amount:.6g}" for element, amount in amounts.items())


def _as_it_is(
    structure: Structure,
    charges: Mapping[str, float],
    target: Mapping[str, float],
    max_atoms: int,
    seed: int,
    energy: EnergyFunction | None,
) -> Ordering:
    amounts = _amounts(structure)
    charge = sum(charges[e] * x for e, x in amounts.items())
    if abs(charge) > 0.01:
        raise InputError(
            f"the structure {_formula(amounts)} has no disorder to adjust and a charge of "
            f"{charge:+.3g} e with the oxidation states {dict(charges)}; correct these"
        )
    if len(structure) > max_atoms:
        raise InputError(
            f"the ordered structure {_formula(amounts)} has {len(structure)} atoms, more than "
            f"max_atoms={max_atoms}; raise that"
        )
    q = np.array([charges[next(iter(held))] for held in occupants_of(structure)])
    matrix = coulomb_matrix(structure.lattice.matrix, structure.frac_coords)
    ewald = float(0.5 * q @ matrix @ q) / len(structure)
    own = None if energy is None else float(energy(structure)) / len(structure)
    return Ordering(
        cells=(OrderedCell(structure.copy(), ewald, own),),
        formula_asked=_formula(target),
        formula_made=_formula(amounts),
        composition_error=composition_error(target, amounts),
        misplaced=0.0,
        method="ordered already",
        n_considered=1,
        n_duplicates=0,
        supercell=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
        seed=seed,
    )


def _cells(
    cell: Structure, gas: LatticeGas, names: Sequence[str], found: Found
) -> list[OrderedCell]:
    from pymatgen.core import Structure

    made = []
    for arrangement in found.arrangements:
        filled = np.flatnonzero(arrangement != EMPTY)
        filled = filled[np.argsort(arrangement[filled], kind="stable")]
        structure = Structure(
            cell.lattice, [names[arrangement[i]] for i in filled], cell.frac_coords[filled]
        )
        q = gas.charges[arrangement]
        ewald = float(0.5 * q @ gas.coulomb @ q) / len(structure)
        close = int((gas.contact[np.ix_(filled, filled)] > 0).sum() // 2)
        made.append(OrderedCell(structure, ewald, None, close))
    return made


def _distinct_cells(cells: Sequence[OrderedCell]) -> list[OrderedCell]:
    """Drop what StructureMatcher takes for the same crystal; cells too large for it stay."""
    from pymatgen.analysis.structure_matcher import StructureMatcher

    if len(cells[0].structure) > MATCHED_ATOMS:
        return list(cells)
    matcher = StructureMatcher(ltol=0.02, stol=0.03, angle_tol=1, primitive_cell=False, scale=False)
    kept: list[OrderedCell] = []
    for cell in cells:
        near = [
            one
            for one in kept
            if abs(one.ewald_ev_per_atom - cell.ewald_ev_per_atom) < MATCHED_EV_PER_ATOM
        ]
        # All are cells of one lattice: nothing to reduce.
        if not any(
            matcher.fit(one.structure, cell.structure, skip_structure_reduction=True)
            for one in near
        ):
            kept.append(cell)
    return kept


def _ranked(
    cells: Sequence[OrderedCell],
    count: int,
    energy: EnergyFunction | None,
    relax: RelaxFunction | None,
) -> tuple[OrderedCell, ...]:
    def own(cell: OrderedCell) -> float:
        return cell.energy_ev_per_atom or 0.0

    if energy is not None:
        cells = [
            replace(one, energy_ev_per_atom=float(energy(one.structure)) / len(one.structure))
            for one in cells
        ]
        cells = sorted(cells, key=own)
    cells = cells[:count]
    if relax is not None:
        results = [relax(one.structure) for one in cells]
        cells = [
            replace(
                one,
                structure=after,
                energy_ev_per_atom=float(value) / len(one.structure),
                relaxed=True,
            )
            for one, (after, value) in zip(cells, results, strict=True)
        ]
        cells = sorted(cells, key=own)
    return tuple(cells)
