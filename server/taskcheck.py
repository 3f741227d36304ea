"""Checks a code task before anybody trains on it, with programs whose verdict is known.

A task is fit if its reference solution passes every test, twice with the same outcome of
each and with time to spare, and if no program that is known to be wrong passes. A task
without tests is found by the reference's verdict, UNGRADABLE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from protos.reward.v1 import reward_pb2 as pb
from server.errors import invalid
from server.faces import json_wire
from server.faces.service import RewardService

TIME_FACTOR = 2.0  # between the reference's slowest test and the limit


@dataclass(frozen=True, slots=True)
class TaskCheck:
    """A task with programs whose verdict is known."""

    id: str
    task: pb.CodeTask
    reference: str
    wrong: Sequence[str] = ()


@dataclass(slots=True)
class TaskReport:
    """What was found; fit if there is no problem."""

    id: str
    problems: list[str] = field(default_factory=list)
    slowest_cpu_seconds: float = 0.0
    limit_cpu_seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As one line of output."""
        return {
            "id": self.id,
            "fit": not self.problems,
            "problems": self.problems,
            "slowest_cpu_seconds": self.slowest_cpu_seconds,
            "limit_cpu_seconds": self.limit_cpu_seconds,
        }


def read(value: Any) -> TaskCheck:
    """A check from plain values, the task under `code`. Raises RequestError naming the field."""
    if not isinstance(value, dict):
        raise invalid("", "must be an object")
    if unknown := value.keys() - {"id", "code", "reference", "wrong"}:
        raise invalid(min(unknown), "unknown field")
    wrong = value.get("wrong", [])
    if not isinstance(value.get("reference"), str):
        raise invalid("reference", "must be a string: the program that is right")
    if not (isinstance(wrong, list) and all(isinstance(program, str) for program in wrong)):
        raise invalid("wrong", "must be an array of strings: programs that are not")
    task = json_wire.from_json(value.get("code"), pb.CodeTask, "code")
    return TaskCheck(str(value.get("id", "")), task, value["reference"], wrong)


async def check(service: RewardService, asked: TaskCheck) -> TaskReport:
    """Judges the programs and says what is wrong with the task. Raises RequestError for a malformed one."""
    report = TaskReport(asked.id)
    # The second request asks for explanations, so that no cache answers it.
    first, second = [await _judge(service, asked, asked.reference, explain=again) for again in (False, True)]
    report.limit_cpu_seconds = first.code.limits.cpu_seconds
    report.slowest_cpu_seconds = max((case.cpu_seconds for case in first.code.cases), default=0.0)
    if first.status != pb.ACCEPTED:
        report.problems.append(f"the reference is not accepted: {_said(first)}")
    elif report.slowest_cpu_seconds * TIME_FACTOR > report.limit_cpu_seconds:
        report.problems.append(f"the reference needs more than 1/{TIME_FACTOR:g} of the time limit")
    if _outcomes(first) != _outcomes(second):
        report.problems.append(f"two runs of the reference differ: {_said(first)}; {_said(second)}")
    for number, program in enumerate(asked.wrong):
        verdict = await _judge(service, asked, program)
        if verdict.status == pb.ACCEPTED or not verdict.HasField("reward"):
            report.problems.append(f"wrong[{number}] is not rejected: {_said(verdict)}")
    return report


async def _judge(
    service: RewardService, asked: TaskCheck, program: str, *, explain: bool = False
) -> pb.Verdict:
    request = pb.VerifyRequest(
        id=asked.id, completion=program, extraction="whole", explain=explain, code=asked.task
    )
    request.code.run_all = True
    return await service.verify(request)


def _outcomes(verdict: pb.Verdict) -> tuple[int, list[int]]:
    return verdict.status, [case.status for case in verdict.code.cases]


def _said(verdict: pb.Verdict) -> str:
    return f"{pb.Status.Name(verdict.status)} ({verdict.message})"
