"""Checkers and interactors: how they are put together, and how their end is read."""

from __future__ import annotations

import pytest

from protos.reward.v1 import reward_pb2 as pb
from sandbox.types import Outcome, RunResult
from server.verify.code import interactive
from server.verify.code.findings import Ungradable
from server.verify.code.judge_program import FETCHED, JudgeProgram, make_judge_program
from tests.server.verify.code.scripted import ran

MESSAGE, MULTIPLIER, SCORE = FETCHED


def ended(code: int, stderr: bytes = b"") -> RunResult:
    return ran(outcome=Outcome.OK if code == 0 else Outcome.RUNTIME_ERROR, exit_code=code, stderr=stderr)


def program(protocol: str, **fields: object) -> JudgeProgram:
    asked = pb.CheckerProgram(source="pass", **fields)  # type: ignore[arg-type]
    return make_judge_program("checker", asked, "python", protocol)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (0, pb.ACCEPTED),
        (1, pb.WRONG_ANSWER),
        (2, pb.WRONG_ANSWER),
        (4, pb.WRONG_ANSWER),
        (8, pb.WRONG_ANSWER),
    ],
)
def test_testlib(code: int, status: pb.Status) -> None:
    found = program("testlib").read(ended(code, b"wrong answer 1st words differ"), {})
    assert (found.status, found.reason) == (status, "wrong answer 1st words differ")


@pytest.mark.parametrize(("code", "protocol"), [(3, "testlib"), (5, "testlib"), (0, "kattis"), (1, "kattis")])
def test_other_exit_codes_are_the_tasks_fault(code: int, protocol: str) -> None:
    with pytest.raises(Ungradable, match=f"exit code {code}"):
        program(protocol).read(ended(code), {})


@pytest.mark.parametrize(
    ("code", "stderr"),
    [
        (1, b"Traceback (most recent call last):\n  ...\nKeyError: '7'\n"),
        (1, b'reading\nException in thread "main" java.lang.RuntimeException\n'),
        (1, b"/box/main.js:1\nnull.x\n\nTypeError: no\n\nNode.js v20.20.2\n"),
        (1, b"/box/main.rb:1:in `<main>': x (RuntimeError)\n"),
        (1, b"\nUnhandled Exception:\n[ERROR] FATAL UNHANDLED EXCEPTION: System.Exception\n"),
        (1, b"lua5.4: /box/main.lua:1: x\nstack traceback:\n\t[C]: in ?\n"),
        (1, b"main: x\nCallStack (from HasCallStack):\n"),
        (2, b"panic: index out of range\n\ngoroutine 1 [running]:\n"),
    ],
)
def test_an_exception_that_a_checker_does_not_catch_is_the_tasks_fault(code: int, stderr: bytes) -> None:
    with pytest.raises(Ungradable, match=f"exit code {code}"):
        program("testlib").read(ended(code, stderr), {})


def test_a_checker_may_speak_of_a_traceback() -> None:
    found = program("testlib").read(ended(1, b"your Traceback (most recent call last) is wrong"), {})
    assert found.status == pb.WRONG_ANSWER


@pytest.mark.parametrize("outcome", [Outcome.TIME_LIMIT, Outcome.MEMORY_LIMIT, Outcome.WALL_LIMIT])
def test_limits_are_the_tasks_fault(outcome: Outcome) -> None:
    with pytest.raises(Ungradable, match=outcome.value.replace("_", " ")):
        program("kattis").read(ran(outcome=outcome, exit_code=42), {})


@pytest.mark.parametrize(
    ("points", "most", "status", "score"),
    [
        (b"points 0.5 half", 0, pb.PARTIAL, 0.5),
        (b"points 1", 0, pb.ACCEPTED, 1.0),
        (b"points 0 nothing", 0, pb.WRONG_ANSWER, 0.0),
        (b"30 of 40", 40, pb.PARTIAL, 0.75),
    ],
)
def test_testlib_points(points: bytes, most: float, status: pb.Status, score: float) -> None:
    found = program("testlib", most_points=most).read(ended(7, points), {})
    assert (found.status, found.worth) == (status, score)


