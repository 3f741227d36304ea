"""ms-swift: `--external_plugins .../adapters/ms_swift_plugin/verdict_plugin.py --reward_funcs verdict`.

ms-swift puts a plugin's folder first on Python's path, where this folder's `trl.py` would stand for
TRL: the file to name is therefore alone in a folder, and imports this one, which does the work.

The label is the data set's column `label`, `answer`, `solution` or `ground_truth`. A
completion that was not judged is None; ms-swift sums rewards with nansum, so that it
counts as 0 in a group's baseline there: `verdicts` in its log shows how many.
Contract: ms-swift 4.6.0, swift/rewards/orm.py; before 4 the table was in swift.plugin.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from trainer_client.adapters.scorer import Scorer, text_of
from trainer_client.adapters.trl import COLUMNS

NAME = "verdict"
_HOLDERS = ("swift.rewards", "swift.plugin")


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
        importlib.import_module("swift")
    except ModuleNotFoundError as error:
        if error.name != "swift":
            raise
        return  # imported elsewhere, for example by a test
    register(_table())


def _table() -> dict[str, Any]:
    """ms-swift's table of reward functions. Raises ImportError where it is in no known place."""
    for name in _HOLDERS:
        try:
            table = getattr(importlib.import_module(name), "orms", None)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            continue
        if isinstance(table, dict):
            return table
    raise ImportError(f"no table `orms` of rewards in {' or '.join(_HOLDERS)}: is this ms-swift?")


_register_here()
