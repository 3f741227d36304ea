"""Supervised steps: what they learn and what they do not."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch

from trainer_client.grpo.batch import completion_logprobs, token_batch
from trainer_client.model import Policy
from trainer_client.recipe import WarmStart
from trainer_client.tasks.pools import worked_examples
from trainer_client.warm_start import example_batches, learning_rate_at, supervised_step


def test_the_loss_is_that_of_the_responses_alone(policy):
    mine = Policy(copy.deepcopy(policy.model), policy.tokenizer)
    examples = list(itertools.islice(worked_examples("math", 0, 0.5), 5))
    rows = [(mine.prompt_ids(one.problem.prompt), mine.response_ids(one.response)) for one in examples]
    batch = token_batch([row[0] for row in rows], [row[1] for row in rows], mine.pad_id, mine.model.device)
    with torch.no_grad():
        logprobs = completion_logprobs(mine, batch, 1.0)
    wanted = -float((logprobs * batch.mask).sum() / batch.mask.sum())
    optimizer = torch.optim.SGD(mine.model.parameters(), lr=0.0)
    assert supervised_step(mine, optimizer, examples) == pytest.approx(wanted, rel=1e-5)


def test_it_learns(policy):
    mine = Policy(copy.deepcopy(policy.model), policy.tokenizer)
    optimizer = torch.optim.AdamW(mine.model.parameters(), lr=3e-3)
    examples = list(itertools.islice(worked_examples("math", 0, 0.5), 4))
    losses = [supervised_step(mine, optimizer, examples) for _ in range(15)]
    assert losses[-1] < 0.7 * losses[0]


def test_batches_mix_the_domains_and_repeat_by_seed():
    settings = WarmStart(steps=1, batch_size=8)
    batch = next(example_batches(settings, seed=1))
    assert [one.problem.domain for one in batch] == ["math", "math", "math", "code"] * 2
    assert batch == next(example_batches(settings, seed=1))
    assert batch != next(example_batches(settings, seed=2))


def test_the_learning_rate_rises_and_falls():
    settings = WarmStart(steps=100, learning_rate=1.0)
    rates = [learning_rate_at(step, settings) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.1, abs=0.01)
