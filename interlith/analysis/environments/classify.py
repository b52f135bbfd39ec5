"""A phase, or none, for every atom of a cell, with a confidence.

An atom alone is easily mistaken, so the distances to each phase are averaged over the atom and its
nearest neighbours first. ``amorphous`` stands for everything that is no crystal of the library: it
is a competitor at a constant distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interlith.analysis.environments.fingerprint import CUTOFF_ANGSTROM, fingerprints
from interlith.analysis.environments.model import EnvironmentModel
from interlith.analysis.environments.pairs import Pairs, near_pairs

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

AMORPHOUS = "amorphous"
NEIGHBOURS_ANGSTROM = 3.6
FARTHEST = 8.0
"""Larger squared distances, per feature, are all alike: one stray atom must not outvote others."""
AMORPHOUS_DISTANCE = 3.0
SHARPNESS = 4.0
"""Of the confidence: two phases whose distances differ by 1 stand e^4 to 1."""


@dataclass(frozen=True, eq=False)
class Labels:
    """What each atom of one frame belongs to.

    Attributes
    ----------
    names : tuple of str
        Formulas of the reference phases and ``amorphous`` (last).
    index : (n,)
        Into ``names``.
    confidence : (n,)
        Share of the label among all, 0 to 1.
    distance : (n,)
        Mean squared distance per feature to the nearest phase, about 1 in a warm crystal.
    nearest : (n,)
        Nearest reference phase whether or not it is near enough, into ``names``.
    """

    names: tuple[str, ...]
    index: IntArray
    confidence: FloatArray
    distance: FloatArray
    nearest: IntArray

    def fractions(self) -> dict[str, float]:
        """Share of the atoms of each label that occurs."""
        counts = np.bincount(self.index, minlength=len(self.names)) / max(len(self.index), 1)
        return {n: float(c) for n, c in zip(self.names, counts, strict=True) if c > 0}


def label_atoms(
    model: EnvironmentModel,
    positions: npt.ArrayLike,
    cell: npt.ArrayLike,
    symbols: Sequence[str],
    periodic: tuple[bool, bool, bool] = (True, True, True),
    pairs: Pairs | None = None,
    prints: FloatArray | None = None,
) -> Labels:
    """Label every atom of a frame.

    Parameters
    ----------
    positions : (n, 3)
        Angstrom.
    pairs : Pairs, optional
        Those within the cut-off of the fingerprints, where they are at hand.
    prints : (n, n_features), optional
        Fingerprints, for example averaged over a short time.
    """
    if pairs is None:
        pairs = near_pairs(positions, cell, CUTOFF_ANGSTROM, periodic)
    if prints is None:
        prints = fingerprints(positions, cell, symbols, model.elements, periodic, pairs)
    own = np.minimum(model.distances(prints, symbols), FARTHEST)
    return _decide(model, _smoothed(own, pairs))


def _smoothed(distances: FloatArray, pairs: Pairs) -> FloatArray:
    """Mean over each atom and its neighbours."""
    from scipy.sparse import coo_matrix

    near = pairs.within(NEIGHBOURS_ANGSTROM)
    n = len(distances)
    links = coo_matrix((np.ones(len(near.first)), (near.first, near.second)), shape=(n, n)).tocsr()
    counts = np.bincount(near.first, minlength=n) + 1.0
    return np.asarray((links @ distances + distances) / counts[:, None])


def _decide(model: EnvironmentModel, distances: FloatArray) -> Labels:
    """Polymorphs count as one phase: that of the nearest."""
    formulas = tuple(dict.fromkeys(model.formulas))
    best = np.full((len(distances), len(formulas) + 1), AMORPHOUS_DISTANCE)
    for column, formula in enumerate(formulas):
        of = [i for i, one in enumerate(model.formulas) if one == formula]
        best[:, column] = distances[:, of].min(axis=1)
    index = best.argmin(axis=1)
    weights = np.exp(-SHARPNESS * (best - best.min(axis=1, keepdims=True)))
    nearest = best[:, :-1].argmin(axis=1)
    rows = np.arange(len(best))
    return Labels(
        names=(*formulas, AMORPHOUS),
        index=index,
        confidence=weights[rows, index] / weights.sum(axis=1),
        distance=best[rows, nearest],
        nearest=nearest,
    )
