"""No verdict depends on load: CPU times around their limits, on an idle and on a crowded machine."""

from __future__ import annotations

import pytest

from bench.load_invariance import corpus, surprises
from sandbox import backends

PROGRAMS = 83  # every kind at every share of the limit once


@pytest.mark.toolchain("g++")
@pytest.mark.parametrize(
    "isolation",
    [
        "namespaces",
        "landlock",
    ],
)
async def test_verdicts_are_the_same_in_a_crowd(isolation: str) -> None:
    if why := backends.problem(isolation):
        pytest.skip(f"{isolation}: {why}")
    assert await surprises(corpus(PROGRAMS), 24, isolation) == []


def test_the_corpus_lies_on_both_sides_of_the_limit() -> None:
    trials = corpus(PROGRAMS)
    assert len({trial.name for trial in trials}) == PROGRAMS
    assert {trial.expected.value for trial in trials} == {"ok", "time_limit", "wall_limit"}
