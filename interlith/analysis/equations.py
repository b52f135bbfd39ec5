"""Balanced reaction equations as people write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from interlith.analysis.references import atoms_in, parse_formula
from interlith.records import Amount

LARGEST_DENOMINATOR = 12


def equation(reactants: Iterable[Amount], products: Iterable[Amount]) -> str:
    """Write ``Li6PS5Cl + 8 Li -> Li3P + 5 Li2S + LiCl``.

    Species on both sides are cancelled, however they are spelled; negative reactants move to the
    right, so a reaction that releases Li may pass ``Amount(formula="Li", amount=-2)``.
    """
    consumed = [(item.formula, item.amount) for item in reactants]
    return written(net_amounts([*consumed, *((p.formula, -p.amount) for p in products)]))


def net_amounts(items: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Sum amounts by composition, each under the first spelling of its formula."""
    spelled: dict[frozenset[tuple[str, float]], str] = {}
    net: dict[str, float] = {}
    for formula, amount in items:
        first = spelled.setdefault(_fractions(formula), formula)
        units = 1.0 if first == formula else atoms_in(formula) / atoms_in(first)
        net[first] = net.get(first, 0.0) + amount * units
    return net


@lru_cache(maxsize=10_000)
def _fractions(formula: str) -> frozenset[tuple[str, float]]:
    atoms = atoms_in(formula)
    return frozenset((e, round(n / atoms, 6)) for e, n in parse_formula(formula).items())


def written(net: Mapping[str, float]) -> str:
    """Write a net reaction: consumed formulas with positive amounts, formed ones with negative."""
    left = [f"{coefficient(n)}{f}" for f, n in net.items() if n > 5e-5]
    right = [f"{coefficient(-n)}{f}" for f, n in net.items() if n < -5e-5]
    if not left and not right:
        return "no reaction"
    return f"{' + '.join(left)} -> {' + '.join(right)}"


def coefficient(value: float) -> str:
    """``''`` for one, a whole number, a small fraction, else four significant digits."""
    if abs(value - round(value)) < 1e-4:
        return "" if round(value) == 1 else f"{round(value)} "
    for denominator in range(2, LARGEST_DENOMINATOR + 1):
        numerator = round(value * denominator)
        if abs(numerator / denominator - value) < 1e-5:
            return f"{numerator}/{denominator} "
    return f"{value:.4g} "
