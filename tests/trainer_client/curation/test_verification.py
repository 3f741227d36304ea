"""What the server is asked, and what its answers do to a problem."""

from __future__ import annotations

import pytest

from protos.reward.v1 import reward_pb2 as pb
from tests.trainer_client.conftest import QUICK
from tests.trainer_client.fake_server import FakeServer, verdict
from trainer_client.client import AsyncRewardClient
from trainer_client.curation.plan import Verifier
from trainer_client.curation.problem import CuratedProblem, Program, Rejection
from trainer_client.curation.verification import check_golds, check_references
from trainer_client.curation.workspace import CurationError
from trainer_client.retry import RetryPolicy

LABEL = {"code": {"language": "python", "stdio": {"cases": [{"input": "3", "output": "6"}]}}}
REFERENCE = Program("reference", "n = int(input())\nprint(n * 2)", right=True)
HASTY = RetryPolicy(deadline_seconds=0.05, first_wait_seconds=0.001, longest_wait_seconds=0.01)


def math(gold: str) -> CuratedProblem:
    return CuratedProblem("f:1", "s/1", "1", "math", "x", "x", gold, (gold,))


def code(*programs: Program, label: dict = LABEL) -> CuratedProblem:
    return CuratedProblem("f:1", "s/1", "1", "code", "x", "x", label, programs=programs)


async def golds(server: FakeServer, gold: str, policy: RetryPolicy = QUICK) -> Rejection | None:
    async with AsyncRewardClient(server.address, policy=policy) as client:
        return await check_golds(client, math(gold))


async def references(server: FakeServer, problem: CuratedProblem, **settings) -> Rejection | None:
    async with AsyncRewardClient(server.address, policy=QUICK) as client:
        return await check_references(client, problem, Verifier(**settings))


async def test_a_gold_that_is_only_equal_to_itself_is_unreadable(server):
    """Identical text is accepted unread: only another answer shows that the gold cannot be read."""
    server.faults = lambda request, attempt: None if "42" in request.completion else verdict("UNGRADABLE")
    assert await golds(server, "42") is not None


async def test_a_readable_gold_stays(server):
    assert await golds(server, "42") is None


async def test_a_gold_that_is_rejected_as_its_own_answer_leaves(server):
    server.faults = lambda request, attempt: verdict("WRONG_ANSWER", 0.0)
    assert (await golds(server, "42")).rule == "gold_rejected"


@pytest.mark.parametrize("status", ["INTERNAL_ERROR", "OVERLOADED"])
async def test_a_fault_of_the_service_rejects_nothing(server, status):
    server.faults = lambda request, attempt: verdict(status)
    with pytest.raises(CurationError, match="cannot judge s/1"):
        await golds(server, "42", HASTY)


async def test_without_a_reference_nothing_is_asked(server):
    assert await references(server, code()) is None
    assert (await references(server, code(), reference_required=True)).rule == "no_reference"
    assert server.attempts == {}


async def test_a_mutant_has_little_more_time_than_its_reference(server):
    seen: list[float] = []

    def timed(request: pb.VerifyRequest, attempt: int) -> pb.Verdict:
        seen.append(request.code.limits.cpu_seconds)
        if request.completion != REFERENCE.source:
            return verdict("TIME_LIMIT", 0.0)
        answer = verdict("ACCEPTED", 1.0)
        answer.code.cases.add(cpu_seconds=0.3)
        answer.code.limits.cpu_seconds = request.code.limits.cpu_seconds or 10.0
        return answer

    server.faults = timed
    assert await references(server, code(REFERENCE)) is None
    assert seen[:2] == [0.0, 0.0]
    assert set(seen[2:]) == {1.5}
    strict = {"code": {**LABEL["code"], "limits": {"cpu_seconds": 1.0}}}
    seen.clear()
    assert await references(server, code(REFERENCE, label=strict)) is None
    assert set(seen) == {1.0}


async def test_a_reference_in_another_language_has_no_mutants(server):
    other = Program("reference", REFERENCE.source, right=True, language="cpp")
    assert await references(server, code(other)) is None
    assert sum(server.attempts.values()) == 2  # the reference, judged twice by the server's check


async def test_a_reference_that_passes_only_now_and_then_leaves(server):
    """Judged for the second time, as the check does it, it fails; the third time it passes again."""
    server.faults = lambda request, attempt: verdict("WRONG_ANSWER", 0.0) if attempt == 2 else None
    rejection = await references(server, code(REFERENCE))
    assert rejection.rule == "task_unfit"
    assert "two runs of the reference differ" in rejection.detail


@pytest.mark.parametrize("language", ["", "cpp"])
async def test_a_wrong_program_that_passes_is_named(server, language):
    """In the reference's language the server's check finds it; in another it is asked for by itself."""
    wrong = Program("hasty", "print(6)", right=False, language=language)
    server.faults = lambda request, attempt: verdict("ACCEPTED", 1.0)
    rejection = await references(server, code(REFERENCE, wrong))
    assert rejection == Rejection("accepts_wrong", "hasty is known to be wrong and passes")


async def test_known_wrong_programs_are_judged_once(server):
    wrong = [Program(str(number), f"print({number})", right=False) for number in range(3)]
    assert await references(server, code(REFERENCE, *wrong), mutants=0) is None
    assert sum(server.attempts.values()) == 2 + 3  # the reference twice
