"""Each checker accepts what its rule allows, rejects the rest, and says where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.verify.code.checkers import CHECKERS, Tolerance, make_checker

ACCEPTED = [
    ("exact", b"a b\n", b"a b\n"),
    ("lines", b"a b\nc\n", b"a b  \nc\n\n\n"),
    ("lines", b"a\nb", b"a\r\nb\r\n"),
    ("tokens", b"1 2\n3\n", b" 1\n2   3"),
    ("tokens", b"", b" \n"),
    ("floats", b"0.333333", b"0.33333333"),
    ("floats", b"1e3 x", b"1000.0000001 x"),
    ("floats", b"3", b"3.0000001"),
    ("floats", b"nan inf", b"nan inf"),
    ("floats", b"-0.0", b"0"),
    ("floats", b"12345678901234567890", b"+12345678901234567890"),
    ("unordered_lines", b"a\nb\nb\n", b"b\na \nb"),
    ("case_insensitive_tokens", b"YES no", b"yes\nNO"),
]

REJECTED = [
    ("exact", b"a\n", b"a"),
    ("exact", b"a\n", b"a\r\n"),
    ("lines", b"a b", b"a  b"),
    ("lines", b"a\nb", b"a\n\nb"),
    ("lines", b" a", b"a"),
    ("tokens", b"1 2 3", b"1 2"),
    ("tokens", b"1 2", b"1 2 3"),
    ("tokens", b"", b"0"),
    ("tokens", b"1", b""),
    ("tokens", b"YES", b"yes"),
    ("tokens", b"1", b"1.0"),
    ("floats", b"0.5", b"0.50001"),
    ("floats", b"1 2", b"1"),
    ("floats", b"nan", b"NaN"),
    ("floats", b"inf", b"1e999"),
    ("floats", b"1.5", b"nan"),
    ("floats", b"16", b"0x10"),
    ("floats", b"1000", b"1_000"),
    ("floats", b"yes", b"YES"),
    ("floats", b"12345678901234567890", b"12345678901234567891"),
    ("unordered_lines", b"a\nb\nb\n", b"a\na\nb"),
    ("unordered_lines", b"a\nb", b"a"),
    ("case_insensitive_tokens", b"YES", b"NO"),
]


@pytest.mark.parametrize(("name", "expected", "got"), ACCEPTED)
def test_accepts(name: str, expected: bytes, got: bytes) -> None:
    assert make_checker(name).compare(expected, got) is None


@pytest.mark.parametrize(("name", "expected", "got"), REJECTED)
def test_rejects(name: str, expected: bytes, got: bytes) -> None:
    assert make_checker(name).compare(expected, got) is not None


@pytest.mark.parametrize(
    ("name", "expected", "got", "message"),
    [
        ("tokens", b"1 2 7 x", b"1 2 8", "token 3: expected '7', got '8'"),
        ("tokens", b"1 2", b"1", "token 2: expected '2', got nothing"),
        ("tokens", b"1", b"1 9", "token 2: expected nothing, got '9'"),
        ("lines", b"a\nb", b"a\nc", "line 2: expected 'b', got 'c'"),
        ("unordered_lines", b"a\nb", b"b\nc", "lines in any order: expected 'a', got 'c'"),
        ("tokens", b"a", b"\xff\x00", "token 1: expected 'a', got '\\\\xff\\x00'"),
    ],
)
def test_explains(name: str, expected: bytes, got: bytes, message: str) -> None:
    assert str(make_checker(name).compare(expected, got)) == message


def test_tolerances_are_either_or() -> None:
    checker = make_checker("floats", Tolerance(absolute=0.0, relative=0.1))
    assert checker.compare(b"100", b"110") is None
    assert checker.compare(b"100", b"111") is not None
    assert checker.compare(b"0", b"0.001") is not None


def test_a_long_numeral_is_text() -> None:
    expected = b"1" * 100_000
    assert make_checker("floats").compare(expected, b"0" + expected) is not None


def test_excerpts_are_short() -> None:
    found = make_checker("tokens").compare(b"a" * 10_000, b"\x00" * 10_000)
    assert len(str(found)) < 1000


def test_unknown_name() -> None:
    with pytest.raises(KeyError):
        make_checker("nearly")


@pytest.mark.parametrize("name", CHECKERS)
@given(text=st.binary(max_size=60))
def test_everything_equals_itself(name: str, text: bytes) -> None:
    # By the rule itself: `compare` answers for equal bytes before the rule is asked.
    assert make_checker(name).rule(text, text) is None


@pytest.mark.parametrize("name", CHECKERS)
@given(text=st.binary(max_size=60), more=st.sampled_from([b" x", b"\nx", b"x 1"]))
def test_a_correct_prefix_is_not_correct(name: str, text: bytes, more: bytes) -> None:
    checker = make_checker(name)
    assert checker.compare(text + more, text) is not None
    assert checker.compare(text, text + more) is not None
