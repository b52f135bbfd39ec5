"""Stacks of several layers in one in-plane cell: anode | coating | electrolyte | coating | cathode.

All layers must share one in-plane cell, so matching pairs in turn would not do. Candidate cells
come from matching the layer with the largest repeat unit (the least flexible one) with each other
layer. Every layer is then fitted to each cell, and the cell goes to where all pulls balance.

>>> from interlith.structures.interfaces.plans import Side
>>> from interlith.structures.library import build, load_phase
>>> from interlith.structures.interfaces.stacks import Sheet, StackOptions, build_stack
>>> metal, salt = (build(load_phase(name)) for name in ("Li", "LiF"))
>>> sheets = [Sheet(Side("anode", "Li", metal), 8.0), Sheet(Side("coating", "LiF", salt), 6.0)]
>>> len(build_stack(sheets, StackOptions(max_miller=1)).layers)
2
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from interlith.errors import InputError
from interlith.structures.checks import closest_pair
from interlith.structures.interfaces.assembly import (
    FloatArray,
    IntArray,
    Joint,
    Layer,
    equal_joint,
    place_layer,
    stack_layers,
)
from interlith.structures.interfaces.matching import Match, match_lattices
from interlith.structures.interfaces.plans import (
    InterfaceOptions,
    Side,
    Surface,
    Tally,
    hardship,
    make_surfaces,
    surface_operations,
)
from interlith.structures.interfaces.registry import best_registries, shift_cell
from interlith.structures.interfaces.strain import biot_strain, principal_strains
from interlith.structures.regions import label
from interlith.structures.surfaces.surface_cell import Miller

if TYPE_CHECKING:
    from pymatgen.core import Structure

SURFACES_PER_SHEET = 6
"""Best slabs of each layer that are tried."""
CELLS_TRIED = 400


class StackOptions(BaseModel):
    """What a stack may cost. Names and units as in ``InterfaceOptions``.

    Attributes
    ----------
    periodic : bool
        Join the last layer to the next image of the first; otherwise vacuum parts them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    periodic: bool = False
    vacuum_angstrom: float = Field(15.0, ge=0)
    max_miller: int = Field(1, ge=1, le=4)
    max_atoms: int = Field(400, ge=2)
    max_strain: float = Field(0.05, gt=0, le=0.2)
    max_area_angstrom2: float = Field(300.0, gt=0)
    poisson_ratio: float = Field(0.3, gt=-1, lt=0.5)
    allow_broken_polyanions: bool = False
    min_distance_ratio: float = Field(0.7, gt=0, lt=1.5)
    shift_spacing_angstrom: float = Field(0.5, gt=0)


@dataclass(frozen=True, eq=False)
class Sheet:
    """A layer as it is asked for.

    Attributes
    ----------
    side : Side
        Region name and crystal.
    thickness_angstrom : float
        Least thickness.
    miller : tuple of int or None
        Plane that faces down (up for the first layer); None tries all up to ``max_miller``.
    """

    side: Side
    thickness_angstrom: float
    miller: Miller | None = None


@dataclass(frozen=True, eq=False)
class Stack:
    """A stack, built.

    Attributes
    ----------
    structure : Structure
        Atoms layer by layer from the bottom, labelled by region.
    joints : tuple of Joint
        Between the layers; the last one closes the cell where it is periodic.
    strains : tuple
        In-plane Biot strain (exx, eyy, exy) of each layer.
    """

    structure: Structure
    layers: tuple[Layer, ...]
    joints: tuple[Joint, ...]
    cell: FloatArray
    strains: tuple[tuple[float, float, float], ...]
    interface_heights: tuple[float, ...]
    min_distance_ratio: float
    closest_pair: str
    considered: int
    dropped: dict[str, int]

    @property
    def largest_strain(self) -> float:
        """Largest absolute principal strain of any layer."""
        return max(abs(e) for strain in self.strains for e in principal_strains(strain))


