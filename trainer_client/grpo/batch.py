"""From completions to tensors, and from tensors to log-probabilities.

A row is a prompt padded on the left and a completion padded on the right: the
completions' tokens stand in the same columns in every row, so the model's
head runs only over those columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer_client.model import Policy
from trainer_client.rollout.transformers_engine import pad_left, positions_of


@dataclass(frozen=True)
class TokenBatch:
    """Rows ready for the model.

    ids     [rows, prompt + completion]  token ids
    valid   [rows, prompt + completion]  1 where `ids` is no padding
    mask    [rows, completion]           1 for a token of the completion
    """

    ids: Tensor
    valid: Tensor
    mask: Tensor

    @property
    def width(self) -> int:
        """Columns that completions take, padding included."""
        return self.mask.shape[1]


def token_batch(
    prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], pad_id: int, device: torch.device
) -> TokenBatch:
    """Lays prompts and their completions (token ids) out in rows."""
    left, left_valid = pad_left(prompts, pad_id, device)
    width = max(len(tokens) for tokens in completions)
    right = torch.tensor(
        [[*tokens, *[pad_id] * (width - len(tokens))] for tokens in completions], device=device
    )
    mask = torch.tensor(
        [[1] * len(tokens) + [0] * (width - len(tokens)) for tokens in completions], device=device
    )
    return TokenBatch(torch.cat([left, right], dim=1), torch.cat([left_valid, mask], dim=1), mask)


def completion_logprobs(policy: Policy, batch: TokenBatch, temperature: float) -> Tensor:
    """Log-probabilities [rows, completion] of the completions' tokens, under the tempered distribution.

    The temperature is the sampler's: the policy that is improved is the one that was sampled from.
    """
    output = policy.model(
        input_ids=batch.ids,
        attention_mask=batch.valid,
        position_ids=positions_of(batch.valid),
        logits_to_keep=batch.width + 1,
        use_cache=False,
    )
    logits = output.logits[:, :-1].float() / temperature
    targets = batch.ids[:, -batch.width :]
    return torch.log_softmax(logits, dim=-1).gather(2, targets[:, :, None])[:, :, 0]
