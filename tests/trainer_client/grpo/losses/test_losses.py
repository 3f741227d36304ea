"""All losses: against loops that follow the papers' sums, in parts, and their gradients by differences."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from tests.trainer_client.grpo.losses.cases import LENGTHS, TOTALS, part, random_rows, rows_of
from trainer_client.grpo.losses import LOSSES
from trainer_client.grpo.losses.ratio import Clip, Rows, Totals, sampler_weights
from trainer_client.recipe import LOSSES as NAMES

CLIP = Clip(0.2, 0.28)


def clipped(ratio: float, advantage: float) -> float:
    return min(ratio * advantage, min(max(ratio, 0.8), 1.28) * advantage)


def ratios(rows: Rows, i: int) -> list[float]:
    return [math.exp(rows.logprobs[i, t].item() - rows.old[i, t].item()) for t in range(LENGTHS[i])]


def token_sums(rows: Rows) -> list[float]:
    return [sum(clipped(r, float(rows.advantages[i])) for r in ratios(rows, i)) for i in range(4)]


def naive_gspo(rows: Rows) -> float:
    total = 0.0
    for i in range(4):
        sequence = math.prod(ratios(rows, i)) ** (1 / LENGTHS[i])
        total += clipped(sequence, float(rows.advantages[i]))
    return -total / 4


def naive_cispo(rows: Rows) -> float:
    total = 0.0
    for i in range(4):
        for t, ratio in enumerate(ratios(rows, i)):
            total += min(ratio, 1.28) * float(rows.advantages[i]) * rows.logprobs[i, t].item()
    return -total / sum(LENGTHS)


NAIVE: dict[str, Callable[[Rows], float]] = {
    "token_mean": lambda rows: -sum(token_sums(rows)) / sum(LENGTHS),
    "sequence_mean": lambda rows: -sum(s / n for s, n in zip(token_sums(rows), LENGTHS, strict=True)) / 4,
    "dr_grpo": lambda rows: -sum(token_sums(rows)) / (4 * 10),
    "gspo": naive_gspo,
    "cispo": naive_cispo,
}


def test_the_recipe_knows_them_all():
    assert tuple(LOSSES) == NAMES == tuple(NAIVE)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("drift", [0.0, 0.3])
def test_against_loops(name, drift):
    for seed in range(5):
        rows = random_rows(drift, seed)
        assert LOSSES[name](rows, TOTALS, CLIP).item() == pytest.approx(NAIVE[name](rows), abs=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_micro_batches_add_up(name):
    rows = random_rows(0.3)
    whole = LOSSES[name](rows, TOTALS, CLIP)
    parts = sum(LOSSES[name](part(rows, i, i + 1), TOTALS, CLIP) for i in range(4))
    torch.testing.assert_close(whole, parts)


@pytest.mark.parametrize("name", LOSSES)
def test_padding_has_no_gradient(name):
    rows = random_rows(0.1)
    LOSSES[name](rows, TOTALS, CLIP).backward()
    assert torch.all(rows.logprobs.grad[rows.weights == 0] == 0)
    assert torch.any(rows.logprobs.grad != 0)


@pytest.mark.parametrize(
    "name", [name for name in LOSSES if name != "cispo"]
)  # it stops a gradient on purpose
def test_the_gradient_against_differences(name):
    rows = random_rows(0.05)

    def value(logprobs: torch.Tensor) -> torch.Tensor:
        moved = Rows(logprobs, rows.old.detach(), rows.advantages, rows.weights)
        return LOSSES[name](moved, TOTALS, CLIP)

    assert torch.autograd.gradcheck(value, (rows.logprobs.detach().requires_grad_(),))


@pytest.mark.parametrize("name", LOSSES)
def test_on_policy_all_push_the_same_way(name):
    """At ratio 1 every loss is a REINFORCE estimate: gradients differ by a factor per completion only."""
    rows = random_rows()
    LOSSES[name](rows, TOTALS, CLIP).backward()
    direction = -rows.advantages.sign()[:, None] * rows.weights
    assert torch.equal(rows.logprobs.grad.sign(), direction)


def test_dr_grpo_does_not_know_how_long_a_completion_is():
    logprobs = torch.full((2, 4), -1.0, dtype=torch.float64, requires_grad=True)
    LOSSES["dr_grpo"](rows_of(logprobs, [1.0, 1.0], (1, 4)), Totals(5, 2, 8), CLIP).backward()
    assert logprobs.grad[0, 0] == logprobs.grad[1, 0] == -1 / 16


def test_gspo_gives_a_completion_one_ratio():
    # Log-ratios 0.6 and -0.6: token ratios far out of range, the sequence's is 1.
    old = torch.zeros(1, 2, dtype=torch.float64)
    logprobs = torch.tensor([[0.6, -0.6]], dtype=torch.float64)
    value = LOSSES["gspo"](rows_of(logprobs, [1.0], (2,), old), Totals(2, 1, 2), Clip(3e-4, 4e-4))
    assert value.item() == pytest.approx(-1.0)


def test_cispo_keeps_the_gradient_of_a_token_that_moved_far():
    old = torch.zeros(1, 1, dtype=torch.float64)
    for name, wanted in (("token_mean", 0.0), ("cispo", -1.28)):
        logprobs = torch.tensor([[2.0]], dtype=torch.float64, requires_grad=True)
        LOSSES[name](rows_of(logprobs, [1.0], (1,), old), Totals(1, 1, 1), CLIP).backward()
        assert logprobs.grad.item() == pytest.approx(wanted)


def test_sampler_weights_are_truncated_and_carry_no_gradient():
    old = torch.tensor([[0.0, -1.0]], dtype=torch.float64, requires_grad=True)
    sampled = torch.tensor([[-3.0, -0.5]], dtype=torch.float64)
    weights = sampler_weights(old, sampled, 2.0)
    assert not weights.requires_grad
    assert weights.tolist() == [[2.0, pytest.approx(math.exp(-0.5))]]


def test_sampler_weights_can_be_off():
    assert sampler_weights(torch.zeros(1, 2), torch.ones(1, 2), 0.0).tolist() == [[1.0, 1.0]]
