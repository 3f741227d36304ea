"""pass@k of two checkpoints and accuracy by family: by hand, and without what was not judged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.recipe.families import by_family
from bench.recipe.pass_at_k import by_problem, compared
from protos.reward.v1 import reward_pb2 as pb
from trainer_client.client import Verdict
from trainer_client.rewards import Judged
from trainer_client.rollout.engine import Completion
from trainer_client.tasks.problem import Problem

PROBLEM = Problem("math/x/1", "math", 1, "Compute 1.", pb.MathTask(gold=["1"]))


def judged(reward: float | None) -> Judged:
    status = pb.OVERLOADED if reward is None else pb.ACCEPTED if reward else pb.WRONG_ANSWER
    verdict = pb.Verdict(status=status) if reward is None else pb.Verdict(status=status, reward=reward)
    return Judged(PROBLEM, Completion(0, (1,), (0.0,), "1", truncated=False), Verdict.of(verdict, 1))


def test_both_curves_and_what_only_one_solves():
    start = [[True, False], [False, False], [True, True]]
    end = [[True, True], [True, False], [False, False]]
    found = compared("math", start, end)
    assert found["k"] == [1, 2]
    assert found["start"] == pytest.approx([0.5, 2 / 3], abs=1e-4)
    assert found["end"] == pytest.approx([0.5, 2 / 3], abs=1e-4)
    assert (found["solved_by_both"], found["newly_solved"], found["newly_lost"]) == (1, 1, 1)


def test_k_goes_as_far_as_the_problem_with_the_fewest_samples():
    assert compared("math", [[True] * 8, [True] * 5], [[True] * 8] * 2)["k"] == [1, 2, 4]


def test_a_sample_without_a_reward_is_no_wrong_one():
    rows = [judged(1.0), judged(None), judged(0.0), judged(1.0)]
    assert by_problem(rows, 2) == [[True], [False, True]]


def test_accuracy_by_family_counts_problems_that_were_judged():
    problems = [replace(PROBLEM, key=key) for key in ("math/x/1", "math/x/2", "math/y/1", "math/y/2")]
    found = by_family(problems, [[True, False], [True, True], [False], []])
    assert found == {"all": (pytest.approx(0.5), 3), "x": (0.75, 2), "y": (0.0, 1)}
