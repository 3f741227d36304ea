"""Sampling completions from the policy: one engine for each file, chosen by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer_client.errors import RecipeError
from trainer_client.recipe import VllmSettings

if TYPE_CHECKING:
    from trainer_client.model import Policy
    from trainer_client.rollout.engine import RolloutEngine


def make_engine(
    name: str, policy: Policy, vllm: VllmSettings | None = None, *, replica: bool = False
) -> RolloutEngine:
    """The engine that a recipe names in `compute.engine`. Raises RecipeError for one that cannot be had.

    `replica`, for a policy that will be sharded: the embedded engine then samples from a copy of its own.
    """
    if name == "transformers":
        from trainer_client.rollout.transformers_engine import ReplicaEngine, TransformersEngine

        return ReplicaEngine(policy) if replica else TransformersEngine(policy)
    if name == "vllm":
        from trainer_client.rollout.vllm_engine import VllmEngine

        return VllmEngine(policy, vllm or VllmSettings())
    if name == "vllm_server":
        from trainer_client.rollout.vllm_server import VllmServerEngine

        return VllmServerEngine(policy, vllm or VllmSettings())
    raise RecipeError(f"compute.engine: {name!r} is no engine")
