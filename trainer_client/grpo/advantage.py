"""Group-relative advantages.

Source: AceReason-Nemotron (arXiv 2505.16400), after DeepSeekMath (arXiv
2402.03300): A_i = (S_i - mean(S)) / std(S) over the completions of one prompt,
the same for every token of a completion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def group_advantages(rewards: Sequence[float | None], *, scale: bool = True) -> list[float | None]:
    """Advantages of one group, in its order. None marks a completion without a reward.

    A completion that was not judged (the service or the task was at fault) takes no part: it is left
    out of mean and standard deviation, and its own advantage is None, not zero. A group whose judged
    rewards are all equal, or that has only one, says nothing about its members: advantage 0.0.

    The standard deviation is the population's (divided by the number judged). Without `scale` the
    advantage is not divided by it, as Dr. GRPO has it (arXiv 2503.20783).
    """
    judged = [reward for reward in rewards if reward is not None]
    if len(judged) < 2 or min(judged) == max(judged):
        return [None if reward is None else 0.0 for reward in rewards]
    mean = math.fsum(judged) / len(judged)
    deviation = (
        math.sqrt(math.fsum((reward - mean) ** 2 for reward in judged) / len(judged)) if scale else 1.0
    )
    return [None if reward is None else (reward - mean) / deviation for reward in rewards]
