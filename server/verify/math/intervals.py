r"""Intervals by their ends: `(3, 4]` and `3 < x \le 4` are the same set of numbers.

Only the outer form is read here; the ends are texts, to be compared by an algebra.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from server.verify.math.latex import top_level
from server.verify.math.shapes import Form, shape_of

_ORDER = re.compile(r"\\(?:le|ge|lt|gt)(?![a-zA-Z])|[<>]=?")
_STRICT = frozenset({"<", ">", r"\lt", r"\gt"})
_UPWARDS = frozenset({"<", "<=", r"\lt", r"\le"})
_VARIABLE = re.compile(r"(?![ei])[a-zA-Z]|\\(?:theta|alpha|beta|lambda)")
_INFINITY = re.compile(r"(?P<sign>[-+]?)\s*\\infty")


@dataclass(frozen=True, slots=True)
class Interval:
    """Its ends as texts, `-\\infty` and `\\infty` where it has none, and whether each is left out."""

    low: str
    high: str
    without_low: bool
    without_high: bool
    variable: str = ""  # empty where it was written with brackets


def read_interval(text: str) -> Interval | None:
    """The interval that all of the normalised `text` is, or None."""
    shape = shape_of(text)
    if shape.form is Form.TUPLE and len(shape.parts) == 2 and shape.brackets:
        low, high = map(_end, shape.parts)
        found = Interval(low, high, shape.brackets[0] == "(", shape.brackets[1] == ")")
    elif read := _read_inequality(text):
        found = read
    else:
        return None
    return found if _is_sound(found) else None


def _is_sound(found: Interval) -> bool:
    """Whether it has no end at infinity, and does not run from plus to minus infinity."""
    if found.low == r"\infty" or found.high == r"-\infty":
        return False
    return (found.without_low or found.low != r"-\infty") and (found.without_high or found.high != r"\infty")


def _read_inequality(text: str) -> Interval | None:
    parts, signs = top_level(text, _ORDER), _ORDER.findall(text)
    if len(signs) != len(parts) - 1 or not signs or len({sign in _UPWARDS for sign in signs}) != 1:
        return None
    if signs[0] not in _UPWARDS:
        parts, signs = parts[::-1], signs[::-1]
    strict = [sign in _STRICT for sign in signs]
    match [_VARIABLE.fullmatch(part) is not None for part in parts]:
        case [False, True, False]:
            return Interval(_end(parts[0]), _end(parts[2]), strict[0], strict[1], parts[1])
        case [True, False]:
            return Interval(r"-\infty", _end(parts[1]), True, strict[0], parts[0])
        case [False, True]:
            return Interval(_end(parts[0]), r"\infty", strict[0], True, parts[1])
    return None


def _end(text: str) -> str:
    found = _INFINITY.fullmatch(text)
    return (found["sign"].removeprefix("+") + r"\infty") if found else text
