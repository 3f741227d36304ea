r"""What may stand around a value without being part of it: a name, a currency, a unit, a base.

    x = 12 \text{ cm}      name `x`, unit `cm`
    \$18.90                unit `dollar`
    90^\circ               unit `degree`
    52_8                   unit `base 8`
    35\%                   percent

Policy: an annotation that only one side has is no difference (a gold `12` accepts
`12 \text{ cm}`); two annotations must agree, so `5 cm` is never `5 m`. A percent
sign that only one side has may mean the number or a hundredth of it: `35\%`
equals both `35` and `0.35`; with the sign on both sides the numbers are compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORMS = {
    "millimeter": "mm millimeter millimeters millimetre millimetres",
    "centimeter": "cm centimeter centimeters centimetre centimetres",
    "meter": "m meter meters metre metres",
    "kilometer": "km kilometer kilometers kilometre kilometres",
    "inch": "in inch inches",
    "foot": "ft foot feet",
    "yard": "yd yard yards",
    "mile": "mi mile miles",
    "second": "s sec secs second seconds",
    "minute": "min mins minute minutes",
    "hour": "h hr hrs hour hours",
    "day": "day days",
    "week": "week weeks",
    "month": "month months",
    "year": "year years",
    "gram": "g gram grams",
    "kilogram": "kg kilogram kilograms",
    "pound": "lb lbs pound pounds",
    "ounce": "oz ounce ounces",
    "milliliter": "ml mL milliliter milliliters",
    "liter": "l L liter liters litre litres",
    "gallon": "gallon gallons",
    "dollar": "dollar dollars usd USD",
    "cent": "cent cents",
    "euro": "euro euros",
    "degree": "degree degrees deg",
    "celsius": "celsius",
    "fahrenheit": "fahrenheit",
    "mile per hour": "mph",
    "kilometer per hour": "kph kmh",
    "newton": "N newton newtons",
    "people": "people persons person students student children",
    "way": "way ways",
    "apple": "apple apples",
}
_CANONICAL = {form: name for name, forms in _FORMS.items() for form in forms.split()}
_NEUTRAL = frozenset({"unit", "units", "square", "sq", "cubic", "cu", "per", "of"})
# Bare (outside \text) these letters are variables, and "in" is a word.
_ONLY_IN_TEXT = frozenset({"m", "s", "h", "g", "l", "L", "N", "in", "of"})

_VARIABLE = r"(?:\\[a-zA-Z]+|[a-zA-Z])(?:_(?:\{\w+\}|\w))?'*"
_VALUE_OF = r"(?![ei])[a-zA-Z]'*\(\s*-?\d+(?:\s*,\s*-?\d+)*\s*\)"  # f(3)
_GEOMETRIC = r"(?:[A-Z]{2,4}|[A-Z]_(?:\{\w+\}|\w)|[A-Z])"
_MEASURE = (
    rf"(?:\|\s*{_GEOMETRIC}\s*\||m?\s*\\angle\s*[A-Z]{{1,3}}|\\frac\s*\{{\s*{_GEOMETRIC}\s*\}}\s*\{{\s*{_GEOMETRIC}\s*\}}"
    rf"|{_GEOMETRIC}\s*[:/]\s*{_GEOMETRIC}|[A-Z]{{2,4}})"
)
_NAME = re.compile(
    rf"(?!\\pi(?![a-zA-Z]))(?:{_VARIABLE}(?:\(\s*{_VARIABLE}\s*\))?|{_VALUE_OF}|\(\s*{_VARIABLE}(?:\s*,\s*{_VARIABLE})+\s*\)"
    rf"|\\text\s*\{{[^{{}}]*\}}|{_MEASURE})"
    r"\s*(?P<sign>=|\\(?:in|approx)(?![a-zA-Z]))\s*(?=\S)"
)
_NAMED_BEHIND = re.compile(r"(?P<value>[^=<>a-zA-Z]+?)\s*=\s*(?P<name>[a-zA-Z])")
_POINT = re.compile(r"(?P<name>[A-Z])'?\s*(?P<value>\([^(),]*,[^()]*\))")
_APPROXIMATELY = re.compile(r"\\approx\s*")
_CURRENCY = re.compile(r"(?P<sign>[+-]?)\s*(?:\\\$|[€£])\s*")
_PERCENT = re.compile(r"\s*(?:\\%|percent|\\text\s*\{\s*(?:percent|\\%)\s*\})$")
_DEGREE = re.compile(r"\s*\^\\circ\s*(?:(?:\\text\s*\{\s*)?(?P<scale>[CF])\s*\}?)?$")
_SCALES = {"": "degree", "C": "degree celsius", "F": "degree fahrenheit"}
_OF_AN_ANGLE = re.compile(r"(?<![a-zA-Z])\\?(?:sin|cos|tan|cot|sec|csc)(?![a-zA-Z])[^=]*$")
_HALF_OF_A_DAY = re.compile(r"(?<=\d)\s*(?:\\text\s*\{\s*)?(?P<half>[ap])\.?\s?m\.?\s*\}?$", re.IGNORECASE)
_ENDS_A_HALF = frozenset("mM.}")
_BASE = re.compile(
    r"(?P<digits>\d[0-9A-Z]*)\s*_\s*(?:\{\s*)?(?:\\text\s*\{\s*)?(?P<base>\d{1,2}|ten|two|eight)\s*(?:\}\s*)*"
)
_ANNOTATION = re.compile(r"[a-zA-Z\\=_€£]")  # one of these is in each of them
_POWER = r"(?P<power>\s*\^\s*(?:\{[23]\}|[23]))?$"
_TEXT_UNIT = re.compile(r"\s*\\text\s*\{(?P<words>(?:[a-zA-Z ./]|\^[23])*)\}" + _POWER)
_BARE_UNIT = re.compile(r"(?<=[\d}])\s+(?P<words>[a-zA-Z]+(?: [a-zA-Z]+){0,2})" + _POWER)
_BARE_WORDS = re.compile(r"(?<=\d)\s+(?P<words>[a-z]{3,}(?: [a-z]{3,}){0,2})$")
_CLOSED = re.compile(r"(?<!\\)\}$")  # a fraction or a root, but no set
_CHANGES_MEANING_TEXT = (
    "or and not no nor more less fewer least most than to about if when unless only except times mod modulo "
    "dozen hundred thousand million billion trillion half twice squared cubed over by choose "
    "sin cos tan cot sec csc log exp sqrt infty"
)
_CHANGES_MEANING = frozenset(_CHANGES_MEANING_TEXT.split())
_BASE_WORDS = {"ten": "10", "two": "2", "eight": "8"}


@dataclass(frozen=True, slots=True)
class Annotated:
    """A value's text without its annotations; `unit` is empty where none was written or known."""

    value: str
    name: str = ""
    unit: str = ""
    percent: bool = False
    approximate: bool = False


