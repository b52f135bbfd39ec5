"""Concentrations along the normal of an interface.

>>> box = np.diag([2.0, 2.0, 10.0])
>>> found = concentration_profile([[0, 0, 1.5], [0, 0, 9.0]], box, ["Li", "S"])
>>> round(float(found.per_nm3["Li"][1]))
250
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError

FloatArray = npt.NDArray[np.float64]

BIN_ANGSTROM = 1.0
PER_NM3 = 1000.0


@dataclass(frozen=True, eq=False)
class Profile:
    """Atoms of each element in layers along the normal.

    Attributes
    ----------
    heights_angstrom : (n,)
        Middles of the layers.
    per_nm3 : dict
        By element, (n,).
    length_angstrom : float
        Of the cell along the normal.
    """

    heights_angstrom: FloatArray
    per_nm3: dict[str, FloatArray]
    length_angstrom: float

    def fraction(self, element: str) -> FloatArray:
        """Atomic fraction of an element in each layer; 0 in an empty one."""
        total = np.sum(list(self.per_nm3.values()), axis=0)
        return np.asarray(self.per_nm3[element] / np.where(total > 0, total, 1.0))


def heights_along_normal(positions: npt.ArrayLike, cell: npt.ArrayLike) -> tuple[FloatArray, float]:
    """Height of each atom along the normal of a and b, folded into the cell, and its length.

    Raises
    ------
    InputError
        If the cell has no volume.
    """
    rows = np.asarray(cell, dtype=np.float64)
    normal = np.cross(rows[0], rows[1])
    size = float(np.linalg.norm(normal))
    if not size > 1e-9 or abs(float(np.linalg.det(rows))) < 1e-9:
        raise InputError("the cell has no volume; an interface needs three vectors that span one")
    length = abs(float(np.linalg.det(rows))) / size
    normal = normal / size * np.sign(rows[2] @ normal)
    heights = np.asarray(positions, dtype=np.float64) @ normal
    return np.asarray(heights % length), length


def concentration_profile(
    positions: npt.ArrayLike,
    cell: npt.ArrayLike,
    symbols: Sequence[str],
    bin_angstrom: float = BIN_ANGSTROM,
) -> Profile:
    """Concentrations in layers of about one thickness.

    Parameters
    ----------
    positions : (n, 3) or (n_frames, n, 3)
        Angstrom; several frames of one cell are averaged.
    """
    if not bin_angstrom > 0:
        raise InputError(f"layers of {bin_angstrom:g} Angstrom; give a positive thickness")
    points = np.asarray(positions, dtype=np.float64)
    frames = points[None] if points.ndim == 2 else points
    heights, length = heights_along_normal(frames.reshape(-1, 3), cell)
    count = max(1, round(length / bin_angstrom))
    layer = np.minimum((heights / length * count).astype(int), count - 1)
    volume = abs(float(np.linalg.det(np.asarray(cell, dtype=np.float64)))) / count
    kinds = np.tile(np.array(symbols), len(frames))
    per_nm3 = {
        str(element): np.asarray(
            np.bincount(layer[kinds == element], minlength=count)
            * PER_NM3
            / (volume * len(frames)),
            dtype=np.float64,
        )
        for element in np.unique(kinds)
    }
    return Profile((np.arange(count) + 0.5) * length / count, per_nm3, length)


@dataclass(frozen=True)
class Edge:
    """An error function through a profile: where one side gives way to the other.

    Attributes
    ----------
    position_angstrom, sigma_angstrom : float
        Middle of the step and its standard uncertainty.
    width_angstrom, width_sigma_angstrom : float
        Standard deviation of the step; 10 to 90 % of it lie within 2.56 of them.
    low, high : float
        Levels below and above.
    chi_squared_per_point : float
        About 1 where an error function describes the profile.
    """

    position_angstrom: float
    sigma_angstrom: float
    width_angstrom: float
    width_sigma_angstrom: float
    low: float
    high: float
    chi_squared_per_point: float

    @property
    def mixed_layer_angstrom(self) -> float:
        """Thickness over which the profile goes from 10 to 90 % of its step."""
        return TEN_TO_NINETY * self.width_angstrom

    @property
    def mixed_layer_interval95_angstrom(self) -> tuple[float, float]:
        """Interval of the mixed layer that holds 95 %."""
        half = 1.96 * TEN_TO_NINETY * self.width_sigma_angstrom
        return max(0.0, self.mixed_layer_angstrom - half), self.mixed_layer_angstrom + half


TEN_TO_NINETY = 2.0 * 1.2815515655446004
REWEIGHTED = 6


def fit_edge(
    heights_angstrom: npt.ArrayLike, hits: npt.ArrayLike, tries: npt.ArrayLike
) -> tuple[Edge | None, str | None]:
    """Error function through a share: so many atoms of a kind among all atoms of each layer.

    Parameters
    ----------
    heights_angstrom : (n,)
        Middles of layers that span one interface.
    hits, tries : (n,)
        Atoms of the kind, and all, in each layer. Independent ones: of a trajectory take frames
        far apart, or divide both by the number of correlated ones.

    Returns
    -------
    (Edge or None, str or None)
        None and the reason where there is no step to be fitted.

    Notes
    -----
    Binomial errors of the fitted share, by reweighted least squares; the covariance is enlarged
    where the scatter is larger than they say.
    """
    from scipy.optimize import curve_fit

    z, n = np.asarray(heights_angstrom, dtype=np.float64), np.asarray(tries, dtype=np.float64)
    used = n > 0
    z, n, k = z[used], n[used], np.asarray(hits, dtype=np.float64)[used]
    if len(z) < LEAST_LAYERS:
        return None, f"{len(z)} filled layers are too few for a step; {LEAST_LAYERS} are needed"
    share = k / n
    guess = _guess(z, share)
    weights = np.sqrt(np.maximum(share * (1 - share), 0.05) / n)
    fitted, spread = np.array(guess), np.zeros((4, 4))
    for _ in range(REWEIGHTED):
        try:
            fitted, spread = curve_fit(
                _step, z, share, p0=fitted, sigma=weights, absolute_sigma=True, maxfev=5000
            )
        except RuntimeError:
            return None, "no error function fits the profile"
        smooth = np.clip(_step(z, *fitted), 0.5 / n, 1 - np.minimum(0.5 / n, 0.5))
        weights = np.sqrt(smooth * (1 - smooth) / n)
    chi = float((((share - _step(z, *fitted)) / weights) ** 2).sum() / max(len(z) - 4, 1))
    middle, width, low, high = (float(value) for value in fitted)
    errors = np.sqrt(np.diag(spread) * max(chi, 1.0))
    if not np.isfinite(errors).all() or abs(high - low) < 2 * float(np.hypot(*errors[2:])):
        return None, "the two sides do not differ: there is no step in the profile"
    if not z.min() <= middle <= z.max():
        return None, "the step lies outside of the layers given"
    return Edge(middle, float(errors[0]), abs(width), float(errors[1]), low, high, chi), None


LEAST_LAYERS = 6


def _step(z: FloatArray, middle: float, width: float, low: float, high: float) -> FloatArray:
    from scipy.special import erf

    size = max(abs(width), 1e-6)
    return np.asarray(low + (high - low) * 0.5 * (1 + erf((z - middle) / (np.sqrt(2) * size))))


def _guess(z: FloatArray, share: FloatArray) -> tuple[float, float, float, float]:
    third = max(len(z) // 4, 1)
    low, high = float(share[:third].mean()), float(share[-third:].mean())
    beyond = (share - (low + high) / 2) * np.sign(high - low) > 0
    middle = float(z[int(np.argmax(beyond))]) if beyond.any() else float(z.mean())
    return middle, float(z.max() - z.min()) / 10, low, high
