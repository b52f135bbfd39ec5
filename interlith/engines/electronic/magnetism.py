"""Starting magnetic moments by element and oxidation state.

A moment that starts at zero stays there, so every open d or f shell starts high-spin; where the
formal state has an empty or full shell there is nothing to polarise and the calculation runs
without spin at half the cost. Co(III) starts low-spin: that is its state in every layered oxide.

>>> from ase import Atoms
>>> from interlith.engines.electronic.magnetism import starting_moments
>>> starting_moments(Atoms("Fe")), starting_moments(Atoms("Cu"))
((2.5,), (0.0,))
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import ceil, floor
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ase import Atoms

Order = Literal["ferromagnetic", "antiferromagnetic", "none"]

D_ELECTRONS = {
    **{e: n for n, e in enumerate("Sc Ti V Cr Mn Fe Co Ni Cu Zn".split(), 3)},
    **{e: n for n, e in enumerate("Y Zr Nb Mo Tc Ru Rh Pd Ag Cd".split(), 3)},
    **{e: n for n, e in enumerate("Hf Ta W Re Os Ir Pt Au Hg".split(), 4)},
}
"""Valence electrons of the neutral atom (group number)."""
ELEMENTAL_MOMENTS = {"Cr": 1.0, "Mn": 3.0, "Fe": 2.5, "Co": 1.8, "Ni": 0.8, "Yb": 0.0}
"""Starting moments in metals and alloys, Bohr magnetons."""
POLARISING = frozenset("V Cr Mn Fe Co Ni Cu Mo".split())
"""d metals whose open shells carry a moment in compounds; the rest pair up or delocalise."""
F_MOMENTS = {"Ce": 0.0, "Pr": 2.0, "Nd": 3.0, "Sm": 5.0, "Eu": 6.0, "Gd": 7.0, "Tb": 6.0,
             "Dy": 5.0, "Ho": 4.0, "Er": 3.0, "Tm": 2.0, "Yb": 1.0}  # fmt: skip
"""Unpaired 4f electrons of the 3+ ion by Hund's first rule; of Ce where its state is not known,
none."""
F_BY_STATE = {"Ce": 4, "Yb": 16}
"""4f electrons plus state of the lanthanides whose other state has an empty or a full shell:
Ce(III) and Yb(III) carry one unpaired electron, Ce(IV), Yb(II) and ytterbium metal none."""
LOW_SPIN = {("Co", 3), ("Ni", 4), ("Co", 4)}
ANIONS = frozenset("N O F P S Cl As Se Br Sb Te I".split())
OPEN_SHELL_MOLECULES = {"O2": 1.0}
MAX_D, MAX_F = 5, 7
SAME_STATE = 0.01


def starting_moments(atoms: Atoms, order: Order = "ferromagnetic") -> tuple[float, ...]:
    """One moment an atom, Bohr magnetons; all zero where nothing is expected.

    Parameters
    ----------
    atoms : Atoms
        Moments that it already carries are taken as they are.
    order : {"ferromagnetic", "antiferromagnetic", "none"}
        Antiferromagnetic alternates the signs along the list of the atoms of each element and
        moment, sorted by layer along the longest cell vector.

    Notes
    -----
    Where a metal has two states, bond valences say which site has which: Co3O4 is Co(II) with
    moments among Co(III) without.
    """
    given = atoms.get_initial_magnetic_moments()
    if given.any():
        return tuple(float(m) for m in given)
    if order == "none":
        return (0.0,) * len(atoms)
    symbols = atoms.get_chemical_symbols()
    if atoms.get_chemical_formula(empirical=True) == "O" and len(atoms) % 2 == 0:
        return (OPEN_SHELL_MOLECULES["O2"],) * len(atoms)
    composition = tuple(sorted(_counts(symbols).items()))
    by_element = element_moments(composition)
    moments = [by_element[symbol] for symbol in symbols]
    if _mixed(composition) and (states := _site_states(atoms)) is not None:
        moments = [_moment(*one) for one in zip(symbols, states, strict=True)]
    if order == "antiferromagnetic":
        moments = _alternate(atoms, moments)
    return tuple(moments)


@lru_cache(maxsize=256)
def element_moments(composition: tuple[tuple[str, int], ...]) -> Mapping[str, float]:
    """Starting moment of each element in a composition, Bohr magnetons."""
    counts = dict(composition)
    if not ANIONS & counts.keys():
        return {e: ELEMENTAL_MOMENTS.get(e, F_MOMENTS.get(e, 0.0)) for e in counts}
    states = _states(counts)
    return {element: _moment(element, states.get(element)) for element in counts}


def _moment(element: str, state: float | None) -> float:
    if element in F_BY_STATE and state is not None:
        electrons = min(max(F_BY_STATE[element] - state, 0.0), 2.0 * MAX_F)
        return float(min(electrons, 2 * MAX_F - electrons))
    if element in F_MOMENTS:
        return F_MOMENTS[element]
    if element not in POLARISING:
        return 0.0
    if state is None:
        return ELEMENTAL_MOMENTS.get(element, 1.0)
    electrons = D_ELECTRONS[element] - state
    if electrons <= 0 or electrons >= 2 * MAX_D:
        return 0.0
    if {(element, floor(state + SAME_STATE)), (element, ceil(state - SAME_STATE))} <= LOW_SPIN:
        return 0.6
    return float(min(electrons, 2 * MAX_D - electrons))


def _states(counts: Mapping[str, int]) -> dict[str, float]:
    from pymatgen.core import Composition

    try:
        guesses = Composition(counts).reduced_composition.oxi_state_guesses(max_sites=-20)
    except ValueError:
        return {}
    return dict(guesses[0]) if guesses else {}


def _mixed(composition: tuple[tuple[str, int], ...]) -> bool:
    """Whether a metal that may carry a moment is there in two states, as Co in Co3O4."""
    states = _states(dict(composition)) if ANIONS & dict(composition).keys() else {}
    return any(
        element in POLARISING and abs(state - round(state)) > SAME_STATE
        for element, state in states.items()
    )


def _site_states(atoms: Atoms) -> tuple[float, ...] | None:
    """Oxidation state of each site from its bond lengths; None where they do not tell."""
    from pymatgen.analysis.bond_valence import BVAnalyzer
    from pymatgen.io.ase import AseAtomsAdaptor

    if not atoms.pbc.all():
        return None
    try:
        valences = BVAnalyzer().get_valences(AseAtomsAdaptor.get_structure(atoms))
    except ValueError:
        return None
    return tuple(float(one) for one in valences)


def _counts(symbols: list[str]) -> dict[str, int]:
    return {symbol: symbols.count(symbol) for symbol in set(symbols)}


def _alternate(atoms: Atoms, moments: list[float]) -> list[float]:
    axis = int(atoms.cell.lengths().argmax())
    heights = atoms.get_scaled_positions()[:, axis]
    signed = list(moments)
    for kind in set(zip(atoms.get_chemical_symbols(), moments, strict=True)):
        members = [a.index for a in atoms if (a.symbol, moments[a.index]) == kind]
        members.sort(key=lambda i: (round(float(heights[i]), 4), i))
        for place, index in enumerate(members):
            signed[index] = moments[index] * (-1) ** place
    return signed
