"""Slabs: a crystal between two cuts, with what its faces lack or have too much of.

A slab goes from a bottom cut up to a top cut (`terminations`), so it grows by symmetry-equivalent
layers and not only by whole cells. Where an operation of the crystal turns the normal over, the
bottom cut may be the mirror of the top one: both faces are then equal (``symmetric=True``), and the
operations that map the slab on itself upside down are kept in ``Slab.flips``.

A polar face (Tasker type 3) cannot exist as cut. ``repair=True`` takes away the fraction of its
outermost ions that carries the surface charge: at both faces of a symmetric slab, and from the top
to the bottom of another one. How much that is follows from the bulk alone: the charge of the
half-crystal averaged over a period, ``Termination.surface_charge_e_per_nm2``.

>>> from interlith.structures.library import build, load_phase
>>> salt = load_phase("LiCl")
>>> slab = make_slab(build(salt), (1, 1, 1), 0, min_thickness_angstrom=9.0, symmetric=True,
...                  repair=True, oxidation_states=salt.oxidation_states)
>>> slab.structure.composition.formula, slab.removed, slab.charge_e
('Li6 Cl6', {'Cl': 2}, 0.0)
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from interlith.errors import InputError
from interlith.structures.surfaces.polar_repair import SlabAtoms, maps_lattice, repaired
from interlith.structures.surfaces.surface_cell import (
    FloatArray,
    IntArray,
    Miller,
    SurfaceCell,
    surface_cell,
)
from interlith.structures.surfaces.terminations import (
    NEUTRAL_E,
    PLANE_ANGSTROM,
    Termination,
    charges_of,
    referred,
    terminations,
)

if TYPE_CHECKING:
    from pymatgen.core import Structure

MAX_ATOMS = 1000
SAME_ANGSTROM = 0.05
"""How far an atom's image may be from an atom for a slab to count as symmetric."""


@dataclass(frozen=True)
class Flip:
    """An operation that maps a slab on itself upside down.

    (x, y) -> lateral @ (x, y) + offset (up to an in-plane lattice vector), z -> rise - z, Angstrom,
    in the frame of the slab. ``kind`` is inversion, two-fold axis (in the plane), mirror (or glide)
    plane parallel to the surface, or rotoinversion. For an inversion offset / 2 and rise / 2 are
    its centre.
    """

    kind: str
    lateral: FloatArray
    offset: FloatArray
    rise: float


@dataclass(frozen=True)
class Slab:
    """A crystal between two cuts.

    Attributes
    ----------
    structure : Structure
        a and b in the plane (rows of ``in_plane``), c along z and as long as thickness and vacuum.
        The bottom cut is at z = 0, the top cut at z = ``thickness_angstrom``. Atoms by height.
    miller : tuple of int
        Plane of the top face in the axes of the bulk's cell as given.
    top, bottom : Termination
        The faces; the bottom one is a termination of (-h-k-l). Where ions were removed or moved
        they are the faces before that.
    in_plane : (2, 2) Angstrom
        Rows; ``supercell`` @ in-plane cell of the surface cell.
    supercell : (2, 2) int
        Identity except where a repair needs a larger cell.
    thickness_angstrom : float
        From cut to cut, that is with half a gap on either side of the atoms.
    symmetric : bool
        Whether the two faces are equal. `flips` holds the operations that map the slab on itself;
        after a repair there may be none though an operation maps either face on the other.
    stoichiometric : bool
        The composition is the bulk's.
    charge_e : float or None
        Of the cell; None where oxidation states are not known.
    dipole_e_per_angstrom : float or None
        Dipole moment along z per area, e Angstrom / Angstrom2, about the middle of the slab.
    excess_per_nm2 : dict
        Atoms of both faces together beyond the bulk's composition, per nm2 of cell, the bulk
        counted by ``excess_reference``.
    tasker : int or None
        Type of the top face as cut.
    removed, moved : dict
        Ions taken away from both faces together, or carried from the top to the bottom.
    """

    structure: Structure
    miller: Miller
    top: Termination
    bottom: Termination
    in_plane: FloatArray
    supercell: IntArray
    thickness_angstrom: float
    symmetric: bool
    stoichiometric: bool
    charge_e: float | None
    dipole_e_per_angstrom: float | None
    excess_per_nm2: dict[str, float]
    excess_reference: str
    tasker: int | None
    removed: dict[str, int]
    moved: dict[str, int]
    flips: tuple[Flip, ...] = field(repr=False)

    @property
    def flip(self) -> Flip | None:
        """The simplest of the operations that turn the slab over."""
        return self.flips[0] if self.flips else None

    @property
    def area_angstrom2(self) -> float:
        """Area of one face."""
        return float(np.linalg.det(self.in_plane))


