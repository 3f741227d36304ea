"""Choices on which graders differ: each has a default and can be switched; an unknown one is named."""

from __future__ import annotations

import pytest

from server.verify.extraction import extract
from server.verify.math.judge import judge
from server.verify.math.policy import NAMES, SETTINGS, read_policy
from server.verify.math.quick import judge_quickly
from server.verify.math.symbolic import SymbolicAlgebra

# gold, answer, the switched choice, whether the default accepts, whether the switched one does
CHOICES = [
    ("1/2", "2/4", {"fractions": "reduced"}, True, False),
    ("1,2", "2,1", {"order": "kept"}, True, False),
    ("3.14", "3,14", {"decimal_comma": "accepted"}, False, True),
    ("0.3333", "1/3", {"tolerance": "0.01"}, False, True),
    ("5", "5 cm", {"units": "required"}, True, False),
    (r"5\text{ cm}", "5", {"units": "required"}, True, False),
    ("5", "x=5", {"names": "refused"}, True, False),
    ("35", r"35\%", {"percent": "kept"}, True, False),
    (r"(0,\infty)", "x > 0", {"relations": "kept"}, True, False),
    ("x > 0", r"(0,\infty)", {"relations": "kept"}, True, False),
    (r"(0,\infty)", "x > 0", {"relations": "intervals_kept"}, True, False),
    ("x > 0", r"(0,\infty)", {"relations": "intervals_kept"}, True, True),
    (r"\sqrt{2},\sqrt{3}", r"\sqrt{3},\sqrt{2}", {"order": "kept"}, True, False),
    (r"\sqrt{2},\sqrt{3}", r"\sqrt{2},\frac{3}{\sqrt{3}}", {"order": "kept"}, True, True),
    (r"S = \{1, 2\}", r"\{2, 1\}", {"order": "kept"}, True, False),
    (r"\text{East}", "east", {"case": "kept"}, True, False),
    (r"\text{East}", "East", {"case": "kept"}, True, True),
    ("3245/5", "649", {"fractions": "kept"}, True, False),
    ("1/2", "0.5", {"fractions": "kept"}, True, True),
    ("0.333", "1/3", {"places": "3"}, False, True),
    ("0.33", "1/3", {"places": "3"}, False, False),
    ("(1/3, 2]", "(0.33, 2]", {"places": "2"}, False, True),
    ("(1/3, 2]", "[0.33, 2]", {"places": "2"}, False, False),
    ("1/3, 2", "2, 0.333", {"tolerance": "0.01"}, False, True),
    (r"\begin{pmatrix} 3 & 2 \\ 0 & 7 \end{pmatrix}", "[[3, 2], [0, 7]]", {"brackets": "kept"}, True, False),
    ("3.14", r"\approx 3.14", {"approximation": "refused"}, True, False),
]


@pytest.mark.parametrize(("gold", "answer", "settings", "by_default", "switched"), CHOICES)
def test_a_choice_decides(
    gold: str, answer: str, settings: dict[str, str], by_default: bool, switched: bool
) -> None:
    usual = judge_quickly(gold, answer)
    chosen = judge_quickly(gold, answer, read_policy(settings))
    assert usual is not None
    assert chosen is not None
    assert (usual.status == "correct", chosen.status == "correct") == (by_default, switched)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"colour": "red"}, "unknown choice 'colour'"),
        ({"order": "reversed"}, "order is 'reversed'; known: any, kept"),
        ({"tolerance": "much"}, "tolerance is 'much'"),
        ({"tolerance": "0.5"}, "not in 0 to"),
        ({"places": "-1"}, "places is '-1', not an integer from 0 to 15"),
        ({"places": "16"}, "places is '16'"),
    ],
)
def test_what_is_unknown_is_named(settings: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_policy(settings)


def test_every_choice_has_a_default() -> None:
    assert set(NAMES) == {*SETTINGS, "tolerance", "places"}
    assert all(getattr(read_policy({}), name) == known[0] for name, known in SETTINGS.items())


def test_a_logarithm_without_a_base() -> None:
    algebra = SymbolicAlgebra()
    assert judge(r"\log x", r"\ln x", algebra).status == "incorrect"
    assert judge(r"\log x", r"\ln x", algebra, read_policy({"logarithm": "natural"})).status == "correct"


@pytest.mark.parametrize(
    ("text", "joined", "last"),
    [
        (r"so \boxed{1} and \boxed{2}", "1, 2", "2"),
        (r"\boxed{1}, \boxed{1}", "1", "1"),
        (r"\boxed{1} no, wrong: \boxed{2}", "2", "2"),
        (r"\boxed{1}", "1", "1"),
        (r"\boxed{1}\boxed{2}", "1, 2", "2"),
    ],
)
def test_boxes_are_joined_only_where_asked(text: str, joined: str, last: str) -> None:
    found, usual = extract(text, "joined_boxes"), extract(text, "boxed_after_think")
    assert found is not None
    assert usual is not None
    assert (found.text, usual.text) == (joined, last)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"so \boxed{1} and \boxed{2}", "1, 2"),
        ("so $x$ is $5$", "5"),
        ("255 = $10,455. Final Answer: The final answer is $10,455$. I hope it is correct.", "$10,455$"),
        ("no number", "no number"),
    ],
)
def test_any_expression_with_its_boxes_joined(text: str, found: str) -> None:
    extraction = extract(text, "joined_expression")
    assert extraction is not None
    assert extraction.text == found
