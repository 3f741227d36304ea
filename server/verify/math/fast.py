r"""The exact fast path: decides in microseconds what is plainly a number, a tuple or the same text.

`decide` says `correct` only for the same text or the same exact values, and
`incorrect` only if both sides were fully read as exact values that differ under
every reading. Anything else is None and goes on to a worker. No sympy here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from server.verify.math.exact import Number, read_number
from server.verify.math.latex import compact, normalise
from server.verify.math.shapes import Form, Shape, shape_of
from server.verify.math.units import Annotated, annotated

MAX_CHARACTERS = 2000
ROUNDED_PLACES = 6  # a decimal this long may stand for a value that has no end

_INTEGER = re.compile(r"-?[0-9]{1,100}")


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, by which rule, and how both sides were read."""

    correct: bool
    rule: str
    gold_parsed: str
    answer_parsed: str


@dataclass(frozen=True, slots=True)
class _Reading:
    """An answer that was fully read: its annotations, form, and exact values."""

    around: Annotated
    shape: Shape
    numbers: tuple[Number, ...]

    @property
    def values(self) -> tuple[Fraction, ...]:
        return tuple(number.value for number in self.numbers)

    @property
    def text(self) -> str:
        shown = ", ".join(str(value) for value in self.values)
        match self.shape.form:
            case Form.TUPLE:
                shown = f"{self.shape.brackets[0]}{shown}{self.shape.brackets[1]}"
            case Form.SET:
                shown = f"{{{shown}}}"
        return shown + "%" * self.around.percent + (f" {self.around.unit}" if self.around.unit else "")


def decide(gold: str, answer: str) -> Decision | None:
    """The decision for one gold and one answer as they were written, or None if it takes more to tell."""
    if max(len(gold), len(answer)) > MAX_CHARACTERS:
        return None
    if _INTEGER.fullmatch(gold) and _INTEGER.fullmatch(answer):  # most golds; worth not normalising
        return Decision(int(gold) == int(answer), "integer", gold, answer)
    gold_text, answer_text = normalise(gold), normalise(answer)
    if gold_text and compact(gold_text) == compact(answer_text):
        return Decision(True, "identical", gold_text, answer_text)
    gold_read, answer_read = _read(gold_text), _read(answer_text)
    if gold_read is None or answer_read is None or _annotations_clash(gold_read.around, answer_read.around):
        return None
    return _compare(gold_read, answer_read)


def _read(text: str) -> _Reading | None:
    around = annotated(text)
    shape = shape_of(around.value)
    if shape.form not in {Form.SCALAR, Form.LIST, Form.TUPLE, Form.SET}:
        return None
    numbers = tuple(number for part in shape.parts if (number := read_number(part)) is not None)
    return _Reading(around, shape, numbers) if len(numbers) == len(shape.parts) and numbers else None


def _annotations_clash(gold: Annotated, answer: Annotated) -> bool:
    """Two units or two names that differ: equal values would not settle it."""
    return _differ(gold.unit, answer.unit) or _differ(gold.name, answer.name)


def _differ(one: str, other: str) -> bool:
    return bool(one and other and one != other)


def _compare(gold: _Reading, answer: _Reading) -> Decision | None:
    if gold.shape.form is Form.SCALAR and answer.shape.form is Form.SCALAR:
        verdict = _compare_numbers(gold, answer)
        rule = _number_rule(gold, answer)
    else:
        verdict = _compare_several(gold, answer)
        rule = "exact values" if gold.shape.form is answer.shape.form else "different forms"
    return None if verdict is None else Decision(verdict, rule, gold.text, answer.text)


def _compare_numbers(gold: _Reading, answer: _Reading) -> bool | None:
    one, other = gold.numbers[0], answer.numbers[0]
    if one.value == other.value:
        return True
    if gold.around.percent != answer.around.percent:
        percent, plain = (one, other) if gold.around.percent else (other, one)
        if percent.value == 100 * plain.value:
            return True
    ambiguous = _ambiguous_comma(gold) and _ambiguous_comma(answer)
    return None if ambiguous or _may_be_rounded(one, other) else False


def _number_rule(gold: _Reading, answer: _Reading) -> str:
    if gold.around.percent != answer.around.percent:
        return "percent"
    return gold.numbers[0].kind


def _ambiguous_comma(reading: _Reading) -> bool:
    return "," in reading.shape.parts[0]


def _may_be_rounded(one: Number, other: Number) -> bool:
    """Whether one is a long decimal so close to the other, which has no end, that it may be its rounding."""
    places = max(one.places, other.places)
    if places < ROUNDED_PLACES or (one.terminates and other.terminates):
        return False
    return abs(one.value - other.value) <= Fraction(1, 10**places)


def equal_numbers(one: Number, other: Number) -> str | None:
    """The rule by which two numbers are equal, or None; a long decimal may be a rounding."""
    if one.value == other.value:
        return "exact value"
    return "rounded decimal" if _rounds(one, other) or _rounds(other, one) else None


def _rounds(decimal: Number, endless: Number) -> bool:
    """Whether a long decimal is the other value, which has no end, rounded or cut off at its last place."""
    if decimal.places < ROUNDED_PLACES or endless.terminates:
        return False
    return abs(decimal.value - endless.value) < Fraction(1, 10**decimal.places)


def _compare_several(gold: _Reading, answer: _Reading) -> bool | None:
    if gold.around.percent or answer.around.percent:
        return None
    if any(map(_may_be_rounded, gold.numbers, answer.numbers)):
        return None
    if gold.shape.form is not answer.shape.form:
        return _compare_forms(gold, answer)
    if gold.shape.ordered:
        same_brackets = gold.shape.brackets == answer.shape.brackets
        return gold.values == answer.values if same_brackets else None
    if sorted(gold.values) == sorted(answer.values):
        return True
    return None if set(gold.values) == set(answer.values) else False


def _compare_forms(gold: _Reading, answer: _Reading) -> bool | None:
    """Of two forms only one value against several different ones is plainly unequal."""
    if Form.SCALAR not in {gold.shape.form, answer.shape.form}:
        return None
    several = answer if gold.shape.form is Form.SCALAR else gold
    scalar = gold if several is answer else answer
    return False if len(set(several.values)) > 1 and not _ambiguous_comma(scalar) else None
