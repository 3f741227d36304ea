"""Whether sampler and trainer hold the same weights, asked after every hand-over.

A reload can report success and leave a part of the old weights in place: a tied
output head that was packed for a kernel, a quantised copy, a cache of prompts. The
update compares the log-probabilities of what it trains on; this check is made
before anything is sampled, and so also guards evaluations.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trainer_client.errors import StaleSamplerError
from trainer_client.grpo.batch import completion_logprobs, token_batch
from trainer_client.model import Policy
from trainer_client.rollout.engine import RolloutEngine, SamplingSettings

PROBE_TOKENS = 8


def sampler_gap(policy: Policy, engine: RolloutEngine, prompts: Sequence[Sequence[int]], seed: int) -> float:
    """Samples a few tokens for each prompt (token ids): the largest |sampler - trainer|, in nats.

    At temperature 1, so that likely and unlikely tokens are compared. A gap that is no number is infinite.
    """
    settings = SamplingSettings(PROBE_TOKENS, 1.0, seed)
    drawn = sorted(engine.sample(prompts, settings), key=lambda one: one.index)
    batch = token_batch(prompts, [one.token_ids for one in drawn], policy.pad_id, policy.model.device)
    with torch.no_grad():
        logprobs = completion_logprobs(policy, batch, settings.temperature)
    largest = 0.0
    for row, completion in zip(logprobs.cpu(), drawn, strict=True):
        sampled = torch.tensor(completion.logprobs)
        largest = max(largest, float((row[: len(sampled)] - sampled).abs().max().nan_to_num(torch.inf)))
    return largest


def assert_agreement(
    policy: Policy, engine: RolloutEngine, prompts: Sequence[Sequence[int]], *, seed: int, tolerance: float
) -> float:
    """The gap after a hand-over. Raises StaleSamplerError when it is above `tolerance` nats."""
    gap = sampler_gap(policy, engine, prompts, seed)
    if gap > tolerance:
        raise StaleSamplerError(
            f"after the weights were handed over, sampler and trainer disagree by {gap:.3g} nats on a token "
            f"(compute.logprob_tolerance is {tolerance:g}): the sampler holds other weights"
        )
    return gap
