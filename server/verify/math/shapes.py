r"""The outer form of an answer: one value, a list, a tuple or interval, a set, a union, a matrix, a ratio.

Forms are told apart by brackets and separators alone, so that `(0, 1)` and
`(0, 1.5)` are compared element by element instead of as one symbolic object.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum

from server.verify.math.latex import is_balanced_group, top_level
from server.verify.math.units import split_name

MAX_SIGN_CHOICES = 8  # expansions of \pm in one answer

MAX_PARENTHESES = 4  # redundant pairs that are taken off


class Form(Enum):
    """How the parts of an answer belong together."""

    SCALAR = "value"
    LIST = "list"  # bare commas, "or", "and": unordered
    TUPLE = "tuple"  # ordered, with its two brackets; an interval is one, too
    SET = "set"
    UNION = "union"
    MATRIX = "matrix"
    RATIO = "ratio"  # also a time of day


@dataclass(frozen=True, slots=True)
class Shape:
    """A form and the text of its parts.

    `brackets` are a tuple's two, as in "(]"; `columns` is a matrix's width, its
    parts are row by row.
    """

    form: Form
    parts: tuple[str, ...]
    brackets: str = ""
    columns: int = 0

    @property
    def ordered(self) -> bool:
        """Whether the order of the parts is part of the answer."""
        return self.form in {Form.TUPLE, Form.MATRIX, Form.RATIO}


_COMMA = re.compile(r"[,;]")
_ALTERNATIVE = re.compile(r"\s*[,;]?\s*(?:\\text\s*\{\s*(?:,\s*)?(?:and|or)\s*\}|\b(?:and|or)\b)\s*")
_PLAIN_COMMA, _SEMICOLON = re.compile(r","), re.compile(r";")
_COLON = re.compile(r":")
_UNION = re.compile(r"\\cup(?![a-zA-Z])")
_MATRIX = re.compile(r"\\begin\s*\{matrix\}(.*)\\end\s*\{matrix\}", re.DOTALL)
_BRACKETED_MATRIX = re.compile(r"[(\[]\s*(\\begin\s*\{matrix\}.*\\end\s*\{matrix\})\s*[)\]]", re.DOTALL)
_ROW, _CELL = re.compile(r"\\\\(?:\s*\[[^\]]*\])?"), re.compile(r"(?<!\\)&")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
SIGN = re.compile(r"\\(?:pm|mp)(?![a-zA-Z])")
_ANGLES = re.compile(r"\\langle(?![a-zA-Z])(.*)\\rangle", re.DOTALL)


def shape_of(text: str, *, thousands: bool = True) -> Shape:
    """The form of a normalised text; with `thousands` false, `1,234` is a list of two."""
    text = _without_parentheses(_with_round_brackets(_without_braces(text)))
    if bracketed := _BRACKETED_MATRIX.fullmatch(text):
        text = bracketed.group(1)
    if thousands and _THOUSANDS.fullmatch(text):
        return Shape(Form.SCALAR, (text,))
    if rows := _rows_of_lists(text):
        return Shape(Form.LIST, rows)
    pieces = [piece for piece in top_level(_ALTERNATIVE.sub(" , ", text), _COMMA) if piece]
    if len(pieces) > 1:
        return Shape(Form.LIST, tuple(_without_name(piece) for piece in pieces))
    return _bracketed(text) or _matrix(text) or _split(text) or Shape(Form.SCALAR, (text,))


def as_matrix(shape: Shape) -> Shape:
    """A list of rows as programs write a matrix, `[[1, 2], [3, 4]]`; any other shape as it is."""
    rows = [_bracketed(part) or Shape(Form.SCALAR, (part[1:-1],)) for part in shape.parts]
    if shape.brackets != "[]" or any(part[:1] + part[-1:] != "[]" for part in shape.parts):
        return shape
    if len({len(row.parts) for row in rows}) != 1:
        return shape
    return Shape(Form.MATRIX, tuple(cell for row in rows for cell in row.parts), columns=len(rows[0].parts))


def _rows_of_lists(text: str) -> tuple[str, ...]:
    """`p=5, q=2; p=7, q=2` as tuples; empty unless all parts between semicolons are as long.

    An "and" or "or" parts rows, too, where all of them name the same values in the same order.
    """
    rows = [top_level(row, _PLAIN_COMMA) for row in top_level(text, _SEMICOLON)]
    if len(rows) < 2:
        rows = [top_level(row, _PLAIN_COMMA) for row in top_level(text, _ALTERNATIVE)]
        names = {tuple(split_name(cell)[0] for cell in row) for row in rows}
        if len(names) != 1 or not all(names.pop()):
            return ()
    if len(rows) < 2 or {len(row) for row in rows} != {len(rows[0])} or len(rows[0]) < 2:
        return ()
    return tuple(f"({', '.join(_without_name(cell) for cell in row)})" for row in rows)


def expand_signs(shape: Shape) -> Shape:
    r"""`shape` with every `\pm` written out as two elements; tuples stay as they are."""
    if shape.ordered or not any(SIGN.search(part) for part in shape.parts):
        return shape
    parts = [choice for part in shape.parts for choice in _sign_choices(part)]
    form = Form.LIST if shape.form is Form.SCALAR else shape.form
    return replace(shape, form=form, parts=tuple(parts[: MAX_SIGN_CHOICES * len(shape.parts)]))


def _sign_choices(text: str) -> tuple[str, ...]:
    r"""The upper and the lower reading of a text with `\pm` and `\mp`, or the text itself."""
    if not SIGN.search(text):
        return (text,)
    upper = text.replace(r"\pm", "+").replace(r"\mp", "-")
    lower = text.replace(r"\pm", "-").replace(r"\mp", "+")
    return (upper.removeprefix("+").strip(), lower.strip())


def _without_braces(text: str) -> str:
    """`text` without LaTeX's own braces around all of it, which group and do not show."""
    return text[1:-1].strip() if text[:1] == "{" and is_balanced_group(text, 0) else text


