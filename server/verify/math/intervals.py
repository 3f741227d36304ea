r"""Intervals by their ends: `(3, 4]` and `3 < x \le 4` are the same set of numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from server.verify.math.tree import Answer, Expression, Infinity, Number, Relation, Scalar, Tuple

_STRICT = frozenset({"<", ">", r"\lt", r"\gt"})
_UPWARDS = frozenset({"<", "<=", r"\lt", r"\le"})
_DOWNWARDS = frozenset({">", ">=", r"\gt", r"\ge"})
_VARIABLE = re.compile(r"(?![ei])[a-zA-Z]|\\(?:theta|alpha|beta|lambda)")
_BELOW_ALL, _ABOVE_ALL = Infinity(r"-\infty", negative=True), Infinity(r"\infty", negative=False)


@dataclass(frozen=True, slots=True)
class Interval:
    """Its ends, infinite where it has none, and whether each is left out."""

    low: Scalar
    high: Scalar
    without_low: bool
    without_high: bool
    variable: str = ""  # empty where it was written with brackets


def interval_of(answer: Answer) -> Interval | None:
    """The interval that an answer is, or None."""
    found = None
    if isinstance(answer, Tuple) and len(answer.elements) == 2 and (ends := _scalars(answer.elements)):
        found = Interval(ends[0], ends[1], answer.brackets[0] == "(", answer.brackets[1] == ")")
    elif isinstance(answer, Relation) and (sides := _scalars(answer.sides)):
        found = _of_inequality(sides, answer.signs)
    return found if found and _is_sound(found) else None


def _scalars(sides: Sequence[Answer]) -> list[Scalar]:
    """The sides if all of them are single values, else none."""
    found = [side for side in sides if isinstance(side, Number | Infinity | Expression)]
    return found if len(found) == len(sides) else []


def _is_sound(found: Interval) -> bool:
    """Whether it has no end at infinity, and does not run from plus to minus infinity."""
    low, high = found.low, found.high
    if isinstance(low, Infinity) and not (low.negative and found.without_low):
        return False
    return not isinstance(high, Infinity) or (not high.negative and found.without_high)


def _of_inequality(sides: Sequence[Scalar], signs: Sequence[str]) -> Interval | None:
    if len(signs) != len(sides) - 1 or not any(set(signs) <= way for way in (_UPWARDS, _DOWNWARDS)):
        return None
    if signs[0] in _DOWNWARDS:
        sides, signs = sides[::-1], signs[::-1]
    strict = [sign in _STRICT for sign in signs]
    match [_VARIABLE.fullmatch(side.text) is not None for side in sides]:
        case [False, True, False]:
            return Interval(sides[0], sides[2], strict[0], strict[1], sides[1].text)
        case [True, False]:
            return Interval(_BELOW_ALL, sides[1], True, strict[0], sides[0].text)
        case [False, True]:
            return Interval(sides[0], _ABOVE_ALL, strict[0], True, sides[1].text)
    return None
