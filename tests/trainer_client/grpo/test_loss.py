"""The token-mean loss against hand-worked cases and a naive reference, in float64."""

from __future__ import annotations

import pytest
import torch

from trainer_client.grpo.loss import token_mean_loss


def test_hand_worked():
    # Two completions of 2 and 1 tokens, advantages 1 and -2: the loss is -(1 + 1 - 2)/3 = 0,
    # its gradient by each log-probability -A_i / 3.
    logprobs = torch.tensor([[-0.5, -1.0], [-2.0, -9.0]], dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[1, 1], [1, 0]])
    loss = token_mean_loss(logprobs, torch.tensor([1.0, -2.0], dtype=torch.float64), mask, 3)
    loss.backward()
    assert loss.item() == pytest.approx(0.0)
    assert logprobs.grad is not None
    torch.testing.assert_close(
        logprobs.grad, torch.tensor([[-1.0, -1.0], [2.0, 0.0]], dtype=torch.float64) / 3
    )


def naive(logprobs, advantages, lengths):
    """The paper's sum written as loops: A times the ratio to the (same) old policy, over all tokens."""
    total, tokens = torch.zeros((), dtype=torch.float64), 0
    for row, advantage, length in zip(logprobs, advantages, lengths, strict=True):
        for t in range(length):
            total = total + advantage * torch.exp(row[t] - row[t].item())
            tokens += 1
    return -total / tokens


def test_against_loops():
    generator = torch.Generator().manual_seed(0)
    lengths = [5, 1, 8, 3]
    logits = torch.randn(4, 8, 11, generator=generator, dtype=torch.float64, requires_grad=True)
    advantages = torch.randn(4, generator=generator, dtype=torch.float64)
    mask = torch.tensor([[1] * length + [0] * (8 - length) for length in lengths])
    logprobs = torch.log_softmax(logits, -1)[..., 3]
    ours = token_mean_loss(logprobs, advantages, mask, sum(lengths))
    reference = naive(logprobs, advantages, lengths)
    torch.testing.assert_close(ours, reference)
    for got, wanted in zip(
        torch.autograd.grad(ours, logits, retain_graph=True),
        torch.autograd.grad(reference, logits),
        strict=True,
    ):
        torch.testing.assert_close(got, wanted)


def test_the_gradient_is_that_of_log_probability_at_any_value():
    logprobs = torch.tensor([[-30.0, -1e-6]], dtype=torch.float64, requires_grad=True)
    token_mean_loss(logprobs, torch.tensor([0.5]), torch.ones(1, 2), 2).backward()
    assert logprobs.grad is not None
    torch.testing.assert_close(logprobs.grad, torch.full((1, 2), -0.25, dtype=torch.float64))


def test_parts_add_up():
    logprobs = torch.randn(6, 4, dtype=torch.float64)
    advantages, mask = torch.randn(6, dtype=torch.float64), torch.ones(6, 4)
    whole = token_mean_loss(logprobs, advantages, mask, 24)
    parts = sum(
        token_mean_loss(logprobs[i : i + 2], advantages[i : i + 2], mask[i : i + 2], 24) for i in (0, 2, 4)
    )
    torch.testing.assert_close(whole, parts)
