"""Typed values survive the way in and out; what is outside the closed set is named."""

from __future__ import annotations

import collections
import enum
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.values import MAX_DEPTH, Unsupported, decode, encode, largest_keyed

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
KEYS = SCALARS | st.tuples(SCALARS, SCALARS)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner) | st.frozensets(KEYS)
    ),
    max_leaves=20,
)


def typed(value: Any) -> Any:
    """A value with every type beside it, so that 1, 1.0 and True differ, and -0.0 and 0.0."""
    if isinstance(value, list | tuple):
        return type(value), [typed(item) for item in value]
    if isinstance(value, dict):
        return dict, [(typed(k), typed(v)) for k, v in value.items()]
    if isinstance(value, set | frozenset):
        return set, sorted(map(repr, map(typed, value)))
    return type(value), repr(value)


@given(VALUES)
def test_values_come_back_as_they_were(value: Any) -> None:
    assert typed(decode(encode(value))) == typed(value)


@pytest.mark.parametrize(
    "value",
    [{1}, [{1}], ({1}, {2}), {"a": {1}}, {frozenset({1})}, {(0, frozenset({1})): {2}}],
    ids=repr,
)
def test_a_set_comes_back_frozen_only_where_it_must_be(value: Any) -> None:
    assert repr(decode(encode(value))) == repr(value)


def test_nan_and_infinity_come_back() -> None:
    assert math.isnan(decode(encode(math.nan)))
    assert decode(encode([math.inf, -math.inf])) == [math.inf, -math.inf]


def test_integers_beyond_the_digit_limit_come_back() -> None:
    assert decode(encode(10**6000)) == 10**6000


@pytest.mark.parametrize(
    "value",
    [
        object(),
        len,
        collections.deque(),
        type("Int", (int,), {"__eq__": lambda self, other: True, "__hash__": None})(1),
        {}.values(),
        {1: [2]}.items(),
        range(3),
        iter([]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_types_outside_the_set_are_named(value: object) -> None:
    with pytest.raises(Unsupported, match=type(value).__name__):
        encode([value])


def test_depth_is_bounded() -> None:
    value: list[Any] = []
    for _ in range(MAX_DEPTH + 1):
        value = [value]
    with pytest.raises(Unsupported, match="deeper"):
        encode(value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"x": 1}',
        b'{"i": 1, "f": 2}',
        b'{"i": "zz"}',
        b"[" * 5000 + b"]" * 5000,
        b'{"d": [1]}',
        b'{"f": "0x1p99999"}',
        b'{"c": []}',
        b'{"s": 1}',
        b'{"s": [{"d": []}]}',
    ],
)
def test_anything_else_is_no_value(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        decode(data)


@pytest.mark.parametrize("value", [{1, 2, 3}, {1: 0, 2: 0, 3: 0}, [[{1, 2, 3}]]], ids=repr)
def test_a_set_or_dict_with_too_many_items_is_no_value(value: object) -> None:
    assert decode(encode(value), 3) == value
    with pytest.raises(ValueError, match="3 items"):
        decode(encode(value), 2)


@pytest.mark.parametrize(
    ("value", "largest"),
    [(1, 0), ([1, 2], 0), ({}, 0), ({1, 2}, 2), ([{"a": {1, 2, 3}}], 3), ({(1, frozenset((1, 2))): 0}, 2)],
    ids=repr,
)
def test_the_largest_set_or_dict(value: object, largest: int) -> None:
    assert largest_keyed(value) == largest


DICTS = [
    collections.Counter("aab"),
    collections.defaultdict(int, {"a": 2, "b": 1}),
    collections.OrderedDict(a=2, b=1),
]


@pytest.mark.parametrize("value", DICTS, ids=lambda value: type(value).__name__)
def test_the_dicts_of_collections_are_dicts(value: object) -> None:
    assert decode(encode(value)) == {"a": 2, "b": 1}


@pytest.mark.parametrize("base", [collections.Counter, int, tuple, str, list, dict, frozenset])
def test_a_subclass_with_an_equality_of_its_own_is_none(base: type) -> None:
    mine = type("Mine", (base,), {"__eq__": lambda self, other: True, "__hash__": None})
    with pytest.raises(Unsupported, match="Mine"):
        encode(mine())


Pair = collections.namedtuple("Pair", "a b")


class Colour(enum.IntEnum):
    RED = 1


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Pair(1, [Pair(2, 3)]), (1, [(2, 3)])),
        (Colour.RED, 1),
        (type("Real", (float,), {})(0.1), 0.1),
        (type("Text", (str,), {})("é"), "é"),
        (type("Raw", (bytes,), {})(b"x"), b"x"),
        (type("List", (list,), {"__iter__": lambda self: iter("no")})([1]), [1]),
        (type("Dict", (dict,), {"items": lambda self: {}})({1: 2}), {1: 2}),
        (type("Set", (set,), {"__len__": lambda self: 9})({1}), {1}),
        (type("Frozen", (frozenset,), {})({1}), {1}),
        (bytearray(b"x"), b"x"),
        ({1: 2}.keys(), {1}),
        ({1: 2}.items(), {(1, 2)}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_equals_a_plain_value_is_that_value(value: object, plain: object) -> None:
    assert value == plain
    assert typed(decode(encode(value))) == typed(decode(encode(plain)))
