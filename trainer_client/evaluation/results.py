"""From samples to tables: one line a benchmark, and what changed between two runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from trainer_client.evaluation.endpoint import UNKNOWN_TOKENS, token_count
from trainer_client.evaluation.estimates import (
    Estimate,
    Judgement,
    average_at,
    majority_at,
    pass_at,
    pass_chance,
)
from trainer_client.evaluation.samples import Sample, judged, latest

_KS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SOLVED = 0.5  # a problem counts as solved when more than this share of its samples is right


@dataclass(frozen=True)
class BenchmarkResult:
    """One benchmark: `k` samples a problem, the fewest that any problem has judged.

    `tokens` is the mean over the samples whose length the endpoint told; None where it told none.
    `unjudged` samples got no reward and are in no figure; `unanswered` problems have none judged at all.
    """

    benchmark: str
    problems: int
    k: int
    average: Estimate
    pass_at: dict[int, Estimate]
    majority: Estimate
    truncated: float
    tokens: float | None
    unjudged: int
    unanswered: int

    def as_json(self) -> dict[str, Any]:
        """Plain values, keys of `pass_at` as text."""
        found = asdict(self)
        found["pass_at"] = {str(k): value for k, value in found["pass_at"].items()}
        return found


def by_question(samples: Iterable[Sample]) -> dict[str, dict[str, list[Sample]]]:
    """Benchmark -> question -> its samples in order, each once."""
    found: dict[str, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for sample in sorted(latest(samples), key=lambda sample: sample.key):
        found[sample.benchmark][sample.question].append(sample)
    return found


def results_of(samples: Iterable[Sample]) -> list[BenchmarkResult]:
    """A result for each benchmark that has a judged sample, by name."""
    found = (_result(name, questions) for name, questions in sorted(by_question(samples).items()))
    return [result for result in found if result is not None]


def _result(name: str, questions: dict[str, list[Sample]]) -> BenchmarkResult | None:
    per_question = [rewarded for group in questions.values() if (rewarded := judged(group))]
    if not per_question:
        return None
    everything = [sample for group in questions.values() for sample in group]
    k = min(map(len, per_question))
    right = [[_is_right(sample) for sample in group] for group in per_question]
    judgements = [list(map(_judgement, group)) for group in per_question]
    counts = [token_count(sample.tokens) for sample in everything]
    lengths = [float(count) for count in counts if count != UNKNOWN_TOKENS]
    return BenchmarkResult(
        benchmark=name,
        problems=len(questions),
        k=k,
        average=average_at(k, right),
        pass_at={size: pass_at(size, right) for size in _sizes(k)},
        majority=majority_at(k, judgements),
        truncated=_mean([float(sample.truncated) for sample in everything]),
        tokens=_mean(lengths) if lengths else None,
        unjudged=sum(sample.reward is None for sample in everything),
        unanswered=len(questions) - len(per_question),
    )


def _sizes(k: int) -> list[int]:
    """The sizes of a table up to k: the powers of two, and k itself."""
    return sorted({size for size in (*_KS, k) if 0 < size <= k})


def _judgement(sample: Sample) -> Judgement:
    """As majorities see it: a sample without an answer has no vote."""
    return Judgement(_is_right(sample), None if sample.status == "NO_ANSWER" else sample.answer)


def _is_right(sample: Sample) -> bool:
    return sample.reward == 1.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


@dataclass(frozen=True)
class Comparison:
    """Two runs of one benchmark on the questions that both have judged.

    `newly_solved` and `newly_lost` are questions whose accuracy crossed one half; `first_reached` those
    that no sample of the first run solved and one of the second did.
    """

    benchmark: str
    questions: int
    before: float
    after: float
    pass_before: dict[int, float]
    pass_after: dict[int, float]
    newly_solved: tuple[str, ...]
    newly_lost: tuple[str, ...]
    first_reached: tuple[str, ...]


def compare(before: Iterable[Sample], after: Iterable[Sample]) -> list[Comparison]:
    """A comparison for each benchmark that both runs have."""
    first, second = by_question(judged(before)), by_question(judged(after))
    return [_compare(name, first[name], second[name]) for name in sorted(first.keys() & second.keys())]


def _compare(name: str, before: dict[str, list[Sample]], after: dict[str, list[Sample]]) -> Comparison:
    shared = sorted(before.keys() & after.keys())
    was = {question: _accuracy(before[question]) for question in shared}
    now = {question: _accuracy(after[question]) for question in shared}
    k = min((len(run[question]) for run in (before, after) for question in shared), default=0)
    return Comparison(
        benchmark=name,
        questions=len(shared),
        before=_mean(list(was.values())) if shared else 0.0,
        after=_mean(list(now.values())) if shared else 0.0,
        pass_before=_passes(before, shared, k),
        pass_after=_passes(after, shared, k),
        newly_solved=tuple(q for q in shared if was[q] <= SOLVED < now[q]),
        newly_lost=tuple(q for q in shared if now[q] <= SOLVED < was[q]),
        first_reached=tuple(q for q in shared if was[q] == 0.0 < now[q]),
    )


def _accuracy(samples: Sequence[Sample]) -> float:
    return sum(map(_is_right, samples)) / len(samples)


def _passes(run: dict[str, list[Sample]], questions: Sequence[str], k: int) -> dict[int, float]:
    return {
        size: _mean([pass_chance(len(run[q]), sum(map(_is_right, run[q])), size) for q in questions])
        for size in _sizes(k)
        if questions
    }
