"""Accuracy is over what was judged."""

from __future__ import annotations

from protos.reward.v1 import reward_pb2 as pb
from trainer_client.client import Verdict
from trainer_client.evaluate import Accuracy, accuracy_of
from trainer_client.rewards import Judged
from trainer_client.rollout.engine import Completion
from trainer_client.tasks.pools import problem_pool


def judged(*rewards: float | None) -> list[Judged]:
    problem = problem_pool("math", 1, 0)[0]
    completion = Completion(0, (1,), (0.0,), "", truncated=False)
    return [Judged(problem, completion, Verdict.of(pb.Verdict(reward=reward), 1)) for reward in rewards]


def test_without_a_reward_is_neither_right_nor_wrong():
    assert accuracy_of(judged(1.0, None, 0.0, None, 1.0, 0.0)) == Accuracy(0.5, judged=4, unjudged=2)


def test_nothing_judged_is_no_accuracy():
    assert accuracy_of(judged(None, None)) == Accuracy(None, judged=0, unjudged=2)
