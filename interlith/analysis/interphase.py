"""What kind of interphase grows: stable, passivating or mixed-conducting.

The three types of Wenzel, Leichtweiss, Krueger, Sann and Janek (Solid State Ionics 278, 98,
2015; cited from memory): no reaction; products that let Li through but no electrons, so that
the reaction starves; products that conduct both, so that it never stops. The equilibrium
products and a table of their electronic character decide.

>>> from interlith.analysis.hull import Hull
>>> from interlith.analysis.reference_catalog import load_reference
>>> interphase(Hull(load_reference("default")), "Li6PS5Cl").interphase_class
'passivating'
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from interlith.analysis.electronic_character import (
    METALLIC,
    SMALL_GAP_EV,
    Character,
    ComputedGap,
    ElectronicCharacter,
    electronic_character,
    is_open,
    joined,
)
from interlith.analysis.hull import Hull
from interlith.analysis.reactions import closed_reaction
from interlith.analysis.references import atoms_in, parse_formula
from interlith.analysis.reservations import ANIONS, caution
from interlith.analysis.windows import ION, stability_window
from interlith.errors import InputError
from interlith.records import Amount, Record, ReferenceIdentity

STABLE_WITHIN_EV_PER_ATOM = 0.020
"""A driving force up to this is called stable: below the error of the energies, and the reaction
of garnet with Li (about 0.015 eV/atom) is not seen beyond a few cells."""
PERCOLATES_FROM = 0.02
"""Atomic fraction of the products from which conducting phases are taken to connect.

