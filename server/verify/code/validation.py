"""Refuses code tasks that could never be judged, naming the field at fault.

Every function raises `server.errors.RequestError` (INVALID_ARGUMENT) whose
field is a path in the request, for example `code.call.cases[2].args`.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from protos.reward.v1 import reward_pb2 as pb
from sandbox import languages
from sandbox.errors import UnknownLanguage
from sandbox.values import Unsupported, encode
from server.errors import invalid
from server.paths import check_paths, check_places
from server.verify.code.checkers import CHECKERS, DEFAULT_CHECKER, Checker, Tolerance, make_checker
from server.verify.code.judge_program import DEFAULT_PROTOCOL, PROTOCOLS
from server.verify.code.unit_tests import FRAMEWORKS, solution_path

TEST_FORMATS: tuple[str, ...] = ("stdio", "call", "asserts", "unit_test", "interactive")
COMPARED: tuple[str, ...] = ("returned", "arguments")
NUMBERS: tuple[str, ...] = ("equal", "typed")
SCORINGS: tuple[str, ...] = ("all", "fraction")

# The rules that mean something for typed values: equality, or equality of numbers within a tolerance.
_VALUE_CHECKERS = ("exact", DEFAULT_CHECKER, "floats")
_NUMERAL_CHARS = 40  # of a number in a message


def validate(task: pb.CodeTask) -> None:
    """Checks everything about a code task but its language and its limits."""
    _check_scoring(task.scoring)
    test_format = task.WhichOneof("tests")
    checker_of(task, test_format or "")
    if task.checker.WhichOneof("kind") == "program":
        _check_judge_program(task.checker.program, task.checker.program.protocol, "code.checker.program")
    if test_format == "call" and task.call.compared == "arguments":
        _check_arguments_are_seen(task.language)
    if test_format != "tests_hash":
        validate_tests(task, "code")
    elif not task.tests_hash:
        raise invalid("code.tests_hash", "is empty")
    if test_format == "stdio" and task.checker.WhichOneof("kind") in (None, "name"):
        _check_output_limit(task)


def _check_output_limit(task: pb.CodeTask) -> None:
    """An output limit of the request's own must leave room for a right output; `floats` may take less."""
    limit = task.limits.output_bytes
    if limit <= 0 or task.checker.name == "floats":
        return
    for index, case in enumerate(task.stdio.cases):
        if 4 * len(case.output) > limit and (least := _least_bytes(case.output)) > limit:
            why = f"{limit} is below the {least} bytes that code.stdio.cases[{index}].output expects"
            raise invalid("code.limits.output_bytes", why)


def _least_bytes(expected: str) -> int:
    """The fewest bytes that any checker of texts takes for this output."""
    return len(b" ".join(expected.encode().split()))


def _check_arguments_are_seen(language: str) -> None:
    """Only Python's runner hands arguments back; that the language exists is not checked here."""
    try:
        name = languages.find(language).name
    except UnknownLanguage:
        return
    if name != "python":
        raise invalid("code.call.compared", f"'arguments' is for Python only, not for {name}")


def validate_tests(tests: pb.CodeTask | pb.TestSet, path: str) -> None:
    """Checks the tests themselves; `path` is what fields are named under, or empty."""
    prefix = f"{path}." if path else ""
    test_format = tests.WhichOneof("tests")
    if test_format is None:
        raise invalid(path or "tests", f"one of {', '.join(TEST_FORMATS)} is required")
    if test_format == "call":
        _check_call(tests.call, f"{prefix}call")
    elif test_format == "unit_test":
        _check_unit_tests(tests.unit_test, f"{prefix}unit_test")
    elif test_format == "interactive":
        _check_interactive(tests.interactive, f"{prefix}interactive")


def checker_of(task: pb.CodeTask, test_format: str) -> Checker:
    """The checker that a task names, for tests of this format ("" while it is not known)."""
    kind = task.checker.WhichOneof("kind")
    if kind == "program":
        if test_format not in ("", "stdio", "tests_hash"):
            raise invalid("code.checker.program", "judges output, and only stdio tests have it")
        return make_checker(DEFAULT_CHECKER)
    name = "floats" if kind == "floats" else task.checker.name or DEFAULT_CHECKER
    if name not in CHECKERS:
        raise invalid("code.checker", f"unknown checker {name!r}; known: {', '.join(CHECKERS)}")
    if test_format == "call" and name not in _VALUE_CHECKERS:
        raise invalid("code.checker", f"{name} compares text, and call tests compare values")
    return make_checker(name, _tolerance(task.checker.floats) if kind == "floats" else None)


def read_json(text: str, field: str, *, nan: bool = False) -> Any:
    """A JSON value of the kind that a jail can be given; NaN only where `nan` allows it, infinities never."""
    constant = _only_nan if nan else _refuse_constant
    try:
        value = json.loads(text, parse_constant=constant, parse_float=_finite)
        encode(value)
    except (ValueError, RecursionError, Unsupported) as error:
        raise invalid(field, f"not a JSON value: {error}") from None
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:_NUMERAL_CHARS]} is beyond a double")
    return value


def _only_nan(name: str) -> float:
    return float("nan") if name == "NaN" else _refuse_constant(name)


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
        read_json(case.expected, f"{path}.cases[{index}].expected", nan=tests.nan_equal)
    _check_choice(tests.compared, COMPARED, f"{path}.compared")
    _check_choice(tests.numbers, NUMBERS, f"{path}.numbers")


def _check_choice(value: str, known: tuple[str, ...], field: str) -> None:
    if value and value not in known:
        raise invalid(field, f"{value!r} is not one of {', '.join(known)}")


def _check_unit_tests(tests: pb.UnitTests, path: str) -> None:
    if tests.framework not in FRAMEWORKS:
        raise invalid(f"{path}.framework", f"{tests.framework!r} is not one of {', '.join(FRAMEWORKS)}")
    if tests.solution_path:
        check_paths((tests.solution_path,), f"{path}.solution_path")
    if solution_path(tests) in tests.files:
        raise invalid(f"{path}.files", "one of them is where the program goes")
    check_places((*tests.files, solution_path(tests)), f"{path}.files")


def _check_interactive(tests: pb.InteractiveTests, path: str) -> None:
    _check_judge_program(tests.interactor, tests.protocol or DEFAULT_PROTOCOL, f"{path}.interactor")


def _check_judge_program(asked: pb.Program | pb.CheckerProgram, protocol: str, path: str) -> None:
    if protocol not in PROTOCOLS:
        raise invalid(f"{path}.protocol", f"{protocol!r} is not one of {', '.join(PROTOCOLS)}")
    if not asked.source:
        raise invalid(f"{path}.source", "is required")
    if not 0 <= asked.most_points < float("inf"):
        raise invalid(f"{path}.most_points", "must be a finite number, not negative")
    check_places(asked.files, f"{path}.files")
