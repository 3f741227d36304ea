"""One policy update from one batch of judged rollouts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer_client.errors import StaleSamplerError
from trainer_client.grpo.advantage import group_advantages
from trainer_client.grpo.batch import completion_logprobs, token_batch
from trainer_client.grpo.loss import token_mean_loss
from trainer_client.model import Policy
from trainer_client.recipe import Compute, Stage
from trainer_client.rewards import Judged


@dataclass(frozen=True)
class Row:
    """A completion with its advantage: what the loss sees."""

    judged: Judged
    advantage: float


@dataclass(frozen=True)
class UpdateResult:
    """What an update did. `logprob_gap` is the largest |sampler - trainer| of a token's log-probability."""

    gradient_norm: float
    logprob_gap: float
    trained_rows: int
    denominator_tokens: int


def training_rows(judged: Sequence[Judged], group_size: int, *, mask_truncated: bool = False) -> list[Row]:
    """Rows for the loss from completions that lie group after group.

    Completions without a reward are left out of their group's statistics and of the rows. With
    `mask_truncated`, completions that hit the length limit count in the statistics but are no rows.
    """
    rows = []
    for start in range(0, len(judged), group_size):
        group = judged[start : start + group_size]
        advantages = group_advantages([one.verdict.reward for one in group])
        for one, advantage in zip(group, advantages, strict=True):
            if advantage is not None and not (mask_truncated and one.completion.truncated):
                rows.append(Row(one, advantage))
    return rows


def update_policy(
    policy: Policy, optimizer: torch.optim.Optimizer, rows: Sequence[Row], stage: Stage, compute: Compute
) -> UpdateResult:
    """The single gradient step of a batch, in micro-batches whose losses add up to the batch's.

    Rows of advantage zero (groups of equal reward) have no gradient and are not run through the model,
    but their tokens count in the denominator. Raises StaleSamplerError, before any change, when sampler
    and trainer disagree on a token's log-probability by more than `compute.logprob_tolerance` nats.
    """
    tokens = sum(len(row.judged.completion.token_ids) for row in rows)
    telling = sorted((row for row in rows if row.advantage != 0.0), key=_length)
    optimizer.zero_grad(set_to_none=True)
    gap = 0.0
    for start in range(0, len(telling), compute.micro_batch_size):
        part = telling[start : start + compute.micro_batch_size]
        gap = max(gap, _backward(policy, part, stage.temperature, tokens))
    # Written so that a gap that is no number fails too.
    if not gap <= compute.logprob_tolerance:
        raise StaleSamplerError(
            f"sampler and trainer disagree by {gap:.3g} nats on a sampled token "
            f"(compute.logprob_tolerance is {compute.logprob_tolerance:g})"
        )
    norm = _step(policy, optimizer, stage.learning_rate, compute.gradient_clip) if telling else 0.0
    return UpdateResult(norm, gap, len(telling), tokens)


def _length(row: Row) -> int:
    return len(row.judged.completion.token_ids)


def _backward(policy: Policy, rows: Sequence[Row], temperature: float, total_tokens: int) -> float:
    device = policy.model.device
    completions = [row.judged.completion for row in rows]
    batch = token_batch(
        [policy.prompt_ids(row.judged.problem.prompt) for row in rows],
        [completion.token_ids for completion in completions],
        policy.pad_id,
        device,
    )
    logprobs = completion_logprobs(policy, batch, temperature)
    advantages = torch.tensor([row.advantage for row in rows], device=device)
    token_mean_loss(logprobs, advantages, batch.mask, total_tokens).backward()  # type: ignore[no-untyped-call]
    return _largest_gap(logprobs.detach(), batch.mask, [completion.logprobs for completion in completions])


def _largest_gap(logprobs: Tensor, mask: Tensor, sampled: Sequence[Sequence[float]]) -> float:
    width = logprobs.shape[1]
    rows = [[*row, *[0.0] * (width - len(row))] for row in sampled]
    gaps = (logprobs - torch.tensor(rows, device=logprobs.device)).abs() * mask
    return float(gaps.max())


def _step(policy: Policy, optimizer: torch.optim.Optimizer, learning_rate: float, clip: float) -> float:
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    norm = float(torch.nn.utils.clip_grad_norm_(policy.model.parameters(), clip))
    if not math.isfinite(norm):
        raise FloatingPointError(f"the gradient's norm is {norm}")
    optimizer.step()
    return norm
