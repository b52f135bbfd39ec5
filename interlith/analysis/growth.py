"""How an interphase grows: parabolic or linear, how fast, and what Li it takes.

A thickness L0 + a t^p is fitted with p = 1/2 (a layer that slows itself down by what must cross it)
and p = 1 (a front that nothing slows down), and with p free. The two have as many parameters, so
their evidence is that of their residuals (the corrected criterion of Akaike); neighbouring points
of a run are correlated, and only as many are counted as are independent.

>>> times = np.linspace(0.2, 20, 200)
>>> noise = np.random.default_rng(1).normal(scale=0.02, size=200)
>>> fit = growth_law([(times, 0.3 * np.sqrt(times) + noise)] * 3)
>>> fit.law, round(fit.exponent, 1)
('parabolic', 0.5)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from interlith.analysis.arrhenius import fit_arrhenius
from interlith.records import Record, Status
from interlith.units import ELEMENTARY_CHARGE_C

FloatArray = npt.NDArray[np.float64]
Series = tuple[npt.ArrayLike, npt.ArrayLike]
Law = Literal["parabolic", "linear", "undecided"]

LEAST_POINTS = 10
LEAST_INDEPENDENT = 6.0
LEAST_SIGNIFICANCE = 3.0
"""Standard deviations by which a thickness must have grown for a law to be looked for."""
DECIDED = 6.0
"""Difference of the criterion from which one law is chosen: weights of 20 to 1."""
LEAST_SEEDS = 3
EXPONENTS = np.arange(0.1, 2.001, 0.02)
NOT_A_RATE = "a shape and not a rate constant"
EXTRAPOLATION = (
    "picoseconds to nanoseconds of a few nanometres; nothing here says that the same law holds at "
    "hours and micrometres"
)
UAH_PER_CM2_PER_LI_PER_ANGSTROM2 = ELEMENTARY_CHARGE_C * 1e16 / 3600.0 * 1e6


class Rate(Record):
    """Rate of one law: nm^2/ps for L^2 = 2 k t, nm/ps for L = r t; the interval holds 95 %."""

    law: Literal["parabolic", "linear"]
    value: float
    sigma: float
    interval95: tuple[float, float]
    unit: str
    offset_nm: float
    residual_nm: float


class GrowthFit(Record):
    """Result of :func:`growth_law`.

    Attributes
    ----------
    status : str
        ``no_answer`` with a reason where a run is too short or nothing grew.
    law : str or None
        The better one, or undecided.
    aicc_difference : float or None
        Criterion of linear minus parabolic: positive speaks for parabolic.
    parabolic_weight : float or None
        Share of the evidence for parabolic against linear, 0 to 1.
    exponent : float or None
        With p free, and an interval that holds 95 %.
    is_rate : bool
        False where the numbers show a shape only; ``caveats`` say why.
    """

    schema_version: int = 1
    status: Status
    reason: str | None = None
    law: Law | None = None
    aicc_difference: float | None = None
    parabolic_weight: float | None = None
    exponent: float | None = None
    exponent_interval95: tuple[float, float] | None = None
    parabolic: Rate | None = None
    linear: Rate | None = None
    seeds: int
    independent_points: float = 0.0
    from_ps: float | None = None
    to_ps: float | None = None
    thickness_start_nm: float | None = None
    thickness_end_nm: float | None = None
    is_rate: bool = False
    caveats: tuple[str, ...] = ()
    extrapolation: str = EXTRAPOLATION


def growth_law(
    runs: Sequence[Series], *, starved: bool = False, caveats: Sequence[str] = ()
) -> GrowthFit:
    """Law and rate from thicknesses over time.

    Parameters
    ----------
    runs : sequence of (times_ps, thickness_nm)
        One per seed (or per side of a cell); time zero is the contact.
    starved : bool
        The reservoir of Li ran out on the way, or nearly so.
    caveats : sequence of str
        What else keeps the numbers from being a rate constant.

    Returns
    -------
    GrowthFit
        Intervals are those of the scatter between three or more runs, otherwise of the points
        within a run, correlation counted.
    """
    series = [(np.asarray(t, dtype=float), np.asarray(y, dtype=float)) for t, y in runs]
    series = [(t[np.isfinite(y)], y[np.isfinite(y)]) for t, y in series]
    if not series or min(len(t) for t, _ in series) < LEAST_POINTS:
        shortest = min((len(t) for t, _ in series), default=0)
        return _none(series, f"{shortest} points are too few; {LEAST_POINTS} are needed")
    fits = {power: [_line(t**power, y) for t, y in series] for power in (0.5, 1.0)}
    counts = [_independent(t, y) for t, y in series]
    if min(counts) < LEAST_INDEPENDENT:
        return _none(
            series,
            f"neighbouring points agree so much that only {min(counts):.1f} are independent; "
            f"{LEAST_INDEPENDENT:g} are needed: run longer",
        )
    if (weak := _growth_in_sigmas(series, counts)) < LEAST_SIGNIFICANCE:
        return _none(
            series,
            f"the thickness grew by {weak:.1f} standard deviations; {LEAST_SIGNIFICANCE:g} are "
            "needed: nothing grows, or the run is too short",
        )
    difference = _aicc_difference(fits, counts)
    law: Law = "parabolic" if difference > 0 else "linear"
    exponent, interval = _free_exponent(series, counts)
    against = [*_caveats(series, difference, starved), *(f"{c}: {NOT_A_RATE}" for c in caveats)]
    return GrowthFit(
        status="ok",
        law=law if abs(difference) >= DECIDED else "undecided",
        aicc_difference=difference,
        parabolic_weight=1 / (1 + math.exp(-max(min(difference, 700.0), -700.0) / 2)),
        exponent=exponent,
        exponent_interval95=interval,
        parabolic=_rate("parabolic", fits[0.5], counts),
        linear=_rate("linear", fits[1.0], counts),
        seeds=len(series),
        independent_points=float(sum(counts)),
        from_ps=float(min(t[0] for t, _ in series)),
        to_ps=float(max(t[-1] for t, _ in series)),
        thickness_start_nm=float(np.mean([_ends(y)[0] for _, y in series])),
        thickness_end_nm=float(np.mean([_ends(y)[1] for _, y in series])),
        is_rate=not against,
        caveats=tuple(against),
    )


class _Line:
    """Least squares of y = offset + slope x."""

    def __init__(self, x: FloatArray, y: FloatArray) -> None:
        self.design = np.stack([np.ones_like(x), x], axis=1)
        (self.offset, self.slope), *_ = np.linalg.lstsq(self.design, y, rcond=None)
        self.left = y - self.design @ np.array([self.offset, self.slope])
        self.rss, self.n = float(self.left @ self.left), len(y)

    def slope_sigma(self, independent: float) -> float:
        """Standard uncertainty of the slope, with so many independent points among all."""
        variance = self.rss / max(self.n - 2, 1) * self.n / max(independent, 1.0)
        inverse = np.linalg.inv(self.design.T @ self.design)
        return math.sqrt(max(variance * float(inverse[1, 1]), 0.0))


def _line(x: FloatArray, y: FloatArray) -> _Line:
    return _Line(x, y)


def _independent(t: FloatArray, y: FloatArray) -> float:
    """Independent points of a run: all, divided by the statistical inefficiency.

    Of the residuals of the best free power, so that growth does not count as correlation; sums of
    neighbouring pairs are taken while they are positive (Geyer's initial positive sequence).
    """
    left = min((_line(t**p, y) for p in (0.3, 0.5, 0.75, 1.0, 1.4)), key=lambda f: f.rss).left
    n, power = len(left), float(left @ left)
    if power <= 1e-24 * n:
        return float(n)
    correlation = np.correlate(left, left, "full")[n - 1 :] / power
    total = 1.0
    for lag in range(1, n - 1, 2):
        pair = float(correlation[lag] + correlation[lag + 1])
        if pair <= 0:
            break
        total += 2 * pair
    return max(1.0, n / total)


def _ends(y: FloatArray) -> tuple[float, float]:
    part = max(len(y) // 10, 1)
    return float(y[:part].mean()), float(y[-part:].mean())


def _growth_in_sigmas(
    series: Sequence[tuple[FloatArray, FloatArray]], counts: Sequence[float]
) -> float:
    lines = [_line(np.sqrt(t), y) for t, y in series]
    errors = [max(f.slope_sigma(c), 1e-12) for f, c in zip(lines, counts, strict=True)]
    return float(
        np.mean([f.slope for f in lines]) / np.sqrt(np.sum(np.square(errors))) * len(lines)
    )


def _aicc_difference(fits: dict[float, list[_Line]], counts: Sequence[float]) -> float:
    """Linear minus parabolic; the penalty is the same, since both have three parameters."""
    floor = 1e-300
    return float(
        sum(
            count * math.log(max(straight.rss, floor) / max(root.rss, floor))
            for straight, root, count in zip(fits[1.0], fits[0.5], counts, strict=True)
        )
    )


def _free_exponent(
    series: Sequence[tuple[FloatArray, FloatArray]], counts: Sequence[float]
) -> tuple[float, tuple[float, float]]:
    """Exponent of most evidence, and where the evidence is within 3.84 of it."""
    scores = np.zeros(len(EXPONENTS))
    for (t, y), count in zip(series, counts, strict=True):
        x = t[:, None] ** EXPONENTS
        x = x - x.mean(axis=0)
        rest = y - y.mean()
        left = rest @ rest - (rest @ x) ** 2 / (x**2).sum(axis=0)
        scores += count * np.log(np.maximum(left, 1e-300))
    near = EXPONENTS[scores - scores.min() <= 3.84]
    half = float(EXPONENTS[1] - EXPONENTS[0]) / 2
    best = float(EXPONENTS[int(scores.argmin())])
    return best, (float(near.min()) - half, float(near.max()) + half)


def _rate(law: Literal["parabolic", "linear"], fits: list[_Line], counts: Sequence[float]) -> Rate:
    from scipy.stats import t as student

    slopes = np.array([f.slope for f in fits])
    mean = float(slopes.mean())
    if len(fits) >= LEAST_SEEDS:
        sigma = float(slopes.std(ddof=1) / math.sqrt(len(fits)))
        reach = float(student.ppf(0.975, len(fits) - 1)) * sigma
    else:
        errors = [f.slope_sigma(c) for f, c in zip(fits, counts, strict=True)]
        sigma = float(np.sqrt(np.sum(np.square(errors)))) / len(fits)
        reach = float(student.ppf(0.975, max(sum(counts) - 2 * len(fits), 1))) * sigma
    low, high = mean - reach, mean + reach
    if law == "parabolic":  # L = sqrt(2 k t), so k = slope^2 / 2
        interval = (max(low, 0.0) ** 2 / 2, max(high, 0.0) ** 2 / 2)
        value, sigma, unit = mean**2 / 2, abs(mean) * sigma, "nm2/ps"
    else:
        interval, value, unit = (low, high), mean, "nm/ps"
    return Rate(
        law=law,
        value=value,
        sigma=sigma,
        interval95=interval,
        unit=unit,
        offset_nm=float(np.mean([f.offset for f in fits])),
        residual_nm=float(np.sqrt(sum(f.rss for f in fits) / sum(f.n for f in fits))),
    )


def _caveats(
    series: Sequence[tuple[FloatArray, FloatArray]], difference: float, starved: bool
) -> list[str]:
    found = []
    if len(series) < LEAST_SEEDS:
        found.append(f"{len(series)} runs, {LEAST_SEEDS} are needed: {NOT_A_RATE}")
    if abs(difference) < DECIDED:
        found.append(f"neither law is clearly better: {NOT_A_RATE}")
    if starved:
        found.append(f"the reservoir of Li ran low: {NOT_A_RATE}")
    return found


def _none(series: Sequence[tuple[FloatArray, FloatArray]], reason: str) -> GrowthFit:
    return GrowthFit(status="no_answer", reason=reason, seeds=len(series))


class RateArrhenius(Record):
    """Activation energy of a rate; the interval holds 95 %."""

    law: Literal["parabolic", "linear"]
    activation_energy_ev: float
    sigma_ev: float
    interval95_ev: tuple[float, float]
    flags: tuple[str, ...] = ()


def rate_arrhenius(
    temperatures_k: Sequence[float], rates: Sequence[Rate]
) -> tuple[RateArrhenius | None, str | None]:
    """Arrhenius line through the rates of one law at several temperatures.

    Returns
    -------
    (RateArrhenius or None, str or None)
        None and the reason for mixed laws or fewer than three temperatures.
    """
    laws = {one.law for one in rates}
    if len(laws) != 1:
        return None, "the rates are of different laws; their units differ"
    fit, reason = fit_arrhenius(
        temperatures_k, [one.value for one in rates], [one.sigma for one in rates]
    )
    if fit is None:
        return None, reason
    return RateArrhenius(
        law=rates[0].law,
        activation_energy_ev=fit.activation_energy_ev,
        sigma_ev=fit.sigma_ev,
        interval95_ev=fit.interval95_ev,
        flags=fit.flags,
    ), None


class LithiumConsumed(Record):
    """Li taken from the metal, against the thickness of what it made.

    Attributes
    ----------
    ratio : float or None
        Thickness per charge over the stoichiometric one.
    """

    consumed_uah_cm2: float
    thickness_nm: float
    nm_per_uah_cm2: float | None
    stoichiometric_nm_per_uah_cm2: float | None
    ratio: float | None
    explanation: str


def lithium_consumed(
    atoms_consumed: float,
    area_angstrom2: float,
    thickness_nm: float,
    stoichiometric_nm_per_uah_cm2: float | None = None,
) -> LithiumConsumed:
    """Charge of the Li consumed at one interface, and thickness grown per charge.

    Parameters
    ----------
    atoms_consumed : float
        Li that left the metal at this interface.
    area_angstrom2 : float
        Of the interface.
    thickness_nm : float
        Grown meanwhile.
    stoichiometric_nm_per_uah_cm2 : float, optional
        From the volumes of the thermodynamic products.
    """
    charge = atoms_consumed / area_angstrom2 * UAH_PER_CM2_PER_LI_PER_ANGSTROM2
    grown = thickness_nm / charge if charge > 0 else None
    ratio = None
    if grown is not None and stoichiometric_nm_per_uah_cm2:
        ratio = grown / stoichiometric_nm_per_uah_cm2
    return LithiumConsumed(
        consumed_uah_cm2=charge,
        thickness_nm=thickness_nm,
        nm_per_uah_cm2=grown,
        stoichiometric_nm_per_uah_cm2=stoichiometric_nm_per_uah_cm2,
        ratio=ratio,
        explanation=_explain(ratio),
    )


def _explain(ratio: float | None) -> str:
    if ratio is None:
        return "no Li was consumed, or the volumes of the products are not known"
    if ratio > 1:
        return (
            f"{ratio:.2g} times the stoichiometric thickness: the layer is not fully converted, or "
            "less dense than the crystals, or its edges are blurred"
        )
    return (
        f"{ratio:.2g} of the stoichiometric thickness: Li has gone further than the layer that is "
        "counted, or what counts as metal has changed"
    )
