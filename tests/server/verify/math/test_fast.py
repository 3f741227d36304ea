"""The fast path: what it decides, what it leaves to a worker, and what it never says."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.verify.math.fast import decide

EQUAL = [
    ("42", "42"), ("42", " $42$. "), ("42", r"\(42\)"), ("42", r"\text{42}"), ("42", r"\mathbf{42}"),
    ("1234", "1,234"), ("1234", "1{,}234"), ("1234", r"1,\!234"), (r"11,\! 111", "11111"),
    ("0.5", "1/2"), ("0.5", r"\dfrac12"), (r"\frac{3}{2}", r"1\frac{1}{2}"), (r"\frac{3}{2}", "1 1/2"),
    ("10", "x = 10"), ("x=5", "5"), ("90", r"90^\circ"), (r"90^{\circ}", "90"), ("12", r"12\text{ cm}"),
    (r"864 \mbox{ inches}^2", "864"), (r"\$18.90", "18.9"), (r"\$36", r"36 \text{ dollars}"), ("52_8",
    "52_{8}"),
    ("17", "17_{10}"), ("35", r"35\%"), ("0.35", r"35\%"), (r"35\%", "0.35"), (r"35\%", "35"),
    ("(3, 4)", r"\left(3,4\right)"), ("(1/2, 3)", "(0.5, 3)"), ("1,-2", "-2, 1"), ("-1", "−1"),
    (r"\text{even}", r"\text{even}"), ("p - q", "p-q"),
]  # fmt: skip

UNEQUAL = [
    ("42", "43"), ("42", "-42"), ("42", "420"), (r"\frac13", "0.33"), ("21", "21.0000001"), ("21",
    "21.001"),
    ("42", "42, 43"), ("42", r"42 \text{ or } 43"), ("(1,2)", "(2,1)"), ("(1,2)", "(1,2,0)"), ("1,2",
    "1,2,3"),
    (r"35\%", "36"), ("(0,1)", "(0,1.5)"), ("7", "(7, 8)"),
]  # fmt: skip

LEFT_OPEN = [
    ("2", r"\sqrt{4}"), (r"\frac13", "0.333333333"), ("5 \\text{ m}", r"500 \text{ cm}"), ("[0,1]",
    "(0,1)"),
    ("12_5", "12_7"), ("x=5", "y=6"), ("1,1,2", "1,2"), ("4", "x"), (r"2021", r"\pm 2021"), ("1:3", "1/3"),
    ("5", "7=5"), ("117", "117x"), ("10", r"x \le 10"), ("1", "1" * 3000), ("100,200", "200,100"), ("", ""),
    ("(1,2)", r"\{1,2\}"),
]  # fmt: skip


@pytest.mark.parametrize(("gold", "answer"), EQUAL)
def test_says_correct(gold: str, answer: str) -> None:
    decision = decide(gold, answer)
    assert decision is not None
    assert decision.correct
    assert decision.rule


@pytest.mark.parametrize(("gold", "answer"), UNEQUAL)
def test_says_incorrect(gold: str, answer: str) -> None:
    decision = decide(gold, answer)
    assert decision is not None
    assert not decision.correct


@pytest.mark.parametrize(("gold", "answer"), LEFT_OPEN)
def test_leaves_to_a_worker(gold: str, answer: str) -> None:
    assert decide(gold, answer) is None


def test_a_decision_shows_how_both_sides_were_read() -> None:
    decision = decide("0.5", r"\frac{2}{4}")
    assert decision is not None
    assert (decision.gold_parsed, decision.answer_parsed) == ("1/2", "1/2")


@given(st.fractions(max_denominator=10**6), st.fractions(max_denominator=10**6))
def test_two_fractions_are_decided_by_their_values(one: Fraction, other: Fraction) -> None:
    decision = decide(str(one), rf"\frac{{{other.numerator}}}{{{other.denominator}}}")
    assert decision is not None
    assert decision.correct == (one == other)


@given(st.lists(st.integers(-999, 999), min_size=2, max_size=6), st.randoms())
def test_a_bare_list_has_no_order_and_a_tuple_has(values: list[int], random) -> None:
    shuffled = random.sample(values, len(values))
    listed, tupled = ", ".join(map(str, values)), ", ".join(map(str, shuffled))
    as_list, as_tuple = decide(listed, tupled), decide(f"({listed})", f"({tupled})")
    assert as_list is not None
    assert as_list.correct
    assert as_tuple is not None
    assert as_tuple.correct == (values == shuffled)


@given(st.text(max_size=60))
def test_any_text_equals_itself_or_is_empty(text: str) -> None:
    decision = decide(text, text)
    assert decision is None or decision.correct


@pytest.mark.parametrize(
    "bracket", ["(", "[", r"\{", "{", r"\left(", r"\text{", r"\boxed{", "(1,", r"\frac{"]
)
def test_deep_nesting_is_left_to_a_worker(bracket: str) -> None:
    count = 1900 // len(bracket)
    assert decide("5", bracket * count) is None
    closers = {"(": ")", "[": "]"}.get(bracket.removeprefix(r"\left")[0], "}")
    half = 900 // len(bracket)
    assert decide("5", bracket * half + "5" + closers * half) is None


@pytest.mark.parametrize("filler", [" ", r"\,", ",", "~", "1 ", "a ", "$", "-", "1/", "^", "_2"])
def test_long_runs_of_one_thing_are_no_plain_answer(filler: str) -> None:
    assert decide("5", r"\mathbf{" + filler * (1900 // len(filler)) + "!") is None


def test_the_server_half_imports_no_computer_algebra() -> None:
    program = (
        "import sys, server.verify.math.verifier, server.verify.math.guards;"
        "print(sorted({'sympy', 'math_verify', 'latex2sympy2_extended'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
