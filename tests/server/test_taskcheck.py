"""Tasks are checked before use: a right program passes twice with time to spare, wrong ones do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from protos.reward.v1 import reward_pb2 as pb
from server.errors import RequestError
from server.taskcheck import TaskCheck, check, read

Answer = Callable[[pb.VerifyRequest], pb.Verdict]


class Service:
    """Answers as told; a request's completion is its program."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.seen: list[pb.VerifyRequest] = []
        self.ready = True

    async def verify(self, request: pb.VerifyRequest) -> pb.Verdict:
        self.seen.append(request)
        return self._answer(request)

    async def put_tests(self, tests: pb.TestSet) -> pb.TestSetRef:
        raise NotImplementedError

    async def execute(self, request: pb.ExecuteRequest) -> pb.ExecuteResult:
        raise NotImplementedError

    def capabilities(self) -> pb.Capabilities:
        raise NotImplementedError


def verdict(status: pb.Status, cpu_seconds: float = 0.1) -> pb.Verdict:
    case = pb.CaseDetail(status=status, cpu_seconds=cpu_seconds)
    detail = pb.CodeDetail(cases=[case], limits=pb.Limits(cpu_seconds=2.0))
    made = pb.Verdict(status=status, code=detail)
    if status < pb.UNGRADABLE:
        made.reward = float(status == pb.ACCEPTED)
    return made


async def problems(answer: Answer) -> list[str]:
    asked = TaskCheck("t", pb.CodeTask(language="python"), "right", ["wrong"])
    return (await check(Service(answer), asked)).problems


def by_program(right: pb.Verdict, wrong: pb.Verdict) -> Answer:
    return lambda request: right if request.completion == "right" else wrong


async def test_a_fit_task() -> None:
    assert await problems(by_program(verdict(pb.ACCEPTED), verdict(pb.WRONG_ANSWER))) == []


@pytest.mark.parametrize("status", [pb.WRONG_ANSWER, pb.TIME_LIMIT, pb.UNGRADABLE, pb.INTERNAL_ERROR])
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


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ([], ""),
        ({"code": {}, "referense": ""}, "referense"),
        ({"code": {}}, "reference"),
        ({"code": {}, "reference": "x", "wrong": "y"}, "wrong"),
        ({"code": {"languag": "python"}, "reference": "x"}, "code.languag"),
    ],
)
def test_malformed_checks_name_their_field(value: Any, field: str) -> None:
    with pytest.raises(RequestError) as refused:
        read(value)
    assert refused.value.field == field
