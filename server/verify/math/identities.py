r"""Expressions compared without computer algebra: at a random point of a finite field, or in 60 digits.

Read are numbers, letters, `+ - * / ^`, `\frac`, `\sqrt`, `\pi`, parentheses, sines, logarithms and their
like. Where LaTeX allows two readings (`1/2x`, `a(x)`, `3\frac12`, `x^10`, `\sin x y`) there is none here;
`x(x+1)` is a product, as the letter stands for a value elsewhere, and `f`, `g` and `h` are functions of which
nothing is known.

A polynomial or rational function that differs from another at one point of a prime field
is another; two of degree d that agree at a random point of a field of 2^61 elements differ
with a probability of d/2^61 (Schwartz 1980, Zippel 1979). The prime and the point are
drawn when the process starts, so that no answer can be made to fit them. Roots and sines have no
place in the field; they are compared as decimals at one positive point, errors bounded by the largest
value on the way: what differs there is unequal, and constants that agree in 40 digits are equal.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, DecimalException
from fractions import Fraction
from functools import lru_cache
from typing import Any, Protocol

MAX_CHARACTERS = 300
MAX_EXPONENT = 200
CACHED = 256  # readings kept: one comparison asks for the same several times
IMAGINARY, EULER, PI = "i", "e", r"\pi"

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?|\.\d+)"
    r"|(?P<command>\\(?:frac|sqrt|cdot|times|sin|cos|tan|cot|sec|csc|ln|log|exp|pi|alpha|beta|gamma|delta|theta|lambda|mu|phi|omega)(?![a-zA-Z]))"
    r"|(?P<letter>[a-zA-Z](?:_(?:[0-9a-zA-Z](?![0-9a-zA-Z])|\{[0-9a-zA-Z]{1,3}\}))?)"
    r"|(?P<sign>[-+*/^(){}]))",
    re.ASCII,
)
_MORE_THAN_A_PRODUCT = re.compile(r"(?<![a-zA-Z\\])(?:[a-zA-Z]{3}|(?:pi|ln|lg|or|if|no|is|in)(?![a-zA-Z]))")
_TIMES = frozenset({"*", r"\cdot", r"\times"})
_FUNCTIONS = frozenset({r"\sin", r"\cos", r"\tan", r"\cot", r"\sec", r"\csc", r"\ln", r"\log", r"\exp"})
_NOT_SYMBOLS = _FUNCTIONS | {r"\frac", r"\sqrt", r"\cdot", r"\times"}
_UNKNOWN_FUNCTIONS = frozenset("fgh")
_BEHIND_AN_ARGUMENT = _FUNCTIONS | {"", "+", "-", ")", "}"}
_NO_POLYNOMIAL = frozenset({"root", "function", "unknown"})


class Unread(Exception):
    """The text has no reading here, or more than one."""


class Undefined(Exception):
    """The expression has no value at the point, or none that is known well enough."""


@dataclass(frozen=True, slots=True)
class Node:
    """An operation on parts: "number", "symbol", "+", "*", "/", "-", "^", "root", "function" or "unknown"."""

    kind: str
    parts: tuple[Node, ...] = ()
    value: Fraction = Fraction(0)  # of a number; the exponent of a power
    name: str = ""  # of a symbol or function

    def symbols(self) -> set[str]:
        """The names of all symbols, constants included."""
        own = {self.name} if self.kind in {"symbol", "unknown"} else set()
        return own.union(*(part.symbols() for part in self.parts))

    def letters(self) -> set[str]:
        """The names of what stands for a value."""
        own = {self.name} if self.kind == "symbol" else set()
        return own.union(*(part.letters() for part in self.parts))

    def functions(self) -> set[str]:
        """The names of functions of which nothing is known."""
        own = {self.name} if self.kind == "unknown" else set()
        return own.union(*(part.functions() for part in self.parts))

    @property
    def is_constant(self) -> bool:
        """Whether it has no variable."""
        return self.symbols() <= {IMAGINARY, EULER, PI}

    @property
    def has_function(self) -> bool:
        """Whether it is made with one."""
        return self.kind in {"function", "unknown"} or any(part.has_function for part in self.parts)

    @property
    def is_polynomial(self) -> bool:
        """Whether it is made without roots, functions, negative powers, and divisors with a variable."""
        if (
            self.kind in _NO_POLYNOMIAL
            or self.value < 0
            or (self.kind == "/" and not self.parts[1].is_constant)
        ):
            return False
        return all(part.is_polynomial for part in self.parts)


def read(text: str) -> Node:
    """The expression that all of the normalised `text` is; raises Unread."""
    if len(text) > MAX_CHARACTERS or _MORE_THAN_A_PRODUCT.search(text):
        raise Unread
    return _Reader(_tokens(text)).whole()


@lru_cache(maxsize=CACHED)
def node_of(text: str) -> Node | None:
    """As `read`, but None where there is no reading."""
    try:
        return read(text)
    except Unread:
        return None


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    text = text.strip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise Unread
        tokens.append(found.group().strip())
        position = found.end()
    return tokens


class _Reader:
    """Recursive descent over tokens; the guards have bounded the nesting."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._next = 0
        self._values = (
            {  # letters that somewhere stand for themselves, and not before an argument
                word for n, word in enumerate(tokens) if word[0].isalpha() and tokens[n + 1 : n + 2] != ["("]
            }
            - _UNKNOWN_FUNCTIONS
        )

    def whole(self) -> Node:
        found = self._sum()
        if self._peek():
            raise Unread
        return found

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _take(self) -> str:
        word = self._peek()
        self._next += 1
        return word

    def _expect(self, word: str) -> None:
        if self._take() != word:
            raise Unread

    def _sum(self) -> Node:
        terms = [self._signed()]
        while self._peek() in {"+", "-"}:
            terms.append(self._signed())
        return Node("+", tuple(terms)) if len(terms) > 1 else terms[0]

    def _signed(self) -> Node:
        sign = self._take() if self._peek() in {"+", "-"} else ""
        term = self._product()
        return Node("-", (term,)) if sign == "-" else term

    def _product(self) -> Node:
        product, divided = self._power(), False
        while word := self._peek():
            if word == "/":
                self._take()
                product, divided = Node("/", (product, self._power())), True
            elif word in _TIMES:
                self._take()
                product, divided = Node("*", (product, self._power())), False
            elif self._begins_a_factor(word):
                if divided:
                    raise Unread  # 1/2x
                product = Node("*", (product, self._power()))
            else:
                break
        return product

    def _begins_a_factor(self, word: str) -> bool:
        """Whether a factor follows without a sign; raises Unread where that may mean something else."""
        before = self._tokens[self._next - 1]
        if word == "(":
            if (before[0].isalpha() and before not in self._values) or (
                before[0] == "\\" and before not in _NOT_SYMBOLS
            ):
                raise Unread  # f(x)
            return True
        if word[0].isdigit() or word[0] == "." or (word == r"\frac" and before[0].isdigit()):
            raise Unread  # 2 3, and mixed numbers
        return word[0].isalpha() or (word[0] == "\\" and word not in _TIMES)

    def _power(self) -> Node:
        base = self._atom()
        if self._peek() != "^":
            return base
        self._take()
        exponent = self._exponent()
        if self._peek() == "^" or abs(exponent) > MAX_EXPONENT:
            raise Unread
        return Node("^", (base,), Fraction(exponent))

    def _exponent(self) -> int:
        word = self._take()
        if word != "{":
            return _integer(word, most_digits=1)
        negative = self._peek() == "-" and bool(self._take())
        exponent = _integer(self._take())
        self._expect("}")
        return -exponent if negative else exponent

    def _atom(self) -> Node:
        word = self._take()
        if word == "(":
            inside = self._sum()
            self._expect(")")
            return inside
        if word == r"\frac":
            return Node("/", (self._argument(), self._argument()))
        if word == r"\sqrt":
            return Node("root", (self._argument(),))
        if word in _FUNCTIONS:
            return self._function(word)
        if word in _UNKNOWN_FUNCTIONS and self._peek() == "(" and self._is_always_applied(word):
            return self._unknown(word)
        return _leaf(word)

    def _unknown(self, name: str) -> Node:
        """`f(x)` and `f(2)`; of more in parentheses it may be a factor, as in `h(a+b)`."""
        inside = self._atom()
        if inside.parts:
            raise Unread
        return Node("unknown", (inside,), name=name)

    def _is_always_applied(self, name: str) -> bool:
        return all(
            self._tokens[n + 1 : n + 2] == ["("] for n, word in enumerate(self._tokens) if word == name
        )

    def _function(self, name: str) -> Node:
        """A function of what is in brackets, or of a number, a letter, or a number and a letter."""
        power = 1
        if self._peek() == "^":
            self._take()
            power = self._exponent()
        bracketed = self._peek() in {"(", "{"}
        inside = (
            self._argument() if self._peek() == "{" else self._atom() if bracketed else self._short_argument()
        )
        if power < 1 or self._peek() not in (
            _BEHIND_AN_ARGUMENT | _TIMES if bracketed else _BEHIND_AN_ARGUMENT
        ):
            raise Unread  # an inverse; or it is not known where the argument ends
        found = Node("function", (inside,), name=name)
        return found if power == 1 else Node("^", (found,), Fraction(power))

    def _short_argument(self) -> Node:
        if self._peek() == r"\frac":
            return self._atom()
        word = self._take()
        found = _leaf(word)
        if found.kind == "number" and self._peek() not in _BEHIND_AN_ARGUMENT:
            return Node("*", (found, _leaf(self._take())))
        return found

    def _argument(self) -> Node:
        word = self._peek()
        if word == "{":
            self._take()
            inside = self._sum()
            self._expect("}")
            return inside
        if word.isdigit() and len(word) > 1:  # \frac12 is 1/2: an argument without braces is one digit
            self._tokens[self._next : self._next + 1] = [word[0], word[1:]]
        elif not (word.isdigit() or word == PI or (word.isalpha() and len(word) == 1)):
            raise Unread
        return _leaf(self._take())


