"""Constant expressions are read exactly, without evaluation and within bounds."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.verify.code.literals import NotLiteral, literal


def read(text: str) -> object:
    return literal(ast.parse(text, mode="eval").body)


@pytest.mark.parametrize(
    "text",
    [
        "[1, (2.5, 'x'), {'a': None}, True]",
        "{1, 2}",
        "3 * 19 * 3",
        "2.0 / 3.0",
        "'ab' + 'cd'",
        "0 ** 0",
        "-(-3)",
        "not 0",
        "7 // 2 - 7 % 4",
        "1 + 2j",
        "b'x'",
        "2 ** -1",
    ],
)
def test_reads_what_python_reads(text: str) -> None:
    assert read(text) == eval(text)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "f(1)",
        "[x for x in 'ab']",
        "...",
        "1 / 0",
        "2 ** 1000",
        "9 ** 64 ** 64",
        "(2 ** 64) ** 64 * (2 ** 64) ** 64",
        "'a' * 10 ** 9",
        "[0] * 10",
        "{[]: 1}",
        "{**{}}",
        "[*[1]]",
        "~1",
        "f'{1}'",
        "1 if 2 else 3",
        "1 < 2",
        "'%s' % 3",
        "(lambda: 1)",
        "1e308 * 1e308 // 0",
    ],
)
def test_refuses_the_rest(text: str) -> None:
    with pytest.raises(NotLiteral):
        read(text)


def test_refuses_deep_nesting() -> None:
    with pytest.raises(NotLiteral):
        read("[" * 102 + "]" * 102)


@given(value=st.recursive(st.integers() | st.text(), lambda inner: st.lists(inner) | st.tuples(inner)))
def test_reads_back_any_repr(value: object) -> None:
    assert read(repr(value)) == value
