"""Plain numbers, tuples and text: what the server says of them by itself, and what it never says."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.verify.math.quick import judge_quickly

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

NEVER_EQUAL = [  # decided here or by a worker
    ("5 \\text{ m}", r"500 \text{ cm}"), ("[0,1]", "(0,1)"), ("12_5", "12_7"), ("x=5", "y=6"),
    ("1,1,2", "1,2"), ("4", "x"), (r"2021", r"\pm 2021"), ("5", "7=5"), ("117", "117x"), ("10", r"x \le 10"),
    ("1", "1" * 3000), ("", ""), ("(1,2)", r"\{1,2\}"),
]  # fmt: skip


def status(gold: str, answer: str) -> str:
    judgement = judge_quickly(gold, answer)
    return "open" if judgement is None else judgement.status


@pytest.mark.parametrize(("gold", "answer"), EQUAL)
def test_says_correct(gold: str, answer: str) -> None:
    judgement = judge_quickly(gold, answer)
    assert judgement is not None
    assert judgement.status == "correct"
    assert judgement.rule


@pytest.mark.parametrize(("gold", "answer"), UNEQUAL)
def test_says_incorrect(gold: str, answer: str) -> None:
    assert status(gold, answer) == "incorrect"


@pytest.mark.parametrize(("gold", "answer"), NEVER_EQUAL)
def test_never_says_correct(gold: str, answer: str) -> None:
    assert status(gold, answer) != "correct"


def test_a_judgement_shows_how_both_sides_were_read() -> None:
    judgement = judge_quickly("0.5", r"\frac{2}{4}")
    assert judgement is not None
    assert (judgement.gold_parsed, judgement.answer_parsed) == ("1/2", "1/2")


@given(st.fractions(max_denominator=10**6), st.fractions(max_denominator=10**6))
def test_two_fractions_are_decided_by_their_values(one: Fraction, other: Fraction) -> None:
    found = status(str(one), rf"\frac{{{other.numerator}}}{{{other.denominator}}}")
    assert found == ("correct" if one == other else "incorrect")


@given(st.lists(st.integers(-999, 999), min_size=2, max_size=6), st.randoms())
def test_a_bare_list_has_no_order_and_a_tuple_has(values: list[int], random) -> None:
    shuffled = random.sample(values, len(values))
    listed, tupled = ", ".join(map(str, values)), ", ".join(map(str, shuffled))
    assert status(listed, tupled) == "correct"
    assert status(f"({listed})", f"({tupled})") == ("correct" if values == shuffled else "incorrect")


@given(st.text(max_size=60))
def test_any_text_equals_itself_or_is_no_gold(text: str) -> None:
    assert status(text, text) in {"correct", "unreadable_gold", "open"}


@pytest.mark.parametrize(
    "bracket", ["(", "[", r"\{", "{", r"\left(", r"\text{", r"\boxed{", "(1,", r"\frac{"]
)
def test_deep_nesting_is_no_answer(bracket: str) -> None:
    count = 1900 // len(bracket)
    assert status("5", bracket * count) != "correct"
    closers = {"(": ")", "[": "]"}.get(bracket.removeprefix(r"\left")[0], "}")
    half = 900 // len(bracket)
    assert status("5", bracket * half + "5" + closers * half) != "correct"


@pytest.mark.parametrize("filler", [" ", r"\,", ",", "~", "1 ", "a ", "$", "-", "1/", "^", "_2"])
def test_long_runs_of_one_thing_are_no_plain_answer(filler: str) -> None:
    assert status("5", r"\mathbf{" + filler * (1900 // len(filler)) + "!") != "correct"


def test_the_server_half_imports_no_computer_algebra() -> None:
    program = (
        "import sys, server.verify.math.verifier, server.verify.math.guards;"
        "print(sorted({'sympy', 'math_verify', 'latex2sympy2_extended'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
