"""Statements as words, runs of words and signatures: what duplicates and contamination are found by.

Hashes are 64 bits and the same in every process. A shared hash is only ever a candidate: what a problem is
rejected for is compared as text.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

BANDS, ROWS_PER_BAND = 20, 6
_WORD = re.compile(r"[^\W_]+")
_SYMBOL = re.compile(r"\d+(?:\.\d+)?|[+*/=<>^]")
_LAYOUT = re.compile(r"\s+|\$|\\(?:left|right|[,;!()\[\]])")
_END = ".!?:"
_RADIX = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying loses nothing


def canonical(statement: str) -> str:
    """The text without case, blanks, dollar signs, LaTeX spacing and final punctuation."""
    return _LAYOUT.sub("", unicodedata.normalize("NFKC", statement)).casefold().rstrip(_END)


def words_of(statement: str) -> list[str]:
    """Its words and numerals in lower case; operators and punctuation only separate."""
    return _WORD.findall(unicodedata.normalize("NFKC", statement).casefold())


def symbols_of(statement: str) -> Counter[str]:
    """Its numerals and operators, with how often each comes."""
    return Counter(_SYMBOL.findall(statement))


def text_hash(text: str) -> int:
    """64 bits of BLAKE2b."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


_word_hash = functools.lru_cache(maxsize=1 << 16)(text_hash)


def run_hashes(words: Sequence[str], length: int) -> Hashes:
    """A hash of each run of `length` consecutive words; a shorter text is one run of all its words."""
    if not words:
        return np.empty(0, np.uint64)
    length = min(length, len(words))
    hashes = np.fromiter(map(_word_hash, words), np.uint64, len(words))
    count = len(words) - length + 1
    found = np.zeros(count, np.uint64)
    for offset in range(length):
        found = found * _RADIX + hashes[offset : offset + count]
    return _mixed(found)


def _mixed(values: Hashes) -> Hashes:
    """Spreads differences over all bits (the finisher of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


@functools.cache
def _permutations() -> tuple[Hashes, Hashes]:
    generator = np.random.default_rng(20250522)
    factors = generator.integers(0, 1 << 63, BANDS * ROWS_PER_BAND, dtype=np.uint64) * np.uint64(2)
    return factors + np.uint64(1), generator.integers(0, 1 << 63, BANDS * ROWS_PER_BAND, dtype=np.uint64)


def band_keys(shingles: Hashes) -> Hashes:
    """MinHash in bands (Broder 1997; Leskovec et al., Mining of Massive Datasets, 3.4): shape (BANDS,).

    Two sets of Jaccard index s share a key of some band with probability 1 - (1 - s^6)^20: 0.998 at 0.8,
    0.92 at 0.7, 0.02 at 0.32.
    """
    factors, offsets = _permutations()
    signature = (shingles[:, None] * factors + offsets).min(axis=0).reshape(BANDS, ROWS_PER_BAND)
    keys = np.zeros(BANDS, np.uint64)
    for column in range(ROWS_PER_BAND):
        keys = keys * _RADIX + signature[:, column]
    return _mixed(keys)


def jaccard(first: Hashes, second: Hashes) -> float:
    """Size of the intersection over that of the union of two sets of hashes."""
    one, other = np.unique(first), np.unique(second)
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)
