r"""Single values and relations compared by math-verify and sympy. Runs only in a jailed worker.

An expression is read whole or not at all: no number is ever picked out of a
text that failed to parse. Constants are compared by their relative difference
at 30 digits, so that tiny values are not all zero.

Rules taken over from the field, and where they differ from math-verify's defaults:
- a sum, integral, limit, gcd or determinant left unevaluated is no answer to a gold that has none;
- a decimal stands for a value without an end only if it has 6 or more places and is right in all of them;
- `i` is the imaginary unit, degrees inside a function are degrees.
"""

from __future__ import annotations

import re
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy
from latex2sympy2_extended.latex2sympy2 import (
    ConversionConfig,
    NormalizationConfig,
    _Latex2Sympy,
    normalize_latex,
)
from math_verify import verify

from server.verify.math.exact import may_be_rounded
from server.verify.math.judge import UnreadableAnswer, UnreadableGold
from server.verify.math.quick import NOT_READ, QUICK, NeedsAlgebra
from server.verify.math.tree import Answer, Number, Scalar

DIGITS = 30
_CONFIG = NormalizationConfig(
    basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none", equations=False
)
_UNEVALUATED = re.compile(
    r"\\(sum|prod|i*int|oint|lim|gcd|lcm|det|max|min|inf|sup|bigcup|bigcap|mod)(?![a-zA-Z])|\\frac\{d\}|\\begin\{[vV]matrix\}"
)
_EXPONENT = re.compile(r"\^\s*\{?\s*(\d+)")
MAX_SOLVED_EXPONENT = 6  # equations of a higher degree are compared, but never solved
_BARE_FUNCTION = re.compile(r"(?<![\\a-zA-Z])(sqrt|sin|cos|tan|cot|sec|csc|ln|log|exp|pi|infty)(?![a-zA-Z])")
_SIDE = re.compile(r"\^([+-])(?=\})")  # of a limit
_ROOT = re.compile(r"\\sqrt\s*\(([^()]*)\)")
_FUNCTION = r"\\(?:sin|cos|tan|cot|sec|csc|ln|log)(?:_(?:\w|\{[^{}]*\}))?(?:\s*\^\s*(?:\d|\{-?\d\}))?"
_SHORT = (
    r"\d+(?:\.\d+)?(?:\s*\^\\circ)?|(?:\d+(?:\.\d+)?)?[a-zA-Z](?!\s*/\s*\d)|\\frac\{[^{}]*\}\{[^{}]*\}"
    r"|\\(?:theta|alpha|beta|phi)(?=\s*(?:\\cdot|\\times|/\s*\\))"
)
_TURN = r"\s*(?:\d*\s*\\pi|\\frac\s*\{?\d*\s*\\pi)"  # \cos 2\cdot\pi/3 is of one angle
_ARGUMENT = re.compile(rf"({_FUNCTION})\s*({_SHORT})\s*(?=(?:\\cdot(?![a-z])|\\times|\*|/)(?!{_TURN}))")
# What the grammar takes for a mixed number, an argument or the end of the text, and is a product.
_PRODUCTS = (
    re.compile(r"(?<=[\d})\]!])\s*(?=\\binom)"),
    re.compile(r"(?<=\))\s*(?=[\d(])"),
    re.compile(r"(?<=\\pi)\s*(?=\()"),
)
_BINOMIAL = re.compile(r"(\\binom\s*\{[^{}]*\}\s*\{[^{}]*\})\s*(?=[\d(]|\\frac)")
_TIMES_NUMBER = re.compile(r"(?<![\w^_.\\])(\d+(?:\.\d+)?)\s*(?=\(\s*-?\d)")
_PRIMED = re.compile(r"([a-zA-Z])(?:_(\w|\{\w+\}))?('+)(?:_(\w|\{\w+\}))?")
_REAL, _IMAGINARY = sympy.Symbol("i", real=True), sympy.Symbol("i")


class _Converter(_Latex2Sympy):  # type: ignore[misc]  # has no types
    """math-verify's parser with exact decimals, in which `N` is not `n`."""

    def __init__(self) -> None:
        super().__init__(is_real=True, convert_degrees=True, config=ConversionConfig(lowercase_symbols=False))

    def parse_number(self, text: str) -> Any:
        """A decimal as the fraction that it is: a Float has 15 digits, too few to be compared."""
        exact = "e" not in text.lower()  # 1e99999 would be too long a number
        return sympy.Rational(text.replace(",", "")) if exact else super().parse_number(text)


