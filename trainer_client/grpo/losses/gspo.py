"""GSPO: one importance ratio for a whole completion.

Source: Group Sequence Policy Optimization (arXiv 2507.18071): the reward is of
the sequence, so the ratio is too, as the geometric mean of its tokens'.

    s_i  = exp( 1/|o_i|  sum_t log r_it )
    loss = - 1/N  sum_i  min(s_i A_i, clip(s_i) A_i)

Its clipping range is much narrower than the token-level losses' (the paper uses
3e-4 and 4e-4).
"""

from __future__ import annotations

from torch import Tensor

from trainer_client.grpo.losses.ratio import Clip, Rows, Totals


def loss(rows: Rows, totals: Totals, clip: Clip) -> Tensor:
    """The part of the loss that these rows contribute."""
    lengths = rows.present.sum(dim=1).clamp(min=1)
    ratio = (((rows.logprobs - rows.old) * rows.present).sum(dim=1) / lengths).exp()
    mean_weight = rows.weights.sum(dim=1) / lengths
    return -(clip.surrogate(ratio, rows.advantages) * mean_weight).sum() / totals.rows
