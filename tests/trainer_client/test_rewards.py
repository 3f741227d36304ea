"""Rewards are asked for as completions end, and a batch can be abandoned."""

from __future__ import annotations

import threading

import pytest

from tests.trainer_client.conftest import QUICK
from tests.trainer_client.fake_server import FakeServer, verdict
from trainer_client.client import RewardClient
from trainer_client.errors import Interrupted
from trainer_client.rewards import roll_out
from trainer_client.rollout.engine import Completion, SamplingSettings
from trainer_client.tasks.pools import problem_pool

SETTINGS = SamplingSettings(max_tokens=4, temperature=1.0, seed=0)


class SlowEngine:
    """Ends its completions last prompt first, and each only once the one before was judged."""

    def __init__(self, judged: threading.Semaphore) -> None:
        self._judged = judged

    def sample(self, prompts, settings):
        for index in reversed(range(len(prompts))):
            yield Completion(index, (1,), (0.0,), f"\\boxed{{{index}}}", truncated=False)
            assert self._judged.acquire(timeout=20), "no verdict came while sampling went on"

    def sync(self, weights):
        pass

    def close(self):
        pass


class AtOnce(SlowEngine):
    """Ends all completions in one instant: nothing can be hidden behind it."""

    def __init__(self) -> None:
        super().__init__(threading.Semaphore(10**6))


def prompts(count: int):
    return [(problem, [1]) for problem in problem_pool("math", count, 0)]


def test_completions_are_judged_while_others_are_sampled(server: FakeServer):
    judged = threading.Semaphore(0)

    def telling(request, attempt):
        judged.release()
        return (
            verdict("ACCEPTED", 1.0) if request.completion == "\\boxed{2}" else verdict("WRONG_ANSWER", 0.0)
        )

    server.faults = telling
    with RewardClient(server.address, policy=QUICK) as client:
        rollouts = roll_out(SlowEngine(judged), client, prompts(4), SETTINGS, label="x", run="r")
    assert [one.completion.index for one in rollouts.judged] == [0, 1, 2, 3]  # in the order of the prompts
    assert [one.verdict.reward for one in rollouts.judged] == [0.0, 0.0, 1.0, 0.0]
    assert [one.verdict.id for one in rollouts.judged] == [f"x/{index}" for index in range(4)]


def test_hidden_grading_ends_with_the_last_token_and_exposed_grading_begins_there(server: FakeServer):
    """Every verdict but the last comes before the last token; the last one cannot."""
    judged = threading.Semaphore(0)

    def telling(request, attempt):
        judged.release()
        return verdict("ACCEPTED", 1.0)

    server.faults = telling
    with RewardClient(server.address, policy=QUICK) as client:
        rollouts = roll_out(SlowEngine(judged), client, prompts(4), SETTINGS, label="x", run="r")
        instant = roll_out(AtOnce(), client, prompts(4), SETTINGS, label="y", run="r")
    assert 0 < rollouts.hidden_seconds <= rollouts.sample_seconds
    assert instant.exposed_seconds > 0
    assert instant.hidden_seconds <= instant.sample_seconds


def test_a_wish_to_stop_is_heard_while_waiting_for_verdicts(server: FakeServer):
    arrived, release = threading.Event(), threading.Event()

    def hanging(request, attempt):
        arrived.set()
        release.wait(20)
        return verdict("ACCEPTED", 1.0)

    def check() -> None:
        if arrived.is_set():
            raise Interrupted(2)

    server.faults = hanging
    free = threading.Semaphore(10)
    with RewardClient(server.address, policy=QUICK) as client:
        with pytest.raises(Interrupted):
            roll_out(SlowEngine(free), client, prompts(2), SETTINGS, label="x", run="r", check=check)
        release.set()
