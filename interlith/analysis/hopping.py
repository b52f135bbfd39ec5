"""Sites, jumps between them, and their rates.

An atom belongs to the site whose core it visited last: it must come within a stated radius of
another site to change over. Vibration across the middle between two sites so counts as no jump
(hysteresis). A jump is a change of site; how often and how far gives the diffusivity that
uncorrelated jumps would have, and its ratio with the tracer diffusivity is the correlation factor.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interlith.analysis.displacements import Paths
from interlith.analysis.transport import CM2_S_PER_ANGSTROM2_FS
from interlith.errors import InputError
from interlith.records import Record, Status

FloatArray = npt.NDArray[np.float64]
SiteArray = npt.NDArray[np.int32]

CORE_FRACTION = 0.3
"""Radius of a core as a fraction of the smallest distance between two sites."""
FS_PER_S = 1e15
PAIR_BYTES = 64_000_000


class SiteType(Record):
    """Sites of one label together."""

    label: str
    sites: int
    occupancy: float


class JumpRate(Record):
    """Jumps from one kind of site to another; the rate is per atom sitting on the first kind."""

    from_label: str
    to_label: str
    jumps: int
    rate_per_s: float
    sigma_per_s: float
    mean_length_angstrom: float


class HoppingRecord(Record):
    """Site occupations and jump rates of one run."""

    status: Status
    reason: str | None
    core_radius_angstrom: float
    unassigned_fraction: float
    site_types: tuple[SiteType, ...]
    jumps: int
    jumps_per_atom_per_ps: float
    jump_rates: tuple[JumpRate, ...]
    uncorrelated_diffusivity_cm2_s: float | None
    returned_fraction: float | None


@dataclass(frozen=True, eq=False)
class Hopping:
    """The record with the site of every atom in every frame.

    Attributes
    ----------
    record : HoppingRecord
        The numbers.
    sites : (n_frames, n_mobile) int
        Site each atom belongs to; -1 before it first comes into a core.
    occupancies : (n_sites,)
        Mean number of atoms on each site.
    """

    record: HoppingRecord
    sites: SiteArray
    occupancies: FloatArray


def hopping(
    paths: Paths,
    site_positions_angstrom: npt.ArrayLike,
    labels: Sequence[str] | None = None,
    *,
    core_radius_angstrom: float | None = None,
) -> Hopping:
    """Assign mobile atoms to reference sites and count their jumps.

    Parameters
    ----------
    paths : Paths
        Mobile atoms, framework drift removed.
    site_positions_angstrom : (n_sites, 3)
        In the mean cell of the paths, in the frame of its first frame.
    labels : sequence of str, optional
        Kind of each site, such as "48h"; by default all are one kind.
    core_radius_angstrom : float, optional
        An atom changes to a site when it comes closer than this; by default 0.3 of the smallest
        distance between two sites. Cores must not overlap.

    Returns
    -------
    Hopping

    Raises
    ------
    InputError
        If there are fewer than two sites, labels do not fit, or cores overlap.
    """
    sites = np.asarray(site_positions_angstrom, dtype=np.float64)
    if sites.ndim != 2 or sites.shape[1] != 3 or len(sites) < 2:
        raise InputError("give the positions of at least two sites, one row of x y z each")
    kinds = tuple(labels) if labels is not None else ("site",) * len(sites)
    if len(kinds) != len(sites):
        raise InputError(f"{len(kinds)} labels for {len(sites)} sites; give one each")
    closest = _closest(sites, paths)
    radius = CORE_FRACTION * closest if core_radius_angstrom is None else core_radius_angstrom
    if not 0 < radius <= 0.5 * closest:
        raise InputError(
            f"a core radius of {radius:g} Angstrom makes cores overlap or vanish; sites are "
            f"{closest:.2f} Angstrom apart, so take at most {0.5 * closest:.2f}"
        )
    assigned = _assign(paths, sites, radius)
    return Hopping(*_count(paths, assigned, sites, kinds, radius))


def _nearest(
    positions: FloatArray, sites: FloatArray, paths: Paths
) -> tuple[FloatArray, SiteArray]:
    """Distance to and index of the nearest site, periodic, for (n, 3) positions."""
    from scipy.spatial import cKDTree

    cell = paths.mean_cell
    inverse = np.linalg.inv(cell)
    shifts = np.array(
        [
            [i, j, k]
            for i in ((-1, 0, 1) if paths.periodic[0] else (0,))
            for j in ((-1, 0, 1) if paths.periodic[1] else (0,))
            for k in ((-1, 0, 1) if paths.periodic[2] else (0,))
        ]
    )
    home = _wrapped(sites @ inverse, paths)
    images = ((home[None] + shifts[:, None]) @ cell).reshape(-1, 3)
    distance, index = cKDTree(images).query(_wrapped(positions @ inverse, paths) @ cell)
    return distance, (index % len(sites)).astype(np.int32)


def _wrapped(fractional: FloatArray, paths: Paths) -> FloatArray:
    wrapped: FloatArray = np.where(paths.periodic, fractional % 1.0, fractional)
    return wrapped


def _closest(sites: FloatArray, paths: Paths) -> float:
    apart = _minimum_image(sites[:, None] - sites[None], paths)
    lengths = np.linalg.norm(apart, axis=-1)
    lengths[np.diag_indices(len(sites))] = math.inf
    closest = float(lengths.min())
    if closest < 1e-3:
        raise InputError("two sites are at the same place; give each site once")
    return closest


def _minimum_image(apart: FloatArray, paths: Paths) -> FloatArray:
    """Shortest of the 27 images about the rounded one, which in a skew cell need not be it."""
    fractional = apart @ np.linalg.inv(paths.mean_cell)
    fractional -= np.where(paths.periodic, np.round(fractional), 0.0)
    best: FloatArray = fractional @ paths.mean_cell
    least = np.einsum("...i,...i", best, best)
    for steps in itertools.product((-1, 0, 1), repeat=3):
        if not any(steps) or np.any(np.array(steps)[~np.array(paths.periodic)]):
            continue
        image = (fractional + steps) @ paths.mean_cell
        length = np.einsum("...i,...i", image, image)
        nearer = length < least * (1 - 1e-12)
        best[nearer], least = image[nearer], np.where(nearer, length, least)
    return best


def _assign(paths: Paths, sites: FloatArray, radius: float) -> SiteArray:
    """Site of the last core visited, (n_frames, n_mobile)."""
    assigned = np.full((paths.n_frames, paths.n_mobile), -1, dtype=np.int32)
    size = max(1, PAIR_BYTES // (24 * paths.n_mobile))
    for start in range(0, paths.n_frames, size):
        positions = paths.positions(start, start + size)
        distance, index = _nearest(positions.reshape(-1, 3), sites, paths)
        core = np.where(distance <= radius, index, -1).reshape(positions.shape[:2])
        assigned[start : start + size] = core
    # between cores an atom stays where it was last
    frame = np.where(assigned >= 0, np.arange(paths.n_frames)[:, None], -1)
    last = np.maximum.accumulate(frame, axis=0)
    filled = np.take_along_axis(assigned, np.maximum(last, 0), axis=0)
    return np.where(last >= 0, filled, -1).astype(np.int32)


def _count(
    paths: Paths, assigned: SiteArray, sites: FloatArray, kinds: tuple[str, ...], radius: float
) -> tuple[HoppingRecord, SiteArray, FloatArray]:
    n_frames = paths.n_frames
    before, after = assigned[:-1], assigned[1:]
    frame, atom = np.nonzero((before != after) & (before >= 0))
    start, end = before[frame, atom], after[frame, atom]
    vector = _minimum_image(sites[end] - sites[start], paths)
    squares = (vector**2).sum(axis=1)
    known = assigned >= 0
    occupancies = np.bincount(assigned[known], minlength=len(sites)) / n_frames
    time_fs = n_frames * paths.time_step_fs
    atom_time = float(known.sum()) * paths.time_step_fs
    names = tuple(dict.fromkeys(kinds))
    kind = np.array([names.index(k) for k in kinds])
    record = HoppingRecord(
        status="ok" if len(frame) else "no_answer",
        reason=None if len(frame) else "no atom changed its site; run longer or hotter",
        core_radius_angstrom=radius,
        unassigned_fraction=float(1 - known.mean()),
        site_types=tuple(
            SiteType(
                label=name,
                sites=int((kind == i).sum()),
                occupancy=float(occupancies[kind == i].mean()),
            )
            for i, name in enumerate(names)
        ),
        jumps=len(frame),
        jumps_per_atom_per_ps=len(frame) / atom_time * 1000 if atom_time else 0.0,
        jump_rates=_rates(kind[start], kind[end], squares, occupancies, kind, names, time_fs),
        uncorrelated_diffusivity_cm2_s=(
            float(squares.sum()) / (6 * atom_time) * CM2_S_PER_ANGSTROM2_FS if len(frame) else None
        ),
        returned_fraction=_returned(frame, atom, start, end),
    )
    return record, assigned, occupancies


def _rates(
    start: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
    squares: FloatArray,
    occupancies: FloatArray,
    kind: npt.NDArray[np.int64],
    names: tuple[str, ...],
    time_fs: float,
) -> tuple[JumpRate, ...]:
    rates = []
    for i, first in enumerate(names):
        seconds = float(occupancies[kind == i].sum()) * time_fs / FS_PER_S
        for j, second in enumerate(names):
            chosen = (start == i) & (end == j)
            count = int(chosen.sum())
            if not count:
                continue
            rates.append(
                JumpRate(
                    from_label=first,
                    to_label=second,
                    jumps=count,
                    rate_per_s=count / seconds,
                    sigma_per_s=math.sqrt(count) / seconds,
                    mean_length_angstrom=float(np.sqrt(squares[chosen]).mean()),
                )
            )
    return tuple(rates)


def _returned(
    frame: npt.NDArray[np.int64],
    atom: npt.NDArray[np.int64],
    start: SiteArray,
    end: SiteArray,
) -> float | None:
    """Part of the jumps whose atom goes straight back with its next jump."""
    order = np.lexsort((frame, atom))
    same = atom[order][1:] == atom[order][:-1]
    if not same.any():
        return None
    back = (start[order][:-1] == end[order][1:])[same]
    return float(back.mean())
