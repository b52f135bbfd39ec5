"""Products over time in formula units, beside those that thermodynamics names.

Two counts that need not agree. *Crystalline* ones are atoms labelled as the phase. *Like* ones go
by the anion alone: a P, S or Cl bonded to nothing but Li counts as a unit of Li3P, Li2S or LiCl,
though all of them may sit in one amorphous mass. Where most atoms of an element start so (Cl in
an argyrodite), the count says nothing, and only the number of Li around it does.

>>> from interlith.records import Amount
>>> rows = phase_amounts([Amount(formula="Li2S", amount=5)], ["Li"] * 12 + ["S"] * 10,
...     [{"amorphous": 1.0}] * 2, [{"S": 0.2}, {"S": 1.0}], [{"S": 3.5}, {"S": 7.0}])
>>> rows[0].predicted_units, rows[0].like_units, rows[0].crystalline_units
(10.0, (2.0, 10.0), (0.0, 0.0))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache

from interlith.analysis.environments.bonds import bonded, coordination
from interlith.analysis.environments.fingerprint import CUTOFF_ANGSTROM
from interlith.analysis.environments.pairs import near_pairs
from interlith.analysis.references import parse_formula
from interlith.errors import InputError
from interlith.records import Amount, Record

ION = "Li"
TELLING_BELOW = 0.5
"""Share of an element's atoms that may be like the product at the start, for its count to tell."""


class PhaseAmounts(Record):
    """One predicted product, over the frames.

    Attributes
    ----------
    predicted_units : float
        Formula units that the cell holds once all has reacted as predicted.
    crystalline_units : tuple of float
        Atoms labelled as the phase over those of a formula unit.
    element : str or None
        For a compound of Li and one other element, the other.
    like_units : tuple of float
        Its atoms bonded to nothing but Li, in formula units; empty without such an element.
    tells : bool
        False where those were so from the start.
    lithium_around : tuple of float
        Mean number of Li bonded to an atom of the element.
    crystal_lithium_around : float or None
        In the crystal of the library; None where it has none.
    """

    phase: str
    predicted_units: float
    crystalline_units: tuple[float, ...]
    element: str | None = None
    like_units: tuple[float, ...] = ()
    tells: bool = False
    lithium_around: tuple[float, ...] = ()
    crystal_lithium_around: float | None = None


def phase_amounts(
    predicted: Sequence[Amount],
    symbols: Sequence[str],
    fractions: Sequence[Mapping[str, float]],
    bare: Sequence[Mapping[str, float]],
    lithium_around: Sequence[Mapping[str, float]],
) -> tuple[PhaseAmounts, ...]:
    """Amounts of the predicted products in each frame.

    Parameters
    ----------
    predicted : sequence of Amount
        Products of one formula unit, or of any other amount: they are scaled to the cell.
    symbols : sequence of str
        Of all atoms of the cell.
    fractions, bare, lithium_around : sequence of dict
        Of each frame, as :class:`~interlith.analysis.products.FrameProducts` has them.

    Raises
    ------
    InputError
        If the cell lacks an element of the products.
    """
    held = Counter(symbols)
    scale = _units_of_reaction(predicted, held)
    return tuple(_one(entry, scale, held, fractions, bare, lithium_around) for entry in predicted)


def _units_of_reaction(predicted: Sequence[Amount], held: Mapping[str, int]) -> float:
    """How often the predicted reaction fits the cell, by its scarcest element besides Li."""
    needed: dict[str, float] = {}
    for entry in predicted:
        for element, count in parse_formula(entry.formula).items():
            if element != ION:
                needed[element] = needed.get(element, 0.0) + count * entry.amount
    missing = sorted(element for element in needed if not held.get(element))
    if missing:
        raise InputError(
            f"the products hold {', '.join(missing)}, which the cell has not; name the products of "
            f"what is in it ({', '.join(sorted(held))})"
        )
    return min((held[element] / count for element, count in needed.items()), default=0.0)


def _one(
    entry: Amount,
    scale: float,
    held: Mapping[str, int],
    fractions: Sequence[Mapping[str, float]],
    bare: Sequence[Mapping[str, float]],
    lithium_around: Sequence[Mapping[str, float]],
) -> PhaseAmounts:
    composition = parse_formula(entry.formula)
    size, atoms = sum(composition.values()), sum(held.values())
    others = [element for element in composition if element != ION]
    known = PhaseAmounts(
        phase=entry.formula,
        predicted_units=entry.amount * scale,
        crystalline_units=tuple(one.get(entry.formula, 0.0) * atoms / size for one in fractions),
    )
    if len(others) != 1 or ION not in composition:
        return known
    element = others[0]
    units = held[element] / composition[element]
    shares = [one.get(element, 0.0) for one in bare]
    return known.model_copy(
        update={
            "element": element,
            "like_units": tuple(share * units for share in shares),
            "tells": bool(shares) and shares[0] < TELLING_BELOW,
            "lithium_around": tuple(one.get(element, 0.0) for one in lithium_around),
            "crystal_lithium_around": crystal_lithium_around(entry.formula, element),
        }
    )


@cache
def crystal_lithium_around(formula: str, element: str) -> float | None:
    """Mean number of Li bonded to atoms of an element in the library's crystal of that name."""
    from interlith.structures.library import build, load_phase

    try:
        crystal = build(load_phase(formula))
    except InputError:
        return None
    symbols = [site.specie.symbol for site in crystal]
    pairs = near_pairs(crystal.cart_coords, crystal.lattice.matrix, CUTOFF_ANGSTROM)
    return float(coordination(bonded(pairs, symbols), symbols, element, ION).mean())
