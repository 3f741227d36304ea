r"""Choices on which reasonable graders differ, each with a name, its settings and a default.

A task sets them in `MathTask.policy`, as `{"unevaluated": "accepted"}`. What a
setting refuses is refused before any comparison; what it accepts beyond the
default is read or compared in addition.

    unevaluated    refused*   `\gcd(4, 6)`, `\sum`, `\max`, `\bmod` do not answer a gold without them
                   accepted   they do, with their value
    order          any*       bare lists and sets have no order
                   kept       a list is in the gold's order
    fractions      any*       `2/4` is `1/2`
                   reduced    a fraction in the answer is in lowest terms
                   kept       and an integer is not answered by a fraction, nor a fraction by an integer
    logarithm      decimal*   `\log` without a base has the base 10
                   natural    it has the base e
    tolerance      0*         a decimal is exact
                   1e-4 ...   two numbers are equal up to this relative difference, at most 0.1
    places         0*         a decimal is exact
                   1 ... 15   two numbers are equal if half a unit of this decimal place parts them, or less
    decimal_comma  refused*   `2,74` is a list
                   accepted   it is 2.74, if no list of thousands
    units          optional*  a unit that one side only has is no difference
                   required   the answer has the gold's unit, and none if it has none
    percent        either*    `35%` is 35 and 0.35
                   kept       the sign is on both sides or on none
    brackets       any*       a tuple may be a bare list or a column matrix, a matrix a list of rows
                   kept       the answer has the gold's form
    names          optional*  `x = 5` and `f(x) = 2x` are `5` and `2x`
                   refused    an answer has a name only if its gold does
    relations      any*       `0 < x` is the interval from 0 to infinity
                   kept       an interval is answered by an interval, an inequality by one
                   intervals_kept   only an interval is answered by its like
    imaginary      i*         `j` is a variable
                   i_or_j     `j` is the imaginary unit, too
    case           any*       text is compared without case
                   kept       with it
    chains         whole*     every constant of `a = b = c` equals the gold
                   last       only the last side of an equation answers or is the gold
    variables      kept*      `f(y)` does not answer `f(x)`
                   renamed    it does: letters stand for each other in the order in which they come
    approximation  accepted*  an answer may begin with an approximately-equal sign
                   refused    it may not
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction

from server.verify.math.tree import (
    Answer,
    Infinity,
    Listed,
    Matrix,
    Number,
    Quantity,
    Relation,
    SetOf,
    Tuple,
    around,
)

MAX_TOLERANCE = 0.1
MAX_PLACES = 15
_NUMBERS = ("tolerance", "places")

SETTINGS: dict[str, tuple[str, ...]] = {  # the first is the default
    "unevaluated": ("refused", "accepted"),
    "order": ("any", "kept"),
    "fractions": ("any", "reduced", "kept"),
    "logarithm": ("decimal", "natural"),
    "decimal_comma": ("refused", "accepted"),
    "units": ("optional", "required"),
    "percent": ("either", "kept"),
    "brackets": ("any", "kept"),
    "names": ("optional", "refused"),
    "relations": ("any", "kept", "intervals_kept"),
    "imaginary": ("i", "i_or_j"),
    "case": ("any", "kept"),
    "chains": ("whole", "last"),
    "variables": ("kept", "renamed"),
    "approximation": ("accepted", "refused"),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings of one task; see the module for what each means."""

    unevaluated: str = "refused"
    order: str = "any"
    fractions: str = "any"
    logarithm: str = "decimal"
    tolerance: float = 0.0
    places: int = 0
    decimal_comma: str = "refused"
    units: str = "optional"
    percent: str = "either"
    brackets: str = "any"
    names: str = "optional"
    relations: str = "any"
    imaginary: str = "i"
    case: str = "any"
    chains: str = "whole"
    variables: str = "kept"
    approximation: str = "accepted"


DEFAULT = Policy()
NAMES = tuple(field.name for field in fields(Policy))


def read_policy(settings: Mapping[str, str]) -> Policy:
    """The policy of a task. Raises ValueError that names an unknown choice or setting."""
    for name, setting in settings.items():
        known = SETTINGS.get(name)
        if known is None and name not in _NUMBERS:
            raise ValueError(f"unknown choice {name!r}; known: {', '.join(NAMES)}")
        if known is not None and setting not in known:
            raise ValueError(f"{name} is {setting!r}; known: {', '.join(known)}")
    tolerance = _read_tolerance(settings.get("tolerance", "0"))
    places = _read_places(settings.get("places", "0"))
    named = {name: setting for name, setting in settings.items() if name not in _NUMBERS}
    return Policy(tolerance=tolerance, places=places, **named)


def _read_tolerance(text: str) -> float:
    try:
        tolerance = float(text)
    except ValueError:
        raise ValueError(f"tolerance is {text!r}, no number") from None
    if not 0 <= tolerance <= MAX_TOLERANCE:
        raise ValueError(f"tolerance is {text!r}, not in 0 to {MAX_TOLERANCE}")
    return tolerance


