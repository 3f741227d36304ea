"""Which stage and which problems a step trains on.

Both are a function of recipe and step, so that there is nothing to save.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from trainer_client.randomness import rng_of
from trainer_client.recipe import Recipe, Stage
from trainer_client.tasks.files import file_pool
from trainer_client.tasks.pools import problem_pool
from trainer_client.tasks.problem import Problem


@dataclass(frozen=True)
class StageProblems:
    """A stage's training problems. Each epoch goes through all of them once, in an order of its own."""

    stage: Stage
    seed: int

    @cached_property
    def pool(self) -> list[Problem]:
        """All the stage's problems, never held-out ones. Raises TaskFileError."""
        stage = self.stage
        low, high = stage.min_level, stage.max_level
        if stage.data:
            path = Path(stage.data)
            return file_pool(path, stage.domain, stage.problems, self.seed, min_level=low, max_level=high)
        return problem_pool(stage.domain, stage.problems, self.seed, min_level=low, max_level=high)

    def at(self, step: int) -> list[Problem]:
        """The problems of the stage's `step`-th update, counted from 0."""
        first = step * self.stage.prompts_per_step
        return [self._problem(first + offset) for offset in range(self.stage.prompts_per_step)]

    def _problem(self, position: int) -> Problem:
        epoch, place = divmod(position, len(self.pool))
        return self.pool[_order(len(self.pool), self.seed, self.stage.name, epoch)[place]]


@functools.lru_cache(maxsize=4)
def _order(count: int, seed: int, stage: str, epoch: int) -> list[int]:
    order = list(range(count))
    rng_of("order", seed, stage, epoch).shuffle(order)
    return order


@dataclass(frozen=True)
class Turn:
    """One step of the run: `step` counts over all stages from 0, `stage_step` within the stage."""

    step: int
    stage: Stage
    stage_step: int
    problems: list[Problem]


def turns(recipe: Recipe, start: int = 0) -> Iterator[Turn]:
    """The steps of a run from `start` on, stage after stage."""
    before = 0
    for stage in recipe.stage:
        problems = StageProblems(stage, recipe.seed)
        for stage_step in range(max(0, start - before), stage.steps):
            yield Turn(before + stage_step, stage, stage_step, problems.at(stage_step))
        before += stage.steps


def stage_starts(recipe: Recipe) -> list[tuple[str, int]]:
    """Each stage's name with the step it begins at."""
    starts, step = [], 0
    for stage in recipe.stage:
        starts.append((stage.name, step))
        step += stage.steps
    return starts


def stage_at(recipe: Recipe, step: int) -> tuple[Stage, int]:
    """The stage that `step` belongs to (the first one for a step before it), and the step it begins at."""
    first = 0
    for stage in recipe.stage:
        if step < first + stage.steps:
            break
        first += stage.steps
    return stage, first


def sampling_seed(seed: int, step: int, purpose: str) -> int:
    """The seed of one call of the sampler: a resumed run draws what the unbroken one would have drawn."""
    return rng_of("sample", seed, step, purpose).getrandbits(63)
