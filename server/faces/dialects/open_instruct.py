"""open-instruct's code API: `/test_program` (asserts) and `/test_program_stdio`.

Request: `program`, `tests`, `max_execution_time`. Answer: `results` of 0 and 1 and
`runtimes`, -1.0 where a test failed. Its client waits max(30, min(300, 10 x
max_execution_time)) seconds, never tries a POST again, and takes every fault for 0;
so nothing is refused early and everything is held. `tests` in its compressed
pickle form are refused: unpickling executes what the sender wrote.
`GET /health` is the server's own and answers with 200, as its client wants.
Source: open_instruct/code_utils/api.py and ground_truth_utils.py (e6c3044a).
"""

from __future__ import annotations

import json as json_module
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from protos.reward.v1 import reward_pb2 as pb
from server.faces.dialects.common import Context, Refusal, Route, connected, endpoint, gather, json

_LEAST_WAIT_SECONDS, _MOST_WAIT_SECONDS, _WAIT_FACTOR = 30.0, 300.0, 10.0
_ANSWER_MARGIN_SECONDS = 2.0
_LEAST_PATIENCE_SECONDS = _LEAST_WAIT_SECONDS - _ANSWER_MARGIN_SECONDS
_FAILED_RUNTIME = -1.0


class TestProgram(BaseModel):
    """One program and its tests."""

    program: str
    tests: list[Any] | str
    max_execution_time: float = Field(default=1.0, gt=0)

    @property
    def patience_seconds(self) -> float:
        """How long the client is known to wait, less what the answer needs to get there."""
        wait = max(_LEAST_WAIT_SECONDS, min(_MOST_WAIT_SECONDS, _WAIT_FACTOR * self.max_execution_time))
        return wait - _ANSWER_MARGIN_SECONDS

    def cases(self) -> list[Any]:
        """The tests, whichever JSON form they came in."""
        found = self.tests
        if isinstance(found, str):
            try:
                found = json_module.loads(found)
            except (ValueError, RecursionError):
                raise Refusal(422, {"detail": "tests must be JSON; a pickle is not opened"}) from None
        if not isinstance(found, list) or not found:
            raise Refusal(422, {"detail": "tests must be a non-empty array"})
        return found


class StdioCase(BaseModel):
    """One test of `/test_program_stdio`."""

    input: str
    output: str


def routes(context: Context) -> Sequence[Route]:
    """The paths of this dialect."""
    return (
        Route("POST", "/test_program", endpoint(context, _asserts, patience_seconds=_LEAST_PATIENCE_SECONDS)),
        Route(
            "POST", "/test_program_stdio", endpoint(context, _stdio, patience_seconds=_LEAST_PATIENCE_SECONDS)
        ),
    )


async def _asserts(context: Context, request: Request) -> Response:
    """One result per assert, so one request of ours each; the program is compiled once."""
    call = await context.read(request, TestProgram)
    messages = []
    for case in call.cases():
        message = _message(context, call)
        message.code.asserts.tests.append(str(case))
        messages.append(message)
    work = gather(context.verdict(message, call.patience_seconds) for message in messages)
    verdicts = await connected(request, work)
    passed = [context.reward(verdict) == 1.0 for verdict in verdicts]
    seconds = [verdict.timing.run_seconds for verdict in verdicts]
    return _answer(passed, seconds)


async def _stdio(context: Context, request: Request) -> Response:
    call = await context.read(request, TestProgram)
    cases = [_stdio_case(case) for case in call.cases()]
    message = _message(context, call)
    message.code.run_all = True
    message.code.scoring = "fraction"
    for case in cases:
        message.code.stdio.cases.add(input=case.input, output=case.output)
    verdict = await connected(request, context.verdict(message, call.patience_seconds))
    context.reward(verdict)
    found = {case.index: case for case in verdict.code.cases}
    ran = [found.get(index, pb.CaseDetail()) for index in range(len(cases))]
    return _answer([case.status == pb.ACCEPTED for case in ran], [case.wall_seconds for case in ran])


def _stdio_case(case: Any) -> StdioCase:
    try:
        return StdioCase.model_validate(case)
    except ValidationError as error:
        raise Refusal(422, {"detail": f"tests: {error.errors()[0]['msg']}"}) from None


def _message(context: Context, call: TestProgram) -> pb.VerifyRequest:
    seconds = call.max_execution_time
    # Its limit is on the wall clock of a busy server; ours is on CPU time, with the usual backstop.
    limits = context.limits(cpu_seconds=seconds, wall_seconds=max(10.0, 5 * seconds))
    return pb.VerifyRequest(
        completion=call.program, extraction="whole", code=pb.CodeTask(language="python", limits=limits)
    )


def _answer(passed: Sequence[bool], seconds: Sequence[float]) -> Response:
    runtimes = [time if good else _FAILED_RUNTIME for good, time in zip(passed, seconds, strict=True)]
    return json({"results": [int(good) for good in passed], "runtimes": runtimes})
