"""Sets of numbers by their other names: as the intervals that they are, and never as others."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.verify.math.quick import judge_quickly
from server.verify.math.reading import read
from server.verify.math.regions import region_of, set_named, without_turned_brackets
from server.verify.math.tree import shown

ENDS = st.tuples(st.integers(-99, 99), st.integers(-99, 99)).filter(lambda pair: pair[0] < pair[1])


def is_accepted(gold: str, answer: str) -> bool:
    found = judge_quickly(gold, answer)
    return found is not None and found.status == "correct"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("]1, 2[", "(1, 2)"),
        ("[1, 2[", "[1, 2)"),
        ("]1, 2]", "(1, 2]"),
        (r"]1, 2[ \cup ]3, 4]", r"(1, 2) \cup (3, 4]"),
        (r"x \in ]1, 2[", r"x \in (1, 2)"),
        ("[1, 2]", "[1, 2]"),
        ("[[1, 2], [3, 4]]", "[[1, 2], [3, 4]]"),
        (r"a[0] + b[1]", r"a[0] + b[1]"),
    ],
)
def test_brackets_that_look_away(text: str, written: str) -> None:
    assert without_turned_brackets(text) == written


@pytest.mark.parametrize(
    "words", ["all real numbers", "all reals", "no solution", "no real solutions", "the empty set"]
)
def test_words_that_name_a_set(words: str) -> None:
    assert set_named(words) is not None


@pytest.mark.parametrize(
    "words", ["all integers", "one solution", "no", "not all real numbers", "real", "a set"]
)
def test_words_that_name_none(words: str) -> None:
    assert set_named(words) is None


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("x < 1 or x > 3", r"(-\infty, 1) \cup (3, \infty)"),
        ("x < 1, x > 3", r"(-\infty, 1) \cup (3, \infty)"),
        ("x > 1 and x < 3", "(1, 3)"),
        (r"x \ge 1, x < 3", "[1, 3)"),
        ("x < 1 and x > 3", None),
        ("x > 1, x > 3", None),
        ("x < 1 or y > 3", None),
        ("x < 1 or x = 3", None),
        ("x > a, x < b", None),
    ],
)
def test_inequalities_as_a_region(text: str, region: str | None) -> None:
    found = region_of(read(text))
    assert (found and found[0].text) == region


@given(ENDS)
def test_either_and_both_are_different(ends: tuple[int, int]) -> None:
    low, high = ends
    either, both = f"x < {low} or x > {high}", f"x > {low} and x < {high}"
    assert is_accepted(rf"(-\infty, {low}) \cup ({high}, \infty)", either)
    assert is_accepted(f"({low}, {high})", both)
    assert not is_accepted(either, f"x < {low} and x > {high}")
    assert not is_accepted(f"({low}, {high})", either)
    assert not is_accepted(f"[{low}, {high}]", both)


@given(st.lists(st.integers(-99, 99), min_size=1, max_size=4, unique=True), st.integers(-99, 99))
def test_the_real_line_without_points(points: list[int], other: int) -> None:
    answer = rf"\mathbb{{R}} \setminus \{{{', '.join(map(str, points))}\}}"
    ends = [r"-\infty", *map(str, sorted(points)), r"\infty"]
    union = r" \cup ".join(f"({low}, {high})" for low, high in pairwise(ends))
    assert is_accepted(union, answer)
    assert is_accepted(answer, union)
    assert is_accepted(rf"\mathbb{{R}} \setminus \{{{other}\}}", answer) == (points == [other])


@given(ENDS, st.integers(-99, 99))
def test_only_points_inside_an_interval_part_it(ends: tuple[int, int], point: int) -> None:
    low, high = ends
    union, answer = rf"[{low}, {point}) \cup ({point}, {high}]", rf"[{low}, {high}] \setminus \{{{point}\}}"
    assert is_accepted(union, answer) == (low < point < high)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (r"(-\infty, \infty)", r"\mathbb{R}", True),
        (r"\mathbb{R}", r"\text{all real numbers}", True),
        (r"\emptyset", r"\{\}", True),
        (r"\emptyset", "no solution", True),
        (r"\text{No solution}", r"\varnothing", True),
        (r"\emptyset", "0", False),
        (r"\emptyset", r"\{0\}", False),
        (r"\mathbb{R}", r"\mathbb{Q}", False),
        (r"\mathbb{R}", r"[0, \infty)", False),
    ],
)
def test_names_of_sets(one: str, other: str, equal: bool) -> None:
    assert is_accepted(one, other) == is_accepted(other, one) == equal


def test_a_region_is_shown_as_intervals() -> None:
    assert shown(read(r"\mathbb{R} \setminus \{2\}")) == r"(-\infty, 2) \cup (2, \infty)"
