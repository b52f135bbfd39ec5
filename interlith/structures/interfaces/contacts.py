"""How close two surfaces may come: contact distances and the gap at which the first atoms touch.

Atoms are hard spheres here. It is a cheap measure of how well two surfaces fit into each other:
the smaller the gap at a lateral shift, the fewer atoms stand on top of each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

LIKE_ANIONS = 0.9
"""Two anions touch at this fraction of the sum of their ionic radii (O-O 2.5, S-S 3.3 A)."""
IMAGES = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)], dtype=float)
NO_PAIR_GAP_ANGSTROM = 1.5
"""Gap between surfaces whose atoms never face each other."""


def contact_distances(
    symbols_a: Sequence[str],
    symbols_b: Sequence[str],
    states_a: Mapping[str, float] | None = None,
    states_b: Mapping[str, float] | None = None,
) -> FloatArray:
    """Distances at which atoms of two surfaces touch, (n_a, n_b) Angstrom.

    Notes
    -----
    Two anions touch at 0.9 of the sum of their ionic radii (Shannon, as tabulated by pymatgen);
    any other pair at the sum of covalent radii (as tabulated by ASE), which lies within 0.2 A of
    bond lengths such as Li-S, Li-O and Li-Li. An element without an oxidation state is no anion.
    """
    table = {
        (a, b): _contact(a, b, (states_a or {}).get(a, 0.0), (states_b or {}).get(b, 0.0))
        for a in set(symbols_a)
        for b in set(symbols_b)
    }
    return np.array([[table[a, b] for b in symbols_b] for a in symbols_a], dtype=float)


def touching_gap(
    lower: FloatArray, upper: FloatArray, contacts: FloatArray, cell: FloatArray, shifts: FloatArray
) -> FloatArray:
    """Gap at which the first pair of atoms touches, for each lateral shift of the upper surface.

    Parameters
    ----------
    lower, upper : (n_a, 3), (n_b, 3)
        Atoms next to the interface, Angstrom, with lateral coordinates in the common cell. Heights
        are measured from the topmost plane of the lower (0 and negative) and from the lowest plane
        of the upper surface (0 and positive).
    contacts : (n_a, n_b)
        Touching distances, Angstrom.
    cell : (2, 2)
        In-plane lattice vectors as rows, Angstrom.
    shifts : (n_shifts, 2)
        Lateral shifts, Angstrom.

    Returns
    -------
    (n_shifts,)
        Distance between the two outermost planes, Angstrom. It may be negative where one surface
        dips into the other.

    Notes
    -----
    For a pair with lateral distance rho and touching distance d the heights must differ by
    sqrt(d^2 - rho^2); the gap is the largest that any pair asks for.
    """
    depth = upper[None, :, 2] - lower[:, None, 2]
    images = IMAGES @ cell
    gaps = np.empty(len(shifts))
    for index, shift in enumerate(shifts):
        lateral = upper[None, :, :2] + shift - lower[:, None, :2]
        lateral -= np.round(lateral @ np.linalg.inv(cell)) @ cell
        squared = ((lateral[:, :, None, :] + images) ** 2).sum(axis=3).min(axis=2)
        room = contacts**2 - squared
        asked = np.where(room > 0, np.sqrt(np.clip(room, 0, None)) - depth, -np.inf)
        gaps[index] = asked.max(initial=-np.inf)
    return np.where(np.isfinite(gaps), gaps, NO_PAIR_GAP_ANGSTROM)


def _contact(a: str, b: str, state_a: float, state_b: float) -> float:
    from ase.data import atomic_numbers, covalent_radii

    if state_a < 0 and state_b < 0:
        return LIKE_ANIONS * (_ionic_radius(a, state_a) + _ionic_radius(b, state_b))
    return float(covalent_radii[atomic_numbers[a]] + covalent_radii[atomic_numbers[b]])


def _ionic_radius(symbol: str, state: float) -> float:
    from pymatgen.core import Element

    radii = Element(symbol).ionic_radii
    if not radii:
        return float(Element(symbol).atomic_radius or 1.5)
    return float(radii[min(radii, key=lambda charge: abs(charge - state))])