def _leaf(word: str) -> Node:
    if word[:1].isdigit() or word[:1] == ".":
        return Node("number", value=Fraction(int(word) if word.isdigit() else word))
    if word[:1].isalpha() or (word[:1] == "\\" and word not in _NOT_SYMBOLS):
        return Node("symbol", name=word.replace("{", "").replace("}", ""))
    raise Unread


def _integer(word: str, most_digits: int = 4) -> int:
    if not word.isdigit() or len(word) > most_digits:
        raise Unread
    return int(word)


# --- fields --------------------------------------------------------------------------------------


class Field(Protocol):
    """Where expressions get values; every method raises Undefined where there is none."""

    def number(self, value: Fraction) -> Any:
        """A rational number."""

    def symbol(self, name: str) -> Any:
        """A constant, or the point's coordinate of that name."""

    def sum(self, terms: Sequence[Any]) -> Any:
        """Their sum."""

    def product(self, one: Any, other: Any) -> Any:
        """Their product."""

    def quotient(self, one: Any, other: Any) -> Any:
        """One divided by the other."""

    def power(self, base: Any, exponent: int) -> Any:
        """An integer power."""

    def root(self, radicand: Any) -> Any:
        """The square root."""

    def function(self, name: str, argument: Any) -> Any:
        """The value of one of `_FUNCTIONS`."""

    def unknown(self, name: str, argument: Any) -> Any:
        """The value of a function of which nothing is known but that it is one."""


