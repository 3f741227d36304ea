"""TRL's GRPOTrainer, and axolotl and unsloth, which take the same callables.

    GRPOTrainer(..., reward_funcs=[verdict_reward])

or `trl grpo --reward_funcs trainer_client.adapters.trl.verdict_reward`. The label
is the data set's column `label`, `answer`, `solution` or `ground_truth`, the first
that is there. A completion that was not judged is None, which TRL leaves out of
the group's baseline.
Contract: trl 1.16, GRPOTrainer `reward_funcs`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from trainer_client.adapters.scorer import Scorer, ScorerSettings, text_of

COLUMNS = ("label", "answer", "solution", "ground_truth")
RewardFunction = Callable[..., Coroutine[Any, Any, list[float | None]]]


def make_reward(
    settings: ScorerSettings | None = None, *, column: str = "", name: str = "verdict_reward"
) -> RewardFunction:
    """A reward function for one server; `name` is how TRL's logs call it.

    It raises KeyError when the data set has no column with labels.
    """
    scorer = Scorer(settings)

    async def reward(completions: Sequence[Any], **columns: Any) -> list[float | None]:
        labels = columns[column] if column else _labels(columns)
        verdicts = await scorer.verdicts(labels, [text_of(completion) for completion in completions])
        _log(verdicts, columns.get("log_metric"))
        return [verdict.reward for verdict in verdicts]

    reward.__name__ = name
    return reward


def _labels(columns: dict[str, Any]) -> Sequence[Any]:
    for name in COLUMNS:
        if columns.get(name) is not None:
            labels: Sequence[Any] = columns[name]
            return labels
    raise KeyError(f"the data set needs one of the columns {', '.join(COLUMNS)}")


def _log(verdicts: Sequence[Any], log_metric: Callable[[str, float], None] | None) -> None:
    """TRL hands in a function for metrics; what was not judged must be seen."""
    if log_metric is not None and verdicts:
        judged = sum(verdict.reward is not None for verdict in verdicts)
        log_metric("verdicts/judged", judged / len(verdicts))


async def verdict_reward(completions: Sequence[Any], **columns: Any) -> list[float | None]:
    """The reward function with the settings of the environment, read at the first call."""
    return await _default()(completions=completions, **columns)


@functools.cache
def _default() -> RewardFunction:
    return make_reward()
