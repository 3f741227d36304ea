"""Sampling completions from the policy: one engine for each file, chosen by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer_client.errors import RecipeError

if TYPE_CHECKING:
    from trainer_client.model import Policy
    from trainer_client.rollout.engine import RolloutEngine


def make_engine(name: str, policy: Policy) -> RolloutEngine:
    """The engine that a recipe names in `compute.engine`. Raises RecipeError for an unknown one."""
    if name == "transformers":
        from trainer_client.rollout.transformers_engine import TransformersEngine

        return TransformersEngine(policy)
    raise RecipeError(f"compute.engine: {name!r} is no engine")
