"""A fingerprint of each atom's surroundings: how many atoms of each element at each distance.

For every element and every distance of a grid, neighbours are counted softly: a Gaussian about the
distance, faded out at the cut-off (radial symmetry functions, G2 of Behler and Parrinello, 2007;
from memory). The square root of a count fluctuates alike whatever the count, so roots are kept.

>>> from ase.build import bulk
>>> salt = bulk("LiCl", "rocksalt", a=5.1, cubic=True)
>>> made = fingerprints(salt.positions, salt.cell.array, salt.get_chemical_symbols(), ("Cl", "Li"))
>>> made.shape == (8, 2 * len(CENTRES_ANGSTROM)), np.allclose(made[0], made[2])
(True, True)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from interlith.analysis.environments.pairs import Pairs, near_pairs
from interlith.errors import InputError

FloatArray = npt.NDArray[np.float64]

CUTOFF_ANGSTROM = 6.5
CENTRES_ANGSTROM: FloatArray = np.arange(2.0, 6.01, 0.5)
WIDTH_ANGSTROM = 0.4


def fingerprints(
    positions: npt.ArrayLike,
    cell: npt.ArrayLike,
    symbols: Sequence[str],
    elements: Sequence[str],
    periodic: tuple[bool, bool, bool] = (True, True, True),
    pairs: Pairs | None = None,
) -> FloatArray:
    """Root of the soft count of each element at each distance, around every atom.

    Parameters
    ----------
    positions : (n, 3)
        Angstrom.
    symbols : sequence of str
        Element of each atom.
    elements : sequence of str
        The elements to count, in the order of the columns; all of ``symbols`` must be among them.
    pairs : Pairs, optional
        Those within ``CUTOFF_ANGSTROM``, where they are at hand.

    Returns
    -------
    (n, n_elements * n_centres)
        One row per atom.

    Raises
    ------
    InputError
        If an atom is of no element listed.
    """
    if missing := sorted(set(symbols) - set(elements)):
        raise InputError(f"the elements {', '.join(missing)} are not among {', '.join(elements)}")
    if pairs is None:
        pairs = near_pairs(positions, cell, CUTOFF_ANGSTROM, periodic)
    kinds = np.array([list(elements).index(symbol) for symbol in symbols], dtype=np.int64)
    n, width = len(symbols), len(elements)
    slot = pairs.first * width + kinds[pairs.second]
    fade = 0.5 * (1 + np.cos(np.pi * np.minimum(pairs.distance / CUTOFF_ANGSTROM, 1.0)))
    columns = []
    for centre in CENTRES_ANGSTROM:
        soft = fade * np.exp(-0.5 * ((pairs.distance - centre) / WIDTH_ANGSTROM) ** 2)
        columns.append(np.bincount(slot, soft, n * width).reshape(n, width))
    return np.sqrt(np.stack(columns, axis=2).reshape(n, width * len(CENTRES_ANGSTROM)))
