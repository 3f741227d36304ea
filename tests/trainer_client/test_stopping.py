"""When a stage ends before its steps: a function of what the metrics hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from trainer_client.recipe import Stage
from trainer_client.stopping import has_rule, reason_to_stop

STAGE = Stage("code", "code", steps=20, max_response_tokens=8)
FIRST = 10


def evaluations(*accuracies: float | None) -> list[dict[str, Any]]:
    """One every two steps of the stage, the first at its begin; the stage before did better in everything."""
    before = [{"kind": "eval", "step": 8, "math": 1.0, "code": 1.0}]
    return before + [
        {"kind": "eval", "step": FIRST + 2 * place, "math": 1.0, "code": accuracy}
        for place, accuracy in enumerate(accuracies)
    ]


def rewarded(*rewards: float | None) -> list[dict[str, Any]]:
    """A step for each reward, with an evaluation after every two."""
    lines: list[dict[str, Any]] = [{"kind": "train", "step": 9, "stage": "math", "reward": 1.0}]
    for place, reward in enumerate(rewards):
        if place % 2 == 0:
            lines.append({"kind": "eval", "step": FIRST + place, "code": 0.0})
        lines.append({"kind": "train", "step": FIRST + place, "stage": "code", "reward": reward})
    return [*lines, {"kind": "eval", "step": FIRST + len(rewards), "code": 0.0}]


def test_without_a_setting_nothing_ends_a_stage():
    assert not has_rule(STAGE)
    assert reason_to_stop(STAGE, FIRST, evaluations(1.0, 0.0, 0.0, 0.0)) is None


@pytest.mark.parametrize(
    ("accuracies", "ends"), [((0.1, 0.7), False), ((0.1, 0.8), True), ((0.9, 0.7), False), ((None,), False)]
)
def test_a_target_ends_it_when_the_last_evaluation_reaches_it(accuracies, ends):
    stage = replace(STAGE, stop_at=0.8)
    assert (reason_to_stop(stage, FIRST, evaluations(*accuracies)) is not None) is ends


@pytest.mark.parametrize(
    ("accuracies", "ends"),
    [
        ((0.5, 0.6, 0.6), False),
        ((0.5, 0.6, 0.6, 0.5), True),  # as good as the best is not above it
        ((0.5, 0.4, 0.6, 0.5), False),
        ((0.5, 0.4, None, 0.4), True),  # an evaluation that was not judged says nothing
        ((0.5, None, 0.4), False),
        ((), False),
    ],
)
def test_no_rise_for_two_evaluations_ends_it(accuracies, ends):
    stage = replace(STAGE, stop_after_flat=2)
    assert (reason_to_stop(stage, FIRST, evaluations(*accuracies)) is not None) is ends


@pytest.mark.parametrize(
    ("rewards", "ends"),
    [
        ((0.2, 0.4, 0.6, 0.8), False),
        ((0.2, 0.4, 0.3, 0.3), True),
        ((None, None, 0.3, 0.3), False),
        ((0.2, 0.4, 0.4, None), False),
    ],
)
def test_the_reward_is_the_mean_between_two_evaluations(rewards, ends):
    stage = replace(STAGE, stop_metric="reward", stop_after_flat=1)
    assert (reason_to_stop(stage, FIRST, rewarded(*rewards)) is not None) is ends


def test_the_reason_names_metric_and_value():
    stage = replace(STAGE, stop_at=0.8)
    assert reason_to_stop(stage, FIRST, evaluations(0.9)) == "accuracy 0.900 reached 0.8"
