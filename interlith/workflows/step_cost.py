"""What the calculated stages of a study would cost: one force call is timed, not guessed.

>>> force_call("emt", _copper()).basis.startswith("measured")
True
"""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING, Any

from interlith.engines.potentials import potential
from interlith.errors import InterlithError, MissingDependencyError
from interlith.records import Record
from interlith.workflows.committee import driver
from interlith.workflows.study import Study

if TYPE_CHECKING:
    from ase import Atoms

LONGEST_S = 3.0
"""Time spent on one measurement, the loading of the potential aside."""
MOST_CALLS = 10
RATTLE_ANGSTROM = 0.02
RELAXATION_CALLS = 60
"""Force calls of a usual relaxation of atoms and cell."""
BAND_CALLS = 60
"""Force calls of each image of a usual band, both stages."""
SECONDS_PER_ATOM = {
    "7net": 4.4e-3,
    "chgnet": 3e-3,
    "lpscl-dft": 1.1e-3,
    "lpscl": 0.25e-3,
    "mace": 0.25e-3,
    "emt": 1e-5,
}
"""One force call on a core of a two-core machine; only where nothing can be measured here."""


class CallCost(Record):
    """Time of one force call.

    Attributes
    ----------
    basis : str
        Whether it was measured here or estimated, and from what.
    """

    potential: str
    n_atoms: int
    seconds: float | None
    basis: str


class StageCost(Record):
    """A calculated stage and its cost.

    Attributes
    ----------
    force_calls : int
        Of dynamics: the steps. Else a usual number; the real one depends on the material.
    side_by_side : int
        Calls that run at the same time.
    seconds : float or None
        None where one call could not be timed.
    """

    stage: str
    call: CallCost
    force_calls: int
    side_by_side: int
    seconds: float | None
    problem: str | None = None


def force_call(name: str, atoms: Atoms, *, stress: bool = False) -> CallCost:
    """Time a force call of a potential on some atoms, or say why it is only estimated."""
    chosen = potential(name)
    if name.startswith("gpaw") or getattr(chosen.identity, "kind", "") == "dft":
        return CallCost(
            potential=name, n_atoms=len(atoms), seconds=None,
            basis="not measured: a DFT calculation takes minutes to hours",
        )  # fmt: skip
    moved = atoms.copy()
    moved.calc = chosen.calculator(stress=stress, elements=set(atoms.symbols))
    moved.get_forces()  # loads and compiles
    begin, calls = time.perf_counter(), 0
    while calls < MOST_CALLS and time.perf_counter() - begin < LONGEST_S:
        moved.rattle(RATTLE_ANGSTROM / (1 + calls), seed=calls)
        moved.get_forces()
        calls += 1
    seconds = (time.perf_counter() - begin) / calls
    return CallCost(
        potential=name, n_atoms=len(atoms), seconds=seconds,
        basis=f"measured: {calls} force calls on {len(atoms)} atoms, {1000 * seconds:.3g} ms each",
    )  # fmt: skip


def estimated_call(name: str, n_atoms: int, why: str) -> CallCost:
    """A force call that cannot be timed here."""
    per_atom = next((s for start, s in SECONDS_PER_ATOM.items() if name.startswith(start)), None)
    return CallCost(
        potential=name,
        n_atoms=n_atoms,
        seconds=None if per_atom is None else per_atom * n_atoms,
        basis=f"estimated from a core of another machine, not measured here: {why}"
        if per_atom is not None
        else f"unknown: {why}",
    )


def stage_costs(study: Study, workers: int = 2) -> tuple[StageCost, ...]:
    """Cost of each calculated stage; a stage that cannot be prepared says why."""
    makers = {
        "md": _dynamics,
        "topotactic": _insertion,
        "barriers": _barriers,
        "reactivity": _interfaces,
    }
    found = []
    for stage, name in study.calculated():
        try:
            found.append(makers[stage](study, workers))
        except InterlithError as error:
            call = estimated_call(name, 0, str(error))
            found.append(
                StageCost(
                    stage=stage, call=call, force_calls=0, side_by_side=1, seconds=None,
                    problem=str(error),
                )
            )  # fmt: skip
    return tuple(found)


