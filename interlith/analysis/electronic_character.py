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
INSULATOR_GAP_EV = 3.0
"""From here on the table says insulator."""
NO_GAP_EV = 0.05
"""A computed gap below this is none: k points and smearing blur as much."""
NOT_METALLIC = frozenset("H He B C N O F Ne Si P S Cl Ar Ge As Se Br Kr Sb Te I Xe At Rn".split())

METALLIC = ("metal", "alloy")
Character = Literal["metal", "alloy", "semiconductor", "insulator", "unknown"]


class ElectronicCharacter(Record):
    """What is known of one phase; ``li_conduction`` is None where it is not known.

    ``gap_at_least_ev`` is a lower bound, where no gap is known.
    """

    formula: str
    character: Character
    gap_ev: float | None = None
    gap_at_least_ev: float | None = None
    li_conduction: Literal["good", "poor"] | None = None
    source: str

    @property
    def conducts(self) -> bool:
        """True if electrons pass: a metal, an alloy, or a gap below ``SMALL_GAP_EV``."""
        if self.character in METALLIC:
            return True
        return self.gap_ev is not None and self.gap_ev < SMALL_GAP_EV

    @property
    def open(self) -> bool:
        """True if it is not known whether electrons pass."""
        return is_open(self.character, self.gap_ev, self.gap_at_least_ev)


def is_open(character: Character, gap_ev: float | None, at_least_ev: float | None) -> bool:
    """Whether what is known of a phase leaves open that electrons pass."""
    if character == "semiconductor":
        return gap_ev is None and (at_least_ev is None or at_least_ev < SMALL_GAP_EV)
    return character == "unknown"


class ComputedGap(Record):
    """A band gap from a calculation.

    Attributes
    ----------
    lower_bound : bool
        True for semilocal functionals such as PBE, which make gaps too small.
    """

    formula: str
    gap_ev: float
    method: str
    lower_bound: bool = True

    def character(self) -> ElectronicCharacter:
        """What the gap says of the phase, where nothing was measured.

        Notes
        -----
        No computed gap is reported as a metal; a small-gap semiconductor such as Ge would look the
        same and conducts too. A lower bound below ``SMALL_GAP_EV`` leaves the gap open.
        """
        known = f"computed gap {self.gap_ev:.2f} eV ({self.method}"
        source = f"{known}, a lower bound)" if self.lower_bound else f"{known})"
        if self.gap_ev < NO_GAP_EV:
            return ElectronicCharacter(formula=self.formula, character="metal", source=source)
        insulates = self.gap_ev >= INSULATOR_GAP_EV
        open_ = self.lower_bound and self.gap_ev < SMALL_GAP_EV
        return ElectronicCharacter(
            formula=self.formula,
            character="insulator" if insulates else "semiconductor",
            gap_ev=None if open_ else self.gap_ev,
            gap_at_least_ev=self.gap_ev if open_ else None,
            source=source,
        )


def electronic_character(formula: str, computed: Sequence[ComputedGap] = ()) -> ElectronicCharacter:
    """Character of a phase by composition, however its formula is spelled.

    Parameters
    ----------
    computed : sequence of ComputedGap
        Used where the table and the rule have no gap and do not say that it is metallic: what was
        measured wins. One that leaves the matter open gives way to a lower bound of the table.

    Raises
    ------
    FormulaError
        If the formula cannot be read.
    """
    composition = _parse(formula)
    known = _table().get(_key(composition))
    metals_only = known is None and not NOT_METALLIC & set(dict(composition))
    measured = known is not None and (known.gap_ev is not None or known.character in METALLIC)
    found = None if metals_only or measured else _computed(composition, computed)
    if found is not None and not (found.open and known is not None and not known.open):
        li = None if known is None else known.li_conduction
        return found.model_copy(update={"formula": formula, "li_conduction": li})
    if known is not None:
        return known.model_copy(update={"formula": formula})
    if metals_only:
        return ElectronicCharacter(
            formula=formula,
            character="metal" if len(composition) == 1 else "alloy",
            source="rule: metallic elements only",
        )
    return ElectronicCharacter(formula=formula, character="unknown", source="not in the table")


def _computed(
    composition: tuple[tuple[str, float], ...], computed: Sequence[ComputedGap]
) -> ElectronicCharacter | None:
    for one in computed:
        if _key(_parse(one.formula)) == _key(composition):
            return one.character()
    return None


def table_rows() -> tuple[ElectronicCharacter, ...]:
    """Every row of the table, its source spelled out."""
    content = _content()
    return tuple(
        ElectronicCharacter(
            formula=row["formula"],
            character=row["character"],
            gap_ev=row.get("gap_ev"),
            gap_at_least_ev=row.get("gap_at_least_ev"),
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
    unknown = [k.formula for k in known if k.open]
    if unknown:
        return f"electronic character of {joined(unknown)} unknown"
    return "insulating products: may passivate" if known else "no products"


def joined(names: Sequence[str]) -> str:
    """Write names as ``a, b and c``."""
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)
