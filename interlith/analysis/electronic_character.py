"""Electronic character of phases: a table of facts with sources, and one rule.

The table is ``data/electronic_character.yaml``. A phase that is not in it is a metal or an alloy
if it holds metallic elements only; anything else is unknown, and said to be.

>>> electronic_character("Li2O").character
'insulator'
>>> electronic_character("Li15Ge4").conducts
True
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from interlith.analysis.references import parse_formula
from interlith.records import Amount, Record

TABLE = Path(__file__).parent / "data" / "electronic_character.yaml"
SMALL_GAP_EV = 0.7
"""A semiconductor with a known gap below this carries enough electrons to feed an interphase.

A choice, not a law: it separates Ge (0.66 eV) and FeS from Si, Li3P and Li3N.
"""
NOT_METALLIC = frozenset("H He B C N O F Ne Si P S Cl Ar Ge As Se Br Kr Sb Te I Xe At Rn".split())

Character = Literal["metal", "alloy", "semiconductor", "insulator", "unknown"]


class ElectronicCharacter(Record):
    """What is known of one phase; ``li_conduction`` is None where it is not known."""

    formula: str
    character: Character
    gap_ev: float | None = None
    li_conduction: Literal["good", "poor"] | None = None
    source: str

    @property
    def conducts(self) -> bool:
        """True if electrons pass: a metal, an alloy, or a gap below ``SMALL_GAP_EV``."""
        if self.character in ("metal", "alloy"):
            return True
        return self.gap_ev is not None and self.gap_ev < SMALL_GAP_EV


def electronic_character(formula: str) -> ElectronicCharacter:
    """Character of a phase by composition, however its formula is spelled.

    Raises
    ------
    FormulaError
        If the formula cannot be read.
    """
    composition = _parse(formula)
    known = _table().get(_key(composition))
    if known is not None:
        return known.model_copy(update={"formula": formula})
    if not NOT_METALLIC & set(dict(composition)):
        return ElectronicCharacter(
            formula=formula,
            character="metal" if len(composition) == 1 else "alloy",
            source="rule: metallic elements only",
        )
    return ElectronicCharacter(formula=formula, character="unknown", source="not in the table")


def table_rows() -> tuple[ElectronicCharacter, ...]:
    """Every row of the table, its source spelled out."""
    content = _content()
    return tuple(
        ElectronicCharacter(
            formula=row["formula"],
            character=row["character"],
            gap_ev=row.get("gap_ev"),
            li_conduction=row.get("li"),
            source=content["sources"][row["source"]],
        )
        for row in content["phases"]
    )


@lru_cache(maxsize=1)
def _content() -> dict[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # five times faster where built
    content: dict[str, Any] = yaml.load(TABLE.read_text(encoding="utf-8"), loader)
    return content


@lru_cache(maxsize=1)
def _table() -> dict[frozenset[tuple[str, float]], ElectronicCharacter]:
    return {_key(_parse(row.formula)): row for row in table_rows()}


@lru_cache(maxsize=10_000)
def _parse(formula: str) -> tuple[tuple[str, float], ...]:
    return tuple(parse_formula(formula).items())


def _key(composition: tuple[tuple[str, float], ...]) -> frozenset[tuple[str, float]]:
    atoms = sum(n for _, n in composition)
    return frozenset((e, round(n / atoms, 5)) for e, n in composition)


def passivation_hint(products: Sequence[Amount]) -> str:
    """Say in one short line what products mean for further growth.

    Notes
    -----
    Reads a cached table; a few microseconds a call.
    """
    known = [electronic_character(p.formula) for p in products if p.formula != "Li"]
    metals = [k.formula for k in known if k.character in ("metal", "alloy")]
    if metals:
        return f"metallic {joined(metals)}: keeps growing"
    small = [f"{k.formula} ({k.gap_ev:g} eV)" for k in known if k.conducts]
    if small:
        return f"small-gap {joined(small)}: may keep growing"
    unknown = [k.formula for k in known if k.character == "unknown"]
    if unknown:
        return f"electronic character of {joined(unknown)} unknown"
    return "insulating products: may passivate" if known else "no products"


def joined(names: Sequence[str]) -> str:
    """Write names as ``a, b and c``."""
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)
