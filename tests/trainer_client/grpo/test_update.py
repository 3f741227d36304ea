"""The update: who takes part, what the gradient is, and what stops it."""

from __future__ import annotations

import copy

import pytest
import torch

from protos.reward.v1 import reward_pb2 as pb
from trainer_client.client import Verdict
from trainer_client.errors import StaleSamplerError
from trainer_client.grpo.batch import completion_logprobs, token_batch
from trainer_client.grpo.update import training_rows, update_policy
from trainer_client.model import Policy
from trainer_client.recipe import LOSSES, Compute, Loss, Stage
from trainer_client.rewards import Judged
from trainer_client.rollout.engine import Completion, SamplingSettings
from trainer_client.rollout.transformers_engine import TransformersEngine
from trainer_client.tasks.pools import problem_pool

STAGE = Stage(
    "m", "math", steps=1, max_response_tokens=12, group_size=4, prompts_per_step=2, learning_rate=1e-3
)


def verdict_of(reward: float | None) -> Verdict:
    status = pb.ACCEPTED if reward is not None else pb.INTERNAL_ERROR
    return Verdict.of(pb.Verdict(status=status, reward=reward), 1)


@pytest.fixture
def mine(policy: Policy) -> Policy:
    """A policy that a test may change."""
    return Policy(copy.deepcopy(policy.model), policy.tokenizer)


