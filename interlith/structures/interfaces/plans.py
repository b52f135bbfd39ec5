"""Which surfaces to bring together, and in which common cell: everything short of the atoms.

A plan is a pair of slabs and a match of their lattices. Plans are counted, filtered and ranked
before anything is built, so that the table of what was considered is complete and cheap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from interlith.errors import InputError
from interlith.structures.interfaces.assembly import UPSIDE_DOWN, in_plane_lattice
from interlith.structures.interfaces.matching import (
    Match,
    MatchLimits,
    match_lattices,
    pareto_front,
)
from interlith.structures.interfaces.strain import StrainShare, share_by_stiffness
from interlith.structures.surfaces.slabs import Slab, make_slab
from interlith.structures.surfaces.surface_cell import Miller, SurfaceCell, surface_cell
from interlith.structures.surfaces.terminations import Termination, terminations

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = npt.NDArray[np.float64]

ATOM_MARGIN = 1.5
"""Areas are searched up to this times what the atom budget allows at bulk densities."""
SEVERED_WEIGHT = 0.02
"""What one severed bond per nm2 counts against filling the strain or atom limit."""
VALENCE_WEIGHT = 0.05
"""What one severed valence per nm2 counts, in an ionic crystal."""
REPAIR_WEIGHT = 0.05
"""What one ion per nm2 counts that a repair took away or moved."""
UNEQUAL_COST = 0.25
"""What a slab with two different faces counts, where each face makes an interface."""
SAME_HEIGHT = 1e-3


class InterfaceOptions(BaseModel):
    """What an interface may cost and how far it may be strained.

    Attributes
    ----------
    miller_a, miller_b : tuple of Miller indices or None
        Planes to try; None tries all inequivalent ones up to ``max_miller``.
    thickness_a_angstrom, thickness_b_angstrom : float
        Least thickness of each slab.
    max_strain : float
        Largest principal strain of either side.
    share_a : float or None
        Fraction of the misfit that side a takes; None shares by stiffness and thickness.
    vacuum_angstrom : float or None
        None builds two interfaces in a periodic cell; a number builds one, with that much vacuum.
    faces : str
        ``equal`` makes slabs with two equal faces where the crystal allows it; ``bulk`` makes slabs
        of the bulk's composition, whose faces may be the two different terminations of a plane.
    count : int
        Candidates to build.
    registries : int
        Lateral shifts kept for each candidate, best first.
    seed : int
        Of everything that is drawn at random.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    miller_a: tuple[Miller, ...] | None = None
    miller_b: tuple[Miller, ...] | None = None
    max_miller: int = Field(1, ge=1, le=4)
    thickness_a_angstrom: float = Field(10.0, gt=0, le=200)
    thickness_b_angstrom: float = Field(10.0, gt=0, le=200)
    max_atoms: int = Field(400, ge=2)
    max_strain: float = Field(0.05, gt=0, le=0.2)
    max_area_angstrom2: float = Field(400.0, gt=0)
    share_a: float | None = Field(None, ge=0, le=1)
    vacuum_angstrom: float | None = Field(None, ge=0)
    poisson_ratio: float = Field(0.3, gt=-1, lt=0.5)
    allow_broken_polyanions: bool = False
    faces: Literal["equal", "bulk"] = "equal"
    min_distance_ratio: float = Field(0.7, gt=0, lt=1.5)
    registries: int = Field(5, ge=1, le=50)
    shift_spacing_angstrom: float = Field(0.5, gt=0)
    count: int = Field(5, ge=1, le=1000)
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Side:
    """One material of an interface.

    Attributes
    ----------
    region : str
        What it is called in the cell, such as "anode".
    material : str
        Name of the crystal.
    bulk : Structure
        Ordered crystal in the axes that Miller indices refer to.
    """

    region: str
    material: str
    bulk: Structure
    states: Mapping[str, float] | None = None
    youngs_modulus_gpa: float | None = None


