"""Bonds by a distance criterion: polyanions and what is left of them, P-P, S-S and M-S contacts.

Two atoms are bonded below a factor times the sum of their covalent radii (those of ase.data, by
Cordero and others, 2008). The factors are choices, checked against crystals: P-S up to 2.65, P-P
2.68, S-S 2.63, Li-S 3.03, Li-P 3.05, Li-Cl 2.99 Angstrom.

>>> round(bond_length("P", "S"), 2), round(bond_length("Li", "S"), 2)
(2.65, 3.03)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from interlith.analysis.environments.pairs import Pairs

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

FACTOR, ALKALI_FACTOR = 1.25, 1.30
ALKALI = ("Li", "Na", "K", "Rb", "Cs")
LIGANDS = ("O", "S", "Se", "N", "F", "Cl", "Br", "I")
CENTRES = (
    "P",
    "Si",
    "Ge",
    "Sn",
    "As",
    "Sb",
    "B",
    "C",
    "Al",
    "Ga",
    "In",
    "Zr",
    "Ti",
    "Nb",
    "Ta",
    "Y",
)
"""Elements whose coordination by ligands is counted; P, Si ... by polyanions, metals by shells."""
METALS = (
    "Co",
    "Ni",
    "Mn",
    "Fe",
    "Cu",
    "Ti",
    "Zr",
    "Nb",
    "Ta",
    "In",
    "La",
    "Y",
    "Al",
    "Zn",
    "Mo",
    "W",
)
LONGEST_ANGSTROM = 3.6


@cache
def bond_length(a: str, b: str) -> float:
    """Longest distance, Angstrom, at which two elements count as bonded."""
    from ase.data import atomic_numbers, covalent_radii

    both = covalent_radii[atomic_numbers[a]] + covalent_radii[atomic_numbers[b]]
    return float(both * (ALKALI_FACTOR if a in ALKALI or b in ALKALI else FACTOR))


def bonded(pairs: Pairs, symbols: Sequence[str]) -> Pairs:
    """The bonds among pairs; pairs beyond 3.6 Angstrom are none."""
    close = pairs.within(LONGEST_ANGSTROM)
    names = sorted(set(symbols))
    limits = np.array([[bond_length(a, b) for b in names] for a in names])
    kinds = np.array([names.index(symbol) for symbol in symbols])
    return close.within(limits[kinds[close.first], kinds[close.second]])


def polyanions(bonds: Pairs, symbols: Sequence[str]) -> Counter[str]:
    """How many centres have which ligands: ``{"PS4": 7, "PS3": 1, "P": 2, "P2S6": ...}``.

    A centre is named with its ligands; ``PS3P`` is one that is bonded to another P as well, and a
    bare ``P`` has none of either.
    """
    kinds = np.array(symbols)
    found: Counter[str] = Counter()
    for centre in sorted(set(symbols) & set(CENTRES)):
        atoms = np.flatnonzero(kinds == centre)
        names = [ligand for ligand in (*LIGANDS, centre) if ligand in set(symbols)]
        counts = {name: _count(bonds, kinds == name, len(kinds))[atoms] for name in names}
        for place in range(len(atoms)):
            parts = [(name, int(counts[name][place])) for name in names if counts[name][place]]
            found[centre + "".join(f"{n}{k if k > 1 else ''}" for n, k in parts)] += 1
    return found


def coordination(bonds: Pairs, symbols: Sequence[str], centre: str, neighbour: str) -> IntArray:
    """Neighbours of an element around each atom of another."""
    kinds = np.array(symbols)
    counts: IntArray = _count(bonds, kinds == neighbour, len(kinds))[kinds == centre]
    return counts


def bare(bonds: Pairs, symbols: Sequence[str], ion: str = "Li") -> BoolArray:
    """(n,) true for atoms, other than the ion, that are bonded to nothing but the ion."""
    kinds = np.array(symbols)
    others = _count(bonds, kinds != ion, len(kinds))
    return np.asarray((kinds != ion) & (others == 0))


def bond_counts(bonds: Pairs, symbols: Sequence[str]) -> Counter[str]:
    """Bonds between atoms of one element (P-P, S-S, O-O) and of metals with S, P and O."""
    kinds = np.array(symbols)
    once = bonds.first <= bonds.second
    found: Counter[str] = Counter()
    for a, b in zip(kinds[bonds.first[once]], kinds[bonds.second[once]], strict=True):
        one, other = sorted((str(a), str(b)), key=lambda name: (name not in METALS, name))
        alike = one == other and one not in (*ALKALI, *METALS)
        if alike or (one in METALS and other in ("S", "P", "O")) or {one, other} == {"O", "P"}:
            found[f"{one}-{other}"] += 1
    return found


def _count(bonds: Pairs, chosen: BoolArray, n: int) -> IntArray:
    """Bonds of each atom to chosen ones."""
    counts: IntArray = np.bincount(bonds.first[chosen[bonds.second]], minlength=n)
    return counts
