"""What the attempts say about a problem: is its gold credible, how hard is it, is it long enough to teach.

From arXiv 2505.16400: a math problem stays where the majority of up to 8 attempts agrees with the gold; a
code problem's difficulty is how many of 8 attempts fail, and one that all fail leaves; math problems that
are answered in under 2,000 tokens leave, and those under 4,000 are thinned out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from trainer_client.curation.plan import Band, Plan
from trainer_client.curation.problem import CuratedProblem, Rejection
from trainer_client.evaluation.endpoint import UNKNOWN_TOKENS, token_count
from trainer_client.tasks.problem import is_held_out as is_in_share

HARDEST = 8
_RIGHT = object()

Attempt = Mapping[str, Any]


def select(
    problem: CuratedProblem, attempts: Collection[Attempt], plan: Plan
) -> tuple[Rejection | None, dict[str, Any]]:
    """A rejection or None, and the facts: attempts judged and right, difficulty 0 to 8, mean tokens."""
    judged = [attempt for attempt in attempts if attempt["reward"] is not None]
    facts = facts_of(attempts, judged)
    if not judged:
        why = f"{len(attempts)} attempts, none judged"
        return Rejection("unjudged" if attempts else "no_attempts", why), facts
    if plan.rollouts.majority and problem.domain == "math" and not majority_is_right(judged):
        return Rejection("majority_disagrees", _votes(judged)), facts
    if plan.rollouts.unsolved and not facts["right"]:
        return Rejection("unsolved", f"all {len(judged)} attempts fail"), facts
    return _banded(problem, facts["tokens"], plan), facts


def facts_of(attempts: Collection[Attempt], judged: Sequence[Attempt]) -> dict[str, Any]:
    """Counts, difficulty and mean length; None where nothing is known."""
    right = sum(attempt["reward"] == 1.0 for attempt in judged)
    counts = [token_count(attempt["tokens"]) for attempt in attempts]
    lengths = [count for count in counts if count != UNKNOWN_TOKENS]
    return {
        "attempts": len(attempts),
        "judged": len(judged),
        "right": right,
        "difficulty": round(HARDEST * (len(judged) - right) / len(judged)) if judged else None,
        "tokens": sum(lengths) / len(lengths) if lengths else None,
    }


def majority_is_right(judged: Sequence[Attempt]) -> bool:
    """Whether the most frequent answer was accepted; of several the one that was given first.

    All accepted answers are one answer, however they are written; rejected ones are equal when the verifier
    read the same. An attempt without an answer does not vote.
    """
    votes = Counter(
        _RIGHT if attempt["reward"] == 1.0 else attempt["answer"]
        for attempt in judged
        if attempt["status"] != "NO_ANSWER"
    )
    return bool(votes) and votes.most_common(1)[0][0] is _RIGHT


def _votes(judged: Sequence[Attempt]) -> str:
    votes = Counter(attempt["answer"][:40] for attempt in judged if attempt["status"] != "NO_ANSWER")
    return ", ".join(f"{count} for {answer!r}" for answer, count in votes.most_common(3)) or "no answers"


def _banded(problem: CuratedProblem, tokens: float | None, plan: Plan) -> Rejection | None:
    """A hash of the id decides who of a thinned band stays, so that it is the same in every run."""
    if problem.domain != "math" or not plan.band:
        return None
    if tokens is None:
        return Rejection("length_unknown", "no attempt says how many tokens it has")
    band = _band_of(tokens, plan.band)
    if band is None or is_in_share(f"{plan.seed}/{problem.id}", band.keep):
        return None
    return Rejection(
        "too_short_attempts" if band.keep == 0 else "thinned_out", f"{tokens:.0f} tokens on average"
    )


def _band_of(tokens: float, bands: Sequence[Band]) -> Band | None:
    return next((band for band in bands if tokens < band.below_tokens), None)
