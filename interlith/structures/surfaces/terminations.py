"""Every way to end a crystal at a plane, told apart by symmetry and not by label.

Atoms are projected on the normal and gathered into planes; between two planes the crystal can be
cut. Two cuts give the same surface exactly when an operation of the space group maps one on the
other without turning the normal over, and such operations act on heights as shifts by multiples of
``SurfaceCell.step_angstrom``. So the inequivalent surfaces are the gaps within one step: no slab is
built and none compared.

What comes out are half-crystals below the cut, outward normal +(hkl). If the crystal has an
operation that turns the normal over, the half-crystals above the cuts are the same ones again
(``mirror_cut`` says which); if not, they are those of (-h-k-l).

How this compares with counting slabs: the conventional cell of tetragonal garnet has 32 cuts along
c where planes are told apart at 0.1 Angstrom (24 at 0.25). Body centring and fourfold screw axes
make them 8 (6) different half-crystals. pymatgen's ``CoherentInterfaceBuilder`` lists all 32 (24)
without its filter; with it, and ``label_index=True``, it compares whole slabs and lists 4 (3),
because a slab and the same slab upside down are one to it, although the face that meets the other
crystal is ``Li6La2`` in the one and ``O4`` in the other. In a crystal without symmetry, such as
cubic garnet with its lithium ordered, there is nothing to merge and both count the same.

>>> from interlith.structures.library import build, load_phase
>>> [one.label for one in terminations(build(load_phase("Li2S")), (1, 1, 1))]
['Li', 'Li', 'S']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError
from interlith.structures.surfaces.surface_cell import (
    SYMMETRY_ANGSTROM,
    FloatArray,
    KeyedStructure,
    Miller,
    SurfaceCell,
    checked_miller,
    keyed_structure,
    site_symbols,
    surface_cell,
)

if TYPE_CHECKING:
    from pymatgen.core import Structure

PLANE_ANGSTROM = 0.1
"""Atoms whose heights follow each other within this are one plane, and no cut parts them."""
BOND_RATIO = 1.2
"""Atoms closer than this many sums of their covalent radii are bonded."""
NEUTRAL_E = 1e-3
"""Charges of a plane or a cell below this are none."""
STATE_TOLERANCE_E = 0.01
"""Per atom: oxidation states may be rounded by this much."""
POLAR_E_PER_NM2 = 0.01
"""Surface charges below this are none: rounded coordinates leave as much."""
ANIONS = {"N", "O", "S", "Se", "F", "Cl", "Br", "I"}
UNFIT_REFERENCES = {"Li", "Na", "K", "H"} | ANIONS
"""Elements that move or vary too easily to count the others by."""


@dataclass(frozen=True)
class Termination:
    """A half-crystal: everything below a cut, outward normal +(hkl).

    Attributes
    ----------
    miller : tuple of int
        Plane in the axes of the cell as given.
    index : int
        Place in the tuple that `terminations` returns, which goes by height.
    height_angstrom : float
        Of the cut, half-way in its gap; in [0, step of the surface cell).
    gap_angstrom : float
        Distance between the planes next to the cut.
    label : str
        Atoms of the topmost plane per in-plane cell, such as ``Li2O3``.
    multiplicity : int
        Equivalent cuts per period of the surface cell.
    mirror_cut : int or None
        Index of the cut whose upper half-crystal is this one upside down: a slab between that cut
        and this one has two equal faces. None if no operation turns the normal over.
    chiral : bool
        The half-crystal and its mirror image cannot be brought to coincide by symmetry.
    excess_per_nm2 : dict
        Atoms of each element beyond the bulk's composition, per nm2 of surface, where the amount of
        bulk is set by ``excess_reference`` (whose own excess is therefore 0).
    excess_reference : str
        The element by which the bulk is counted.
    broken_bonds_per_nm2 : float
        Bonds that the cut severs.
    severed_valence_per_nm2 : float or None
        Electrostatic strengths (Pauling: a cation's charge over its coordination number) of those
        bonds; what tells a cut between Li and O from one between Co and O. None where no oxidation
        states were given.
    breaks_polyanion : bool
        One of them joins two non-metals or metalloids (P-S, P-O, Ge-S, C-C).
    surface_charge_e_per_nm2 : float or None
        Charge of the half-crystal per area when the bulk below is averaged over a period; what a
        polar surface must get rid of. None where no oxidation states were given.
    tasker : int or None
        1: every plane is neutral; 2: planes are charged, the surface is not; 3: polar.
    """

    miller: Miller
    index: int
    height_angstrom: float
    gap_angstrom: float
    label: str
    multiplicity: int
    mirror_cut: int | None
    chiral: bool
    excess_per_nm2: dict[str, float]
    excess_reference: str
    broken_bonds_per_nm2: float
    breaks_polyanion: bool
    severed_valence_per_nm2: float | None = None
    surface_charge_e_per_nm2: float | None = None
    tasker: int | None = None


def terminations(
    bulk: Structure,
    miller: Sequence[int],
    *,
    oxidation_states: Mapping[str, float] | None = None,
    plane_tolerance_angstrom: float = PLANE_ANGSTROM,
    excess_reference: str | None = None,
) -> tuple[Termination, ...]:
    """All half-crystals with outward normal +(hkl) that symmetry does not make equal.

    Parameters
    ----------
    bulk : Structure
        Ordered crystal, in any cell.
    miller : three int
        Plane in the axes of that cell.
    oxidation_states : mapping, optional
        Charge of each element. Left out, those that decorate the structure are taken, and zero in a
        crystal of one element; otherwise charges stay unknown (None).
    plane_tolerance_angstrom : float
        Atoms whose heights follow each other within this are one plane.
    excess_reference : str, optional
        Element to count the bulk by. Left out, the rarest that is neither an alkali metal nor a
        common anion, then the rarest anion.

    Returns
    -------
    tuple of Termination
        By height of the cut; at least one.

    Raises
    ------
    InputError
        As `surface_cell`, and for a tolerance that is not positive or an unknown element.
    """
    if not plane_tolerance_angstrom > 0:
        raise InputError(
            f"the plane tolerance is {plane_tolerance_angstrom} Angstrom; it must be positive, "
            f"{PLANE_ANGSTROM} by default"
        )
    plane, keyed = checked_miller(miller), keyed_structure(bulk)
    states = charges_of(bulk, oxidation_states)
    reference = _reference(bulk, excess_reference)
    found = _terminations(keyed, plane, plane_tolerance_angstrom, reference)
    if states is None:
        return found
    cell = surface_cell(bulk, plane)
    neutral = _planes_neutral(cell, states, plane_tolerance_angstrom)
    bonds = _bonds(keyed, plane)
    return tuple(_charged(one, cell, states, neutral, bonds) for one in found)


def charges_of(
    bulk: Structure, oxidation_states: Mapping[str, float] | None
) -> dict[str, float] | None:
    """Charge of each element: as given, as decorated, zero for a pure element, or None.

    Raises
    ------
    InputError
        If states are given but not for every element, or do not add up to a neutral crystal.
    """
    symbols = site_symbols(bulk)
    if oxidation_states is None:
        states: dict[str, list[float]] = {}
        for symbol, site in zip(symbols, bulk, strict=True):
            charge = getattr(site.specie, "oxi_state", None)
            if charge is not None:
                states.setdefault(symbol, []).append(float(charge))
        if set(states) == set(symbols):
            return _neutral(bulk, {name: float(np.mean(them)) for name, them in states.items()})
        return {symbols[0]: 0.0} if len(set(symbols)) == 1 else None
    missing = sorted(set(symbols) - set(oxidation_states))
    if missing:
        raise InputError(
            f"oxidation states are given for {sorted(oxidation_states)}, and the crystal also "
            f"holds {', '.join(missing)}; give a state for every element"
        )
    return _neutral(bulk, {name: float(oxidation_states[name]) for name in sorted(set(symbols))})


def _neutral(bulk: Structure, states: dict[str, float]) -> dict[str, float]:
    """States made neutral to the last digit, such as those of LiC6 with C at -0.1667."""
    charges = [states[symbol] for symbol in site_symbols(bulk)]
    if abs(sum(charges)) / len(bulk) > STATE_TOLERANCE_E:
        raise InputError(
            f"oxidation states {states} give {bulk.composition.reduced_formula} a charge of "
            f"{sum(charges) / len(bulk):+.3f} e per atom; a crystal is neutral, so correct them"
        )
    negative = -sum(charge for charge in charges if charge < 0)
    positive = sum(charge for charge in charges if charge > 0)
    if min(negative, positive) == 0:
        return dict.fromkeys(states, 0.0)
    factor = positive / negative
    return {name: charge * factor if charge < 0 else charge for name, charge in states.items()}


def _reference(bulk: Structure, wanted: str | None) -> str:
    symbols = site_symbols(bulk)
    if wanted is not None:
        if wanted not in symbols:
            raise InputError(
                f"{bulk.composition.reduced_formula} holds no {wanted} to count the excess by; "
                f"choose one of {', '.join(sorted(set(symbols)))}"
            )
        return wanted
    from ase.data import atomic_numbers

    def rank(symbol: str) -> tuple[bool, bool, int, int]:
        unfit = symbol in UNFIT_REFERENCES
        return unfit, symbol in {"Li", "Na", "K"}, symbols.count(symbol), -atomic_numbers[symbol]

    return min(set(symbols), key=rank)


@lru_cache(maxsize=256)
def _terminations(
    keyed: KeyedStructure, miller: Miller, tolerance: float, reference: str
) -> tuple[Termination, ...]:
    cell = surface_cell(keyed.structure, miller)
    folded = cell.heights % cell.step_angstrom
    cuts, gaps, below = _cuts(folded, cell.step_angstrom, tolerance)
    bonds = _bonds(keyed, miller)
    found = []
    for number, (cut, gap, members) in enumerate(zip(cuts, gaps, below, strict=True)):
        broken, polyanion = _broken(bonds, cell, cut)
        found.append(
            Termination(
                miller,
                number,
                cut,
                gap,
                _label(cell, members),
                cell.multiplicity,
                _mirror_cut(cell, cuts, cut),
                not any(
                    np.linalg.det(motion.lateral) < 0 and _same(motion.rise, 0.0, cell)
                    for motion in cell.keeps
                ),
                _excess(cell, cut, reference),
                reference,
                broken,
                polyanion,
            )
        )
    return tuple(found)


def _cuts(
    heights: FloatArray, circle: float, tolerance: float
) -> tuple[list[float], list[float], list[npt.NDArray[np.int64]]]:
    """Cuts on a circle of heights, their gaps, and the atoms of the plane below each."""
    order = np.argsort(heights, kind="stable")
    sorted_heights = heights[order]
    steps = np.diff(sorted_heights, append=sorted_heights[0] + circle)
    open_gaps = np.flatnonzero(steps > tolerance)
    if len(open_gaps) == 0:  # the planes of a high-index surface may all be that close
        open_gaps = np.flatnonzero(steps > steps.max() - SYMMETRY_ANGSTROM)
    found = []
    for place, gap in enumerate(open_gaps):
        start = open_gaps[place - 1] + 1
        stop = gap + 1 if place else gap + 1 + len(order)
        members = np.take(order, np.arange(start, stop) % len(order))
        if len(open_gaps) == 1:
            members = order
        cut = (sorted_heights[gap] + steps[gap] / 2) % circle
        found.append((float(cut), float(steps[gap]), members.astype(np.int64)))
    found.sort(key=lambda one: one[0])
    return [one[0] for one in found], [one[1] for one in found], [one[2] for one in found]


def _label(cell: SurfaceCell, members: npt.NDArray[np.int64]) -> str:
    """Atoms of the plane per in-plane cell; equivalent planes of a period are one here."""
    from ase.data import atomic_numbers

    symbols = [cell.symbols[i] for i in members]
    names = sorted(set(symbols), key=lambda name: (name in ANIONS, atomic_numbers[name]))
    counts = [round(symbols.count(name) / cell.multiplicity) for name in names]
    return "".join(name + (str(n) if n > 1 else "") for name, n in zip(names, counts, strict=True))


def _same(one: float, other: float, cell: SurfaceCell) -> bool:
    difference = (one - other) / cell.period_angstrom
    return abs(difference - round(difference)) * cell.period_angstrom < cell.step_angstrom / 2


def _mirror_cut(cell: SurfaceCell, cuts: list[float], cut: float) -> int | None:
    if cell.mirror_angstrom is None:
        return None
    image = cell.mirror_angstrom - cut
    away = (np.array(cuts) - image) / cell.step_angstrom
    return int(np.argmin(np.abs(away - np.round(away))))


def raw_excess(cell: SurfaceCell, cut_angstrom: float) -> dict[str, float]:
    """Atoms below a cut beyond a uniform crystal that ends there, per in-plane cell."""
    depth = ((cut_angstrom - cell.heights) / cell.period_angstrom) % 1.0
    found = dict.fromkeys(sorted(set(cell.symbols)), 0.0)
    for symbol, share in zip(cell.symbols, depth, strict=True):
        found[symbol] += 0.5 - float(share)
    return found


def _excess(cell: SurfaceCell, cut: float, reference: str) -> dict[str, float]:
    return referred(raw_excess(cell, cut), cell, reference)


def referred(raw: Mapping[str, float], cell: SurfaceCell, reference: str) -> dict[str, float]:
    """Excess per nm2 when the amount of bulk is counted by one element."""
    amount = {name: cell.symbols.count(name) for name in raw}
    area = cell.area_angstrom2 / 100.0
    shares = {name: raw[name] - raw[reference] * amount[name] / amount[reference] for name in raw}
    return {name: round(share / area, 9) + 0.0 for name, share in shares.items()}


def _planes_neutral(cell: SurfaceCell, states: Mapping[str, float], tolerance: float) -> bool:
    _, _, planes = _cuts(cell.heights % cell.step_angstrom, cell.step_angstrom, tolerance)
    charge = np.array([states[symbol] for symbol in cell.symbols])
    return all(abs(float(charge[plane].sum())) < NEUTRAL_E for plane in planes)


def _charged(
    one: Termination,
    cell: SurfaceCell,
    states: Mapping[str, float],
    neutral: bool,
    bonds: _Bonds,
) -> Termination:
    raw = raw_excess(cell, one.height_angstrom)
    charge = sum(states[name] * share for name, share in raw.items())
    per_area = 100.0 * charge / cell.area_angstrom2
    tasker = 3 if abs(per_area) > POLAR_E_PER_NM2 else 1 if neutral else 2
    return replace(
        one,
        surface_charge_e_per_nm2=round(per_area, 9) + 0.0,
        tasker=tasker,
        severed_valence_per_nm2=_severed_valence(bonds, cell, one.height_angstrom, states),
    )


@dataclass(frozen=True, eq=False)
class _Bonds:
    """Bonds of a primitive cell, each from both of its ends.

    Height of one end, height of the other above it, whether both are non-metals, and the elements.
    """

    low: FloatArray
    rise: FloatArray
    covalent: npt.NDArray[np.bool_]
    centre: npt.NDArray[np.int64]
    symbols: npt.NDArray[np.str_]
    end_symbols: npt.NDArray[np.str_]


@lru_cache(maxsize=256)
def _bonds(keyed: KeyedStructure, miller: Miller) -> _Bonds:
    bulk, cell = keyed.structure, surface_cell(keyed.structure, miller)
    from ase.data import atomic_numbers, covalent_radii
    from pymatgen.core import Element

    names = site_symbols(bulk)
    radii = np.array([covalent_radii[atomic_numbers[name]] for name in names])
    centres, ends, images, distances = bulk.get_neighbor_list(2 * BOND_RATIO * float(radii.max()))
    metal = np.array([Element(name).is_metal for name in names])
    bonded = distances < BOND_RATIO * (radii[centres] + radii[ends])
    if not metal.all():
        bonded &= ~(metal[centres] & metal[ends])
    place = np.full(len(names), -1)
    place[cell.index] = np.arange(len(cell.index))
    bonded &= place[centres] >= 0
    centres, ends, images = centres[bonded], ends[bonded], images[bonded]
    vectors = bulk.cart_coords[ends] - bulk.cart_coords[centres] + images @ bulk.lattice.matrix
    rise = vectors @ cell.rotation[2]
    elements = np.array(names)
    return _Bonds(
        cell.heights[place[centres]],
        rise,
        ~metal[centres] & ~metal[ends],
        centres,
        elements[centres],
        elements[ends],
    )


def _crossings(bonds: _Bonds, cell: SurfaceCell, cut: float) -> FloatArray:
    """How often each bond goes through one of the cuts at this height."""
    start = (bonds.low - cut) / cell.period_angstrom
    levels = np.floor(start + bonds.rise / cell.period_angstrom) - np.floor(start)
    return np.asarray(np.abs(levels), dtype=np.float64)


def _broken(bonds: _Bonds, cell: SurfaceCell, cut: float) -> tuple[float, bool]:
    """Bonds per nm2 that a cut severs, and whether one joins two non-metals."""
    crossings = _crossings(bonds, cell, cut)
    number = float(crossings.sum()) / 2.0
    return 100.0 * number / cell.area_angstrom2, bool((crossings[bonds.covalent] > 0).any())


def _severed_valence(
    bonds: _Bonds, cell: SurfaceCell, cut: float, states: Mapping[str, float]
) -> float:
    """Bond strengths (cation charge over its coordination number) that a cut severs, per nm2."""
    charge = np.array([states[symbol] for symbol in bonds.symbols])
    other = np.array([states[symbol] for symbol in bonds.end_symbols])
    ionic = (charge > 0) & (other < 0)
    coordination = np.bincount(bonds.centre[ionic], minlength=int(bonds.centre.max(initial=0)) + 1)
    strengths = charge[ionic] / coordination[bonds.centre[ionic]]
    severed = float(strengths @ _crossings(bonds, cell, cut)[ionic])
    return round(100.0 * severed / cell.area_angstrom2, 9)
