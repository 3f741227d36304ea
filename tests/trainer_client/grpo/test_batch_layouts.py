"""Padding, packing and micro-batching leave the gradient unchanged, to the precision of float64."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from tests.trainer_client.grpo.test_update import STAGE, judged
from trainer_client.grpo.batch import completion_logprobs, packed_logprobs, token_batch
from trainer_client.grpo.update import micro_batches, training_rows, update_policy
from trainer_client.model import Policy
from trainer_client.parallel import World, place_model
from trainer_client.recipe import LOSSES, Compute, Loss
from trainer_client.rewards import Judged
from trainer_client.rollout.engine import Completion

STILL = replace(STAGE, learning_rate=1e-30)
REWARDS: list[float | None] = [1.0, 0.0, 0.0, None, 0.0, 1.0, 1.0, 0.0]


@pytest.fixture(scope="module")
def exact(policy: Policy) -> Policy:
    return Policy(copy.deepcopy(policy.model).double(), policy.tokenizer)


@pytest.fixture(scope="module")
def batch(exact: Policy, policy: Policy) -> list[Judged]:
    """Completions of different lengths, with the log-probabilities that the exact policy gives them."""
    found = []
    for place, one in enumerate(judged(policy, REWARDS)):
        tokens = one.completion.token_ids[: 3 + 2 * (place % 4)]
        prompt = exact.prompt_ids(one.problem.prompt)
        rows = token_batch([prompt], [tokens], exact.pad_id, exact.model.device)
        with torch.no_grad():
            logprobs = tuple(completion_logprobs(exact, rows, STAGE.temperature)[0].tolist())
        found.append(
            Judged(one.problem, Completion(place, tokens, logprobs, "", truncated=False), one.verdict)
        )
    return found


def gradient(policy: Policy, batch: list[Judged], compute: Compute, loss: Loss | None = None) -> torch.Tensor:
    optimizer = torch.optim.SGD(policy.model.parameters(), lr=0.0)
    update_policy(policy, optimizer, training_rows(batch, 4), STILL, compute, loss=loss)
    grads = [parameter.grad for parameter in policy.model.parameters()]
    return torch.cat([grad.flatten() for grad in grads if grad is not None])


LAYOUTS = {
    "one row at a time, which has no padding": {"micro_batch_size": 1},
    "three rows at a time": {"micro_batch_size": 3},
    "few tokens at a time": {"micro_batch_tokens": 14},
    "packed": {"packing": True},
    "packed, few tokens at a time": {"packing": True, "micro_batch_tokens": 14},
    "activations computed again": {"activation_checkpointing": True},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_leaves_the_gradient_unchanged(exact, batch, layout):
    whole = gradient(exact, batch, Compute(gradient_clip=1e9))
    compute = Compute(gradient_clip=1e9, **LAYOUTS[layout])
    mine = Policy(copy.deepcopy(exact.model), exact.tokenizer)
    place_model(mine.model, World(), compute)
    found = gradient(mine, batch, compute)
    assert whole.abs().max() > 1e-6
    torch.testing.assert_close(found, whole, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", LOSSES)
def test_packing_leaves_every_loss_unchanged(exact, batch, kind):
    whole, packed = (
        gradient(exact, batch, Compute(gradient_clip=1e9, packing=packing), Loss(kind=kind))
        for packing in (False, True)
    )
    torch.testing.assert_close(packed, whole, rtol=1e-9, atol=1e-12)


def test_packed_rows_do_not_see_each_other(exact, batch):
    prompts = [exact.prompt_ids(one.problem.prompt) for one in batch]
    completions = [one.completion.token_ids for one in batch]
    with torch.no_grad():
        together = packed_logprobs(exact, prompts, completions, 0.7)
        alone = [packed_logprobs(exact, prompts[4:5], completions[4:5], 0.7)[0]]
        others = packed_logprobs(exact, [prompts[7], prompts[4]], [completions[7], completions[4]], 0.7)
    length = len(completions[4])
    torch.testing.assert_close(together[4][:length], alone[0], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(others[1][:length], alone[0], rtol=1e-9, atol=1e-12)
    assert not together[4][length:].any()


@pytest.mark.parametrize("packing", [False, True])
def test_micro_batches_keep_to_the_tokens(batch, packing):
    compute = Compute(micro_batch_tokens=14, packing=packing)
    parts = micro_batches(training_rows(batch, 4), compute)
    for part in parts:
        lengths = [len(row.judged.completion.token_ids) for row in part]
        laid_out = sum(lengths) if packing else len(lengths) * max(lengths)
        assert laid_out <= 14 or len(part) == 1
    assert sum(map(len, parts)) == 7  # every row with a reward
    assert len(parts) > 2
