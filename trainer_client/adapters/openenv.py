"""OpenEnv: an environment of one step whose reward is our verdict, and `null` without one.

    from trainer_client.adapters.openenv import VerdictAction, VerdictEnvironment, VerdictObservation
    app = create_app(VerdictEnvironment, VerdictAction, VerdictObservation, max_concurrent_envs=1024)

`reset(label=...)` names the task, `step(VerdictAction(completion=...))` judges; a client
without state gives the label with the step. All sessions of a process share its connection.
Contract: openenv 0.10, core/env_server/interfaces.py.
"""

from __future__ import annotations

from typing import Any

from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import Action, Observation, State

from trainer_client.adapters.scorer import default_scorer
from trainer_client.client import Verdict


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
        (verdict,) = default_scorer().verdicts_plainly([self._label_of(action)], [action.completion])
        return self._observed(verdict)

    async def step_async(
        self, action: VerdictAction, timeout_s: float | None = None, **_: Any
    ) -> VerdictObservation:
        """`step` without a thread for each session; what the server of environments calls."""
        return self._observed(await default_scorer().verdict(self._label_of(action), action.completion))

    def _label_of(self, action: VerdictAction) -> Any:
        return self._label if action.label is None else action.label

    def _observed(self, verdict: Verdict) -> VerdictObservation:
        self._state.step_count += 1
        return VerdictObservation(
            status=verdict.status, message=verdict.message, reward=verdict.reward, done=True
        )

    @property
    def state(self) -> State:
        """How many answers this episode has seen."""
        return self._state
