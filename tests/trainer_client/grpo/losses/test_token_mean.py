"""The token-mean loss, hand-worked."""

from __future__ import annotations

import pytest
import torch

from tests.trainer_client.grpo.losses.cases import rows_of
from trainer_client.grpo.losses.ratio import Clip, Totals
from trainer_client.grpo.losses.token_mean import loss


def test_hand_worked():
    # Two completions of 2 and 1 tokens, advantages 1 and -2: the loss is -(1 + 1 - 2)/3 = 0,
    # its gradient by each log-probability -A_i / 3.
    logprobs = torch.tensor([[-0.5, -1.0], [-2.0, -9.0]], dtype=torch.float64, requires_grad=True)
    value = loss(rows_of(logprobs, [1.0, -2.0], (2, 1)), Totals(3, 2, 2), Clip())
    value.backward()
    assert value.item() == pytest.approx(0.0)
    wanted = torch.tensor([[-1.0, -1.0], [2.0, 0.0]], dtype=torch.float64) / 3
    torch.testing.assert_close(logprobs.grad, wanted)


def test_the_gradient_is_that_of_log_probability_at_any_value():
    logprobs = torch.tensor([[-30.0, -1e-6]], dtype=torch.float64, requires_grad=True)
    loss(rows_of(logprobs, [0.5], (2,)), Totals(2, 1, 2), Clip()).backward()
    torch.testing.assert_close(logprobs.grad, torch.full((1, 2), -0.25, dtype=torch.float64))


def test_a_ratio_beyond_the_bound_loses_its_gradient():
    # Ratios 1.5 and 0.5 with positive advantage: only the second may still grow.
    old = torch.zeros(1, 2, dtype=torch.float64)
    logprobs = torch.tensor([[1.5, 0.5]], dtype=torch.float64).log().requires_grad_()
    value = loss(rows_of(logprobs, [1.0], (2,), old), Totals(2, 1, 2), Clip(0.2, 0.2))
    value.backward()
    assert value.item() == pytest.approx(-(1.2 + 0.5) / 2)
    torch.testing.assert_close(logprobs.grad, torch.tensor([[0.0, -0.25]], dtype=torch.float64))


def test_the_upper_bound_can_be_higher():
    old = torch.zeros(1, 1, dtype=torch.float64)
    logprobs = torch.tensor([[1.25]], dtype=torch.float64).log()
    for high, wanted in ((0.2, 1.2), (0.28, 1.25)):
        value = loss(rows_of(logprobs, [1.0], (1,), old), Totals(1, 1, 1), Clip(0.2, high))
        assert value.item() == pytest.approx(-wanted)