@dataclass(frozen=True, eq=False)
class Surface:
    """A slab with what matching needs to know of it."""

    side: Side
    cell: SurfaceCell
    slab: Slab
    flipped: bool

    @property
    def lattice(self) -> FloatArray:
        """In-plane lattice as it lies in the interface, (2, 2) rows, Angstrom."""
        return in_plane_lattice(self.slab, self.flipped)

    @property
    def faults(self) -> tuple[int, int]:
        """Whether covalent bonds are cut, and whether the slab is charged or still polar."""
        charge = self.slab.charge_e
        polar = self.slab.tasker == 3 and not (self.slab.removed or self.slab.moved)
        return int(self.slab.top.breaks_polyanion), int(polar or bool(charge))


@dataclass(frozen=True, eq=False)
class Plan:
    """Two surfaces and the cell they share.

    Attributes
    ----------
    on_front : bool
        No other plan within the limits has less of strain, area and atoms at once.
    """

    a: Surface
    b: Surface
    match: Match
    share: StrainShare
    n_atoms: int
    cost: float
    on_front: bool = False

    @property
    def names(self) -> tuple[Miller, int, Miller, int]:
        """Planes and terminations, which tell plans of different chemistry apart."""
        return (
            self.a.slab.miller,
            self.a.slab.top.index,
            self.b.slab.miller,
            self.b.slab.top.index,
        )


@dataclass
class Tally:
    """What was considered and why it was dropped."""

    considered: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


def make_plans(a: Side, b: Side, options: InterfaceOptions) -> tuple[list[Plan], Tally]:
    """All plans within the limits, best first.

    Returns
    -------
    list of Plan
        Those that cut no covalent bond and leave neither charge nor a polar face come first, then
        by cost: the largest strain and the atom count as fractions of their limits, plus severed
        valence, the ions that a repair took away, and faces that differ.
    Tally
        Termination pairs times matches that were looked at, and the reasons for those dropped.

    Raises
    ------
    InputError
        If nothing lies within the limits; the message has the nearest miss.
    """
    tally = Tally()
    surfaces_a = make_surfaces(
        a, options.miller_a, options.thickness_a_angstrom, False, options, tally
    )
    surfaces_b = make_surfaces(
        b, options.miller_b, options.thickness_b_angstrom, True, options, tally
    )
    share = _share(a, b, options)
    matches = _matches(surfaces_a, surfaces_b, share, options)
    plans = []
    for one in surfaces_a:
        for other in surfaces_b:
            for match in matches[_key(one), _key(other)]:
                tally.considered += 1
                n_atoms = match.n_a * len(one.slab.structure) + match.n_b * len(
                    other.slab.structure
                )
                if n_atoms > options.max_atoms:
                    tally.dropped["more atoms than the budget"] += 1
                    continue
                cost = _cost(one, other, match, n_atoms, options)
                plans.append(Plan(one, other, match, share, n_atoms, cost))
            if not matches[_key(one), _key(other)]:
                tally.considered += 1
                tally.dropped["no match within the strain and area limits"] += 1
    if not plans:
        raise InputError(_why_none(surfaces_a, surfaces_b, share, options, tally))
    return sorted(_with_front(plans), key=_rank), tally


def distinct_planes(bulk: Structure, max_miller: int) -> tuple[Miller, ...]:
    """Planes up to an index that symmetry does not make equal, low indices first.

    (hkl) and (-h-k-l) both appear where no operation of the crystal turns one into the other.
    """
    import itertools

    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    operations = SpacegroupAnalyzer(bulk, symprec=0.01).get_symmetry_operations()
    rotations = {tuple(np.rint(op.rotation_matrix).astype(int).ravel()) for op in operations}
    turns = [np.array(one).reshape(3, 3) for one in sorted(rotations)]
    span = range(-max_miller, max_miller + 1)
    kept: list[Miller] = []
    seen: set[Miller] = set()
    every = [
        (h, k, m) for h, k, m in itertools.product(span, repeat=3) if np.gcd.reduce([h, k, m]) == 1
    ]
    for plane in sorted(every, key=lambda p: (sum(map(abs, p)), [-x for x in p])):
        if plane in seen:
            continue
        kept.append(plane)
        for turn in turns:
            h, k, m = (int(x) for x in np.array(plane) @ turn)
            seen.add((h, k, m))
    return tuple(kept)


