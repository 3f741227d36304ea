"""Asserts become calls when, and only when, that is all they are."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from server.verify.code.asserts import Equal, Is, Near, Truth, calls_check, rewrite


def only_check(statement: str) -> tuple[list[Any], object]:
    rewritten = rewrite(f"assert {statement}", "f")
    assert rewritten is not None
    (check,) = rewritten.checks
    return check.arguments, check.expectation


@pytest.mark.parametrize(
    ("statement", "arguments", "expectation"),
    [
        ("f(1, 'a') == [2]", [1, "a"], Equal([2])),
        ("[2] == f(1)", [1], Equal([2])),
        ("(f)((1)) == (2)", [1], Equal(2)),
        ("f() == (1,), 'message'", [], Equal((1,))),
        ("f(3 * 19) == [3, 19]", [57], Equal([3, 19])),
        ("f(1) is None", [1], Is(None)),
        ("f(1) is True", [1], Is(True)),
        ("f(1)", [1], Truth(True)),
        ("not f(1)", [1], Truth(False)),
        ("abs(f(1) - 0.5) < 1e-6", [1], Near(0.5, 1e-6, False)),
        ("abs(0.5 - f(1)) <= 1e-6", [1], Near(0.5, 1e-6, True)),
        ("f(1) == 2, print('x')", [1], Equal(2)),
    ],
)
def test_rewrites(statement: str, arguments: list[Any], expectation: object) -> None:
    assert only_check(statement) == (arguments, expectation)


@pytest.mark.parametrize(
    "tests",
    [
        "assert f(x) == 1",
        "assert f(1) == g(1)",
        "assert f(f(1)) == 1",
        "assert f(1) == f(2)",
        "assert f(1) == 1 and f(2) == 2",
        "assert f(1) != 1",
        "assert 0 < f(1) < 2",
        "assert f(1) is 1",
        "assert f(1) in [1]",
        "assert f(a=1) == 1",
        "assert f(*[1]) == 1",
        "assert f(1)[0] == 1",
        "assert f(1).x == 1",
        "assert tuple(f(1)) == (1,)",
        "assert abs(f(1)) < 3",
        "assert abs(f(1) - 'a') < 3",
        "x = 1\nassert f(1) == 1",
        "f = 1\nassert f(1) == 1",
        "import math\nassert f(1) == 1",
        "METADATA = g()\nassert f(1) == 1",
        "f(1)\nassert f(1) == 1",
        "for i in (1, 2):\n    assert f(i) == 1",
        "def helper(): pass\nassert f(1) == 1",
        "assert f(1) == 1\nassert g(1) == 1",
        "assert False",
        "assert True",
        "assert f(1) ==",
        "",
    ],
)
def test_leaves_the_rest_alone(tests: str) -> None:
    assert rewrite(tests, "f") is None
    assert rewrite(f"{tests}\nassert f(2) == 2" if tests else tests, "f") is None or tests == "assert True"


def test_all_or_nothing_keeps_the_order() -> None:
    rewritten = rewrite("assert f(1) == 1\nassert True, 'fine'\nassert f(2) == 3", "f")
    assert rewritten is not None
    assert [check.arguments for check in rewritten.checks] == [[1], [2]]


CHECK = "METADATA = {'author': 'x'}\n\ndef check(candidate):\n    '''doc'''\n    assert candidate(1) == 2\n"


@pytest.mark.parametrize(
    ("tests", "entry_point", "function"),
    [
        (CHECK, "f", "f"),
        (CHECK + "\ncheck(f)", "f", "f"),
        (CHECK + "\ncheck(f)", "", "f"),
        ("assert g(1) == 2", "", "g"),
    ],
)
def test_finds_the_function(tests: str, entry_point: str, function: str) -> None:
    rewritten = rewrite(tests, entry_point)
    assert rewritten is not None
    assert rewritten.function == function


@pytest.mark.parametrize(
    ("tests", "entry_point"),
    [
        (CHECK, ""),
        (CHECK + "\ncheck(g)", "f"),
        (CHECK + "\ncheck(f)\ncheck(f)", "f"),
        (CHECK + "\ncheck(f())", "f"),
        (CHECK.replace("(candidate):", "(candidate, y=1):"), "f"),
        (CHECK.replace("def check", "@deco\ndef check"), "f"),
        (CHECK.replace("candidate(1)", "f(1)"), "f"),
        ("assert sorted([2, 1]) == [1, 2]", ""),
    ],
)
def test_refuses_other_shapes(tests: str, entry_point: str) -> None:
    assert rewrite(tests, entry_point) is None


SAMPLES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    0.5,
    0.5000001,
    2,
    "",
    "a",
    [],
    [2],
    (2,),
    {"a": 1},
    1j,
    10**400,
]


@pytest.mark.parametrize(
    "statement",
    [
        "f() == 1",
        "f() == [2]",
        "f() == ''",
        "f() is None",
        "f() is False",
        "f()",
        "not f()",
        "abs(f() - 0.5) < 1e-6",
    ],
)
@pytest.mark.parametrize("returned", SAMPLES, ids=lambda value: repr(value)[:20])
def test_means_what_the_assert_means(statement: str, returned: Any) -> None:
    _, expectation = only_check(statement)
    try:
        exec(f"assert {statement}", {"f": lambda: returned})
        passes = True
    except (AssertionError, TypeError, OverflowError):
        passes = False
    assert isinstance(expectation, Equal | Is | Truth | Near)
    assert (expectation.judge(returned) is None) == passes


def test_calls_check() -> None:
    assert calls_check(CHECK)
    assert not calls_check(CHECK + "\ncheck(f)")
    assert not calls_check("assert f(1) == 1")


def test_a_hostile_expression_is_never_evaluated() -> None:
    ast.parse(hostile := "assert f(__import__('os').abort()) == 1")
    assert rewrite(hostile, "f") is None
