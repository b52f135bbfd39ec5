"""Band edges on both sides of an interface, lined up by the electrostatic potential.

The potential energy of an electron is averaged over planes, then over one period of each side's
layers: what is left is flat inside a thick enough layer, and its step from one side to the other
carries the band edges of the two bulks across. This is the macroscopic average that MacroDensity
(github.com/WMD-group/MacroDensity) also takes, and the usual line-up of bulk levels:

    E_v(b) - E_v(a) = [E_v(b) - V(b)]_bulk - [E_v(a) - V(a)]_bulk + [V(b) - V(a)]_interface.

Band gaps of semilocal functionals are too small, so the conduction side is: the valence offset is
what such a calculation says best.

>>> import numpy as np
>>> z = np.arange(400) * 0.1  # two layers of 20 Angstrom, periods of 2 and 2.5, a step of 1 eV
>>> left = np.where(z < 20, 3 * np.cos(np.pi * z), 1 + 2 * np.cos(0.8 * np.pi * z))
>>> profile = PotentialProfile.of(left, 40.0)
>>> smooth = macroscopic_average(profile, (2.0, 2.5))
>>> step = potential_step(smooth, (5.0, 15.0), (25.0, 35.0))
>>> step.status, round(step.step_ev, 3)
('ok', 1.0)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError
from interlith.records import Record, Status

FloatArray = npt.NDArray[np.float64]
FLAT_EV = 0.1
"""A plateau may range over this much; a choice, of the size of what offsets are trusted to."""
Alignment = Literal["straddling", "staggered", "broken"]


class PotentialProfile(Record):
    """Potential energy of an electron along a cell vector's normal.

    Attributes
    ----------
    length_angstrom : float
        Period; the points are evenly spaced from 0.
    values_ev : tuple of float
        Averaged over planes. The zero is the code's own.
    """

    length_angstrom: float
    values_ev: tuple[float, ...]

    @classmethod
    def of(cls, values_ev: npt.ArrayLike, length_angstrom: float) -> PotentialProfile:
        """From numbers.

        Raises
        ------
        InputError
            If there are fewer than eight, one is not finite, or the length is not positive.
        """
        values = np.asarray(values_ev, float)
        if values.ndim != 1 or len(values) < 8 or not np.isfinite(values).all():
            raise InputError(
                f"a profile of shape {values.shape}; it takes eight finite numbers or more"
            )
        if not 0 < length_angstrom < np.inf:
            raise InputError(f"a period of {length_angstrom} Angstrom; it must be positive")
        return cls(
            length_angstrom=float(length_angstrom), values_ev=tuple(float(v) for v in values)
        )

    @property
    def heights_angstrom(self) -> FloatArray:
        """Where the points are."""
        return np.arange(len(self.values_ev)) * self.length_angstrom / len(self.values_ev)


class StepRecord(Record):
    """Step of the smoothed potential from one layer into the next.

    Attributes
    ----------
    step_ev : float or None
        Second minus first; None where a plateau is not flat.
    levels_ev : tuple
        Mean of each plateau.
    ranges_ev : tuple
        Largest minus smallest value of each plateau.
    """

    status: Status
    reason: str | None = None
    step_ev: float | None = None
    levels_ev: tuple[float, float]
    ranges_ev: tuple[float, float]
    windows_angstrom: tuple[tuple[float, float], tuple[float, float]]


class BulkEdges(Record):
    """Band edges of a bulk against the mean of its electrostatic potential.

    Attributes
    ----------
    valence_ev : float
        Top of the valence band minus the mean potential.
    gap_ev : float
        Zero for a metal, whose Fermi level then stands for both edges.
    """

    formula: str
    valence_ev: float
    gap_ev: float

    @property
    def conduction_ev(self) -> float:
        """Bottom of the conduction band, against the mean potential."""
        return self.valence_ev + self.gap_ev


class LineUpRecord(Record):
    """Band edges of two bulks across their interface.

    Attributes
    ----------
    valence_offset_ev, conduction_offset_ev : float or None
        Edge of b minus edge of a.
    alignment : str or None
        Whether one gap lies inside the other ("straddling"), they overlap ("staggered") or do not
        ("broken": electrons pass from one side's valence band into the other's conduction band).
    barrier_for_electrons_ev, barrier_for_holes_ev : float or None
        From a into b: what b's conduction edge lies above a's, b's valence edge below a's; zero
        where there is none.
    """

    schema_version: int = 1
    status: Status
    reason: str | None = None
    a: BulkEdges
    b: BulkEdges
    step: StepRecord
    valence_offset_ev: float | None = None
    conduction_offset_ev: float | None = None
    alignment: Alignment | None = None
    barrier_for_electrons_ev: float | None = None
    barrier_for_holes_ev: float | None = None


def planar_average(potential_ev: npt.ArrayLike, axis: int) -> FloatArray:
    """Mean over the planes across a cell vector of a potential on the cell's grid."""
    grid = np.asarray(potential_ev, float)
    if grid.ndim != 3 or axis not in (0, 1, 2):
        raise InputError(f"a potential of shape {grid.shape} along axis {axis}; give a 3-d grid")
    mean: FloatArray = grid.mean(axis=tuple(i for i in range(3) if i != axis))
    return mean