class SymbolicAlgebra:
    """`judge.Algebra` on math-verify; stateless but for a small cache of parsed texts.

    With `evaluates`, `\\gcd(4, 6)` and other operators that were left standing answer their value.
    """

    def __init__(self, *, evaluates: bool = False) -> None:
        self._evaluates = evaluates

    def equal(self, gold: Scalar, answer: Scalar) -> str | None:
        """The rule by which two expressions are equal, or None; see the module."""
        with suppress(NeedsAlgebra):
            return QUICK.equal(gold, answer)
        left = _read_gold(gold)
        if not self._evaluates and _UNEVALUATED.search(answer.text) and not _UNEVALUATED.search(gold.text):
            return None
        right = _read_answer(answer)
        if self._evaluates and isinstance(left, sympy.Basic) and isinstance(right, sympy.Basic):
            left, right = _evaluated(left), _evaluated(right)
        places = [side.places for side in (gold, answer) if isinstance(side, Number) and may_be_rounded(side)]
        return _equal_expressions(left, right, max(places, default=0))

    def related(self, gold: Answer, answer: Answer) -> str | None:
        """The rule by which two relations, intervals or unions are the same, or None."""
        with suppress(NeedsAlgebra):
            return QUICK.related(gold, answer)
        left, right = _read_gold(gold), _read_answer(answer)
        if isinstance(left, sympy.Eq) and isinstance(right, sympy.Eq):
            if _proportional(left.lhs - left.rhs, right.lhs - right.rhs):
                return "same equation"
            powers = _EXPONENT.findall(gold.text + " " + answer.text)
            if any(int(power) > MAX_SOLVED_EXPONENT for power in powers):
                return None
        same = verify(left, right, timeout_seconds=None, allow_set_relation_comp=True)
        return "same relation or set" if same else None

    def check_gold(self, gold: Answer) -> None:
        """Raises UnreadableGold unless `gold` can be read."""
        if not isinstance(gold, Number):
            _read_gold(gold)

    def is_constant(self, answer: Answer) -> bool:
        """Whether `answer` can be read and has no variable."""
        if isinstance(answer, Number):
            return True
        parsed = parse(answer.text)
        return isinstance(parsed, sympy.Basic) and not parsed.free_symbols

    def approximately(self, constant: Answer) -> Fraction | None:
        """The value of `constant` to 20 digits and more, None where that is no real number."""
        with suppress(NeedsAlgebra):
            return QUICK.approximately(constant)
        value = _value_at(parse(constant.text), {})
        return Fraction(str(value)) if value is not None and value.is_real else None


def _evaluated(expression: Any) -> Any:
    """`expression` with its operators worked out; decimals in it are exact, so that gcd(2.4, 3.6) is 6/5."""
    exact = expression.replace(
        lambda part: isinstance(part, sympy.Float), lambda part: sympy.Rational(str(part))
    )
    return exact.doit()


def _parsed(answer: Answer) -> Any:
    """`5!!` is 15 here, and the factorial of a factorial for the parser."""
    if isinstance(answer, Number) and answer.kind == "double factorial":
        return sympy.Integer(int(answer.value))
    return parse(answer.text)


def _read_gold(gold: Answer) -> Any:
    parsed = _parsed(gold)
    if parsed is None:
        raise UnreadableGold("the gold is no expression that can be read")
    return parsed


def _read_answer(answer: Answer) -> Any:
    parsed = _parsed(answer)
    if parsed is None:
        raise UnreadableAnswer("the answer is no expression that can be read")
    return parsed


@lru_cache(maxsize=256)
def parse(text: str) -> Any:
    """The sympy object that all of the normalised `text` is, or None."""
    if not text or NOT_READ.search(text):
        return None
    prepared = _prepared(text)
    if "'" in prepared:
        return None  # the grammar would drop it
    try:
        parsed = _Converter().parse(normalize_latex(prepared, config=_CONFIG))
    except MemoryError:
        raise  # a budget was used up: nothing is known of the text
    except Exception:  # noqa: BLE001 - the grammar raises bare Exception, sympy anything: all mean "not read"
        return None
    if isinstance(parsed, sympy.MatrixExpr):
        return parsed.doit()
    if isinstance(parsed, sympy.Expr):
        return _with_real_roots(parsed.subs({_REAL: sympy.I, _IMAGINARY: sympy.I}))
    return parsed


def _prepared(text: str) -> str:
    """The normalised text in the words of the grammar, with products and arguments as they are meant."""
    text = _ROOT.sub(r"\\sqrt{\1}", _BARE_FUNCTION.sub(r"\\\1 ", text))
    text = _SIDE.sub(r"^{\1}", text)
    text = _ARGUMENT.sub(r"\1(\2)", text)
    for product in _PRODUCTS:
        text = product.sub(r"\\cdot ", text)
    text = _TIMES_NUMBER.sub(r"\1\\cdot ", _BINOMIAL.sub(r"\1\\cdot ", text))
    return _PRIMED.sub(_without_primes, text)


def _without_primes(found: re.Match[str]) -> str:
    """`f''_1` as a letter of its own, which the grammar tells from `f_1`."""
    letter, before, primes, behind = found.groups(default="")
    return f"{letter}_{{{(before + behind).strip('{}')}{'p' * len(primes)}rime}}"


def _with_real_roots(expression: sympy.Expr) -> sympy.Expr:
    """`expression` with each odd root of a negative number as the real one: the cube root of -8 is -2."""
    return expression.replace(
        lambda part: part.is_Pow and part.base.is_negative and part.exp.is_Rational and part.exp.q % 2 == 1,
        lambda part: (-1) ** part.exp.p * (-part.base) ** part.exp,
    )


