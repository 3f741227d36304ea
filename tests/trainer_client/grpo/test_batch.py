"""Laying out rows must not change what the model says about them."""

from __future__ import annotations

import torch

from trainer_client.grpo.batch import completion_logprobs, token_batch
from trainer_client.model import Policy

PROMPTS = [[5, 6, 7], [8], [9, 10, 11, 12, 13, 14]]
COMPLETIONS = [[20, 21], [22, 23, 24, 25, 26], [27]]


def logprobs(policy: Policy, rows: list[int], temperature: float = 1.0) -> list[torch.Tensor]:
    batch = token_batch(
        [PROMPTS[i] for i in rows], [COMPLETIONS[i] for i in rows], policy.pad_id, policy.model.device
    )
    with torch.no_grad():
        values = completion_logprobs(policy, batch, temperature)
    return [row[mask.bool()] for row, mask in zip(values, batch.mask, strict=True)]


def test_padding_changes_nothing(policy):
    together = logprobs(policy, [0, 1, 2])
    for row in range(3):
        torch.testing.assert_close(together[row], logprobs(policy, [row])[0], rtol=1e-5, atol=1e-5)


def test_against_the_plain_model(policy):
    for row, (prompt, completion) in enumerate(zip(PROMPTS, COMPLETIONS, strict=True)):
        with torch.no_grad():
            logits = policy.model(torch.tensor([prompt + completion])).logits[0] / 0.7
        every = torch.log_softmax(logits, -1)
        wanted = torch.stack([every[len(prompt) - 1 + t, token] for t, token in enumerate(completion)])
        torch.testing.assert_close(logprobs(policy, [0, 1, 2], 0.7)[row], wanted, rtol=1e-5, atol=1e-5)


def test_the_layout():
    batch = token_batch(PROMPTS[:2], COMPLETIONS[:2], 0, torch.device("cpu"))
    assert batch.ids.tolist() == [[5, 6, 7, 20, 21, 0, 0, 0], [0, 0, 8, 22, 23, 24, 25, 26]]
    assert batch.valid.tolist() == [[1, 1, 1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 1, 1, 1]]
    assert batch.mask.tolist() == [[1, 1, 0, 0, 0], [1, 1, 1, 1, 1]]