def _read_places(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:3]) > MAX_PLACES:
        raise ValueError(f"places is {text!r}, not an integer from 0 to {MAX_PLACES}")
    return int(text)


# --- what is refused -----------------------------------------------------------------------------

_RELATION = re.compile(r"<|>|\\(?:le|ge|lt|gt)(?![a-zA-Z])")
_FRACTION = re.compile(r"\\frac\s*\{?\s*(-?\d+)\s*\}?\s*\{?\s*(-?\d+)\s*\}?|(?<![\d.])(\d+)\s*/\s*(\d+)")
_COMMA = re.compile(r",")
_LETTERS, _STYLE = re.compile(r"[a-zA-Z]+"), re.compile(r"\\text(?![a-zA-Z])")


def refusal(gold: Answer, answer: Answer, policy: Policy) -> str | None:
    """The choice by which an answer is refused whatever its value, or None."""
    return next((name for name, refused in _REFUSALS.items() if refused(gold, answer, policy)), None)


def _fractions(gold: Answer, answer: Answer, policy: Policy) -> bool:
    if policy.fractions == "kept":
        return {around(gold).value.kind, around(answer).value.kind} == {"fraction", "integer"}
    found = [] if policy.fractions != "reduced" else _FRACTION.findall(answer.text)
    pairs = [(int(a or c), int(b or d)) for a, b, c, d in found]
    return any(math.gcd(above, below) != 1 or abs(below) == 1 for above, below in pairs)


def _units(gold: Answer, answer: Answer, policy: Policy) -> bool:
    return policy.units == "required" and around(gold).unit != around(answer).unit


def _percent(gold: Answer, answer: Answer, policy: Policy) -> bool:
    return policy.percent == "kept" and around(gold).percent != around(answer).percent


def _brackets(gold: Answer, answer: Answer, policy: Policy) -> bool:
    same = _form(around(gold).value) == _form(around(answer).value)
    return policy.brackets == "kept" and (
        not same or (r"\langle" in answer.text) != (r"\langle" in gold.text)
    )


def _form(answer: Answer) -> tuple[str, object]:
    """What must be alike for two answers to be of one form; single values are of one."""
    match answer:
        case Tuple():
            return "tuple", answer.brackets
        case Matrix():
            return "matrix", answer.columns
        case Number() | Infinity() | Relation():
            return "value", None
    return (answer.kind, None) if hasattr(answer, "elements") else ("value", None)


def _names(gold: Answer, answer: Answer, policy: Policy) -> bool:
    return policy.names == "refused" and _has_names(answer) > _has_names(gold)


def _has_names(answer: Answer) -> bool:
    parts = answer.elements if isinstance(answer, Listed) else (answer,)
    return any(isinstance(part, Quantity) and bool(part.name) for part in parts)


def _relations(gold: Answer, answer: Answer, policy: Policy) -> bool:
    gold_related, answer_related = (_RELATION.search(side.text) is not None for side in (gold, answer))
    if policy.relations == "intervals_kept":
        return answer_related and not gold_related
    return policy.relations == "kept" and gold_related != answer_related


def _case(gold: Answer, answer: Answer, policy: Policy) -> bool:
    one, other = (_LETTERS.findall(_STYLE.sub(" ", side.text)) for side in (gold, answer))
    return policy.case == "kept" and one != other and list(map(str.lower, one)) == list(map(str.lower, other))


def _approximation(gold: Answer, answer: Answer, policy: Policy) -> bool:
    return policy.approximation == "refused" and around(answer).approximate > around(gold).approximate


_REFUSALS = {
    "fractions": _fractions,
    "units": _units,
    "percent": _percent,
    "brackets": _brackets,
    "names": _names,
    "relations": _relations,
    "case": _case,
    "approximation": _approximation,
}


def within_tolerance(gold: Answer, answer: Answer, policy: Policy) -> bool:
    """Whether both are numbers whose difference is within a tolerance asked for.

    Also those of a tuple, an interval, a matrix, or of a list or set by size.
    """
    if policy.tolerance <= 0 and not policy.places:
        return False
    one, other = around(gold).value, around(answer).value
    left, right = _values(one), _values(other)
    if _form(one) != _form(other) or len(left) != len(right) or not left:
        return False
    return all(_near(a, b, policy) for a, b in zip(left, right, strict=True))


def _values(answer: Answer) -> list[Fraction]:
    """The numbers of an answer that has only these; of a list or set by size."""
    parts = answer.elements if isinstance(answer, Listed | SetOf | Tuple | Matrix) else (answer,)
    numbers = [around(part).value for part in parts]
    values = [number.value for number in numbers if isinstance(number, Number)]
    if len(values) < len(numbers):
        return []
    return sorted(values) if isinstance(answer, Listed | SetOf) else values


def _near(one: Fraction, other: Fraction, policy: Policy) -> bool:
    """Relative to the larger of the two, so that it does not matter which side is which."""
    difference = abs(one - other)
    if policy.places and difference <= Fraction(1, 2 * 10**policy.places):
        return True
    return bool(difference <= policy.tolerance * max(abs(one), abs(other)))