A choice: an interphase a few nm thick needs far less than the 16 % by volume of a thick random
mixture. Below it they are taken as islands."""

InterphaseClass = Literal["stable", "passivating", "mixed-conducting", "unknown"]


class InterphaseProduct(Record):
    """A product with its share of all product atoms and what is known of its electrons."""

    formula: str
    amount: float
    atomic_fraction: float
    character: Character
    gap_ev: float | None
    gap_at_least_ev: float | None = None
    li_conduction: Literal["good", "poor"] | None
    conducts_electrons: bool
    source: str


class InterphaseRecord(Record):
    """Result of :func:`interphase` and :func:`classify_interphase`.

    ``energy_ev_per_atom`` has the electrolyte's own energy above hull removed: per atom of the
    electrolyte at a voltage, per atom of both where two compounds react. None if the caller
    of :func:`classify_interphase` gave none.
    """

    schema_version: int = 1
    interphase_class: InterphaseClass
    reason: str
    products: tuple[InterphaseProduct, ...]
    energy_ev_per_atom: float | None = None
    stable_within_ev_per_atom: float = STABLE_WITHIN_EV_PER_ATOM
    electrolyte: str | None = None
    against: str | None = None
    voltage_v: float | None = None
    reference: ReferenceIdentity | None = None


def interphase(
    hull: Hull,
    electrolyte: str,
    *,
    against: str | float = ION,
    computed_gaps: Sequence[ComputedGap] = (),
) -> InterphaseRecord:
    """Class of the interphase between an electrolyte and an electrode.

    Parameters
    ----------
    hull : Hull
        The reference energies.
    electrolyte : str
        Any composition.
    against : str or float
        ``"Li"`` (0 V), a voltage vs Li/Li+, or the formula of another electrode, with which the
        electrolyte then reacts closed, at the strongest mixing. Products made only of elements
        of a metal or an alloy (LiIn), apart from those that the electrolyte has, are left out:
        they are the electrode.
    computed_gaps : sequence of ComputedGap
        For products of which nothing was measured.

    Returns
    -------
    InterphaseRecord
        ``"unknown"``, with the phases named, if the table does not know enough of the products.

    Raises
    ------
    InputError
        On an unreadable formula, an absent element, or Li given as the electrolyte.

    Notes
    -----
    Thermodynamic products only: a product that does not form in time, or forms amorphous, is not
    seen, nor is the shape of the conducting phase.
    """
    if isinstance(against, str) and against != ION:
        reaction = closed_reaction(hull, electrolyte, against)
        found = classify_interphase(
            reaction.products,
            energy_ev_per_atom=reaction.energy_ev_per_atom,
            computed_gaps=computed_gaps,
            electrode=_electrode(electrolyte, against),
        )
        voltage = None
    else:
        voltage = 0.0 if isinstance(against, str) else float(against)
        window = stability_window(hull, electrolyte, voltages_v=(voltage,))
        step = window.decomposition_energies[0]
        energy = step.energy_ev_per_atom + (window.energy_above_hull_ev_per_atom or 0.0)
        found = classify_interphase(
            step.products, energy_ev_per_atom=min(energy, 0.0), computed_gaps=computed_gaps
        )
    doubt = caution(
        hull.reference,
        parse_formula(electrolyte),
        *([] if voltage is not None else [parse_formula(str(against))]),
    )
    return found.model_copy(
        update={
            "reason": "; ".join(filter(None, (found.reason, doubt))),
            "electrolyte": electrolyte,
            "against": against if isinstance(against, str) else None,
            "voltage_v": voltage,
            "reference": hull.reference.identity(),
        }
    )


def _electrode(electrolyte: str, against: str) -> frozenset[str]:
    """Elements whose phases are the electrode: Li, and what a metallic one brings."""
    elements = parse_formula(against).keys()
    if electronic_character(against).character not in METALLIC or elements & ANIONS:
        return frozenset([ION])
    return frozenset([ION]) | (elements - parse_formula(electrolyte).keys())


def classify_interphase(
    products: Sequence[Amount],
    *,
    energy_ev_per_atom: float | None = None,
    stable_within_ev_per_atom: float = STABLE_WITHIN_EV_PER_ATOM,
    computed_gaps: Sequence[ComputedGap] = (),
    electrode: frozenset[str] = frozenset([ION]),
) -> InterphaseRecord:
    """Class of an interphase made of these products.

    Parameters
    ----------
    products : sequence of Amount
        Formula units of each; those made of ``electrode`` only are left out.
    energy_ev_per_atom : float, optional
        Driving force (negative), the reactants' own energy above hull removed. None means that
        the products are known to form.
    stable_within_ev_per_atom : float
        Driving forces up to this are called stable.
    computed_gaps : sequence of ComputedGap
        For products of which nothing was measured.
    electrode : frozenset of str
        Elements of the electrode, Li metal if left out.

    Raises
    ------
    InputError
        If the threshold is negative, or there is a driving force but no products.
    """
    if stable_within_ev_per_atom < 0:
        raise InputError(
            f"the stability threshold {stable_within_ev_per_atom:g} eV/atom is negative; give a "
            "positive one, for example 0.02"
        )
    rows = _describe(products, computed_gaps, electrode)
    if energy_ev_per_atom is not None and energy_ev_per_atom >= -stable_within_ev_per_atom:
        found: InterphaseClass = "stable"
        force = 1000 * abs(min(energy_ev_per_atom, 0.0))
        limit = 1000 * stable_within_ev_per_atom
        reason = f"driving force {force:.0f} meV/atom, within {limit:.0f}"
    elif not rows:
        raise InputError("an interphase needs products; give at least one that is not Li metal")
    else:
        found, reason = _judge(rows)
    return InterphaseRecord(
        interphase_class=found,
        reason=reason,
        products=rows,
        energy_ev_per_atom=energy_ev_per_atom,
        stable_within_ev_per_atom=stable_within_ev_per_atom,
    )


def _describe(
    products: Sequence[Amount], computed: Sequence[ComputedGap], electrode: frozenset[str]
) -> tuple[InterphaseProduct, ...]:
    kept = [
        p for p in products if p.amount > 0 and not electrode >= parse_formula(p.formula).keys()
    ]
    atoms = [p.amount * atoms_in(p.formula) for p in kept]
    return tuple(
        _product(p, n / sum(atoms), electronic_character(p.formula, computed))
        for p, n in zip(kept, atoms, strict=True)
    )


def _product(product: Amount, fraction: float, known: ElectronicCharacter) -> InterphaseProduct:
    return InterphaseProduct(
        formula=product.formula,
        amount=product.amount,
        atomic_fraction=fraction,
        character=known.character,
        gap_ev=known.gap_ev,
        gap_at_least_ev=known.gap_at_least_ev,
        li_conduction=known.li_conduction,
        conducts_electrons=known.conducts,
        source=known.source,
    )


def _judge(rows: Sequence[InterphaseProduct]) -> tuple[InterphaseClass, str]:
    conducting = [row for row in rows if row.conducts_electrons]
    open_ = [row for row in rows if is_open(row.character, row.gap_ev, row.gap_at_least_ev)]
    unknown = [row.formula for row in open_]
    share = sum(row.atomic_fraction for row in conducting)
    names = joined([_named(row) for row in conducting])
    if share >= PERCOLATES_FROM:
        also = f"; electronic character of {joined(unknown)} unknown" if unknown else ""
        return "mixed-conducting", f"{names}, {100 * share:.1f} % of the product atoms{also}"
    hidden = sum(row.atomic_fraction for row in open_)
    if hidden + share >= PERCOLATES_FROM:
        return "unknown", f"electronic character of {joined(unknown)} unknown"
    if conducting:
        return (
            "passivating",
            f"{names} is only {100 * share:.1f} % of the product atoms, below "
            f"{100 * PERCOLATES_FROM:.0f} %; the rest "
            + (f"is not known to ({joined(unknown)})" if unknown else "does not conduct electrons"),
        )
    every = joined([row.formula for row in rows])
    traces = f"; of {joined(unknown)}, a trace, it is not known" if unknown else ""
    return "passivating", f"no product conducts electrons ({every}){traces}"


def _named(row: InterphaseProduct) -> str:
    if row.character in ("metal", "alloy"):
        return f"{row.formula} ({row.character})"
    return f"{row.formula} (gap {row.gap_ev:g} eV, below {SMALL_GAP_EV:g})"
