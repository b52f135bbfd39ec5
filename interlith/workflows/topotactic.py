"""Topotactic windows by calculation: Li into and out of a framework, relaxed with a potential.

From the relaxed crystal Li goes in or out step by step. At each content the electrostatically
lowest arrangements, made from the last content and some from the compound itself, are relaxed,
atoms and cell; the lowest one that kept the framework is where the next step goes on. Where the
framework falls apart the direction ends, and the record says so.

>>> from interlith.workflows.topotactic import TopotacticOptions, li_counts
>>> li_counts(own=6, formulas=1, options=TopotacticOptions(low=4, high=11, most_contents=4))
([5, 4], [8, 10, 11])
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from interlith.analysis.insertion_voltages import (
    CalculatedTopotactic,
    Framework,
    InsertionStep,
    limits,
    wide_limits,
    with_voltages,
)
from interlith.analysis.windows import Topotactic
from interlith.engines.potentials import potential
from interlith.engines.relax import RelaxationRecord, rattle, relax
from interlith.errors import FailureError, InputError
from interlith.provenance import provenance
from interlith.records import Record, Status
from interlith.structures.disorder.ordering import order
from interlith.structures.framework import FrameworkChange, framework_change
from interlith.structures.insertion import ION, insert_ions, remove_ions
from interlith.structures.library import build, load_phase
from interlith.structures.reading import Material, read_material
from interlith.workflows.relaxations import read_relaxed, relaxation_file, write_relaxed

if TYPE_CHECKING:
    from pymatgen.core import Structure

Progress = Callable[[str], None]

UNCERTAINTY = (
    "no standard uncertainty is known: besides the error of the potential the voltages depend on "
    "the arrangements tried (spread in steps) and on the small cell; energies at 0 K, without "
    "zero-point motion; a redox state that the potential never learned shifts them without warning"
)


class TopotacticOptions(Record):
    """How far and how hard.

    Attributes
    ----------
    low, high : float or None
        Li per formula as written, to go down and up to; None is two Li less and more.
    most_contents : int
        Most contents on either side; steps become larger than one Li per cell beyond it.
    arrangements : int
        Arrangements relaxed at each content.
    framework : "relaxed" or "held"
        Held lets only Li move, in the cell of the compound: the framework cannot fall apart, and
        energies are upper bounds (reduction voltages lower, oxidation voltages upper bounds).
    max_atoms : int
        Largest ordered cell that is made of a disordered crystal, and largest cell taken at all.
    """

    low: float | None = Field(default=None, ge=0)
    high: float | None = Field(default=None, ge=0)
    most_contents: int = Field(default=5, ge=1)
    arrangements: int = Field(default=3, ge=1)
    framework: Framework = "relaxed"
    fmax_ev_per_angstrom: float = Field(default=0.05, gt=0)
    max_steps: int = Field(default=250, ge=1)
    max_atoms: int = Field(default=100, ge=1)
    seed: int = Field(default=0, ge=0)


SAME_ANGSTROM = 0.05
"""Atoms that a translation brings this near to each other are images: the cell is reduced."""
SAME_AMOUNT = 1e-6
DEFAULT_CHANGE = 2.0
"""Li per formula that go in and out unless the caller says otherwise."""


def topotactic(
    formula_or_path: str,
    potential_name: str,
    options: TopotacticOptions | None = None,
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> CalculatedTopotactic:
    """Topotactic limits of a compound with a potential.

    Parameters
    ----------
    formula_or_path : str
        Library phase, formula of one, or path to a structure.
    potential_name : str
        As :func:`interlith.engines.potentials.potential` takes it.
    folder : Path, optional
        Keeps every relaxation in a file named by its composition; a calculation that was cut
        short, or that is asked for more contents, goes on from there.
    progress : callable, optional
        Told each content as it is done.

    Raises
    ------
    InputError
        If there is no such material or potential, the potential does not know an element, there
        is no framework, the cell is too large, or the range leaves nothing to do.
    """
    options = options or TopotacticOptions()
    begin = time.monotonic()
    material = read_material(formula_or_path)
    start = _ordered(material, options)
    written = material.facts.formula if material.facts else start.composition.reduced_formula
    formulas = _formulas_per_cell(start, written)
    own = int(start.composition[ION])
    counts = li_counts(own=own, formulas=formulas, options=options)
    engine = _Engine(potential_name, options, {*start.symbol_set, ION}, folder)
    steps, problems = _all_steps(start, counts, formulas, material, engine, progress)
    lithium = engine.relaxed(build(load_phase(ION)))[1].energy_ev_per_atom
    filled = with_voltages(steps, own / formulas, lithium)
    found = limits(filled, own / formulas)
    wide = wide_limits(filled, own / formulas)
    return CalculatedTopotactic(
        **found.model_dump(),
        status=_status(found, problems),
        reason="; ".join(problems) or None,
        formula=written,
        material=material.name,
        source=material.source,
        formulas_per_cell=formulas,
        atoms_per_formula=len(start) / formulas,
        li_per_formula=own / formulas,
        framework=options.framework,
        steps=filled,
        wide_reduction_v=wide[0],
        wide_oxidation_v=wide[1],
        uncertainty=UNCERTAINTY,
        lithium_ev_per_atom=lithium,
        potential=engine.identity,
        options=options.to_json(),
        provenance=provenance(options.seed, time.monotonic() - begin),
    )


def planned_relaxations(formula_or_path: str, options: Mapping[str, Any]) -> tuple[Structure, int]:
    """The cell that would be relaxed, and how often if every framework holds.

    Raises
    ------
    InputError
        As :func:`topotactic`.
    """
    asked = TopotacticOptions.model_validate(dict(options))
    material = read_material(formula_or_path)
    start = _ordered(material, asked)
    written = material.facts.formula if material.facts else start.composition.reduced_formula
    down, up = li_counts(
        own=int(start.composition[ION]), formulas=_formulas_per_cell(start, written), options=asked
    )
    return start, 1 + (len(down) + len(up)) * asked.arrangements


def li_counts(
    *, own: int, formulas: float, options: TopotacticOptions
) -> tuple[list[int], list[int]]:
    """Li per cell of the contents below and above the compound's, going away from it.

    Raises
    ------
    InputError
        If the range does not hold the compound, or leaves no other content.
    """
    content = own / formulas
    low = max(0.0, content - DEFAULT_CHANGE) if options.low is None else options.low
    high = content + DEFAULT_CHANGE if options.high is None else options.high
    if not low <= content + 1e-6 or not content - 1e-6 <= high < math.inf:
        raise InputError(
            f"{low:g} to {high:g} Li per formula does not hold the compound's own {content:g}, or "
            "has no end; give a range around it"
        )
    lowest, highest = math.ceil(low * formulas - 1e-6), math.floor(high * formulas + 1e-6)
    down = _away(own, lowest, options.most_contents)
    up = _away(own, highest, options.most_contents)
    if not down and not up:
        raise InputError(
            f"{low:g} to {high:g} Li per formula is less than one Li in the cell of {formulas:g} "
            "formulas; widen the range or bring a larger cell"
        )
    return down, up


def _away(own: int, last: int, most: int) -> list[int]:
    """Counts from next to ``own`` to ``last`` in at most ``most`` even steps."""
    distance, sign = abs(last - own), 1 if last > own else -1
    if not distance:
        return []
    stride = math.ceil(distance / most)
    return [*(own + sign * stride * i for i in range(1, math.ceil(distance / stride))), last]


@dataclass
class _Engine:
    """A calculator with the options of its relaxations."""

    name: str
    options: TopotacticOptions
    elements: set[str]
    folder: Path | None = None

    def __post_init__(self) -> None:
        chosen = potential(self.name)
        self.identity: dict[str, Any] = chosen.identity.to_json()
        self.calculator = chosen.calculator(elements=self.elements)

    def relaxed(self, structure: Structure, *, hold: bool = False) -> _Relaxed:
        """Relax from a slightly rattled start, so that symmetry binds nothing.

        Atoms and cell; only Li where the framework is held.
        """
        from ase.constraints import FixAtoms
        from pymatgen.core import Structure as Crystal

        path = self._path(structure, hold)
        kept = None if path is None else read_relaxed(path)
        if kept is not None:
            return kept
        atoms = rattle(structure.to_ase_atoms(msonable=False), seed=self.options.seed)
        if hold:
            host = [i for i, symbol in enumerate(atoms.symbols) if symbol != ION]
            atoms.positions[host] = structure.cart_coords[host]
            atoms.set_constraint(FixAtoms(host))
        after, record = relax(
            atoms,
            self.calculator,
            fmax_ev_per_angstrom=self.options.fmax_ev_per_angstrom,
            max_steps=self.options.max_steps,
            cell=not hold,
        )
        symbols = list(after.symbols)
        made = Crystal(after.cell.array, symbols, after.get_scaled_positions(wrap=False))
        if path is not None:
            write_relaxed(path, made, record)
        return made, record

    def _path(self, structure: Structure, hold: bool) -> Path | None:
        """File of a relaxation."""
        if self.folder is None:
            return None
        options, identity = self.options, self.identity
        return relaxation_file(
            self.folder,
            structure,
            identity["sha256"],
            identity["dtype"],
            options.fmax_ev_per_angstrom,
            options.max_steps,
            options.seed,
            hold,
        )


_Relaxed = tuple["Structure", RelaxationRecord]


def _all_steps(
    start: Structure,
    counts: tuple[list[int], list[int]],
    formulas: float,
    material: Material,
    engine: _Engine,
    progress: Progress | None,
) -> tuple[list[InsertionStep], list[str]]:
    """The compound itself, what it becomes on either side, and what went wrong."""
    pristine, relaxation = engine.relaxed(start)
    steps = [_step(pristine, [(pristine, relaxation)], formulas)]
    problems = []
    change = framework_change(start, pristine)
    if not change.intact:
        problems.append(f"the compound's own framework changed in its relaxation: {change.words()}")
    for away in counts:
        found, problem = _series(pristine, away, formulas, material, engine, progress)
        steps += found
        problems += [problem] if problem else []
    names = [step.formula for step in steps if not step.converged]
    problems += [f"not converged: {', '.join(names)}"] if names else []
    return steps, problems


def _series(
    pristine: Structure,
    counts: Sequence[int],
    formulas: float,
    material: Material,
    engine: _Engine,
    progress: Progress | None,
) -> tuple[list[InsertionStep], str | None]:
    """Contents one after the other, until the framework falls apart."""
    current: Structure | None = None
    steps: list[InsertionStep] = []
    for count in counts:
        try:
            starts = _starts(pristine, current, count, material, engine.options)
        except InputError as error:
            return steps, str(error)
        relaxed, failure = _relax_all(starts, engine)
        if not relaxed:
            return steps, failure
        step = _step(pristine, relaxed, formulas)
        steps.append(step)
        if progress is not None:
            progress(f"{step.formula}: {step.framework.words()}")
        if not step.intact:
            return steps, f"the framework of {step.formula} falls apart ({step.framework.words()})"
        current = _best(pristine, relaxed)[0]
    return steps, None


def _relax_all(starts: Sequence[Structure], engine: _Engine) -> tuple[list[_Relaxed], str | None]:
    """What came through its relaxation, and why the last other one did not."""
    relaxed, failure = [], None
    for start in starts:
        try:
            relaxed.append(engine.relaxed(start, hold=engine.options.framework == "held"))
        except FailureError as error:
            failure = str(error)
    return relaxed, failure


def _starts(
    pristine: Structure,
    current: Structure | None,
    count: int,
    material: Material,
    options: TopotacticOptions,
) -> list[Structure]:
    """Arrangements to relax: mostly from the last content, some from the compound itself."""
    charges = _charges(pristine, material)
    shares = {"compound": options.arrangements} if current is None else _shares(options)
    starts: list[Structure] = []
    for origin, keep in shares.items():
        structure = pristine if current is None or origin == "compound" else current
        change = count - int(structure.composition[ION])
        place = insert_ions if change > 0 else remove_ions
        if keep:
            found = place(structure, abs(change), charges=charges, keep=keep, seed=options.seed)
            starts += [one.structure for one in found]
    return starts


def _shares(options: TopotacticOptions) -> dict[str, int]:
    anew = options.arrangements // 2
    return {"last": options.arrangements - anew, "compound": anew}


def _charges(structure: Structure, material: Material) -> dict[str, float] | None:
    """Formal charges; None where some are unknown: arrangements then rank by distances alone."""
    charges = {ION: 1.0, **(material.oxidation_states or {})}
    return charges if set(structure.symbol_set) <= set(charges) else None


def _best(
    pristine: Structure, relaxed: Sequence[_Relaxed]
) -> tuple[Structure, RelaxationRecord, FrameworkChange]:
    """The lowest with the framework intact; the lowest of all where none is."""
    judged = [(one, record, framework_change(pristine, one)) for one, record in relaxed]
    return min(judged, key=lambda one: (not one[2].intact, one[1].energy_ev_per_atom))


def _step(pristine: Structure, relaxed: Sequence[_Relaxed], formulas: float) -> InsertionStep:
    best, record, change = _best(pristine, relaxed)
    energies = [
        one[1].energy_ev_per_atom * len(one[0]) / formulas
        for one in relaxed
        if framework_change(pristine, one[0]).intact
    ]
    return InsertionStep(
        formula=_formula(best, formulas),
        li_per_formula=best.composition[ION] / formulas,
        n_atoms=len(best),
        energy_ev_per_formula=record.energy_ev_per_atom * len(best) / formulas,
        arrangements=len(relaxed),
        arrangements_intact=len(energies),
        arrangement_spread_ev_per_formula=(
            max(energies) - min(energies) if len(energies) > 1 else None
        ),
        converged=record.converged,
        framework=change,
    )


def _formula(structure: Structure, formulas: float) -> str:
    """Of one formula unit, elements by electronegativity."""
    text = ""
    for element in sorted(structure.composition.elements, key=lambda one: (one.X, one.symbol)):
        amount = structure.composition[element] / formulas
        text += element.symbol if abs(amount - 1) < SAME_AMOUNT else f"{element}{amount:.4g}"
    return text


def _ordered(material: Material, options: TopotacticOptions) -> Structure:
    structure = material.structure
    if not structure.is_ordered:
        made = order(
            structure,
            material.oxidation_states,
            max_atoms=options.max_atoms,
            count=1,
            seed=options.seed,
        )
        structure = made.best.structure
    structure = structure.get_primitive_structure(tolerance=SAME_ANGSTROM)
    if len(structure) > options.max_atoms:
        raise InputError(
            f"the cell of {material.name} has {len(structure)} atoms, more than max_atoms="
            f"{options.max_atoms}; raise that"
        )
    if len(structure) == structure.composition[ION]:
        raise InputError(f"{material.name} has no framework: it is {ION} alone")
    bare = structure.copy()
    bare.remove_oxidation_states()
    return bare


def _formulas_per_cell(structure: Structure, formula: str) -> float:
    """Formula units in the cell, counted by the framework: Li may be off in an ordered cell."""
    from pymatgen.core import Composition

    wanted = Composition(formula)
    host = sum(n for e, n in wanted.items() if e.symbol != ION)
    mine = sum(n for e, n in structure.composition.items() if e.symbol != ION)
    return round(mine / host, 6)


def _status(found: Topotactic, problems: Sequence[str]) -> Status:
    if found.reduction_potential_v is None and found.oxidation_potential_v is None:
        return "no_answer"
    return "diagnosis" if problems else "ok"
