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
        return answer

    server.faults = timed
    assert await references(server, code(REFERENCE)) is None
    assert seen[0] == 0.0
    assert set(seen[1:]) == {1.5}
    strict = {"code": {**LABEL["code"], "limits": {"cpu_seconds": 1.0}}}
    seen.clear()
    assert await references(server, code(REFERENCE, label=strict)) is None
    assert set(seen) == {1.0}


async def test_a_reference_in_another_language_has_no_mutants(server):
    other = Program("reference", REFERENCE.source, right=True, language="cpp")
    assert await references(server, code(other)) is None
    assert sum(server.attempts.values()) == 1
