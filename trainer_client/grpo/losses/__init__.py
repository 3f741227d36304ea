"""The policy losses by name, one per file, each with its denominator and its source.

All give the part that some rows contribute, so that micro-batches add up.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from trainer_client.grpo.losses import cispo, dr_grpo, gspo, sequence_mean, token_mean
from trainer_client.grpo.losses.ratio import Clip, Rows, Totals

Loss = Callable[[Rows, Totals, Clip], Tensor]

LOSSES: dict[str, Loss] = {
    "token_mean": token_mean.loss,
    "sequence_mean": sequence_mean.loss,
    "dr_grpo": dr_grpo.loss,
    "gspo": gspo.loss,
    "cispo": cispo.loss,
}
