"""verl: `reward.custom_reward_function.path=.../adapters/verl.py`, with the name `compute_score`.

`ground_truth` is the label. Every sample gets the same keys, as verl's reward loop
needs; it awaits the coroutine while rollouts stream. verl has no word for "not
judged": a fault of the service is waited out, and what still has no verdict raises
NotJudged unless REWARD_IF_UNJUDGED gives a number.
Contract: verl 0.9, workers/reward_manager and experimental/reward_loop.
"""

from __future__ import annotations

from typing import Any

from trainer_client.adapters.scorer import Scorer, ScorerSettings

_SCORERS: dict[ScorerSettings, Scorer] = {}


async def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: dict[str, Any] | None = None,
    *,
    address: str | None = None,
    **_: Any,
) -> dict[str, float]:
    """The score of one completion, and whether it was judged, answered and flagged, as numbers.

    `address` comes through `reward.custom_reward_function.reward_kwargs.address`.
    Raises NotJudged.
    """
    scorer = _scorer(address)
    verdict = await scorer.verdict(ground_truth, solution_str)
    score = scorer.reward(verdict)
    return {
        "score": score,
        "acc": float(verdict.reward == 1.0),
        "judged": float(verdict.reward is not None),
        "answered": float(verdict.status != "NO_ANSWER"),
        "flagged": float(bool(verdict.proto.flags)),
    }


def _scorer(address: str | None) -> Scorer:
    settings = ScorerSettings.from_environment()
    if address is not None:
        settings = ScorerSettings(**{**vars(settings), "address": address})
    return _SCORERS.setdefault(settings, Scorer(settings))
