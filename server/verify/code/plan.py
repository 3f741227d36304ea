"""Turns a task's tests into runs for the jail and judges that stay outside of it.

A `Plan` has two sides. The program and each `Case` go into the completion's jail; the
judges, which hold what is expected, never do. A plan depends on the tests alone, so one
serves every completion of a problem.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from protos.reward.v1 import reward_pb2 as pb
from sandbox.harness.golang import go_declares_tests
from sandbox.harness.rust import rust_declares_tests
from sandbox.types import Case, Limits, Mode, Outcome, Program, RunResult
from sandbox.values import TooManyKeys, Unsupported, decode, encode, largest_keyed
from server.verify.code import call_setup, observed, tamper, unit_tests
from server.verify.code.asserts import CallCheck, Equal, Expectation, Truth, calls_check, rewrite
from server.verify.code.checkers import Checker
from server.verify.code.difference import Difference
from server.verify.code.findings import PASSED, Finding, Ungradable
from server.verify.code.judge_program import JudgeProgram
from server.verify.code.validation import read_json
from server.verify.code.values import ValueRule, compare_values

# The record of a returned value whose type is outside the closed set: this byte, then whether the value is
# true (1, 0 or ?), then the type's name.
_UNSUPPORTED_MARK = b"!"
_TRUTHS = {False: b"0", True: b"1"}
_DONE = b"done"
_FAILED_ASSERT = re.compile(rb"^AssertionError\b|^[^\n]*: Assertion `", re.MULTILINE)
_TAIL_BYTES = 4096
# The most items of a returned set or dict, see `sandbox.values`. More than the largest expected one is wrong
# anyway, but a few are let through for the message's sake; the second is for where nothing tells.
_FEWEST_KEYS, _MOST_KEYS = 256, 10_000
_DECLARES_TESTS: Mapping[str, Callable[[str], bool]] = {"go": go_declares_tests, "rust": rust_declares_tests}


class Judge(Protocol):
    """Judges a run that ended within its limits and, unless it says otherwise, with exit code 0."""

    def judge(self, result: RunResult) -> Finding:
        """The finding, made from what the run left behind."""


@dataclass(frozen=True, slots=True)
class OutputJudge:
    """Compares stdout with the expected output."""

    checker: Checker
    expected: bytes
    outputs: tuple[str, ...] = ()  # of all the tests, see `tamper`

    def judge(self, result: RunResult) -> Finding:
        """WRONG_ANSWER with the first difference, or PASSED."""
        difference = self.checker.compare(self.expected, result.stdout)
        flags = () if difference is None else tamper.flags_of_output(result.stdout, self.outputs)
        return _found(difference, flags)


@dataclass(frozen=True, slots=True)
class ValueJudge:
    """Asks something of the returned value, which a run that ended too early does not have."""

    question: Callable[[Any], Difference | None]
    most_keys: int = _MOST_KEYS  # of a set or dict in the value
    truth: bool | None = None  # where nothing else is asked for, any object has one

    def judge(self, result: RunResult) -> Finding:
        """PREMATURE_EXIT without a value; a value of another world is a wrong answer, not an error."""
        if result.record is None:
            return Finding(pb.PREMATURE_EXIT, "the program ended before the function returned")
        if result.record.startswith(_UNSUPPORTED_MARK):
            if self.truth is not None and result.record[1:2] == _TRUTHS[self.truth]:
                return PASSED
            kind = result.record[2:100].decode("utf-8", "replace")
            return Finding(pb.WRONG_ANSWER, f"the returned value cannot be compared: {kind}")
        try:
            value = decode(result.record, self.most_keys)
        except ValueError as error:
            if self.truth and isinstance(error, TooManyKeys):
                return PASSED  # what holds so much is true
            return Finding(pb.WRONG_ANSWER, "the returned value cannot be read")
        return _found(self.question(value))


@dataclass(frozen=True, slots=True)
class CompletionJudge:
    """Asks only whether the test code beside the program came to its end."""

    def judge(self, result: RunResult) -> Finding:
        """PREMATURE_EXIT unless the runner's record says that the tests ended."""
        flags, record = observed.split(result.record)
        if record == _DONE:
            return Finding(PASSED.status, flags=flags)
        return Finding(pb.PREMATURE_EXIT, "the program ended before the tests did", flags=flags)


