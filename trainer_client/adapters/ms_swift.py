"""ms-swift: `--external_plugins .../adapters/ms_swift.py --reward_funcs verdict`.

The label is the data set's column `label`, `answer`, `solution` or `ground_truth`. A
completion that was not judged is None; ms-swift sums rewards with nansum, so that it
counts as 0 in a group's baseline there: `verdicts` in its log shows how many.
Contract: ms-swift 3602360a, swift/plugin/orm.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainer_client.adapters.scorer import Scorer, text_of
from trainer_client.adapters.trl import COLUMNS

NAME = "verdict"


class VerdictReward:
    """An outcome reward model in ms-swift's sense: called with completions and the data set's columns."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self._scorer = Scorer()

    def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float | None]:
        """Rewards in order; None where there is no verdict. Raises KeyError without a column of labels."""
        name = next((name for name in COLUMNS if columns.get(name) is not None), None)
        if name is None:
            raise KeyError(f"the data set needs one of the columns {', '.join(COLUMNS)}")
        texts = [text_of(completion) for completion in completions]
        return [verdict.reward for verdict in self._scorer.verdicts_plainly(columns[name], texts)]


def register(rewards: dict[str, Any]) -> None:
    """Puts the reward into ms-swift's table of reward functions."""
    rewards[NAME] = VerdictReward


def _register_here() -> None:
    """At import under ms-swift, which looks for nothing in a plugin but its effect."""
    try:
        from swift.plugin import orms
    except ImportError:
        return  # imported elsewhere, for example by a test
    register(orms)


_register_here()
