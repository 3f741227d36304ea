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
from trainer_client.parallel import World
from trainer_client.rollout.engine import Completion, RolloutEngine, SamplingSettings

PROBE_TOKENS = 8


def draw_probe(engine: RolloutEngine, prompts: Sequence[Sequence[int]], seed: int) -> list[Completion]:
    """A few sampled tokens for each prompt (token ids), in their order.

    At temperature 1, so that likely and unlikely tokens are compared.
    """
    drawn = engine.sample(prompts, SamplingSettings(PROBE_TOKENS, 1.0, seed))
    return sorted(drawn, key=lambda one: one.index)


def sampler_gap(policy: Policy, prompts: Sequence[Sequence[int]], drawn: Sequence[Completion]) -> float:
    """The largest |sampler - trainer| of a drawn token's log-probability, in nats; infinite if no number."""
    batch = token_batch(prompts, [one.token_ids for one in drawn], policy.pad_id, policy.model.device)
    with torch.no_grad():
        logprobs = completion_logprobs(policy, batch, 1.0)
    largest = 0.0
    for row, completion in zip(logprobs.cpu(), drawn, strict=True):
        sampled = torch.tensor(completion.logprobs)
        gaps = (row[: len(sampled)] - sampled).abs().nan_to_num(nan=torch.inf)
        largest = max(largest, float(gaps.max()))
    return largest


def assert_agreement(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    drawn: Sequence[Completion],
    *,
    tolerance: float,
    world: World | None = None,
) -> float:
    """The gap of a probe. Raises StaleSamplerError when it is above `tolerance` nats.

    A sharded policy is run by all processes, so all must call it, each with what its own sampler drew; the
    largest of their gaps counts.
    """
    gap = sampler_gap(policy, prompts, drawn)
    gap = world.largest(gap) if world else gap
    if gap > tolerance:
        raise StaleSamplerError(
            f"after the weights were handed over, sampler and trainer disagree by {gap:.3g} nats on a token "
            f"(compute.logprob_tolerance is {tolerance:g}): the sampler holds other weights"
        )
    return gap
