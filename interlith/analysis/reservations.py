"""What keeps an answer from being trusted: elements without compounds, formulas that are rounded.

>>> from interlith.analysis.references import build_reference
>>> held = [{"Li": 1, "Cl": 1}, {"Li": 1, "In": 1}]
>>> own = build_reference(held, [-1.8, -0.2], name="own", sha256="0", scheme="none")
>>> caution(own, {"Li": 3, "In": 1, "Cl": 6})
"the reference set 'own' holds no compound of In with Cl; the answer is not reliable"
"""

from __future__ import annotations

from collections.abc import Mapping

from interlith.analysis.references import ReferenceSet

ANIONS = frozenset(("N", "O", "F", "S", "Cl", "Se", "Br", "Te", "I"))
NEUTRAL_WITHIN = 1e-3
"""Largest charge per formula unit of a neutral formula."""


def caution(reference: ReferenceSet, *compositions: Mapping[str, float]) -> str | None:
    """Why a set cannot be trusted with these compositions, or None.

    A metal that the set holds in no compound with an anion of the formula, or another element that
    it holds with none of the anions, falls out as what the set does have, whatever happens in
    truth. Without anions every other element counts as one.
    """
    lacking: dict[str, set[str]] = {}
    for parts in compositions:
        anions = ANIONS & parts.keys()
        for element in sorted(parts.keys() - anions):
            others = (anions or parts.keys()) - {element}
            apart = {e for e in others if not reference.held_together(element, e)}
            if apart and (apart == others or _is_metal(element)):
                lacking.setdefault(element, set()).update(apart)
    if not lacking:
        return None
    named = " nor ".join(f"of {e} with {' or '.join(sorted(lacking[e]))}" for e in lacking)
    return (
        f"the reference set '{reference.name}' holds no compound {named}; the answer is not "
        "reliable"
    )


def charges_balance(composition: Mapping[str, float]) -> bool:
    """Whether one common oxidation state of each element makes the formula neutral.

    The tabulated common states and those of inorganic crystals (pymatgen); mixed valence is not
    tried, so that a rounded formula does not pass.
    """
    from pymatgen.core.periodic_table import Element

    sums = {0.0}
    for symbol, amount in composition.items():
        element = Element(symbol)
        states = {*element.common_oxidation_states, *element.icsd_oxidation_states}
        sums = {total + state * amount for total in sums for state in states}
    return any(abs(total) < NEUTRAL_WITHIN for total in sums)


def _is_metal(symbol: str) -> bool:
    from pymatgen.core.periodic_table import Element

    return bool(Element(symbol).is_metal)
