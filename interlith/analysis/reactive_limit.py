"""What thermodynamics says of a contact: how much Li full reduction takes, and what it releases.

>>> from interlith.analysis.hull import Hull
>>> from interlith.analysis.reference_catalog import load_reference
>>> limit = reaction_limit(Hull(load_reference("default")), "Li", "Li6PS5Cl")
>>> limit.lithium_per_formula
8.0
"""

from __future__ import annotations

from interlith.analysis.hull import Hull
from interlith.analysis.reactions import ION, Kink, ReactionRecord, closed_reaction
from interlith.analysis.references import parse_formula
from interlith.analysis.volumes import volume_change
from interlith.records import Amount, Record, ReferenceIdentity

PURE = 1e-9


class ReactionLimit(Record):
    """The end of a reaction, by the hull.

    Attributes
    ----------
    energy_ev_per_atom : float
        Of the reaction that releases most per atom of both materials.
    lithium_per_formula : float or None
        Li metal that a formula unit of the other material takes until its products are in
        equilibrium with Li; None where neither side is Li metal, 0 where nothing reacts.
    energy_ev_per_formula : float or None
        Released (negative) by a formula unit on the way there.
    relative_volume_change : float or None
        Of that formula unit and its Li.
    nm_per_uah_cm2 : float or None
        Thickness of the solid products per charge of Li metal that is consumed.
    """

    a: str
    b: str
    reaction: str
    products: tuple[Amount, ...]
    energy_ev_per_atom: float
    lithium_per_formula: float | None
    energy_ev_per_formula: float | None
    relative_volume_change: float | None
    nm_per_uah_cm2: float | None
    reference: ReferenceIdentity


def is_lithium(formula: str) -> bool:
    """Whether a formula is the metal itself."""
    return set(parse_formula(formula)) == {ION}


def reaction_limit(hull: Hull, a: str, b: str) -> ReactionLimit:
    """Where the reaction of two materials ends.

    Raises
    ------
    InputError
        On an unreadable formula or an element absent from the set.
    """
    found = closed_reaction(hull, a, b)
    if is_lithium(a) == is_lithium(b):
        return _without_metal(found)
    other = b if is_lithium(a) else a
    last = _last_kink(found)
    if last is None:
        return _limit(found, found.reaction, found.products, 0.0, 0.0, None, None)
    metal = last.mixing_fraction_a if is_lithium(a) else 1.0 - last.mixing_fraction_a
    units = (1.0 - metal) / sum(parse_formula(other).values())
    lithium = metal / units
    products = tuple(
        Amount(formula=one.formula, amount=one.amount * _scale(last, other, units))
        for one in last.products
    )
    volume = volume_change(
        [Amount(formula=ION, amount=lithium), Amount(formula=other, amount=1.0)], products
    )
    return _limit(
        found,
        last.reaction,
        products,
        round(lithium, 9),
        last.energy_ev_per_atom / units,
        None if volume is None else volume.relative_change,
        None if volume is None else volume.interphase_nm_per_uah_cm2,
    )


def _last_kink(found: ReactionRecord) -> Kink | None:
    """The corner richest in Li metal that is not the metal itself."""
    towards = 1.0 if is_lithium(found.a) else 0.0
    inner = [k for k in found.kinks if PURE < k.mixing_fraction_a < 1 - PURE]
    if not found.products or not inner:
        return None
    return min(inner, key=lambda kink: abs(kink.mixing_fraction_a - towards))


def _scale(kink: Kink, other: str, units: float) -> float:
    """Factor that turns the amounts of a kink into those of one formula unit.

    Fixed by an element that only the other material brings in.
    """
    element, needed = next((e, n) for e, n in parse_formula(other).items() if e != ION)
    present = sum(parse_formula(p.formula).get(element, 0.0) * p.amount for p in kink.products)
    return needed / present if present > 0 else 1.0 / units


def _without_metal(found: ReactionRecord) -> ReactionLimit:
    change = None if found.volume is None else found.volume.relative_change
    return _limit(found, found.reaction, found.products, None, None, change, None)


def _limit(
    found: ReactionRecord,
    reaction: str,
    products: tuple[Amount, ...],
    lithium: float | None,
    energy: float | None,
    volume: float | None,
    thickness: float | None,
) -> ReactionLimit:
    return ReactionLimit(
        a=found.a,
        b=found.b,
        reaction=reaction,
        products=products,
        energy_ev_per_atom=found.energy_ev_per_atom,
        lithium_per_formula=lithium,
        energy_ev_per_formula=energy,
        relative_volume_change=volume,
        nm_per_uah_cm2=thickness,
        reference=found.reference,
    )
