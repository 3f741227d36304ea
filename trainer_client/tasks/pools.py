"""Pools of problems and worked examples, all a function of a seed: nothing of them needs saving."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from trainer_client.randomness import rng_of
from trainer_client.tasks import arithmetic, programs
from trainer_client.tasks.problem import Domain, Draft, Problem, WorkedExample, is_held_out

HELD_OUT_SHARE = 0.2
_DRAWS: dict[Domain, Callable[[random.Random], Draft]] = {"math": arithmetic.draw, "code": programs.draw}

# How many different problems of each level the families make: held out or not, level, number.
_MADE: dict[tuple[Domain, bool], dict[int, int]] = {
    ("math", False): {1: 572, 2: 463},
    ("math", True): {1: 151, 2: 91},
    ("code", False): {1: 635, 2: 285},
    ("code", True): {1: 149, 2: 67},
}


def pool_limit(domain: Domain, *, held_out: bool = False, min_level: int = 0, max_level: int = 99) -> int:
    """How many different problems of these levels there are."""
    levels = _MADE[domain, held_out].items()
    return sum(number for level, number in levels if min_level <= level <= max_level)


def drafts(domain: Domain, rng: random.Random, *, held_out: bool) -> Iterator[Draft]:
    """Endless random drafts of one side of the split; a problem may come again."""
    while True:
        draft = _DRAWS[domain](rng)
        if is_held_out(draft.problem.key, HELD_OUT_SHARE) is held_out:
            yield draft


def problem_pool(
    domain: Domain, count: int, seed: int, *, held_out: bool = False, min_level: int = 0, max_level: int = 99
) -> list[Problem]:
    """`count` different problems of these levels, in a fixed random order.

    Raises ValueError when the domain has fewer (it gives up after 200 draws for each one asked).
    """
    rng = rng_of("pool", domain, held_out, seed)
    found: dict[str, Problem] = {}
    source = drafts(domain, rng, held_out=held_out)
    for _ in range(200 * count):
        problem = next(source).problem
        if min_level <= problem.level <= max_level:
            found.setdefault(problem.key, problem)
        if len(found) == count:
            return list(found.values())
    raise ValueError(
        f"{domain}: only {len(found)} different problems of level {min_level} to {max_level}, {count} asked"
    )


def worked_examples(domain: Domain, seed: int, slip_rate: float) -> Iterator[WorkedExample]:
    """Endless examples by a careless teacher, from the training side only.

    A share `slip_rate` of the responses carries the family's typical mistake: the warm start is
    then middling by construction, and the reward alone says which of the two ways is right.
    """
    rng = rng_of("worked", domain, seed)
    for draft in drafts(domain, rng, held_out=False):
        yield WorkedExample(draft.problem, draft.slip if rng.random() < slip_rate else draft.right)
