"""Checks a task before anybody trains on it, with programs or answers whose verdict is known.

A code task is fit if its reference passes every test, twice with the same outcome of each
and with time to spare, and if nothing that is known to be wrong passes. A task without
tests is found by the reference's verdict, UNGRADABLE; so is a gold answer that cannot be read.
One whose expected outputs are all blank would accept a program that does nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from protos.reward.v1 import reward_pb2 as pb
from server.errors import ErrorCode, RequestError, invalid

TIME_FACTOR = 2.0  # between the reference's slowest test and the limit
_FAULTS = (pb.INTERNAL_ERROR, pb.OVERLOADED, pb.CANCELLED)


class Verifier(Protocol):
    """What judges: a service or its core."""

    async def verify(self, request: pb.VerifyRequest) -> pb.Verdict:
        """Judges one completion."""


async def check(service: Verifier, asked: pb.CheckTaskRequest) -> pb.TaskReport:
    """Judges what is known of the task and says what is wrong with it.

    Raises RequestError for a malformed request, and INTERNAL where the service could not judge: that says
    nothing of the task.
    """
    kind = asked.WhichOneof("task")
    if kind is None:
        raise invalid("task", "one of `math` and `code` is required")
    if not 0 <= asked.time_factor < float("inf"):
        raise invalid("time_factor", "must be a finite number, not negative")
    if kind == "code" and not asked.reference:
        raise invalid("reference", "is required: a program that is right")
    report = pb.TaskReport(id=asked.id)
    await (_check_code(service, asked, report) if kind == "code" else _check_math(service, asked, report))
    for number, wrong in enumerate(asked.wrong):
        verdict = await _judge(service, asked, wrong)
        if verdict.status == pb.ACCEPTED or not verdict.HasField("reward"):
            report.problems.append(f"wrong[{number}] is not rejected: {_said(verdict)}")
    report.fit = not report.problems
    return report


async def _check_code(service: Verifier, asked: pb.CheckTaskRequest, report: pb.TaskReport) -> None:
    # The second request asks for explanations, so that no cache answers it.
    first, second = [await _judge(service, asked, asked.reference, explain=again) for again in (False, True)]
    factor = asked.time_factor or TIME_FACTOR
    report.limit_cpu_seconds = first.code.limits.cpu_seconds
    report.slowest_cpu_seconds = max((case.cpu_seconds for case in first.code.cases), default=0.0)
    if first.status != pb.ACCEPTED:
        report.problems.append(f"the reference is not accepted: {_said(first)}")
    elif report.slowest_cpu_seconds * factor > report.limit_cpu_seconds:
        report.problems.append(f"the reference needs more than 1/{factor:g} of the time limit")
    if _outcomes(first) != _outcomes(second):
        report.problems.append(f"two runs of the reference differ: {_said(first)}; {_said(second)}")
    if _asks_for_nothing(asked.code):
        report.problems.append("every expected output is blank: a program that does nothing passes")


def _asks_for_nothing(task: pb.CodeTask) -> bool:
    cases, decided = task.stdio.cases, task.checker.WhichOneof("kind") == "program"
    return bool(cases) and not decided and not any(case.output.strip() for case in cases)


async def _check_math(service: Verifier, asked: pb.CheckTaskRequest, report: pb.TaskReport) -> None:
    for answer in _right_answers(asked):
        verdict = await _judge(service, asked, answer)
        if verdict.status != pb.ACCEPTED:
            report.problems.append(f"the right answer {answer!r} is not accepted: {_said(verdict)}")


def _right_answers(asked: pb.CheckTaskRequest) -> Iterable[str]:
    """The reference, or else each gold answer; without either there is one that nothing can match."""
    return (asked.reference,) if asked.reference else tuple(asked.math.gold) or ("",)


async def _judge(
    service: Verifier, asked: pb.CheckTaskRequest, known: str, *, explain: bool = False
) -> pb.Verdict:
    # Without the id: requests that differ must not share one.
    request = pb.VerifyRequest(run=asked.run, explain=explain)
    if asked.HasField("math"):
        request.math.CopyFrom(asked.math)
        request.completion, request.extraction = f"\\boxed{{{known}}}", "last_boxed"
    else:
        request.code.CopyFrom(asked.code)
        # Every test's outcome is compared for the reference; a wrong program may end at its first failure.
        request.code.run_all = known == asked.reference
        request.completion, request.extraction = known, "whole"
    verdict = await service.verify(request)
    if verdict.status in _FAULTS:
        raise RequestError(ErrorCode.INTERNAL, f"the task could not be checked: {_said(verdict)}")
    if verdict.status == pb.UNKNOWN_TESTS:
        raise invalid("code.tests_hash", verdict.message)
    return verdict


def _outcomes(verdict: pb.Verdict) -> tuple[int, list[int]]:
    return verdict.status, [case.status for case in verdict.code.cases]


def _said(verdict: pb.Verdict) -> str:
    return f"{pb.Status.Name(verdict.status)} ({verdict.message})"
