"""Is a run long enough, settled and diffusive: the rules, and the numbers they go by."""

from __future__ import annotations

import math

import numpy as np

from interlith.analysis.displacements import Paths
from interlith.analysis.msd_fit import LineFit, PathStatistics

LEAST_FRAMES = 50
LEAST_EVENTS = 20
"""Jumps for a diffusivity, see :func:`count_events` ([He2018]_ links their number to the error)."""
EVENT_FRAMES = 20_000
LAST_LAG, LAST_COLLECTIVE_LAG = 0.3, 0.1
"""Longest lag of the fits as a part of the trajectory."""
EXPONENT_RANGE = (0.7, 1.3)
SIGNIFICANT_SIGMA = 2.0
HAVEN_RELATIVE_SIGMA = 0.5
EQUILIBRATION_BLOCKS, EQUILIBRATION_SIGMA = 100, 3.5


def equilibration_frames(paths: Paths, notes: list[str]) -> int:
    """Frames to leave out at the start.

    The squared displacement over a hundredth of the run, averaged over the atoms, is compared
    between a tenth of the run and its second half; tenths are left out until they agree within
    3.5 standard errors, at most half the run, which adds a note.
    """
    blocks = EQUILIBRATION_BLOCKS
    lag = paths.n_frames // blocks
    if lag < 1:
        return 0
    statistics = PathStatistics(paths.mobile, np.empty(0), np.empty(0))
    activity = statistics.squares(lag, lag).mean(axis=0)
    tenth, half = len(activity) // 10, activity[len(activity) // 2 :]
    # the scatter of the second half: a part that is still changing must not hide behind its own
    error = float(half.std(ddof=1)) * math.sqrt(1 / tenth + 1 / half.size)
    for tenths in range(5):
        part = activity[tenths * tenth : (tenths + 1) * tenth]
        if abs(part.mean() - half.mean()) <= EQUILIBRATION_SIGMA * error:
            return tenths * tenth * lag
    notes.append("the run is not stationary: its first half differs from the second")
    return 5 * tenth * lag


def not_diffusive(fit: LineFit, half_run: float, events: float, jump: float) -> str | None:
    """Why there is no diffusivity, or None."""
    if half_run < jump**2:
        return (
            f"the mean squared displacement reaches {half_run:.2g} Angstrom^2 in half the run, "
            f"less than one jump of {jump:g} Angstrom squared; run longer or hotter"
        )
    low, high = EXPONENT_RANGE
    away = abs(fit.exponent - 1) > SIGNIFICANT_SIGMA * fit.exponent_sigma
    if away and not low <= fit.exponent <= high:
        return (
            f"the motion is not diffusive: the displacement grows as time to the power "
            f"{fit.exponent:.2f} ± {fit.exponent_sigma:.2f}, not 1; run longer"
        )
    if fit.slope < SIGNIFICANT_SIGMA * fit.sigma:
        return "the diffusivity cannot be told from zero (below two standard errors); run longer"
    if events < LEAST_EVENTS:
        return (
            f"about {events:.0f} jumps were seen, fewer than {LEAST_EVENTS}; run longer, hotter or "
            "in a larger cell"
        )
    if not fit.linear:
        return (
            "the mean squared displacement is no straight line at any range of lags up to "
            f"{LAST_LAG:g} of the run; run longer"
        )
    return None


def count_events(paths: Paths, jump_length_angstrom: float, fit: LineFit) -> float:
    """How many jumps the run holds: the smaller of two counts.

    Times an atom came a jump length away from where it last was counted; and the diffusive part of
    all squared displacements over the squared jump length, which jumps there and back do not raise.
    """
    net = paths.n_mobile * max(fit.slope, 0.0) * (paths.n_frames - 1) / jump_length_angstrom**2
    stride = max(1, paths.n_frames // EVENT_FRAMES)
    anchor = np.array(paths.mobile[:, :, 0], dtype=np.float64)
    count = 0
    for frame in np.ascontiguousarray(paths.mobile[:, :, ::stride].transpose(2, 0, 1)):
        away = ((frame - anchor) ** 2).sum(axis=1) >= jump_length_angstrom**2
        if away.any():
            count += int(away.sum())
            anchor[away] = frame[away]
    return min(float(count), net)
