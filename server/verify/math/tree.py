r"""What an answer is, read once: a small typed tree that the rules of equality compare.

A leaf is a number with its exact value, an infinity, an expression, text, or a
text too complex to be read; a branch holds the answers it is made of. Every node
keeps the normalised text it was read from, which computer algebra is given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from server.verify.math.identities import IMAGINARY, Node, node_of

MAX_POWER_OF_TEN = 300

_FUNCTION = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc|log|ln|exp|ar[a-z]+)(?![a-zA-Z])|[a-zA-Z]\(")


@dataclass(frozen=True, slots=True)
class Number:
    """An exact value and how it was written.

    `kind` is "integer", "decimal", "fraction", "mixed", "scientific", "double factorial" or
    "repeating decimal"; `places` counts the digits after the point of a decimal, else it is 0.
    """

    text: str
    value: Fraction
    kind: str
    places: int = 0

    @property
    def terminates(self) -> bool:
        """Whether the decimal expansion of the value ends."""
        return bool(10**MAX_POWER_OF_TEN % self.value.denominator == 0)


@dataclass(frozen=True, slots=True)
class Infinity:
    """Plus or minus infinity."""

    text: str
    negative: bool
    kind = "infinity"


@dataclass(frozen=True, slots=True)
class Expression:
    """Any other single value."""

    text: str

    @property
    def node(self) -> Node | None:
        """Its reading without computer algebra, None where there is none; made when it is asked for."""
        return node_of(self.text)

    @property
    def kind(self) -> str:
        """Polynomial, function, complex, constant, or else expression."""
        node = self.node
        if node is None:
            return "function" if _FUNCTION.search(self.text) else "expression"
        if node.has_function:
            return "function"
        if IMAGINARY in node.symbols():
            return "complex"
        if node.is_constant:
            return "constant"
        return "polynomial" if node.is_polynomial else "expression"


@dataclass(frozen=True, slots=True)
class Text:
    """Words without mathematics: one that can be compared, or prose, which has other wordings."""

    text: str
    prose: bool = False
    kind = "text"


@dataclass(frozen=True, slots=True)
class Choice:
    """A lone capital: the letter of a choice, as which only a gold is taken."""

    text: str
    kind = "choice"


@dataclass(frozen=True, slots=True)
class TooComplex:
    """What is not read, and why: a short clause for a person."""

    text: str
    fault: str
    kind = "unread"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value with what stands around it; `name`, `unit` (a base or degrees, too) may be empty."""

    text: str
    value: Answer
    name: str = ""
    unit: str = ""
    percent: bool = False
    approximate: bool = False

    @property
    def kind(self) -> str:
        """Percent, the unit, or the value's own kind."""
        return "percent" if self.percent else f"{self.unit} quantity" if self.unit else self.value.kind


@dataclass(frozen=True, slots=True)
class PlusMinus:
    r"""The two readings of a value or relation with a `\pm` in it."""

    text: str
    elements: tuple[Answer, ...]
    kind = "plus-minus list"


@dataclass(frozen=True, slots=True)
class Listed:
    """Values parted by commas, "and" or "or": unordered."""

    text: str
    elements: tuple[Answer, ...]
    kind = "list"


@dataclass(frozen=True, slots=True)
class SetOf:
    """Values in braces."""

    text: str
    elements: tuple[Answer, ...]
    kind = "set"


@dataclass(frozen=True, slots=True)
class Tuple:
    """Ordered values with their two brackets, as in "(]"; of two values, maybe an interval."""

    text: str
    elements: tuple[Answer, ...]
    brackets: str

    @property
    def kind(self) -> str:
        """Interval where the brackets or an infinity leave no doubt."""
        ends = len(self.elements) == 2 and any(isinstance(end, Infinity) for end in self.elements)
        return "interval" if ends or self.brackets in {"(]", "[)"} else "tuple"


@dataclass(frozen=True, slots=True)
class Matrix:
    """Cells row by row, `columns` to a row."""

    text: str
    elements: tuple[Answer, ...]
    columns: int
    kind = "matrix"


@dataclass(frozen=True, slots=True)
class Union:
    """Sets of numbers and their union."""

    text: str
    elements: tuple[Answer, ...]
    kind = "union"


@dataclass(frozen=True, slots=True)
class Ratio:
    """Values parted by colons; also a time of day."""

    text: str
    elements: tuple[Answer, ...]
    kind = "ratio"


@dataclass(frozen=True, slots=True)
class Relation:
    """Sides with the signs between them: an equation, a chain of them, or an inequality."""

    text: str
    sides: tuple[Answer, ...]
    signs: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Equation if all signs are that of equality."""
        return "equation" if set(self.signs) == {"="} else "inequality"


Scalar = Number | Infinity | Expression
Several = PlusMinus | Listed | SetOf | Tuple | Matrix | Union | Ratio
Answer = Scalar | Text | Choice | TooComplex | Quantity | Several | Relation
UNORDERED = (Listed, SetOf, PlusMinus)


def around(answer: Answer) -> Quantity:
    """The answer with what stands around it, if anything does."""
    return answer if isinstance(answer, Quantity) else Quantity(answer.text, answer)


def elements_of(answer: Listed | SetOf | PlusMinus | Union) -> tuple[Answer, ...]:
    r"""The elements of what has no order, every `\pm` among them as two."""
    if not any(isinstance(element, PlusMinus) for element in answer.elements):
        return answer.elements
    return tuple(
        choice
        for element in answer.elements
        for choice in (element.elements if isinstance(element, PlusMinus) else (element,))
    )


def shown(answer: Answer) -> str:
    """How an answer was read, for a person: exact values where there are any, else the text."""
    match answer:
        case Number():
            return str(answer.value)
        case Quantity():
            unit = f" {answer.unit}" if answer.unit else ""
            return shown(answer.value) + "%" * answer.percent + unit
        case Listed():
            return ", ".join(map(shown, answer.elements))
        case SetOf():
            return f"{{{', '.join(map(shown, answer.elements))}}}"
        case Tuple():
            return answer.brackets[0] + ", ".join(map(shown, answer.elements)) + answer.brackets[1]
        case _:
            return answer.text
