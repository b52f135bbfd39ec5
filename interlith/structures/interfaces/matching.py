"""Which supercells of two surface lattices fit onto each other, and with what strain.

The method of Zur and McGill: all supercells of both sides up to an area, Gauss-reduced, compared.
A match is a linear map that takes lattice points of one side to points of the other; two maps that
differ by point operations of the sides are one match, and a supercell of a match is no new one.

>>> from interlith.structures.interfaces.matching import match_lattices
>>> best, *_ = match_lattices([[3, 0], [0, 3]], [[4.2, 0], [0, 4.2]], max_area_angstrom2=40)
>>> best.n_a, best.n_b, round(best.area_angstrom2, 2)
(2, 1, 17.82)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError
from interlith.structures.interfaces import plane_lattice as plane
from interlith.structures.interfaces.match_search import (
    MOST_PAIRS,
    candidates,
    one_of_each_class,
    turns_deg,
)
from interlith.structures.interfaces.plane_lattice import ROUND_OFF, FloatArray, IntArray
from interlith.structures.interfaces.strain import (
    Strain,
    biot_strains,
    check_share,
    principal_strains,
)
from interlith.structures.interfaces.strain import von_mises as von_mises_strain

Symmetry = Sequence[npt.ArrayLike] | IntArray | Literal["lattice"] | None


@dataclass(frozen=True)
class MatchLimits:
    """What a match may be.

    Attributes
    ----------
    max_area_angstrom2 : float
        Of the common (strained) cell.
    max_strain : float
        Largest absolute principal strain of either side, after sharing.
    min_angle_deg, max_angle_deg : float
        Of the common cell. It is reduced, so only limits within 60 to 120 drop anything.
    max_aspect_ratio : float or None
        Longer over shorter vector of the common cell.

    Raises
    ------
    InputError
        If a limit makes no sense.
    """

    max_area_angstrom2: float = 400.0
    max_strain: float = 0.05
    min_angle_deg: float = 45.0
    max_angle_deg: float = 135.0
    max_aspect_ratio: float | None = None

    def __post_init__(self) -> None:
        area, strain, aspect = self.max_area_angstrom2, self.max_strain, self.max_aspect_ratio
        if not (math.isfinite(area) and area > 0):
            raise InputError(f"the largest area is {area:g} Angstrom2; it must be positive")
        if not 0 <= strain < 1:
            raise InputError(f"the largest strain is {strain:g}; give a fraction such as 0.05")
        if not 0 < self.min_angle_deg <= self.max_angle_deg < 180:
            raise InputError(
                f"angles from {self.min_angle_deg:g} to {self.max_angle_deg:g} degrees; they lie "
                "between 0 and 180, the smaller first"
            )
        if aspect is not None and not aspect >= 1:
            raise InputError(f"the largest aspect ratio is {aspect:g}; it is at least 1")

    def log_stretches(self, share_a: float) -> tuple[float, float]:
        """Log stretches e of the map a to b that strain neither side past the limit.

        Side a is stretched by ``exp(share_a e)``, side b by ``exp(-(1 - share_a) e)``.
        """
        longer, shorter = math.log1p(self.max_strain), math.log1p(-self.max_strain)
        a, b = share_a or math.nan, (1 - share_a) or math.nan
        lows = [low for low in (shorter / a, -longer / b) if not math.isnan(low)]
        highs = [high for high in (longer / a, -shorter / b) if not math.isnan(high)]
        return max(lows), min(highs)

    def allow(self, match: Match) -> bool:
        """Whether the common cell is within area, angle and aspect ratio."""
        return (
            match.area_angstrom2 <= self.max_area_angstrom2 * (1 + ROUND_OFF)
            and self.min_angle_deg - 1e-6 <= match.angle_deg <= self.max_angle_deg + 1e-6
            and (
                self.max_aspect_ratio is None or match.aspect_ratio <= self.max_aspect_ratio + 1e-9
            )
        )


@dataclass(frozen=True, eq=False)
class Match:
    """Two supercells that share one in-plane cell.

    Attributes
    ----------
    supercell_a, supercell_b : (2, 2) int
        Rows in units of the primitive in-plane vectors, determinant > 0.
    cell : (2, 2)
        Common cell, rows, Angstrom; reduced, a along +x, right-handed, angle 60 to 120 degrees.
    deformation_a, deformation_b : (2, 2)
        Deformation gradients with the rotation in them:
        ``supercell_a @ in_plane_a @ deformation_a.T == cell``.
    strain_a, strain_b : tuple
        Biot strain (exx, eyy, exy) in the frame of the common cell.
    misfit : float
        Largest absolute principal logarithmic strain between the two sides, whoever takes it.
    """

    supercell_a: IntArray
    supercell_b: IntArray
    cell: FloatArray
    deformation_a: FloatArray
    deformation_b: FloatArray
    strain_a: Strain
    strain_b: Strain
    misfit: float

    @property
    def n_a(self) -> int:
        """Primitive in-plane cells of a in the common cell."""
        return plane.determinant(self.supercell_a)

    @property
    def n_b(self) -> int:
        """Primitive in-plane cells of b in the common cell."""
        return plane.determinant(self.supercell_b)

    @property
    def area_angstrom2(self) -> float:
        """Area of the common cell."""
        return float(self.cell[0, 0] * self.cell[1, 1])

    @property
    def angle_deg(self) -> float:
        """Angle between the two vectors of the common cell."""
        return plane.angle_deg(self.cell)

    @property
    def aspect_ratio(self) -> float:
        """Longer over shorter vector of the common cell."""
        return math.hypot(*self.cell[1]) / math.hypot(*self.cell[0])

    @property
    def von_mises_a(self) -> float:
        """Equivalent strain of side a, as in `interlith.structures.interfaces.strain.von_mises`."""
        return von_mises_strain(self.strain_a)

    @property
    def von_mises_b(self) -> float:
        """Equivalent strain of side b."""
        return von_mises_strain(self.strain_b)

    @property
    def largest_strain_a(self) -> float:
        """Largest absolute principal strain of side a."""
        return max(abs(e) for e in principal_strains(self.strain_a))

    @property
    def largest_strain_b(self) -> float:
        """Largest absolute principal strain of side b."""
        return max(abs(e) for e in principal_strains(self.strain_b))

    @property
    def largest_strain(self) -> float:
        """Largest absolute principal strain of either side: what ``max_strain`` limits."""
        return max(self.largest_strain_a, self.largest_strain_b)

    @property
    def sort_key(self) -> tuple[float, ...]:
        """Area, strain, supercells: rounded, so that round-off does not reorder."""
        integers = (*self.supercell_a.ravel(), *self.supercell_b.ravel())
        area, strain = round(self.area_angstrom2, 6), round(self.largest_strain, 9)
        return (area, strain, *(float(i) for i in integers))


def match_lattices(
    in_plane_a: npt.ArrayLike,
    in_plane_b: npt.ArrayLike,
    *,
    max_area_angstrom2: float = 400.0,
    max_strain: float = 0.05,
    share_a: float = 0.5,
    min_angle_deg: float = 45.0,
    max_angle_deg: float = 135.0,
    max_aspect_ratio: float | None = None,
    symmetry_a: Symmetry = "lattice",
    symmetry_b: Symmetry = "lattice",
) -> tuple[Match, ...]:
    """All matches of two lattices within the limits, smallest area first.

    Parameters
    ----------
    in_plane_a, in_plane_b : (2, 2)
        Primitive in-plane lattices, right-handed rows, Angstrom.
    max_area_angstrom2, max_strain, min_angle_deg, max_angle_deg, max_aspect_ratio
        As in `MatchLimits`.
    share_a : float
        Fraction of the (logarithmic) misfit that a takes: 0 leaves a as it is, 1 leaves b.
    symmetry_a, symmetry_b : sequence of (2, 2) int, "lattice" or None
        Point operations of each side (rows: images of the in-plane vectors in units of them);
        matches that they turn into each other count once. "lattice" takes all operations of the
        bare 2-D lattice, mirrors among them: fewest matches, blind to turns of a crystal that its
        lattice does not feel. None: the identity alone.

    Returns
    -------
    tuple of Match
        Sorted by area, then strain; the same input gives the same order. Empty if nothing fits:
        `interlith.structures.interfaces.near_miss` says what would.

    Raises
    ------
    InputError
        If a lattice is degenerate or left-handed, a limit makes no sense, an operation does not
        keep its lattice, or the limits leave too much to search: more than 400 primitive cells of
        one side in the area, or 400,000 pairs of supercells.

    Notes
    -----
    Sides are only turned, never mirrored: a mirror image is another crystal surface, unless the
    operations of its side hold a mirror, and then its matches are these.
    """
    limits = MatchLimits(
        max_area_angstrom2, max_strain, min_angle_deg, max_angle_deg, max_aspect_ratio
    )
    return find_matches(
        in_plane_a,
        in_plane_b,
        limits,
        share_a=share_a,
        symmetry_a=symmetry_a,
        symmetry_b=symmetry_b,
    )


def find_matches(
    in_plane_a: npt.ArrayLike,
    in_plane_b: npt.ArrayLike,
    limits: MatchLimits,
    *,
    share_a: float = 0.5,
    symmetry_a: Symmetry = "lattice",
    symmetry_b: Symmetry = "lattice",
    most_pairs: int = MOST_PAIRS,
) -> tuple[Match, ...]:
    """As `match_lattices`, with the limits in one object and one on the work."""
    lattice_a = plane.check_lattice(in_plane_a, "side a")
    lattice_b = plane.check_lattice(in_plane_b, "side b")
    share = check_share(share_a)
    group_a = _operations(lattice_a, symmetry_a, "side a")
    group_b = _operations(lattice_b, symmetry_b, "side b")
    if (plane.determinants(group_b) > 0).all():
        group_a = group_a[plane.determinants(group_a) > 0]
    super_a, super_b = candidates(
        lattice_a,
        lattice_b,
        limits.max_area_angstrom2,
        limits.log_stretches(share),
        share,
        group_a,
        most_pairs,
    )
    turns = turns_deg(super_a @ lattice_a, super_b @ lattice_b)
    kept = one_of_each_class(super_a, super_b, group_a, group_b, turns)
    matches = _matches(lattice_a, lattice_b, super_a[kept], super_b[kept], share)
    return tuple(sorted(filter(limits.allow, matches), key=lambda match: match.sort_key))


def pareto_front(
    matches: Iterable[Match], cost: Callable[[Match], float] | None = None
) -> tuple[Match, ...]:
    """Matches that no other beats in both strain and cost, cheapest first.

    Parameters
    ----------
    matches : iterable of Match
        Of one pair of lattices or of many.
    cost : callable, optional
        What is to be small besides the largest strain, such as the atom count; the area by
        default.
    """
    priced = [(round(cost(match) if cost else match.area_angstrom2, 6), match) for match in matches]
    priced.sort(key=lambda one: (one[0], round(one[1].largest_strain, 9), one[1].sort_key))
    front: list[Match] = []
    for _, match in priced:
        if not front or match.largest_strain < front[-1].largest_strain - ROUND_OFF:
            front.append(match)
    return tuple(front)


def shift_grid(cell: npt.ArrayLike, spacing_angstrom: float) -> FloatArray:
    """(n, 2) fractional shifts on a regular grid of a cell, no coarser than a spacing; 0 is first.

    Raises
    ------
    InputError
        If the spacing is not positive.
    """
    if not (math.isfinite(spacing_angstrom) and spacing_angstrom > 0):
        raise InputError(f"a grid spacing of {spacing_angstrom:g} Angstrom; it must be positive")
    lengths = np.linalg.norm(np.asarray(cell, dtype=np.float64), axis=1)
    counts = [max(1, math.ceil(length / spacing_angstrom - 1e-9)) for length in lengths]
    grid = np.indices(counts).reshape(2, -1).T
    return np.asarray(grid / np.array(counts), dtype=np.float64)


def _matches(
    lattice_a: FloatArray, lattice_b: FloatArray, super_a: IntArray, super_b: IntArray, share: float
) -> list[Match]:
    """The common cells, deformations and strains of pairs of supercells."""
    cells_a, cells_b = super_a @ lattice_a, super_b @ lattice_b
    rows = np.linalg.solve(cells_a, cells_b)  # the transposed gradient of a to b
    squares, axes = np.linalg.eigh(rows @ np.swapaxes(rows, 1, 2))
    stretch_a = (axes * squares[:, None, :] ** (share / 2)) @ np.swapaxes(axes, 1, 2)
    reduced, changes = plane.reduce_cells(cells_a @ stretch_a)
    common = plane.along_x(reduced)
    misfits = np.abs(np.log(squares) / 2).max(axis=1, initial=0.0)
    sides = []
    for supercells, lattice in ((changes @ super_a, lattice_a), (changes @ super_b, lattice_b)):
        gradients = np.swapaxes(np.linalg.solve(supercells @ lattice, common), 1, 2)
        sides.append((supercells, gradients, biot_strains(gradients)))
    (whole_a, to_a, strains_a), (whole_b, to_b, strains_b) = sides
    parts = zip(
        whole_a, whole_b, common, to_a, to_b, strains_a, strains_b, misfits.tolist(), strict=True
    )
    return [Match(*part) for part in parts]


def _operations(lattice: FloatArray, symmetry: Symmetry, name: str) -> IntArray:
    if symmetry is None:
        return np.eye(2, dtype=np.int64)[None]
    if isinstance(symmetry, str):
        if symmetry != "lattice":
            raise InputError(f"the symmetry of {name} is '{symmetry}'; 'lattice' is the only word")
        return plane.lattice_operations(lattice)
    return plane.check_operations(lattice, symmetry, name)
