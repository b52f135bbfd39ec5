"""When no match is within the limits: what the nearest ones are and which limit to loosen.

>>> from interlith.structures.interfaces.matching import MatchLimits
>>> from interlith.structures.interfaces.near_miss import nearest_miss
>>> tight = MatchLimits(max_area_angstrom2=30, max_strain=0.001)
>>> miss = nearest_miss([[3, 0], [0, 3]], [[4.2, 0], [0, 4.2]], tight, share_a=0.0)
>>> round(miss.in_area.largest_strain, 3), round(miss.in_area.area_angstrom2, 2)
(0.01, 18.0)
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError
from interlith.structures.interfaces.match_search import MOST_SUPERCELLS
from interlith.structures.interfaces.matching import Match, MatchLimits, find_matches
from interlith.structures.interfaces.plane_lattice import check_lattice
from interlith.structures.interfaces.strain import check_share

STRAIN_LIMIT, AREA_FACTOR = 0.3, 16.0
"""How far the search for a near miss loosens the strain, and by how much the area."""
_STEP = 1.6
_MOST_PAIRS = 40_000  # a hint may not take longer than the search that failed


@dataclass(frozen=True)
class NearMiss:
    """The nearest matches outside of the limits.

    Attributes
    ----------
    limits : MatchLimits
        What was asked for.
    in_area : Match or None
        The least strained match within the area (and angles); None up to a strain of 0.3.
    in_strain : Match or None
        The smallest match within the strain (and angles); None up to 16 times the area.
    only_shape : bool
        Whether there are matches within area and strain that angle or aspect ratio excludes; then
        nothing else was searched.
    """

    limits: MatchLimits
    in_area: Match | None
    in_strain: Match | None
    only_shape: bool = False

    @property
    def nearest(self) -> str:
        """What is nearest, and what to loosen."""
        if self.only_shape:
            return (
                "some are within both, but not within the limits of angle or aspect ratio; loosen "
                "these"
            )
        found = []
        if self.in_area is not None:
            found.append(
                f"the least strained one within the area has a strain of "
                f"{_above(self.in_area.largest_strain, 3)} at "
                f"{self.in_area.area_angstrom2:.1f} Angstrom2"
            )
        if self.in_strain is not None:
            found.append(
                "the smallest one within the strain has "
                f"{_above(self.in_strain.area_angstrom2, 0)} Angstrom2"
            )
        if not found:
            found.append(
                f"a search up to a strain of {STRAIN_LIMIT:g} and {AREA_FACTOR:g} times the area "
                "found none near"
            )
        return f"{'; '.join(found)}; loosen --max-strain or --max-area, or try other Miller indices"

    @property
    def message(self) -> str:
        """What was asked for, what is nearest, what to loosen."""
        limits = self.limits
        return (
            f"no match within {limits.max_area_angstrom2:g} Angstrom2 and a strain of "
            f"{limits.max_strain:g}: {self.nearest}"
        )


def nearest_miss(
    in_plane_a: npt.ArrayLike, in_plane_b: npt.ArrayLike, limits: MatchLimits, *, share_a: float
) -> NearMiss:
    """Loosen strain and area one at a time until something fits.

    Parameters
    ----------
    in_plane_a, in_plane_b : (2, 2)
        As in `match_lattices`.
    limits : MatchLimits
        The limits within which there was no match.
    share_a : float
        As in `match_lattices`.
    """
    a, b = check_lattice(in_plane_a, "side a"), check_lattice(in_plane_b, "side b")
    check_share(share_a)
    shapeless = MatchLimits(limits.max_area_angstrom2, limits.max_strain)
    if shapeless != limits and _find(a, b, shapeless, share_a):
        return NearMiss(limits, None, None, only_shape=True)
    in_area: tuple[Match, ...] = ()
    strain = limits.max_strain
    while not in_area and strain < STRAIN_LIMIT:
        strain = min(STRAIN_LIMIT, max(0.01, strain * _STEP))
        in_area = _find(a, b, dataclasses.replace(limits, max_strain=strain), share_a)
    in_strain: tuple[Match, ...] = ()
    area, factor = limits.max_area_angstrom2, 1.0
    # Strained sides have somewhat more cells in the same area than unstrained ones.
    room = 0.6 * MOST_SUPERCELLS * min(float(np.linalg.det(a)), float(np.linalg.det(b))) / area
    most = min(AREA_FACTOR, room)
    while not in_strain and factor < most:
        factor = min(most, factor * _STEP)
        wider = dataclasses.replace(limits, max_area_angstrom2=factor * area)
        in_strain = _find(a, b, wider, share_a)
    best = sorted(in_area, key=lambda match: (round(match.largest_strain, 9), match.sort_key))
    return NearMiss(limits, best[0] if best else None, in_strain[0] if in_strain else None)


def nearest_of(misses: Iterable[NearMiss]) -> NearMiss:
    """The nearest miss over many pairs of surfaces searched with the same limits.

    Raises
    ------
    InputError
        If there are none: no pair of surfaces was tried.
    """
    all_of_them = list(misses)
    if not all_of_them:
        raise InputError("no pair of surfaces was tried; give at least one Miller index per side")
    in_area = [miss.in_area for miss in all_of_them if miss.in_area is not None]
    in_strain = [miss.in_strain for miss in all_of_them if miss.in_strain is not None]
    return NearMiss(
        all_of_them[0].limits,
        min(in_area, key=lambda match: match.largest_strain, default=None),
        min(in_strain, key=lambda match: match.area_angstrom2, default=None),
        all(miss.only_shape for miss in all_of_them),
    )


def _find(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], limits: MatchLimits, share_a: float
) -> tuple[Match, ...]:
    try:
        return find_matches(a, b, limits, share_a=share_a, most_pairs=_MOST_PAIRS)
    except InputError:  # the input is checked: only the work can be too much
        return ()


def _above(value: float, digits: int) -> str:
    """Rounded up, so that the stated limit is one that admits the match."""
    return f"{math.ceil(value * 10**digits - 1e-9) / 10**digits:.{digits}f}"
