"""Refuses code tasks that could never be judged, naming the field at fault.

Every function raises `server.errors.RequestError` (INVALID_ARGUMENT) whose
field is a path in the request, for example `code.call.cases[2].args`.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from protos.reward.v1 import reward_pb2 as pb
from sandbox.values import Unsupported, encode
from server.errors import invalid
from server.verify.code.checkers import CHECKERS, DEFAULT_CHECKER, Checker, Tolerance, make_checker

TEST_FORMATS: tuple[str, ...] = ("stdio", "call", "asserts")
SCORINGS: tuple[str, ...] = ("all", "fraction")
_NOT_YET = "not supported by this server version"
# The rules that mean something for typed values: equality, or equality of numbers within a tolerance.
_VALUE_CHECKERS = ("exact", DEFAULT_CHECKER, "floats")


def validate(task: pb.CodeTask) -> None:
    """Checks everything about a code task but its language and its limits."""
    _check_scoring(task.scoring)
    test_format = task.WhichOneof("tests")
    checker_of(task, test_format or "")
    if test_format != "tests_hash":
        validate_tests(task, "code")
    elif not task.tests_hash:
        raise invalid("code.tests_hash", "is empty")


def validate_tests(tests: pb.CodeTask | pb.TestSet, path: str) -> None:
    """Checks the tests themselves; `path` is what fields are named under, or empty."""
    prefix = f"{path}." if path else ""
    test_format = tests.WhichOneof("tests")
    if test_format is None:
        raise invalid(path or "tests", f"one of {', '.join(TEST_FORMATS)} is required")
    if test_format not in TEST_FORMATS:
        raise invalid(prefix + test_format, _NOT_YET)
    if test_format == "call":
        _check_call(tests.call, f"{prefix}call")


def checker_of(task: pb.CodeTask, test_format: str) -> Checker:
    """The checker that a task names, for tests of this format ("" while it is not known)."""
    kind = task.checker.WhichOneof("kind")
    if kind == "program":
        raise invalid("code.checker.program", _NOT_YET)
    name = "floats" if kind == "floats" else task.checker.name or DEFAULT_CHECKER
    if name not in CHECKERS:
        raise invalid("code.checker", f"unknown checker {name!r}; known: {', '.join(CHECKERS)}")
    if test_format == "call" and name not in _VALUE_CHECKERS:
        raise invalid("code.checker", f"{name} compares text, and call tests compare values")
    return make_checker(name, _tolerance(task.checker.floats) if kind == "floats" else None)


def read_json(text: str, field: str) -> Any:
    """A JSON value of the kind that a jail can be given; NaN and infinities are not JSON."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        encode(value)
    except (ValueError, RecursionError, Unsupported) as error:
        raise invalid(field, f"not a JSON value: {error}") from None
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check_scoring(scoring: str) -> None:
    if scoring and scoring not in SCORINGS:
        raise invalid("code.scoring", f"unknown scoring {scoring!r}; known: {', '.join(SCORINGS)}")


def _tolerance(asked: pb.FloatTolerance) -> Tolerance:
    """As asked; what is left out is 0 if the other is given, the default if neither is."""
    if not (asked.HasField("abs") or asked.HasField("rel")):
        return Tolerance()
    for name in ("abs", "rel"):
        if not 0 <= getattr(asked, name) < float("inf"):
            raise invalid(f"code.checker.floats.{name}", "must be a finite number, not negative")
    return Tolerance(asked.abs, asked.rel)


def _check_call(tests: pb.CallTests, path: str) -> None:
    name = tests.function.removeprefix("Solution.")
    if not (name.isascii() and name.isidentifier()):
        raise invalid(f"{path}.function", "must be the name of a function, or Solution.name")
    for index, case in enumerate(tests.cases):
        if not isinstance(read_json(case.args, f"{path}.cases[{index}].args"), list):
            raise invalid(f"{path}.cases[{index}].args", "must be a JSON array of the arguments")
        read_json(case.expected, f"{path}.cases[{index}].expected")
