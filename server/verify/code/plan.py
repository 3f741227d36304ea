"""Turns a task's tests into runs for the jail and judges that stay outside of it.

A `Plan` has two sides. The `Program` and each `Case` go into the jail; the
judges, which hold what is expected, never do.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from protos.reward.v1 import reward_pb2 as pb
from sandbox.types import Case, Mode, Outcome, Program, RunResult
from sandbox.values import Unsupported, decode, encode
from server.verify.code.asserts import calls_check, rewrite
from server.verify.code.checkers import Checker, Tolerance
from server.verify.code.difference import Difference
from server.verify.code.validation import read_json
from server.verify.code.values import ValueRule, compare_values

# The record of a returned value whose type is outside the closed set: this byte, then the type's name.
_UNSUPPORTED_MARK = b"!"
_DONE = b"done"
_FAILED_ASSERT = re.compile(rb"^AssertionError\b|^[^\n]*: Assertion `", re.MULTILINE)
_TAIL_BYTES = 4096


class Ungradable(Exception):
    """The tests themselves are at fault: no completion can be judged by them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a judge says of one run: ACCEPTED, or another status with the reason."""

    status: pb.Status
    reason: str = ""


PASSED = Finding(pb.ACCEPTED)


class Judge(Protocol):
    """Judges a run that ended within its limits and, unless it says otherwise, with exit code 0."""

    def judge(self, result: RunResult) -> Finding:
        """The finding, made from what the run left behind."""


@dataclass(frozen=True, slots=True)
class OutputJudge:
    """Compares stdout with the expected output."""

    checker: Checker
    expected: bytes

    def judge(self, result: RunResult) -> Finding:
        """WRONG_ANSWER with the first difference, or PASSED."""
        return _found(self.checker.compare(self.expected, result.stdout))


@dataclass(frozen=True, slots=True)
class ValueJudge:
    """Asks something of the returned value, which a run that ended too early does not have."""

    question: Callable[[Any], Difference | None]

    def judge(self, result: RunResult) -> Finding:
        """PREMATURE_EXIT without a value; a value of another world is a wrong answer, not an error."""
        if result.record is None:
            return Finding(pb.PREMATURE_EXIT, "the program ended before the function returned")
        if result.record.startswith(_UNSUPPORTED_MARK):
            kind = result.record[1:100].decode("utf-8", "replace")
            return Finding(pb.WRONG_ANSWER, f"the returned value cannot be compared: {kind}")
        try:
            value = decode(result.record)
        except ValueError:
            return Finding(pb.WRONG_ANSWER, "the returned value cannot be read")
        return _found(self.question(value))


@dataclass(frozen=True, slots=True)
class CompletionJudge:
    """Asks only whether the test code beside the program came to its end."""

    def judge(self, result: RunResult) -> Finding:
        """PREMATURE_EXIT unless the runner's record says that the tests ended."""
        if result.record == _DONE:
            return PASSED
        return Finding(pb.PREMATURE_EXIT, "the program ended before the tests did")


