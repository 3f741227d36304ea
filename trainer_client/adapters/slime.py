"""slime: `--custom-rm-path trainer_client.adapters.slime.reward` (with `--group-rm`: `.group_reward`).

The sample's `label` is the label, or its `metadata["label"]` where tests are too long for
that. slime has no word for "not judged": a fault of the service is waited out, and what
still has no verdict raises NotJudged unless REWARD_IF_UNJUDGED gives a number.
Contract: slime 624b824a, rollout/rm_hub `async_rm` and `batched_async_rm`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainer_client.adapters.scorer import default_scorer


async def reward(args: Any, sample: Any, **_: Any) -> float | list[float]:
    """The reward of one sample, or those of a list of them. Raises NotJudged.

    A custom generate function may return a list, and without `--group-rm` slime hands it to this function.
    """
    if isinstance(sample, list | tuple):
        return await group_reward(args, sample)
    scorer = default_scorer()
    return scorer.reward(await scorer.verdict(_label(sample), sample.response))


async def group_reward(args: Any, samples: Sequence[Any], **_: Any) -> list[float]:
    """The rewards of a group, in order. Raises NotJudged."""
    scorer = default_scorer()
    labels, responses = [_label(sample) for sample in samples], [sample.response for sample in samples]
    return [scorer.reward(verdict) for verdict in await scorer.verdicts(labels, responses)]


def _label(sample: Any) -> Any:
    metadata = getattr(sample, "metadata", None) or {}
    return metadata.get("label", sample.label)
