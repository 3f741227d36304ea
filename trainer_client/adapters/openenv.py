"""OpenEnv: an environment of one step whose reward is our verdict, and `null` without one.

    from trainer_client.adapters.openenv import VerdictAction, VerdictEnvironment, VerdictObservation
    app = create_app(VerdictEnvironment, VerdictAction, VerdictObservation)

`reset(label=...)` names the task, `step(VerdictAction(completion=...))` judges; a client
without state gives the label with the step.
Contract: openenv 0.10, core/env_server/interfaces.py.
"""

from __future__ import annotations

from typing import Any

from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import Action, Observation, State

from trainer_client.adapters.scorer import Scorer


class VerdictAction(Action):  # type: ignore[misc]  # its package has no types
    """The model's answer."""

    completion: str
    label: Any = None


class VerdictObservation(Observation):  # type: ignore[misc]
    """What became of it; `reward` is None where it was not judged."""

    status: str = ""
    message: str = ""


class VerdictEnvironment(Environment):  # type: ignore[misc]
    """One answer, one verdict."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self) -> None:
        super().__init__()
        self._scorer = Scorer()
        self._label: Any = None
        self._state = State()

    def reset(
        self, seed: int | None = None, episode_id: str | None = None, **task: Any
    ) -> VerdictObservation:
        """Takes the task's label."""
        self._label = task.get("label")
        self._state = State(episode_id=episode_id)
        return VerdictObservation()

    def step(self, action: VerdictAction, timeout_s: float | None = None, **_: Any) -> VerdictObservation:
        """Judges the answer and ends the episode. Raises LabelError for a label that is none."""
        label = self._label if action.label is None else action.label
        (verdict,) = self._scorer.verdicts_plainly([label], [action.completion])
        self._state.step_count += 1
        return VerdictObservation(
            status=verdict.status, message=verdict.message, reward=verdict.reward, done=True
        )

    @property
    def state(self) -> State:
        """How many answers this episode has seen."""
        return self._state
