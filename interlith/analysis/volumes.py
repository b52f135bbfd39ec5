"""Volumes of phases, and what a reaction does to the volume where they are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from interlith.analysis.references import parse_formula
from interlith.records import Amount, Record
from interlith.units import ANGSTROM3_PER_CM3, ELEMENTARY_CHARGE_C


class VolumeChange(Record):
    """Volume before and after a reaction.

    ``strain`` is the linear strain of an isotropic change. ``interphase_nm_per_uah_cm2`` is the
    thickness of the solid products grown while 1 uAh/cm2 of Li metal is consumed; None if Li
    metal is no reactant. Volumes are those of the built-in crystals at 0 K (PBE-like, about 3 %
    larger than experiment), without an uncertainty of their own.
    """

    reactants_angstrom3: float
    products_angstrom3: float
    relative_change: float
    strain: float
    interphase_nm_per_uah_cm2: float | None
    source: str


def volume_change(reactants: Sequence[Amount], products: Sequence[Amount]) -> VolumeChange | None:
    """Volume change of a reaction, or None where a volume is not known or not reliable."""
    before = [_volume(item) for item in reactants]
    after = [_volume(item) for item in products]
    if any(v is None for v in (*before, *after)):
        return None
    first = sum(v for v in before if v is not None)
    last = sum(v for v in after if v is not None)
    lithium = sum(item.amount for item in reactants if item.formula == "Li")
    thickness = None
    if lithium > 0:
        lithium_per_cm2 = 1e-6 * 3600.0 / ELEMENTARY_CHARGE_C
        thickness = last / lithium * lithium_per_cm2 / ANGSTROM3_PER_CM3 * 1e7
    return VolumeChange(
        reactants_angstrom3=first,
        products_angstrom3=last,
        relative_change=last / first - 1.0,
        strain=(last / first) ** (1.0 / 3.0) - 1.0,
        interphase_nm_per_uah_cm2=thickness,
        source="volumes of the built-in crystals (7net-l3i5, 0 K)",
    )


def _volume(item: Amount) -> float | None:
    if item.amount <= 1e-12:
        return 0.0
    per_formula = _per_formula(item.formula)
    return None if per_formula is None else per_formula * item.amount


@lru_cache(maxsize=100_000)
def _per_formula(formula: str) -> float | None:
    composition = parse_formula(formula)
    per_atom = _known().get(_key(composition))
    return None if per_atom is None else per_atom * sum(composition.values())


def _key(composition: Mapping[str, float]) -> frozenset[tuple[str, float]]:
    atoms = sum(composition.values())
    return frozenset((e, round(n / atoms, 6)) for e, n in composition.items())


@lru_cache(maxsize=1)
def _known() -> dict[frozenset[tuple[str, float]], float]:
    from interlith.analysis.builtin_reference import BUILTIN, volumes

    known: dict[frozenset[tuple[str, float]], float] = {}
    for formula, volume in volumes(BUILTIN[0]).items():
        composition = parse_formula(formula)
        known[_key(composition)] = volume / sum(composition.values())
    return known
