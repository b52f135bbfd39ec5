"""Electrochemical stability windows and the ladder of decomposition steps.

The lowest energy of the host composition (everything but Li) as a function of its Li content is
convex and piecewise linear: its slopes are plateau voltages, its corners the stable product
mixtures between them. A compound's window lies between the slopes on both sides of its own Li
content, taken with its energy above hull set to zero [Zhu2015]_.

>>> from interlith.analysis.hull import Hull
>>> from interlith.analysis.reference_catalog import load_reference
>>> window = stability_window(Hull(load_reference("default")), "Li6PS5Cl")
>>> window.reduction_potential_v > 1.6
True
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from interlith.analysis.electronic_character import passivation_hint
from interlith.analysis.equations import equation
from interlith.analysis.hull import Compound, Corner, Hull, System
from interlith.analysis.references import reduced_formula
from interlith.analysis.reservations import caution, charges_balance
from interlith.errors import InputError
from interlith.records import Amount, Record, ReferenceIdentity, Status

ION = "Li"
SAME_CONTENT = 1e-5
"""Two Li contents per atom closer than this are one."""
NEAR_BALANCE = 0.02
"""A Li content off the nearest corner by less than this many Li per atom is a rounded formula."""
SOLVER_NOISE_V = 1e-6
LARGEST_CONTENT = 100.0
"""Li per atom of host up to which lithiation is followed (Li metal appears long before)."""


class Decomposition(Record):
    """Products on one side of the window."""

    products: tuple[Amount, ...]
    reaction: str


class LadderStep(Record):
    """One plateau: what the compound has become beyond it."""

    voltage_v: float
    direction: Literal["reduction", "oxidation"]
    li_change_per_formula: float
    products: tuple[Amount, ...]
    reaction: str
    passivation: str | None = None


class DecompositionEnergy(Record):
    """Driving force of decomposition at a fixed voltage, energy above hull included."""

    voltage_v: float
    energy_ev_per_atom: float
    products: tuple[Amount, ...]


class Topotactic(Record):
    """Limits for insertion or extraction of Li with the framework kept."""

    reduction_potential_v: float | None
    oxidation_potential_v: float | None
    delithiated: str | None
    lithiated: str | None


class WindowSigma(Record):
    """Standard uncertainty of the limits."""

    reduction_v: float | None
    oxidation_v: float | None


class WindowRecord(Record):
    """Result of :func:`stability_window`; field meanings as in the command line's JSON."""

    schema_version: int = 1
    formula: str
    status: Status = "ok"
    reason: str | None = None
    reduction_potential_v: float | None
    oxidation_potential_v: float | None
    energy_above_hull_ev_per_atom: float | None
    in_reference: bool
    stable_mixture: tuple[Amount, ...]
    reduction: Decomposition | None
    oxidation: Decomposition | None
    ladder: tuple[LadderStep, ...]
    decomposition_energies: tuple[DecompositionEnergy, ...]
    topotactic: Topotactic | None = None
    sigma: WindowSigma | None = None
    missing_phases: tuple[str, ...] = ()
    reference: ReferenceIdentity


def stability_window(
    hull: Hull,
    formula: str,
    *,
    voltage_range_v: tuple[float, float] = (0.0, 5.0),
    voltages_v: Sequence[float] = (),
    energy_above_hull_ev_per_atom: float | None = None,
) -> WindowRecord:
    """Window, ladder and decomposition energies of one compound.

    Parameters
    ----------
    hull : Hull
        The reference energies.
    formula : str
        Any composition, Li-free and off-stoichiometric ones included.
    voltage_range_v : (float, float)
        Steps outside are left out of the ladder, V vs Li/Li+.
    voltages_v : sequence of float
        Voltages for the decomposition energies.
    energy_above_hull_ev_per_atom : float, optional
        The caller's own value for a compound that the reference set does not hold; it enters
        the decomposition energies, never the window.

    Returns
    -------
    WindowRecord
        ``oxidation_potential_v`` is None, with a reason, for a compound without Li. ``status``
        is ``"diagnosis"`` when the Li content is off the stable ones: the window is then that of
        the nearest, if charges say that the formula is rounded, or a single plateau voltage; and
        when the set holds no compound of two of its elements.

    Raises
    ------
    InputError
        On an unreadable formula, an absent element, a reversed range, a voltage that is no
        number, or Li alone.
    """
    low, high = check_range(voltage_range_v)
    check_voltages(voltages_v)
    compound = hull.compound(formula)
    if energy_above_hull_ev_per_atom is not None:
        compound = replace(compound, energy_above_hull=energy_above_hull_ev_per_atom)
    host = {e: n for e, n in compound.composition.items() if e != ION}
    if not host:
        raise InputError(f"{formula} has no window: a window is that of a compound against Li")
    line = LithiationLine(hull, compound)
    side = line.own_place()
    steps = [step for step in line.steps(side) if low - 1e-9 <= step.voltage_v <= high + 1e-9]
    mixture = hull.amounts(compound.stable_mixture)
    doubt = caution(hull.reference, compound.composition)
    return WindowRecord(
        formula=formula,
        status="diagnosis" if doubt else "ok" if side.reason is None else side.status,
        reason="; ".join(filter(None, (side.reason, doubt))) or None,
        reduction_potential_v=side.reduction,
        oxidation_potential_v=side.oxidation,
        energy_above_hull_ev_per_atom=compound.energy_above_hull,
        in_reference=compound.phase is not None,
        stable_mixture=mixture,
        reduction=line.decomposition(side.below),
        oxidation=line.decomposition(side.above),
        ladder=tuple(steps),
        decomposition_energies=tuple(line.decomposition_energy(v) for v in voltages_v),
        missing_phases=hull.reference.missing_phases([*compound.composition, ION]),
        reference=hull.reference.identity(),
    )


