"""Compares a value that a program returned with the expected one, outside the jail.

Both sides are plain builtin values (the returned one was read by
`sandbox.values.decode`), so no `__eq__` of the program's making ever runs here.
Two rules, by where the expected value came from:

    JSON     a test's JSON text. JSON has one kind of sequence and only string keys,
             so list and tuple are the same, and an integer key equals its decimal
             text. A bool is not a number; 1 and 1.0 are the same number, integers
             are compared exactly at any size.
    PYTHON   a literal of a rewritten assert: Python's own `==`, nothing looser and
             nothing stricter (True == 1, [1] != (1,), {1} == frozenset({1})).

NaN equals nothing under either rule, unless the task asks for it, as it may ask for
ints and floats to be kept apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from server.verify.code.checkers import Tolerance
from server.verify.code.difference import Difference, excerpt_value


class ValueRule(Enum):
    """Whose equality holds."""

    JSON = "json"
    PYTHON = "python"


@dataclass(frozen=True, slots=True)
class _Comparison:
    rule: ValueRule
    tolerance: Tolerance | None
    typed_numbers: bool = False
    nan_equal: bool = False

    def first(self, path: str, expected: Any, got: Any) -> Difference | None:
        """The first difference at or below `path`, depth first."""
        if self._both(expected, got, (list, tuple)) and self._same_kind(expected, got):
            return self._sequences(path, expected, got)
        if type(expected) is dict and type(got) is dict:
            return self._dicts(path, expected, got)
        if self._leaf(expected, got):
            return None
        return Difference(path, excerpt_value(expected), excerpt_value(got))

    def _both(self, expected: Any, got: Any, kinds: tuple[type, ...]) -> bool:
        return isinstance(expected, kinds) and isinstance(got, kinds)

    def _same_kind(self, expected: Any, got: Any) -> bool:
        return self.rule is ValueRule.JSON or type(expected) is type(got)

    def _leaf(self, expected: Any, got: Any) -> bool:
        """Equality of two values that are not both sequences or both dicts."""
        if self.rule is ValueRule.JSON and isinstance(expected, bool) is not isinstance(got, bool):
            return False
        if self.typed_numbers and isinstance(expected, float) is not isinstance(got, float):
            return False
        if expected == got or (self.nan_equal and _is_nan(expected) and _is_nan(got)):
            return True
        tolerance = self.tolerance if self._inexact(expected, got) else None
        return tolerance is not None and tolerance.accepts(expected, got)

    def _inexact(self, expected: Any, got: Any) -> bool:
        """Whether a tolerance applies: two numbers, one of them a float."""
        if not self._both(expected, got, (int, float)) or isinstance(got, bool):
            return False
        small = max(_bits(expected), _bits(got)) < 1024  # a larger int overflows a float
        return small and (isinstance(expected, float) or isinstance(got, float))

    def _sequences(self, path: str, expected: Sequence[Any], got: Sequence[Any]) -> Difference | None:
        for index, (left, right) in enumerate(zip(expected, got, strict=False)):
            if found := self.first(f"{path}[{index}]", left, right):
                return found
        if len(expected) == len(got):
            return None
        return Difference(path, f"{len(expected)} items", f"{len(got)}")

    def _dicts(self, path: str, expected: dict[Any, Any], got: dict[Any, Any]) -> Difference | None:
        given = self._keys(got)
        for key, value in expected.items():
            place = f"{path}[{excerpt_value(key)}]"
            if key not in given:
                return Difference(place, excerpt_value(value), "no such key")
            if found := self.first(place, value, given[key]):
                return found
        if len(expected) == len(got):
            return None
        extra = next(key for key in given if key not in expected)
        return Difference(f"{path}[{excerpt_value(extra)}]", "no such key", excerpt_value(given[extra]))

    def _keys(self, got: dict[Any, Any]) -> dict[Any, Any]:
        """Under JSON, integer keys by their decimal text, unless that would merge two keys."""
        if self.rule is ValueRule.PYTHON:
            return got
        renamed = {str(key) if type(key) is int and _bits(key) < 1024 else key: got[key] for key in got}
        return renamed if len(renamed) == len(got) else got


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _bits(number: float) -> int:
    return number.bit_length() if isinstance(number, int) else 0


def compare_values(
    expected: Any,
    got: Any,
    rule: ValueRule,
    tolerance: Tolerance | None = None,
    *,
    typed_numbers: bool = False,
    nan_equal: bool = False,
) -> Difference | None:
    """The first difference with its path, or None when the values are equal.

    `tolerance`, if given, applies wherever two numbers meet of which one is a float.
    `typed_numbers` keeps int and float apart; `nan_equal` makes NaN equal NaN.
    """
    return _Comparison(rule, tolerance, typed_numbers, nan_equal).first("", expected, got)
