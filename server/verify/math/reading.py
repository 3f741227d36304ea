r"""Reading an answer into a `tree`: from the outside in, by brackets and separators alone.

`read` takes the text as it was written, `read_part` a normalised piece of it. Forms
are told apart before anything is compared, so that `(0, 1)` and `(0, 1.5)` are matched
element by element instead of as one symbolic object. What has no reading of its
own is an `Expression`, whose text only computer algebra may understand.
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from server.verify.math import regions
from server.verify.math.exact import read_number
from server.verify.math.guards import complexity_fault
from server.verify.math.latex import is_balanced_group, normalise, top_level
from server.verify.math.policy import DEFAULT, Policy
from server.verify.math.tree import (
    Answer,
    Choice,
    Expression,
    Infinity,
    Listed,
    Matrix,
    Number,
    PlusMinus,
    Quantity,
    Ratio,
    Relation,
    Scalar,
    SetOf,
    Text,
    TooComplex,
    Tuple,
    Union,
    around,
)
from server.verify.math.units import Annotated, annotated, split_name

MAX_RAW_CHARACTERS = 10_000  # as written, before any rewriting
MAX_PARENTHESES = 4  # redundant pairs that are taken off
CACHED = 256  # readings kept: a group's rollouts share their gold

_RELATION = re.compile(r"(?<![<>!:])=|<=?|>=?|\\(?:le|ge|ne|lt|gt|approx)(?![a-zA-Z])")
_IDENTICAL = re.compile(r"\\equiv(?![a-zA-Z])\s*")
_LOGARITHM = re.compile(r"(?:\\|(?<![a-zA-Z]))log(?![a-zA-Z]|\s*_)")
_J = re.compile(r"(?<![a-zA-Z\\])j(?![a-zA-Z])")

_IN_WORDS = re.compile(r"[a-zA-Z'-]")
_TEXT_ONLY = re.compile(r"\(?\s*(?:\\text\s*\{[^{}\\]*\}\s*)+\)?")
_CAPITAL = re.compile(r"\(\s*[A-Z]\s*\)|[A-Z]")
# A word of four letters is no product of variables, unless it begins with a function's name.
_WORD = re.compile(r"(?!sin|cos|tan|log|sqrt|exp|infty)[A-Za-z][a-z'-]{3,}")
_PROSE = re.compile(r"(?:[A-Za-z'-]{2,}[, ]+){2}[A-Za-z' ,-]+")

_COMMA = re.compile(r"[,;]")
_ALTERNATIVE = re.compile(r"\s*[,;]?\s*(?:\\text\s*\{\s*(?:,\s*)?(?:and|or)\s*\}|\b(?:and|or)\b)\s*")
_PLAIN_COMMA, _SEMICOLON = re.compile(r","), re.compile(r";")
_SEPARATED = re.compile(r"[,;]|\b(?:and|or)\b")
_COLON = re.compile(r":")
_UNION = re.compile(r"\\cup(?![a-zA-Z])")
_MATRIX = re.compile(r"\\begin\s*\{matrix\}(.*)\\end\s*\{matrix\}", re.DOTALL)
_BRACKETED_MATRIX = re.compile(r"[(\[]\s*(\\begin\s*\{matrix\}.*\\end\s*\{matrix\})\s*[)\]]", re.DOTALL)
_ROW, _CELL = re.compile(r"\\\\(?:\s*\[[^\]]*\])?"), re.compile(r"(?<!\\)&")
_SIGN = re.compile(r"\\(?:pm|mp)(?![a-zA-Z])")
_OPENERS = frozenset("{(\\")
_ANGLES = re.compile(r"\\langle(?![a-zA-Z])(.*)\\rangle", re.DOTALL)
_NAME_OR_LETTER = re.compile(r"\\[a-zA-Z]+|[a-zA-Z]{3,}|(?:ln|lg|pi|or|cm)(?![a-zA-Z])|[a-zA-Z]")
_CONSTANTS = frozenset("ei")
_INFINITY = re.compile(r"(?P<sign>[-+]?)\s*\\infty")
_NUMERAL_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
)
_NUMERALS = {word: value for value, word in enumerate(_NUMERAL_WORDS.split())}
_WORDED = re.compile(r"(?:\\text\s*\{\s*)?[A-Za-z][a-z]{2,8}\s*\}?")
_TO = re.compile(r"(?<=\d)\s*(?:\\text\s*\{\s*to\s*\}|\bto\b)\s*(?=\d)")
_NAMES_A_SET = re.compile(r"solution|real|set", re.IGNORECASE)
_STYLE, _WORDS = re.compile(r"\\text(?![a-zA-Z])"), re.compile(r"[a-z]+|[^a-z\s{}.,!]")
_VALUE_IN_TEXT = re.compile(r"\\text\s*\{(?=[^{}]*\d)((?:[^{}\\]|\\%|\\\$)*)\}")
_BUILDER = re.compile(
    r"\\\{\s*(?P<name>[a-zA-Z])(?:\s*\\in\s*\\mathbb\s*\{?\s*R\s*\}?)?\s*(?::|\||\\mid(?![a-zA-Z]))"
    r"(?P<condition>[^:|]+)\\\}"
)
_SET = re.compile(r"\\(?:emptyset|mathbb|R(?![a-zA-Z])|\{\s*\\\})")
_WITHOUT = re.compile(r"(?P<whole>.+?)\s*(?:\\setminus|\\backslash|-)\s*\\\{(?P<points>.+)\\\}", re.DOTALL)
_DECIMAL_COMMA = re.compile(r"(?P<whole>[-+]?\d+),(?P<places>\d+)")


@lru_cache(maxsize=CACHED)
def read(text: str, policy: Policy = DEFAULT) -> Answer:
    """The answer that a text is, as written; `logarithm` and `imaginary` of the policy say what it means."""
    if len(text) > MAX_RAW_CHARACTERS:
        return TooComplex(text, complexity_fault(text) or f"more than {MAX_RAW_CHARACTERS} characters")
    if policy.logarithm == "natural":
        text = _LOGARITHM.sub(r"\\ln ", text)
    if policy.imaginary == "i_or_j":
        text = _J.sub("i", text)
    return _read_whole(_respelled(normalise(text)))


def _respelled(text: str) -> str:
    """`3 to 4` as `3:4`, `]1, 2[` as `(1, 2)`, and `f \\equiv 0`, which has no modulus, as `f = 0`."""
    if r"\equiv" in text and r"\mod" not in text:
        text = _IDENTICAL.sub("= ", text)
    if "to" in text:
        text = _TO.sub(":", text)
    return regions.without_turned_brackets(text) if "]" in text or text[-1:] == "[" else text


def _read_whole(text: str) -> Answer:
    if plain := read_number(text):
        return plain
    found = annotated(text)
    if annotated_number := _number_within(text, found):
        return annotated_number
    if fault := complexity_fault(text):
        return TooComplex(text, fault)
    return _read_words(text) or _read_composed(text, found)


def _read_words(text: str) -> Answer | None:
    """A text of words alone; None for mathematics."""
    if not _IN_WORDS.search(text):
        return None
    if _CAPITAL.fullmatch(text):
        return Choice(text)
    if number := _number_in_words(text) or _value_in_text(text):
        return number
    if _TEXT_ONLY.fullmatch(text) or _WORD.fullmatch(text):
        return _set_in_words(text) or Text(text)
    if _PROSE.fullmatch(text):
        return _set_in_words(text) or Text(text, prose=True)
    return _set_in_words(text)


def _number_in_words(text: str) -> Number | Infinity | None:
    if not _WORDED.fullmatch(text):
        return None
    word = _STYLE.sub("", text).strip("{} ").lower()
    if word in _NUMERALS:
        return Number(text, Fraction(_NUMERALS[word]), "integer")
    return Infinity(r"\infty", negative=False) if word == "infinity" else None


def _value_in_text(text: str) -> Answer | None:
    r"""`\text{5 apples}` and `\text{(3, 4)}`, which say nothing but numbers and what stands around them."""
    found = _VALUE_IN_TEXT.fullmatch(text)
    if found is None:
        return None
    value = around(read_part(found.group(1).strip()))
    parts = value.value.elements if isinstance(value.value, Tuple) else (value.value,)
    return replace(value, text=text) if all(isinstance(part, Number) for part in parts) else None


def _set_in_words(text: str) -> Answer | None:
    """The set of numbers that a few words name; None almost always."""
    if not _NAMES_A_SET.search(text):
        return None
    return regions.set_named(" ".join(_WORDS.findall(_STYLE.sub(" ", text).lower())))


def read_part(text: str) -> Answer:
    """The answer that a normalised piece of one is, with its own name and unit."""
    if plain := read_number(text):
        return plain
    found = annotated(text)
    return _number_within(text, found) or _read_composed(text, found)


def _read_composed(text: str, found: Annotated) -> Answer:
    """What is no number with what stands around it."""
    bare = _without_brackets(text)
    if pieces := _pieces(bare):
        return Listed(text, tuple(map(read_part, pieces)))
    value = _read_form(found.value, bare if found.value == text else None)
    if value is None and _SIGN.search(text):
        return PlusMinus(text, tuple(map(read_part, _sign_choices(text))))
    value = value or _read_relation(found.value) or read_scalar(found.value)
    return _with_annotations(text, value, found)


def _number_within(text: str, found: Annotated) -> Answer | None:
    """A number with something around it, of a text that is none as a whole."""
    number = None if found.value == text else read_number(found.value)
    return None if number is None else _with_annotations(text, number, found)


def _with_annotations(text: str, value: Answer, found: Annotated) -> Answer:
    if not (found.name or found.unit or found.percent or found.approximate):
        return value
    return Quantity(text, value, found.name, found.unit, found.percent, found.approximate)


def read_scalar(text: str) -> Scalar:
    """A text as one value, whatever it is: how words are taken beside a gold that is mathematics."""
    text = _without_brackets(text)
    if number := read_number(text):
        return number
    if infinity := _INFINITY.fullmatch(text):
        return Infinity(text, infinity["sign"] == "-")
    return Expression(text)


# --- forms ---------------------------------------------------------------------------------------


def _read_form(text: str, bare: str | None = None) -> Answer | None:
    """A list, set, tuple, matrix, union or ratio; None for anything else, relations and what they define.

    `bare` is the text without brackets, where it is known, and known to be no list.
    """
    related = _RELATION.search(text) is not None
    text = _without_brackets(text) if bare is None else bare
    if (_SET.match(text) or r"\setminus" in text) and (numbers := _read_set(text)):
        return numbers
    if related:
        found = _read_bracketed(text)
        return found if found and len(found.elements) > 1 else None
    if bare is None and (pieces := _pieces(text)):
        return Listed(text, tuple(map(read_part, pieces)))
    return _read_bracketed(text) or _read_matrix(text) or _read_joined(text)


def _read_set(text: str) -> Answer | None:
    """The real line, the empty set, or an interval without some points."""
    if found := regions.set_of(text):
        return found
    parted = _WITHOUT.fullmatch(text)
    if parted is None or (whole := _read_form(parted["whole"])) is None:
        return None
    return regions.without_points(whole, _read_elements(parted["points"]))


def _read_bracketed(text: str) -> SetOf | Tuple | None:
    """A set, tuple or interval, if its first and last bracket are a pair around all of it."""
    if described := _described(text):
        return described
    if text.startswith(r"\{") and text.endswith(r"\}") and is_balanced_group(text, 0):
        return SetOf(text, _read_elements(text[2:-2]))
    if text[:1] not in {"(", "["} or text[-1:] not in {")", "]"} or not is_balanced_group(text, 0):
        return None
    elements = _read_elements(text[1:-1])
    return Tuple(text, elements, text[0] + text[-1]) if len(elements) > 1 else None


def _described(text: str) -> Tuple | None:
    r"""`\{x \mid x > 3\}` as the interval, if one inequality says which."""
    found = _BUILDER.fullmatch(text)
    relation = _read_relation(found["condition"].strip()) if found else None
    return regions.interval_named(relation, found["name"]) if found and relation else None


def _read_matrix(text: str) -> Answer | None:
    if bracketed := _BRACKETED_MATRIX.fullmatch(text):
        text = bracketed.group(1)
    found = _MATRIX.fullmatch(text)
    if not found or r"\begin" in found.group(1):
        return None
    rows = [_CELL.split(row) for row in _ROW.split(found.group(1)) if row.strip()]
    if not rows or len({len(row) for row in rows}) != 1:
        return None
    return Matrix(text, tuple(read_part(cell.strip()) for row in rows for cell in row), len(rows[0]))


def _read_joined(text: str) -> Answer | None:
    """A union or a ratio, told by what stands between their parts."""
    for form, separator in ((Union, _UNION), (Ratio, _COLON)):
        pieces = top_level(text, separator) if separator.search(text) else []
        if len(pieces) > 1 and all(pieces):
            return form(text, tuple(map(read_part, pieces)))
    return None


def _read_relation(text: str) -> Relation | None:
    sides = top_level(text, _RELATION) if _RELATION.search(text) else []
    if not sides:
        return None
    signs = tuple(_RELATION.findall(text))
    return Relation(text, tuple(_read_form(side) or read_scalar(side) for side in sides), signs)


def _read_elements(inner: str) -> tuple[Answer, ...]:
    return tuple(map(read_part, _elements(inner)))


def _pieces(text: str) -> list[str]:
    """The parts of a bare list, two at least; else none."""
    if not _SEPARATED.search(text):
        return []
    worded = "and" in text or "or" in text
    if (worded or ";" in text) and (rows := _rows_of_lists(text)):
        return rows
    pieces = _elements(_ALTERNATIVE.sub(" , ", text) if worded else text)
    return pieces if len(pieces) > 1 else []


def _rows_of_lists(text: str) -> list[str]:
    """`p=5, q=2; p=7, q=2` as tuples; empty unless all parts between semicolons are as long.

    An "and" or "or" parts rows, too, where all of them name the same values in the same order.
    """
    rows = [top_level(row, _PLAIN_COMMA) for row in top_level(text, _SEMICOLON)]
    if len(rows) < 2:
        rows = [top_level(row, _PLAIN_COMMA) for row in top_level(text, _ALTERNATIVE)]
        names = {tuple(split_name(cell)[0] for cell in row) for row in rows}
        if len(names) != 1 or not all(names.pop()):
            return []
    if len(rows) < 2 or {len(row) for row in rows} != {len(rows[0])} or len(rows[0]) < 2:
        return []
    return [f"({', '.join(split_name(cell)[1] for cell in row)})" for row in rows]


def _sign_choices(text: str) -> tuple[str, str]:
    r"""The upper and the lower reading of a text with `\pm` and `\mp`."""
    upper = text.replace(r"\pm", "+").replace(r"\mp", "-")
    lower = text.replace(r"\pm", "-").replace(r"\mp", "+")
    return upper.removeprefix("+").strip(), lower.strip()


def _without_brackets(text: str) -> str:
    r"""`text` without LaTeX's own braces, and without parentheses around all of a single element.

    Angles are round brackets. Of parentheses a few only: deeper is no honest answer.
    """
    if text[:1] not in _OPENERS:
        return text
    text = text[1:-1].strip() if text[:1] == "{" and is_balanced_group(text, 0) else text
    if angles := _ANGLES.fullmatch(text):
        return f"({angles.group(1)})"
    for _ in range(MAX_PARENTHESES):
        if text[:1] != "(" or not is_balanced_group(text, 0) or len(_elements(text[1:-1])) != 1:
            break
        text = text[1:-1].strip()
    return text


def _elements(inner: str) -> list[str]:
    return [part for part in top_level(inner, _COMMA) if part]


# --- other readings of the same text -------------------------------------------------------------


def as_list(answer: Answer) -> Answer:
    """`1,234` as a list of two, which it is beside a list; any other answer as it is."""
    if not isinstance(answer, Number) or "," not in answer.text:
        return answer
    return Listed(answer.text, tuple(map(read_part, answer.text.split(","))))


def with_decimal_comma(answer: Answer, other: Answer) -> Answer:
    """`2,74` as 2.74 beside a decimal; any other answer as it is."""
    if not isinstance(other, Number) or other.kind != "decimal":
        return answer
    found = _DECIMAL_COMMA.fullmatch(answer.text) if isinstance(answer, Listed) else None
    return read_part(f"{found['whole']}.{found['places']}") if found else answer


def last_sides(gold: Answer, answer: Answer) -> tuple[Answer, Answer]:
    """Chains of equations as their last exact sides; an equation of two stays one beside another."""
    gold = _last_side(gold, least=3)
    return gold, _last_side(answer, least=3 if isinstance(gold, Relation) else 2)


def _last_side(answer: Answer, least: int) -> Answer:
    whole = as_relation(answer)
    if not isinstance(whole, Relation):
        return answer
    is_rounded = r"\approx" in whole.signs
    exact = whole.signs[: whole.signs.index(r"\approx")] if is_rounded else whole.signs
    if not set(exact) <= {"="} or (len(whole.sides) < least and not is_rounded):
        return answer
    return whole.sides[min(len(exact), len(whole.sides) - 1)]  # a sum has a sign of its own below it


def renamed(answer: Answer, gold: Answer) -> Answer:
    """An answer with the gold's letters in place of its own, in the order in which they come.

    Constants keep their names, and so do functions.
    """
    own, others = _letters(answer.text), _letters(gold.text)
    if len(own) != len(others):
        return answer
    names = dict(zip(own, others, strict=True))
    return read_part(_NAME_OR_LETTER.sub(lambda found: names.get(found[0], found[0]), answer.text))


def _letters(text: str) -> list[str]:
    """The variables of a text, each once, in the order in which they come."""
    found = dict.fromkeys(_NAME_OR_LETTER.findall(text))
    return [name for name in found if len(name) == 1 and name not in _CONSTANTS]


def as_relation(answer: Answer) -> Answer:
    """`x = 5` with its name as one side of an equation; any other answer without what stands around it."""
    if not isinstance(answer, Quantity):
        return answer
    return (_read_relation(answer.text) if answer.name else None) or answer.value


def as_matrix(answer: Answer) -> Answer:
    """A list of rows as programs write a matrix, `[[1, 2], [3, 4]]`; any other answer as it is."""
    if not isinstance(answer, Tuple) or answer.brackets != "[]":
        return answer
    rows = [_row_of(element) for element in answer.elements]
    if not all(rows) or len({len(row) for row in rows}) != 1:
        return answer
    cells = tuple(cell for row in rows for cell in row)
    written = r" \\ ".join(" & ".join(cell.text for cell in row) for row in rows)
    return Matrix(rf"\begin{{matrix}}{written}\end{{matrix}}", cells, len(rows[0]))


def _row_of(element: Answer) -> tuple[Answer, ...]:
    if isinstance(element, Tuple) and element.brackets == "[]":
        return element.elements
    single = element.text[:1] + element.text[-1:] == "[]" and not isinstance(element, Tuple)
    return (read_part(element.text[1:-1]),) if single else ()


def quotient(ratio: Ratio) -> Answer:
    """`1:3` as the fraction; a ratio of three as it is."""
    if len(ratio.elements) != 2:
        return ratio
    above, below = (element.text for element in ratio.elements)
    return read_scalar(rf"\frac{{{above}}}{{{below}}}")


def hundredth(answer: Answer) -> Scalar:
    """A percentage as the number that it is."""
    if isinstance(answer, Number):
        return replace(answer, value=answer.value / 100, places=0)
    return read_scalar(rf"\frac{{{answer.text}}}{{100}}")
