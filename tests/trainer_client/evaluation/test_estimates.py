"""Estimates against brute force over all subsets, and errors against simulation."""

from __future__ import annotations

import itertools
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer_client.evaluation.estimates import (
    Judgement,
    average_at,
    majority_at,
    pass_at,
    pass_chance,
)

SAMPLES = st.lists(st.booleans(), min_size=1, max_size=9)


@given(SAMPLES, st.data())
def test_pass_at_k_is_the_share_of_subsets_with_a_right_one(samples, data):
    k = data.draw(st.integers(1, len(samples)))
    subsets = list(itertools.combinations(samples, k))
    wanted = sum(any(subset) for subset in subsets) / len(subsets)
    assert pass_chance(len(samples), sum(samples), k) == pytest.approx(wanted)


@given(st.lists(SAMPLES, min_size=1, max_size=5))
def test_pass_at_1_is_the_average(problems):
    assert pass_at(1, problems).value == pytest.approx(average_at(1, problems).value)


def test_hand_worked_average():
    problems = [[True, True], [True, False], [False, False]]
    estimate = average_at(2, problems)
    assert estimate.value == pytest.approx(0.5)
    # Only the middle one varies: p(1-p) without bias is 1*1/(2*1) = 1/2, over k = 2 and 3 problems.
    assert estimate.standard_error == pytest.approx((0.5 / 2) ** 0.5 / 3)


@pytest.mark.parametrize("k", [16, 32, 64])
def test_the_error_of_avg_at_k_is_what_repeated_runs_show(k):
    rng = random.Random(k)
    chances = [rng.random() for _ in range(30)]

    def run() -> list[list[bool]]:
        return [[rng.random() < chance for _ in range(k)] for chance in chances]

    seen = statistics.stdev(average_at(k, run()).value for _ in range(400))
    said = statistics.mean(average_at(k, run()).standard_error for _ in range(50))
    assert said == pytest.approx(seen, rel=0.15)


@pytest.mark.parametrize(("k", "published"), [(16, 1.8), (32, 1.2), (64, 0.7)])
def test_the_published_errors_of_aime24(k, published):
    """The paper gives 1.8, 1.2 and 0.7 points for 30 problems: the size that half-solved problems give."""
    half = [[True, False] * (k // 2)] * 30
    largest = 100 * average_at(k, half).standard_error
    assert published < 1.5 * largest
    assert published > largest / 3


def test_majority_against_brute_force():
    samples = [
        Judgement(True, "1"),
        Judgement(True, "1"),
        Judgement(False, "2"),
        Judgement(False, "3"),
        Judgement(False, "2"),
    ]

    def chance(subset: tuple[Judgement, ...]) -> float:
        answers = [judgement.answer for judgement in subset]
        most = max(map(answers.count, answers))
        leaders = {answer for answer in answers if answers.count(answer) == most}
        return ("1" in leaders) / len(leaders)

    wanted = statistics.mean(map(chance, itertools.combinations(samples, 3)))
    assert majority_at(3, [samples]).value == pytest.approx(wanted, abs=0.1)


def test_a_majority_of_all_is_exact():
    samples = [Judgement(True, "1"), Judgement(True, "1"), Judgement(False, "2")]
    assert majority_at(3, [samples]).value == 1.0


def test_a_majority_of_silence_is_not_right():
    assert majority_at(2, [[Judgement(False, None)] * 2]).value == 0.0


def test_too_few_samples_are_an_error():
    with pytest.raises(ValueError, match="only 1 judged"):
        pass_at(2, [[True, False], [True]])
    with pytest.raises(ValueError, match="no problems"):
        average_at(1, [])
