"""The rules without computer algebra: what they tell is what a worker tells, and the rest is left to it."""

from __future__ import annotations

import pytest

from server.verify.math.judge import judge
from server.verify.math.quick import judge_quickly
from server.verify.math.symbolic import SymbolicAlgebra
from tests.server.verify.math.test_worker import EQUAL, UNEQUAL

TOLD = [
    ("42", "42", "correct"),
    ("42", "43", "incorrect"),
    (r"3\sqrt{13}", r"\sqrt{117}", "correct"),
    (r"\text{east}", "East", "correct"),
    (r"\text{east}", "west", "incorrect"),
    (r"\{1\pm\sqrt{5},-2\}", r"x=1\pm\sqrt5 \text{ or } x=-2", "correct"),
    ("15x-80", "y = 15x-80", "correct"),
    (r"\frac13", "0.333333333333333", "correct"),
    (r"\begin{pmatrix} 11 \\ -36 \end{pmatrix}", "(11,-36)", "correct"),
    ("42", "9^{9^{9}}", "incorrect"),
    ("9^{9^{9}}", "42", "unreadable_gold"),
    ("$$", "$$", "unreadable_gold"),
]
LEFT = [
    ("3", r"\log_2 8"),
    (r"\pi", "3.141593"),
    ("x+y=2", "x-y=2"),
    (r"(0,1) \cup (1,2)", "0 < x < 2"),
    ("5", r"\frac{1}{"),
    (r"\frac{1}{", "5"),
    ("|x|", "x"),
    ("14", r"\int 7"),
    ("5", "5" * 2001),
]


@pytest.mark.parametrize(("gold", "answer", "status"), TOLD)
def test_told(gold: str, answer: str, status: str) -> None:
    judgement = judge_quickly(gold, answer)
    assert judgement is not None
    assert judgement.status == status


@pytest.mark.parametrize(("gold", "answer"), LEFT)
def test_left_to_a_worker(gold: str, answer: str) -> None:
    assert judge_quickly(gold, answer) is None


@pytest.mark.parametrize(("gold", "answer"), EQUAL + UNEQUAL)
def test_never_another_verdict_than_a_worker_s(gold: str, answer: str) -> None:
    quick = judge_quickly(gold, answer)
    assert quick is None or quick.status == judge(gold, answer, SymbolicAlgebra()).status
