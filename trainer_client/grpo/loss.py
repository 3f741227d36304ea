"""The token-level policy loss.

Source: AceReason-Nemotron (arXiv 2505.16400) with the aggregation of DAPO
(arXiv 2503.14476): the sum over all tokens of all completions, divided by the
number of those tokens. A long completion so weighs more than a short one.

Strictly on-policy: one update for each batch of rollouts, so the importance
ratio is 1 in value everywhere. Its gradient is that of the log-probability:

    loss = - 1/T  sum_i sum_t  A_i  exp(logp_it - stop_gradient(logp_it))

with T the number of tokens. No clipping (it cannot act at ratio 1), no KL
term, no entropy bonus. The value itself is the mean advantage and says
nothing; look at the reward.
"""

from __future__ import annotations

from torch import Tensor


def token_mean_loss(logprobs: Tensor, advantages: Tensor, mask: Tensor, total_tokens: int) -> Tensor:
    """The part of the loss that these rows contribute; the parts of a batch add up to its loss.

    logprobs      [rows, tokens]  of the sampled tokens, with gradient
    advantages    [rows]          one for each completion
    mask          [rows, tokens]  1 for a token of the completion, 0 for padding
    total_tokens  tokens of the whole batch's judged completions: the denominator, the same for every
                  micro-batch. Completions of equal-reward groups count here although their advantage
                  is zero; completions without a reward do not.
    """
    ratio = (logprobs - logprobs.detach()).exp()
    return -(ratio * advantages[:, None] * mask).sum() / total_tokens