def build_stack(sheets: Sequence[Sheet], options: StackOptions | None = None) -> Stack:
    """Build the best stack of the layers in the order given, from the bottom.

    Layers of one region name are told apart by a number: coating-1, coating-2.

    Raises
    ------
    InputError
        If there are fewer than two layers, a thickness is not positive, or no common cell lies
        within the limits.
    """
    options = options or StackOptions()
    if len(sheets) < 2:
        raise InputError(f"a stack of {len(sheets)} layers; give at least two")
    sheets = _told_apart(sheets)
    tally = Tally()
    choices = [
        _choices(sheet, flipped=index > 0, options=options, tally=tally)
        for index, sheet in enumerate(sheets)
    ]
    fitted = _best_fit(sheets, choices, options, tally)
    layers = _placed(fitted, sheets, options)
    return _assembled(layers, fitted, options, tally)


@dataclass(frozen=True, eq=False)
class _Fit:
    """A surface and its supercell for each layer, and the cell they share."""

    surfaces: tuple[Surface, ...]
    supercells: tuple[IntArray, ...]
    cell: FloatArray
    strains: tuple[tuple[float, float, float], ...]
    cost: float


def _told_apart(sheets: Sequence[Sheet]) -> list[Sheet]:
    """The sheets with region names that differ."""
    names = [sheet.side.region for sheet in sheets]
    taken = {name for name in names if names.count(name) == 1}
    found = []
    for sheet in sheets:
        region, number = sheet.side.region, 0
        while names.count(sheet.side.region) > 1 and (number == 0 or region in taken):
            number += 1
            region = f"{sheet.side.region}-{number}"
        taken.add(region)
        found.append(replace(sheet, side=replace(sheet.side, region=region)))
    return found


def _choices(sheet: Sheet, *, flipped: bool, options: StackOptions, tally: Tally) -> list[Surface]:
    if not 0 < sheet.thickness_angstrom < math.inf:
        raise InputError(
            f"the layer {sheet.side.region} has thickness {sheet.thickness_angstrom:g} Angstrom; "
            "it must be positive and finite"
        )
    plain = InterfaceOptions(
        max_miller=options.max_miller,
        max_atoms=options.max_atoms,
        allow_broken_polyanions=options.allow_broken_polyanions,
    )
    planes = None if sheet.miller is None else (sheet.miller,)
    found = make_surfaces(sheet.side, planes, sheet.thickness_angstrom, flipped, plain, tally)

    def rank(one: Surface) -> tuple[object, ...]:
        return (*one.faults, round(hardship(one.slab), 6), one.slab.miller, one.slab.top.index)

    return sorted(found, key=rank)[:SURFACES_PER_SHEET]


def _best_fit(
    sheets: Sequence[Sheet],
    choices: Sequence[Sequence[Surface]],
    options: StackOptions,
    tally: Tally,
) -> _Fit:
    """The candidate cell that all layers fit with the least strain and the fewest atoms."""
    fits = []
    for cell in _cells(choices, options):
        tally.considered += 1
        chosen = []
        for surfaces in choices:
            one = _fit_one(surfaces, cell, options)
            if one is None:
                break
            chosen.append(one)
        if len(chosen) < len(choices):
            tally.dropped["a layer does not fit within the strain limit"] += 1
            continue
        fit = _balanced(chosen, sheets, options)
        if _atoms(fit) > options.max_atoms:
            tally.dropped["more atoms than the budget"] += 1
        elif fit.cost > 2 * len(sheets) or _largest(fit) > options.max_strain:
            tally.dropped["strained beyond the limit in the common cell"] += 1
        else:
            fits.append(fit)
    if not fits:
        why = "; ".join(f"{reason} ({count})" for reason, count in tally.dropped.items())
        raise InputError(
            f"no common cell for {' | '.join(s.side.material for s in sheets)} within strain "
            f"{options.max_strain:g}, {options.max_area_angstrom2:g} Angstrom2 and "
            f"{options.max_atoms} atoms ({tally.considered} cells looked at: {why or 'no match'}); "
            "loosen --max-strain, --max-area or --max-atoms, or thin a layer"
        )
    best = min(range(len(fits)), key=lambda i: (round(fits[i].cost, 6), i))
    tally.dropped["ranked below the number asked for"] += len(fits) - 1
    return fits[best]


