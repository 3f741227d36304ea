"""What the losses share: the importance ratio, its clipping, and a batch's totals."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Completions as the losses see them.

    logprobs    [rows, tokens]  of the sampled tokens, with gradient
    old         [rows, tokens]  the same before the batch's first update, without
    advantages  [rows]          one for each completion
    weights     [rows, tokens]  0 for padding; else 1, or what `sampler_weights` gives
    """

    logprobs: Tensor
    old: Tensor
    advantages: Tensor
    weights: Tensor

    @property
    def ratio(self) -> Tensor:
        """pi(token) / pi_old(token), [rows, tokens]."""
        return (self.logprobs - self.old).exp()

    @property
    def present(self) -> Tensor:
        """Where there is a token, [rows, tokens]."""
        return self.weights != 0


@dataclass(frozen=True)
class Totals:
    """Denominators of one update, the same for each of its micro-batches.

    Completions of equal-reward groups count although their advantage is zero; completions without a
    reward do not. `longest` is the stage's response limit, in tokens.
    """

    tokens: int
    rows: int
    longest: int


@dataclass(frozen=True)
class Clip:
    """How far the ratio may go before it stops counting: 1 - `low` and 1 + `high`.

    Source: PPO (arXiv 1707.06347) with one bound; DAPO (arXiv 2503.14476) sets `high` above `low`.
    """

    low: float = 0.2
    high: float = 0.2

    def surrogate(self, ratio: Tensor, advantages: Tensor) -> Tensor:
        """min(r A, clip(r) A), element by element."""
        clipped = ratio.clamp(1 - self.low, 1 + self.high)
        return torch.minimum(ratio * advantages, clipped * advantages)


def sampler_weights(old: Tensor, sampled: Tensor, cap: float) -> Tensor:
    """Truncated importance weights of trainer against sampler, min(pi_train / pi_sampler, cap).

    [rows, tokens], without gradient; `cap` 0 switches them off (all 1). They correct for a sampler whose
    arithmetic differs from the trainer's.
    Source: Yao et al. 2025, "Your efficient RL framework secretly brings you off-policy RL training".
    """
    if cap == 0:
        return torch.ones_like(old)
    return (old - sampled).exp().clamp(max=cap).detach()
