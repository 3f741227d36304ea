"""From completions to tensors, and from tensors to log-probabilities.

A row is a prompt padded on the left and a completion padded on the right: the
completions' tokens stand in the same columns in every row, so the model's
head runs only over those columns.
"""

from __future__ import annotations

import itertools
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
    logits = at_least_float32(output.logits[:, :-1]) / temperature
    targets = batch.ids[:, -batch.width :]
    return torch.log_softmax(logits, dim=-1).gather(2, targets[:, :, None])[:, :, 0]


def at_least_float32(logits: Tensor) -> Tensor:
    """Half precision widened, for a sum over the vocabulary; wider types as they are."""
    return logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits


def packed_logprobs(
    policy: Policy, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], temperature: float
) -> Tensor:
    """The same as `completion_logprobs` from one row that holds all, one behind the other: no padding.

    [rows, longest completion], 0 behind a completion's end. Positions begin anew with each, from which the
    model takes that none attends to another (Hugging Face's packed sequences: batch of 1, no attention mask).
    """
    rows = [[*prompt, *completion] for prompt, completion in zip(prompts, completions, strict=True)]
    device = policy.model.device
    ids = torch.tensor([list(itertools.chain.from_iterable(rows))], device=device)
    positions = torch.cat([torch.arange(len(row), device=device) for row in rows])
    output = policy.model(
        input_ids=ids,
        position_ids=positions[None],
        logits_to_keep=_before_completions(prompts, completions).to(device),
        use_cache=False,
    )
    logprobs = torch.log_softmax(at_least_float32(output.logits[0]) / temperature, dim=-1)
    targets = torch.tensor(list(itertools.chain.from_iterable(completions)), device=device)
    chosen = logprobs.gather(1, targets[:, None])[:, 0]
    parts = torch.split(chosen, [len(completion) for completion in completions])
    return torch.nn.utils.rnn.pad_sequence(list(parts), batch_first=True)


def _before_completions(prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]]) -> Tensor:
    """Columns of the packed row whose logits predict the completions' tokens."""
    columns, start = [], 0
    for prompt, completion in zip(prompts, completions, strict=True):
        first = start + len(prompt) - 1
        columns.append(torch.arange(first, first + len(completion)))
        start += len(prompt) + len(completion)
    return torch.cat(columns)