def macroscopic_average(
    profile: PotentialProfile, periods_angstrom: Sequence[float]
) -> PotentialProfile:
    """Average over a window of each given width, one after the other.

    Parameters
    ----------
    periods_angstrom : sequence of float
        Distance of equal layers on each side; one number where both are alike.

    Raises
    ------
    InputError
        If a period is not positive or longer than the cell.

    Notes
    -----
    Done on the Fourier series, where a window is a factor: exact for a periodic profile, with no
    rounding of a period to grid points.
    """
    values = np.fft.rfft(profile.values_ev)
    waves = np.arange(len(values)) / profile.length_angstrom
    for period in periods_angstrom:
        if not 0 < period <= profile.length_angstrom:
            raise InputError(
                f"a layer period of {period} Angstrom in a cell of {profile.length_angstrom:.2f}: "
                "it must be positive and fit in"
            )
        values = values * np.sinc(waves * period)
    return PotentialProfile.of(
        np.fft.irfft(values, len(profile.values_ev)), profile.length_angstrom
    )


def potential_step(
    profile: PotentialProfile,
    first_angstrom: tuple[float, float],
    second_angstrom: tuple[float, float],
    *,
    flat_ev: float = FLAT_EV,
) -> StepRecord:
    """Step of a smoothed potential between two windows, one inside each layer.

    Parameters
    ----------
    first_angstrom, second_angstrom : (float, float)
        From and to, along the normal; from above to across the boundary wraps around.
    flat_ev : float
        A window in which the potential ranges over more is no plateau.

    Returns
    -------
    StepRecord
        "no_answer" without plateaus: the layers are too thin, or a field runs through them.

    Raises
    ------
    InputError
        If a window holds fewer than two points.
    """
    values = [_inside(profile, window) for window in (first_angstrom, second_angstrom)]
    low, high = (float(one.mean()) for one in values)
    ranges = (float(np.ptp(values[0])), float(np.ptp(values[1])))
    common: dict[str, Any] = {
        "levels_ev": (low, high),
        "ranges_ev": ranges,
        "windows_angstrom": (first_angstrom, second_angstrom),
    }
    if max(ranges) > flat_ev:
        reason = (
            f"the smoothed potential ranges over {ranges[0]:.2f} and {ranges[1]:.2f} eV inside the "
            f"two layers, more than {flat_ev} eV: they are too thin, or a field runs through them"
        )
        return StepRecord(status="no_answer", reason=reason, **common)
    return StepRecord(status="ok", step_ev=high - low, **common)


def line_up(a: BulkEdges, b: BulkEdges, step: StepRecord) -> LineUpRecord:
    """Band edges of b against those of a; ``step`` is the potential of b minus that of a."""
    if step.step_ev is None:
        return LineUpRecord(status="no_answer", reason=step.reason, a=a, b=b, step=step)
    valence = b.valence_ev - a.valence_ev + step.step_ev
    conduction = b.conduction_ev - a.conduction_ev + step.step_ev
    return LineUpRecord(
        status="ok",
        a=a,
        b=b,
        step=step,
        valence_offset_ev=valence,
        conduction_offset_ev=conduction,
        alignment=_alignment(a, valence, conduction),
        barrier_for_electrons_ev=max(0.0, conduction),
        barrier_for_holes_ev=max(0.0, -valence),
    )


def potentials_against_lithium(found: LineUpRecord) -> tuple[float, float] | None:
    """Potentials at which a line-up with Li metal lets electrons in and takes them, V vs Li/Li+.

    The Fermi level of the metal is 0 V. The first is where the conduction band of the other side
    begins (below 0 where Li cannot fill it), the second where its valence band ends. None without
    an answer, or where neither side is Li.

    >>> a, b = (BulkEdges(formula=f, valence_ev=v, gap_ev=g) for f, v, g in
    ...         (("LiCl", -4.0, 6.0), ("Li", 0.0, 0.0)))
    >>> step = StepRecord(status="ok", step_ev=1.0, levels_ev=(0, 1), ranges_ev=(0, 0),
    ...                   windows_angstrom=((0, 1), (2, 3)))
    >>> potentials_against_lithium(line_up(a, b, step))
    (-1.0, 5.0)
    """
    valence, conduction = found.valence_offset_ev, found.conduction_offset_ev
    if valence is None or conduction is None:
        return None
    if found.b.formula == "Li":
        return conduction, valence
    if found.a.formula == "Li":
        return -conduction, -valence
    return None


def _alignment(a: BulkEdges, valence: float, conduction: float) -> Alignment:
    """With a's valence edge at 0 and its gap g, b's edges are ``valence`` and g + conduction."""
    if valence > a.gap_ev or a.gap_ev + conduction < 0:
        return "broken"
    return "straddling" if valence * conduction <= 0 else "staggered"


def _inside(profile: PotentialProfile, window: tuple[float, float]) -> FloatArray:
    start, stop = (value % profile.length_angstrom for value in window)
    heights = profile.heights_angstrom
    between = (heights >= start) & (heights <= stop)
    chosen = between if start <= stop else (heights >= start) | (heights <= stop)
    values: FloatArray = np.asarray(profile.values_ev)[chosen]
    if len(values) < 2:
        raise InputError(
            f"the window from {window[0]} to {window[1]} Angstrom holds {len(values)} points; give "
            "a wider one inside the layer"
        )
    return values