def make_surfaces(
    side: Side,
    planes: Sequence[Miller] | None,
    thickness: float,
    flipped: bool,
    options: InterfaceOptions,
    tally: Tally,
) -> list[Surface]:
    """Every termination of every plane as a slab; what cannot be used is counted."""
    found = []
    chosen = planes if planes is not None else distinct_planes(side.bulk, options.max_miller)
    for plane in chosen:
        cell = surface_cell(side.bulk, plane)
        for cut in terminations(side.bulk, plane, oxidation_states=side.states):
            if cut.breaks_polyanion and not options.allow_broken_polyanions:
                tally.considered += 1
                tally.dropped[f"{side.region}: the cut breaks a polyanion"] += 1
                continue
            slab = _slab(side, plane, cut, thickness, options)
            if isinstance(slab, str):
                tally.considered += 1
                tally.dropped[f"{side.region}: {slab}"] += 1
                continue
            found.append(Surface(side, cell, slab, flipped))
    if not found:
        why = "; ".join(f"{reason} ({count})" for reason, count in tally.dropped.items())
        raise InputError(
            f"no slab of {side.material} along {_planes(chosen)} can be used: {why}. Name other "
            "planes (--miller-a, --miller-b; of a layer of a stack MATERIAL:THICKNESS:REGION:H,K,L)"
            ", raise --max-atoms, or allow cut polyanions with --allow-broken-polyanions"
        )
    return found


def _slab(
    side: Side, plane: Miller, cut: Termination, thickness: float, options: InterfaceOptions
) -> Slab | str:
    """Two equal faces where the crystal allows it, else the bulk's composition; or why not.

    A polar cut is repaired if that takes no larger cell than the budget; if it does it stays polar.
    """

    def cut_slab(symmetric: bool, repair: bool) -> Slab:
        return make_slab(
            side.bulk,
            plane,
            cut,
            min_thickness_angstrom=thickness,
            symmetric=symmetric,
            repair=repair,
            oxidation_states=side.states,
            max_atoms=options.max_atoms,
        )

    equal = cut.mirror_cut is not None and options.faces == "equal"
    attempts = [(True, True), (False, True)] if equal else [(False, True)]
    attempts = [*attempts, (False, False)] if cut.tasker == 3 else [(equal, False)]
    for symmetric, repair in attempts:
        try:
            return cut_slab(symmetric, repair)
        except InputError:
            continue
    return "the slab alone has more atoms than the budget"


def _share(a: Side, b: Side, options: InterfaceOptions) -> StrainShare:
    if options.share_a is not None:
        return StrainShare(options.share_a, f"side a takes {options.share_a:g}, as asked")
    return share_by_stiffness(
        a.youngs_modulus_gpa,
        options.thickness_a_angstrom,
        b.youngs_modulus_gpa,
        options.thickness_b_angstrom,
    )


Key = tuple[bytes, bytes]


def _key(surface: Surface) -> Key:
    """Surfaces with one lattice and one surface symmetry have the same matches."""
    operations = surface_operations(surface)
    return surface.lattice.tobytes(), b"" if operations is None else np.array(operations).tobytes()


def surface_operations(surface: Surface) -> list[npt.NDArray[np.int64]] | None:
    """Point operations that leave the half-crystal as it is, on its in-plane lattice.

    Operations with a rise are left out: they carry the surface to another, equivalent cut.
    None for a slab whose repair took a larger in-plane cell.
    """
    cell = surface.cell
    rows = np.array(surface.slab.structure.lattice.matrix[:2, :2])
    if not np.allclose(rows, cell.in_plane, atol=1e-6):
        return None
    found: list[npt.NDArray[np.int64]] = []
    for motion in cell.keeps:
        levels = motion.rise / cell.period_angstrom
        if abs(levels - round(levels)) * cell.period_angstrom > SAME_HEIGHT:
            continue
        turn = motion.lateral
        if surface.flipped:
            turn = UPSIDE_DOWN @ turn @ UPSIDE_DOWN
        lattice = surface.lattice
        image = np.rint(lattice @ turn.T @ np.linalg.inv(lattice)).astype(np.int64)
        if not any((image == one).all() for one in found):
            found.append(image)
    return sorted(found, key=lambda one: one.tolist())


