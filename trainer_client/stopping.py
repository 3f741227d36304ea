"""When a stage ends before its `steps`: a target is reached, or it has not risen for a while.

A function of the recipe and of the metrics that were written, so that a resumed run decides as the unbroken
one. The paper (arXiv 2505.16400) states no rule for the end of a stage; without a setting its `steps` decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainer_client.recipe import Stage


def has_rule(stage: Stage) -> bool:
    """Whether the stage may end before its steps."""
    return stage.stop_at > 0 or stage.stop_after_flat > 0


def reason_to_stop(stage: Stage, first: int, lines: Sequence[dict[str, Any]]) -> str | None:
    """Why the stage that begins at step `first` ends after the last evaluation of `lines`; None: it does not.

    Looked at are the values at the stage's evaluations, those without one left out: see `progress_of`.
    """
    values = progress_of(stage, first, lines)
    if not values:
        return None
    if 0 < stage.stop_at <= values[-1]:
        return f"{stage.stop_metric} {values[-1]:.3f} reached {stage.stop_at:g}"
    flat = len(values) - 1 - values.index(max(values))
    if 0 < stage.stop_after_flat <= flat:
        return f"{stage.stop_metric} has not risen above {max(values):.3f} for {flat} evaluations"
    return None


def progress_of(stage: Stage, first: int, lines: Sequence[dict[str, Any]]) -> list[float]:
    """The stage's metric at its evaluations, in order.

    `accuracy` is the held-out one of the stage's domain, that at the stage's begin included; `reward` the
    mean over the steps since the evaluation before.
    """
    evaluations = [line for line in lines if line["kind"] == "eval" and line["step"] >= first]
    if stage.stop_metric == "accuracy":
        return [line[stage.domain] for line in evaluations if line[stage.domain] is not None]
    rewards = [
        (line["step"], line["reward"])
        for line in lines
        if line["kind"] == "train" and line["stage"] == stage.name and line["reward"] is not None
    ]
    means, before = [], first
    for line in evaluations:
        since = [reward for step, reward in rewards if before <= step < line["step"]]
        means += [sum(since) / len(since)] if since else []
        before = line["step"]
    return means
