r"""The rules of equality as far as they go without computer algebra: in the server, in microseconds.

The same rules as in a worker (`judge`), with an algebra that knows numbers and what
`identities` can compare. Where it meets anything else, a worker is asked.
"""

from __future__ import annotations

from server.verify.math import identities
from server.verify.math.exact import read_number
from server.verify.math.fast import MAX_CHARACTERS, ROUNDED_PLACES, equal_numbers
from server.verify.math.identities import Node, Undefined, Unread
from server.verify.math.intervals import Interval, read_interval
from server.verify.math.judge import Judgement, judge
from server.verify.math.latex import compact
from server.verify.math.policy import DEFAULT, Policy


class NeedsAlgebra(Exception):
    """Only computer algebra can tell."""


def judge_quickly(gold: str, answer: str, policy: Policy = DEFAULT) -> Judgement | None:
    """The judgement on one gold and one answer as they were written, or None if it takes a worker."""
    if max(len(gold), len(answer)) > MAX_CHARACTERS:
        return None
    try:
        return judge(gold, answer, QUICK, policy)
    except NeedsAlgebra:
        return None


class QuickAlgebra:
    """`judge.Algebra` without sympy; every method raises NeedsAlgebra where it cannot tell."""

    def equal(self, gold: str, answer: str) -> str | None:
        """The rule by which two expressions are equal, or None."""
        if compact(gold) == compact(answer):
            return "identical"
        one, other = read_number(gold), read_number(answer)
        if one is not None and other is not None:
            return equal_numbers(one, other)
        if any(number and number.places >= ROUNDED_PLACES for number in (one, other)):
            raise NeedsAlgebra  # it may be a rounded value
        left, right = _read(gold), _read(answer)
        equal = identities.compare(left, right)
        if equal is None:
            raise NeedsAlgebra
        if not equal:
            return None
        return "exact value" if left.is_constant and right.is_constant else "same expression"

    def related(self, gold: str, answer: str) -> str | None:
        """The rule by which two intervals or two equations are the same; None for intervals only."""
        if "=" in gold and "=" in answer and _proportional(gold, answer):
            return "same equation"
        one, other = read_interval(gold), read_interval(answer)
        if one is None or other is None or len({one.variable, other.variable} - {""}) > 1:
            raise NeedsAlgebra
        open_alike = (one.without_low, one.without_high) == (other.without_low, other.without_high)
        ends = ((one.low, other.low), (one.high, other.high))
        alike = [self._same_end(*pair) for pair in ends]
        self._check_order(one)
        self._check_order(other)
        return "same relation or set" if open_alike and all(alike) else None

    def _same_end(self, one: str, other: str) -> bool:
        if r"\infty" in one or r"\infty" in other:
            return one == other
        if not (self.is_constant(one) and self.is_constant(other)):
            raise NeedsAlgebra
        return self.equal(one, other) is not None

    def _check_order(self, interval: Interval) -> None:
        """An interval without numbers in it is a set that has other names."""
        low, high = read_number(interval.low), read_number(interval.high)
        if low is not None and high is not None and low.value >= high.value:
            raise NeedsAlgebra

    def check_gold(self, gold: str) -> None:
        """Nothing if `gold` can be read here."""
        if read_number(gold) is None:
            _read(gold)

    def is_constant(self, text: str) -> bool:
        """Whether `text` has no variable."""
        return read_number(text) is not None or _read(text).is_constant


def _proportional(gold: str, answer: str) -> bool:
    """Whether two equations are the same up to a constant factor; False where that is not known."""
    try:
        return identities.proportional(_difference(gold), _difference(answer))
    except (Unread, Undefined):
        return False


def _difference(equation: str) -> Node:
    left, *right = equation.split("=")
    if len(right) != 1:
        raise Unread
    return Node("+", (identities.read(left), Node("-", (identities.read(right[0]),))))


def _read(text: str) -> Node:
    try:
        return identities.read(text)
    except Unread:
        raise NeedsAlgebra from None


QUICK = QuickAlgebra()
