"""Reproducible randomness: each use names itself, and gets the same numbers in every process."""

from __future__ import annotations

import random


def rng_of(*name: object) -> random.Random:
    """A generator that depends on the parts of its name alone, for example `rng_of("epoch", seed, 3)`."""
    return random.Random("/".join(map(str, name)))  # noqa: S311 - reproducible on purpose, nothing secret