def check_range(voltage_range_v: tuple[float, float]) -> tuple[float, float]:
    """Refuse a reversed or empty voltage range.

    Raises
    ------
    InputError
        If the first voltage is not below the second.
    """
    low, high = voltage_range_v
    if not low < high:
        raise InputError(
            f"the voltage range {low:g} to {high:g} V is reversed or empty; give the lower "
            "voltage first, for example 0 5"
        )
    return low, high


def check_voltages(voltages_v: Sequence[float]) -> None:
    """Refuse voltages that are no finite number.

    Raises
    ------
    InputError
        Naming the first.
    """
    for voltage in voltages_v:
        if not math.isfinite(voltage):
            raise InputError(
                f"{voltage:g} V is no voltage; give finite numbers in V vs Li/Li+, for example 4.3"
            )


def window_limits(hull: Hull, compound: Compound) -> tuple[float, float | None]:
    """Reduction and oxidation limit alone, V, by two linear programs (for stable phases).

    The oxidation limit is None for a compound without Li. Off-balance compositions give the
    voltage of their plateau twice.
    """
    system = hull.system([*compound.composition, ION])
    reduction = _without_noise(-system.tangent(compound, {ION: 1.0}).energy)
    if compound.composition.get(ION, 0.0) <= 0.0:
        return reduction, None
    return reduction, _without_noise(system.tangent(compound, {ION: -1.0}).energy)


def _without_noise(voltage: float) -> float:
    return 0.0 if abs(voltage) < SOLVER_NOISE_V else voltage


class Place:
    """Where the compound sits among the corners: limits and neighbouring corners."""

    def __init__(
        self,
        reduction: float,
        oxidation: float | None,
        below: int | None,
        above: int | None,
        reason: str | None = None,
        status: Status = "diagnosis",
    ) -> None:
        self.reduction, self.oxidation = reduction, oxidation
        self.below, self.above = below, above
        self.reason, self.status = reason, status