def annotated(text: str) -> Annotated:
    """The normalised `text` taken apart into name, value and unit.

    Words behind a digit are a unit even if they are in no table ("12 marbles"), unless
    they change what is said ("12 or more", "12 million").
    """
    if not _ANNOTATION.search(text):
        return Annotated(text)
    name, value = split_name(text)
    approximate = value.startswith(r"\approx")
    value = _APPROXIMATELY.sub("", value, count=1) if approximate else value
    value, unit = split_unit(value)
    if not unit:
        value, unit = _split_unknown_unit(value)
    percent = _PERCENT.search(value)
    value = value[: percent.start()] if percent else value
    return Annotated(value, name, unit, percent is not None, approximate)


def split_name(text: str) -> tuple[str, str]:
    r"""The name before `=` or `\in` if the text begins with a plain one, and the rest.

    Also `5 = x`, and the point `P(1, 2)`.
    """
    equated = "=" in text
    found = _NAME.match(text) if equated or r"\in" in text or r"\approx" in text else None
    if not found:
        turned = (_NAMED_BEHIND.fullmatch(text) if equated else None) or _POINT.fullmatch(text)
        return (turned["name"], turned["value"]) if turned else ("", text)
    sign = r"\approx" if found["sign"] == r"\approx" else ""
    return text[: found.start("sign")].strip(), sign + text[found.end() :]


def split_unit(text: str) -> tuple[str, str]:
    """The text before a known unit, and the unit's canonical name."""
    if based := _BASE.fullmatch(text):
        base = _BASE_WORDS.get(based["base"], based["base"])
        return based["digits"], f"base {base}"
    if currency := _CURRENCY.match(text):
        return currency["sign"] + split_unit(text[currency.end() :])[0], "dollar"
    if (degree := _DEGREE.search(text)) and not _OF_AN_ANGLE.search(text):
        return text[: degree.start()], _SCALES[degree["scale"] or ""]
    return _split_half_of_a_day(text) or _split_word_unit(text)


def _split_half_of_a_day(text: str) -> tuple[str, str] | None:
    """`9:30 AM`; letters that touch a number without a colon are a product."""
    found = _HALF_OF_A_DAY.search(text) if text[-1:] in _ENDS_A_HALF else None
    if found is None or (found.group()[0].isalpha() and ":" not in text):
        return None
    return text[: found.start()], f"{found['half'].lower()}m"


def _split_word_unit(text: str) -> tuple[str, str]:
    found = _TEXT_UNIT.search(text)
    bare = None if found else _BARE_UNIT.search(text)
    match = found or bare
    if match is None or match.start() == 0:
        return text, ""
    unit = _canonical(match["words"], match["power"] or "", bare=bare is not None)
    return (text, "") if unit is None else (text[: match.start()].rstrip(), unit)


def _split_unknown_unit(text: str) -> tuple[str, str]:
    found = _TEXT_UNIT.search(text) or _BARE_WORDS.search(text)
    before = text[: found.start()] if found else ""
    if not found or not (before[-1:].isdigit() or _CLOSED.search(before)):
        return text, ""
    words = found["words"].lower().split()
    if not words or _CHANGES_MEANING.intersection(words):
        return text, ""
    return text[: found.start()].rstrip(), " ".join(words)


def _canonical(words: str, power: str, *, bare: bool) -> str | None:
    """The unit that `words` name, "" for a neutral one ("square units"), None if it is no unit."""
    listed = words.replace(".", " ").replace("/", " per ").split()
    if not listed or not all(_is_unit_word(word, bare=bare) for word in listed):
        return None
    counted = [word for word in listed if word.lower() not in _NEUTRAL]
    names = [_canonical_word(*word.partition("^")) for word in counted]
    dimension = power.strip("^{} ") or {"square": "2", "sq": "2", "cubic": "3", "cu": "3"}.get(listed[0], "")
    return " per ".join(names) + (f"^{dimension}" if names and dimension else "")


def _canonical_word(word: str, sign: str, power: str) -> str:
    return (_CANONICAL.get(word) or _CANONICAL[word.lower()]) + sign + power


def _is_unit_word(word: str, *, bare: bool) -> bool:
    word = word.partition("^")[0]
    if bare and word in _ONLY_IN_TEXT:
        return False
    return word.lower() in _NEUTRAL or word in _CANONICAL or (len(word) > 1 and word.lower() in _CANONICAL)
