r"""Reading a plain number exactly: integers, decimals, fractions, mixed numbers, powers of ten.

Everything is a `Fraction`; nothing is rounded, so that 0.5 equals 1/2 and 0.33
does not equal 1/3. What is not fully understood is None, never a guess.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

MAX_CHARACTERS = 1000  # int() of longer digit strings costs quadratic time
MAX_POWER_OF_TEN = 300

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
_E_NOTATION = re.compile(rf"(?P<mantissa>{_DECIMAL})[eE](?P<exponent>[+-]?\d{{1,3}})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Number:
    """An exact value and how it was written.

    `kind` is "integer", "decimal", "fraction", "mixed", "scientific" or
    "repeating decimal";
    `places` counts the digits after the point of a decimal, else it is 0.
    """

    value: Fraction
    kind: str
    places: int = 0

    @property
    def terminates(self) -> bool:
        """Whether the decimal expansion of the value ends."""
        return bool(10**MAX_POWER_OF_TEN % self.value.denominator == 0)


def read_number(text: str) -> Number | None:
    """The number that all of the normalised `text` is, or None."""
    if len(text) > MAX_CHARACTERS or not text:
        return None
    negative = text[0] == "-"
    body = text[1:].lstrip() if text[0] in "+-" else text
    number = _read_plain(body) or _read_scientific(body) or _read_fraction(body) or _read_mixed(body)
    number = number or _read_repeating(body) or _read_double_factorial(body)
    if number is None or not negative:
        return number
    return Number(-number.value, number.kind, number.places)


def _read_plain(text: str) -> Number | None:
    if not _PLAIN.fullmatch(text):
        return None
    _, _, decimals = text.partition(".")
    return Number(_decimal(text), "decimal" if decimals else "integer", len(decimals))


def _read_fraction(text: str) -> Number | None:
    found = _LATEX_FRACTION.fullmatch(text) or _SLASH.fullmatch(text)
    return _quotient(found) if found else None


def _read_mixed(text: str) -> Number | None:
    found = _MIXED.fullmatch(text) or _MIXED_SLASH.fullmatch(text)
    part = _quotient(found) if found else None
    if found is None or part is None or not 0 < part.value < 1:
        return None  # 3\frac{7}{2} is a product as likely as a sum
    return Number(int(found["whole"]) + part.value, "mixed")


def _read_scientific(text: str) -> Number | None:
    found = _SCIENTIFIC.fullmatch(text) or _E_NOTATION.fullmatch(text)
    if not found:
        return None
    exponent = int((found["exponent"] or found.groupdict().get("digit") or "").replace(" ", ""))
    if abs(exponent) > MAX_POWER_OF_TEN:
        return None
    return Number(_decimal(found["mantissa"]) * Fraction(10) ** exponent, "scientific")


def _read_repeating(text: str) -> Number | None:
    found = _REPEATING.fullmatch(text)
    if not found:
        return None
    whole, _, decimals = found["head"].partition(".")
    period = Fraction(int(found["period"]), 10 ** len(found["period"]) - 1)
    value = Fraction(int(whole + decimals or "0")) + period
    return Number(value / 10 ** len(decimals), "repeating decimal")


def _read_double_factorial(text: str) -> Number | None:
    """`5!!` is 5 times 3 times 1, of numbers up to 99."""
    found = re.fullmatch(r"(\d{1,2})\s*!!", text, re.ASCII)
    return (
        Number(Fraction(math.prod(range(int(found.group(1)), 0, -2))), "double factorial") if found else None
    )


def _quotient(found: re.Match[str]) -> Number | None:
    numerator, denominator = _decimal(found["numerator"]), _decimal(found["denominator"])
    return Number(numerator / denominator, "fraction") if denominator else None


def _decimal(digits: str) -> Fraction:
    """The value of a decimal in any of the spellings above (signs, braces, thousands separators)."""
    digits = digits.strip("{} ").replace(",", "").replace(" ", "").removesuffix(".")
    return Fraction(digits)