def value_of(node: Node, field: Field) -> Any:
    """The value of an expression in a field; raises Undefined."""
    parts = [value_of(part, field) for part in node.parts]
    match node.kind:
        case "number":
            value = field.number(node.value)
        case "symbol":
            value = field.symbol(node.name)
        case "+":
            value = field.sum(parts)
        case "-":
            value = field.product(field.number(Fraction(-1)), parts[0])
        case "*":
            value = field.product(*parts)
        case "/":
            value = field.quotient(*parts)
        case "^":
            value = field.power(parts[0], int(node.value))
        case "root":
            value = field.root(parts[0])
        case "function":
            value = field.function(node.name, parts[0])
        case _:
            value = field.unknown(node.name, parts[0])
    return value


class Residues:
    """Integers modulo a prime in which -1 has a root, at one point drawn at random."""

    def __init__(self, prime: int | None = None) -> None:
        self.prime = prime or _random_prime()
        self._salt = secrets.token_bytes(16)
        self._imaginary = _root_of_minus_one(self.prime)

    def number(self, value: Fraction) -> int:
        """A rational number."""
        return self.quotient(value.numerator % self.prime, value.denominator % self.prime)

    def symbol(self, name: str) -> int:
        """`i` is a root of -1; pi and e satisfy no polynomial, and are coordinates like any other."""
        if name == IMAGINARY:
            return self._imaginary
        return int.from_bytes(hashlib.blake2b(name.encode(), key=self._salt).digest()[:16]) % self.prime

    def sum(self, terms: Sequence[int]) -> int:
        """Their sum."""
        return sum(terms) % self.prime

    def product(self, one: int, other: int) -> int:
        """Their product."""
        return one * other % self.prime

    def quotient(self, one: int, other: int) -> int:
        """One divided by the other, unless that is zero."""
        if other == 0:
            raise Undefined
        return one * pow(other, -1, self.prime) % self.prime

    def power(self, base: int, exponent: int) -> int:
        """An integer power."""
        if base == 0 and exponent <= 0:
            raise Undefined
        return pow(base, exponent, self.prime)

    def root(self, radicand: int) -> int:
        """None: which of the two roots is meant cannot be told."""
        raise Undefined

    def function(self, name: str, argument: int) -> int:
        """None: no function of these has a value in the field."""
        raise Undefined

    def unknown(self, name: str, argument: int) -> int:
        """Drawn for each argument, as the coordinates are."""
        return self.symbol(f"{name}({argument})")


