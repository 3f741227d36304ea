"""What n judged samples of each problem say: avg@k, pass@k, maj@k, each with its standard error.

A sample without a judgement is in none of them: callers pass what was judged.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_MAJORITY_DRAWS = 200  # enough for an error below 0.04 of a problem, and less over a benchmark


@dataclass(frozen=True)
class Estimate:
    """A mean over problems and its standard error, both in 0..1."""

    value: float
    standard_error: float


@dataclass(frozen=True)
class Judgement:
    """One judged sample: whether it was right, and its answer as it was read (for majorities).

    `answer` is None where the sample gave none.
    """

    right: bool
    answer: str | None = ""


def average_at(k: int, problems: Sequence[Sequence[bool]]) -> Estimate:
    """avg@k: the mean accuracy of k samples a problem.

    The error is that of the sampling with the problems fixed: how much the figure would move if the
    same model were asked again, sqrt(sum_i p_i (1 - p_i) / k) / N, with p_i (1 - p_i) estimated without
    bias from the n samples at hand. Raises ValueError without problems.
    """
    _check(problems, 1)
    variance = sum(_unbiased_variance(samples) for samples in problems) / k
    return Estimate(_mean_accuracy(problems), math.sqrt(variance) / len(problems))


def _mean_accuracy(problems: Sequence[Sequence[bool]]) -> float:
    return math.fsum(sum(samples) / len(samples) for samples in problems) / len(problems)


def _unbiased_variance(samples: Sequence[bool]) -> float:
    """p (1 - p) from n draws: the sample variance with n - 1; 0 where one draw says nothing."""
    n, right = len(samples), sum(samples)
    return right * (n - right) / (n * (n - 1)) if n > 1 else 0.0


def pass_at(k: int, problems: Sequence[Sequence[bool]]) -> Estimate:
    """pass@k: the chance that one of k samples is right, without bias: 1 - C(n - c, k) / C(n, k).

    Source: Chen et al. 2021 (arXiv 2107.03374). The error is that of the mean over problems as a sample
    of all problems. Raises ValueError where a problem has fewer than k samples.
    """
    _check(problems, k)
    chances = [pass_chance(len(samples), sum(samples), k) for samples in problems]
    return _mean_with_error(chances)


def pass_chance(samples: int, right: int, k: int) -> float:
    """The share of k-subsets of `samples` that hold one of the `right` ones."""
    return 1.0 - math.comb(samples - right, k) / math.comb(samples, k)


def majority_at(k: int, problems: Sequence[Sequence[Judgement]], seed: int = 0) -> Estimate:
    """maj@k: the chance that the most frequent answer among k samples is right.

    Ties are broken at random, and so are subsets drawn where there are more than k samples. A sample
    without an answer has no vote; where none has one, nothing is right.
    """
    _check(problems, k)
    rng = random.Random(seed)  # noqa: S311 - statistics, not secrets
    return _mean_with_error([_majority_chance(samples, k, rng) for samples in problems])


def _majority_chance(samples: Sequence[Judgement], k: int, rng: random.Random) -> float:
    wins = 0.0
    for _ in range(_MAJORITY_DRAWS):
        drawn = rng.sample(list(samples), k)
        counts = Counter(sample.answer for sample in drawn if sample.answer is not None)
        if not counts:
            continue
        most = max(counts.values())
        leaders = [answer for answer, count in counts.items() if count == most]
        right = {sample.answer for sample in drawn if sample.right}
        wins += sum(leader in right for leader in leaders) / len(leaders)
    return wins / _MAJORITY_DRAWS


def _mean_with_error(values: Sequence[float]) -> Estimate:
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Estimate(mean, 0.0)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return Estimate(mean, math.sqrt(variance / len(values)))


def _check(problems: Sequence[Sequence[object]], k: int) -> None:
    if not problems:
        raise ValueError("no problems")
    fewest = min(len(samples) for samples in problems)
    if fewest < k:
        raise ValueError(f"k = {k}, but a problem has only {fewest} judged samples")