def _cells(choices: Sequence[Sequence[Surface]], options: StackOptions) -> list[FloatArray]:
    """Cells at which the least flexible layer matches one of the others, small areas first."""
    anchor = max(range(len(choices)), key=lambda i: min(_area(surface) for surface in choices[i]))
    found: list[Match] = []
    for surface in choices[anchor]:
        for index, others in enumerate(choices):
            for other in others if index != anchor else ():
                found += match_lattices(
                    surface.lattice,
                    other.lattice,
                    max_area_angstrom2=options.max_area_angstrom2,
                    max_strain=options.max_strain,
                    symmetry_a=surface_operations(surface),
                    symmetry_b=surface_operations(other),
                )
    cells: list[FloatArray] = []
    seen: set[tuple[float, ...]] = set()
    for match in sorted(found, key=lambda one: (one.area_angstrom2, one.largest_strain)):
        key = tuple(np.round(match.cell.ravel(), 2))
        if key not in seen:
            seen.add(key)
            cells.append(match.cell)
    return cells[:CELLS_TRIED]


def _fit_one(
    surfaces: Sequence[Surface], cell: FloatArray, options: StackOptions
) -> tuple[Surface, IntArray, float] | None:
    """The surface whose supercell is nearest to the cell, and how far it is from it."""
    best: tuple[Surface, IntArray, float] | None = None
    for surface in surfaces:
        found = _nearest_supercell(surface.lattice, cell, 1.5 * options.max_strain)
        if found is None:
            continue
        worth = found[1] + 0.1 * options.max_strain * sum(surface.faults)
        if best is None or worth < best[2] - 1e-9:
            best = surface, found[0], worth
    return best


def _nearest_supercell(
    lattice: FloatArray, cell: FloatArray, limit: float
) -> tuple[IntArray, float] | None:
    """The supercell that comes nearest to a cell, however turned, and its largest strain."""
    lengths = np.linalg.norm(cell, axis=1)
    reach = np.ceil(
        (1 + limit) * lengths.max() * np.linalg.norm(np.linalg.inv(lattice), axis=0)
    ).astype(int)
    grid = np.mgrid[-reach[0] : reach[0] + 1, -reach[1] : reach[1] + 1].reshape(2, -1).T
    norms = np.linalg.norm(grid @ lattice, axis=1)
    first, second = (grid[np.abs(norms / length - 1) <= limit] for length in lengths)
    if not len(first) or not len(second):
        return None
    supercells = np.stack(
        [np.repeat(first, len(second), axis=0), np.tile(second, (len(first), 1))], axis=1
    )
    supercells = supercells[np.linalg.det(supercells) > 0.5]
    if not len(supercells):
        return None
    gradients = np.linalg.solve(supercells @ lattice, np.broadcast_to(cell, supercells.shape))
    strains = np.abs(np.linalg.svd(gradients, compute_uv=False) - 1).max(axis=1)
    best = int(np.lexsort((*supercells.reshape(-1, 4).T, np.round(strains, 9)))[0])
    return (supercells[best], float(strains[best])) if strains[best] <= limit else None


