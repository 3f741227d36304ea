"""A sampler that holds other weights than the trainer is found out before anything is sampled from it."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from trainer_client.errors import StaleSamplerError
from trainer_client.model import Policy
from trainer_client.rollout.agreement import assert_agreement, draw_probe, sampler_gap
from trainer_client.rollout.transformers_engine import ReplicaEngine, TransformersEngine

PROMPTS = ["Compute 2 + 3 * 4.", "Hi"]


@pytest.fixture
def mine(policy: Policy) -> Policy:
    return Policy(copy.deepcopy(policy.model), policy.tokenizer)


def prompt_ids(policy: Policy) -> list[list[int]]:
    return [policy.prompt_ids(prompt) for prompt in PROMPTS]


def move(policy: Policy, part: str) -> None:
    """Changes the weights whose name contains `part`."""
    with torch.no_grad():
        for name, weight in policy.model.named_parameters():
            if part in name:
                weight.mul_(1.1)


def gap_of(policy: Policy, engine: ReplicaEngine) -> float:
    prompts = prompt_ids(policy)
    return assert_agreement(policy, prompts, draw_probe(engine, prompts, 1), tolerance=1e-2)


def test_a_copy_agrees_after_a_hand_over(mine):
    engine = ReplicaEngine(mine)
    move(mine, "")
    engine.sync(mine.model.named_parameters())
    assert gap_of(mine, engine) < 1e-4


@pytest.mark.parametrize("part", ["lm_head", "layers.1.mlp", "embed_tokens"])
def test_a_part_that_was_not_handed_over_is_found(mine, part):
    engine = ReplicaEngine(mine)
    move(mine, "")
    engine.sync((name, weight) for name, weight in mine.model.named_parameters() if part not in name)
    with pytest.raises(StaleSamplerError, match="handed over"):
        gap_of(mine, engine)


def test_weights_that_are_no_numbers_are_found(mine):
    drawn = draw_probe(TransformersEngine(mine), prompt_ids(mine), 1)
    broken = [replace(one, logprobs=(float("nan"),) * len(one.logprobs)) for one in drawn]
    assert sampler_gap(mine, prompt_ids(mine), broken) == float("inf")


def test_a_copy_takes_no_weight_it_does_not_know(mine):
    with pytest.raises(KeyError):
        ReplicaEngine(mine).sync([("other.weight", torch.zeros(1))])
