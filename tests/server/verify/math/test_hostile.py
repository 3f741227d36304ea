"""The hostile suite against real jailed workers: each input is decided or UNDECIDED, and harms nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from protos.reward.v1 import reward_pb2 as pb
from sandbox.workers import JailedWorkers, WorkerConfig
from server.verify.extraction import POLICIES
from server.verify.math.quick import judge_quickly
from server.verify.math.verifier import MathVerifier
from tests.server.verify.math.hostile import COMPLETIONS, ENDLESS, HOSTILE

pytestmark = pytest.mark.asyncio(loop_scope="module")

CPU_SECONDS = 1.0
MEMORY_BYTES = 512 << 20
LONGEST = 100_000  # characters of a completion here; test_hostile_in_process reads a megabyte of each
HONEST = (  # gold, answer, whether they are equal; all of them need a worker
    ("3", r"\log_2 8", True),
    ("3", r"\log_2 9", False),
    (r"\cos x", r"\sin(90^\circ - x)", True),
    (r"\cos x", r"\sin(80^\circ - x)", False),
    (r"\frac{\pi}{2}", r"\arcsin 1", True),
    (r"\ln x^3", r"3\ln x", True),
    (r"\tan x", r"\frac{\sin x}{\cos x}", True),
    (r"\arctan x", r"\arcsin x", False),
)
JUDGED = {pb.ACCEPTED: 1.0, pb.WRONG_ANSWER: 0.0, pb.NO_ANSWER: 0.0}


class Outcome:
    """What one run over the whole suite gave."""

    def __init__(self) -> None:
        self.answers: dict[str, pb.Verdict] = {}
        self.golds: dict[str, pb.Verdict] = {}
        self.endless: dict[str, pb.Verdict] = {}
        self.completions: dict[str, pb.Verdict] = {}
        self.honest: list[tuple[bool, pb.Verdict]] = []
        self.deaths = -1


def request(completion: str, gold: str, policy: str = "whole") -> pb.VerifyRequest:
    return pb.VerifyRequest(completion=completion, extraction=policy, math=pb.MathTask(gold=[gold]))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcome() -> AsyncIterator[Outcome]:
    """All of it at once, honest pairs in between, on two workers."""
    workers = JailedWorkers(WorkerConfig("server.verify.math.worker", count=2, memory_bytes=MEMORY_BYTES))
    await workers.start()
    found = Outcome()
    await asyncio.gather(*_checks(MathVerifier(workers.call, cpu_seconds=CPU_SECONDS), found, workers))
    found.deaths = workers.counts.deaths
    yield found
    await workers.close()


def _checks(verifier: MathVerifier, found: Outcome, workers: JailedWorkers) -> list[asyncio.Task[None]]:
    async def keep(kept: dict[str, pb.Verdict], name: str, asked: pb.VerifyRequest) -> None:
        kept[name] = await verifier.verify(asked)

    async def be_honest(gold: str, answer: str, equal: bool) -> None:
        uncached = MathVerifier(workers.call, cpu_seconds=30.0)
        found.honest.append((equal, await uncached.verify(request(answer, gold))))

    tasks = []
    for index, (name, text) in enumerate(HOSTILE.items()):
        tasks.append(keep(found.answers, name, request(text, "42")))
        tasks.append(be_honest(*HONEST[index % len(HONEST)]))
        tasks.append(keep(found.golds, name, request("17", text)))
    for name, (gold, answer) in ENDLESS.items():
        tasks.append(keep(found.endless, name, request(answer, gold)))
    for name, text in COMPLETIONS.items():
        for policy in POLICIES:
            tasks.append(keep(found.completions, f"{name}, {policy}", request(text[:LONGEST], "42", policy)))
    return [asyncio.ensure_future(task) for task in tasks]


def assert_rewarded_only_if_judged(verdict: pb.Verdict) -> None:
    assert (verdict.reward if verdict.HasField("reward") else None) == JUDGED.get(verdict.status)


@pytest.mark.parametrize("name", HOSTILE)
async def test_as_an_answer(name: str, outcome: Outcome) -> None:
    verdict = outcome.answers[name]
    assert verdict.status in {pb.WRONG_ANSWER, pb.NO_ANSWER, pb.UNDECIDED}
    assert_rewarded_only_if_judged(verdict)


@pytest.mark.parametrize("name", HOSTILE)
async def test_as_a_gold(name: str, outcome: Outcome) -> None:
    verdict = outcome.golds[name]
    assert verdict.status in {pb.WRONG_ANSWER, pb.UNGRADABLE, pb.UNDECIDED}
    assert_rewarded_only_if_judged(verdict)


@pytest.mark.parametrize("name", ENDLESS)
async def test_what_exceeds_the_budget_is_undecided(name: str, outcome: Outcome) -> None:
    assert outcome.endless[name].status == pb.UNDECIDED
    assert_rewarded_only_if_judged(outcome.endless[name])


@pytest.mark.parametrize("name", COMPLETIONS)
async def test_as_a_completion_under_every_policy(name: str, outcome: Outcome) -> None:
    verdicts = [outcome.completions[f"{name}, {policy}"] for policy in POLICIES]
    assert {verdict.status for verdict in verdicts} <= {pb.WRONG_ANSWER, pb.NO_ANSWER, pb.UNDECIDED}


@pytest.mark.parametrize(("gold", "answer"), [pair[:2] for pair in HONEST])
async def test_the_neighbours_do_need_a_worker(gold: str, answer: str) -> None:
    assert judge_quickly(gold, answer) is None


async def test_every_neighbour_gets_its_right_verdict(outcome: Outcome) -> None:
    assert len(outcome.honest) == len(HOSTILE)
    for equal, verdict in outcome.honest:
        assert verdict.status == (pb.ACCEPTED if equal else pb.WRONG_ANSWER)


async def test_no_input_crashes_a_worker(outcome: Outcome) -> None:
    assert outcome.deaths == 0


async def test_the_guards_leave_few_to_the_budget(outcome: Outcome) -> None:
    undecided = [name for name, verdict in outcome.answers.items() if verdict.status == pb.UNDECIDED]
    assert len(undecided) < len(HOSTILE) // 20, undecided
