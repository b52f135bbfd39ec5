"""Diffusivity, conductivity and Haven ratio of one run, with errors, or why there is no answer.

Self diffusivity: slope of the mean squared displacement of the mobile atoms, a sixth of it.
Collective (charge) diffusivity: the same for the sum of their displacements. Conductivity by
Nernst-Einstein from the first, and without its assumption of independent ions from the second;
their ratio is the Haven ratio. The line is fitted by :mod:`interlith.analysis.msd_fit`, whose
error counts the correlation of the points [McCluskey2025]_ and rare jumps. A run that is too
short, too slow or not diffusive has the status ``no_answer`` and a reason, never a zero.

>>> import numpy as np
>>> from interlith.analysis.displacements import read_paths
>>> from interlith.analysis.trajectories import from_arrays
>>> walk = np.random.default_rng(0).normal(size=(2000, 20, 3)).cumsum(axis=0)
>>> box = from_arrays(walk, np.eye(3) * 20.0, ["Li"] * 20, time_step_fs=100.0)
>>> run = analyse(read_paths(box, "Li", drift="none"), temperature_k=300.0).run
>>> run.status, f"{run.self_diffusivity_cm2_s:.1e}"  # half a square Angstrom in 100 fs
('ok', '5.0e-04')
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from interlith.analysis.displacements import Paths, collective_path
from interlith.analysis.framework import FrameworkCheck, check_framework
from interlith.analysis.msd_fit import LineFit, PathStatistics, fit_line
from interlith.analysis.transport_checks import (
    HAVEN_RELATIVE_SIGMA,
    LAST_COLLECTIVE_LAG,
    LAST_LAG,
    LEAST_FRAMES,
    SIGNIFICANT_SIGMA,
    count_events,
    equilibration_frames,
    not_diffusive,
)
from interlith.analysis.transport_records import FitRange, TrajectoryIdentity, TransportRun
from interlith.errors import InputError
from interlith.units import BOLTZMANN_EV_PER_K, ELEMENTARY_CHARGE_C

FloatArray = npt.NDArray[np.float64]

CM2_S_PER_ANGSTROM2_FS = 0.1
CURVE_POINTS = 200


@dataclass(frozen=True, eq=False)
class TransportAnalysis:
    """A run with the curves behind it, for figures.

    Attributes
    ----------
    run : TransportRun
        The numbers.
    lag_ps, msd_angstrom2, collective_msd_angstrom2 : (n,)
        Mean squared displacements at lags even in log time (collective: per mobile atom).
    fit_lag_ps, fit_sigma_angstrom2 : (m,)
        Lags of the fit and the standard errors of the points there.
    """

    run: TransportRun
    lag_ps: FloatArray
    msd_angstrom2: FloatArray
    collective_msd_angstrom2: FloatArray
    fit_lag_ps: FloatArray
    fit_sigma_angstrom2: FloatArray


def analyse(
    paths: Paths,
    temperature_k: float,
    *,
    charge_e: float = 1.0,
    jump_length_angstrom: float = 2.5,
    equilibration_fs: float | None = None,
    first_lag_fs: float | None = None,
    trajectory: TrajectoryIdentity | None = None,
) -> TransportAnalysis:
    """Transport of the mobile atoms of one run.

    Parameters
    ----------
    paths : Paths
        From :func:`~interlith.analysis.displacements.read_paths`.
    temperature_k : float
        Of the run.
    charge_e : float
        Charge of a mobile ion, e.
    jump_length_angstrom : float
        Length of one jump: displacements below it are not taken for diffusion.
    equilibration_fs : float, optional
        Time to leave out at the start; by default found by a test (see Notes).
    first_lag_fs : float, optional
        Shortest lag of the fits; by default the shortest from which the motion is a line.
    trajectory : TrajectoryIdentity, optional
        Goes into the record.

    Returns
    -------
    TransportAnalysis

    Raises
    ------
    InputError
        If a temperature, charge or length is impossible, or a time to leave out is negative.

    Notes
    -----
    The start is left out until the motion is steady, see
    :func:`~interlith.analysis.transport_checks.equilibration_frames`. No correction for the size
    of the cell is made, see :func:`finite_size_correction_cm2_s`.
    """
    _check(temperature_k, charge_e, jump_length_angstrom, first_lag_fs)
    if equilibration_fs is not None and not 0 <= equilibration_fs < math.inf:
        raise InputError(f"{equilibration_fs:g} fs to leave out at the start; give 0 or more")
    notes = [_size_note(paths)]
    skip = equilibration_fs
    skip = equilibration_frames(paths, notes) if skip is None else skip / paths.time_step_fs
    kept = replace(paths, mobile=paths.mobile[:, :, int(skip) :])
    run = _without_answer(paths, temperature_k, int(skip), notes, trajectory)
    if kept.n_frames < LEAST_FRAMES:
        reason = f"{kept.n_frames} frames are too few; at least {LEAST_FRAMES} are needed"
        empty = np.empty(0)
        run = run.model_copy(update={"reason": reason})
        return TransportAnalysis(run, empty, empty, empty, empty, empty)
    return _diffusion(kept, run, charge_e, jump_length_angstrom, first_lag_fs)


def _without_answer(
    paths: Paths,
    temperature_k: float,
    skipped: int,
    notes: list[str],
    trajectory: TrajectoryIdentity | None,
) -> TransportRun:
    """The record with what is known before the analysis."""
    framework = check_framework(paths)
    return TransportRun(
        temperature_k=temperature_k,
        status="no_answer",
        reason=None,
        mobile=_mobile_name(paths),
        n_mobile=paths.n_mobile,
        events=0.0,
        discarded_ps=skipped * paths.time_step_fs / 1000,
        framework_intact=None if framework is None else framework.intact,
        framework=framework,
        notes=tuple(notes),
        trajectory=trajectory,
    )


def _diffusion(
    paths: Paths, run: TransportRun, charge: float, jump: float, first_lag_fs: float | None
) -> TransportAnalysis:
    step, n_frames = paths.time_step_fs, paths.n_frames
    first = max(1, round(first_lag_fs / step)) if first_lag_fs else None
    if first and first > 0.5 * LAST_LAG * n_frames:
        raise InputError(
            f"a first lag of {first_lag_fs:g} fs is too long for a run of {n_frames * step:g} fs; "
            f"fits end at {LAST_LAG:g} of the run, so take at most half of that"
        )
    alone = PathStatistics.of(paths.mobile)
    together = PathStatistics.of(collective_path(paths.mobile))
    last = int(LAST_LAG * n_frames)
    fit = fit_line(alone, last, first)
    events = count_events(paths, jump, fit)
    found: dict[str, object] = {
        "events": events,
        "msd_at_half_run_angstrom2": float(alone.msd[n_frames // 2]),
        "fit": _range(fit, step),
    }
    reason = not_diffusive(fit, float(alone.msd[n_frames // 2]), events, jump)
    if reason is None:
        found |= _self_numbers(fit, alone, step)
        factor = nernst_einstein_factor(
            paths.n_mobile, paths.volume_angstrom3, run.temperature_k, charge
        )
        d, sigma = _diffusivity(fit, step)
        found |= {"conductivity_ms_cm": factor * d, "conductivity_sigma_ms_cm": factor * sigma}
        found |= _collective_numbers(together, fit, first, paths, factor)
    found |= _verdict(reason, run.framework)
    lags = np.unique(np.geomspace(1, n_frames - 1, CURVE_POINTS).astype(np.int64))
    return TransportAnalysis(
        run=run.model_copy(update=found),
        lag_ps=lags * step / 1000,
        msd_angstrom2=alone.msd[lags],
        collective_msd_angstrom2=together.msd[lags],
        fit_lag_ps=fit.lags * step / 1000,
        fit_sigma_angstrom2=np.sqrt(np.diag(fit.covariance)),
    )


def _verdict(reason: str | None, framework: FrameworkCheck | None) -> dict[str, object]:
    if reason is not None:
        return {"status": "no_answer", "reason": reason}
    if framework is not None and not framework.intact:
        return {"status": "diagnosis", "reason": framework.reason}
    return {"status": "ok", "reason": None}


def _diffusivity(fit: LineFit, step_fs: float) -> tuple[float, float]:
    scale = CM2_S_PER_ANGSTROM2_FS / (6.0 * step_fs)
    return fit.slope * scale, fit.sigma * scale


def _self_numbers(fit: LineFit, statistics: PathStatistics, step_fs: float) -> dict[str, object]:
    d, sigma = _diffusivity(fit, step_fs)
    scale = CM2_S_PER_ANGSTROM2_FS / (2.0 * step_fs)
    xx, yy, zz, yz, xz, xy = (float(x) for x in fit.estimator @ statistics.tensor[fit.lags] * scale)
    one = sigma / d * math.sqrt(statistics.independent_directions(int(fit.lags[0])))
    return {
        "self_diffusivity_cm2_s": d,
        "sigma_cm2_s": sigma,
        "interval95_cm2_s": interval95(d, sigma),
        "diffusion_tensor_cm2_s": ((xx, xy, xz), (xy, yy, yz), (xz, yz, zz)),
        "tensor_diagonal_sigma_cm2_s": (abs(xx) * one, abs(yy) * one, abs(zz) * one),
    }


def _collective_numbers(
    statistics: PathStatistics, alone: LineFit, first: int | None, paths: Paths, factor: float
) -> dict[str, object]:
    """Charge diffusivity, conductivity and Haven ratio, or why not."""
    if paths.drift == "all" and paths.framework_indices.size == 0:
        return {"haven_reason": "no framework to measure the charge's motion against"}
    if paths.n_mobile < 2:
        return {"haven_reason": "one mobile atom has no collective motion"}
    # no shorter than what the single atoms needed
    start = first or int(alone.lags[0])
    last = max(int(LAST_COLLECTIVE_LAG * paths.n_frames), 4 * start)
    if last > LAST_LAG * paths.n_frames:
        return {"haven_reason": "the run is too short for the collective motion"}
    fit = fit_line(statistics, last, first, least_first=start)
    found: dict[str, object] = {"collective_fit": _range(fit, paths.time_step_fs)}
    if not fit.linear:
        return found | {"haven_reason": "the collective motion is not diffusive yet; run longer"}
    if fit.slope < SIGNIFICANT_SIGMA * fit.sigma:
        return found | {
            "haven_reason": "the collective diffusivity cannot be told from zero; run longer"
        }
    d, sigma = _diffusivity(fit, paths.time_step_fs)
    haven = alone.slope / fit.slope
    relative = math.hypot(fit.sigma / fit.slope, alone.sigma / alone.slope)
    found |= {
        "collective_diffusivity_cm2_s": d,
        "collective_sigma_cm2_s": sigma,
        "collective_conductivity_ms_cm": factor * d,
        "collective_conductivity_sigma_ms_cm": factor * sigma,
    }
    if relative > HAVEN_RELATIVE_SIGMA:
        return found | {
            "haven_reason": f"its error would be {100 * relative:.0f} %; run longer or repeat"
        }
    return found | {"haven_ratio": haven, "haven_sigma": haven * relative}


def interval95(d: float, sigma: float) -> tuple[float, float]:
    """Interval that holds the true diffusivity with 95 %.

    A mean of squares is a scaled chi squared variable; its degrees of freedom follow from the
    relative error, so the interval is never negative and longer upwards.
    """
    from scipy import stats

    freedom = 2.0 * (d / sigma) ** 2
    low, high = stats.chi2.ppf([0.975, 0.025], freedom)
    return float(freedom * d / low), float(freedom * d / high)


def nernst_einstein_factor(
    n_ions: int, volume_angstrom3: float, temperature_k: float, charge_e: float = 1.0
) -> float:
    """Conductivity per diffusivity, (mS/cm) / (cm2/s): n z^2 e^2 / (V k T)."""
    per_m3 = n_ions / (volume_angstrom3 * 1e-30)
    kt_volt = BOLTZMANN_EV_PER_K * temperature_k
    siemens_per_m = per_m3 * charge_e**2 * ELEMENTARY_CHARGE_C / kt_volt * 1e-4
    return siemens_per_m * 10.0


def finite_size_correction_cm2_s(
    temperature_k: float, viscosity_pa_s: float, cell_edge_angstrom: float
) -> float:
    """What a cubic periodic cell takes off the self diffusivity of a liquid [Yeh2004]_.

    2.837297 k T / (6 pi eta L). It holds for liquids; ions in a crystal feel no such flow, and
    the check there is a larger cell.
    """
    kt = BOLTZMANN_EV_PER_K * temperature_k * ELEMENTARY_CHARGE_C
    return 2.837297 * kt / (6 * math.pi * viscosity_pa_s * cell_edge_angstrom * 1e-10) * 1e4


def _range(fit: LineFit, step_fs: float) -> FitRange:
    return FitRange(
        from_ps=float(fit.lags[0]) * step_fs / 1000,
        to_ps=float(fit.lags[-1]) * step_fs / 1000,
        intercept_angstrom2=fit.intercept,
        chi_squared_p=fit.chi_squared_p,
        exponent=fit.exponent,
        exponent_sigma=fit.exponent_sigma,
        correlation_factor=fit.correlation_factor,
    )


def _size_note(paths: Paths) -> str:
    cell = paths.mean_cell
    faces = np.abs(np.linalg.det(cell)) / np.array(
        [np.linalg.norm(np.cross(cell[i - 2], cell[i - 1])) for i in range(3)]
    )
    return (
        f"finite size: {paths.n_mobile} mobile atoms in a cell {faces.min():.1f} Angstrom across; "
        "no correction was made, compare with a larger cell"
    )


def _mobile_name(paths: Paths) -> str:
    return "-".join(dict.fromkeys(paths.symbols[int(i)] for i in paths.mobile_indices))


def _check(temperature: float, charge: float, jump: float, first_lag: float | None) -> None:
    for name, value in (
        ("temperature", temperature),
        ("jump length", jump),
        ("charge", abs(charge)),
        ("first lag", 1.0 if first_lag is None else first_lag),
    ):
        if not (value > 0 and math.isfinite(value)):
            raise InputError(f"a {name} of {value:g} is impossible; give a positive number")
