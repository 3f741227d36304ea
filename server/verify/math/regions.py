r"""Sets of numbers by their other names, as the intervals that they are.

\mathbb{R}, all real numbers       (-\infty, \infty)
\mathbb{R} \setminus \{2\}         (-\infty, 2) \cup (2, \infty)
x < 1 or x > 3                     (-\infty, 1) \cup (3, \infty)
x > 1 and x < 3                    (1, 3)
]1, 2]                             (1, 2]
no solution, \{\}                  the empty set
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from server.verify.math.intervals import Interval, interval_of
from server.verify.math.tree import Answer, Infinity, Listed, Number, Relation, Scalar, SetOf, Tuple, Union

_REALS = re.compile(r"\\mathbb\s*\{?\s*R\s*\}?|\\R(?![a-zA-Z])")
_EMPTY = re.compile(r"\\emptyset|\\\{\s*\\\}")
_ALL = re.compile(r"all(?: the)? real(?:s| numbers)")
_NONE = re.compile(r"(?:there (?:is|are) )?no (?:real )?solutions?|(?:the )?empty set")
_OR, _AND = re.compile(r"\bor\b"), re.compile(r"\band\b")

# A bracket that looks away from its interval leaves its end out.
_LEFT_OUT = re.compile(r"(^|\\cup\s*|\\in\s*)\](?=[^\[\]()]+,)")
_RIGHT_OUT = re.compile(r"(?<=[^\[\]()\\ ])\s*\[(?=$|\s*\\cup)")

_LOWEST, _HIGHEST = Infinity(r"-\infty", negative=True), Infinity(r"\infty", negative=False)
_LINE = Interval(_LOWEST, _HIGHEST, True, True)


def without_turned_brackets(text: str) -> str:
    """`]1, 2[` as `(1, 2)`; any other text as it is."""
    if not (_LEFT_OUT.search(text) or _RIGHT_OUT.search(text)):
        return text
    return _RIGHT_OUT.sub(")", _LEFT_OUT.sub(r"\1(", text))


def set_of(text: str) -> Answer | None:
    """The real line or the empty set, if the normalised text is one of them."""
    if _REALS.fullmatch(text):
        return _written(_LINE)
    return SetOf(r"\emptyset", ()) if _EMPTY.fullmatch(text) else None


def set_named(words: str) -> Answer | None:
    """The same for words in lower case."""
    if _ALL.fullmatch(words):
        return _written(_LINE)
    return SetOf(r"\emptyset", ()) if _NONE.fullmatch(words) else None


def interval_named(relation: Relation, variable: str) -> Tuple | None:
    """The interval in which an inequality holds a variable, if it is of that one."""
    found = interval_of(relation)
    return _written(found) if found and found.variable == variable else None


def without_points(whole: Answer, points: Sequence[Answer]) -> Answer | None:
    """An interval without some numbers inside it, as a union; None if they are no numbers inside it."""
    found = interval_of(whole)
    cuts = sorted((point for point in points if isinstance(point, Number)), key=lambda point: point.value)
    if found is None or len(cuts) < len(points) or not all(_is_inside(cut, found) for cut in cuts):
        return None
    lows: list[Scalar] = [found.low, *cuts]
    highs: list[Scalar] = [*cuts, found.high]
    pieces = [Interval(low, high, True, True) for low, high in zip(lows, highs, strict=True)]
    pieces[0] = replace(pieces[0], without_low=found.without_low)
    pieces[-1] = replace(pieces[-1], without_high=found.without_high)
    return _union(pieces)


def _is_inside(point: Number, interval: Interval) -> bool:
    low, high = interval.low, interval.high
    above = isinstance(low, Infinity) or (isinstance(low, Number) and low.value < point.value)
    return above and (isinstance(high, Infinity) or (isinstance(high, Number) and point.value < high.value))


def region_of(answer: Answer) -> tuple[Answer, str] | None:
    """The interval or union that a list of inequalities in one variable describes, and the variable.

    "or" joins them, "and" takes what they share; behind a comma they share what they can, and are
    joined if that is nothing. None for anything else, and where it is not known which end is above.
    """
    if not isinstance(answer, Listed) or not all(isinstance(part, Relation) for part in answer.elements):
        return None
    found = [part for part in map(interval_of, answer.elements) if part is not None]
    variables = {part.variable for part in found}
    if len(found) < len(answer.elements) or len(variables) != 1:
        return None
    region = _region(found, answer.text)
    return None if region is None else (region, variables.pop())


def _region(parts: Sequence[Interval], text: str) -> Answer | None:
    either, both = _OR.search(text) is not None, _AND.search(text) is not None
    if either:
        return None if both else _union(parts)
    shared = _shared(*parts) if len(parts) == 2 else None
    if shared is None:
        return None
    is_empty = _is_empty(shared)
    if both or is_empty is False:
        return None if is_empty else _written(shared)
    return _union(parts) if is_empty else None


def _shared(one: Interval, other: Interval) -> Interval | None:
    """What a half-line upwards shares with one downwards; None of any other two."""
    if isinstance(one.low, Infinity):
        one, other = other, one
    if isinstance(one.low, Infinity) or not isinstance(one.high, Infinity):
        return None
    if isinstance(other.high, Infinity) or not isinstance(other.low, Infinity):
        return None
    return Interval(one.low, other.high, one.without_low, other.without_high)


def _is_empty(interval: Interval) -> bool | None:
    """Whether it has no inner point; None where its ends are no plain numbers."""
    low, high = interval.low, interval.high
    return low.value >= high.value if isinstance(low, Number) and isinstance(high, Number) else None


def say_different_words(gold: Answer, answer: Answer) -> bool:
    """Whether of two lists of inequalities one says "and" and the other "or"."""
    lists = [side for side in (gold, answer) if isinstance(side, Listed)]
    if len(lists) < 2 or not all(_has_inequality(side) for side in lists):
        return False
    words = [(_OR.search(side.text) is not None, _AND.search(side.text) is not None) for side in lists]
    return set(words) == {(True, False), (False, True)}


def _has_inequality(answer: Listed) -> bool:
    return any(isinstance(part, Relation) and part.kind == "inequality" for part in answer.elements)


def _union(parts: Sequence[Interval]) -> Answer:
    elements = tuple(map(_written, parts))
    return Union(r" \cup ".join(part.text for part in elements), elements)


def _written(interval: Interval) -> Tuple:
    brackets = ("(" if interval.without_low else "[") + (")" if interval.without_high else "]")
    text = f"{brackets[0]}{interval.low.text}, {interval.high.text}{brackets[1]}"
    return Tuple(text, (interval.low, interval.high), brackets)
