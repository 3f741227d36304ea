"""Texts read into the tree: the kind of each, its parts, and what is not read."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.verify.math.policy import read_policy
from server.verify.math.reading import CACHED, MAX_RAW_CHARACTERS, as_matrix, as_relation, read
from server.verify.math.tree import (
    Listed,
    Matrix,
    Number,
    PlusMinus,
    Quantity,
    Relation,
    TooComplex,
    Tuple,
    elements_of,
    shown,
)

KINDS = [
    ("$42$", "integer"),
    (r"\frac12", "fraction"),
    ("0.50", "decimal"),
    ("1 1/2", "mixed"),
    (r"3.5 \times 10^{-7}", "scientific"),
    (r"0.\overline{3}", "repeating decimal"),
    (r"35\%", "percent"),
    (r"90^\circ", "degree quantity"),
    (r"12 \text{ cm}", "centimeter quantity"),
    ("52_8", "base 8 quantity"),
    (r"\$18.90", "dollar quantity"),
    ("x = 5", "integer"),
    (r"-\infty", "infinity"),
    ("x^2 + 2x + 1", "polynomial"),
    (r"\frac{1}{x}", "expression"),
    (r"3\sqrt{13}", "constant"),
    ("1 + 2i", "complex"),
    (r"\sin x", "function"),
    ("2x + y = 3", "equation"),
    (r"x \le 3", "inequality"),
    ("(3, 4)", "tuple"),
    ("(3, 4]", "interval"),
    (r"(2, \infty)", "interval"),
    (r"(0,1) \cup (2,3)", "union"),
    (r"\{1, 2\}", "set"),
    ("1, 2 and 3", "list"),
    (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", "matrix"),
    (r"1 \pm \sqrt{5}", "plus-minus list"),
    ("7:30", "ratio"),
    ("**C**", "choice"),
    (r"\text{east}", "text"),
    ("there is no such coloring", "text"),
    ("9^{9^{9}}", "unread"),
]


@pytest.mark.parametrize(("text", "kind"), KINDS)
def test_the_kind_of_an_answer(text: str, kind: str) -> None:
    assert read(text).kind == kind


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("(0.5, 3)", "(1/2, 3)"),
        (r"\{1.5, \frac{2}{4}\}", "{3/2, 1/2}"),
        ("1,-2", "1, -2"),
        (r"35\%", "35%"),
        (r"x = 12 \text{ cm}", "12 centimeter"),
        ("x+1", "x+1"),
    ],
)
def test_how_it_is_shown(text: str, how: str) -> None:
    assert shown(read(text)) == how


def test_elements_have_names_and_units_of_their_own() -> None:
    found = read(r"x = 5 \text{ cm}, y = 6")
    assert isinstance(found, Listed)
    one, other = found.elements
    assert isinstance(one, Quantity)
    assert isinstance(other, Quantity)
    assert ((one.name, one.unit), (other.name, other.unit)) == (("x", "centimeter"), ("y", ""))


def test_a_plus_minus_is_two_answers() -> None:
    found = read(r"x = \pm 5, 7")
    assert isinstance(found, Listed)
    assert isinstance(found.elements[0], PlusMinus)
    assert [shown(element) for element in elements_of(found)] == ["5", "-5", "7"]


def test_a_name_is_a_side_where_an_equation_is_asked_for() -> None:
    found = as_relation(read("y = 2x"))
    assert isinstance(found, Relation)
    assert [side.text for side in found.sides] == ["y", "2x"]
    assert as_relation(read("2x")).kind == "polynomial"


def test_rows_in_square_brackets_are_a_matrix_beside_one() -> None:
    found = as_matrix(read("[[1, 2], [3, 4]]"))
    assert isinstance(found, Matrix)
    assert (len(found.elements), found.columns) == (4, 2)
    assert isinstance(as_matrix(read("[[1, 2], [3]]")), Tuple)


def test_a_policy_says_what_letters_mean() -> None:
    assert read("1 + 2j").kind == "polynomial"
    assert read("1 + 2j", read_policy({"imaginary": "i_or_j"})).kind == "complex"


def test_what_is_far_too_long_is_not_read() -> None:
    assert isinstance(read("1" * (MAX_RAW_CHARACTERS + 1)), TooComplex)


def test_readings_that_are_kept_are_few() -> None:
    for number in range(2 * CACHED):
        read(f"{number} + x")
    assert read.cache_info().currsize == CACHED


@given(st.fractions(max_denominator=10**6))
def test_a_value_is_read_back(value: Fraction) -> None:
    found = read(f"${value}$")
    assert isinstance(found, Number)
    assert found.value == value


@given(st.text(st.sampled_from(r"0123456789.,;:=<>/+-\{}[]()frac pm and or x_^%"), max_size=40))
def test_no_text_raises_and_every_one_is_shown(text: str) -> None:
    assert isinstance(shown(read(text)), str)
