"""Problems that share a run of words with a benchmark: 9 words in math, 14 in code (arXiv 2505.16400)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trainer_client.curation.plan import Contamination
from trainer_client.curation.problem import CuratedProblem, Rejection
from trainer_client.curation.sources import read_statements
from trainer_client.curation.text import Hashes, run_hashes, words_of


class Benchmarks:
    """All runs of words of the benchmarks' problems. Memory: 8 bytes a run, whatever the number of rows.

    A problem shorter than a run, on either side, is compared as a whole. A run of which less than a third are
    different words (numerals, say) does not count.
    """

    def __init__(self, settings: Contamination) -> None:
        self._files = settings.benchmarks
        self._lengths = {"math": settings.math_words, "code": settings.code_words}
        self._runs = {length: self._collect(length) for length in set(self._lengths.values())}

    def judge(self, problem: CuratedProblem) -> Rejection | None:
        """A rejection that quotes the first shared run, or None."""
        words, length = words_of(problem.statement), self._lengths[problem.domain]
        runs = run_hashes(words, length)
        known = self._runs[length]
        if not len(runs) or not len(known):
            return None
        places = np.minimum(np.searchsorted(known, runs), len(known) - 1)
        shared = np.flatnonzero(known[places] == runs).tolist()
        quotes = (words[place : place + length] for place in shared)
        quote = next((quote for quote in quotes if _says_something(quote)), None)
        if quote is None:
            return None
        return Rejection("contaminated", f"shares {len(quote)} words with a benchmark: {' '.join(quote)}")

    def _collect(self, length: int) -> Hashes:
        found = [
            run_hashes(words_of(statement), length)
            for name in self._files
            for statement in read_statements(Path(name))
        ]
        return np.unique(np.concatenate(found)) if found else np.empty(0, np.uint64)


def _says_something(run: Sequence[str]) -> bool:
    """Counting from one to nine, or a row of zeros, is no sign that a problem was copied."""
    return len({word for word in run if word.isalpha()}) * 3 >= len(run)
