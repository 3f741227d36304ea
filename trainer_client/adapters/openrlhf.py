"""OpenRLHF: `--reward.remote_url .../adapters/openrlhf.py`, a file instead of an address.

The same as the server's `/openrlhf`, with the client's retries. OpenRLHF has no word
for "not judged": what has no verdict after the deadline raises NotJudged, unless
REWARD_IF_UNJUDGED gives a number; `extra_logs.judged` counts it.
Contract: openrlhf 0.11.2, `reward_func(queries, prompts, labels)`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from trainer_client.adapters.scorer import default_scorer

# Queries are decoded with their special tokens; behind a closing fence one would keep it open.
_END_TOKENS = re.compile(r"(?:<[|｜][^<>|｜\s]{1,40}[|｜]>|</s>|<eos>|<pad>|<end_of_turn>)+\s*\Z")


def reward_func(
    queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_: Any
) -> dict[str, Any]:
    """Rewards and scores as float tensors of shape (len(queries),). Raises NotJudged."""
    import torch

    scorer = default_scorer()
    pairs = zip(queries, prompts, strict=True)
    responses = [_END_TOKENS.sub("", query.removeprefix(prompt)) for query, prompt in pairs]
    verdicts = scorer.verdicts_plainly(labels, responses)
    rewards = torch.tensor([scorer.reward(verdict) for verdict in verdicts])
    judged = torch.tensor([float(verdict.reward is not None) for verdict in verdicts])
    return {"rewards": rewards, "scores": rewards, "extra_logs": {"judged": judged}}