def _equal_expressions(gold: Any, answer: Any, places: int) -> str | None:
    """`places` are those of the decimal that one side is, if one is that may have been rounded; else 0."""
    gold, answer = _without_remainders(gold), _without_remainders(answer)
    if isinstance(gold, sympy.Expr) and isinstance(answer, sympy.Expr):
        if not gold.free_symbols and not answer.free_symbols:
            return _equal_constants(gold, answer, places)
        if _differ_somewhere(gold, answer):
            return None
    if verify(gold, answer, timeout_seconds=None):
        return "symbolic"
    return "symbolic, of positive variables" if _equal_where_positive(gold, answer) else None


def _without_remainders(side: Any) -> Any:
    """A remainder that was left standing has no value that could be compared."""
    return side.doit() if isinstance(side, sympy.Basic) and side.has(sympy.Mod) else side


def _equal_where_positive(gold: Any, answer: Any) -> bool:
    """Whether two expressions are one for positive variables, and nowhere two different real numbers.

    So `\\sqrt{1/n}` is `1/\\sqrt{n}`, but `|x|` and `\\sqrt{x^2}` are not `x`.
    """
    if not (isinstance(gold, sympy.Expr) and isinstance(answer, sympy.Expr)):
        return False
    if gold.free_symbols != answer.free_symbols or _differ_as_reals(gold, answer):
        return False
    positive = {symbol: sympy.Dummy(str(symbol), positive=True) for symbol in gold.free_symbols}
    return bool(sympy.simplify(gold.subs(positive) - answer.subs(positive)) == 0)


def _equal_constants(gold: sympy.Expr, answer: sympy.Expr, places: int) -> str | None:
    if gold.is_Rational and answer.is_Rational:
        return "exact value" if gold == answer else None
    left, right = gold.evalf(DIGITS), answer.evalf(DIGITS)
    if not (left.is_number and right.is_number and left.is_finite and right.is_finite):
        return "symbolic" if gold == answer else None
    difference = abs(left - right)
    if _close(left, right):
        return f"equal to {DIGITS - 5} digits"
    if places and not _both_end(gold, answer) and difference < sympy.Float(10) ** -places:
        return "rounded decimal"
    return "symbolic" if min(abs(left), abs(right)) == 0 and sympy.simplify(gold - answer) == 0 else None


def _both_end(gold: sympy.Expr, answer: sympy.Expr) -> bool:
    """Whether the decimal expansions of two numbers have an end: denominators that divide a power of ten."""
    return all(
        side.is_Rational and pow(10, int(side.q).bit_length(), int(side.q)) == 0 for side in (gold, answer)
    )


def _differ_somewhere(gold: sympy.Expr, answer: sympy.Expr) -> bool:
    """Whether the two differ at one of a few points: a cheap proof that they are not the same.

    Points are positive, so that laws which hold only there (logarithms, roots) are not held
    against an answer.
    """
    for point in _points(gold, answer):
        left, right = _value_at(gold, point), _value_at(answer, point)
        if left is not None and right is not None and not _close(left, right):
            return True
    return False


def _differ_as_reals(gold: sympy.Expr, answer: sympy.Expr) -> bool:
    """Whether two expressions are different real numbers at a point with negative coordinates."""
    symbols = sorted(gold.free_symbols, key=str)
    for signs in ([-1] * len(symbols), [(-1) ** place for place in range(len(symbols))]):
        point = {
            symbol: sign * sympy.Rational(7 * place + 11, 13)
            for place, (symbol, sign) in enumerate(zip(symbols, signs, strict=True))
        }
        left, right = _value_at(gold, point), _value_at(answer, point)
        if (
            left is not None
            and right is not None
            and left.is_real
            and right.is_real
            and not _close(left, right)
        ):
            return True
    return False


def _proportional(gold: sympy.Expr, answer: sympy.Expr) -> bool:
    """Whether two expressions differ by a constant factor only, so that both are zero together."""
    ratios = []
    for point in _points(gold, answer):
        left, right = _value_at(gold, point), _value_at(answer, point)
        if left and right:
            ratios.append(left / right)
    if len(ratios) < 2 or not _close(ratios[0], ratios[1]):
        return False
    return not sympy.simplify(gold / answer).free_symbols


def _points(gold: sympy.Expr, answer: sympy.Expr) -> list[dict[Any, Any]]:
    """Two points at which to compare expressions."""
    symbols = sorted(gold.free_symbols | answer.free_symbols, key=str)
    return [
        {symbol: sympy.Rational(7 * k + 11 + 5 * shift, 13 + 3 * shift) for k, symbol in enumerate(symbols)}
        for shift in (0, 1)
    ]


def _close(left: Any, right: Any) -> bool:
    """Whether two numbers agree in all but the last five of their digits."""
    return bool(abs(left - right) <= max(abs(left), abs(right)) * sympy.Float(10) ** (5 - DIGITS))


def _value_at(expression: sympy.Expr, point: dict[Any, Any]) -> Any:
    """The finite number that `expression` is at `point`, or None."""
    try:
        value = expression.subs(point).evalf(DIGITS)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - sympy raises many kinds on undefined points; no value is then no evidence
        return None
    return value if value.is_number and value.is_finite else None
