"""Typed values are compared by value and kind, and the first difference is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.verify.code.checkers import Tolerance
from server.verify.code.values import ValueRule, compare_values

JSON, PYTHON = ValueRule.JSON, ValueRule.PYTHON
NAN = float("nan")

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
plain_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.integers(0, 3) | st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (1, 1.0),
        ([1, 2], (1, 2)),
        ({"a": [1]}, {"a": (1,)}),
        ({"1": "x"}, {1: "x"}),
        (10**30, 10**30),
        (None, None),
        (True, True),
        (0.0, -0.0),
    ],
)
def test_json_equal(expected: Any, got: Any) -> None:
    assert compare_values(expected, got, JSON) is None


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (1, True),
        (False, 0),
        (0, None),
        (1, "1"),
        ([], None),
        ([1, 2], [1]),
        ([1], [1, 2]),
        ([1], frozenset({1})),
        (10**30, 10**30 + 1),
        (2**53 + 1, float(2**53)),
        (NAN, NAN),
        ({"1": 1, "2": 2}, {1: 1}),
        ({"1": 1}, {1: 1, "1": 1}),
        ("a", b"a"),
    ],
)
def test_json_different(expected: Any, got: Any) -> None:
    assert compare_values(expected, got, JSON) is not None


@pytest.mark.parametrize(
    ("expected", "got", "message"),
    [
        ([1, {"x": [2, 3]}], [1, {"x": [2, 4]}], "[1]['x'][1]: expected 3, got 4"),
        ([1, 2, 3], [1], "expected 3 items, got 1"),
        ({"a": 1}, {}, "['a']: expected 1, got no such key"),
        ({}, {"b": 2}, "['b']: expected no such key, got 2"),
        (3, "3", "expected 3, got '3'"),
        (1, 1 << 1000, "expected 1, got <integer of 1001 bits>"),
        ("a", "\ud800", "expected 'a', got '\\ud800'"),
    ],
)
def test_explains(expected: Any, got: Any, message: str) -> None:
    assert str(compare_values(expected, got, JSON)) == message


@given(expected=plain_values, got=plain_values)
def test_python_rule_is_pythons_equality(expected: Any, got: Any) -> None:
    assert (compare_values(expected, got, PYTHON) is None) == (expected == got)


@pytest.mark.parametrize(
    ("expected", "got", "equal"),
    [(True, 1, True), ([1], (1,), False), (frozenset({1}), {1}, True), ({1: 2}, {"1": 2}, False)],
)
def test_python_rule(expected: Any, got: Any, equal: bool) -> None:
    assert (compare_values(expected, got, PYTHON) is None) is equal


def test_a_tolerance_is_for_floats() -> None:
    tolerance = Tolerance(absolute=0.5, relative=0.0)
    assert compare_values([1.0, {"x": 2}], [1.4, {"x": 2.4}], JSON, tolerance) is None
    assert compare_values(1.0, 1.6, JSON, tolerance) is not None
    assert compare_values(1, 2, JSON, Tolerance(absolute=5.0)) is not None
    assert compare_values(1.0, NAN, JSON, tolerance) is not None
    assert compare_values(1.0, 10**400, JSON, tolerance) is not None
    assert compare_values(1.0, True, JSON, tolerance) is not None


def test_explanations_are_short() -> None:
    wide: Any = [["x" * 1000] * 50] * 50
    deep: Any = 1
    for _ in range(150):
        deep = {"k" * 100: deep}
    assert len(str(compare_values(wide, None, JSON))) < 1000
    assert len(str(compare_values(deep, {}, JSON))) < 1000
    other = json.loads(json.dumps(deep).replace("1}", "2}"))
    assert len(str(compare_values(deep, other, JSON))) < 1000
