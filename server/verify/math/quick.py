r"""The rules of equality as far as they go without computer algebra: in the server, in microseconds.

The same rules as in a worker (`judge`), with an algebra that knows numbers and what
`identities` can compare. Where it meets anything else, a worker is asked.
"""

from __future__ import annotations

import re
from fractions import Fraction

from server.verify.math import identities
from server.verify.math.exact import ROUNDED_PLACES, equal_numbers
from server.verify.math.identities import Node, Undefined
from server.verify.math.intervals import Interval, interval_of
from server.verify.math.judge import Judgement, UnreadableAnswer, judge
from server.verify.math.latex import compact
from server.verify.math.policy import DEFAULT, Policy
from server.verify.math.tree import Answer, Expression, Infinity, Number, Relation, Scalar

MAX_CHARACTERS = 2000
NOT_READ = re.compile(  # by no computer algebra either
    r"\\[lc]?dots|\.\.|:|\\(?:forall|exists|text|underline|overline|boxed|cases)"
    r"|[\"?_\\]\s*$|(?<![a-zA-Z'])'+\s*$|(?<![_^.\d])\d+ \d"
)
_SIGNS = {
    "=": "", "<": "<", r"\lt": "<", ">": ">", r"\gt": ">",
    "<=": "<=", r"\le": "<=", ">=": ">=", r"\ge": ">=",
}  # fmt: skip
_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


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

    def equal(self, gold: Scalar, answer: Scalar) -> str | None:
        """The rule by which two values are equal, or None."""
        if compact(gold.text) == compact(answer.text):
            return "identical"
        match gold, answer:
            case Number(), Number():
                return equal_numbers(gold, answer)
            case Infinity(), Infinity():
                return "identical" if gold.negative == answer.negative else None
            case (Number(), Infinity()) | (Infinity(), Number()):
                return None
            case (_, Expression(text=text)) if NOT_READ.search(text):
                raise UnreadableAnswer("the answer is no expression that can be read")
        if any(isinstance(side, Number) and side.places >= ROUNDED_PLACES for side in (gold, answer)):
            raise NeedsAlgebra  # it may be a rounded value
        return _equal_nodes(_node_of(gold), _node_of(answer))

    def related(self, gold: Answer, answer: Answer) -> str | None:
        """The rule by which two intervals or two equations are the same; None for intervals only."""
        if same := _proportional(gold, answer):
            return same
        one, other = interval_of(gold), interval_of(answer)
        if one is None or other is None or len({one.variable, other.variable} - {""}) > 1:
            raise NeedsAlgebra
        open_alike = (one.without_low, one.without_high) == (other.without_low, other.without_high)
        ends = ((one.low, other.low), (one.high, other.high))
        alike = [self._same_end(*pair) for pair in ends]
        _check_order(one)
        _check_order(other)
        return "same relation or set" if open_alike and all(alike) else None

    def _same_end(self, one: Scalar, other: Scalar) -> bool:
        if not (self.is_constant(one) and self.is_constant(other)):
            raise NeedsAlgebra
        if isinstance(one, Infinity) != isinstance(other, Infinity):
            return False
        return self.equal(one, other) is not None

    def check_gold(self, gold: Answer) -> None:
        """Nothing if `gold` can be read here."""
        for part in gold.sides if isinstance(gold, Relation) else (gold,):
            if not isinstance(part, Infinity):
                _node_of(part)

    def is_constant(self, answer: Answer) -> bool:
        """Whether `answer` has no variable."""
        return isinstance(answer, Infinity) or _node_of(answer).is_constant

    def approximately(self, constant: Answer) -> Fraction | None:
        """The value of `constant` to 20 digits and more."""
        value = identities.approximately(_node_of(constant))
        if value is None:
            raise NeedsAlgebra
        return value


def _equal_nodes(left: Node, right: Node) -> str | None:
    equal = identities.compare(left, right)
    if equal is None:
        raise NeedsAlgebra
    if not equal:
        return None
    return "exact value" if left.is_constant and right.is_constant else "same expression"


def _check_order(interval: Interval) -> None:
    """An interval without numbers in it is a set that has other names."""
    low, high = interval.low, interval.high
    if isinstance(low, Number) and isinstance(high, Number) and low.value >= high.value:
        raise NeedsAlgebra


def _proportional(gold: Answer, answer: Answer) -> str | None:
    """The rule by which two relations are one up to a factor; None where that is not known."""
    one, other = _difference(gold), _difference(answer)
    if one is None or other is None:
        return None
    try:
        if not identities.proportional(one[0], other[0]):
            return None
        turned = identities.sign_of_ratio(one[0], other[0]) < 0 if one[1] or other[1] else False
    except Undefined:
        return None
    if one[1] != (_TURNED.get(other[1], "") if turned else other[1]):
        return None
    return "same relation or set" if one[1] else "same equation"


def _difference(answer: Answer) -> tuple[Node, str] | None:
    """One side of a relation minus the other, and the sign that parts it from zero, empty for `=`."""
    match answer:
        case Relation(sides=[left, right], signs=[sign]) if sign in _SIGNS:
            try:
                return Node("+", (_node_of(left), Node("-", (_node_of(right),)))), _SIGNS[sign]
            except NeedsAlgebra:
                return None
    return None


def _node_of(answer: Answer) -> Node:
    match answer:
        case Number():
            return Node("number", value=answer.value)
        case Expression(node=Node() as node):
            return node
    raise NeedsAlgebra


QUICK = QuickAlgebra()