@dataclass(frozen=True, slots=True)
class ProgramJudge:
    """Stands where a program of the task decides: the files that it is given, but for the output."""

    files: Mapping[str, bytes]

    def judge(self, result: RunResult) -> Finding:
        """Nothing is wrong so far."""
        return PASSED


@dataclass(frozen=True, slots=True)
class PlannedCase:
    """One run, who judges it, and how many bytes of output or value the task itself expects of it."""

    case: Case
    judge: Judge
    expected_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything to run for a completion. `comparison` names the rule in the verdict."""

    cases: tuple[PlannedCase, ...]
    comparison: str
    trust: pb.Trust = pb.OUTSIDE
    mode: Mode = Mode.SCRIPT
    function: str = ""
    arguments_compared: bool = False
    setup: str = ""
    tests: str = ""
    watched: bool = False  # Python beside its tests, see `observed`
    files: Mapping[str, bytes] = field(default_factory=dict)  # beside the program, in its jail
    solution_path: str = ""  # the program is a file there, and what runs are the tests
    row: str = ""  # what runs the program, if not its language
    sources: tuple[tuple[str, str], ...] = ()  # what is compiled with the program, by path
    source_path: str = ""  # the program's own
    decided_by: JudgeProgram | None = None
    is_conversation: bool = False
    telling: tuple[tuple[str, ...], ...] = ()  # of the tests, see `tamper`
    test_names: tuple[str, ...] = ()  # of files that hold tests, see `tamper`

    def program(self, language: str, source: str) -> Program:
        """What to compile for this source."""
        if self.mode is Mode.UNIT_TESTS:
            return Program(self.row, source, self.mode, path=self.source_path, files=self.sources)
        setup, function = self.setup, self.function
        if self.watched:
            setup = f"{observed.before(source, self._watched_files())}\n{setup}"
        if self.solution_path:
            return Program(language, "", self.mode, setup=setup, tests=self.tests)
        if self.mode is Mode.CALL and language == "python":
            setup, function = call_setup.setup_for(
                source, function, arguments_compared=self.arguments_compared
            )
        return Program(language, source, self.mode, function=function, setup=setup, tests=self.tests)

    def ample(self, limits: Limits) -> Limits:
        """The limits, with room for the largest output that is expected: a right program needs as much."""
        largest = max((case.expected_bytes for case in self.cases), default=0)
        return replace(limits, output_bytes=max(limits.output_bytes, largest + largest // 4))

    def _watched_files(self) -> observed.Files:
        return observed.Files(tuple(self.files), self.test_names, self.solution_path)

    def files_for(self, source: str) -> dict[str, bytes]:
        """The files beside the program."""
        if not self.solution_path:
            return dict(self.files)
        return {**self.files, self.solution_path: source.encode("utf-8", "surrogatepass")}


def make_plan(
    language: str,
    tests: pb.CodeTask | pb.TestSet,
    checker: Checker,
    decided_by: JudgeProgram | None = None,
    packages: str = "",
) -> Plan:
    """The plan for programs in a language (its canonical name).

    `decided_by` is the task's checker or interactor, `packages` the directory of pytest in jails.
    Raises Ungradable if the tests cannot judge anything, RequestError if they are malformed.
    """
    test_format = tests.WhichOneof("tests")
    if test_format == "stdio":
        plan = _plan_stdio(tests.stdio, checker, decided_by)
    elif test_format == "call":
        plan = _plan_call(tests.call, checker)
    elif test_format == "unit_test":
        plan = _plan_unit_tests(tests.unit_test, packages)
    elif test_format == "interactive" and decided_by is not None:
        plan = _plan_conversation(tests.interactive, decided_by)
    else:
        plan = _plan_asserts(language, tests.asserts)
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
    if mode is Mode.UNIT_TESTS and result.record is not None:
        found = planned.judge.judge(result)
        if found.status == pb.WRONG_ANSWER:  # frameworks end so when a test fails
            return found
    flags = tamper.flags_of_failure(result.stderr)
    if mode is Mode.ASSERTS:
        flags = (*flags, *observed.flags_of(result.record))
    if mode is Mode.ASSERTS and failed_assert(result.stderr):
        return Finding(pb.WRONG_ANSWER, _last_line(result.stderr), flags=flags)
    how = f"signal {result.signal}" if result.signal is not None else f"exit code {result.exit_code}"
    detail = _last_line(result.stderr)
    return Finding(pb.RUNTIME_ERROR, f"{how}: {detail}" if detail else how, flags=flags)


def _found(difference: Difference | None, flags: tuple[str, ...] = ()) -> Finding:
    return PASSED if difference is None else Finding(pb.WRONG_ANSWER, str(difference), flags=flags)


def _last_line(stderr: bytes) -> str:
    lines = stderr[-_TAIL_BYTES:].split(b"\n")
    last = next((line for line in reversed(lines) if line.strip()), b"")
    return last[:200].decode("utf-8", "replace").strip()


def _plan_stdio(tests: pb.StdioTests, checker: Checker, decided_by: JudgeProgram | None) -> Plan:
    telling = tamper.telling_texts((case.input, case.output) for case in tests.cases)
    if decided_by is not None:
        cases = tuple(_decided_case(case.input, case.output, decided_by) for case in tests.cases)
        return Plan(cases, f"{decided_by.protocol} checker", decided_by=decided_by, telling=telling)
    outputs = tamper.telling_outputs(case.output for case in tests.cases)
    cases = tuple(_compared_case(case, checker, outputs) for case in tests.cases)
    return Plan(cases, checker.name, telling=telling)


def _compared_case(case: pb.StdioCase, checker: Checker, outputs: tuple[str, ...]) -> PlannedCase:
    expected = case.output.encode()
    return PlannedCase(
        Case(stdin=case.input.encode()), OutputJudge(checker, expected, outputs), len(expected)
    )


def _decided_case(text: str, answer: str, by: JudgeProgram) -> PlannedCase:
    given = {"input": text.encode(), "answer": answer.encode()}
    return PlannedCase(Case(stdin=given["input"]), ProgramJudge(by.workplace(given)), len(given["answer"]))


def _plan_conversation(tests: pb.InteractiveTests, interactor: JudgeProgram) -> Plan:
    cases = tuple(
        PlannedCase(
            Case(),
            ProgramJudge(
                interactor.workplace({"input": case.input.encode(), "answer": case.answer.encode()})
            ),
        )
        for case in tests.cases
    )
    comparison = f"{interactor.protocol} interactor"
    return Plan(cases, comparison, decided_by=interactor, is_conversation=True)


def _plan_call(tests: pb.CallTests, checker: Checker) -> Plan:
    cases = tuple(
        _call_case(tests, case, f"call.cases[{index}]", checker) for index, case in enumerate(tests.cases)
    )
    comparison = "values" if checker.tolerance is None else "values, floats within tolerance"
    return Plan(
        cases,
        comparison,
        mode=Mode.CALL,
        function=tests.function.removeprefix("Solution."),
        arguments_compared=tests.compared == "arguments",
        telling=tamper.telling_texts((case.args[1:-1], case.expected) for case in tests.cases),
    )


def _call_case(tests: pb.CallTests, case: pb.CallCase, path: str, checker: Checker) -> PlannedCase:
    arguments = read_json(case.args, f"{path}.args")
    expected = read_json(case.expected, f"{path}.expected", nan=tests.nan_equal)

    def question(got: Any) -> Difference | None:
        return compare_values(
            expected,
            got,
            ValueRule.JSON,
            checker.tolerance,
            typed_numbers=tests.numbers == "typed",
            nan_equal=tests.nan_equal,
        )

    judge = ValueJudge(question, _keys_allowed(expected))
    return PlannedCase(Case(call=encode(arguments)), judge, len(encode(expected)))


def _plan_unit_tests(tests: pb.UnitTests, packages: str) -> Plan:
    judge = unit_tests.UnitTestJudge(tuple(tests.expected_tests))
    cases = (PlannedCase(Case(), judge),) if tests.files else ()
    framework = unit_tests.FRAMEWORKS[tests.framework]
    if cases and (complaint := framework.complaint(tests.files)):
        raise Ungradable(complaint)
    if framework.sources:
        return _plan_framework(tests, framework, cases)
    path = unit_tests.solution_path(tests)
    return Plan(
        cases,
        tests.framework,
        pb.IN_PROCESS,
        mode=Mode.ASSERTS,
        watched=True,
        tests=unit_tests.runner_source(tests, packages) + observed.AFTER,
        files={name: content.encode() for name, content in tests.files.items()},
        solution_path=path,
        test_names=tamper.names_of_tests(tests.files),
    )


def _plan_framework(
    tests: pb.UnitTests, framework: unit_tests.Framework, cases: tuple[PlannedCase, ...]
) -> Plan:
    """Tests that are compiled or loaded with the program; what is no source lies where it runs."""
    sources = {path: text for path, text in tests.files.items() if path.endswith(framework.sources)}
    data = {path: text.encode() for path, text in tests.files.items() if path not in sources}
    return Plan(
        cases,
        tests.framework,
        pb.IN_PROCESS,
        mode=Mode.UNIT_TESTS,
        files=data,
        row=framework.row,
        sources=tuple(sorted(sources.items())),
        source_path=unit_tests.solution_path(tests),
        test_names=tamper.names_of_tests(tests.files),
    )


def _statements(test: str) -> list[ast.stmt] | None:
    """What a text of tests holds; None for a part of one, which is none by itself."""
    try:
        return ast.parse(test).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _is_literal(statement: ast.stmt) -> bool:
    """Whether it is a value and does nothing, such as a list of tests that somebody put in quotes."""
    if not isinstance(statement, ast.Expr):
        return isinstance(statement, ast.Pass)
    try:
        ast.literal_eval(statement.value)
    except (ValueError, TypeError):
        return False
    return True


def _check_something_is_asserted(tests: Sequence[str], text: str) -> None:
    """Raises Ungradable; a blank or a comment among tests is no fault."""
    for index, test in enumerate(tests):
        if (statements := _statements(test)) and all(map(_is_literal, statements)):
            raise Ungradable(f"tests[{index}] asserts nothing: it holds no statement but literals")
    if _statements(text) == []:
        raise Ungradable("the task has no tests, only comments")


def _plan_asserts(language: str, tests: pb.AssertTests) -> Plan:
    text = "\n".join(tests.tests)
    if not text.strip():
        raise Ungradable("the task has no tests")
    declares = _DECLARES_TESTS.get(language)
    if declares is not None and not declares(text):
        raise Ungradable("the tests hold nothing that runs: neither a test function nor a main()")
    if language != "python":
        return _plan_beside(tests.setup, text)
    _check_something_is_asserted(tests.tests, text)
    _check_python(tests.setup, "setup")
    _check_python(text, "tests")
    rewritten = _plan_rewritten(tests, text)
    return rewritten or _plan_watched(tests.setup, _with_check_called(text, tests.entry_point))


def _plan_rewritten(tests: pb.AssertTests, text: str) -> Plan | None:
    """The asserts as calls, judged outside; None if they are more than plain comparisons."""
    rewritten = rewrite(text, tests.entry_point) if not tests.setup.strip() else None
    if rewritten is None:
        return None
    try:
        cases = tuple(map(_rewritten_case, rewritten.checks))
    except Unsupported:  # a value nested deeper than the encoding goes
        return None
    comparison = "asserts rewritten as calls"
    telling = tamper.telling_texts(_texts_of(check) for check in rewritten.checks)
    return Plan(cases, comparison, mode=Mode.CALL, function=rewritten.function, telling=telling)


def _rewritten_case(check: CallCheck) -> PlannedCase:
    expected = check.expectation
    size = len(encode(expected.value)) if isinstance(expected, Equal) else 0
    return PlannedCase(Case(call=encode(check.arguments)), _value_judge(expected), size)


def _value_judge(expectation: Expectation) -> ValueJudge:
    keys = _keys_allowed(expectation.value) if isinstance(expectation, Equal) else _MOST_KEYS
    truth = expectation.value if isinstance(expectation, Truth) else None
    return ValueJudge(expectation.judge, keys, truth)


def _keys_allowed(expected: Any) -> int:
    return max(_FEWEST_KEYS, largest_keyed(expected))


def _texts_of(check: CallCheck) -> tuple[str, str]:
    """A rewritten assert as it would stand in a table."""
    expected = check.expectation
    return repr(check.arguments)[1:-1], repr(expected.value) if isinstance(expected, Equal) else ""


def _plan_watched(setup: str, tests: str) -> Plan:
    """Python test code in the program's own process, watched for what it leaves changed."""
    return _plan_beside(setup, f"{tests}\n{observed.AFTER}", watched=True)


def _plan_beside(setup: str, tests: str, *, watched: bool = False) -> Plan:
    """Test code in the program's own process: all that can be done, and labelled so."""
    case = PlannedCase(Case(), CompletionJudge())
    return Plan(
        (case,), "asserts", pb.IN_PROCESS, mode=Mode.ASSERTS, setup=setup, tests=tests, watched=watched
    )


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
