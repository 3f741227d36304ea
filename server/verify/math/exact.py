r"""Reading a plain number exactly: integers, decimals, fractions, mixed numbers, powers of ten.

Everything is a `Fraction`; nothing is rounded, so that 0.5 equals 1/2 and 0.33
does not equal 1/3. What is not fully understood is None, never a guess.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction

from server.verify.math.tree import MAX_POWER_OF_TEN, Number

MAX_CHARACTERS = 1000  # int() of longer digit strings costs quadratic time
ROUNDED_PLACES = 6  # a decimal this long may stand for a value that has no end
ROUNDED_DIGITS = 3  # which are not all zeros: 0.000000 is no rounded value

_DECIMAL = r"(?:(?:[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d{0,2}(?: \d{3})+(?![\d/])|\d+)(?:\.\d*)?|\.\d+)"
_ARGUMENT = rf"(?:\{{\s*[+-]?\s*{_DECIMAL}\s*\}}|\d)"
_FRACTION = rf"\\frac\s*(?P<numerator>{_ARGUMENT})\s*(?P<denominator>{_ARGUMENT})"
_TIMES_TEN = r"\s*(?:\\times|\\cdot|\*)\s*10\s*\^\s*(?:\{\s*(?P<exponent>[+-]?\s*\d{1,3})\s*\}|(?P<digit>\d))"

_PLAIN = re.compile(_DECIMAL, re.ASCII)
_LATEX_FRACTION = re.compile(_FRACTION, re.ASCII)
_SLASH = re.compile(rf"(?P<numerator>{_DECIMAL})\s*/\s*(?P<denominator>{_DECIMAL})", re.ASCII)
_MIXED = re.compile(rf"(?P<whole>\d+)\s*{_FRACTION}", re.ASCII)
_MIXED_SLASH = re.compile(r"(?P<whole>\d+)\s+(?P<numerator>\d+)\s*/\s*(?P<denominator>\d+)", re.ASCII)
_SCIENTIFIC = re.compile(rf"(?P<mantissa>{_DECIMAL}){_TIMES_TEN}", re.ASCII)
_REPEATING = re.compile(r"(?P<head>\d*\.\d*)\s*\\overline\s*\{\s*(?P<period>\d+)\s*\}", re.ASCII)
_DOUBLE_FACTORIAL = re.compile(r"(\d{1,2})\s*!!", re.ASCII)
_WORDED = re.compile(
    rf"(?P<mantissa>{_DECIMAL})\s*(?:\\text\s*\{{\s*)?(?P<word>thousand|million|billion|trillion)\s*\}}?",
    re.ASCII,
)
_WORDS = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_FIRST = frozenset("0123456789.\\")  # how a number without its sign can begin
_E_NOTATION = re.compile(rf"(?P<mantissa>{_DECIMAL})[eE](?P<exponent>[+-]?\d{{1,3}})", re.ASCII)


def read_number(text: str) -> Number | None:
    """The number that all of the normalised `text` is, or None."""
    if len(text) > MAX_CHARACTERS or not text:
        return None
    negative = text[0] == "-"
    body = text[1:].lstrip() if text[0] in "+-" else text
    if body[:1] not in _FIRST:
        return None
    number = _read_plain(body) or _read_written_out(body)
    if number is None or not negative:
        return number
    return Number(text, -number.value, number.kind, number.places)


def _read_written_out(text: str) -> Number | None:
    """Anything but a plain decimal; a form is tried where the text has what it cannot do without."""
    for needed, read in _FORMS:
        if needed in text and (number := read(text)):
            return number
    return None


def _read_plain(text: str) -> Number | None:
    if text.isascii() and text.isdigit():
        return Number(text, Fraction(int(text)), "integer")
    if not _PLAIN.fullmatch(text):
        return None
    _, _, decimals = text.partition(".")
    return Number(text, _decimal(text), "decimal" if decimals else "integer", len(decimals))


def _read_fraction(text: str) -> Number | None:
    found = _LATEX_FRACTION.fullmatch(text) or _SLASH.fullmatch(text)
    return _quotient(found) if found else None


def _read_mixed(text: str) -> Number | None:
    found = _MIXED.fullmatch(text) or _MIXED_SLASH.fullmatch(text)
    part = _quotient(found) if found else None
    if found is None or part is None or not 0 < part.value < 1:
        return None  # 3\frac{7}{2} is a product as likely as a sum
    return Number(text, int(found["whole"]) + part.value, "mixed")


def _read_scientific(text: str) -> Number | None:
    found = _SCIENTIFIC.fullmatch(text) or _E_NOTATION.fullmatch(text)
    if not found:
        return None
    exponent = int((found["exponent"] or found.groupdict().get("digit") or "").replace(" ", ""))
    if abs(exponent) > MAX_POWER_OF_TEN:
        return None
    return Number(text, _decimal(found["mantissa"]) * Fraction(10) ** exponent, "scientific")


def _read_repeating(text: str) -> Number | None:
    found = _REPEATING.fullmatch(text)
    if not found:
        return None
    whole, _, decimals = found["head"].partition(".")
    period = Fraction(int(found["period"]), 10 ** len(found["period"]) - 1)
    value = Fraction(int(whole + decimals or "0")) + period
    return Number(text, value / 10 ** len(decimals), "repeating decimal")


def _read_double_factorial(text: str) -> Number | None:
    """`5!!` is 5 times 3 times 1, of numbers up to 99."""
    found = _DOUBLE_FACTORIAL.fullmatch(text)
    if not found:
        return None
    return Number(text, Fraction(math.prod(range(int(found.group(1)), 0, -2))), "double factorial")


def _read_worded(text: str) -> Number | None:
    """`1.5 million`."""
    found = _WORDED.fullmatch(text)
    if not found:
        return None
    return Number(text, _decimal(found["mantissa"]) * 10 ** _WORDS[found["word"]], "scientific")


_FORMS: tuple[tuple[str, Callable[[str], Number | None]], ...] = (
    ("^", _read_scientific),
    ("e", _read_scientific),
    ("E", _read_scientific),
    ("\\frac", _read_fraction),
    ("/", _read_fraction),
    ("\\frac", _read_mixed),
    ("/", _read_mixed),
    ("\\overline", _read_repeating),
    ("!!", _read_double_factorial),
    ("illion", _read_worded),
    ("thousand", _read_worded),
)


def _quotient(found: re.Match[str]) -> Number | None:
    numerator, denominator = _decimal(found["numerator"]), _decimal(found["denominator"])
    return Number(found.string, numerator / denominator, "fraction") if denominator else None


def _decimal(digits: str) -> Fraction:
    """The value of a decimal in any of the spellings above (signs, braces, thousands separators)."""
    whole, _, places = digits.strip("{} ").replace(",", "").replace(" ", "").partition(".")
    return Fraction(int(whole + places), 10 ** len(places)) if places else Fraction(int(whole))


def equal_numbers(one: Number, other: Number) -> str | None:
    """The rule by which two numbers are equal, or None; a long decimal may be a rounding."""
    if one.value == other.value:
        return one.kind
    return "rounded decimal" if _rounds(one, other) or _rounds(other, one) else None


def may_be_rounded(decimal: Number) -> bool:
    """Whether a decimal has the places and the significant digits to stand for a value without an end."""
    least = Fraction(10 ** (ROUNDED_DIGITS - 1), 10**decimal.places)
    return decimal.places >= ROUNDED_PLACES and abs(decimal.value) >= least


def _rounds(decimal: Number, endless: Number) -> bool:
    """Whether a long decimal is the other value, which has no end, rounded or cut off at its last place."""
    if not may_be_rounded(decimal) or endless.terminates:
        return False
    return abs(decimal.value - endless.value) < Fraction(1, 10**decimal.places)
