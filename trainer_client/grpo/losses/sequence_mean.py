"""The sequence-level mean: GRPO's own aggregation.

Source: DeepSeekMath (arXiv 2402.03300): the mean over a completion's tokens,
then the mean over completions. Each completion weighs the same, so a token of
a long wrong answer is punished less than one of a short wrong answer.

    loss = - 1/N  sum_i  1/|o_i|  sum_t  min(r_it A_i, clip(r_it) A_i)
"""

from __future__ import annotations

from torch import Tensor

from trainer_client.grpo.losses.ratio import Clip, Rows, Totals


def loss(rows: Rows, totals: Totals, clip: Clip) -> Tensor:
    """The part of the loss that these rows contribute."""
    surrogate = clip.surrogate(rows.ratio, rows.advantages[:, None])
    lengths = rows.present.sum(dim=1).clamp(min=1)
    return -((surrogate * rows.weights).sum(dim=1) / lengths).sum() / totals.rows
