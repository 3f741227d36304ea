"""Dr. GRPO: a constant denominator, and advantages that are not divided by the deviation.

Source: "Understanding R1-Zero-Like Training" (arXiv 2503.20783): dividing by a
completion's own length favours long wrong answers, dividing by the deviation
favours questions that are nearly always or never solved.

    loss = - 1/(N L)  sum_i sum_t  min(r_it A_i, clip(r_it) A_i)

L is the stage's response limit. It is pinned for a run by `loss.pinned_length`
where stages grow: else the same gradient would shrink when the limit grows.
`advantage.scale = false` goes with this loss.
"""

from __future__ import annotations

from torch import Tensor

from trainer_client.grpo.losses.ratio import Clip, Rows, Totals


def loss(rows: Rows, totals: Totals, clip: Clip) -> Tensor:
    """The part of the loss that these rows contribute."""
    surrogate = clip.surrogate(rows.ratio, rows.advantages[:, None])
    return -(surrogate * rows.weights).sum() / (totals.rows * totals.longest)
