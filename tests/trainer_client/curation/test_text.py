"""Words, runs and signatures."""

from __future__ import annotations

import random
from itertools import combinations

import numpy as np
import pytest

from trainer_client.curation.keys import KeyFile
from trainer_client.curation.text import band_keys, canonical, jaccard, run_hashes, symbols_of, words_of


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("What is $x+1$?", "what is x + 1", True),
        ("\\left(1,2\\right)", "(1,2)", True),
        ("What is 3-5?", "What is 3+5?", False),
        ("ﬁnd x", "find x", True),
    ],
)
def test_canonical_text(one, other, same):
    assert (canonical(one) == canonical(other)) is same


def test_runs_are_those_of_the_words():
    words = words_of("a b c d a b c")
    hashes = run_hashes(words, 3).tolist()
    assert len(hashes) == 5
    assert hashes[0] == hashes[4]
    assert len(set(hashes)) == 4
    assert run_hashes(words[:2], 3).tolist() == run_hashes(words[:2], 2).tolist()
    assert run_hashes([], 3).tolist() == []


def test_symbols_are_numerals_and_operators():
    assert symbols_of("3 apples + 3.5 = x") == {"3": 1, "3.5": 1, "+": 1, "=": 1}


def test_jaccard_is_that_of_sets():
    rng = random.Random(0)
    for _ in range(50):
        one = [rng.randrange(20) for _ in range(10)]
        other = [rng.randrange(20) for _ in range(15)]
        wanted = len(set(one) & set(other)) / len(set(one) | set(other))
        found = jaccard(np.array(one, np.uint64), np.array(other, np.uint64))
        assert found == pytest.approx(wanted)


@pytest.mark.parametrize(("similarity", "least", "most"), [(0.9, 0.99, 1.0), (0.3, 0.0, 0.1)])
def test_similar_sets_share_a_band(similarity, least, most):
    """Within what 1 - (1 - s^6)^20 gives, on 300 pairs of one Jaccard index."""
    rng, shared, size = np.random.default_rng(1), 0, 100
    common = round(size * 2 * similarity / (1 + similarity))
    for _ in range(300):
        drawn = rng.integers(0, 1 << 63, 2 * size - common, dtype=np.uint64)
        one, other = drawn[:size], drawn[size - common :]
        shared += bool((band_keys(one) == band_keys(other)).any())
    assert least <= shared / 300 <= most


def test_groups_are_the_rows_that_share_a_key(tmp_path):
    rng = random.Random(2)
    pairs = [(rng.randrange(200), row) for row in range(400)]
    with KeyFile(tmp_path / "keys") as keys:
        for key, row in pairs:
            keys.add(key, row)
    found = {tuple(map(int, group)) for group in keys.groups()}
    assert {pair for group in found for pair in combinations(group, 2)} == {
        (a, b) for (k, a), (m, b) in combinations(pairs, 2) if k == m
    }
    assert all(list(group) == sorted(group) for group in found)


def test_no_key_no_group(tmp_path):
    with KeyFile(tmp_path / "keys") as keys:
        pass
    assert list(keys.groups()) == []
