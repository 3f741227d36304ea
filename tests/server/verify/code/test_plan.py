"""Plans: a returned value larger than any that is expected is refused before it is built."""

from __future__ import annotations

import json

import pytest

from protos.reward.v1 import reward_pb2 as pb
from sandbox.types import Limits
from sandbox.values import encode
from server.verify.code.checkers import make_checker
from server.verify.code.findings import Finding, Ungradable
from server.verify.code.plan import judge_run, make_plan
from tests.server.verify.code.scripted import ran

OBJECTS = {"true": b"!1Match", "false": b"!0deque", "neither": b"!?ndarray"}
LARGE = {str(number): number for number in range(400)}


def found(task: pb.CodeTask, returned: object) -> Finding:
    plan = make_plan("python", task, make_checker("tokens"))
    return judge_run(plan.cases[0], plan.mode, ran(record=encode(returned)))


def call(expected: object) -> pb.CodeTask:
    case = pb.CallCase(args="[1]", expected=json.dumps(expected))
    return pb.CodeTask(language="python", call=pb.CallTests(function="f", cases=[case]))


def asserts(test: str) -> pb.CodeTask:
    return pb.CodeTask(language="python", asserts=pb.AssertTests(tests=[test]))


def test_a_large_dict_is_right_where_it_is_expected() -> None:
    assert found(call([LARGE]), [LARGE]).status == pb.ACCEPTED
    assert found(asserts(f"assert f(1) == {LARGE}"), LARGE).status == pb.ACCEPTED


@pytest.mark.parametrize("task", [call(1), asserts("assert f(1) == {1}")], ids=["call", "asserts"])
def test_a_larger_one_than_expected_is_not_built(task: pb.CodeTask) -> None:
    finding = found(task, set(LARGE))
    assert (finding.status, finding.reason) == (pb.WRONG_ANSWER, "the returned value cannot be read")


def test_an_assert_that_asks_for_truth_takes_a_large_one() -> None:
    assert found(asserts("assert f(1)"), set(LARGE)).status == pb.ACCEPTED


def test_an_assert_that_asks_for_truth_has_no_largest_one() -> None:
    assert found(asserts("assert f(1)"), set(range(20_000))).status == pb.ACCEPTED
    assert found(asserts("assert not f(1)"), set(range(20_000))).status == pb.WRONG_ANSWER


WIDE = "x" * 1000


@pytest.mark.parametrize(
    "task",
    [
        pb.CodeTask(stdio=pb.StdioTests(cases=[pb.StdioCase(output="1"), pb.StdioCase(output=WIDE)])),
        call(WIDE),
        asserts(f"assert f(1) == {WIDE!r}"),
    ],
    ids=["stdio", "call", "asserts"],
)
def test_the_output_limit_has_room_for_what_is_expected(task: pb.CodeTask) -> None:
    plan = make_plan("python", task, make_checker("tokens"))
    assert 1000 < plan.ample(Limits(output_bytes=10)).output_bytes < 2000
    assert plan.ample(Limits()) == Limits()


@pytest.mark.parametrize(
    "tests",
    [
        ["assert f(1) == 1", '["assert f(1) == 2"]'],
        ["assert f(1) == 1", "'assert f(1) == 2'"],
        ["assert f(1) == 1", "..."],
        ["assert f(1) == 1", "pass"],
    ],
    ids=lambda tests: tests[1],
)
def test_an_assert_that_asserts_nothing_is_the_tasks_fault(tests: list[str]) -> None:
    task = pb.CodeTask(language="python", asserts=pb.AssertTests(tests=tests))
    with pytest.raises(Ungradable, match=r"^tests\[1\] asserts nothing"):
        make_plan("python", task, make_checker("tokens"))


def test_comments_alone_are_no_tests() -> None:
    task = pb.CodeTask(language="python", asserts=pb.AssertTests(tests=["# assert f(1) == 2", ""]))
    with pytest.raises(Ungradable, match="only comments"):
        make_plan("python", task, make_checker("tokens"))


@pytest.mark.parametrize("nothing", ["", " \n", "# assert f(1) == 2"])
def test_a_blank_or_a_comment_among_tests_is_no_fault(nothing: str) -> None:
    task = pb.CodeTask(language="python", asserts=pb.AssertTests(tests=["assert f(1) == 1", nothing]))
    assert len(make_plan("python", task, make_checker("tokens")).cases) == 1


def test_a_text_of_tests_may_come_in_parts() -> None:
    task = pb.CodeTask(asserts=pb.AssertTests(tests=["def check(f):", "    assert f(1)"], entry_point="f"))
    assert len(make_plan("python", task, make_checker("tokens")).cases) == 1


@pytest.mark.parametrize(
    ("test", "accepted"),
    [
        ("assert f(1)", {"true"}),
        ("assert not f(1)", {"false"}),
        ("assert f(1) == 1", set()),
        ("assert f(1) is True", set()),
    ],
)
def test_an_object_has_its_truth_and_nothing_else(test: str, accepted: set[str]) -> None:
    plan = make_plan("python", asserts(test), make_checker("tokens"))
    findings = {
        name: judge_run(plan.cases[0], plan.mode, ran(record=record)) for name, record in OBJECTS.items()
    }
    assert {name for name, finding in findings.items() if finding.status == pb.ACCEPTED} == accepted
    assert {finding.status for finding in findings.values()} <= {pb.ACCEPTED, pb.WRONG_ANSWER}
