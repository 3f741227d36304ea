"""Every family: the right response is judged right, the slip wrong."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest

from tests.trainer_client.fake_server import judge
from trainer_client.tasks import arithmetic, programs
from trainer_client.tasks.pools import HELD_OUT_SHARE, pool_limit, problem_pool, worked_examples
from trainer_client.tasks.problem import Draft, is_held_out

FAMILIES = [*arithmetic.FAMILIES, *programs.FAMILIES]


def reward(draft: Draft, response: str) -> float:
    return judge(draft.problem.request(response, request_id="x", run="")).reward


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_right_is_right_and_the_slip_is_caught(family):
    count = 60 if family in arithmetic.FAMILIES else 3  # programs really run: a process for each test
    drafts = [family(random.Random(seed)) for seed in range(count)]
    assert all(reward(draft, draft.right) == 1.0 for draft in drafts)
    caught = sum(reward(draft, draft.slip) == 0.0 for draft in drafts)
    assert caught >= 0.75 * count  # some numbers forgive the mistake: 2 + 2 is 2 * 2


@pytest.mark.parametrize("domain", ["math", "code"])
def test_held_out_problems_are_never_trained_on(domain):
    held_out = {problem.key for problem in problem_pool(domain, 128, seed=0, held_out=True)}
    train = {problem.key for seed in range(3) for problem in problem_pool(domain, 600, seed)}
    worked = {example.problem.key for example in itertools.islice(worked_examples(domain, 0, 0.5), 3000)}
    assert len(held_out) == 128
    assert not held_out & train
    assert not held_out & worked


def test_a_pool_is_a_function_of_its_seed():
    assert problem_pool("math", 50, 3) == problem_pool("math", 50, 3)
    assert problem_pool("math", 50, 3) != problem_pool("math", 50, 4)


def test_levels_can_be_limited():
    assert {problem.level for problem in problem_pool("math", 100, 0, max_level=1)} == {1}


@pytest.mark.parametrize(("domain", "draw"), [("math", arithmetic.draw), ("code", programs.draw)])
def test_the_limits_are_what_the_families_make(domain, draw):
    rng = random.Random(0)
    problems = (draw(rng).problem for _ in range(40_000))
    found = {(problem.key, problem.level) for problem in problems}
    made = Counter((is_held_out(key, HELD_OUT_SHARE), level) for key, level in found)
    for held_out, level in itertools.product((False, True), (1, 2)):
        limit = pool_limit(domain, held_out=held_out, min_level=level, max_level=level)
        assert made[held_out, level] == limit


def test_a_pool_that_cannot_be_filled_says_so():
    with pytest.raises(ValueError, match="only 0 different"):
        problem_pool("math", 1, 0, max_level=0)


def test_slip_rate():
    def accuracy(slip_rate: float) -> float:
        examples = list(itertools.islice(worked_examples("math", 0, slip_rate), 200))
        verdicts = [judge(one.problem.request(one.response, request_id="x", run="")) for one in examples]
        return sum(verdict.reward for verdict in verdicts) / len(verdicts)

    assert accuracy(0.0) == 1.0
    assert 0.4 < accuracy(0.5) < 0.65
    assert accuracy(1.0) < 0.15
