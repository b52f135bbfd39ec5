"""How numbers and formulas are written for people: one place for the terminal and the report.

>>> format_value(1.7183, 0.041, "V")
'1.72 ± 0.04 V'
>>> format_value(-462.31, None, "meV/atom")
'-462 meV/atom'
>>> format_value(None, None, "V")
'none'
"""

from __future__ import annotations

import html
import math
import re

RESOLUTION = {"V": 2, "eV": 2, "eV/atom": 3, "meV/atom": 0, "nm": 1, "%": 1, "s": 1, "mAh/g": 0}
"""Decimals worth printing where no uncertainty is known."""
SIGNIFICANT = 3
"""Significant digits in a unit that :data:`RESOLUTION` does not hold."""
NEGLIGIBLE = 0.01
"""An uncertainty below this part of the last decimal of the resolution is not printed."""
PLAIN = (1e-3, 1e5)
"""Magnitudes outside are written with a power of ten."""

_COUNT_IN_FORMULA = re.compile(r"(?<=[A-Za-z)\]])\d+(?:\.\d+)?")
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def format_value(
    value: float | None, sigma: float | None = None, unit: str = "", digits: int | None = None
) -> str:
    """Write a number with as many digits as its uncertainty allows.

    Parameters
    ----------
    value : float or None
        None, or a number that is not finite, is no answer: ``'none'`` (the reason belongs
        beside it).
    sigma : float or None
        Standard uncertainty in the same unit; it decides the digits (two of its own if it
        starts with 1, else one). Zero or negligible is not printed: a sampled spread of zero
        means that the known errors cancel, not that there are none.
    unit : str
        Printed after the number.
    digits : int, optional
        Decimals where there is no uncertainty to print; by default what the unit deserves.

    Returns
    -------
    str
        For example ``'1.72 ± 0.04 V'``, ``'-460 ± 20 meV/atom'``, ``'(1.2 ± 0.3)e-08 cm2/s'``.
    """
    if value is None or not math.isfinite(value):
        return "none"
    suffix = f" {unit}" if unit else ""
    if sigma is None or not math.isfinite(sigma) or sigma <= _smallest_sigma(value, unit):
        return f"{_without_sigma(value, unit, digits)}{suffix}"
    largest = max(abs(value), sigma)
    if unit not in RESOLUTION and not PLAIN[0] <= largest < PLAIN[1]:
        power = math.floor(math.log10(largest))
        scale = 10.0 ** (power if power > -300 else -300)
        decimals = _decimals(sigma / scale)
        inside = f"{_fixed(value / scale, decimals)} ± {_fixed(sigma / scale, decimals)}"
        return f"({inside})e{math.log10(scale):+03.0f}{suffix}"
    decimals = _decimals(sigma)
    return f"{_fixed(value, decimals)} ± {_fixed(sigma, decimals)}{suffix}"


def two_digits(value: float) -> str:
    """The end of an interval: two significant digits, ``'270'`` and not ``'2.7e+02'``."""
    return f"{float(f'{value:.1e}'):g}"


def _smallest_sigma(value: float, unit: str) -> float:
    if unit in RESOLUTION:
        return NEGLIGIBLE * 10.0 ** -RESOLUTION[unit]
    return abs(value) * 1e-9  # beyond what a float carries


def _decimals(sigma: float) -> int:
    """Decimal places that ``sigma`` justifies; negative before the decimal point."""
    power = math.floor(math.log10(sigma))
    return 1 - power if sigma / 10.0**power < 1.95 else -power


def _fixed(value: float, decimals: int) -> str:
    text = f"{round(value, decimals):.{max(decimals, 0)}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _without_sigma(value: float, unit: str, digits: int | None) -> str:
    if digits is not None:
        return _fixed(value, digits)
    if unit in RESOLUTION:
        small = unit == "meV/atom" and 0 < abs(value) < 9.95
        return _fixed(value, RESOLUTION[unit] + small)
    if value == 0:
        return "0"
    if PLAIN[0] <= abs(value) < PLAIN[1]:
        return _fixed(value, max(SIGNIFICANT - 1 - math.floor(math.log10(abs(value))), 0))
    return f"{value:.{SIGNIFICANT - 1}e}"


def subscripted(formula: str) -> str:
    """HTML of a formula or reaction: counts as ``<sub>``, ``->`` as an arrow, all else escaped.

    >>> subscripted("Li6PS5Cl + 8 Li -> 5 Li2S")
    'Li<sub>6</sub>PS<sub>5</sub>Cl + 8 Li → 5 Li<sub>2</sub>S'
    """
    parts = []
    end = 0
    for count in _COUNT_IN_FORMULA.finditer(formula):
        parts += [html.escape(formula[end : count.start()]), f"<sub>{count.group()}</sub>"]
        end = count.end()
    parts.append(html.escape(formula[end:]))
    return "".join(parts).replace("-&gt;", "→")


def with_subscript_characters(formula: str) -> str:
    """The same for places that know no markup (figures): ``Li₆PS₅Cl``."""
    changed = _COUNT_IN_FORMULA.sub(lambda m: m.group().translate(_SUBSCRIPTS), formula)
    return changed.replace("->", "→")