def _random_prime() -> int:
    while True:
        candidate = (1 << 61) + 4 * secrets.randbelow(1 << 59) + 1
        if _is_prime(candidate):
            return candidate


def _is_prime(number: int) -> bool:
    """Miller and Rabin's test; these bases make it exact below 3.3e24 (Sorenson and Webster 2015)."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41):
        power = pow(base, odd, number)
        if power != 1 and all(pow(power, 1 << k, number) != number - 1 for k in range(twos)):
            return False
    return True


def _root_of_minus_one(prime: int) -> int:
    base = next(base for base in range(2, prime) if pow(base, (prime - 1) // 2, prime) == prime - 1)
    return pow(base, (prime - 1) // 4, prime)


_AS_QUOTIENTS = {  # of what, divided by what
    r"\sin": ("sine", "one"), r"\cos": ("cosine", "one"), r"\tan": ("sine", "cosine"),
    r"\cot": ("cosine", "sine"), r"\sec": ("one", "cosine"), r"\csc": ("one", "sine"),
}  # fmt: skip


class Decimals:
    """Real numbers in 60 digits, at one positive point drawn at random; made anew for each comparison."""

    DIGITS = 60
    _PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")
    _HALF_PI = Context(prec=DIGITS).divide(_PI, Decimal(2))
    _SALT = secrets.token_bytes(16)
    _LARGEST_ARGUMENT = 1000  # of a function, so that little of what is known of it is lost

    def __init__(self) -> None:
        self._context = Context(prec=self.DIGITS, Emax=100, Emin=-100)
        self.largest = Decimal(1)  # of all values on the way: absolute errors are some 1e-60 of it

    def _noted(self, value: Decimal) -> Decimal:
        self.largest = max(self.largest, abs(value))
        if self.largest > Decimal("1e30"):
            raise Undefined
        return value

    def number(self, value: Fraction) -> Decimal:
        """A rational number."""
        return self._noted(self._context.divide(Decimal(value.numerator), Decimal(value.denominator)))

    def symbol(self, name: str) -> Decimal:
        """A constant, or a coordinate between 1 and 5."""
        if name == IMAGINARY:
            raise Undefined
        if name in {PI, EULER}:
            return self._PI if name == PI else self._context.exp(Decimal(1))
        drawn = int.from_bytes(hashlib.blake2b(name.encode(), key=self._SALT).digest()[:4])
        return self._context.add(Decimal(1), self._context.divide(Decimal(drawn), Decimal(1 << 30)))

    def sum(self, terms: Sequence[Decimal]) -> Decimal:
        """Their sum."""
        total = Decimal(0)
        for term in terms:
            total = self._noted(self._context.add(total, term))
        return total

    def product(self, one: Decimal, other: Decimal) -> Decimal:
        """Their product."""
        return self._noted(self._context.multiply(one, other))

    def quotient(self, one: Decimal, other: Decimal) -> Decimal:
        """One divided by the other, unless that is too close to zero to be known."""
        self._check_known(other)
        return self._noted(self._context.divide(one, other))

    def power(self, base: Decimal, exponent: int) -> Decimal:
        """An integer power."""
        self._check_known(base)
        return self._noted(self._context.power(base, exponent))

    def root(self, radicand: Decimal) -> Decimal:
        """The square root of what is plainly positive."""
        self._check_known(radicand)
        if radicand < 0:
            raise Undefined
        return self._noted(self._context.sqrt(radicand))

    def function(self, name: str, argument: Decimal) -> Decimal:
        """The value of a sine, a logarithm or their like."""
        if abs(argument) > self._LARGEST_ARGUMENT or self.largest > self._LARGEST_ARGUMENT**3:
            raise Undefined
        if name in {r"\ln", r"\log"}:
            return self._logarithm(argument, 10 if name == r"\log" else None)
        if name == r"\exp":
            return self._noted(self._context.exp(argument))
        sine, cosine = self._sine(argument), self._sine(self._context.add(argument, self._HALF_PI))
        above, below = _AS_QUOTIENTS[name]
        values = {"sine": sine, "cosine": cosine, "one": Decimal(1)}
        return self.quotient(values[above], values[below]) if below != "one" else values[above]

    def _logarithm(self, argument: Decimal, base: int | None) -> Decimal:
        self._check_known(argument)
        if argument < 0:
            raise Undefined
        natural = self._context.ln(argument)
        return self._context.divide(natural, self._context.ln(Decimal(base))) if base else natural

    def _sine(self, argument: Decimal) -> Decimal:
        """By its series, within half a turn of zero."""
        turn = self._context.multiply(self._HALF_PI, Decimal(4))
        turns = self._context.divide(argument, turn).to_integral_value()
        reduced = self._context.subtract(argument, self._context.multiply(turn, turns))
        square = self._context.multiply(reduced, reduced)
        total = term = reduced
        for place in range(2, 100, 2):
            term = self._context.divide(self._context.multiply(term, square), Decimal(-place * (place + 1)))
            total = self._context.add(total, term)
            if abs(term) < Decimal("1e-62"):
                break
        return total

    def unknown(self, name: str, argument: Decimal) -> Decimal:
        """None: a rounded argument may not be the same twice."""
        raise Undefined

    def _check_known(self, value: Decimal) -> None:
        if abs(value) < self.largest * Decimal("1e-9"):
            raise Undefined


# --- comparison ----------------------------------------------------------------------------------

_RESIDUES = Residues()
_POINTS = (_RESIDUES, Residues(_RESIDUES.prime))


def compare(one: Node, other: Node) -> bool | None:
    """Whether two expressions are equal; None where it cannot be told here."""
    functions = one.functions() | other.functions()
    if functions and functions & (one.letters() | other.letters()):
        return None  # a function on one side, a factor on the other
    try:
        return bool(value_of(one, _RESIDUES) == value_of(other, _RESIDUES))
    except Undefined:
        pass
    try:
        return _compare_decimals(one, other)
    except (Undefined, DecimalException):
        return None


def proportional(one: Node, other: Node) -> bool:
    """Whether two expressions with variables differ by a constant factor only; raises Undefined."""
    if one.is_constant or other.is_constant:
        raise Undefined
    here, there = (field.quotient(value_of(one, field), value_of(other, field)) for field in _POINTS)
    return bool(here == there != 0)


def sign_of_ratio(one: Node, other: Node) -> int:
    """1 or -1, of two expressions that differ by a real factor; raises Undefined where it is not known."""
    field = Decimals()
    try:
        return 1 if value_of(one, field) * value_of(other, field) > 0 else -1
    except DecimalException:
        raise Undefined from None


def approximately(constant: Node) -> Fraction | None:
    """The value of an expression without variables to 20 digits and more; None where it is not known."""
    field = Decimals()
    try:
        value = value_of(constant, field)
    except (Undefined, DecimalException):
        return None
    return Fraction(value) if abs(value) * Decimal("1e20") > field.largest * Decimal("1e-20") else None


def _compare_decimals(one: Node, other: Node) -> bool | None:
    field = Decimals()
    left, right = value_of(one, field), value_of(other, field)
    difference = abs(left - right)
    if difference > field.largest * Decimal("1e-20"):
        return False
    constant = one.is_constant and other.is_constant
    close = difference <= max(abs(left), abs(right)) * Decimal("1e-40")
    return True if constant and close else None
