"""The verifier: statuses, and that a reward is present exactly if the completion was judged."""

from __future__ import annotations

import pytest

from protos.reward.v1 import reward_pb2 as pb
from sandbox.errors import WorkerBudgetExceeded, WorkerDied, WorkerLost
from server.errors import RequestError
from server.verify.math import worker
from server.verify.math.verifier import MathVerifier


class FakeWorkers:
    """Runs `worker.handle` in this process, or fails as told; keeps what it was asked."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.payloads: list[bytes] = []

    async def __call__(self, payload: bytes, cpu_seconds: float) -> bytes:
        self.payloads.append(payload)
        if self.fault:
            raise self.fault
        return worker.handle(payload)


HARD = (r"\boxed{\arcsin x}", r"\arccos x")  # takes a worker


def request(completion: str, *gold: str, extraction: str = "") -> pb.VerifyRequest:
    return pb.VerifyRequest(
        id="r1", completion=completion, extraction=extraction, math=pb.MathTask(gold=gold)
    )


@pytest.mark.parametrize(
    ("completion", "golds", "status", "reward"),
    [
        (r"\boxed{42}", ["42"], pb.ACCEPTED, 1.0),
        (r"\boxed{43}", ["42"], pb.WRONG_ANSWER, 0.0),
        (r"\boxed{\sqrt{117}}", [r"3\sqrt{13}"], pb.ACCEPTED, 1.0),
        (r"\boxed{\sqrt{118}}", [r"3\sqrt{13}"], pb.WRONG_ANSWER, 0.0),
        (r"\boxed{\frac{1}{}", ["42"], pb.NO_ANSWER, 0.0),
        (r"\boxed{\frac{1}}", ["42"], pb.WRONG_ANSWER, 0.0),
        (r"\boxed{9^{9^{9}}}", ["42"], pb.WRONG_ANSWER, 0.0),
        ("42", ["42"], pb.NO_ANSWER, 0.0),
        (r"<think>\boxed{42}", ["42"], pb.NO_ANSWER, 0.0),
        (r"\boxed{3}", ["2", "3"], pb.ACCEPTED, 1.0),
        (r"\boxed{3}", [r"\sqrt{7}", r"\sqrt{9}"], pb.ACCEPTED, 1.0),
        (r"\boxed{42}", [], pb.UNGRADABLE, None),
        (r"\boxed{42}", ["", " "], pb.UNGRADABLE, None),
        (r"\boxed{42}", [r"\frac{1}{"], pb.UNGRADABLE, None),
        (r"\boxed{42}", [r"\frac{1}{", "41"], pb.WRONG_ANSWER, 0.0),
    ],
)
async def test_status_and_reward(
    completion: str, golds: list[str], status: int, reward: float | None
) -> None:
    verdict = await MathVerifier(FakeWorkers()).verify(request(completion, *golds))
    assert verdict.status == status
    assert (verdict.reward if verdict.HasField("reward") else None) == reward
    assert (verdict.id, verdict.trust) == ("r1", pb.OUTSIDE)
    assert verdict.message


async def test_a_verdict_explains_itself() -> None:
    verdict = await MathVerifier(FakeWorkers()).verify(request(r"<think></think>\boxed{0.5}", r"\frac12"))
    assert verdict.extracted == "0.5"
    assert (verdict.math.gold_parsed, verdict.math.answer_parsed, verdict.math.rule) == (
        "1/2",
        "1/2",
        "fraction",
    )
    assert r"last \boxed{} after </think>" in verdict.message


async def test_plain_numbers_never_reach_a_worker() -> None:
    workers = FakeWorkers()
    await MathVerifier(workers).verify(request(r"\boxed{42}", "41"))
    assert workers.payloads == []


async def test_a_check_out_of_budget_is_undecided_without_a_reward() -> None:
    verdict = await MathVerifier(FakeWorkers(WorkerBudgetExceeded("5 s"))).verify(request(*HARD))
    assert verdict.status == pb.UNDECIDED
    assert not verdict.HasField("reward")


async def test_a_lost_worker_is_the_callers_to_handle() -> None:
    with pytest.raises(WorkerLost):
        await MathVerifier(FakeWorkers(WorkerLost("gone"))).verify(request(*HARD))


async def test_an_unknown_policy_names_its_field() -> None:
    with pytest.raises(RequestError, match="extraction"):
        await MathVerifier(FakeWorkers()).verify(request("x", "y", extraction="best_guess"))


async def test_a_judgement_is_kept_and_says_so() -> None:
    workers = FakeWorkers()
    verifier = MathVerifier(workers)
    first = await verifier.verify(request(r"\boxed{\log_2 8}", "3"))
    second = await verifier.verify(request(r"\boxed{\log_2 8}", "3"))
    assert (first.cached, second.cached, len(workers.payloads)) == (False, True, 1)
    assert (first.status, first.reward) == (second.status, second.reward)


async def test_what_was_undecided_is_asked_again() -> None:
    workers = FakeWorkers(WorkerBudgetExceeded("5 s"))
    verifier = MathVerifier(workers)
    await verifier.verify(request(*HARD))
    await verifier.verify(request(*HARD))
    assert len(workers.payloads) == 2


async def test_a_huge_answer_is_cut_before_it_is_sent() -> None:
    workers = FakeWorkers()
    verdict = await MathVerifier(workers).verify(request("y" * 1_000_000, "x", extraction="whole"))
    assert verdict.status == pb.WRONG_ANSWER
    assert len(workers.payloads[0]) < 11_000
    assert len(verdict.extracted) <= 2000


async def test_a_check_that_ends_its_worker_is_undecided_without_a_reward() -> None:
    verdict = await MathVerifier(FakeWorkers(WorkerDied("ended"))).verify(request(*HARD))
    assert verdict.status == pb.UNDECIDED
    assert not verdict.HasField("reward")


async def test_what_the_fast_path_decided_is_kept_too() -> None:
    verifier = MathVerifier(FakeWorkers())
    first = await verifier.verify(request(r"\boxed{0.5}", r"\frac12"))
    second = await verifier.verify(request(r"so \boxed{0.5}", r"\frac12"))
    assert (first.cached, second.cached) == (False, True)
    assert first.math == second.math


async def test_rejection_by_a_readable_gold_is_kept_as_such() -> None:
    workers = FakeWorkers()
    verifier = MathVerifier(workers)
    for _ in range(2):
        verdict = await verifier.verify(request(r"\boxed{42}", r"\frac{1}{", "41"))
        assert verdict.status == pb.WRONG_ANSWER
    assert len(workers.payloads) == 1


async def test_the_golds_are_part_of_what_is_kept() -> None:
    verifier = MathVerifier(FakeWorkers())
    assert (await verifier.verify(request(r"\boxed{4}", "4"))).status == pb.ACCEPTED
    assert (await verifier.verify(request(r"\boxed{4}", "5"))).status == pb.WRONG_ANSWER


@pytest.mark.parametrize(
    ("completion", "gold"),
    [(r"\boxed{42}", "42"), (r"\boxed{0.5}", r"\frac12"), (r"\boxed{41}", "42"), ("none", "42"), ("42", " ")],
)
async def test_what_is_decided_at_once_is_what_waiting_would_give(completion: str, gold: str) -> None:
    asked = request(completion, gold)
    at_once = MathVerifier(FakeWorkers()).verify_now(asked)
    assert at_once == await MathVerifier(FakeWorkers()).verify(asked)


@pytest.mark.parametrize("asked", [request(*HARD), request("x" * (1 << 18) + r"\boxed{1}", "1")])
def test_what_takes_a_worker_or_a_thread_is_not_decided_at_once(asked: pb.VerifyRequest) -> None:
    verifier = MathVerifier(FakeWorkers())
    assert verifier.verify_now(asked) is None
    assert verifier._cache.counts.misses == 0
