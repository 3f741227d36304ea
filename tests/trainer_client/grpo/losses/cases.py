"""Rows for the losses: hand-worked ones and random ones, in float64."""

from __future__ import annotations

import torch

from trainer_client.grpo.losses.ratio import Rows, Totals

LENGTHS = (5, 1, 8, 3)
TOTALS = Totals(tokens=sum(LENGTHS), rows=len(LENGTHS), longest=10)


def rows_of(
    logprobs: torch.Tensor,
    advantages: list[float],
    lengths: tuple[int, ...],
    old: torch.Tensor | None = None,
) -> Rows:
    """Rows with these lengths; without `old` strictly on-policy."""
    width = logprobs.shape[1]
    weights = torch.tensor([[1.0] * n + [0.0] * (width - n) for n in lengths], dtype=torch.float64)
    before = logprobs.detach() if old is None else old
    return Rows(logprobs, before, torch.tensor(advantages, dtype=torch.float64), weights)


def random_rows(drift: float = 0.0, seed: int = 0) -> Rows:
    """Four completions whose policy moved by about `drift` nats a token since the batch began."""
    generator = torch.Generator().manual_seed(seed)
    logprobs = -torch.rand(4, 8, generator=generator, dtype=torch.float64) * 3
    old = logprobs + drift * torch.randn(4, 8, generator=generator, dtype=torch.float64)
    advantages = torch.randn(4, generator=generator, dtype=torch.float64).tolist()
    return rows_of(logprobs.requires_grad_(), advantages, LENGTHS, old)


def part(rows: Rows, start: int, end: int) -> Rows:
    """Some of the rows: a micro-batch."""
    return Rows(
        rows.logprobs[start:end],
        rows.old[start:end],
        rows.advantages[start:end],
        rows.weights[start:end],
    )