def judged(policy: Policy, rewards: list[float | None]) -> list[Judged]:
    """Real completions, four for each problem, with these rewards."""
    problems = [problem for problem in problem_pool("math", len(rewards) // 4, seed=0) for _ in range(4)]
    prompts = [policy.prompt_ids(problem.prompt) for problem in problems]
    settings = SamplingSettings(STAGE.max_response_tokens, STAGE.temperature, seed=3)
    completions = {one.index: one for one in TransformersEngine(policy).sample(prompts, settings)}
    return [
        Judged(problem, completions[i], verdict_of(reward))
        for i, (problem, reward) in enumerate(zip(problems, rewards, strict=True))
    ]


def gradients(policy: Policy, batch: list[Judged], micro_batch_size: int = 32) -> list[torch.Tensor]:
    """The gradient of an update whose step does nothing."""
    compute = Compute(micro_batch_size=micro_batch_size, gradient_clip=1e9)
    stage = Stage(
        "m", "math", steps=1, max_response_tokens=12, group_size=4, prompts_per_step=2, learning_rate=1e-30
    )
    optimizer = torch.optim.SGD(policy.model.parameters(), lr=0.0)
    update_policy(policy, optimizer, training_rows(batch, 4), stage, compute)
    return [parameter.grad.clone() for parameter in policy.model.parameters() if parameter.grad is not None]


def test_missing_rewards_are_no_rows_and_move_no_mean(policy):
    batch = judged(policy, [1.0, None, 0.0, None, None, None, None, None])
    assert [row.advantage for row in training_rows(batch, 4)] == [1.0, -1.0]


def test_a_group_without_rewards_changes_nothing(mine):
    with_fault = judged(mine, [1.0, 0.0, 0.0, 1.0, None, None, None, None])
    alone = with_fault[:4]
    for got, wanted in zip(gradients(mine, with_fault), gradients(mine, alone), strict=True):
        assert torch.equal(got, wanted)


def test_a_missing_reward_read_as_zero_would_change_the_gradient(mine):
    """Shows that the test above could fail."""
    with_fault = judged(mine, [1.0, 0.0, 1.0, None])
    as_zero = judged(mine, [1.0, 0.0, 1.0, 0.0])
    pairs = zip(gradients(mine, with_fault), gradients(mine, as_zero), strict=True)
    assert any(not torch.allclose(one, other) for one, other in pairs)


@pytest.mark.parametrize("micro_batch_size", [1, 3])
def test_micro_batches_leave_the_gradient_unchanged(mine, micro_batch_size):
    batch = judged(mine, [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    whole, parts = gradients(mine, batch), gradients(mine, batch, micro_batch_size)
    for got, wanted in zip(parts, whole, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-7)


def test_groups_of_equal_reward_count_in_the_denominator_only(mine):
    mixed = judged(mine, [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    compute, optimizer = Compute(), torch.optim.SGD(mine.model.parameters(), lr=0.0)
    result = update_policy(mine, optimizer, training_rows(mixed, 4), STAGE, compute)
    assert result.trained_rows == 4
    assert result.denominator_tokens == sum(len(one.completion.token_ids) for one in mixed)


def test_a_batch_that_says_nothing_leaves_the_policy_alone(mine):
    before = copy.deepcopy(mine.model.state_dict())
    batch = judged(mine, [0.0, 0.0, 0.0, 0.0, None, None, None, None])
    optimizer = torch.optim.AdamW(mine.model.parameters(), lr=1.0)
    result = update_policy(mine, optimizer, training_rows(batch, 4), STAGE, Compute())
    assert (result.trained_rows, result.gradient_norm) == (0, 0.0)
    assert all(torch.equal(value, before[name]) for name, value in mine.model.state_dict().items())


def test_truncated_completions_can_be_masked(policy):
    batch = judged(policy, [1.0, 0.0, 0.0, 0.0])
    cut = Completion(0, batch[0].completion.token_ids, batch[0].completion.logprobs, "", truncated=True)
    batch = [Judged(batch[0].problem, cut, batch[0].verdict)] + [
        Judged(one.problem, Completion(1, (1, 2), (0.0, 0.0), "", truncated=False), one.verdict)
        for one in batch[1:]
    ]
    assert len(training_rows(batch, 4)) == 4
    masked = training_rows(batch, 4, mask_truncated=True)
    assert [row.advantage for row in masked] == pytest.approx(
        [-(3**-0.5)] * 3
    )  # the baseline still knows of it


def test_weights_that_the_sampler_does_not_have_stop_the_training(mine):
    batch = judged(mine, [1.0, 0.0, 0.0, 1.0])
    with torch.no_grad():
        mine.model.lm_head.weight.mul_(1.5)
    before = copy.deepcopy(mine.model.state_dict())
    optimizer = torch.optim.AdamW(mine.model.parameters(), lr=1.0)
    with pytest.raises(StaleSamplerError, match="nats"):
        update_policy(mine, optimizer, training_rows(batch, 4), STAGE, Compute())
    assert all(torch.equal(value, before[name]) for name, value in mine.model.state_dict().items())


def test_an_update_makes_the_rewarded_completions_likelier(mine):
    batch = judged(mine, [1.0, 0.0, 0.0, 1.0])

    def likelihood() -> torch.Tensor:
        prompts = [mine.prompt_ids(one.problem.prompt) for one in batch]
        tokens = token_batch(
            prompts, [one.completion.token_ids for one in batch], mine.pad_id, mine.model.device
        )
        with torch.no_grad():
            return (completion_logprobs(mine, tokens, 1.0) * tokens.mask).sum(1)

    before = likelihood()
    update_policy(mine, torch.optim.AdamW(mine.model.parameters()), training_rows(batch, 4), STAGE, Compute())
    change = likelihood() - before
    assert change[0] + change[3] > change[1] + change[2]


def test_several_updates_for_a_batch_step_as_often(mine):
    batch = judged(mine, [1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0])
    optimizer = torch.optim.AdamW(mine.model.parameters(), lr=1e-3)
    result = update_policy(
        mine, optimizer, training_rows(batch, 4), STAGE, Compute(), loss=Loss(updates_per_batch=4)
    )
    steps = {int(state["step"]) for state in optimizer.state.values()}
    assert steps == {4}
    assert result.trained_rows == 8


def test_the_first_of_several_updates_sees_a_ratio_of_one(mine):
    batch = judged(mine, [1.0, 0.0, 0.0, 1.0])
    optimizer = torch.optim.SGD(mine.model.parameters(), lr=0.0)
    stage = Stage(
        "m", "math", steps=1, max_response_tokens=12, group_size=4, prompts_per_step=2, learning_rate=1e-30
    )
    loss = Loss(updates_per_batch=2, clip_low=1e-3, clip_high=1e-3)
    result = update_policy(mine, optimizer, training_rows(batch, 4), stage, Compute(), loss=loss)
    assert result.clipped == 0.0


def test_what_moved_is_counted_as_clipped(mine):
    batch = judged(mine, [1.0, 0.0, 0.0, 1.0])
    stage = Stage(
        "m", "math", steps=1, max_response_tokens=12, group_size=4, prompts_per_step=2, learning_rate=1e-2
    )
    optimizer = torch.optim.AdamW(mine.model.parameters())
    loss = Loss(updates_per_batch=2, clip_low=1e-6, clip_high=1e-6)
    result = update_policy(mine, optimizer, training_rows(batch, 4), stage, Compute(), loss=loss)
    assert result.clipped > 0.2


@pytest.mark.parametrize("kind", LOSSES)
def test_every_loss_makes_the_rewarded_completions_likelier(mine, kind):
    batch = judged(mine, [1.0, 0.0, 0.0, 1.0])
    before = gradients(mine, batch)
    optimizer = torch.optim.SGD(mine.model.parameters(), lr=0.0)
    update_policy(
        mine, optimizer, training_rows(batch, 4), STAGE, Compute(gradient_clip=1e9), loss=Loss(kind=kind)
    )
    grads = [parameter.grad for parameter in mine.model.parameters() if parameter.grad is not None]
    agreement = sum(float((one * other).sum()) for one, other in zip(before, grads, strict=True))
    assert agreement > 0
