"""Tasks are checked before use: a right program passes twice with time to spare, wrong ones do not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protos.reward.v1 import reward_pb2 as pb
from server.errors import ErrorCode, RequestError
from server.taskcheck import check

Answer = Callable[[pb.VerifyRequest], pb.Verdict]


class Service:
    """Answers as told; a request's completion is its program."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.seen: list[pb.VerifyRequest] = []

    async def verify(self, request: pb.VerifyRequest) -> pb.Verdict:
        self.seen.append(request)
        return self._answer(request)


def verdict(status: pb.Status, cpu_seconds: float = 0.1) -> pb.Verdict:
    case = pb.CaseDetail(status=status, cpu_seconds=cpu_seconds)
    detail = pb.CodeDetail(cases=[case], limits=pb.Limits(cpu_seconds=2.0))
    made = pb.Verdict(status=status, code=detail)
    if status < pb.UNGRADABLE:
        made.reward = float(status == pb.ACCEPTED)
    return made


async def problems(answer: Answer) -> list[str]:
    asked = pb.CheckTaskRequest(
        id="t", code=pb.CodeTask(language="python"), reference="right", wrong=["wrong"]
    )
    report = await check(Service(answer), asked)
    assert report.fit is not bool(report.problems)
    return list(report.problems)


def by_program(right: pb.Verdict, wrong: pb.Verdict) -> Answer:
    return lambda request: right if request.completion == "right" else wrong


@pytest.mark.parametrize(
    ("outputs", "checker", "fits"),
    [
        (["", " \n"], pb.Checker(), False),
        (["", "1"], pb.Checker(), True),
        ([""], pb.Checker(program=pb.CheckerProgram()), True),
    ],
)
async def test_a_task_that_asks_for_nothing(outputs: list[str], checker: pb.Checker, fits: bool) -> None:
    tests = pb.StdioTests(cases=[pb.StdioCase(output=output) for output in outputs])
    task = pb.CodeTask(language="python", stdio=tests, checker=checker)
    answer = by_program(verdict(pb.ACCEPTED), verdict(pb.WRONG_ANSWER))
    report = await check(Service(answer), pb.CheckTaskRequest(code=task, reference="right"))
    assert report.fit is fits


async def test_a_fit_task() -> None:
    assert await problems(by_program(verdict(pb.ACCEPTED), verdict(pb.WRONG_ANSWER))) == []


@pytest.mark.parametrize("status", [pb.WRONG_ANSWER, pb.TIME_LIMIT, pb.UNGRADABLE])
async def test_a_reference_that_is_not_accepted(status: pb.Status) -> None:
    (problem,) = await problems(by_program(verdict(status), verdict(pb.WRONG_ANSWER)))
    assert problem.startswith(f"the reference is not accepted: {pb.Status.Name(status)}")


@pytest.mark.parametrize("status", [pb.ACCEPTED, pb.UNGRADABLE])
async def test_a_wrong_program_that_is_not_rejected(status: pb.Status) -> None:
    (problem,) = await problems(by_program(verdict(pb.ACCEPTED), verdict(status)))
    assert problem.startswith("wrong[0] is not rejected")


async def test_a_time_limit_that_is_tight() -> None:
    (problem,) = await problems(by_program(verdict(pb.ACCEPTED, 1.1), verdict(pb.WRONG_ANSWER)))
    assert problem == "the reference needs more than 1/2 of the time limit"


async def test_a_reference_that_is_not_deterministic() -> None:
    def answer(request: pb.VerifyRequest) -> pb.Verdict:
        passes = request.completion == "right" and not request.explain
        return verdict(pb.ACCEPTED if passes else pb.WRONG_ANSWER)

    (problem,) = await problems(answer)
    assert problem.startswith("two runs of the reference differ: ACCEPTED")


@pytest.mark.parametrize(("factor", "fits"), [(0.0, False), (1.5, True), (2.0, False)])
async def test_the_factor_may_be_asked_for(factor: float, fits: bool) -> None:
    asked = pb.CheckTaskRequest(code=pb.CodeTask(language="python"), reference="right", time_factor=factor)
    assert (await check(Service(lambda _: verdict(pb.ACCEPTED, 1.1)), asked)).fit is fits


@pytest.mark.parametrize("status", [pb.INTERNAL_ERROR, pb.OVERLOADED, pb.CANCELLED])
async def test_a_fault_of_the_service_says_nothing_of_the_task(status: pb.Status) -> None:
    with pytest.raises(RequestError) as refused:
        await problems(by_program(verdict(pb.ACCEPTED), verdict(status)))
    assert refused.value.code is ErrorCode.INTERNAL


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (pb.CheckTaskRequest(reference="x"), "task"),
        (pb.CheckTaskRequest(code=pb.CodeTask()), "reference"),
        (pb.CheckTaskRequest(code=pb.CodeTask(), reference="x", time_factor=-1), "time_factor"),
        (pb.CheckTaskRequest(code=pb.CodeTask(), reference="x", time_factor=float("nan")), "time_factor"),
    ],
)
async def test_malformed_checks_name_their_field(asked: pb.CheckTaskRequest, field: str) -> None:
    with pytest.raises(RequestError) as refused:
        await check(Service(lambda _: verdict(pb.ACCEPTED)), asked)
    assert (refused.value.code, refused.value.field) == (ErrorCode.INVALID_ARGUMENT, field)


async def test_an_unknown_test_set_is_named() -> None:
    asked = pb.CheckTaskRequest(code=pb.CodeTask(tests_hash="sha256:0"), reference="x")
    with pytest.raises(RequestError) as refused:
        await check(Service(lambda _: verdict(pb.UNKNOWN_TESTS)), asked)
    assert refused.value.field == "code.tests_hash"


def math(request: pb.VerifyRequest) -> pb.Verdict:
    """Accepts 42 alone, and cannot read a gold answer of nothing."""
    assert request.extraction == "last_boxed"
    if "" in request.math.gold or not request.math.gold:
        return verdict(pb.UNGRADABLE)
    return verdict(pb.ACCEPTED if request.completion == r"\boxed{42}" else pb.WRONG_ANSWER)


@pytest.mark.parametrize(
    ("gold", "reference", "wrong", "count"),
    [
        (["42"], "", ["41"], 0),
        (["42", "43"], "", [], 1),
        (["42"], "43", [], 1),
        (["42"], "", ["42"], 1),
        ([""], "", [], 1),
        ([], "", [], 1),
    ],
)
async def test_math_tasks(gold: list[str], reference: str, wrong: list[str], count: int) -> None:
    asked = pb.CheckTaskRequest(math=pb.MathTask(gold=gold), reference=reference, wrong=wrong)
    assert len((await check(Service(math), asked)).problems) == count