@pytest.mark.parametrize("points", [b"points 2", b"points -1", b"points nan", b"many"])
def test_points_out_of_range_are_the_tasks_fault(points: bytes) -> None:
    with pytest.raises(Ungradable, match="points outside 0 to 1"):
        program("testlib").read(ended(7, points), {})


def test_kattis() -> None:
    feedback = {MESSAGE: b"line 3\n", SCORE: b"25\n"}
    unscored = program("kattis").read(ended(42), feedback)
    assert (unscored.status, unscored.reason, unscored.worth) == (pb.ACCEPTED, "line 3", 1.0)
    scored = program("kattis", most_points=100).read(ended(42), feedback)
    assert (scored.status, scored.worth) == (pb.PARTIAL, 0.25)
    assert program("kattis", most_points=100).read(ended(43), feedback).worth == 0.0


def test_headers_are_pasted_where_they_are_included() -> None:
    files = {"a.h": '#pragma once\n#include "b.h"\nint a;', "b.h": '#include "a.h"\nint b;'}
    source = '#include <vector>\n# include "a.h"\nint main() {}'
    made = make_judge_program("checker", pb.CheckerProgram(source=source, files=files), "cpp", "testlib")
    assert made.program.source == "#include <vector>\n\n\nint b;\nint a;\nint main() {}"
    assert made.files == {}


def test_headers_that_grow_without_end_are_refused() -> None:
    files = {f"h{n}.h": f'#include "h{n + 1}.h"\n' * 20 for n in range(8)} | {"h8.h": "x" * 100}
    with pytest.raises(Ungradable, match="too large"):
        make_judge_program(
            "checker", pb.CheckerProgram(source='#include "h0.h"', files=files), "cpp", "kattis"
        )


def test_other_languages_have_no_further_files() -> None:
    with pytest.raises(Ungradable, match="further files"):
        make_judge_program("checker", pb.CheckerProgram(files={"a": "b"}), "java", "kattis")


CRASHED = ran(outcome=Outcome.RUNTIME_ERROR, stderr=b"ValueError: x\n")
PIPE = ran(outcome=Outcome.RUNTIME_ERROR, exit_code=None, signal=13)
EOF = ran(outcome=Outcome.RUNTIME_ERROR, stderr=b"Traceback\nEOFError: EOF when reading a line\n")
YES, NO = ended(42), ended(43)


@pytest.mark.parametrize(
    ("interactor", "completion", "status"),
    [
        (YES, ran(), pb.ACCEPTED),
        (NO, ran(), pb.WRONG_ANSWER),
        (YES, PIPE, pb.ACCEPTED),
        (NO, PIPE, pb.WRONG_ANSWER),
        (NO, EOF, pb.WRONG_ANSWER),
        (YES, CRASHED, None),
        (NO, CRASHED, None),
        (EOF, ran(), pb.WRONG_ANSWER),
        (PIPE, ran(), pb.WRONG_ANSWER),
        (EOF, CRASHED, None),
        (NO, ran(outcome=Outcome.TIME_LIMIT), None),
        (CRASHED, ran(outcome=Outcome.TIME_LIMIT), None),
        (CRASHED, ran(), Ungradable),
        (CRASHED, CRASHED, Ungradable),
        (ran(outcome=Outcome.TIME_LIMIT), ran(outcome=Outcome.TIME_LIMIT), Ungradable),
        (ran(outcome=Outcome.WALL_LIMIT), ran(outcome=Outcome.WALL_LIMIT), None),
        (ran(outcome=Outcome.WALL_LIMIT), ran(), Ungradable),
    ],
)
def test_who_is_to_blame_in_a_conversation(
    interactor: RunResult, completion: RunResult, status: pb.Status | type[Exception] | None
) -> None:
    asked = make_judge_program("interactor", pb.Program(source="pass"), "python", "kattis")
    if status is Ungradable:
        with pytest.raises(Ungradable):
            interactive.judge(asked, interactor, completion, {})
        return
    found = interactive.judge(asked, interactor, completion, {})
    assert (None if found is None else found.status) == status
