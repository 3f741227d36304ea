"""CISPO: the ratio is clipped as a weight, and no token loses its gradient.

Source: MiniMax-M1 (arXiv 2506.13585): clipping the surrogate drops the gradient of
rare tokens that moved far, often the ones where reasoning turns.

    loss = - 1/T  sum_i sum_t  stop_gradient(min(r_it, 1 + high)) A_i log pi_it
"""

from __future__ import annotations

from torch import Tensor

from trainer_client.grpo.losses.ratio import Clip, Rows, Totals


def loss(rows: Rows, totals: Totals, clip: Clip) -> Tensor:
    """The part of the loss that these rows contribute."""
    weight = rows.ratio.clamp(max=1 + clip.high).detach()
    return -(weight * rows.advantages[:, None] * rows.logprobs * rows.weights).sum() / totals.tokens