def make_slab(
    bulk: Structure,
    miller: Sequence[int],
    termination: Termination | int,
    *,
    min_thickness_angstrom: float,
    symmetric: bool = False,
    bottom: Termination | int | None = None,
    repair: bool = False,
    vacuum_angstrom: float = 0.0,
    oxidation_states: Mapping[str, float] | None = None,
    max_atoms: int = MAX_ATOMS,
    plane_tolerance_angstrom: float = PLANE_ANGSTROM,
    excess_reference: str | None = None,
) -> Slab:
    """Cut the thinnest slab of at least a thickness.

    Parameters
    ----------
    bulk, miller
        The crystal and the plane of the top face, in the axes of its cell.
    termination : Termination or int
        The top face, one of ``terminations(bulk, miller)`` or its index.
    min_thickness_angstrom : float
        From cut to cut.
    symmetric : bool
        Make both faces equal.
    bottom : Termination or int, optional
        The bottom face, one of ``terminations(bulk, (-h, -k, -l))`` or its index. Left out (and
        not ``symmetric``) the slab is cut there at a cut equivalent to the top one, which keeps the
        bulk's composition.
    repair : bool
        Rid a polar face of its surface charge; does nothing for one that is not polar.
    vacuum_angstrom : float
        Added to c. At 0 a slab of whole periods repeats as the crystal does.
    oxidation_states, plane_tolerance_angstrom, excess_reference
        As for `terminations`.
    max_atoms : int
        Budget.

    Returns
    -------
    Slab

    Raises
    ------
    InputError
        If a number is out of range, the slab would have more atoms than the budget, the crystal has
        no operation that turns this plane over (``symmetric``), or a repair is impossible.
    """
    _check_numbers(min_thickness_angstrom, vacuum_angstrom, max_atoms)
    cell = surface_cell(bulk, miller)
    states = charges_of(bulk, oxidation_states)

    def find(plane: Sequence[int]) -> tuple[Termination, ...]:
        return terminations(
            bulk,
            plane,
            oxidation_states=states,
            plane_tolerance_angstrom=plane_tolerance_angstrom,
            excess_reference=excess_reference,
        )

    top = _chosen(find(cell.miller), termination, "top")
    opposite = find(_reversed(cell.miller))
    polar = repair and _is_polar(top, states)
    below = None if bottom is None else _chosen(opposite, bottom, "bottom")
    low = _bottom_height(cell, top, below, symmetric, min_thickness_angstrom, polar)
    thickness = top.height_angstrom - low
    _check_budget(cell, thickness, max_atoms)
    atoms = _between(cell, low, top.height_angstrom)
    flips = _flips(cell, low, top.height_angstrom)
    if polar and states is not None:
        atoms = repaired(
            atoms, cell, top, states, thickness, [(f.lateral, f.offset) for f in flips]
        )
        if len(atoms.symbols) > max_atoms:
            raise _over_budget(len(atoms.symbols), max_atoms, "the repaired slab")
    face = _at_height(opposite, -low, cell)
    return _described(cell, atoms, thickness, vacuum_angstrom, top, face, flips, states)


def _check_numbers(thickness: float, vacuum: float, max_atoms: int) -> None:
    if not (thickness > 0 and math.isfinite(thickness)):
        raise InputError(
            f"a slab of thickness {thickness} Angstrom cannot be cut; give a positive number, "
            "10 to 20 is usual"
        )
    if not (vacuum >= 0 and math.isfinite(vacuum)):
        raise InputError(f"the vacuum is {vacuum} Angstrom; give zero or a positive number")
    if max_atoms < 1:
        raise InputError(f"the atom budget is {max_atoms}; it must be at least 1")


def _reversed(miller: Miller) -> Miller:
    h, k, l = miller  # noqa: E741 (the field's letters)
    return -h, -k, -l


