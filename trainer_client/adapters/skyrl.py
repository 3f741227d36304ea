"""SkyRL: an environment of one turn whose reward is our verdict.

    from trainer_client.adapters.skyrl import register
    register("verdict")            # then environment.env_class=verdict

The row's `reward_spec.ground_truth` is the label. SkyRL has no word for "not judged": a
fault of the service is waited out, and what still has no verdict raises NotJudged unless
REWARD_IF_UNJUDGED gives a number.
Contract: skyrl-gym 0.4, envs/base_text_env.py.
"""

from __future__ import annotations

from typing import Any

from skyrl_gym.envs.base_text_env import BaseTextEnv, BaseTextEnvStepOutput

from trainer_client.adapters.scorer import default_scorer


class VerdictEnv(BaseTextEnv):  # type: ignore[misc]  # its package has no types
    """One answer, one verdict."""

    def __init__(self, env_config: Any = None, extras: dict[str, Any] | None = None) -> None:
        super().__init__()
        self._label = (extras or {})["reward_spec"]["ground_truth"]

    def step(self, action: str) -> BaseTextEnvStepOutput:
        """Judges the model's answer and ends the episode. Raises NotJudged."""
        scorer = default_scorer()
        (verdict,) = scorer.verdicts_plainly([self._label], [action])
        metadata = {"status": verdict.status, "message": verdict.message}
        return BaseTextEnvStepOutput(
            observations=[], reward=scorer.reward(verdict), done=True, metadata=metadata
        )


def register(name: str = "verdict") -> None:
    """Makes the environment known to SkyRL under `name`."""
    import skyrl_gym

    skyrl_gym.register(id=name, entry_point=f"{__name__}:VerdictEnv")
