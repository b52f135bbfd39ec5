from __future__ import annotations

import html
import math
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from interlith.formatting import (
    RESOLUTION,
    format_value,
    subscripted,
    two_digits,
    with_subscript_characters,
)

VALUES = st.floats(-1e12, 1e12)
SIGMAS = st.floats(1e-9, 1e9)
UNITS = st.sampled_from(["", "cm2/s", "mS/cm", *RESOLUTION])
WRITTEN = re.compile(r"\(?(-?[\d.]+) ± ([\d.]+)\)?(?:e([+-]\d+))?")


@pytest.mark.parametrize(
    ("value", "sigma", "unit", "text"),
    [
        (1.7183, 0.041, "V", "1.72 ± 0.04 V"),
        (1.7183, 0.0141, "V", "1.718 ± 0.014 V"),
        (2.0, 0.096, "V", "2.00 ± 0.10 V"),
        (2.0, 0.0, "V", "2.00 V"),
        (2.0, 1e-6, "V", "2.00 V"),
        (0.0, None, "V", "0.00 V"),
        (-1e-9, None, "V", "0.00 V"),
        (-462.31, None, "meV/atom", "-462 meV/atom"),
        (-462.31, 23.4, "meV/atom", "-460 ± 20 meV/atom"),
        (-0.83, None, "meV/atom", "-0.8 meV/atom"),
        (-9.97, None, "meV/atom", "-10 meV/atom"),
        (0.0, None, "meV/atom", "0 meV/atom"),
        (-0.4623, None, "eV/atom", "-0.462 eV/atom"),
        (1.234e-8, 3e-9, "cm2/s", "(1.2 ± 0.3)e-08 cm2/s"),
        (1.234e-8, None, "cm2/s", "1.23e-08 cm2/s"),
        (12.34, None, "mS/cm", "12.3 mS/cm"),
        (1.7183, math.nan, "V", "1.72 V"),
        (None, 0.1, "V", "none"),
        (math.nan, None, "V", "none"),
    ],
)
def test_what_is_written(value: float | None, sigma: float | None, unit: str, text: str) -> None:
    assert format_value(value, sigma, unit) == text


def test_digits_are_for_values_without_sigma() -> None:
    assert format_value(1.7183, None, "V", digits=3) == "1.718 V"
    assert format_value(1.7183, 0.04, "V", digits=3) == "1.72 ± 0.04 V"


@given(VALUES, SIGMAS, UNITS)
def test_the_written_interval_holds_the_value(value: float, sigma: float, unit: str) -> None:
    written = WRITTEN.match(format_value(value, sigma, unit))
    assume(written is not None)  # a negligible uncertainty is not written
    assert written is not None
    scale = 10.0 ** int(written[3] or 0)
    middle, half = float(written[1]) * scale, float(written[2]) * scale
    assert half > 0
    assert abs(half - sigma) <= 0.26 * sigma
    assert abs(middle - value) <= half * (1 + 1e-9) + abs(value) * 1e-12
    assert len(written[1].partition(".")[2]) == len(written[2].partition(".")[2])


@given(VALUES, st.none() | SIGMAS, UNITS)
def test_zero_has_no_sign_and_the_unit_is_last(
    value: float, sigma: float | None, unit: str
) -> None:
    text = format_value(value, sigma, unit)
    assert not re.match(r"\(?-0(\.0*)?(?![\d.])", text)
    assert text.endswith(unit)


@given(VALUES, UNITS)
def test_without_sigma_the_last_digit_is_right(value: float, unit: str) -> None:
    number = format_value(value, None, unit).removesuffix(f" {unit}" if unit else "")
    finest = max(10.0 ** -RESOLUTION.get(unit, 0), abs(value) * 0.01)
    assert abs(float(number) - value) <= finest


def test_formulas() -> None:
    assert subscripted("Li0.33La0.56TiO3") == ("Li<sub>0.33</sub>La<sub>0.56</sub>TiO<sub>3</sub>")
    assert subscripted("Li3Al(PO4)2 -> 1/3 P2S5") == (
        "Li<sub>3</sub>Al(PO<sub>4</sub>)<sub>2</sub> → 1/3 P<sub>2</sub>S<sub>5</sub>"
    )
    assert with_subscript_characters("Li6PS5Cl -> 2 Li2S") == "Li₆PS₅Cl → 2 Li₂S"


@given(st.text())
def test_any_text_is_escaped_and_kept(text: str) -> None:
    made = subscripted(text)
    plain = re.sub(r"</?sub>", "", made)
    assert "<" not in plain
    assert html.unescape(plain).replace("→", "->") == text.replace("→", "->")


@pytest.mark.parametrize(
    ("value", "text"), [(266.7, "270"), (13.2, "13"), (0.01234, "0.012"), (1.23e-7, "1.2e-07")]
)
def test_ends_of_intervals_have_two_digits(value: float, text: str) -> None:
    assert two_digits(value) == text
