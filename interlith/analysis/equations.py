"""Balanced reaction equations as people write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from interlith.records import Amount

LARGEST_DENOMINATOR = 12


def equation(reactants: Iterable[Amount], products: Iterable[Amount]) -> str:
    """Write ``Li6PS5Cl + 8 Li -> Li3P + 5 Li2S + LiCl``.

    Species on both sides are cancelled; negative reactants move to the right, so a reaction that
    releases Li may pass ``Amount(formula="Li", amount=-2)``.
    """
    net: dict[str, float] = {}
    for item in reactants:
        net[item.formula] = net.get(item.formula, 0.0) + item.amount
    for item in products:
        net[item.formula] = net.get(item.formula, 0.0) - item.amount
    return written(net)


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
