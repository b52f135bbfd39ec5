"""Rows of a scorecard: one quantity of one electrolyte, how it was got, and what others found."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources
from typing import Any, Literal

from interlith.analysis.moduli import ElasticRecord
from interlith.analysis.references import parse_formula
from interlith.errors import FormulaError
from interlith.provenance import Provenance
from interlith.records import Record, ReferenceIdentity

RowStatus = Literal["ok", "no_answer", "diagnosis", "not_computed"]
Value = float | str | bool | None


class ScorecardRow(Record):
    """One quantity.

    Attributes
    ----------
    quantity : str
        Such as ``reduction_potential``; the literature values go by the same names.
    value : float, str, bool or None
        None with a ``status`` other than ok, and a reason.
    sigma : float or None
        Standard uncertainty in the same unit, where one is known.
    literature_value : float, str or None
        As the source has it; words for a range.
    deviation : float or None
        Value minus literature value, where both are numbers.
    source : str or None
        Of the literature value.
    """

    formula: str
    quantity: str
    value: Value
    unit: str
    sigma: float | None = None
    method: str
    literature_value: float | str | None = None
    literature_sigma: float | None = None
    deviation: float | None = None
    source: str | None = None
    status: RowStatus = "ok"
    reason: str | None = None


class Scorecard(Record):
    """Result of ``interlith scorecard``."""

    schema_version: int = 1
    rows: tuple[ScorecardRow, ...]
    reference: ReferenceIdentity
    provenance: Provenance


def row(
    formula: str,
    quantity: str,
    value: Value,
    unit: str,
    method: str,
    *,
    sigma: float | None = None,
    status: RowStatus = "ok",
    reason: str | None = None,
) -> ScorecardRow:
    """A row with its literature value, if there is one."""
    known = literature().get((composition_key(formula), quantity), {})
    other = known.get("value")
    both = [x for x in (value, other) if isinstance(x, (int, float)) and not isinstance(x, bool)]
    return ScorecardRow(
        formula=formula,
        quantity=quantity,
        value=value,
        unit=unit,
        sigma=sigma,
        method=method,
        literature_value=other,
        deviation=both[0] - both[1] if len(both) == 2 else None,
        literature_sigma=known.get("sigma"),
        source=known.get("source"),
        status=status,
        reason=reason,
    )


def absent(
    formula: str,
    quantity: str,
    unit: str,
    reason: str,
    *,
    status: RowStatus = "not_computed",
    method: str = "none",
) -> ScorecardRow:
    """A row without a value, and why."""
    return row(formula, quantity, None, unit, method, status=status, reason=reason)


@lru_cache(maxsize=1)
def literature() -> dict[tuple[frozenset[tuple[str, float]], str], dict[str, Any]]:
    """Literature values by composition and quantity."""
    import yaml

    file = resources.files("interlith.analysis") / "data" / "literature_values.yaml"
    entries = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {(composition_key(entry["formula"]), entry["quantity"]): entry for entry in entries}


@lru_cache(maxsize=1)
def shipped_elastic() -> tuple[ElasticRecord, ...]:
    """Elastic tensors that were computed before and come with the package."""
    file = resources.files("interlith.analysis") / "data" / "elastic-7net-0.json"
    stored = json.loads(file.read_text(encoding="utf-8"))
    return tuple(ElasticRecord.model_validate(one) for one in stored)


def composition_key(formula: str) -> frozenset[tuple[str, float]]:
    """What formulas of one composition share; empty for a name that is no formula."""
    try:
        composition = parse_formula(formula)
    except FormulaError:
        return frozenset()
    atoms = sum(composition.values())
    return frozenset((element, round(n / atoms, 5)) for element, n in composition.items())
