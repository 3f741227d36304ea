r"""What is refused before any symbolic work: texts whose parsing or evaluation can explode.

The guards keep honest work cheap; the jail's CPU and memory limits are what
makes hostile work harmless. Every check is linear in the text. No sympy here.
"""

from __future__ import annotations

import math
import re

MAX_CHARACTERS = 2000
MAX_DEPTH = 12  # the LaTeX grammar backtracks exponentially over nested parentheses
MAX_DIGITS = 1000
MAX_EXPONENT = 10_000
MAX_FACTORIAL = 5_000
MAX_OPERATORS = 250
MAX_ELEMENTS = 100
MAX_ATOMS = 300  # letters, numbers and commands: `xxxx` is a product of four

_DIGITS = re.compile(r"\d+")
_OPERATOR = re.compile(r"[-+*/^!=<>|]|\\(?:times|cdot|frac|sqrt|sum|int|prod)(?![a-zA-Z])")
_ATOM = re.compile(r"\\[a-zA-Z]+|[a-zA-Z]|\d+")
_BAR = re.compile(r"\|")
_SEPARATOR = re.compile(r"[,;&]|\\\\")
_COUNTED = (
    (_OPERATOR, MAX_OPERATORS, "operators"),
    (_ATOM, MAX_ATOMS, "letters and numbers"),
    (_BAR, MAX_DEPTH, "bars"),
    (_SEPARATOR, MAX_ELEMENTS, "elements"),
)
_EXPONENT = re.compile(r"\^\s*(?:\{|\()?\s*-?\s*(?:(\d+)|\\frac)")
_TOWER = re.compile(r"\^\s*[{(]?\s*-?\s*(?P<base>\d+)\s*\^\s*[{(]?\s*-?\s*(?P<power>\d+)(?P<more>\s*\^)?")
_POWER_OF_POWER = re.compile(r"[)}]\s*\^\s*[{(]?\s*(\d{2,5})")
_FACTORIAL = re.compile(r"(?P<digits>\d*)\s*(?P<group>[)}\]])?\s*!")
_BINOMIAL_POWER = re.compile(r"\^\s*[{(]?\s*\\binom\s*\{(\d+)\}\s*\{(\d+)\}(\s*\^)?")
_GROWING = re.compile(r"\\(?:binom|Gamma)\s*(?:\{\d+\}\s*)?[{(]\s*\\(?:binom|Gamma)(?![a-zA-Z])")
_CHOICE = re.compile(r"\\(?:binom|Gamma|operatorname)\b[^a-zA-Z]*?(\d{5,})")


def complexity_fault(text: str) -> str | None:
    """Why the normalised `text` is too complex to be handed to computer algebra, or None.

    The reason is a short clause for a person, such as "an exponent above 10000".
    """
    if len(text) > MAX_CHARACTERS:
        return f"more than {MAX_CHARACTERS} characters"
    if len(text) > MAX_DEPTH and nesting_depth(text) > MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH}"
    if len(text) > MAX_DIGITS and any(len(run) > MAX_DIGITS for run in _DIGITS.findall(text)):
        return f"a number of more than {MAX_DIGITS} digits"
    for pattern, limit, what in _COUNTED:
        if len(text) > limit and len(pattern.findall(text)) > limit:
            return f"more than {limit} {what}"
    exponent = _exponent_fault(text) if "^" in text else None
    return exponent or (_factorial_fault(text) if "!" in text else None) or _binomial_fault(text)


def nesting_depth(text: str) -> int:
    """The deepest nesting of brackets of any kind; closers without an opener do not count."""
    depth = deepest = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}" and depth:
            depth -= 1
    return deepest


def _exponent_fault(text: str) -> str | None:
    too_large = f"an exponent above {MAX_EXPONENT}"
    if any(exceeds(digits, MAX_EXPONENT) for digits in _EXPONENT.findall(text)):
        return too_large
    for tower in _TOWER.finditer(text):
        if tower["more"] or _power_exceeds(tower["base"], tower["power"], MAX_EXPONENT):
            return too_large
    if any(more or _choices_exceed(*numbers) for *numbers, more in _BINOMIAL_POWER.findall(text)):
        return too_large
    return _repeated_power_fault(text)


def _repeated_power_fault(text: str) -> str | None:
    """Powers of powers multiply: `((2^{999})^{999})^{999}` has a small number in every exponent."""
    product = 1
    for found in _POWER_OF_POWER.finditer(text):
        product *= int(found.group(1))
    return "powers of powers" if product > MAX_EXPONENT * 10 else None


def _factorial_fault(text: str) -> str | None:
    for found in _FACTORIAL.finditer(text):
        if exceeds(found["digits"], MAX_FACTORIAL):
            return f"a factorial above {MAX_FACTORIAL}!"
        if found["group"] and not re.search(r"[a-zA-Z]", text):
            return "a factorial of an expression"
    if re.search(r"!\s*!", text):
        return "a factorial of a factorial"
    return None


def _binomial_fault(text: str) -> str | None:
    if "\\" not in text:
        return None
    if _GROWING.search(text):
        return "a binomial of a binomial, or a gamma of a gamma"
    return "a binomial or gamma above 9999" if _CHOICE.search(text) else None


def exceeds(digits: str, limit: int) -> bool:
    """Whether a string of decimal digits is a number above `limit`, without converting long ones."""
    stripped = digits.lstrip("0")
    return len(stripped) > len(str(limit)) or int(stripped or "0") > limit


def _choices_exceed(items: str, chosen: str) -> bool:
    """Whether a binomial, as an exponent, is above the largest exponent; four digits are its most anyway."""
    return len(items) > 4 or len(chosen) > 4 or math.comb(int(items), int(chosen)) > MAX_EXPONENT


def _power_exceeds(base: str, power: str, limit: int) -> bool:
    if base.strip("0") in {"", "1"} and int(base[:4]) <= 1:
        return False
    return exceeds(base, limit) or exceeds(power, 20) or int(base) ** int(power) > limit
