"""The token-level policy loss; the default.

Source: AceReason-Nemotron (arXiv 2505.16400) with the aggregation of DAPO
(arXiv 2503.14476): the sum over all tokens of all completions, divided by the
number of those tokens. A long completion so weighs more than a short one.

    loss = - 1/T  sum_i sum_t  min(r_it A_i, clip(r_it) A_i)

with T the number of tokens of the batch's judged completions and r the ratio
to the policy at the batch's start. Strictly on-policy, one update for each
batch, r is 1 in value everywhere: clipping cannot act, and the gradient is that
of the log-probability. No KL term, no entropy bonus. The value itself is the
mean advantage and says nothing; look at the reward.
"""

from __future__ import annotations

from torch import Tensor

from trainer_client.grpo.losses.ratio import Clip, Rows, Totals


def loss(rows: Rows, totals: Totals, clip: Clip) -> Tensor:
    """The part of the loss that these rows contribute."""
    surrogate = clip.surrogate(rows.ratio, rows.advantages[:, None])
    return -(surrogate * rows.weights).sum() / totals.tokens
