"""Exact reading of plain numbers."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.verify.math.exact import MAX_CHARACTERS, read_number


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("42", 42, "integer"),
        ("-42", -42, "integer"),
        ("+7", 7, "integer"),
        ("- 7", -7, "integer"),
        ("025", 25, "integer"),
        ("1,234,567", 1234567, "integer"),
        ("0.5", Fraction(1, 2), "decimal"),
        (".35625", Fraction(57, 160), "decimal"),
        ("27.0", 27, "decimal"),
        (r"\frac{1}{2}", Fraction(1, 2), "fraction"),
        (r"-\frac{35}{9}", Fraction(-35, 9), "fraction"),
        (r"\frac{-1}{2}", Fraction(-1, 2), "fraction"),
        (r"\frac43", Fraction(4, 3), "fraction"),
        (r"\frac 59", Fraction(5, 9), "fraction"),
        (r"\frac9{19}", Fraction(9, 19), "fraction"),
        (r"\frac{270}7", Fraction(270, 7), "fraction"),
        ("3/4", Fraction(3, 4), "fraction"),
        (r"1\frac{4}{5}", Fraction(9, 5), "mixed"),
        ("-1 1/2", Fraction(-3, 2), "mixed"),
        (r"2\cdot 10^{3}", 2000, "scientific"),
        (r"3.54 \times 10^{-7}", Fraction(354, 10**9), "scientific"),
        ("3.54e-07", Fraction(354, 10**9), "scientific"),
        (r"0.\overline{3}", Fraction(1, 3), "repeating decimal"),
        (r"1.2\overline{34}", Fraction(1222, 990), "repeating decimal"),
    ],
)
def test_reads_the_value_exactly(text: str, value: Fraction | int, kind: str) -> None:
    number = read_number(text)
    assert number is not None
    assert (number.value, number.kind) == (value, kind)


@pytest.mark.parametrize(
    "text",
    ["", "-", ".", "x", "1x", "1 2", "1,23", "0,111", "1/0", r"\frac{1}{0}", r"\frac123",
    r"3\frac{7}{2}", "1/2/3",
     "2^3", "--3", r"2\cdot 10^{999}", "1e9999", "٣", "1" * (MAX_CHARACTERS + 1)],
)  # fmt: skip
def test_what_is_not_fully_understood_is_none(text: str) -> None:
    assert read_number(text) is None


@given(st.fractions())
def test_every_fraction_is_read_back(value: Fraction) -> None:
    slash = read_number(str(value))
    latex = read_number(rf"\frac{{{value.numerator}}}{{{value.denominator}}}")
    assert slash is not None
    assert latex is not None
    assert slash.value == latex.value == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_every_decimal_is_read_back_with_its_places(value) -> None:
    number = read_number(f"{value:f}")
    assert number is not None
    assert (number.value, number.places) == (Fraction(value), 6)


@given(st.text(st.sampled_from(r"0123456789.,/+-\{}frac e^"), max_size=30))
def test_no_text_raises(text: str) -> None:
    number = read_number(text)
    assert number is None or isinstance(number.value, Fraction)