def _chosen(known: tuple[Termination, ...], one: Termination | int, face: str) -> Termination:
    index = one.index if isinstance(one, Termination) else int(one)
    plane = known[0].miller
    if isinstance(one, Termination) and one.miller != plane:
        raise InputError(
            f"the {face} face is a termination of {one.miller}, and this slab's is one of {plane}; "
            f"take it from terminations(bulk, {plane})"
        )
    if not 0 <= index < len(known):
        raise InputError(
            f"plane {plane} has no termination {index}; there are "
            f"{', '.join(f'{t.index} ({t.label})' for t in known)}"
        )
    return known[index]


def _at_height(known: tuple[Termination, ...], height: float, cell: SurfaceCell) -> Termination:
    """The termination whose cut is at a height, up to a step."""

    def away(one: Termination) -> float:
        steps = (one.height_angstrom - height) / cell.step_angstrom
        return abs(steps - round(steps))

    return min(known, key=away)


def _is_polar(top: Termination, states: Mapping[str, float] | None) -> bool:
    if states is None:
        raise InputError(
            "to repair a polar face the oxidation state of each element must be known; give "
            "oxidation_states"
        )
    return top.tasker == 3


def _bottom_height(
    cell: SurfaceCell,
    top: Termination,
    below: Termination | None,
    symmetric: bool,
    least: float,
    polar: bool,
) -> float:
    """Height of the highest bottom cut that is deep enough below the top cut."""
    start, step = top.height_angstrom, cell.step_angstrom
    if symmetric:
        if cell.mirror_angstrom is None:
            raise InputError(
                f"no operation of the crystal turns plane {cell.miller} over, so no slab has two "
                "equal faces; take another plane, or a slab with two different faces"
            )
        start = cell.mirror_angstrom - top.height_angstrom
    if below is not None:
        away = (-below.height_angstrom - start) / step
        if symmetric and abs(away - round(away)) * step > SAME_ANGSTROM:
            raise InputError(
                f"bottom termination {below.index} ({below.label}) is not the mirror of top "
                f"termination {top.index}; leave out the one or symmetric=True"
            )
        start = -below.height_angstrom
        away = (start - top.height_angstrom) / step
        if polar and not symmetric and abs(away - round(away)) * step > SAME_ANGSTROM:
            raise InputError(
                "a repair needs a symmetric slab or the same cut at both ends; leave out the "
                "bottom termination or ask for symmetric=True"
            )
    if polar and not symmetric:  # ions move to the bottom by whole periods
        start, step = top.height_angstrom, cell.period_angstrom
    short = least - (top.height_angstrom - start) - 1e-6
    low = start - step * math.ceil(short / step)
    return low if top.height_angstrom - low > 1e-3 else low - step


def _check_budget(cell: SurfaceCell, thickness: float, max_atoms: int) -> None:
    estimate = len(cell.symbols) * thickness / cell.period_angstrom
    if estimate > max_atoms + len(cell.symbols):
        raise _over_budget(round(estimate), max_atoms, "the slab")


def _over_budget(count: int, max_atoms: int, what: str) -> InputError:
    return InputError(
        f"{what} would have {count} atoms, the budget is {max_atoms}; ask for a thinner one or "
        "raise max_atoms"
    )


def _between(cell: SurfaceCell, low: float, high: float) -> SlabAtoms:
    """Atoms between two cuts, heights counted from the lower one."""
    symbols: list[str] = []
    points: list[tuple[float, float, float]] = []
    for symbol, place, height in zip(cell.symbols, cell.lateral, cell.heights, strict=True):
        first = math.ceil((low - height) / cell.period_angstrom)
        last = math.floor((high - height) / cell.period_angstrom)
        for level in range(first, last + 1):
            x, y = place + level * cell.shift
            symbols.append(symbol)
            points.append((x, y, height + level * cell.period_angstrom - low))
    return SlabAtoms(
        symbols, np.array(points).reshape(-1, 3), np.eye(2, dtype=np.int64), Counter(), Counter()
    )


def _flips(cell: SurfaceCell, low: float, high: float) -> tuple[Flip, ...]:
    """Operations of the crystal that exchange two cuts, seen from the lower one."""
    found: dict[tuple[float, ...], Flip] = {}
    for motion in cell.turns:
        levels = (low + high - motion.rise) / cell.period_angstrom
        if abs(levels - round(levels)) * cell.period_angstrom > SAME_ANGSTROM:
            continue
        offset = motion.offset + round(levels) * cell.shift
        key = tuple(np.round(motion.lateral.ravel(), 3) + 0.0)
        found.setdefault(key, Flip(_kind(motion.lateral), motion.lateral, offset, high - low))
    order = ("inversion", "two-fold axis", "mirror", "rotoinversion")
    return tuple(sorted(found.values(), key=lambda flip: order.index(flip.kind)))