class LithiationLine:
    """Corners of the lowest energy of a host as Li is added, from none to the metal.

    ``whole=False`` takes only the piece around the compound, a little longer than a formula that
    was rounded can be off: enough for :meth:`own_place`, in a third of the programs. Its ends are
    corners of the piece, not of the line.
    """

    def __init__(self, hull: Hull, compound: Compound, whole: bool = True) -> None:
        self.hull, self.compound = hull, compound
        self.system: System = hull.system([*compound.composition, ION])
        self.content = compound.composition.get(ION, 0.0)
        self.host = {e: n for e, n in compound.composition.items() if e != ION}
        origin = self.system.vector(self.host)
        direction = self.system.vector({ION: 1.0})
        if whole:
            limit = LARGEST_CONTENT * sum(self.host.values()) + self.content
            # the last corner is host + excess Li metal: keep the line up to where metal appears
            self.corners: list[Corner] = self.system.path(origin, direction, (0.0, limit))[:-1]
        else:
            reach = 1.01 * NEAR_BALANCE * compound.atoms
            piece = (max(0.0, self.content - reach), self.content + reach)
            self.corners = self.system.path(origin, direction, piece)

    def plateau(self, left: int) -> float:
        """Voltage between corner ``left`` and the next, V; 0 beyond the last."""
        if left + 1 >= len(self.corners):
            return 0.0
        a, b = self.corners[left], self.corners[left + 1]
        return _without_noise(-(b.energy - a.energy) / (b.position - a.position))

    def own_place(self) -> Place:
        """Locate the compound's own Li content among the corners."""
        tolerance = SAME_CONTENT * self.compound.atoms
        offsets = [corner.position - self.content for corner in self.corners]
        closest = min(abs(offset) for offset in offsets)
        # the first of two that are equally far, whatever rounding makes of them
        nearest = next(i for i, off in enumerate(offsets) if abs(off) <= closest + tolerance)
        if abs(offsets[nearest]) <= tolerance:
            return self._at(nearest)
        rounded = abs(offsets[nearest]) <= NEAR_BALANCE * self.compound.atoms
        if rounded and not charges_balance(self.compound.composition):
            balanced = dict(self.host)
            if self.corners[nearest].position > 0:
                balanced[ION] = self.corners[nearest].position
            name = _spell(balanced, self.compound.formula)
            place = self._at(nearest)
            place.status = "diagnosis"
            place.reason = (
                f"{self.compound.formula} is {-offsets[nearest]:+.3g} Li per formula off the "
                f"nearest stable Li content; the window is that of {name}"
            )
            return place
        left = max(i for i, offset in enumerate(offsets) if offset < 0)
        voltage = self.plateau(left)
        below = left + 1 if left + 1 < len(self.corners) else None
        own = "; its charges balance, so the formula is not taken as rounded" if rounded else ""
        return Place(
            voltage,
            voltage,
            below,
            left,
            f"{self.compound.formula} has no window of its own: its stable mixture lies on the "
            f"plateau at {voltage:.2f} V, so it takes up or releases Li there{own}",
        )

    def _at(self, i: int) -> Place:
        below = i + 1 if i + 1 < len(self.corners) else None
        if i > 0:
            return Place(self.plateau(i), self.plateau(i - 1), below, i - 1)
        reason = (
            "no oxidation limit: the compound holds no Li that could be extracted"
            if self.content == 0
            else "no oxidation limit: the host without Li is not reached by extraction"
        )
        return Place(self.plateau(i), None, below, None, reason, "ok")

    def steps(self, place: Place) -> list[LadderStep]:
        """Every plateau from the highest voltage down to Li metal."""
        found: list[LadderStep] = []
        tolerance = SAME_CONTENT * self.compound.atoms
        for left in range(len(self.corners) - 1):
            oxidation = self.corners[left + 1].position <= self.content + tolerance or (
                place.above is not None and left <= place.above and place.below != left + 1
            )
            on_it = (place.above, place.below) == (left, left + 1)  # both ways from a plateau
            if oxidation or on_it:
                found.append(self._step(left, "oxidation"))
            if not oxidation or on_it:
                found.append(self._step(left, "reduction"))
        return found

    def _step(self, left: int, direction: Literal["reduction", "oxidation"]) -> LadderStep:
        beyond = left if direction == "oxidation" else left + 1
        change = self.corners[beyond].position - self.content
        products = self.hull.amounts(self.corners[beyond].phases)
        return LadderStep(
            voltage_v=self.plateau(left),
            direction=direction,
            li_change_per_formula=change,
            products=products,
            reaction=self._equation(change, products),
            passivation=passivation_hint(products),
        )

    def decomposition(self, corner: int | None) -> Decomposition | None:
        """Products at a corner, with the balanced reaction from the compound."""
        if corner is None:
            return None
        products = self.hull.amounts(self.corners[corner].phases)
        change = self.corners[corner].position - self.content
        return Decomposition(products=products, reaction=self._equation(change, products))

    def decomposition_energy(self, voltage_v: float) -> DecompositionEnergy:
        """Energy of decomposition at a voltage, eV per atom of the compound (negative: driven)."""
        best = min(self.corners, key=lambda c: c.energy + voltage_v * c.position)
        above = self.compound.energy_above_hull or 0.0
        own = self.compound.hull_energy + above * self.compound.atoms
        energy = best.energy - own + voltage_v * (best.position - self.content)
        return DecompositionEnergy(
            voltage_v=voltage_v,
            energy_ev_per_atom=energy / self.compound.atoms,
            products=self.hull.amounts(best.phases),
        )

    def _equation(self, change: float, products: tuple[Amount, ...]) -> str:
        return equation(
            [
                Amount(formula=self.compound.formula, amount=1.0),
                Amount(formula=ION, amount=change),
            ],
            products,
        )


def _spell(composition: dict[str, float], like: str) -> str:
    """Spell a composition in the order of a formula's elements."""
    order = sorted(composition, key=lambda e: like.find(e) if e in like else 99)
    whole = reduced_formula(composition)
    if all(abs(n - round(n)) < 1e-6 for n in composition.values()):
        return whole
    return "".join(f"{e}{composition[e]:.4g}" if composition[e] != 1 else e for e in order)
