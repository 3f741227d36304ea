"""Intervals by their ends, however they were written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from server.verify.math.intervals import interval_of
from server.verify.math.judge import judge
from server.verify.math.quick import QUICK, NeedsAlgebra, judge_quickly
from server.verify.math.reading import as_relation, read_part
from server.verify.math.symbolic import SymbolicAlgebra
from server.verify.math.tree import Answer


def sides(*texts: str) -> Iterator[Answer]:
    """Each as it is read beside a relation: with its name as a side."""
    return (as_relation(read_part(text)) for text in texts)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("(3,4]", ("3", "4", True, False, "")),
        (r"3 < x \le 4", ("3", "4", True, False, "x")),
        (r"4 \ge x > 3", ("3", "4", True, False, "x")),
        ("x >= 3", ("3", r"\infty", False, True, "x")),
        ("3 > t", (r"-\infty", "3", True, True, "t")),
        (r"(-\infty, \frac12)", (r"-\infty", r"\frac12", True, True, "")),
        (r"[2, \infty)", ("2", r"\infty", False, True, "")),
    ],
)
def test_read(text: str, shown: tuple[str, str, bool, bool, str]) -> None:
    found = interval_of(read_part(text))
    assert found is not None
    assert (found.low.text, found.high.text, found.without_low, found.without_high, found.variable) == shown


@pytest.mark.parametrize(
    "text",
    ["(1,2,3)", r"\{1,2\}", "1,2", "x", "1 < 2", "x < y", "1 < x > 2", "1 < x < y < 2", "x = 3", r"x \ne 3",
     r"[2, \infty]", r"(\infty, 2)", r"(0,1) \cup (2,3)", r"3 < i", "(x < 2)"],
)  # fmt: skip
def test_anything_else_is_not_read(text: str) -> None:
    assert interval_of(read_part(text)) is None


@pytest.mark.parametrize(
    ("gold", "answer", "rule"),
    [
        ("(3,4]", r"3 < x \le 4", "same relation or set"),
        ("(3,4]", "3 < x < 4", None),
        ("(3,4]", r"3 < x \le 5", None),
        (r"[\sqrt{8}, \infty)", r"x \ge 2\sqrt2", "same relation or set"),
        (r"[2, \infty)", r"x \ge 3", None),
        (r"[2, \infty)", r"x \le 2", None),
        ("5x - 7y + 11z + 4 = 0", "-5x+7y-11z-4=0", "same equation"),
        ("y=2x+3", "2x-y+3=0", "same equation"),
    ],
)
def test_related(gold: str, answer: str, rule: str | None) -> None:
    assert QUICK.related(*sides(gold, answer)) == rule
    assert (judge(gold, answer, SymbolicAlgebra()).status == "correct") is bool(rule)


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("(4,3)", "(5,3)"),
        ("(3,3)", "4 < x < 4"),
        ("1 < x < 2", "1 < y < 2"),
        ("(0,1)", "0 < x^2 < 1"),
        ("(0, a)", "0 < x < b"),
        ("y=2x", "y=3x"),
        ("x=y=2", "2=x=y"),
        ("2=3", "4=6"),
    ],
)
def test_left_to_a_worker(gold: str, answer: str) -> None:
    with pytest.raises(NeedsAlgebra):
        QUICK.related(*sides(gold, answer))


def test_an_inequality_is_told_without_a_worker() -> None:
    judgement = judge_quickly("[1,9]", r"1 \le x \le 9")
    assert judgement is not None
    assert judgement.status == "correct"