def _kind(lateral: FloatArray) -> str:
    if np.linalg.det(lateral) < 0:
        return "two-fold axis"
    if np.allclose(lateral, -np.eye(2), atol=1e-3):
        return "inversion"
    return "mirror" if np.allclose(lateral, np.eye(2), atol=1e-3) else "rotoinversion"


def _holds(flip: Flip, atoms: SlabAtoms, in_plane: FloatArray) -> bool:
    """Whether an operation maps a slab's in-plane lattice and its atoms on themselves."""
    if not maps_lattice(flip.lateral, in_plane):
        return False
    images = np.column_stack(
        [atoms.points[:, :2] @ flip.lateral.T + flip.offset, flip.rise - atoms.points[:, 2]]
    )
    kinds = np.array([atoms.symbols]) == np.array([atoms.symbols]).T
    apart = (images[:, None, :2] - atoms.points[None, :, :2]) @ np.linalg.inv(in_plane)
    apart = (apart - np.round(apart)) @ in_plane
    rise = images[:, None, 2] - atoms.points[None, :, 2]
    near = (np.hypot(apart[..., 0], apart[..., 1]) < SAME_ANGSTROM) & (abs(rise) < SAME_ANGSTROM)
    return bool((near & kinds).any(axis=1).all())


def _described(
    cell: SurfaceCell,
    atoms: SlabAtoms,
    thickness: float,
    vacuum: float,
    top: Termination,
    bottom: Termination,
    flips: tuple[Flip, ...],
    states: Mapping[str, float] | None,
) -> Slab:
    in_plane = atoms.supercell @ cell.in_plane
    held = tuple(flip for flip in flips if _holds(flip, atoms, in_plane))
    raw = {name: float(atoms.symbols.count(name)) for name in sorted(set(cell.symbols))}
    size = round(float(np.linalg.det(atoms.supercell)))
    excess = referred({k: n / size for k, n in raw.items()}, cell, top.excess_reference)
    charge = dipole = None
    if states is not None:
        charges = np.array([states[symbol] for symbol in atoms.symbols])
        total = float(charges.sum())
        charge = round(total, 6) + 0.0 if abs(total) > NEUTRAL_E else 0.0
        moment = float(charges @ (atoms.points[:, 2] - thickness / 2))
        dipole = round(moment / float(np.linalg.det(in_plane)), 9) + 0.0
    return Slab(
        structure=_structure(atoms, in_plane, thickness + vacuum),
        miller=cell.miller,
        top=top,
        bottom=bottom,
        in_plane=in_plane,
        supercell=atoms.supercell,
        thickness_angstrom=thickness,
        symmetric=bool(held or atoms.removed),
        stoichiometric=all(abs(value) < 1e-6 for value in excess.values()),
        charge_e=charge,
        dipole_e_per_angstrom=dipole,
        excess_per_nm2=excess,
        excess_reference=top.excess_reference,
        tasker=top.tasker,
        removed=dict(atoms.removed),
        moved=dict(atoms.moved),
        flips=held,
    )


def _structure(atoms: SlabAtoms, in_plane: FloatArray, height: float) -> Structure:
    from pymatgen.core import Lattice, Structure

    matrix = np.zeros((3, 3))
    matrix[:2, :2] = in_plane
    matrix[2, 2] = height
    wrapped = atoms.points[:, :2] @ np.linalg.inv(in_plane)
    wrapped -= np.floor(wrapped + 1e-6)
    fractional = np.column_stack([wrapped, atoms.points[:, 2] / height])
    keys = np.column_stack([np.round(fractional[:, :2], 4), np.round(atoms.points[:, 2], 3)])
    order = sorted(
        range(len(atoms.symbols)), key=lambda i: (keys[i, 2], atoms.symbols[i], *keys[i, :2])
    )
    return Structure(
        Lattice(matrix),
        [atoms.symbols[i] for i in order],
        fractional[order],
        coords_are_cartesian=False,
    )
