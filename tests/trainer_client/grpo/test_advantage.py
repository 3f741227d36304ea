"""Group advantages against hand-worked cases and an independent reference."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer_client.grpo.advantage import group_advantages


def test_one_right_of_four():
    # mean 1/4, deviation sqrt(3)/4: (1 - 1/4) / (sqrt(3)/4) = sqrt(3), (0 - 1/4) / (sqrt(3)/4) = -1/sqrt(3)
    assert group_advantages([1.0, 0.0, 0.0, 0.0]) == pytest.approx([3**0.5, *[-(3**-0.5)] * 3])


def test_half_right():
    assert group_advantages([1.0, 0.0, 0.0, 1.0]) == [1.0, -1.0, -1.0, 1.0]


@pytest.mark.parametrize("reward", [0.0, 1.0, 0.1])
def test_equal_rewards_say_nothing(reward):
    assert group_advantages([reward] * 7) == [0.0] * 7


def test_a_missing_reward_is_not_a_zero():
    # Read as 0 it would pull the mean to 2/3 and give the judged ones an advantage.
    assert group_advantages([1.0, None, 1.0]) == [0.0, None, 0.0]
    assert group_advantages([1.0, None, 0.0, None]) == [1.0, None, -1.0, None]


def test_one_judged_or_none():
    assert group_advantages([None, 1.0, None]) == [None, 0.0, None]
    assert group_advantages([None, None]) == [None, None]
    assert group_advantages([]) == []


@given(st.lists(st.one_of(st.none(), st.sampled_from([0.0, 0.25, 0.5, 1.0])), max_size=20))
def test_against_a_reference(rewards):
    import numpy as np

    got = group_advantages(rewards)
    judged = np.array([reward for reward in rewards if reward is not None])
    assert [one is None for one in got] == [reward is None for reward in rewards]
    expected = (
        np.zeros_like(judged)
        if judged.size < 2 or judged.std() == 0
        else (judged - judged.mean()) / judged.std()
    )
    assert [one for one in got if one is not None] == pytest.approx(expected.tolist())


def test_without_scaling_the_deviation_is_left_out():
    assert group_advantages([1.0, 0.0, 0.0, 0.0], scale=False) == [0.75, -0.25, -0.25, -0.25]
