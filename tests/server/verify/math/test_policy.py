"""Choices on which graders differ: each has a default and can be switched; an unknown one is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.verify.extraction import extract
from server.verify.math.judge import judge
from server.verify.math.policy import DEFAULT, NAMES, SETTINGS, Policy, read_policy
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


# --- chains --------------------------------------------------------------------------------------

LAST, RENAMED = read_policy({"chains": "last"}), read_policy({"variables": "renamed"})
integers = st.integers(-(10**6), 10**6)


def accepts(gold: str, answer: str, policy: Policy = DEFAULT) -> bool:
    found = judge_quickly(gold, answer, policy)
    assert found is not None, f"left to a worker: {gold!r} and {answer!r}"
    return found.status == "correct"


@given(wrong=integers, right=integers)
def test_of_a_false_chain_the_last_side_answers_only_if_asked_for(wrong: int, right: int) -> None:
    chain = f"{wrong} = {right}"
    assert accepts(str(right), chain) == (wrong == right)
    assert accepts(str(right), chain, LAST)


@given(one=integers, other=integers)
def test_the_first_side_of_a_chain_is_never_the_answer(one: int, other: int) -> None:
    for policy in (DEFAULT, LAST):
        assert accepts(str(one), f"x = {one} = {other}", policy) == (one == other)


@given(value=integers, parts=st.lists(integers, min_size=1, max_size=3))
def test_a_true_chain_answers_under_either_setting(value: int, parts: list[int]) -> None:
    rest = value - sum(parts)
    total = f"{rest}" + "".join(f"{part:+d}" for part in parts)
    for policy in (DEFAULT, LAST):
        assert accepts(str(value), f"x = {total} = {value}", policy)


def test_a_gold_that_is_a_chain_is_its_last_side() -> None:
    gold, algebra = "x = 1 + 4 = 5", SymbolicAlgebra()
    assert judge(gold, "5", algebra, LAST).status == "correct"
    assert judge(gold, "1", algebra, LAST).status == "incorrect"


def test_what_stands_behind_a_false_approximation_counts_unless_the_last_side_is_asked_for() -> None:
    answer = r"x = 5 + 6 = \frac13 \approx 11"
    assert not accepts(r"\frac13", answer)
    assert accepts(r"\frac13", answer, LAST)
    assert not accepts("11", answer, LAST)
    sum_of = r"F_n = \sum_{k=0}^{n} F_k"  # has a sign of its own
    assert judge(sum_of, r"F_n = \sum_{k=0}^{n} F_k^2", SymbolicAlgebra(), LAST).status == "incorrect"


def test_an_equation_beside_an_equation_is_no_chain() -> None:
    assert not accepts("y = 2x", "z = 3x", LAST)


# --- variables -----------------------------------------------------------------------------------

letters = st.sampled_from("abckmnpqrstuvwxyz")


@given(gold=letters, own=letters, scale=st.integers(2, 99), shift=st.integers(1, 99))
def test_a_letter_may_stand_for_another_only_if_asked_for(
    gold: str, own: str, scale: int, shift: int
) -> None:
    one, other = f"{scale}{gold}^2 + {shift}", f"{shift} + {scale}{own}^2"
    assert accepts(one, other) == (gold == own)
    assert accepts(one, other, RENAMED)
    assert not accepts(one, f"{shift + 1} + {scale}{own}^2", RENAMED)


@given(names=st.lists(letters, min_size=2, max_size=2, unique=True), scale=st.integers(2, 99))
def test_letters_are_renamed_one_to_one(names: list[str], scale: int) -> None:
    one, other = names
    assert accepts("x + 2y", f"{one} + 2{other}", RENAMED)
    assert not accepts("x + 2y", f"{one} + 2{one}", RENAMED)
    assert not accepts(f"{scale}xy", f"{scale}{one}{one}", RENAMED)


@pytest.mark.parametrize(("gold", "answer"), [("2x", "2i"), ("x^2", "e^2"), (r"2\pi", "2x"), ("2x", r"2\pi")])
def test_a_constant_is_no_variable(gold: str, answer: str) -> None:
    assert not accepts(gold, answer, RENAMED)


def test_a_renamed_answer_keeps_its_functions() -> None:
    algebra = SymbolicAlgebra()
    assert judge(r"\sin x", r"\sin t", algebra, RENAMED).status == "correct"
    assert judge(r"\sin x", r"\cos t", algebra, RENAMED).status == "incorrect"
