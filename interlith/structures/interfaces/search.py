"""Interfaces of two crystals: search, build, rank.

Planes and terminations are matched, the best plans are built at the lateral shifts where the two
surfaces fit into each other best, and what lies too close is dropped. With an energy function the
shifts and gaps are ranked by it; with a relaxation the best few are relaxed.

>>> from interlith.structures.interfaces.search import build_interfaces
>>> from interlith.structures.interfaces.plans import InterfaceOptions, Side
>>> from interlith.structures.library import build, load_phase
>>> metal = Side("anode", "Li", build(load_phase("Li")))
>>> salt = Side("electrolyte", "LiCl", build(load_phase("LiCl")))
>>> planes = {"miller_a": ((0, 0, 1),), "miller_b": ((0, 0, 1),)}
>>> found = build_interfaces(metal, salt, InterfaceOptions(**planes, count=1))
>>> found.candidates[0].min_distance_ratio > 0.7
True
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from interlith.errors import InputError
from interlith.structures.checks import closest_pair
from interlith.structures.energies import EnergyFunction, RelaxFunction
from interlith.structures.interfaces.assembly import (
    FloatArray,
    IntArray,
    Joint,
    Layer,
    equal_joint,
    place_layer,
    stack_layers,
)
from interlith.structures.interfaces.plans import (
    InterfaceOptions,
    Plan,
    Side,
    Surface,
    Tally,
    make_plans,
)
from interlith.structures.interfaces.registry import (
    Registry,
    best_registries,
    rank_registries,
    shift_cell,
)
from interlith.structures.regions import label

if TYPE_CHECKING:
    from pymatgen.core import Structure

SPARE = 4
"""Plans tried for each candidate asked for, in case atoms come too close."""
RELAXED_BEST = 2
"""Registries of a candidate that are relaxed, when a relaxation is given."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Candidate:
    """One interface, built.

    Attributes
    ----------
    structure : Structure
        Atoms layer by layer, labelled by region.
    layers : tuple of Layer
        From the bottom.
    joints : tuple of Joint
        Between them; the last one closes the cell where it is periodic.
    equal_interfaces : bool
        The two interfaces of a periodic cell are images of each other by symmetry.
    energy_ev : float or None
        Of the cell, from the caller's function.
    relaxed : bool
        Whether the caller's relaxation was applied.
    registries : tuple of Registry
        The lateral shifts tried, best first.
    """

    plan: Plan
    structure: Structure
    layers: tuple[Layer, ...]
    joints: tuple[Joint, ...]
    interface_heights: tuple[float, ...]
    equal_interfaces: bool
    min_distance_ratio: float
    closest_pair: str
    registries: tuple[Registry, ...]
    energy_ev: float | None = None
    relaxed: bool = False


@dataclass(frozen=True, eq=False)
class InterfaceSearch:
    """Candidates, best first, and what became of the rest."""

    candidates: tuple[Candidate, ...]
    options: InterfaceOptions
    considered: int
    dropped: dict[str, int]


def build_interfaces(
    a: Side,
    b: Side,
    options: InterfaceOptions | None = None,
    *,
    energy: EnergyFunction | None = None,
    relax: RelaxFunction | None = None,
    progress: Progress | None = None,
) -> InterfaceSearch:
    """Search the interfaces of two crystals and build the best.

    Parameters
    ----------
    a, b : Side
        The lower and the upper material.
    energy : callable, optional
        Energy of a cell, eV. Ranks shifts and gaps of each candidate; candidates of different
        composition keep the order of their plans, for their energies do not compare.
    relax : callable, optional
        Relaxation of a cell, applied to the best two shifts of each candidate.
    progress : callable, optional
        Called with (done, all) candidates.

    Raises
    ------
    InputError
        If a crystal is disordered, or nothing lies within the limits.
    """
    options = options or InterfaceOptions()
    plans, tally = make_plans(a, b, options)
    found: list[Candidate] = []
    seen: set[object] = set()
    tried = 0
    for plan in plans:
        if len(found) == options.count or tried == SPARE * options.count:
            break
        if plan.names in seen:
            continue
        tried += 1
        candidate = _candidate(plan, options, energy, relax)
        if candidate.min_distance_ratio < options.min_distance_ratio:
            tally.dropped["atoms too close"] += 1
            continue
        seen.add(plan.names)
        found.append(candidate)
        if progress:
            progress(len(found), options.count)
    if not found:
        raise InputError(
            f"each of {tried} interfaces of {a.material} and {b.material} has atoms closer than "
            f"{options.min_distance_ratio:g} covalent-radius sums; check the crystals' own "
            "distances, or take other planes with --miller-a and --miller-b"
        )
    _count_rest(tally, len(found))
    return InterfaceSearch(tuple(found), options, tally.considered, dict(tally.dropped))


