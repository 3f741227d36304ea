"""Where an answer first differs from the expected one, in a form that fits a log line."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from typing import Any

EXCERPT_CHARS = 80
_MOST_CHARS = 300  # of a path, or of a value that has many parts


@dataclass(frozen=True, slots=True)
class Difference:
    """The first difference: its place, and short excerpts of both sides.

    `where` counts from 1 for lines and tokens (`token 5`) and is a path for
    values (`[3]['x']`, empty for the value as a whole).
    """

    where: str
    expected: str
    got: str

    def __str__(self) -> str:
        place = f"{self.where[:_MOST_CHARS]}: " if self.where else ""
        return f"{place}expected {self.expected}, got {self.got}"


def excerpt_bytes(data: bytes | None) -> str:
    """A quoted, bounded, always printable excerpt of output; None reads `nothing`."""
    if data is None:
        return "nothing"
    text = data[: EXCERPT_CHARS * 4].decode("utf-8", "backslashreplace")
    cut = len(text) > EXCERPT_CHARS or len(data) > EXCERPT_CHARS * 4
    quoted = ascii(text[:EXCERPT_CHARS]) if not text.isprintable() else repr(text[:EXCERPT_CHARS])
    return f"{quoted}..." if cut else quoted


class _Excerpt(reprlib.Repr):
    """`repr` with bounded work: huge lists, strings and integers cost nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 3, EXCERPT_CHARS, EXCERPT_CHARS

    def repr_int(self, x: int, level: int) -> str:
        # repr() of an int beyond 4300 digits raises, and is quadratic before that.
        return repr(x) if x.bit_length() <= 256 else f"<integer of {x.bit_length()} bits>"


def excerpt_value(value: Any) -> str:
    """A bounded `repr` of a plain value; lone surrogates come out escaped."""
    text = _Excerpt().repr(value)
    return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}..."
