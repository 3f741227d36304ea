r"""Generated answers of every kind: each accepts its usual rewritings, and none accepts another of its kind.

A kind is a strategy of values and a way to write one as a gold. What must be accepted is the same value
in other words: spaces, `\dfrac`, `\left \right`, styles, thousands separators, a unit behind it, an equal
fraction, a decimal where it has an end.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.verify.math.quick import judge_quickly

EXAMPLES = settings(max_examples=40)

integers = st.integers(-(10**7), 10**7)
small = st.integers(-99, 99)
fractions = st.fractions(min_value=-50, max_value=50, max_denominator=60).filter(lambda f: f.denominator > 1)
decimals = st.tuples(st.integers(1, 10**6), st.integers(1, 5)).map(lambda d: Fraction(d[0], 10 ** d[1]))
elements = st.one_of(small.map(Fraction), fractions)


def is_accepted(gold: str, answer: str) -> bool:
    found = judge_quickly(gold, answer)
    assert found is not None, f"left to a worker: {gold!r} and {answer!r}"
    return found.status == "correct"


# --- how values are written ----------------------------------------------------------------------


def latex(value: Fraction, command: str = r"\frac") -> str:
    if value.denominator == 1:
        return str(value.numerator)
    sign = "-" if value < 0 else ""
    return f"{sign}{command}{{{abs(value.numerator)}}}{{{value.denominator}}}"


def ends(value: Fraction) -> bool:
    return 10**20 % value.denominator == 0


def point(value: Fraction) -> str:
    """A decimal with an end, written out."""
    places = next(n for n in range(21) if 10**n % value.denominator == 0)
    digits = str(abs(value.numerator) * 10**places // value.denominator).zfill(places + 1)
    sign = "-" if value < 0 else ""
    return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)


def joined(
    values: list[Fraction], opened: str, closed: str, command: str = r"\frac", comma: str = ", "
) -> str:
    return opened + comma.join(latex(value, command) for value in values) + closed


def matrix(rows: list[list[int]], kind: str = "pmatrix") -> str:
    return (
        rf"\begin{{{kind}}} " + r" \\ ".join(" & ".join(map(str, row)) for row in rows) + rf" \end{{{kind}}}"
    )


# --- what is the same in other words -------------------------------------------------------------


def around(text: str) -> list[str]:
    """Rewritings of any answer."""
    return [
        f" {text} ",
        f"${text}$",
        f"{text}.",
        rf"\({text}\)",
        text.replace(r"\frac", r"\dfrac"),
        text.replace(r"\frac", r"\tfrac"),
        text.replace(" ", r"\ "),
        rf"\displaystyle {text}",
    ]


def of_integer(value: int) -> list[str]:
    grouped = f"{value:,}"
    return [
        *around(str(value)),
        grouped,
        grouped.replace(",", "{,}"),
        grouped.replace(",", r"\,"),
        grouped.replace(",", r",\!"),
        f"{value}.0",
        rf"\text{{{value}}}",
        rf"\mathbf{{{value}}}",
        f"x = {value}",
        rf"{value} \text{{ cm}}",
        rf"{value}\text{{ square units}}",
        f"{value} apples",
        rf"{value}^\circ",
        rf"\frac{{{2 * value}}}{{2}}",
    ]


def of_fraction(value: Fraction) -> list[str]:
    text, above, below = latex(value), value.numerator, value.denominator
    return [
        *around(text),
        f"{above}/{below}",
        rf"\frac{{{above}}}{{{below}}}",
        rf"\frac{{{3 * above}}}{{{3 * below}}}",
        rf"\frac{{{-above}}}{{{-below}}}",
        f"y={text}",
        rf"{text}\text{{ m}}",
        *([point(value)] if ends(value) else []),
    ]


def of_decimal(value: Fraction) -> list[str]:
    text = point(value)
    return [*around(text), f"{text}0" if "." in text else f"{text}.0", latex(value),
            text if value < 0 else f"+{text}",
            text.removeprefix("0") if text.startswith("0.") else text]  # fmt: skip


def of_tuple(values: list[Fraction]) -> list[str]:
    text = joined(values, "(", ")")
    return [
        *around(text),
        joined(values, r"\left(", r"\right)"),
        joined(values, "( ", " )", comma=" , "),
        joined(values, "(", ")", comma=","),
        joined(values, r"\bigl(", r"\bigr)", command=r"\dfrac"),
        joined([2 * value / 2 for value in values], "(", ")"),
    ]


def of_set(values: list[Fraction]) -> list[str]:
    other_order = values[1:] + values[:1]
    return [
        *around(joined(values, r"\{", r"\}")),
        joined(other_order, r"\{", r"\}"),
        joined(values[::-1], r"\left\{", r"\right\}"),
        joined(other_order, "", ""),
        joined(values, r"\lbrace ", r"\rbrace"),
        " or ".join(f"x = {latex(value)}" for value in values),
        r" \text{ and } ".join(latex(value) for value in values),
    ]


def of_interval(ends_: tuple[int, int]) -> list[str]:
    low, high = ends_
    return [
        *around(f"[{low}, {high})"),
        rf"\left[{low}, {high}\right)",
        f"[{low},{high})",
        rf"x \in [{low}, {high})",
        rf"{low} \le x < {high}",
        f"{high} > x >= {low}",
    ]


def of_matrix(rows: list[list[int]]) -> list[str]:
    return [
        *around(matrix(rows)),
        matrix(rows, "bmatrix"),
        matrix(rows, "matrix"),
        rf"\left({matrix(rows, 'matrix')}\right)",
        matrix(rows).replace(" & ", "&"),
        "[" + ", ".join(str(row) for row in rows) + "]",
    ]


def of_percent(value: Fraction) -> list[str]:
    return [
        *around(rf"{point(value)}\%"),
        rf"{point(value)} \%",
        f"{point(value)}%",
        rf"{point(value)}\text{{ percent}}",
        point(value),
        point(value / 100),
        latex(value / 100),
    ]


def of_length(value: int) -> list[str]:
    return [
        *around(rf"{value} \text{{ cm}}"),
        f"{value} cm",
        rf"{value}\,\mathrm{{cm}}",
        rf"{value} \text{{ centimeters}}",
        str(value),
    ]


def interval_of(ends_: tuple[int, int]) -> str:
    return f"[{ends_[0]}, {ends_[1]})"


lists = st.lists(elements, min_size=2, max_size=4)
sets = st.lists(elements, min_size=2, max_size=4, unique=True)
matrices = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.lists(small, min_size=width, max_size=width), min_size=2, max_size=3)
)
intervals = st.tuples(small, small).filter(lambda pair: pair[0] < pair[1])

Kind = tuple[st.SearchStrategy[Any], Callable[[Any], str], Callable[[Any], list[str]], Callable[[Any], Any]]

KINDS: dict[str, Kind] = {  # values, the gold, its rewritings, and what tells two values apart
    "integer": (integers, str, of_integer, int),
    "fraction": (fractions, latex, of_fraction, Fraction),
    "decimal": (decimals, point, of_decimal, Fraction),
    "tuple": (lists, lambda values: joined(values, "(", ")"), of_tuple, tuple),
    "set": (sets, lambda values: joined(values, r"\{", r"\}"), of_set, frozenset),
    "interval": (intervals, interval_of, of_interval, tuple),
    "matrix": (matrices, matrix, of_matrix, lambda rows: tuple(map(tuple, rows))),
    "percent": (decimals, lambda value: rf"{point(value)}\%", of_percent, Fraction),
    "length": (integers, lambda value: rf"{value} \text{{ cm}}", of_length, int),
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_rewritings_are_accepted(kind: str) -> None:
    values, written, rewritings, _ = KINDS[kind]

    @EXAMPLES
    @given(value=values)
    def check(value: Any) -> None:
        gold = written(value)
        assert [other for other in rewritings(value) if not is_accepted(gold, other)] == []

    check()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_another_value_of_the_kind_is_refused(kind: str) -> None:
    values, written, _, identity = KINDS[kind]

    @EXAMPLES
    @given(one=values, other=values)
    def check(one: Any, other: Any) -> None:
        if identity(one) != identity(other):
            assert not is_accepted(written(one), written(other))

    check()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_equality_has_no_direction(kind: str) -> None:
    values, written, rewritings, _ = KINDS[kind]

    @EXAMPLES
    @given(value=values)
    def check(value: Any) -> None:
        gold = written(value)
        assert [other for other in rewritings(value) if not is_accepted(other, gold)] == []

    check()


@EXAMPLES
@given(value=integers, unit=st.sampled_from(["m", "kg", "hours", "dollars"]))
def test_another_unit_is_refused(value: int, unit: str) -> None:
    assert not is_accepted(rf"{value} \text{{ cm}}", rf"{value} \text{{ {unit}}}")


@EXAMPLES
@given(value=fractions.filter(lambda f: not ends(f)), places=st.integers(1, 5))
def test_a_short_decimal_is_no_value_without_an_end(value: Fraction, places: int) -> None:
    assert not is_accepted(latex(value), point(Fraction(round(value * 10**places), 10**places)))


@EXAMPLES
@given(ends_=intervals, brackets=st.sampled_from(["[]", "()", "(]"]))
def test_another_bracket_is_another_interval(ends_: tuple[int, int], brackets: str) -> None:
    assert not is_accepted(interval_of(ends_), f"{brackets[0]}{ends_[0]}, {ends_[1]}{brackets[1]}")


@EXAMPLES
@given(values=sets)
def test_a_list_with_one_more_or_one_less_is_refused(values: list[Fraction]) -> None:
    gold = joined(values, r"\{", r"\}")
    assert not is_accepted(gold, joined(values[1:], r"\{", r"\}"))
    assert not is_accepted(gold, joined([*values, Fraction(1001)], r"\{", r"\}"))