def _dynamics(study: Study, workers: int) -> StageCost:
    from interlith.workflows.diffusion import prepare_cell

    settings = study.stages.md
    if settings is None:
        raise ValueError("the study has no dynamics")
    still = settings.model_copy(update={"volume": "as_given"})
    cell = prepare_cell(study.crystal(study.electrolyte), still)
    atoms = cell.structure.to_ase_atoms(msonable=False)
    runs = len(settings.temperatures_k) * settings.seeds
    together = max(1, min(workers, runs, os.cpu_count() or 1))
    call = _timed(settings.potential, atoms, moves=True)
    rounds = math.ceil(runs / together)
    return StageCost(
        stage="md",
        call=call,
        force_calls=runs * settings.n_steps,
        side_by_side=together,
        seconds=None if call.seconds is None else rounds * settings.n_steps * call.seconds,
    )


def _insertion(study: Study, workers: int) -> StageCost:
    from interlith.workflows.topotactic import planned_relaxations

    settings = study.stages.topotactic
    if settings is None:
        raise ValueError("the study has no insertion")
    crystal = study.crystal(study.electrolyte)
    structure, relaxations = planned_relaxations(
        crystal, settings.model_dump(exclude={"potential"})
    )
    call = _timed(settings.potential, structure.to_ase_atoms(msonable=False))
    calls = relaxations * RELAXATION_CALLS
    return StageCost(
        stage="topotactic", call=call, force_calls=calls, side_by_side=1,
        seconds=None if call.seconds is None else calls * call.seconds,
    )  # fmt: skip


def _barriers(study: Study, workers: int) -> StageCost:
    from interlith.structures.reading import read_material, require_ordered
    from interlith.workflows.neb import HopOptions, find_hops, thrifty

    settings = study.stages.barriers
    if settings is None:
        raise ValueError("the study has no barriers")
    values = settings.model_dump(
        exclude={"potential", "images", "fmax_ev_per_angstrom", "max_steps"}
    )
    material = read_material(study.crystal(study.electrolyte))
    require_ordered(material.structure, material.asked)
    found = find_hops(
        thrifty(material.structure, settings.min_length_angstrom), HopOptions.model_validate(values)
    )
    call = _timed(settings.potential, found[0].start.to_ase_atoms(msonable=False))
    each = settings.images * BAND_CALLS + 2 * RELAXATION_CALLS
    calls = min(len(found), settings.most_hops) * each
    return StageCost(
        stage="barriers", call=call, force_calls=calls, side_by_side=1,
        seconds=None if call.seconds is None else calls * call.seconds,
    )  # fmt: skip


def _interfaces(study: Study, workers: int) -> StageCost:
    """Every contact in turn, by the cell of the first; labels take about a tenth more.

    A contact is relaxed, its runs go side by side, and one of them goes on without thermostat.
    """
    from interlith.workflows.calculated_stages import reactive_pairs
    from interlith.workflows.reactive.cell import built
    from interlith.workflows.reactive.settings import ReactivitySettings

    asked = study.stages.reactivity
    if asked is None:
        raise ValueError("the study has no dynamics of interfaces")
    settings = ReactivitySettings.model_validate(asked.model_dump(exclude={"contacts", "pairs"}))
    pairs = reactive_pairs(study)
    structure, _ = built(*pairs[0], settings)
    call = _timed(settings.potential, structure.to_ase_atoms(msonable=False), moves=True)
    runs = len(settings.temperatures_k) * settings.seeds
    together = max(1, min(workers, runs, os.cpu_count() or 1))
    steps = settings.steps(settings.equilibration_ps) + settings.steps(settings.time_ps)
    alone = settings.relax_steps + (settings.steps(settings.nve_ps) if settings.nve_ps else 0)
    calls = len(pairs) * (runs * steps + alone)
    turns = len(pairs) * (math.ceil(runs / together) * steps + alone)
    return StageCost(
        stage="reactivity",
        call=call,
        force_calls=calls,
        side_by_side=together,
        seconds=None if call.seconds is None else turns * call.seconds,
    )


def _timed(name: str, atoms: Atoms, *, moves: bool = False) -> CallCost:
    try:
        chosen = driver(name).identity.name if moves else name
        return force_call(chosen, atoms, stress=not moves)
    except MissingDependencyError as error:
        return estimated_call(name, len(atoms), str(error))


def _copper() -> Any:
    from ase.build import bulk

    return bulk("Cu", cubic=True)
