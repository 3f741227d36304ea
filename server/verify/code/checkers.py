"""Checkers: named rules that compare a program's output with the expected output.

Every rule looks at the whole of both outputs (a correct prefix is not correct),
works on bytes, and says where the first difference is. Whitespace is what
`bytes.split()` splits on: the six ASCII blanks.

Provenance of the rules:

    exact                    byte for byte; go-judge's and Kattis' strictest form
    lines                    Judge0's: each line without its trailing blanks
    tokens                   testlib `wcmp`, Kattis' default validator: the default here
    floats                   Kattis' `float_tolerance`, DMOJ `floats`: see `_same_number`
    unordered_lines          DMOJ `sorted`: `lines` as a multiset
    case_insensitive_tokens  Kattis' default validator without `case_sensitive`, ASCII only
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from server.verify.code.difference import Difference, excerpt_bytes

DEFAULT_CHECKER = "tokens"
DEFAULT_TOLERANCE = 1e-6

# Longer numeric tokens are compared as text: no work grows with a program's token.
_NUMBER_CHARS = 400
_EXACT_INTEGERS = 1 << 53
_INTEGER = re.compile(rb"[+-]?[0-9]+\Z")
_NUMBER = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")

Rule = Callable[[bytes, bytes], Difference | None]
_SameItem = Callable[[bytes, bytes], bool]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a number may be off: within `absolute`, or within `relative` of the expected one."""

    absolute: float = DEFAULT_TOLERANCE
    relative: float = DEFAULT_TOLERANCE

    def accepts(self, expected: float, got: float) -> bool:
        """Either bound suffices, both inclusive (Kattis); never true for NaN."""
        error = abs(expected - got)
        return error <= self.absolute or error <= self.relative * abs(expected)


@dataclass(frozen=True, slots=True)
class Checker:
    """A rule with the name it carries in requests, verdicts and capabilities.

    `tolerance` is set for `floats` only; typed values use it too.
    """

    name: str
    rule: Rule
    tolerance: Tolerance | None = None

    def compare(self, expected: bytes, got: bytes) -> Difference | None:
        """The first difference, or None if `got` is right. Equal bytes cost one comparison."""
        return None if expected == got else self.rule(expected, got)


def make_checker(name: str, tolerance: Tolerance | None = None) -> Checker:
    """The checker of this name; `floats` takes `tolerance`. KeyError for an unknown name."""
    if name == "floats":
        return _floats(tolerance or Tolerance())
    return Checker(name, _RULES[name])


def _exact(expected: bytes, got: bytes) -> Difference | None:
    return _first_difference("line", expected.splitlines(keepends=True), got.splitlines(keepends=True))


def _lines(expected: bytes, got: bytes) -> Difference | None:
    wanted = _trimmed_lines(expected)
    return _first_difference("line", wanted, _trimmed_lines(got, len(wanted)))


def _tokens(expected: bytes, got: bytes) -> Difference | None:
    return _compare_tokens(expected, got)


def _case_insensitive_tokens(expected: bytes, got: bytes) -> Difference | None:
    return _compare_tokens(expected, got, lambda left, right: left.lower() == right.lower())


def _unordered_lines(expected: bytes, got: bytes) -> Difference | None:
    wanted, given = Counter(_trimmed_lines(expected)), Counter(_trimmed_lines(got))
    missing = next(iter(wanted - given), None)
    extra = next(iter(given - wanted), None)
    if missing is None and extra is None:
        return None
    return Difference("lines in any order", excerpt_bytes(missing), excerpt_bytes(extra))


def _floats(tolerance: Tolerance) -> Checker:
    def same(expected: bytes, got: bytes) -> bool:
        return expected == got or _same_number(expected, got, tolerance)

    def rule(expected: bytes, got: bytes) -> Difference | None:
        return _compare_tokens(expected, got, same)

    return Checker("floats", rule, tolerance)


def _same_number(expected: bytes, got: bytes, tolerance: Tolerance) -> bool:
    """Whether two different texts are numbers within the tolerance.

    `nan`, `inf` and whatever overflows a double are no numbers here: they equal
    only their own text. Two integers of which one is beyond 2**53 must be equal,
    since a tolerance is meant for rounding, and nothing rounded them.
    """
    if max(len(expected), len(got)) > _NUMBER_CHARS:
        return False
    if not (_NUMBER.match(expected) and _NUMBER.match(got)):
        return False
    if _INTEGER.match(expected) and _INTEGER.match(got):
        left, right = int(expected), int(got)
        if max(abs(left), abs(right)) > _EXACT_INTEGERS:
            return left == right
    value, answer = float(expected), float(got)
    return math.isfinite(value) and math.isfinite(answer) and tolerance.accepts(value, answer)


def _compare_tokens(expected: bytes, got: bytes, same: _SameItem | None = None) -> Difference | None:
    wanted = expected.split()
    # One item more than expected is enough to know: memory is bounded by the expected side.
    given = got.split(None, len(wanted))
    return _first_difference("token", wanted, given, same)


def _trimmed_lines(data: bytes, most: int = -1) -> list[bytes]:
    # rstrip first, so that a megabyte of trailing newlines makes no list.
    return [line.rstrip() for line in data.rstrip().split(b"\n", most)]


def _first_difference(
    unit: str, wanted: Sequence[bytes], given: Sequence[bytes], same: _SameItem | None = None
) -> Difference | None:
    if wanted == given:
        return None
    for number, (left, right) in enumerate(zip_longest(wanted, given), start=1):
        if left == right or (left is not None and right is not None and same and same(left, right)):
            continue
        return Difference(f"{unit} {number}", excerpt_bytes(left), excerpt_bytes(right))
    return None


_RULES: dict[str, Rule] = {
    "exact": _exact,
    "lines": _lines,
    "tokens": _tokens,
    "unordered_lines": _unordered_lines,
    "case_insensitive_tokens": _case_insensitive_tokens,
}

CHECKERS: tuple[str, ...] = (
    "exact",
    "lines",
    "tokens",
    "floats",
    "unordered_lines",
    "case_insensitive_tokens",
)
