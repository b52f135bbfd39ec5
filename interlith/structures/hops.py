"""Hops of an ion to its nearest sites: pairs of crystals that differ by one jump.

A vacancy hop takes an ion into an empty neighbouring site of its own kind, an interstitial hop an
extra ion from one void to the next. Of the hops that symmetry makes alike one is kept. Both ends
list the same atoms in the same order, the mover last and unwrapped along its way, so that a
straight line between them is the jump.

>>> from interlith.structures.hops import vacancy_hops
>>> from interlith.structures.library import build, load_phase
>>> hops = vacancy_hops(build(load_phase("Li2S")), "Li", max_distance_angstrom=4.2)
>>> [(round(hop.distance_angstrom, 2), hop.multiplicity) for hop in hops]
[(2.86, 6), (4.05, 12)]
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError
from interlith.structures.insertion import (
    MIN_RATIO,
    SYMPREC_ANGSTROM,
    symmetry_operations,
    void_sites,
)
from interlith.structures.reading import require_ordered

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = npt.NDArray[np.float64]
HopKind = Literal["vacancy", "interstitial"]
Pair = tuple[int, int, tuple[int, int, int]]

MAX_DISTANCE_ANGSTROM = 4.5
MIN_LENGTH_ANGSTROM = 9.0
"""Distance between periodic images of the defect."""
SAME_LENGTH_ANGSTROM = 1e-3


@dataclass(frozen=True)
class Hop:
    """One jump.

    Attributes
    ----------
    start, end : Structure
        Same supercell, same atoms in the same order; the mover is the last one.
    ion : str
        Element that jumps.
    from_site, to_site : int
        Indices of the sites in the small cell; of the voids for an interstitial.
    multiplicity : int
        Jumps of this kind that leave the site.
    """

    start: Structure
    end: Structure
    ion: str
    kind: HopKind
    distance_angstrom: float
    from_site: int
    to_site: int
    multiplicity: int

    @property
    def label(self) -> str:
        """Short name, such as ``Li vacancy 0-3 2.86 A``."""
        return (
            f"{self.ion} {self.kind} {self.from_site}-{self.to_site} {self.distance_angstrom:.2f} A"
        )


def vacancy_hops(
    structure: Structure,
    ion: str,
    *,
    max_distance_angstrom: float = MAX_DISTANCE_ANGSTROM,
    min_length_angstrom: float = MIN_LENGTH_ANGSTROM,
    symprec_angstrom: float = SYMPREC_ANGSTROM,
) -> tuple[Hop, ...]:
    """Jumps of an ion into a vacancy of its own kind, shortest first.

    Parameters
    ----------
    structure : Structure
        Ordered crystal, with no vacancy yet.
    ion : str
        Element that jumps.
    max_distance_angstrom : float
        Longest jump.
    min_length_angstrom : float
        Supercells are made at least this wide in every direction.

    Raises
    ------
    InputError
        If the crystal is disordered or holds no such ion, or no jump is short enough.
    """
    require_ordered(structure, structure.composition.reduced_formula)
    _check_lengths(max_distance_angstrom, min_length_angstrom, symprec_angstrom)
    ions = [i for i, site in enumerate(structure) if site.specie.symbol == ion]
    if not ions:
        raise InputError(
            f"{structure.composition.reduced_formula} holds no {ion}; it holds "
            f"{', '.join(sorted(structure.symbol_set))}"
        )
    points = structure.frac_coords[ions]
    found = _distinct_pairs(structure, points, max_distance_angstrom, symprec_angstrom)
    return tuple(
        _vacancy_hop(structure, ion, ions, pair, count, min_length_angstrom)
        for pair, count in found
    )


def interstitial_hops(
    structure: Structure,
    ion: str,
    *,
    max_distance_angstrom: float = MAX_DISTANCE_ANGSTROM,
    min_length_angstrom: float = MIN_LENGTH_ANGSTROM,
    min_ratio: float = MIN_RATIO,
    symprec_angstrom: float = SYMPREC_ANGSTROM,
) -> tuple[Hop, ...]:
    """Jumps of one extra ion between voids, shortest first; as :func:`vacancy_hops`.

    The ions of the crystal stay: a jump that pushes one of them on is not among these.

    Parameters
    ----------
    min_ratio : float
        Room asked of a void, see :func:`interlith.structures.insertion.void_sites`.

    Raises
    ------
    InputError
        If there is no void, or none is near enough to another one.
    """
    _check_lengths(max_distance_angstrom, min_length_angstrom, symprec_angstrom)
    voids = void_sites(structure, ion, min_ratio=min_ratio, symprec_angstrom=symprec_angstrom)
    if not len(voids):
        raise InputError(
            f"{structure.composition.reduced_formula} has no void with room for {ion}; lower "
            f"min_ratio={min_ratio}"
        )
    found = _distinct_pairs(structure, voids.frac_coords, max_distance_angstrom, symprec_angstrom)
    return tuple(
        _interstitial_hop(structure, ion, voids.frac_coords, pair, count, min_length_angstrom)
        for pair, count in found
    )


def multiples(structure: Structure, min_length_angstrom: float) -> tuple[int, int, int]:
    """Repeats of each lattice vector that make the cell at least this wide in every direction."""
    heights = 1 / np.linalg.norm(np.linalg.inv(structure.lattice.matrix), axis=0)
    a, b, c = (max(1, int(np.ceil(min_length_angstrom / h - 1e-6))) for h in heights)
    return a, b, c


def _distinct_pairs(
    structure: Structure, points: FloatArray, reach: float, symprec: float
) -> list[tuple[Pair, int]]:
    """One pair of sites of each kind, and how many of its kind leave the first one."""
    from pymatgen.core import Structure as Crystal

    sites = Crystal(structure.lattice, ["H"] * len(points), points)
    first, second, images, lengths = sites.get_neighbor_list(reach)
    if not len(first):
        raise InputError(
            f"no two sites of the ion in {structure.composition.reduced_formula} are within "
            f"{reach:g} Angstrom; raise max_distance_angstrom"
        )
    rotations, shifts = symmetry_operations(structure, symprec)
    table = [
        _image_table(structure, points, w, t, symprec)
        for w, t in zip(rotations, shifts, strict=True)
    ]
    order = np.lexsort((images[:, 2], images[:, 1], images[:, 0], second, first, lengths.round(3)))
    seen: set[Pair] = set()
    found: list[tuple[Pair, int]] = []
    for index in order:
        i, j = int(first[index]), int(second[index])
        pair: Pair = (i, j, _whole(images[index]))
        if pair in seen:
            continue
        alike = set(_images_of(pair, rotations, table))
        seen |= alike
        found.append((pair, sum(one[0] == i for one in alike)))
    return found


def _image_table(
    structure: Structure,
    points: FloatArray,
    rotation: FloatArray,
    shift: FloatArray,
    symprec: float,
) -> tuple[list[int], npt.NDArray[np.int_]] | None:
    """Where an operation sends each point: index and cell; None if it does not map them."""
    moved = points @ rotation.T + shift
    apart = moved[:, None] - points[None]
    cells = np.round(apart)
    lengths = np.linalg.norm((apart - cells) @ structure.lattice.matrix, axis=2)
    nearest = lengths.argmin(axis=1)
    rows = np.arange(len(points))
    if lengths[rows, nearest].max() > 5 * symprec or len(set(nearest.tolist())) < len(points):
        return None
    return nearest.tolist(), cells[rows, nearest].astype(int)


def _images_of(
    pair: Pair,
    rotations: FloatArray,
    table: list[tuple[list[int], npt.NDArray[np.int_]] | None],
) -> Iterable[Pair]:
    """The pair under every operation, forth and back."""
    i, j, image = pair
    for rotation, entry in zip(rotations, table, strict=True):
        if entry is None:
            continue
        to, cells = entry
        turned = np.round(rotation @ np.array(image)).astype(int)
        between = cells[j] + turned - cells[i]
        yield to[i], to[j], _whole(between)
        yield to[j], to[i], _whole(-between)
    yield pair
    yield j, i, _whole(-np.array(image))


def _vacancy_hop(
    structure: Structure, ion: str, ions: list[int], pair: Pair, count: int, min_length: float
) -> Hop:
    i, j, image = pair
    jump = structure.frac_coords[ions[j]] + image - structure.frac_coords[ions[i]]
    repeats = multiples(structure, min_length)
    large = _supercell(structure, repeats)
    origin = structure.frac_coords[ions[i]] / repeats
    target = (structure.frac_coords[ions[i]] + jump) / repeats
    gone = [_nearest(large, origin), _nearest(large, target)]
    if gone[0] == gone[1]:
        raise InputError(
            f"the cell of {min_length:g} Angstrom is too small for a jump of "
            f"{_length(structure, jump):.2f}; raise min_length_angstrom"
        )
    large.remove_sites(gone)
    return _hop(structure, large, ion, "vacancy", origin, jump, pair, count, repeats)


def _interstitial_hop(
    structure: Structure, ion: str, points: FloatArray, pair: Pair, count: int, min_length: float
) -> Hop:
    i, j, image = pair
    jump = points[j] + image - points[i]
    repeats = multiples(structure, min_length)
    large = _supercell(structure, repeats)
    return _hop(
        structure, large, ion, "interstitial", points[i] / repeats, jump, pair, count, repeats
    )


def _hop(
    structure: Structure,
    rest: Structure,
    ion: str,
    kind: HopKind,
    origin: FloatArray,
    jump: FloatArray,
    pair: Pair,
    count: int,
    repeats: tuple[int, int, int],
) -> Hop:
    start, end = rest.copy(), rest.copy()
    start.append(ion, origin)
    end.append(ion, origin + jump / repeats)
    return Hop(start, end, ion, kind, round(_length(structure, jump), 6), pair[0], pair[1], count)


def _supercell(structure: Structure, repeats: tuple[int, int, int]) -> Structure:
    large = structure.copy()
    large.remove_oxidation_states()
    large.make_supercell(np.diag(repeats), to_unit_cell=False)
    return large


def _nearest(structure: Structure, point: FloatArray) -> int:
    return int(structure.lattice.get_all_distances(point, structure.frac_coords)[0].argmin())


def _length(structure: Structure, jump: FloatArray) -> float:
    return float(np.linalg.norm(jump @ structure.lattice.matrix))


def _whole(image: npt.ArrayLike) -> tuple[int, int, int]:
    a, b, c = (int(x) for x in np.asarray(image))
    return a, b, c


def _check_lengths(reach: float, length: float, symprec: float) -> None:
    if not 0 < reach <= 15 or not 0 < length <= 50 or symprec <= 0:
        raise InputError(
            f"max_distance_angstrom={reach:g}, min_length_angstrom={length:g}, "
            f"symprec_angstrom={symprec:g}: they must be positive, at most 15 and 50"
        )
