"""Voltages at which Li goes into or out of a framework, from energies at several Li contents.

Between two contents of one framework the voltage is ``-(E(x2) - E(x1)) / (x2 - x1) + E(Li)`` with
``E(Li)`` the energy of an atom in Li metal. All three energies come from one potential.

>>> from interlith.analysis.insertion_voltages import average_voltage
>>> average_voltage((1.0, -10.0), (2.0, -14.0), lithium_ev=-1.5)
2.5
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from interlith.analysis.windows import Topotactic
from interlith.errors import InputError
from interlith.provenance import Provenance
from interlith.records import Record, Status
from interlith.structures.framework import FrameworkChange

SAME_CONTENT = 1e-6
CONTRADICTION_V = 0.1
"""Two sources of energies differ by less than this on a voltage, most of the time."""
IMPOSSIBLE = "no framework is that stable, so the potential or the set misjudges this redox state"
Framework = Literal["relaxed", "held"]


class InsertionStep(Record):
    """One Li content of a framework.

    Attributes
    ----------
    energy_ev_per_formula : float
        Of the lowest arrangement with the framework intact; of the lowest of all where none is.
    arrangement_spread_ev_per_formula : float or None
        Highest minus lowest energy of the intact arrangements; None with fewer than two.
    average_voltage_v : float or None
        Between the compound itself and this content; None for the compound.
    step_voltage_v : float or None
        Between the content next to it towards the compound and this one.
    """

    formula: str
    li_per_formula: float
    n_atoms: int
    energy_ev_per_formula: float
    arrangements: int
    arrangements_intact: int
    arrangement_spread_ev_per_formula: float | None
    converged: bool
    framework: FrameworkChange
    average_voltage_v: float | None = None
    step_voltage_v: float | None = None

    @property
    def intact(self) -> bool:
        """Whether the framework held."""
        return self.framework.intact


class CalculatedTopotactic(Topotactic):
    """Topotactic limits with the calculation behind them; ``interlith window --json`` shows it.

    Attributes
    ----------
    status : str
        "diagnosis" when the framework fell apart or a relaxation did not converge at a content
        asked for, "no_answer" when no limit came out.
    sigma : None
        No standard uncertainty is known; ``uncertainty`` says what the numbers depend on.
    wide_reduction_v, wide_oxidation_v : float or None
        Average voltages to the highest and the lowest content with the framework intact.
    """

    status: Status
    reason: str | None
    formula: str
    material: str
    source: str
    formulas_per_cell: float
    atoms_per_formula: float
    li_per_formula: float
    framework: Framework
    steps: tuple[InsertionStep, ...]
    wide_reduction_v: float | None
    wide_oxidation_v: float | None
    sigma: None = None
    uncertainty: str
    lithium_ev_per_atom: float
    potential: dict[str, Any]
    options: dict[str, Any]
    provenance: Provenance


def average_voltage(
    first: tuple[float, float], second: tuple[float, float], lithium_ev: float
) -> float:
    """Voltage between two Li contents of one host.

    Parameters
    ----------
    first, second : (float, float)
        Li per formula and energy (eV) of this formula.
    lithium_ev : float
        Energy of an atom in Li metal, eV.

    Raises
    ------
    InputError
        If the two contents are the same.
    """
    change = second[0] - first[0]
    if abs(change) < SAME_CONTENT:
        raise InputError(f"both Li contents are {first[0]}; a voltage needs two different ones")
    return lithium_ev - (second[1] - first[1]) / change


def with_voltages(
    steps: Sequence[InsertionStep], own_li: float, lithium_ev: float
) -> tuple[InsertionStep, ...]:
    """The steps by rising content, with their voltages filled in.

    Parameters
    ----------
    own_li : float
        Li per formula of the compound; one of the steps has it.
    """
    ordered = sorted(steps, key=lambda step: step.li_per_formula)
    points = [(step.li_per_formula, step.energy_ev_per_formula) for step in ordered]
    own = _own(points, own_li)
    filled = []
    for index, step in enumerate(ordered):
        if index == own:
            none = {"average_voltage_v": None, "step_voltage_v": None}
            filled.append(step.model_copy(update=none))
            continue
        inward = index - 1 if index > own else index + 1
        changes = {
            "average_voltage_v": average_voltage(points[own], points[index], lithium_ev),
            "step_voltage_v": average_voltage(points[inward], points[index], lithium_ev),
        }
        filled.append(step.model_copy(update=changes))
    return tuple(filled)


def limits(steps: Sequence[InsertionStep], own_li: float) -> Topotactic:
    """First voltage at which an intact framework takes up Li, and first at which it gives some.

    The reduction limit is the highest average voltage to any lithiated framework, the oxidation
    limit the lowest to any delithiated one, as :func:`interlith.analysis.topotactic.\
topotactic_window` has them.
    """
    lithiated = [
        (step.average_voltage_v, step.formula)
        for step in steps
        if step.intact and step.average_voltage_v is not None and step.li_per_formula > own_li
    ]
    delithiated = [
        (step.average_voltage_v, step.formula)
        for step in steps
        if step.intact and step.average_voltage_v is not None and step.li_per_formula < own_li
    ]
    inserted, removed = max(lithiated, default=None), min(delithiated, default=None)
    return Topotactic(
        reduction_potential_v=inserted[0] if inserted else None,
        oxidation_potential_v=removed[0] if removed else None,
        lithiated=inserted[1] if inserted else None,
        delithiated=removed[1] if removed else None,
    )


def wide_limits(steps: Sequence[InsertionStep], own_li: float) -> tuple[float | None, float | None]:
    """Average voltages to the highest and to the lowest content with the framework intact."""
    intact = [step for step in steps if step.intact and step.average_voltage_v is not None]
    highest = max(intact, key=lambda step: step.li_per_formula, default=None)
    lowest = min(intact, key=lambda step: step.li_per_formula, default=None)
    return (
        highest.average_voltage_v if highest and highest.li_per_formula > own_li else None,
        lowest.average_voltage_v if lowest and lowest.li_per_formula < own_li else None,
    )


def against_direct(
    found: CalculatedTopotactic,
    reduction_v: float | None,
    oxidation_v: float | None,
    above_hull_ev_per_atom: float | None,
) -> CalculatedTopotactic:
    """The same limits, with a diagnosis where they contradict the window of direct decomposition.

    A framework with more or less Li is never more stable than the best products of the same
    composition, so the topotactic window holds the direct one, but for what the compound itself
    is above the hull. Where it does not, by more than :data:`CONTRADICTION_V`, the potential or
    the reference set is wrong about a redox state.

    Parameters
    ----------
    reduction_v, oxidation_v : float or None
        Of the direct window, V vs Li/Li+.
    above_hull_ev_per_atom : float or None
        Of the compound in the reference set; None, where the set does not hold it, checks nothing.
    """
    if above_hull_ev_per_atom is None:
        return found
    excess = above_hull_ev_per_atom * found.atoms_per_formula
    low = _gap(found, found.lithiated, reduction_v, excess)
    high = _gap(found, found.delithiated, oxidation_v, excess)
    reasons = [found.reason] if found.reason else []
    if low is not None and low > CONTRADICTION_V:
        reasons.append(
            f"Li goes in at {found.reduction_potential_v:.2f} V, above the {reduction_v:.2f} V of "
            f"direct decomposition: {IMPOSSIBLE}"
        )
    if high is not None and high < -CONTRADICTION_V:
        reasons.append(
            f"Li comes out at {found.oxidation_potential_v:.2f} V, below the {oxidation_v:.2f} V "
            f"of direct decomposition: {IMPOSSIBLE}"
        )
    if len(reasons) == bool(found.reason):
        return found
    return found.model_copy(update={"status": "diagnosis", "reason": "; ".join(reasons)})


def _gap(
    found: CalculatedTopotactic, formula: str | None, direct_v: float | None, excess_ev: float
) -> float | None:
    """Voltage of a limit beyond the direct one, without what the compound's own excess does."""
    step = next((one for one in found.steps if one.formula == formula), None)
    if step is None or step.average_voltage_v is None or direct_v is None:
        return None
    return (
        step.average_voltage_v - excess_ev / (step.li_per_formula - found.li_per_formula) - direct_v
    )


def _own(points: Sequence[tuple[float, float]], own_li: float) -> int:
    for index, point in enumerate(points):
        if abs(point[0] - own_li) < SAME_CONTENT:
            return index
    raise InputError(f"no energy of the compound itself, with {own_li} Li per formula")
