"""A line through a mean squared displacement, with the covariance of its points.

Points of a windowed mean squared displacement share their windows: they are strongly correlated,
and their scatter grows with the lag. Generalised least squares with the covariance of the points
gives the diffusivity and an honest error [McCluskey2025]_. The covariance used here is that of
stationary independent increments, with all overlaps of the windows counted:

    cov(M_i, M_j) = sum over s, t of [2 C(t - s)^2 / d + k4 overlap(s, t)] / (N n_i n_j)

where C is the covariance of the displacements over two windows, written with the mean squared
displacement itself, d the number of independent directions, and k4 the fourth cumulant that rare
jumps add to Gaussian motion. Atoms that move together raise it by a factor that is measured.

>>> import numpy as np
>>> walk = np.random.default_rng(1).normal(size=(20, 3, 2000)).cumsum(axis=2)
>>> fit = fit_line(PathStatistics.of(walk), 600)
>>> bool(abs(fit.slope - 3.0) < 4 * fit.sigma)
True
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

LAGS_IN_FIT = 20
"""Lags of the fit at most, spread evenly in log time."""
LAG_RATIO = 1.25
"""Neighbouring lags differ by this factor at least: closer ones say the same twice."""
STEPS_PER_LAG = 256
"""Sums over long windows take this many steps a lag."""
LINEAR_P = 0.02
"""A line is accepted where chi squared has at least this probability."""
CURVATURE_SIGMA = 2.5
"""And where a logarithm added to the line stays below this many of its standard errors."""
LAST_LINEAR_P, LAST_CURVATURE_SIGMA = 0.001, 3.5
"""The same for the last first lag tried."""
LARGEST_FIRST_LAG = 5
"""The first lag of a fit is at most the last one divided by this."""
CORRELATION_WINDOWS = 200
"""Windows wanted for the measure of how much atoms move together."""
MOMENT_ORIGINS = 4000
"""Window starts used for fourth moments."""


@dataclass(frozen=True, eq=False)
class PathStatistics:
    """Paths with their mean squared displacement at every lag.

    Attributes
    ----------
    paths : (n_atoms, 3, n_frames)
        Unwrapped, drift removed, Angstrom.
    msd : (n_frames,)
        Mean over atoms and window starts, Angstrom^2; the first value is 0.
    tensor : (n_frames, 6)
        Its components xx, yy, zz, yz, xz, xy; xx + yy + zz is ``msd``.
    """

    paths: npt.NDArray[np.floating]
    msd: FloatArray
    tensor: FloatArray

    @classmethod
    def of(cls, paths: npt.NDArray[np.floating]) -> PathStatistics:
        """Mean squared displacement of paths at every lag."""
        from interlith.analysis.displacements import msd_tensor

        tensor = msd_tensor(paths)
        return cls(paths, tensor[:, :3].sum(axis=1), tensor)

    @property
    def n_atoms(self) -> int:
        """How many paths."""
        return int(self.paths.shape[0])

    @property
    def n_frames(self) -> int:
        """How many frames."""
        return int(self.paths.shape[2])

    def independent_directions(self, lag: int) -> float:
        """Effective number of directions: 3 if isotropic, 1 in a channel."""
        xx, yy, zz, yz, xz, xy = self.tensor[lag]
        square = xx**2 + yy**2 + zz**2 + 2 * (yz**2 + xz**2 + xy**2)
        return float((xx + yy + zz) ** 2 / square) if square > 0 else 3.0

    def squares(self, lag: int, step: int = 1) -> FloatArray:
        """Squared displacements over one lag, (n_atoms, windows), starts ``step`` apart."""
        starts = np.arange(0, self.n_frames - lag, step)
        moved = self.paths[:, :, starts + lag] - self.paths[:, :, starts]
        squares: FloatArray = np.einsum("adw,adw->aw", moved, moved, dtype=np.float64)
        return squares

    def fourth_cumulant(self, lag: int) -> float:
        """Excess variance of the squared displacement over Gaussian motion, per frame."""
        step = max(1, (self.n_frames - lag) // MOMENT_ORIGINS)
        squares = self.squares(lag, step)
        gaussian = 2.0 * float(squares.mean()) ** 2 / self.independent_directions(lag)
        return max(0.0, (float(squares.var()) - gaussian) / lag)

    def correlation_factor(self, lag: int) -> float:
        """Variance of the mean over atoms relative to independent atoms, at least 1."""
        lag = max(lag, self.n_frames // CORRELATION_WINDOWS)
        if self.n_atoms < 2 or (self.n_frames - 1) // lag < 10:
            return 1.0
        squares = self.squares(lag, lag)
        alone = float(squares.var(axis=1, ddof=1).mean()) / self.n_atoms
        together = float(squares.mean(axis=0).var(ddof=1))
        return max(1.0, together / alone) if alone > 0 else 1.0


@dataclass(frozen=True, eq=False)
class LineFit:
    """A line ``intercept + slope * lag`` through a mean squared displacement.

    Attributes
    ----------
    slope, sigma : float
        Angstrom^2 per frame, and its standard uncertainty.
    intercept : float
        Angstrom^2: what vibration adds.
    lags : (n,) int
        Lags fitted, frames.
    covariance : (n, n)
        Of the mean squared displacement at these lags, Angstrom^4.
    chi_squared_p : float
        Probability of a chi squared at least as large if the motion is a line.
    curvature : float
        Standard errors by which a logarithm added to the line is off zero.
    linear : bool
        Whether some first lag gives an acceptable line.
    exponent, exponent_sigma : float
        Slope of log MSD against log lag over the last fifth to all of the range.
    correlation_factor : float
        How much moving together widens the error (variance).
    estimator : (n,)
        The slope is the product of this with the values at the lags.
    """

    slope: float
    sigma: float
    intercept: float
    lags: IntArray
    covariance: FloatArray
    chi_squared_p: float
    curvature: float
    linear: bool
    exponent: float
    exponent_sigma: float
    correlation_factor: float
    estimator: FloatArray


def fit_line(
    statistics: PathStatistics, last_lag: int, first_lag: int | None = None, least_first: int = 1
) -> LineFit:
    """Fit a line, starting at the shortest lag from which the motion is one.

    Parameters
    ----------
    statistics : PathStatistics
        Paths with their mean squared displacement.
    last_lag : int
        Longest lag of the fit, frames.
    first_lag : int, optional
        Shortest lag; by default 1, 2, 4, ... are tried until the line is acceptable.
    least_first : int
        The first one tried.

    Returns
    -------
    LineFit
        ``linear`` is False if no first lag gave a line; the numbers are then of the last try.
    """
    longest = max(1, last_lag // LARGEST_FIRST_LAG // least_first)
    doubled = [least_first * 2**i for i in range(longest.bit_length())]
    tries = [first_lag] if first_lag else doubled
    fit = _fit_from(statistics, tries[0], last_lag)
    for number, first in enumerate(tries[1:], 1):
        if fit.linear:
            # the first acceptable start looks straighter than it is: take the next one
            further = _fit_from(statistics, first, last_lag) if number > 1 else fit
            return further if further.linear else fit
        fit = _fit_from(statistics, first, last_lag)
    # one of many tries on the same run fails by chance: the last needs to be linear less strictly
    bent = fit.chi_squared_p < LAST_LINEAR_P or fit.curvature > LAST_CURVATURE_SIGMA
    return fit if fit.linear else replace(fit, linear=not bent)


def _fit_from(statistics: PathStatistics, first: int, last: int) -> LineFit:
    from scipy import stats

    count = min(LAGS_IN_FIT, 1 + int(np.log(last / first) / np.log(LAG_RATIO)))
    lags = np.unique(np.geomspace(first, last, max(count, 3)).round().astype(np.int64))
    observed = statistics.msd[lags]
    fourth = statistics.fourth_cumulant(first)
    factor = statistics.correlation_factor(first)
    directions = statistics.independent_directions(first)
    slope = float(np.polyfit(lags, observed, 1, w=1 / lags)[0])
    intercept = float(observed[0] - slope * lags[0])
    scale = 2.0 / (directions * statistics.n_atoms) * factor
    design = np.stack([np.ones(lags.size), lags], axis=1)
    for _ in range(3):
        model = _model(statistics.msd, first, intercept, slope, last)
        gaussian, overlap = covariance_sums(model, lags, statistics.n_frames, first)
        covariance = scale * gaussian + factor * fourth / statistics.n_atoms * overlap
        weights = _inverse(covariance)
        errors = np.linalg.inv(design.T @ weights @ design)
        estimators = errors @ design.T @ weights
        intercept, slope = (float(x) for x in estimators @ observed)
    residual = observed - design @ (intercept, slope)
    p = float(stats.chi2.sf(residual @ weights @ residual, max(1, lags.size - 2)))
    curvature = _curvature(lags, observed, weights)
    exponent, exponent_sigma = _exponent(lags, observed, covariance)
    return LineFit(
        slope=slope,
        sigma=float(np.sqrt(errors[1, 1])),
        intercept=intercept,
        lags=lags,
        covariance=covariance,
        chi_squared_p=p,
        curvature=curvature,
        linear=p > LINEAR_P and curvature < CURVATURE_SIGMA,
        exponent=exponent,
        exponent_sigma=exponent_sigma,
        correlation_factor=factor,
        estimator=estimators[1],
    )


def _curvature(lags: IntArray, observed: FloatArray, weights: FloatArray) -> float:
    """How many standard errors a logarithm added to the line is from zero."""
    design = np.stack([np.ones(lags.size), lags / lags[-1], np.log(lags)], axis=1)
    errors = np.linalg.inv(design.T @ weights @ design)
    return float(abs((errors @ design.T @ weights @ observed)[2]) / np.sqrt(errors[2, 2]))


def _model(msd: FloatArray, first: int, intercept: float, slope: float, last: int) -> FloatArray:
    """Expected squared displacement at every lag that the covariance asks for."""
    lag = np.arange(3 * last + 2 * first + 2, dtype=np.float64)
    least = max(slope, 0.01 * float(msd[last]) / last, 1e-12)
    line = np.maximum(intercept + least * lag, 0.0)
    if first >= 1:
        line[: first + 1] = msd[: first + 1]
    line[0] = 0.0
    return line


def covariance_sums(
    model: FloatArray, lags: IntArray, n_frames: int, memory: int
) -> tuple[FloatArray, FloatArray]:
    """Sums over pairs of windows of squared covariance and of overlap, per pair of lags.

    Parameters
    ----------
    model : (n,)
        Expected squared displacement at lags 0, 1, 2, ...
    lags : (m,) int
        Ascending.
    n_frames : int
        Length of the trajectory.
    memory : int
        Beyond this lag the model is a straight line.

    Returns
    -------
    (m, m), (m, m)
        Both divided by the numbers of windows of the two lags.
    """
    size = lags.size
    gaussian, overlap = np.zeros((size, size)), np.zeros((size, size))
    for row, i in enumerate(lags):
        j = lags[row:, None]
        step = max(1, int(i) // STEPS_PER_LAG)
        apart = np.arange(-int(lags[-1]) - memory, int(i) + memory + 1, step)
        last_start, last_other = n_frames - i - 1, n_frames - j - 1
        pairs = np.minimum(last_start, last_other - apart) - np.maximum(0, -apart) + 1
        pairs = np.where((apart > -j - memory), np.maximum(pairs, 0), 0)
        # windows [0, i] and [apart, apart + j]
        shared = 0.5 * (
            model[np.abs(i - apart)]
            + model[np.abs(apart + j)]
            - model[np.abs(apart)]
            - model[np.abs(i - apart - j)]
        )
        common = np.maximum(0, np.minimum(i, apart + j) - np.maximum(0, apart))
        windows = (n_frames - i) * (n_frames - j[:, 0]) / step
        gaussian[row, row:] = (pairs * shared**2).sum(axis=1) / windows
        overlap[row, row:] = (pairs * common).sum(axis=1) / windows
    upper = np.triu(np.ones((size, size), dtype=bool), 1)
    gaussian[upper.T] = gaussian.T[upper.T]
    overlap[upper.T] = overlap.T[upper.T]
    return gaussian, overlap


def _inverse(covariance: FloatArray) -> FloatArray:
    """Inverse of a covariance, made positive definite in its correlation form."""
    scale = np.sqrt(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    values = np.maximum(values, 1e-9 * values[-1])
    inverse: FloatArray = (vectors / values) @ vectors.T / np.outer(scale, scale)
    return inverse


def _exponent(lags: IntArray, observed: FloatArray, covariance: FloatArray) -> tuple[float, float]:
    """Slope of log MSD against log lag over the long part of the range."""
    part = lags >= lags[-1] / 5
    if part.sum() < 2 or np.any(observed[part] <= 0):
        return 0.0, 1.0
    x, y = np.log(lags[part]), np.log(observed[part])
    weights = _inverse(covariance[np.ix_(part, part)] / np.outer(observed[part], observed[part]))
    design = np.stack([np.ones(x.size), x], axis=1)
    errors = np.linalg.inv(design.T @ weights @ design)
    return float((errors @ design.T @ weights @ y)[1]), float(np.sqrt(errors[1, 1]))
