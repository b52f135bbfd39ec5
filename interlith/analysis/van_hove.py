"""Distributions of displacements: van Hove functions and the non-Gaussian parameter.

The self part is the density of the distance an atom has moved after a lag; the distinct part is
the density of other mobile atoms around the place where an atom was, a lag ago, relative to the
mean density. The non-Gaussian parameter 3 <r^4> / (5 <r^2>^2) - 1 is 0 for free diffusion and
positive where some atoms jump and others do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interlith.analysis.displacements import Paths
from interlith.errors import InputError

FloatArray = npt.NDArray[np.float64]
ORIGINS = 400
"""Window starts used at most, evenly spread."""


@dataclass(frozen=True, eq=False)
class VanHove:
    """Van Hove functions at one lag.

    Attributes
    ----------
    lag_ps : float
        The lag.
    radius_angstrom : (n,)
        Middles of the bins.
    self_per_angstrom : (n,)
        Density 4 pi r^2 G_s(r), its integral is the part of the atoms inside the range.
    distinct : (n,)
        G_d(r) over the mean density of mobile atoms; 1 at long distance or long lag. Only
        distances below half the thickness of the cell are counted; beyond, NaN.
    """

    lag_ps: float
    radius_angstrom: FloatArray
    self_per_angstrom: FloatArray
    distinct: FloatArray


def van_hove(
    paths: Paths, lag_fs: float, *, largest_angstrom: float = 10.0, bins: int = 100
) -> VanHove:
    """Van Hove functions of the mobile atoms at one lag.

    Parameters
    ----------
    paths : Paths
        Drift removed.
    lag_fs : float
        Rounded to whole frames.
    largest_angstrom : float
        Range of distances.
    bins : int
        Bins of distance.

    Raises
    ------
    InputError
        If the lag is longer than the run, or the range is empty.
    """
    lag = _frames(paths, lag_fs)
    if not largest_angstrom > 0 or bins < 1:
        raise InputError("a van Hove function needs a positive range of distances and bins")
    edges = np.linspace(0.0, largest_angstrom, bins + 1)
    starts = _starts(paths, lag)
    alone, apart = np.zeros(bins), np.zeros(bins)
    inverse = np.linalg.inv(paths.mean_cell)
    for start in starts:
        before = paths.positions(int(start), int(start) + 1)[0]
        after = paths.positions(int(start) + lag, int(start) + lag + 1)[0]
        alone += np.histogram(np.linalg.norm(after - before, axis=1), edges)[0]
        between = (after[None] - before[:, None]) @ inverse
        between -= np.where(paths.periodic, np.round(between), 0.0)
        lengths = np.linalg.norm(between @ paths.mean_cell, axis=-1)
        np.fill_diagonal(lengths, np.inf)
        apart += np.histogram(lengths, edges)[0]
    windows = len(starts) * paths.n_mobile
    shell = 4.0 / 3.0 * np.pi * (edges[1:] ** 3 - edges[:-1] ** 3)
    density = (paths.n_mobile - 1) / paths.volume_angstrom3
    distinct = apart / (windows * shell * density) if density > 0 else np.zeros(bins)
    distinct[edges[1:] > _half_thickness(paths.mean_cell)] = np.nan
    return VanHove(
        lag_ps=lag * paths.time_step_fs / 1000,
        radius_angstrom=0.5 * (edges[1:] + edges[:-1]),
        self_per_angstrom=alone / (windows * np.diff(edges)),
        distinct=distinct,
    )


def non_gaussian_parameter(
    paths: Paths, lags_fs: Sequence[float] | None = None
) -> tuple[FloatArray, FloatArray]:
    """Non-Gaussian parameter against lag.

    Parameters
    ----------
    paths : Paths
        Drift removed.
    lags_fs : sequence of float, optional
        By default 30 lags even in log time up to a third of the run.

    Returns
    -------
    (n,), (n,)
        Lags in ps and values; 0 for Gaussian motion in three directions.
    """
    if lags_fs is None:
        longest = max(1, paths.n_frames // 3)
        lags = np.unique(np.geomspace(1, longest, 30).round().astype(np.int64))
    else:
        lags = np.array([_frames(paths, lag) for lag in lags_fs])
    values = np.empty(lags.size)
    for row, lag in enumerate(lags):
        starts = _starts(paths, int(lag), 10 * ORIGINS)
        moved = paths.mobile[:, :, starts + lag] - paths.mobile[:, :, starts]
        squares = np.einsum("adw,adw->aw", moved, moved, dtype=np.float64)
        second = float(squares.mean())
        values[row] = 0.6 * float((squares**2).mean()) / second**2 - 1 if second > 0 else 0.0
    return lags * paths.time_step_fs / 1000, values


def _frames(paths: Paths, lag_fs: float) -> int:
    lag = round(lag_fs / paths.time_step_fs)
    if not 1 <= lag < paths.n_frames:
        raise InputError(
            f"a lag of {lag_fs:g} fs is no whole number of frames within the run; frames are "
            f"{paths.time_step_fs:g} fs apart, the run is {paths.n_frames} frames long"
        )
    return lag


def _starts(paths: Paths, lag: int, most: int = ORIGINS) -> npt.NDArray[np.int64]:
    count = paths.n_frames - lag
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def _half_thickness(cell: FloatArray) -> float:
    volume = abs(float(np.linalg.det(cell)))
    areas = [np.linalg.norm(np.cross(cell[i - 2], cell[i - 1])) for i in range(3)]
    return 0.5 * volume / float(max(areas))