def _matches(
    surfaces_a: Sequence[Surface],
    surfaces_b: Sequence[Surface],
    share: StrainShare,
    options: InterfaceOptions,
) -> dict[tuple[Key, Key], tuple[Match, ...]]:
    """Pareto set in strain and area for each pair of lattices."""
    first = {_key(one): one for one in surfaces_a}
    second = {_key(one): one for one in surfaces_b}
    found = {}
    for key_a, one in first.items():
        for key_b, other in second.items():
            matches = match_lattices(
                one.lattice,
                other.lattice,
                max_area_angstrom2=_largest_area(one, other, options),
                max_strain=options.max_strain,
                share_a=share.share_a,
                symmetry_a=surface_operations(one),
                symmetry_b=surface_operations(other),
            )
            found[key_a, key_b] = pareto_front(matches)
    return found


def _largest_area(one: Surface, other: Surface, options: InterfaceOptions) -> float:
    per_area = sum(
        len(surface.slab.structure) / abs(float(np.linalg.det(surface.lattice)))
        for surface in (one, other)
    )
    return min(options.max_area_angstrom2, ATOM_MARGIN * options.max_atoms / per_area)


def _cost(
    one: Surface, other: Surface, match: Match, n_atoms: int, options: InterfaceOptions
) -> float:
    periodic = options.vacuum_angstrom is None
    unequal = sum(periodic and not surface.slab.symmetric for surface in (one, other))
    return (
        match.largest_strain / options.max_strain
        + n_atoms / options.max_atoms
        + UNEQUAL_COST * unequal
        + sum(hardship(surface.slab) for surface in (one, other))
    )


def hardship(slab: Slab) -> float:
    """A cheap stand-in for the surface energy: bonds or valences severed, ions taken away."""
    ions = sum(slab.removed.values()) + sum(slab.moved.values())
    repaired = REPAIR_WEIGHT * 100.0 * ions / slab.area_angstrom2
    if slab.top.severed_valence_per_nm2:
        return VALENCE_WEIGHT * slab.top.severed_valence_per_nm2 + repaired
    return SEVERED_WEIGHT * slab.top.broken_bonds_per_nm2 + repaired


def _with_front(plans: Sequence[Plan]) -> list[Plan]:
    """The plans with the Pareto front of strain, area and atom count marked."""
    costs = np.array([(p.match.largest_strain, p.match.area_angstrom2, p.n_atoms) for p in plans])
    costs = np.round(costs, 6)
    marked = []
    for plan, own in zip(plans, costs, strict=True):
        beaten = ((costs <= own).all(axis=1) & (costs < own).any(axis=1)).any()
        marked.append(replace(plan, on_front=not beaten))
    return marked


def _rank(plan: Plan) -> tuple[object, ...]:
    faults = np.array(plan.a.faults) + np.array(plan.b.faults)
    return (
        int(faults[0]),
        int(faults[1]),
        round(plan.cost, 6),
        plan.n_atoms,
        plan.names,
        plan.match.supercell_a.tolist(),
        plan.match.supercell_b.tolist(),
    )


def _why_none(
    surfaces_a: Sequence[Surface],
    surfaces_b: Sequence[Surface],
    share: StrainShare,
    options: InterfaceOptions,
    tally: Tally,
) -> str:
    from interlith.structures.interfaces.near_miss import nearest_miss, nearest_of

    asked = (
        f"no interface of {surfaces_a[0].side.material} and {surfaces_b[0].side.material} within "
        f"strain {options.max_strain:g}, {options.max_area_angstrom2:g} Angstrom2 and "
        f"{options.max_atoms} atoms"
    )
    if tally.dropped["more atoms than the budget"]:
        smallest = min(
            match.n_a * len(one.slab.structure) + match.n_b * len(other.slab.structure)
            for one in surfaces_a
            for other in surfaces_b
            for match in _matches([one], [other], share, options)[_key(one), _key(other)]
        )
        return f"{asked}: the smallest has {smallest} atoms; raise --max-atoms or thin the slabs"
    limits = MatchLimits(options.max_area_angstrom2, options.max_strain)
    misses = [
        nearest_miss(one.lattice, other.lattice, limits, share_a=share.share_a)
        for one in {_key(s): s for s in surfaces_a}.values()
        for other in {_key(s): s for s in surfaces_b}.values()
    ]
    return f"{asked}: {nearest_of(misses).nearest}"


def _planes(planes: Sequence[Miller]) -> str:
    return ", ".join("(" + " ".join(map(str, plane)) + ")" for plane in planes)
