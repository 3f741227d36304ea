"""Held-out accuracy, by the reward server's verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainer_client.client import RewardClient
from trainer_client.model import Policy
from trainer_client.recipe import Recipe, held_domains
from trainer_client.rewards import Judged, roll_out
from trainer_client.rollout.engine import RolloutEngine, SamplingSettings
from trainer_client.schedule import sampling_seed
from trainer_client.tasks.files import file_pool
from trainer_client.tasks.pools import problem_pool
from trainer_client.tasks.problem import Domain, Problem

if TYPE_CHECKING:
    from trainer_client.parallel import World


@dataclass(frozen=True)
class Accuracy:
    """Mean reward over the `judged` completions of a domain; None when not one was judged.

    `unjudged` completions got no reward (service or task at fault) and are in neither number.
    """

    mean: float | None
    judged: int
    unjudged: int


def accuracy_of(judged: Sequence[Judged]) -> Accuracy:
    """Accuracy over the completions that have a reward."""
    rewards = [one.verdict.reward for one in judged if one.verdict.reward is not None]
    mean = sum(rewards) / len(rewards) if rewards else None
    return Accuracy(mean, len(rewards), len(judged) - len(rewards))


def held_out_problems(recipe: Recipe, domain: Domain) -> list[Problem]:
    """The benchmark of a domain: it does not move with the run's seed. Raises TaskFileError."""
    settings = recipe.evaluation
    if settings.data:
        return file_pool(Path(settings.data), domain, settings.problems, seed=0)
    return problem_pool(domain, settings.problems, seed=0, held_out=True)


def evaluate(
    policy: Policy,
    engine: RolloutEngine,
    client: RewardClient,
    recipe: Recipe,
    *,
    step: int,
    run: str,
    check: Callable[[], None] = lambda: None,
    world: World | None = None,
) -> dict[Domain, Accuracy]:
    """Accuracy for each domain of the recipe: one completion for each held-out problem.

    Problems and sampling seed are the same at every step, so that two evaluations differ by the policy alone.
    With several processes all must call it, and get the same.
    """
    settings = SamplingSettings(
        recipe.evaluation.max_response_tokens,
        recipe.evaluation.temperature,
        sampling_seed(recipe.seed, 0, "evaluation"),
    )
    results: dict[Domain, Accuracy] = {}
    for domain in held_domains(recipe):
        problems = held_out_problems(recipe, domain)
        prompts = [(problem, policy.prompt_ids(problem.prompt)) for problem in problems]
        label = f"eval{step}/{domain}"
        rollouts = roll_out(engine, client, prompts, settings, label=label, run=run, check=check, world=world)
        results[domain] = accuracy_of(rollouts.judged)
    return results
