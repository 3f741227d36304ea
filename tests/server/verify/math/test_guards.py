"""Guards: what is refused before computer algebra sees it, and that honest mathematics passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.verify.math.guards import complexity_fault, exceeds, nesting_depth
from server.verify.math.latex import normalise

HOSTILE = {
    "long": "x+" * 2000,
    "parentheses": "(" * 50 + "1" + ")" * 50,
    "braces": "{" * 1000,
    "left": r"\left(" * 60,
    "digits": "7" * 1500,
    "repeating digits": "0." + "7" * 1200,
    "product of letters": "x" * 500,
    "bars": "|" * 40 + "x" + "|" * 40,
    "spaced ones": "1 " * 500,
    "sum of ones": "+".join("1" * 400),
    "tower": "9^{9^{9}}",
    "tower of bare carets": "9^9^9",
    "python power": "9**9**9**9",
    "tower of tens": "10^{10^{10}}",
    "reciprocal tower": r"\frac{1}{10^{10^{10}}}",
    "large exponent": "2^{99999999}",
    "polynomial": "(1+x)^{20000}",
    "power of powers": "((10^{999})^{999})^{999}",
    "factorial": "1000000!",
    "factorial of a power": "(10^8)!",
    "factorial of a factorial": "((20)!)!",
    "double factorial": "20!!",
    "binomial": r"\binom{1000000000}{500000000}",
    "gamma": r"\Gamma(1000000.5)",
    "gamma of a gamma": r"\Gamma(\Gamma(20))",
    "binomial of a binomial": r"\binom{\binom{99}{49}}{3}",
    "power of a binomial": r"2^{\binom{40}{20}}",
    "tower of binomials": r"2^{\binom{4}{2}^{\binom{4}{2}}}",
    "set of symbols": r"\{" + ",".join(f"x_{i}" for i in range(300)) + r"\}",
    "large matrix": r"\begin{pmatrix}" + r" & ".join("abcdefgh" * 20) + r"\end{pmatrix}",
    "nested fractions": r"\frac{1}{1+" * 20 + "x" + "}" * 20,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_refused_with_a_reason(text: str) -> None:
    fault = complexity_fault(normalise(text))
    assert fault
    assert len(fault) < 60


@pytest.mark.parametrize(
    "text",
    [
        r"\frac{448}{15625}", "x^8 + x^7 + x^6 + x^5 + x^4 + x^3 + x^2 + x + 1", "2^{100}", "2^{2^{3}}",
        "10!",
        r"\frac{1}{2004!}", "(n+1)!", r"\binom{10}{3}", r"2^{\binom{10}{2}}", 
        r"\binom{10}{3} + \binom{10}{4}",
        r"\Gamma(5)", "x^{2004}-1", "x^{y^{z}}",
        r"\sqrt{1+\sqrt{2+\sqrt{3}}}",
        r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", "(-\\infty, 2) \\cup (3, \\infty)", "", "1" * 900,
    ],
)  # fmt: skip
def test_honest_mathematics_passes(text: str) -> None:
    assert complexity_fault(normalise(text)) is None


def test_depth_counts_open_brackets_of_every_kind() -> None:
    assert nesting_depth("([{x}])(y)") == 3
    assert nesting_depth(")))(") == 1


@given(st.integers(0, 10**8), st.integers(1, 10**6))
def test_exceeds_compares_without_converting(number: int, limit: int) -> None:
    assert exceeds(f"000{number}", limit) == (number > limit)


@given(st.text(max_size=300))
def test_no_text_raises(text: str) -> None:
    assert complexity_fault(text) is None or len(text) > 0
