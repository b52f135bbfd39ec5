"""Which symmetric tilt boundaries a cubic lattice has: axis, plane, sigma, angle.

The boundary plane (hkl) holds the tilt axis, and the second lattice is the first one after half a
turn about the plane's normal. Sigma is then h^2 + k^2 + l^2 without its factor of two (indices
without a common factor), for primitive and centred lattices alike.

>>> from interlith.structures.surfaces.tilt_geometry import tilt_sigmas
>>> tilt_sigmas((0, 0, 1), max_sigma=13)
{5: ((2, 1, 0), (3, 1, 0)), 13: ((3, 2, 0), (5, 1, 0))}
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError

IntArray = npt.NDArray[np.int64]
Indices = tuple[int, int, int]

LARGEST_SIGMA = 99


def sigma_of_plane(plane: Sequence[int]) -> int:
    """Sigma of the symmetric tilt boundary with this plane in a cubic lattice."""
    h, k, l = checked_indices(plane, "plane")  # noqa: E741 (the field's letters)
    square = h * h + k * k + l * l
    return square // 2 if square % 2 == 0 else square


def tilt_sigmas(
    axis: Sequence[int], max_sigma: int = LARGEST_SIGMA
) -> dict[int, tuple[Indices, ...]]:
    """Sigmas of symmetric tilt boundaries about an axis, with their planes.

    Planes that cubic symmetry turns into each other with the axis kept are named once.

    Raises
    ------
    InputError
        If the axis is no direction, or has no twofold axis at right angles, without which no
        symmetric boundary is a pure tilt.
    """
    direction = np.array(checked_indices(axis, "axis"))
    if not _half_turn_axes(direction):
        raise InputError(
            f"no twofold axis is normal to [{in_words(direction)}], so it has no symmetric tilt "
            "boundaries; take an axis such as 0 0 1, 1 1 0 or 1 1 1"
        )
    reach = math.isqrt(2 * max_sigma)
    grid = np.array(list(itertools.product(range(-reach, reach + 1), repeat=3)))
    grid = grid[(grid @ direction == 0) & (np.gcd.reduce(grid, axis=1) == 1)]
    kept = [one for one in _CUBIC if abs(direction @ one @ direction) == direction @ direction]
    images = np.stack([grid @ one for one in kept])
    found: dict[int, set[Indices]] = {}
    for plane in {max(map(tuple, orbit.tolist())) for orbit in np.swapaxes(images, 0, 1)}:
        sigma = sigma_of_plane(plane)
        if 1 < sigma <= max_sigma:
            found.setdefault(sigma, set()).add(plane)
    return {
        sigma: tuple(sorted(found[sigma], key=lambda p: (sum(i * i for i in p), [-i for i in p])))
        for sigma in sorted(found)
    }


def boundary_plane(sigma: int, axis: Indices, plane: Sequence[int] | None) -> Indices:
    """The plane of a boundary about an axis, checked; the one with the smallest indices if none.

    Raises
    ------
    InputError
        If there is no such boundary; the message has the sigmas or planes that there are.
    """
    known = tilt_sigmas(axis)
    if sigma not in known:
        raise InputError(
            f"there is no symmetric tilt boundary of sigma {sigma} about [{in_words(axis)}]; up to "
            f"{LARGEST_SIGMA} there are {', '.join(map(str, known))}"
        )
    if plane is None:
        return known[sigma][0]
    face = checked_indices(plane, "plane")
    choices = ", ".join(f"({in_words(one)})" for one in known[sigma])
    if np.dot(face, axis):
        raise InputError(
            f"the plane ({in_words(face)}) does not hold the axis [{in_words(axis)}]; for a tilt "
            f"boundary of sigma {sigma} take {choices}"
        )
    if (own := sigma_of_plane(face)) != sigma:
        raise InputError(
            f"the symmetric tilt boundary with plane ({in_words(face)}) is of sigma {own}, not "
            f"{sigma}, whose planes are {choices}"
        )
    return face


def checked_indices(given: Sequence[int], what: str) -> Indices:
    """Three integers without a common factor; InputError that names what they are for."""
    numbers = list(given)
    if len(numbers) != 3 or any(
        isinstance(n, bool) or not isinstance(n, int | np.integer) for n in numbers
    ):
        raise InputError(f"the {what} is three integers such as (1, 1, 0), not {given!r}")
    if not (common := math.gcd(*map(int, numbers))):
        raise InputError(f"(0, 0, 0) is no {what}; at least one index must not be zero")
    h, k, l = (int(n) // common for n in numbers)  # noqa: E741 (the field's letters)
    return h, k, l


def in_words(indices: Sequence[int] | IntArray) -> str:
    """Indices as a user types them."""
    return " ".join(str(int(i)) for i in indices)


def _half_turn_axes(axis: IntArray) -> list[IntArray]:
    """Twofold axes of the cube at right angles to a direction."""
    axes = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    squares = (axes**2).sum(axis=1)
    return [one for one in axes[(squares > 0) & (squares < 3)] if one @ axis == 0]


def tilt_angle_deg(axis: Sequence[int], plane: Sequence[int]) -> float:
    """Smallest turn about the axis that equals half a turn about the plane's normal.

    Half a turn about the normal after one about a twofold axis of the lattice is a turn about the
    direction normal to both, by twice the angle between them.
    """
    normal = np.array(plane, dtype=np.float64)
    cosines = [
        abs(float(one @ normal)) / math.sqrt(float(one @ one) * float(normal @ normal))
        for one in _half_turn_axes(np.array(axis))
    ]
    return 2 * math.degrees(math.acos(min(1.0, max(cosines))))


_CUBIC = [
    np.array(signs)[:, None] * np.eye(3, dtype=np.int64)[list(order)]
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]