def make_layers(plan: Plan, poisson_ratio: float) -> tuple[Layer, Layer]:
    """Both slabs of a plan in their common cell."""

    def placed(surface: Surface, supercell: IntArray) -> Layer:
        return place_layer(
            surface.side.region,
            surface.side.material,
            surface.slab,
            plan.match.cell,
            supercell,
            flipped=surface.flipped,
            states=surface.side.states,
            poisson_ratio=poisson_ratio,
        )

    return placed(plan.a, plan.match.supercell_a), placed(plan.b, plan.match.supercell_b)


def _candidate(
    plan: Plan,
    options: InterfaceOptions,
    energy: EnergyFunction | None,
    relax: RelaxFunction | None,
) -> Candidate:
    layers = make_layers(plan, options.poisson_ratio)
    registries = best_registries(
        *layers,
        plan.match.cell,
        _shifts(plan),
        count=options.registries,
        spacing_angstrom=options.shift_spacing_angstrom,
    )
    if energy is not None:
        registries = rank_registries(
            registries, lambda joint: energy(_build(plan, layers, joint, options).structure)
        )
    best = _build(plan, layers, registries[0].joint, options)
    best = replace(best, registries=registries, energy_ev=registries[0].energy_ev)
    if relax is not None:
        best = _relaxed(best, plan, layers, options, relax)
    ratio, pair = closest_pair(best.structure)
    return replace(best, min_distance_ratio=ratio, closest_pair=pair)


def _shifts(plan: Plan) -> FloatArray:
    return shift_cell(plan.match.supercell_a, plan.match.supercell_b, plan.match.cell)


def _build(
    plan: Plan, layers: tuple[Layer, Layer], joint: Joint, options: InterfaceOptions
) -> Candidate:
    """The cell with a given first joint; the second follows by symmetry or by its own search."""
    cell = plan.match.cell
    closing, equal = None, False
    if options.vacuum_angstrom is None:
        closing = equal_joint(layers[0], layers[1], joint, cell)
        equal = closing is not None
        if closing is None:
            closing = best_registries(
                layers[1],
                layers[0],
                cell,
                _shifts(plan),
                count=1,
                spacing_angstrom=options.shift_spacing_angstrom,
            )[0].joint
    structure, owner, heights = stack_layers(
        layers, [joint], cell, closing=closing, vacuum_angstrom=options.vacuum_angstrom or 0.0
    )
    labelled = label(
        structure, [layers[i].name for i in owner], heights, periodic=closing is not None
    )
    return Candidate(
        plan=plan,
        structure=labelled,
        layers=layers,
        joints=(joint,) if closing is None else (joint, closing),
        interface_heights=heights,
        equal_interfaces=equal,
        min_distance_ratio=np.inf,
        closest_pair="",
        registries=(),
    )


def _relaxed(
    start: Candidate,
    plan: Plan,
    layers: tuple[Layer, Layer],
    options: InterfaceOptions,
    relax: RelaxFunction,
) -> Candidate:
    """The lowest of the best few shifts after relaxation."""
    best: tuple[float, Structure, Candidate] | None = None
    for registry in start.registries[:RELAXED_BEST]:
        built = _build(plan, layers, registry.joint, options)
        structure, energy_ev = relax(built.structure)
        if best is None or energy_ev < best[0]:
            best = energy_ev, structure, built
    if best is None:
        return start
    energy_ev, structure, built = best
    return replace(
        built,
        structure=structure,
        registries=start.registries,
        energy_ev=energy_ev,
        relaxed=True,
    )


def _count_rest(tally: Tally, built: int) -> None:
    rest = tally.considered - built - sum(tally.dropped.values())
    if rest > 0:
        tally.dropped["ranked below the number asked for"] += rest
