"""code-judge's `/run*` and `/judge*`, as rStar2-Agent and RLinf call them.

Always 200 for judged work. A submission is judged by stripped equality of stdout. What
the service could not judge has `reason` "internal_error" or "queue_timeout", which
is that wire's word for "no verdict". `type: "math"`, which the original accepts
and cannot run, is judged by our math verifier with `expected_output` as the gold.
Source: 0xWJ/code-judge (fbc5293).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from protos.reward.v1 import reward_pb2 as pb
from server.errors import ErrorCode, RequestError
from server.faces.dialects.common import Context, Route, connected, endpoint, gather, json

_CPU_SECONDS, _WALL_SECONDS = 10.0, 15.0
# MAX_QUEUE_WAIT_TIME and LONG_BATCH_MAX_QUEUE_WAIT_TIME of the original's configuration.
_PATIENCE_SECONDS, _LONG_PATIENCE_SECONDS = 19.0, 3600.0


class Submission(BaseModel):
    """A program with its input and, for `/judge*`, its expected output."""

    sub_id: str | None = None
    type: Literal["python", "cpp", "math"]
    options: dict[str, str] | None = None
    solution: str
    input: str | None = None
    expected_output: str | None = None


class Batch(BaseModel):
    """Several submissions; results come in their order."""

    sub_id: str | None = None
    type: Literal["batch"] = "batch"
    submissions: list[Submission] = Field(min_length=1)


def routes(context: Context) -> Sequence[Route]:
    """The paths of this dialect."""
    found = [
        Route("GET", "/ping", endpoint(context, _ping)),
        Route("GET", "/status", endpoint(context, _status)),
    ]
    for name, shows_output in (("run", True), ("judge", False)):
        one = endpoint(context, _Single(shows_output), patience_seconds=_PATIENCE_SECONDS)
        found.append(Route("POST", f"/{name}", one))
        for kind, patience_seconds in (("batch", _PATIENCE_SECONDS), ("long-batch", _LONG_PATIENCE_SECONDS)):
            many = endpoint(context, _Many(shows_output, patience_seconds), patience_seconds=patience_seconds)
            found.append(Route("POST", f"/{name}/{kind}", many))
    return found


async def _ping(context: Context, request: Request) -> Response:
    return json("pong")


async def _status(context: Context, request: Request) -> Response:
    """The original counts its Redis queue; ours has none to show here."""
    return json({"queue": 0, "num_workers": 1 if context.service.ready else 0})


class _Single:
    """`/run` and `/judge`."""

    def __init__(self, shows_output: bool) -> None:
        self._shows_output = shows_output

    async def __call__(self, context: Context, request: Request) -> Response:
        submission = await context.read(request, Submission)
        work = _judge(context, submission, _PATIENCE_SECONDS)
        return json(_shown(await connected(request, work), self._shows_output))


class _Many:
    """`/run/batch`, `/judge/batch` and their long forms."""

    def __init__(self, shows_output: bool, patience_seconds: float) -> None:
        self._shows_output = shows_output
        self._patience_seconds = patience_seconds

    async def __call__(self, context: Context, request: Request) -> Response:
        batch = await context.read(request, Batch)
        work = gather(_judge(context, one, self._patience_seconds) for one in batch.submissions)
        results = [_shown(result, self._shows_output) for result in await connected(request, work)]
        return json({"sub_id": batch.sub_id or str(uuid.uuid4()), "results": results})


def _shown(result: dict[str, Any], shows_output: bool) -> dict[str, Any]:
    hidden = () if shows_output else ("stdout", "stderr")
    return {name: value for name, value in result.items() if name not in hidden}


async def _judge(context: Context, submission: Submission, patience_seconds: float) -> dict[str, Any]:
    """One result; a fault of the service is data here, as the wire has it."""
    try:
        if submission.type == "math":
            return await _judge_math(context, submission, patience_seconds)
        return await _judge_program(context, submission, patience_seconds)
    except RequestError as error:
        return _result(submission, reason=_REASONS.get(error.code, "internal_error"))


_REASONS = {
    ErrorCode.DEADLINE_EXCEEDED: "queue_timeout",
    ErrorCode.INVALID_ARGUMENT: "invalid_input",
}


async def _judge_math(context: Context, submission: Submission, patience_seconds: float) -> dict[str, Any]:
    gold = submission.expected_output or ""
    message = pb.VerifyRequest(completion=submission.solution, math=pb.MathTask(gold=[gold]))
    verdict = await context.verdict(message, patience_seconds)
    judged = verdict.HasField("reward")
    return _result(
        submission,
        success=judged and verdict.reward == 1.0,
        run_success=judged,
        cost=verdict.timing.total_seconds,
        reason="" if judged else "invalid_input",
    )


async def _judge_program(context: Context, submission: Submission, patience_seconds: float) -> dict[str, Any]:
    message = pb.ExecuteRequest(
        language=submission.type,
        source=submission.solution,
        stdin=[submission.input or ""],
        limits=context.limits(cpu_seconds=_CPU_SECONDS, wall_seconds=_WALL_SECONDS),
    )
    result = await context.execution(message, patience_seconds)
    if not result.runs:
        return _result(submission, cost=result.compile.wall_seconds, stderr=result.compile.diagnostics)
    run = result.runs[0]
    stdout = run.stdout.decode("utf-8", "replace")
    ended_well = run.status == pb.ACCEPTED
    expected = submission.expected_output
    return _result(
        submission,
        success=ended_well and (expected is None or stdout.strip() == expected.strip()),
        run_success=ended_well,
        cost=run.wall_seconds,
        stdout=stdout,
        stderr=run.stderr.decode("utf-8", "replace"),
        reason="worker_timeout" if run.status == pb.TIME_LIMIT else "",
    )


def _result(
    submission: Submission,
    *,
    success: bool = False,
    run_success: bool = False,
    cost: float = 0.0,
    stdout: str = "",
    stderr: str = "",
    reason: str = "",
) -> dict[str, Any]:
    return {
        "sub_id": submission.sub_id or str(uuid.uuid4()),
        "success": success,
        "run_success": run_success,
        "cost": cost,
        "stdout": stdout,
        "stderr": stderr,
        "reason": reason,
    }
