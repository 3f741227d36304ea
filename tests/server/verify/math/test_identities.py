"""Comparison without computer algebra: one reading or none, and no two different values taken for equal."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.verify.math import identities
from server.verify.math.identities import Unread, compare, read

EQUAL = [
    ("2", "1+1"),
    ("x^2+2x+1", "(x+1)^2"),
    ("(a+5)(b+2)", "ab+2a+5b+10"),
    (r"\frac{x^2-1}{x-1}", "x+1"),
    (r"\frac12 x", "x/2"),
    (r"\frac1{2x}", r"\frac{1}{2} \cdot x^{-1}"),
    ("1+2i", "(2-i)i"),
    ("i^2", "-1"),
    (r"\frac{\pi}{2}", r"\pi/2"),
    (r"3\sqrt{13}", r"\sqrt{117}"),
    (r"\frac{1}{\sqrt2}", r"\frac{\sqrt2}{2}"),
    (r"\sqrt{3+2\sqrt{2}}", r"1+\sqrt2"),
    ("x_{0}", "x_0"),
    ("0.5x", r"\frac{x}{2}"),
    ("-x^2", "-(x^2)"),
    ("2^{10}", "1024"),
    ("x(x+1)", "x^2+x"),
    ("i(2-i)", "1+2i"),
    ("3 - 2f(x)", "-f(x) + 3 - f(x)"),
    (r"\sin\frac{\pi}{6}", "0.5"),
    (r"\ln 8", r"3\ln 2"),
    (r"\log 1000", "3"),
    (r"\frac{\sqrt{6}-\sqrt{2}}{4}", r"\cos\frac{5\pi}{12}"),
    (r"\tan^2\frac{\pi}{3}", "3"),
    (r"\exp(2)", "ee"),
]
UNEQUAL = [
    ("x+1", "x+2"),
    ("15x-80", "15y-80"),
    ("9+11i", "9-11i"),
    ("i", "-i"),
    ("117", "117i"),
    (r"\sqrt2", "1.414213"),
    (r"\sqrt{2}x", r"\sqrt{3}x"),
    (r"\pi", "3.14"),
    ("e", r"\pi"),
    ("x^2", "x^2+0.0000000001"),
    ("10000000000000000000000001", "10000000000000000000000002"),
    ("-x^2", "(-x)^2"),
    ("2/3/4", "2/(3/4)"),
    ("f(x)", "f(y)"),
    ("f(x)", "g(x)"),
    ("f(x)", "f(2)"),
    (r"\sin x", r"\cos x"),
    (r"\sin 2x", r"2\sin x"),
    (r"\sin^2 x", r"\sin x"),
    (r"\ln 6", r"3(\ln 2)"),
    (r"\log 2", r"\ln 2"),
    (r"\tan x", r"\frac{\cos x}{\sin x}"),
]
UNREAD = [
    "1/2x", "a(x)", "P(2)", "f(x)f", "f(2x+1)", "f(x, y)", "f'(x)",
    r"3\frac12", "2 3", "x2", "x^10", "x^y", "2^{x}", "2^{1/2}",
    "x^2^3", "2^{201}",
    "sin x", "pi", r"\sin", r"\sin x y", r"\sin 2(x)", r"\sin x^2", r"\sin^{-1} x", r"\sin x \cdot 2",
    r"\ln x/2", r"\sin(x)^2", r"\sin 60^\circ", r"\arcsin x",
    "ln 2", "abc", "|x|", "5!", "1,000", "x=5", "x<5", r"35\%", r"90^\circ", "[1]",
    "(1", "1)", "()", "", "+", "x+", r"\frac{1}", r"\frac", r"\sqrt", r"\sqrt[3]{2}", r"\unknown", "2*-3",
    "--1", r"\log_2 8", "a" * 301, "12_5", "x_{12345}", "\u0661",
]  # fmt: skip
UNKNOWN = [
    ("h(2)", "2h"),
    (r"\sin 2x", r"2\sin x\cos x"),
    (r"\ln 0", "1"),
    (r"\ln(-1)", "1"),
    (r"\sin(9999999)", "1"),
    (r"\exp(999)", "1"),
    (r"\tan\frac{\pi}{2}", "1"),
    (r"\frac{1}{0}", "1"),
    ("0^{-1}", "1"),
    (r"\sqrt{x^2}", "x"),
    (r"\sqrt{-4}", "2i"),
    (r"\frac{1}{\sqrt{2}-\sqrt{2}}", "1"),
    (r"\sqrt{\sqrt{2}-\sqrt{2}}", "0"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal_either_way(one: str, other: str) -> None:
    assert compare(read(one), read(other)) is compare(read(other), read(one)) is True


@pytest.mark.parametrize(("one", "other"), UNEQUAL)
def test_unequal_either_way(one: str, other: str) -> None:
    assert compare(read(one), read(other)) is compare(read(other), read(one)) is False


@pytest.mark.parametrize("text", UNREAD)
def test_what_has_no_single_reading_is_not_read(text: str) -> None:
    with pytest.raises(Unread):
        read(text)


@pytest.mark.parametrize(("one", "other"), UNKNOWN)
def test_what_has_no_certain_value_is_not_told(one: str, other: str) -> None:
    assert compare(read(one), read(other)) is None


@given(st.fractions(), st.fractions())
def test_fractions_are_told_apart(one: Fraction, other: Fraction) -> None:
    texts = [rf"\frac{{{value.numerator}}}{{{value.denominator}}}" for value in (one, other)]
    assert compare(read(texts[0]), read(texts[1])) is (one == other)


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=6), st.integers(-9, 9))
def test_a_polynomial_equals_its_rewriting(coefficients: list[int], shift: int) -> None:
    """The same polynomial by powers, and by Horner's rule with `shift` added and taken away."""
    by_powers = "+".join(f"({c})x^{{{power}}}" for power, c in enumerate(coefficients))
    nested = "0"
    for coefficient in reversed(coefficients):
        nested = f"(({nested})*x+({coefficient})+({shift})-({shift}))"
    assert compare(read(by_powers), read(nested)) is True
    assert compare(read(by_powers), read(f"{nested}+x^{{7}}")) is False


@given(st.text(alphabet=r"0123456789xyi.+-*/^(){}\frac sqrtpi_", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        node = read(text)
    except Unread:
        return
    assert compare(node, node) in {True, None}


def test_an_answer_cannot_be_made_to_fit_a_prime_that_is_drawn() -> None:
    primes = {identities.Residues().prime for _ in range(3)}
    assert len(primes) == 3
    for prime in primes:
        assert prime % 4 == 1
        assert prime > 1 << 61
        assert pow(2, prime - 1, prime) == 1