def _without_name(piece: str) -> str:
    return split_name(piece)[1]


def _with_round_brackets(text: str) -> str:
    found = _ANGLES.fullmatch(text)
    return f"({found.group(1)})" if found else text


def _bracketed(text: str) -> Shape | None:
    """A set, tuple or interval, if its first and last bracket are a pair around all of it."""
    if text.startswith(r"\{") and text.endswith(r"\}") and is_balanced_group(text, 0):
        return Shape(Form.SET, _split_elements(text[2:-2]))
    if text[:1] not in {"(", "["} or text[-1:] not in {")", "]"} or not is_balanced_group(text, 0):
        return None
    parts = _split_elements(text[1:-1])
    return Shape(Form.TUPLE, parts, brackets=text[0] + text[-1]) if len(parts) > 1 else None


def _without_parentheses(text: str) -> str:
    """`text` without parentheses around all of a single element; a few only, deeper is no honest answer."""
    for _ in range(MAX_PARENTHESES):
        if text[:1] != "(" or not is_balanced_group(text, 0) or len(_split_elements(text[1:-1])) != 1:
            break
        text = text[1:-1].strip()
    return text


def _split_elements(inner: str) -> tuple[str, ...]:
    return tuple(part for part in top_level(inner, _COMMA) if part)


def _matrix(text: str) -> Shape | None:
    found = _MATRIX.fullmatch(text)
    if not found or r"\begin" in found.group(1):
        return None
    rows = [[cell.strip() for cell in _CELL.split(row)] for row in _ROW.split(found.group(1)) if row.strip()]
    if not rows or len({len(row) for row in rows}) != 1:
        return None
    return Shape(Form.MATRIX, tuple(cell for row in rows for cell in row), columns=len(rows[0]))


def _split(text: str) -> Shape | None:
    """A union or a ratio, told by what stands between their parts."""
    for form, separator in ((Form.UNION, _UNION), (Form.RATIO, _COLON)):
        pieces = top_level(text, separator)
        if len(pieces) > 1 and all(pieces):
            return Shape(form, tuple(pieces))
    return None