def _balanced(
    chosen: Sequence[tuple[Surface, IntArray, float]],
    sheets: Sequence[Sheet],
    options: StackOptions,
) -> _Fit:
    """The cell at which the layers' pulls balance: the mean of theirs, weighted by stiffness.

    Cells are compared with a along x; their entries differ by the strain to first order. Where a
    modulus is unknown, the mean of the known ones stands in.
    """
    own = [_along_x(supercell @ surface.lattice) for surface, supercell, _ in chosen]
    moduli = [sheet.side.youngs_modulus_gpa for sheet in sheets]
    known = [one for one in moduli if one is not None]
    middle = float(np.mean(known)) if known else 1.0
    weights = np.array(
        [(one or middle) * s.thickness_angstrom for one, s in zip(moduli, sheets, strict=True)]
    )
    cell = np.einsum("i,ijk->jk", weights / weights.sum(), np.array(own))
    strains = tuple(biot_strain(np.linalg.solve(one, cell).T) for one in own)
    surfaces = tuple(one[0] for one in chosen)
    fit = _Fit(surfaces, tuple(one[1] for one in chosen), cell, strains, 0.0)
    cost = _largest(fit) / options.max_strain + _atoms(fit) / options.max_atoms
    faults = sum(sum(surface.faults) for surface in surfaces)
    return _Fit(surfaces, fit.supercells, cell, strains, cost + 0.1 * faults)


def _placed(fit: _Fit, sheets: Sequence[Sheet], options: StackOptions) -> list[Layer]:
    return [
        place_layer(
            sheet.side.region,
            sheet.side.material,
            surface.slab,
            fit.cell,
            supercell,
            flipped=surface.flipped,
            states=sheet.side.states,
            poisson_ratio=options.poisson_ratio,
        )
        for sheet, surface, supercell in zip(sheets, fit.surfaces, fit.supercells, strict=True)
    ]


def _assembled(layers: Sequence[Layer], fit: _Fit, options: StackOptions, tally: Tally) -> Stack:
    joints = [_joint(low, high, fit.cell, options) for low, high in itertools.pairwise(layers)]
    closing = None
    if options.periodic:
        if len(layers) == 2:
            closing = equal_joint(layers[0], layers[1], joints[0], fit.cell)
        closing = closing or _joint(layers[-1], layers[0], fit.cell, options)
    structure, owner, heights = stack_layers(
        layers, joints, fit.cell, closing=closing, vacuum_angstrom=options.vacuum_angstrom
    )
    ratio, pair = closest_pair(structure)
    if ratio < options.min_distance_ratio:
        raise InputError(
            f"the stack has {pair} atoms at {ratio:.2f} covalent-radius sums, the limit is "
            f"{options.min_distance_ratio:g}; check the crystals' own distances"
        )
    return Stack(
        structure=label(
            structure, [layers[i].name for i in owner], heights, periodic=bool(closing)
        ),
        layers=tuple(layers),
        joints=(*joints, closing) if closing else tuple(joints),
        cell=fit.cell,
        strains=fit.strains,
        interface_heights=heights,
        min_distance_ratio=ratio,
        closest_pair=pair,
        considered=tally.considered,
        dropped={reason: count for reason, count in tally.dropped.items() if count},
    )


def _joint(low: Layer, high: Layer, cell: FloatArray, options: StackOptions) -> Joint:
    shifts = shift_cell(low.supercell, high.supercell, cell)
    best = best_registries(
        low, high, cell, shifts, count=1, spacing_angstrom=options.shift_spacing_angstrom
    )
    return best[0].joint


def _area(surface: Surface) -> float:
    return abs(float(np.linalg.det(surface.lattice)))


def _atoms(fit: _Fit) -> int:
    counts = (
        len(surface.slab.structure) * round(float(np.linalg.det(supercell)))
        for surface, supercell in zip(fit.surfaces, fit.supercells, strict=True)
    )
    return sum(counts)


def _largest(fit: _Fit) -> float:
    return max(abs(e) for strain in fit.strains for e in principal_strains(strain))


def _along_x(rows: FloatArray) -> FloatArray:
    """The same lattice vectors turned so that the first lies along x."""
    length = float(np.linalg.norm(rows[0]))
    along = rows[0] / length
    across = np.array([-along[1], along[0]])
    return np.array([[length, 0.0], [rows[1] @ along, rows[1] @ across]])
