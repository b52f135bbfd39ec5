"""Cutting one molecule out of a molecular crystal, to see whether the crystal can be believed.

A potential without dispersion binds molecules hardly at all, so a crystal far below its own
molecule has fallen into a spurious state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ase import Atoms

BOND_TOLERANCE = 1.25
"""Atoms are bonded when closer than this times the sum of their covalent radii."""
BOX_ANGSTROM = 16.0


def isolated_molecule(atoms: Atoms) -> Atoms | None:
    """One molecule of the crystal in a large box, or None if the crystal is not made of them.

    None too when the fragments differ in composition (salts, mixtures), since their energy per
    atom could not be compared with the crystal's.
    """
    from ase.neighborlist import natural_cutoffs, neighbor_list

    cutoffs = natural_cutoffs(atoms, mult=BOND_TOLERANCE)
    centres, neighbours, shifts = neighbor_list("ijS", atoms, cutoffs)
    fragments: list[dict[int, npt.NDArray[np.int64]]] = []
    seen: set[int] = set()
    for start in range(len(atoms)):
        if start in seen:
            continue
        fragment = _fragment(start, centres, neighbours, shifts)
        if fragment is None:
            return None
        seen |= set(fragment)
        fragments.append(fragment)
    formulas = {atoms[list(f)].symbols.get_chemical_formula("reduce") for f in fragments}
    if len(formulas) > 1 or min(map(len, fragments)) < 2:
        return None
    return _boxed(atoms, min(fragments, key=len))


def _fragment(
    start: int,
    centres: npt.NDArray[np.int64],
    neighbours: npt.NDArray[np.int64],
    shifts: npt.NDArray[np.int64],
) -> dict[int, npt.NDArray[np.int64]] | None:
    """Atoms bonded to ``start`` with their cell offsets; None if the net has no end."""
    offsets = {start: np.zeros(3, dtype=np.int64)}
    waiting = [start]
    while waiting:
        here = waiting.pop()
        for bond in np.flatnonzero(centres == here):
            there, offset = int(neighbours[bond]), offsets[here] + shifts[bond]
            if there not in offsets:
                offsets[there] = offset
                waiting.append(there)
            elif not np.array_equal(offsets[there], offset):
                return None
    return offsets


def _boxed(atoms: Atoms, fragment: dict[int, npt.NDArray[np.int64]]) -> Atoms:
    picked: Atoms = atoms[list(fragment)]
    picked.positions += np.array(list(fragment.values())) @ atoms.cell.array
    size = np.ptp(picked.positions, axis=0) + BOX_ANGSTROM
    picked.set_cell(np.diag(size))
    picked.center()
    return picked
