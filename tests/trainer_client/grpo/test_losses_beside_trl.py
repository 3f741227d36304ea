"""Each loss beside TRL's own on the same tensors: value and gradient, as `bench.trl_losses` records them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from trainer_client.grpo.losses import LOSSES
from trainer_client.grpo.losses.ratio import Clip, Rows, Totals, sampler_weights

TABLE = json.loads((Path(__file__).parents[2] / "data" / "trl_losses.json").read_text())
CASES: list[dict[str, Any]] = TABLE["cases"]


def name_of(case: dict[str, Any]) -> str:
    settings = f"{case['clip_low']:g}-{case['clip_high']:g}" if case["moved"] else "on-policy"
    return f"{case['ours']}-{case['trl']}-{settings}{'-weighted' if case['weighted'] else ''}"


def given(name: str, dtype: torch.dtype) -> Tensor:
    return torch.tensor(TABLE["tensors"][name], dtype=dtype)


def our_loss(case: dict[str, Any], logprobs: Tensor, chosen: slice = slice(None)) -> Tensor:
    """Our loss of the rows `chosen`, with the whole batch's denominators."""
    dtype = logprobs.dtype
    mask = given("mask", dtype)
    before = given("old", dtype) if case["moved"] else given("logprobs", dtype)
    weights = sampler_weights(before, given("sampled", dtype), TABLE["cap"] if case["weighted"] else 0) * mask
    rows = Rows(logprobs[chosen], before[chosen], given("advantages", dtype)[chosen], weights[chosen])
    totals = Totals(int(mask.sum()), len(mask), TABLE["limit"])
    return LOSSES[case["ours"]](rows, totals, Clip(case["clip_low"], case["clip_high"]))


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)], ids=["float64", "float32"]
)
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_value_and_gradient_are_trls(case, dtype, tolerance):
    logprobs = given("logprobs", dtype).requires_grad_()
    loss = our_loss(case, logprobs)
    loss.backward()
    wanted = torch.tensor(case["gradient"], dtype=dtype)
    assert float(loss.detach()) == pytest.approx(case["loss"], rel=tolerance, abs=tolerance)
    torch.testing.assert_close(logprobs.grad, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_micro_batches_add_up_to_trls_whole_batch(case):
    logprobs = given("logprobs", torch.float64).requires_grad_()
    parts = [our_loss(case, logprobs, slice(first, first + 2)) for first in range(0, len(logprobs), 2)]
    sum(parts).backward()
    wanted = torch.tensor(case["gradient"], dtype=torch.float64)
    assert float(sum(parts).detach()) == pytest.approx(case["loss"], rel=1e-12)
    torch.testing.assert_close(logprobs.grad, wanted, rtol=1e-12, atol=1e-12)


def test_the_table_tells_the_losses_apart():
    """Each of ours is in it, clipping acts in it, and no two of our losses have the same gradient there."""
    moved = {case["ours"]: case for case in CASES if case["moved"] and case["clip_high"] == 0.28}
    assert set(moved) == set(LOSSES)
    for one in moved.values():
        others = [other for other in moved.values() if other is not one]
        mine = torch.tensor(one["gradient"])
        assert all(not torch.allclose(mine, torch.tensor(other["gradient"])) for other in others)
    present = given("mask", torch.float64).bool()
    clipped = torch.tensor(moved["token_mean"]["gradient"])[present] == 0
    assert 0 < int(clipped.sum()) < int(present.sum())