@dataclass(frozen=True, slots=True)
class PlannedCase:
    """One run, and who judges it."""

    case: Case
    judge: Judge


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything to run for one completion. `comparison` names the rule in the verdict."""

    program: Program
    cases: tuple[PlannedCase, ...]
    comparison: str
    trust: pb.Trust = pb.OUTSIDE


def make_plan(program: Program, tests: pb.CodeTask | pb.TestSet, checker: Checker) -> Plan:
    """The plan for a program (`language` canonical, SCRIPT mode) and its tests.

    Raises Ungradable if the tests cannot judge anything, RequestError if they are malformed.
    """
    test_format = tests.WhichOneof("tests")
    if test_format == "stdio":
        plan = _plan_stdio(program, tests.stdio, checker)
    elif test_format == "call":
        plan = _plan_call(program, tests.call, checker)
    else:
        plan = _plan_asserts(program, tests.asserts)
    if not plan.cases:
        raise Ungradable("the task has no tests")
    return plan


def failed_assert(stderr: bytes) -> bool:
    """Whether a failed run of test code seems to have ended at an assert: a label, never a pass."""
    return _FAILED_ASSERT.search(stderr[-_TAIL_BYTES:]) is not None


def judge_run(planned: PlannedCase, mode: Mode, result: RunResult) -> Finding:
    """The finding on a run that hit no limit."""
    if result.outcome is Outcome.OK:
        return planned.judge.judge(result)
    if mode is Mode.ASSERTS and failed_assert(result.stderr):
        return Finding(pb.WRONG_ANSWER, _last_line(result.stderr))
    how = f"signal {result.signal}" if result.signal is not None else f"exit code {result.exit_code}"
    detail = _last_line(result.stderr)
    return Finding(pb.RUNTIME_ERROR, f"{how}: {detail}" if detail else how)


def _found(difference: Difference | None) -> Finding:
    return PASSED if difference is None else Finding(pb.WRONG_ANSWER, str(difference))


def _last_line(stderr: bytes) -> str:
    lines = stderr[-_TAIL_BYTES:].split(b"\n")
    last = next((line for line in reversed(lines) if line.strip()), b"")
    return last[:200].decode("utf-8", "replace").strip()


def _plan_stdio(program: Program, tests: pb.StdioTests, checker: Checker) -> Plan:
    cases = tuple(
        PlannedCase(Case(stdin=case.input.encode()), OutputJudge(checker, case.output.encode()))
        for case in tests.cases
    )
    return Plan(program, cases, checker.name)


def _plan_call(program: Program, tests: pb.CallTests, checker: Checker) -> Plan:
    function = tests.function.removeprefix("Solution.")
    cases = tuple(
        _call_case(case, f"call.cases[{index}]", checker.tolerance) for index, case in enumerate(tests.cases)
    )
    comparison = "values" if checker.tolerance is None else "values, floats within tolerance"
    return Plan(_entered_by(program, function), cases, comparison)


def _call_case(case: pb.CallCase, path: str, tolerance: Tolerance | None) -> PlannedCase:
    arguments, expected = read_json(case.args, f"{path}.args"), read_json(case.expected, f"{path}.expected")
    question = ValueJudge(lambda got: compare_values(expected, got, ValueRule.JSON, tolerance))
    return PlannedCase(Case(call=encode(arguments)), question)


def _entered_by(program: Program, function: str) -> Program:
    return Program(program.language, program.source, Mode.CALL, function=function)


def _plan_asserts(program: Program, tests: pb.AssertTests) -> Plan:
    text = "\n".join(tests.tests)
    if not text.strip():
        raise Ungradable("the task has no tests")
    if program.language != "python":
        return _plan_beside(program, tests.setup, text)
    _check_python(tests.setup, "setup")
    _check_python(text, "tests")
    return _plan_rewritten(program, tests, text) or _plan_beside(
        program, tests.setup, _with_check_called(text, tests.entry_point)
    )


def _plan_rewritten(program: Program, tests: pb.AssertTests, text: str) -> Plan | None:
    """The asserts as calls, judged outside; None if they are more than plain comparisons."""
    rewritten = rewrite(text, tests.entry_point) if not tests.setup.strip() else None
    if rewritten is None:
        return None
    try:
        cases = tuple(
            PlannedCase(Case(call=encode(check.arguments)), ValueJudge(check.expectation.judge))
            for check in rewritten.checks
        )
    except Unsupported:  # an argument nested deeper than the encoding goes
        return None
    return Plan(_entered_by(program, rewritten.function), cases, "asserts rewritten as calls")


def _plan_beside(program: Program, setup: str, tests: str) -> Plan:
    """Test code in the program's own process: all that can be done, and labelled so."""
    inside = Program(program.language, program.source, Mode.ASSERTS, setup=setup, tests=tests)
    return Plan(inside, (PlannedCase(Case(), CompletionJudge()),), "asserts", pb.IN_PROCESS)


def _with_check_called(text: str, entry_point: str) -> str:
    if not calls_check(text):
        return text
    if not entry_point.isidentifier():
        raise Ungradable("the tests define check() and no entry_point to call it with")
    return f"{text}\ncheck({entry_point})\n"


def _check_python(text: str, what: str) -> None:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Ungradable(f"the {what} cannot be parsed: {error}") from None
