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
    tolerance      0*         a decimal is exact
                   1e-4 ...   two numbers are equal up to this relative difference, at most 0.1
    decimal_comma  refused*   `2,74` is a list
                   accepted   it is 2.74, if no list of thousands
    units          optional*  a unit that one side only has is no difference
                   required   the answer has the gold's unit, and none if it has none
    percent        either*    `35%` is 35 and 0.35
                   kept       the sign is on both sides or on none
    brackets       any*       a tuple may be a bare list or a column matrix
                   kept       the answer has the gold's form
    names          optional*  `x = 5` and `f(x) = 2x` are `5` and `2x`
                   refused    an answer has a name only if its gold does
    relations      any*       `0 < x` is the interval from 0 to infinity
                   kept       an interval is answered by an interval, an inequality by one
    imaginary      i*         `j` is a variable
                   i_or_j     `j` is the imaginary unit, too
    case           any*       text is compared without case
                   kept       with it
    approximation  accepted*  an answer may begin with an approximately-equal sign
                   refused    it may not
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from server.verify.math.exact import Number, read_number
from server.verify.math.latex import normalise, top_level
from server.verify.math.shapes import Form, shape_of
from server.verify.math.units import annotated

MAX_TOLERANCE = 0.1

SETTINGS: dict[str, tuple[str, ...]] = {  # the first is the default
    "unevaluated": ("refused", "accepted"),
    "order": ("any", "kept"),
    "fractions": ("any", "reduced"),
    "decimal_comma": ("refused", "accepted"),
    "units": ("optional", "required"),
    "percent": ("either", "kept"),
    "brackets": ("any", "kept"),
    "names": ("optional", "refused"),
    "relations": ("any", "kept"),
    "imaginary": ("i", "i_or_j"),
    "case": ("any", "kept"),
    "approximation": ("accepted", "refused"),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings of one task; see the module for what each means."""

    unevaluated: str = "refused"
    order: str = "any"
    fractions: str = "any"
    tolerance: float = 0.0
    decimal_comma: str = "refused"
    units: str = "optional"
    percent: str = "either"
    brackets: str = "any"
    names: str = "optional"
    relations: str = "any"
    imaginary: str = "i"
    case: str = "any"
    approximation: str = "accepted"


DEFAULT = Policy()
NAMES = tuple(field.name for field in fields(Policy))


def read_policy(settings: Mapping[str, str]) -> Policy:
    """The policy of a task. Raises ValueError that names an unknown choice or setting."""
    for name, setting in settings.items():
        known = SETTINGS.get(name)
        if known is None and name != "tolerance":
            raise ValueError(f"unknown choice {name!r}; known: {', '.join(NAMES)}")
        if known is not None and setting not in known:
            raise ValueError(f"{name} is {setting!r}; known: {', '.join(known)}")
    tolerance = _read_tolerance(settings.get("tolerance", "0"))
    named = {name: setting for name, setting in settings.items() if name != "tolerance"}
    return Policy(tolerance=tolerance, **named)


def _read_tolerance(text: str) -> float:
    try:
        tolerance = float(text)
    except ValueError:
        raise ValueError(f"tolerance is {text!r}, no number") from None
    if not 0 <= tolerance <= MAX_TOLERANCE:
        raise ValueError(f"tolerance is {text!r}, not in 0 to {MAX_TOLERANCE}")
    return tolerance


# --- what is read differently --------------------------------------------------------------------

_DECIMAL_COMMA = re.compile(r"(?P<sign>[-+]?)(?P<whole>\d+),(?P<places>\d+)")
_DECIMAL_POINT = re.compile(r"[-+]?\d*\.\d+")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")
_J = re.compile(r"(?<![a-zA-Z\\])j(?![a-zA-Z])")


def rewritten(text: str, other: str, policy: Policy) -> str:
    """`text` as the policy has it read beside the other side: a decimal comma as a point, `j` as `i`."""
    if policy.decimal_comma == "accepted" and _DECIMAL_POINT.fullmatch(normalise(other)):
        plain = normalise(text)
        found = None if _THOUSANDS.fullmatch(plain) else _DECIMAL_COMMA.fullmatch(plain)
        text = f"{found['sign']}{found['whole']}.{found['places']}" if found else text
    return _J.sub("i", text) if policy.imaginary == "i_or_j" else text


# --- what is refused -----------------------------------------------------------------------------

_RELATION = re.compile(r"<|>|\\(?:le|ge|lt|gt)(?![a-zA-Z])")
_FRACTION = re.compile(r"\\frac\s*\{?\s*(-?\d+)\s*\}?\s*\{?\s*(-?\d+)\s*\}?|(?<![\d.])(\d+)\s*/\s*(\d+)")
_COMMA = re.compile(r",")


def refusal(gold: str, answer: str, policy: Policy) -> str | None:
    """The choice by which a normalised answer is refused whatever its value, or None."""
    return next((name for name, refused in _REFUSALS.items() if refused(gold, answer, policy)), None)


def _order(gold: str, answer: str, policy: Policy) -> bool:
    if policy.order != "kept" or shape_of(gold).form not in {Form.LIST, Form.SET}:
        return False
    one, other = shape_of(gold).parts, shape_of(answer).parts
    values = [list(map(_value, parts)) for parts in (one, other)]
    return values[0] != values[1] and sorted(map(str, values[0])) == sorted(map(str, values[1]))


def _value(part: str) -> object:
    number = read_number(part)
    return part if number is None else number.value


def _fractions(gold: str, answer: str, policy: Policy) -> bool:
    found = [] if policy.fractions != "reduced" else _FRACTION.findall(answer)
    pairs = [(int(a or c), int(b or d)) for a, b, c, d in found]
    return any(math.gcd(above, below) != 1 or abs(below) == 1 for above, below in pairs)


def _units(gold: str, answer: str, policy: Policy) -> bool:
    one, other = annotated(gold, any_unit=True), annotated(answer, any_unit=True)
    return policy.units == "required" and one.unit != other.unit


def _percent(gold: str, answer: str, policy: Policy) -> bool:
    return policy.percent == "kept" and annotated(gold).percent != annotated(answer).percent


def _brackets(gold: str, answer: str, policy: Policy) -> bool:
    one, other = shape_of(annotated(gold).value), shape_of(annotated(answer).value)
    same = one.form is other.form and one.brackets == other.brackets
    return policy.brackets == "kept" and (not same or (r"\langle" in answer) != (r"\langle" in gold))


def _names(gold: str, answer: str, policy: Policy) -> bool:
    return policy.names == "refused" and any(
        bool(annotated(part).name) for part in top_level(answer, _COMMA)
    ) > any(bool(annotated(part).name) for part in top_level(gold, _COMMA))


def _relations(gold: str, answer: str, policy: Policy) -> bool:
    related = [bool(_RELATION.search(text)) or r"\in " in text for text in (gold, answer)]
    return policy.relations == "kept" and related[0] != related[1]


def _case(gold: str, answer: str, policy: Policy) -> bool:
    return policy.case == "kept" and gold != answer and gold.lower() == answer.lower()


def _approximation(gold: str, answer: str, policy: Policy) -> bool:
    return policy.approximation == "refused" and r"\approx" in answer and r"\approx" not in gold


_REFUSALS = {
    "order": _order,
    "fractions": _fractions,
    "units": _units,
    "percent": _percent,
    "brackets": _brackets,
    "names": _names,
    "relations": _relations,
    "case": _case,
    "approximation": _approximation,
}


def within_tolerance(gold: str, answer: str, policy: Policy) -> bool:
    """Whether both normalised texts are numbers whose relative difference is within a tolerance asked for."""
    one, other = read_number(annotated(gold).value), read_number(annotated(answer).value)
    return (
        policy.tolerance > 0 and one is not None and other is not None and _near(one, other, policy.tolerance)
    )


def _near(one: Number, other: Number, tolerance: float) -> bool:
    """Relative to the larger of the two, so that it does not matter which side is which."""
    return bool(abs(one.value - other.value) <= tolerance * max(abs(one.value), abs(other.value)))
