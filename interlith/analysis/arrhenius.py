"""Activation energy and the conductivity at 300 K from runs at several temperatures.

ln(sigma T) is a line against 1/T with slope -Ea/k. The fit is Bayesian: errors of the points are
their stated ones plus an unknown common scatter (half-normal prior, 0.1 in the logarithm), flat
priors for the line. For each scatter the posterior is Gaussian, so that the whole is a sum of
Gaussians and its quantiles are found without sampling.

>>> temperatures = [500.0, 600.0, 700.0, 800.0]
>>> diffusivities = [1e-3 * math.exp(-0.3 / (BOLTZMANN_EV_PER_K * t)) for t in temperatures]
>>> fit, reason = fit_arrhenius(temperatures, diffusivities, [0.05 * d for d in diffusivities])
>>> round(fit.activation_energy_ev, 3)
0.3
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from interlith.analysis.transport_records import TransportRun
from interlith.errors import InputError
from interlith.records import Record
from interlith.units import BOLTZMANN_EV_PER_K

FloatArray = npt.NDArray[np.float64]

LEAST_TEMPERATURES = 3
LEAST_FOR_KINK = 5
KINK_BIC = 6.0
"""Two lines must beat one by this much in the Bayesian information criterion."""
SCATTER_PRIOR = 0.1
SCATTER_GRID = 81
POOR_FIT_P = 0.01
ROOM_TEMPERATURE_K = 300.0


class Kink(Record):
    """Two lines instead of one: likely a phase change or another mechanism."""

    temperature_k: float
    activation_energy_below_ev: float
    activation_energy_above_ev: float
    bic_gain: float


class ArrheniusFit(Record):
    """Line through ln(sigma T), and what it says at 300 K; intervals hold 95 %.

    ``diffusivity_300k_cm2_s`` comes from the same fit. ``flags`` are in words.
    """

    activation_energy_ev: float
    sigma_ev: float
    interval95_ev: tuple[float, float]
    conductivity_300k_ms_cm: float | None
    interval95_ms_cm: tuple[float, float] | None
    diffusivity_300k_cm2_s: float
    interval95_cm2_s: tuple[float, float]
    prefactor_cm2_s: float
    temperatures_k: tuple[float, ...]
    chi_squared_p: float
    scatter: float
    kink: Kink | None
    flags: tuple[str, ...] = ()


def fit_runs(runs: Sequence[TransportRun]) -> tuple[ArrheniusFit | None, str | None]:
    """Arrhenius fit of runs; those without an answer or with a broken framework are left out.

    Returns
    -------
    (ArrheniusFit or None, str or None)
        The fit, or None and the reason.
    """
    used = [
        run for run in runs if run.status == "ok" and run.self_diffusivity_cm2_s and run.sigma_cm2_s
    ]
    left_out = [f"{run.temperature_k:g} K: {run.reason}" for run in runs if run not in used]
    ratios = [
        run.conductivity_ms_cm * run.temperature_k / run.self_diffusivity_cm2_s
        for run in used
        if run.conductivity_ms_cm and run.self_diffusivity_cm2_s
    ]
    fit, reason = fit_arrhenius(
        [run.temperature_k for run in used],
        [run.self_diffusivity_cm2_s or 0.0 for run in used],
        [run.sigma_cm2_s or 0.0 for run in used],
        conductivity_times_k_per_diffusivity=float(np.mean(ratios)) if ratios else None,
    )
    if fit is None:
        return None, "; ".join([reason or "", *left_out])
    flags = [*fit.flags, *(f"left out {text}" for text in left_out)]
    return fit.model_copy(update={"flags": tuple(flags)}), None


def fit_arrhenius(
    temperatures_k: Sequence[float],
    diffusivities_cm2_s: Sequence[float],
    sigmas_cm2_s: Sequence[float],
    *,
    conductivity_times_k_per_diffusivity: float | None = None,
) -> tuple[ArrheniusFit | None, str | None]:
    """Line through the logarithms of diffusivities with their errors.

    Parameters
    ----------
    temperatures_k, diffusivities_cm2_s, sigmas_cm2_s : sequences of float
        One of each per run; several runs at one temperature are fine.
    conductivity_times_k_per_diffusivity : float, optional
        sigma T / D in mS K s/cm3 (Nernst-Einstein), for the conductivity at 300 K.

    Returns
    -------
    (ArrheniusFit or None, str or None)
        None and the reason with fewer than three different temperatures.

    Raises
    ------
    InputError
        If the sequences differ in length or hold what is not positive and finite.
    """
    t, d, s = (
        np.asarray(x, dtype=np.float64) for x in (temperatures_k, diffusivities_cm2_s, sigmas_cm2_s)
    )
    if not t.size == d.size == s.size:
        raise InputError(
            f"{t.size} temperatures, {d.size} diffusivities and {s.size} errors do not belong "
            "together; give one of each per run"
        )
    for name, values in (("temperatures", t), ("diffusivities", d), ("errors", s)):
        if not np.all(np.isfinite(values) & (values > 0)):
            raise InputError(f"{name} must be positive and finite; leave out runs without answer")
    distinct = np.unique(t.round(3)).size
    if distinct < LEAST_TEMPERATURES:
        return None, (
            f"{distinct} temperatures with a diffusivity; an activation energy needs at least "
            f"{LEAST_TEMPERATURES}"
        )
    order = np.argsort(t)
    t, d, s = t[order], d[order], s[order]
    return _fit(t, np.log(d), s / d, conductivity_times_k_per_diffusivity), None


def _fit(t: FloatArray, y: FloatArray, error: FloatArray, ratio: float | None) -> ArrheniusFit:
    from scipy import stats

    x = -1.0 / (BOLTZMANN_EV_PER_K * t)
    posterior = _Posterior.of(x, y, error)
    room = -1.0 / (BOLTZMANN_EV_PER_K * ROOM_TEMPERATURE_K)
    energy, log_d = (0.0, 1.0), (1.0, room)
    d300 = math.exp(posterior.quantile(log_d, 0.5))
    low, high = (math.exp(posterior.quantile(log_d, p)) for p in (0.025, 0.975))
    to_sigma = None if ratio is None else ratio / ROOM_TEMPERATURE_K
    chi = _chi_squared(_design(x), y, error)
    p = float(stats.chi2.sf(chi, t.size - 2)) if t.size > 2 else 1.0
    kink = _kink(t, x, y, error)
    return ArrheniusFit(
        activation_energy_ev=posterior.quantile(energy, 0.5),
        sigma_ev=posterior.spread(energy),
        interval95_ev=(posterior.quantile(energy, 0.025), posterior.quantile(energy, 0.975)),
        conductivity_300k_ms_cm=None if to_sigma is None else to_sigma * d300,
        interval95_ms_cm=None if to_sigma is None else (to_sigma * low, to_sigma * high),
        diffusivity_300k_cm2_s=d300,
        interval95_cm2_s=(low, high),
        prefactor_cm2_s=math.exp(posterior.quantile((1.0, 0.0), 0.5)),
        temperatures_k=tuple(float(one) for one in t),
        chi_squared_p=p,
        scatter=posterior.mean_scatter(),
        kink=kink,
        flags=tuple(_flags(t, p, kink)),
    )


def _flags(t: FloatArray, p: float, kink: Kink | None) -> list[str]:
    flags = []
    if kink is not None:
        flags.append(
            f"kink near {kink.temperature_k:.0f} K: a phase change or another mechanism is likely; "
            "300 K does not follow from one line"
        )
    if p < POOR_FIT_P:
        flags.append("the points scatter around the line by more than their errors")
    if np.unique(t.round(3)).size < LEAST_FOR_KINK:
        flags.append(f"too few temperatures to look for a kink ({LEAST_FOR_KINK} are needed)")
    if t.min() > ROOM_TEMPERATURE_K + 1:
        flags.append(f"300 K is extrapolated from {t.min():.0f} K and above")
    return flags


def _design(x: FloatArray) -> FloatArray:
    return np.stack([np.ones(x.size), x], axis=1)


def _chi_squared(design: FloatArray, y: FloatArray, error: FloatArray) -> float:
    solution = np.linalg.lstsq(design / error[:, None], y / error, rcond=None)[0]
    return float((((y - design @ solution) / error) ** 2).sum())


@dataclass(frozen=True, eq=False)
class _Posterior:
    """Sum of Gaussians over the unknown scatter: weights, means (m, 2), covariances (m, 2, 2)."""

    weights: FloatArray
    means: FloatArray
    covariances: FloatArray
    scatters: FloatArray

    @classmethod
    def of(cls, x: FloatArray, y: FloatArray, error: FloatArray) -> _Posterior:
        centre = x.mean()  # keeps the two parameters apart
        design = _design(x - centre)
        scatters = np.linspace(0.0, 5.0 * SCATTER_PRIOR, SCATTER_GRID)
        logs, means, covariances = [], [], []
        back = np.array([[1.0, -centre], [0.0, 1.0]])
        for scatter in scatters:
            variance = error**2 + scatter**2
            inverse = design.T / variance
            covariance = np.linalg.inv(inverse @ design)
            mean = covariance @ inverse @ y
            chi = (((y - design @ mean) ** 2) / variance).sum()
            logs.append(
                -0.5 * (chi + np.log(variance).sum() - np.linalg.slogdet(covariance)[1])
                - 0.5 * (scatter / SCATTER_PRIOR) ** 2
            )
            means.append(back @ mean)
            covariances.append(back @ covariance @ back.T)
        weights = np.exp(np.array(logs) - max(logs))
        return cls(weights / weights.sum(), np.array(means), np.array(covariances), scatters)

    def _along(self, direction: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
        v = np.array(direction)
        return self.means @ v, np.sqrt(np.einsum("a,mab,b->m", v, self.covariances, v))

    def quantile(self, direction: tuple[float, float], p: float) -> float:
        """Quantile of a combination of (ln D0, Ea)."""
        from scipy import optimize, special

        mean, sigma = self._along(direction)
        wide = 12.0 * float(sigma.max()) + 1e-9

        def missing(value: float) -> float:
            return float(self.weights @ special.ndtr((value - mean) / sigma)) - p

        return float(
            optimize.brentq(missing, float(mean.min()) - wide, float(mean.max()) + wide, xtol=1e-12)
        )

    def spread(self, direction: tuple[float, float]) -> float:
        """Standard deviation of a combination of (ln D0, Ea)."""
        mean, sigma = self._along(direction)
        centre = float(self.weights @ mean)
        return math.sqrt(float(self.weights @ (sigma**2 + (mean - centre) ** 2)))

    def mean_scatter(self) -> float:
        """Scatter beyond the stated errors, in the logarithm."""
        return float(self.weights @ self.scatters)


def _kink(t: FloatArray, x: FloatArray, y: FloatArray, error: FloatArray) -> Kink | None:
    """Two lines that meet (or two apart, from six temperatures) against one, by BIC."""
    distinct = np.unique(t)
    if np.unique(t.round(3)).size < LEAST_FOR_KINK:
        return None
    penalty = math.log(t.size)
    best: tuple[float, Kink] | None = None
    one = _chi_squared(_design(x), y, error) + 2 * penalty
    for left, right in pairwise(distinct[1:-1]):
        for joined in (True, False):
            low, high = (t <= left), (t >= right)
            if not joined and min(np.unique(t[low]).size, np.unique(t[high]).size) < 3:
                continue
            middle = 0.5 * (left + right)
            design, parameters = _two_lines(x, t, middle, joined)
            score = _chi_squared(design, y, error) + (parameters + 1) * penalty
            if one - score > KINK_BIC and (best is None or score < best[0]):
                line = np.linalg.lstsq(design / error[:, None], y / error, rcond=None)[0]
                below, above = (float(line[1]), float(line[1] + line[2]))
                kink = Kink(
                    temperature_k=float(middle),
                    activation_energy_below_ev=below,
                    activation_energy_above_ev=above,
                    bic_gain=one - score,
                )
                best = (score, kink)
    return None if best is None else best[1]


def _two_lines(x: FloatArray, t: FloatArray, middle: float, joined: bool) -> tuple[FloatArray, int]:
    """Design (1, x, extra slope above the kink[, extra height]) and the number of parameters."""
    where = -1.0 / (BOLTZMANN_EV_PER_K * middle)
    beyond = (t > middle).astype(np.float64)
    columns = [np.ones(x.size), x, (x - where) * beyond]
    if not joined:
        columns.append(beyond)
    return np.stack(columns, axis=1), len(columns)
