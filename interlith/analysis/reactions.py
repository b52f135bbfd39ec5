"""Reactions where two materials touch: closed, or open to Li at a voltage.

The lowest energy along the mixing line of two compositions, minus what the two had, is the
reaction energy [Richards2016]_ [Zhu2016]_. Both reactants are taken on their hull, so a
reactant's own instability is never counted as reaction; it is reported beside it.

>>> from interlith.analysis.hull import Hull
>>> from interlith.analysis.reference_catalog import load_reference
>>> reaction = closed_reaction(Hull(load_reference("default")), "Li6PS5Cl", "LiCl")
>>> reaction.energy_ev_per_atom
0.0
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from interlith.analysis.equations import net_amounts, written
from interlith.analysis.hull import Compound, Corner, Hull, System
from interlith.analysis.reservations import caution
from interlith.analysis.volumes import VolumeChange, volume_change
from interlith.errors import InputError
from interlith.records import Amount, Record, ReferenceIdentity, Status

FloatArray = npt.NDArray[np.float64]

ION = "Li"
NO_REACTION = 1e-6
"""Reaction energies above minus this, eV per atom, are no reaction."""


class Kink(Record):
    """A corner of the mixing line."""

    mixing_fraction_a: float
    energy_ev_per_atom: float
    products: tuple[Amount, ...]
    reaction: str


class EnergyAboveHull(Record):
    """Energy above hull of both reactants, eV per atom (None: not in the reference set)."""

    a: float | None
    b: float | None


class ReactionRecord(Record):
    """Closed reaction; see :func:`closed_reaction`.

    ``capacity_mah_per_g`` is the charge of the Li metal consumed per mass of the other reactant;
    None if Li metal is no reactant.
    """

    schema_version: int = 1
    a: str
    b: str
    mode: Literal["closed"] = "closed"
    voltage_v: None = None
    status: Status = "ok"
    reason: str | None = None
    energy_ev_per_atom: float
    sigma_ev_per_atom: float | None = None
    mixing_fraction_a: float | None
    products: tuple[Amount, ...]
    reaction: str
    kinks: tuple[Kink, ...]
    endpoint_energy_above_hull: EnergyAboveHull
    volume: VolumeChange | None
    capacity_mah_per_g: float | None = None
    missing_phases: tuple[str, ...] = ()
    reference: ReferenceIdentity


class OpenMinimum(Record):
    """Strongest reaction in one normalisation."""

    energy_ev: float
    mixing_fraction_a: float | None
    products: tuple[Amount, ...]
    reaction: str


class OpenEnergies(Record):
    """The same reaction counted per atom and per atom that is not Li."""

    label: str
    per_atom: OpenMinimum
    per_non_lithium_atom: OpenMinimum


class OpenReactionRecord(Record):
    """Reaction open to Li at one voltage; see :func:`open_reaction`.

    ``capacity_mah_per_g`` is the charge of the Li that the reservoir gives (positive) or takes
    (negative), per mass of ``a``; the Li of both reactants is counted.
    """

    schema_version: int = 1
    a: str
    b: str
    mode: Literal["open"] = "open"
    voltage_v: float
    status: Status = "ok"
    reason: str | None = None
    energy_ev_per_atom: float
    mixing_fraction_a: float | None
    products: tuple[Amount, ...]
    reaction: str
    total: OpenEnergies
    mutual: OpenEnergies
    kinks: tuple[Kink, ...]
    li_change_per_formula_a: float | None
    capacity_mah_per_g: float | None
    endpoint_energy_above_hull: EnergyAboveHull
    missing_phases: tuple[str, ...] = ()
    reference: ReferenceIdentity


@dataclass(frozen=True)
class MixingLine:
    """Mixtures of two compounds, one unit of weight in all, at fraction t of the first.

    Attributes
    ----------
    per_a, per_b : float
        Weight units in one formula unit of a and b (atoms, or atoms that are not Li).
    """

    system: System
    a: Compound
    b: Compound
    per_a: float
    per_b: float

    @cached_property
    def origin(self) -> FloatArray:
        """Composition of pure b."""
        return self.system.vector(self.b.composition) / self.per_b

    @cached_property
    def direction(self) -> FloatArray:
        """Change of composition from pure b to pure a."""
        return self.system.vector(self.a.composition) / self.per_a - self.origin

    def lowest(self, energy_a: float, energy_b: float) -> tuple[float, Corner]:
        """Reaction energy at its minimum (eV per unit weight) and the corner there.

        ``energy_a`` and ``energy_b`` are the reactants' energies per unit weight.
        """
        slope = energy_a - energy_b
        corner = self.system.lowest(self.origin, self.direction, slope, (0.0, 1.0))
        return corner.energy - energy_b - slope * corner.position, corner

    def formulas(self, position: float) -> tuple[float, float]:
        """Formula units of a and b in one unit of weight."""
        return position / self.per_a, (1.0 - position) / self.per_b


def closed_line(hull: Hull, a: Compound, b: Compound) -> MixingLine:
    """The mixing line of a closed reaction, per atom."""
    system = hull.system([*a.composition, *b.composition])
    return MixingLine(system, a, b, a.atoms, b.atoms)


def closed_minimum(hull: Hull, a: Compound, b: Compound) -> tuple[float, Corner]:
    """Reaction energy, eV per atom, and the corner where it is reached: one linear program."""
    line = closed_line(hull, a, b)
    energy, corner = line.lowest(a.hull_energy / a.atoms, b.hull_energy / b.atoms)
    return (energy if energy < -NO_REACTION else 0.0), corner


def closed_reaction(hull: Hull, formula_a: str, formula_b: str) -> ReactionRecord:
    """Reaction of two compounds that exchange nothing with a reservoir.

    Parameters
    ----------
    hull : Hull
        The reference energies.
    formula_a, formula_b : str
        The reactants.

    Returns
    -------
    ReactionRecord
        ``energy_ev_per_atom`` is the minimum over mixing, 0 exactly if nothing reacts.

    Raises
    ------
    InputError
        On an unreadable formula or an element absent from the set.
    """
    a, b = hull.compound(formula_a), hull.compound(formula_b)
    line = closed_line(hull, a, b)
    energy_a, energy_b = a.hull_energy / a.atoms, b.hull_energy / b.atoms
    ends = (
        Corner(0.0, energy_b, tuple((p, n / b.atoms) for p, n in b.stable_mixture)),
        Corner(1.0, energy_a, tuple((p, n / a.atoms) for p, n in a.stable_mixture)),
    )
    corners = line.system.path(line.origin, line.direction, (0.0, 1.0), ends)
    kinks = tuple(_kink(hull, line, corner, energy_a, energy_b) for corner in corners)
    lowest = min(kinks, key=lambda kink: kink.energy_ev_per_atom)
    best = lowest if lowest.energy_ev_per_atom <= -NO_REACTION else None
    doubt = caution(hull.reference, a.composition, b.composition)
    return ReactionRecord(
        a=formula_a,
        b=formula_b,
        status="diagnosis" if doubt else "ok",
        reason=doubt,
        energy_ev_per_atom=0.0 if best is None else best.energy_ev_per_atom,
        mixing_fraction_a=None if best is None else best.mixing_fraction_a,
        products=() if best is None else best.products,
        reaction="no reaction" if best is None else best.reaction,
        kinks=kinks,
        endpoint_energy_above_hull=EnergyAboveHull(a=a.energy_above_hull, b=b.energy_above_hull),
        volume=None if best is None else _volume(line, best),
        capacity_mah_per_g=None if best is None else _metal_capacity(line, best),
        missing_phases=hull.reference.missing_phases([*a.composition, *b.composition]),
        reference=hull.reference.identity(),
    )


def open_reaction(
    hull: Hull, formula_a: str, formula_b: str, voltage_v: float
) -> OpenReactionRecord:
    """Reaction of two compounds that may take Li from, or give it to, a reservoir.

    Parameters
    ----------
    hull : Hull
        The reference energies.
    formula_a, formula_b : str
        The reactants.
    voltage_v : float
        Li potential of the reservoir, V vs Li/Li+.

    Returns
    -------
    OpenReactionRecord
        ``total`` counts what each reactant would do alone at this voltage as well; ``mutual``
        does not. ``energy_ev_per_atom`` is the mutual energy per atom.

    Raises
    ------
    InputError
        On an unreadable formula, an absent element, a reactant that is Li alone, or a voltage
        below 0 (where Li metal plates without end) or that is no number.
    """
    if not (math.isfinite(voltage_v) and voltage_v >= 0.0):
        raise InputError(
            f"{voltage_v:g} V vs Li/Li+ is no voltage for a reaction open to Li: below 0 V Li "
            "metal plates and nothing ends it; give 0 or more, for example 4.3"
        )
    a, b = hull.compound(formula_a), hull.compound(formula_b)
    for compound in (a, b):
        if set(compound.composition) == {ION}:
            raise InputError(
                f"{compound.formula} is the open element itself; ask for the other reactant's "
                f"decomposition at {voltage_v:g} V (interlith window --voltages) or a closed "
                "reaction"
            )
    system = hull.system([*a.composition, *b.composition, ION], {ION: -voltage_v})
    total: dict[str, OpenMinimum] = {}
    mutual: dict[str, OpenMinimum] = {}
    kinks: tuple[Kink, ...] = ()
    li_change: float | None = None
    for name, weight in (("per_atom", _all_atoms), ("per_non_lithium_atom", _non_lithium)):
        line = MixingLine(system, a, b, weight(a.composition), weight(b.composition))
        own_a = _grand(a, voltage_v) / line.per_a
        own_b = _grand(b, voltage_v) / line.per_b
        alone_a = system.energy(a.composition) / line.per_a
        alone_b = system.energy(b.composition) / line.per_b
        total[name], _ = _open_minimum(hull, line, own_a, own_b)
        mutual[name], change = _open_minimum(hull, line, alone_a, alone_b)
        if name == "per_atom":
            li_change = change
            corners = system.path(line.origin, line.direction, (0.0, 1.0))
            kinks = tuple(_kink(hull, line, c, alone_a, alone_b) for c in corners)
    best = mutual["per_atom"]
    doubt = caution(hull.reference, a.composition, b.composition)
    return OpenReactionRecord(
        a=formula_a,
        b=formula_b,
        voltage_v=voltage_v,
        status="diagnosis" if doubt else "ok",
        reason=doubt,
        energy_ev_per_atom=best.energy_ev,
        mixing_fraction_a=best.mixing_fraction_a,
        products=best.products,
        reaction=best.reaction,
        total=OpenEnergies(label="reactants' own decomposition at the voltage included", **total),
        mutual=OpenEnergies(label="reactants' own decomposition at the voltage removed", **mutual),
        kinks=kinks,
        li_change_per_formula_a=li_change,
        capacity_mah_per_g=_capacity(a, li_change),
        missing_phases=hull.reference.missing_phases([*a.composition, *b.composition, ION]),
        endpoint_energy_above_hull=EnergyAboveHull(a=a.energy_above_hull, b=b.energy_above_hull),
        reference=hull.reference.identity(),
    )


def _all_atoms(composition: Mapping[str, float]) -> float:
    return sum(composition.values())


def _non_lithium(composition: Mapping[str, float]) -> float:
    return sum(n for e, n in composition.items() if e != ION)


def _grand(compound: Compound, voltage_v: float) -> float:
    return compound.hull_energy + voltage_v * compound.composition.get(ION, 0.0)


def _open_minimum(
    hull: Hull, line: MixingLine, energy_a: float, energy_b: float
) -> tuple[OpenMinimum, float | None]:
    energy, corner = line.lowest(energy_a, energy_b)
    if energy > -NO_REACTION:
        return (
            OpenMinimum(energy_ev=0.0, mixing_fraction_a=None, products=(), reaction="no reaction"),
            None,
        )
    products, change = _open_products(hull, line, corner)
    units_a, _ = line.formulas(corner.position)
    return (
        OpenMinimum(
            energy_ev=energy,
            mixing_fraction_a=_atomic_fraction(line, corner.position),
            products=products,
            reaction=_reaction(line, corner.position, products, change),
        ),
        change / units_a if units_a > 1e-9 else None,
    )


def _open_products(
    hull: Hull, line: MixingLine, corner: Corner
) -> tuple[tuple[Amount, ...], float]:
    """Products per unit of weight, and the Li taken up to make them."""
    products = hull.amounts(corner.phases)
    if not line.system.open_to:
        return products, 0.0
    # an open system's phases are found by their closed elements; count their Li
    held = 0.0
    for phase, atoms in corner.phases:
        composition = hull.reference.composition(phase)
        held += atoms * composition.get(ION, 0.0) / sum(composition.values())
    units_a, units_b = line.formulas(corner.position)
    had = units_a * line.a.composition.get(ION, 0.0) + units_b * line.b.composition.get(ION, 0.0)
    return products, held - had


def _kink(hull: Hull, line: MixingLine, corner: Corner, energy_a: float, energy_b: float) -> Kink:
    energy = corner.energy - energy_b - (energy_a - energy_b) * corner.position
    products, change = _open_products(hull, line, corner)
    return Kink(
        mixing_fraction_a=_atomic_fraction(line, corner.position),
        energy_ev_per_atom=energy if energy < -1e-9 else 0.0,
        products=products,
        reaction=_reaction(line, corner.position, products, change),
    )


def _atomic_fraction(line: MixingLine, position: float) -> float:
    units_a, units_b = line.formulas(position)
    in_a, in_b = units_a * line.a.atoms, units_b * line.b.atoms
    return in_a / (in_a + in_b)


def _reaction(
    line: MixingLine, position: float, products: tuple[Amount, ...], li_change: float
) -> str:
    """Balanced, scaled to one formula unit of a (of b where a is an element)."""
    units_a, units_b = line.formulas(position)
    scale = units_a if len(line.a.composition) > 1 and units_a > 1e-9 else units_b
    if scale <= 1e-9:
        scale = units_a
    consumed = ((line.a.formula, units_a), (line.b.formula, units_b), (ION, li_change))
    items = [*consumed, *((product.formula, -product.amount) for product in products)]
    return written(net_amounts((formula, amount / scale) for formula, amount in items))


def _volume(line: MixingLine, kink: Kink) -> VolumeChange | None:
    position = kink.mixing_fraction_a
    units_a, units_b = line.formulas(position)
    return volume_change(
        [
            Amount(formula=line.a.formula, amount=units_a),
            Amount(formula=line.b.formula, amount=units_b),
        ],
        kink.products,
    )


def _metal_capacity(line: MixingLine, kink: Kink) -> float | None:
    units = dict(zip("ab", line.formulas(kink.mixing_fraction_a or 0.0), strict=True))
    for metal, other, name in (("a", line.b, "b"), ("b", line.a, "a")):
        reactant = line.a if metal == "a" else line.b
        if set(reactant.composition) == {ION} and units[name] > 0:
            return _capacity(other, units[metal] * reactant.atoms / units[name])
    return None


def _capacity(a: Compound, li_change: float | None) -> float | None:
    """Charge per mass of a, mAh/g; positive when Li is taken up."""
    if li_change is None:
        return None
    from interlith.units import FARADAY_MAH_PER_MOL, molar_mass_g_per_mol

    return li_change * FARADAY_MAH_PER_MOL / molar_mass_g_per_mol(a.composition)
