"""A task that could not be judged is refused with the path of its field."""

from __future__ import annotations

from typing import Any

import pytest

from protos.reward.v1 import reward_pb2 as pb
from server.errors import ErrorCode, RequestError
from server.verify.code.validation import validate, validate_tests


def call(args: str, expected: str = "1", function: str = "f") -> dict[str, Any]:
    good = pb.CallCase(args="[]", expected="1")
    return {"call": pb.CallTests(function=function, cases=[good, pb.CallCase(args=args, expected=expected)])}


STDIO = {"stdio": pb.StdioTests(cases=[pb.StdioCase()])}
LONG = {"stdio": pb.StdioTests(cases=[pb.StdioCase(output="1  " * 100)])}


@pytest.mark.parametrize(
    "task",
    [
        STDIO,
        call('[1, "a", {"b": [1.5, null]}, 123456789012345678901234567890]'),
        call("[]", function="Solution.f"),
        {"asserts": pb.AssertTests(tests=["assert f(1)"])},
        {"tests_hash": "sha256:00"},
        {**STDIO, "checker": pb.Checker(name="lines"), "scoring": "fraction"},
        {**STDIO, "checker": pb.Checker(floats=pb.FloatTolerance(abs=0))},
        {**LONG, "limits": pb.Limits(output_bytes=199)},
        {**LONG, "limits": pb.Limits(output_bytes=20), "checker": pb.Checker(name="floats")},
    ],
)
def test_takes(task: dict[str, Any]) -> None:
    validate(pb.CodeTask(**task))


@pytest.mark.parametrize(
    ("task", "field"),
    [
        ({}, "code"),
        (call("[1"), "code.call.cases[1].args"),
        (call("{}"), "code.call.cases[1].args"),
        (call("[NaN]"), "code.call.cases[1].args"),
        (call("[" * 300 + "]" * 300), "code.call.cases[1].args"),
        (call("[" * 100_000), "code.call.cases[1].args"),
        (call("[" + "9" * 5000 + "]"), "code.call.cases[1].args"),
        (call("[]", expected=""), "code.call.cases[1].expected"),
        (call("[]", expected="-Infinity"), "code.call.cases[1].expected"),
        (call("[]", expected="[1e999]"), "code.call.cases[1].expected"),
        (call("[-1e999]"), "code.call.cases[1].args"),
        ({**LONG, "limits": pb.Limits(output_bytes=198)}, "code.limits.output_bytes"),
        (call("[]", function=""), "code.call.function"),
        (call("[]", function="a b"), "code.call.function"),
        (call("[]", function="\u00e9"), "code.call.function"),
        ({**STDIO, "scoring": "best"}, "code.scoring"),
        ({**STDIO, "checker": pb.Checker(name="nearly")}, "code.checker"),
        ({**STDIO, "checker": pb.Checker(program=pb.CheckerProgram())}, "code.checker.program.protocol"),
        ({**STDIO, "checker": pb.Checker(floats=pb.FloatTolerance(rel=-1))}, "code.checker.floats.rel"),
        (
            {**STDIO, "checker": pb.Checker(floats=pb.FloatTolerance(abs=float("nan")))},
            "code.checker.floats.abs",
        ),
        ({**call("[]"), "checker": pb.Checker(name="lines")}, "code.checker"),
        ({"unit_test": pb.UnitTests()}, "code.unit_test.framework"),
        ({"interactive": pb.InteractiveTests()}, "code.interactive.interactor.source"),
        ({"tests_hash": ""}, "code.tests_hash"),
    ],
)
def test_refuses(task: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as refused:
        validate(pb.CodeTask(**task))
    assert (refused.value.code, refused.value.field) == (ErrorCode.INVALID_ARGUMENT, field)


def test_a_test_set_is_named_without_a_prefix() -> None:
    with pytest.raises(RequestError) as refused:
        validate_tests(pb.TestSet(**call("[1")), "")
    assert refused.value.field == "call.cases[1].args"


@pytest.mark.parametrize(("language", "refused"), [("python", False), ("py", False), ("cpp", True)])
def test_only_python_hands_arguments_back(language: str, refused: bool) -> None:
    task = pb.CodeTask(language=language, call=pb.CallTests(function="f", compared="arguments"))
    task.call.cases.add(args="[[1]]", expected="[[1]]")
    if not refused:
        validate(task)
        return
    with pytest.raises(RequestError) as caught:
        validate(task)
    assert caught.value.field == "code.call.compared"
