"""NeMo Gym's and OpenEnv's adapters over stand-ins: the real ones need a newer Python, or a hundred packages.

They were run unmodified by hand (bench/LOG.md). What stands in has the fields of NeMo Gym 0.4.0 and of
OpenEnv 0.10.0 that the adapters touch, and refuses others where those do.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from fastapi import HTTPException
from pydantic import BaseModel, ConfigDict

from tests.trainer_client.adapters.conftest import answering
from tests.trainer_client.fake_server import FakeServer, verdict
from trainer_client.adapters.scorer import default_scorer

RIGHT, WRONG = r"so \boxed{1}", r"so \boxed{2}"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Action(_Strict):
    metadata: dict[str, Any] = {}


class Observation(_Strict):
    done: bool = False
    reward: float | None = None
    metadata: dict[str, Any] = {}


class State(BaseModel):
    episode_id: str | None = None
    step_count: int = 0


class Environment:
    pass


class BaseVerifyRequest(BaseModel):
    response: dict[str, Any]


class BaseVerifyResponse(BaseVerifyRequest):
    reward: float


class Gym:
    """Its client: remembers what was asked, and answers as it is told."""

    def __init__(self) -> None:
        self.asked: list[SimpleNamespace] = []
        self.status = 200
        self.content: dict[str, Any] = {}

    async def request(
        self, method: str, url: str, *, json: dict[str, Any], headers: dict[str, str]
    ) -> SimpleNamespace:
        self.asked.append(SimpleNamespace(method=method, url=url, json=json, headers=headers))
        return SimpleNamespace(status=self.status)

    async def get_response_json(self, answer: SimpleNamespace) -> dict[str, Any]:
        return self.content


def _module(name: str, **names: Any) -> ModuleType:
    made = ModuleType(name)
    made.__dict__.update(names)
    return made


def _importing(monkeypatch: pytest.MonkeyPatch, adapter: str, *modules: ModuleType) -> Any:
    """The adapter, imported beside these modules and forgotten afterwards."""
    for module in modules:
        parts = module.__name__.split(".")
        for length in range(1, len(parts)):
            monkeypatch.setitem(sys.modules, ".".join(parts[:length]), _module(".".join(parts[:length])))
    for module in modules:
        monkeypatch.setitem(sys.modules, module.__name__, module)
    name = f"trainer_client.adapters.{adapter}"
    monkeypatch.delitem(sys.modules, name, raising=False)
    found = importlib.import_module(name)
    monkeypatch.delitem(sys.modules, name)
    return found


@pytest.fixture
def openenv(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The OpenEnv adapter, which asks the fake server."""
    monkeypatch.setenv("REWARD_SERVER_ADDRESS", server.address)
    default_scorer.cache_clear()
    yield _importing(
        monkeypatch,
        "openenv",
        _module("openenv.core.env_server.interfaces", Environment=Environment),
        _module("openenv.core.env_server.types", Action=Action, Observation=Observation, State=State),
    )
    default_scorer.cache_clear()


@pytest.fixture
def gym() -> Gym:
    """NeMo Gym's client."""
    return Gym()


@pytest.fixture
def resources(gym: Gym, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The NeMo Gym adapter's server."""
    adapter = _importing(
        monkeypatch,
        "nemo_gym",
        _module(
            "nemo_gym.base_resources_server",
            BaseResourcesServerConfig=BaseModel,
            BaseVerifyRequest=BaseVerifyRequest,
            BaseVerifyResponse=BaseVerifyResponse,
            SimpleResourcesServer=SimpleNamespace,
        ),
        _module("nemo_gym.server_utils", request=gym.request, get_response_json=gym.get_response_json),
    )
    config = adapter.VerdictConfig(reward_server="http://reward:8080")
    return SimpleNamespace(server=adapter.VerdictResourcesServer(config=config), row=adapter.VerdictRequest)


def test_an_episode_of_openenv_has_one_answer_and_its_reward(openenv: Any) -> None:
    environment = openenv.VerdictEnvironment()
    environment.reset(episode_id="e", label="1")
    seen = environment.step(openenv.VerdictAction(completion=RIGHT))
    assert (seen.reward, seen.done, seen.status) == (1.0, True, "ACCEPTED")
    assert (environment.state.episode_id, environment.state.step_count) == ("e", 1)


def test_openenv_s_server_steps_without_a_thread(openenv: Any) -> None:
    environment = openenv.VerdictEnvironment()
    environment.reset(label="1")
    seen = asyncio.run(environment.step_async(openenv.VerdictAction(completion=WRONG)))
    assert (seen.reward, seen.status) == (0.0, "WRONG_ANSWER")


def test_openenv_takes_a_label_that_comes_with_the_step(openenv: Any) -> None:
    environment = openenv.VerdictEnvironment()
    environment.reset(label="2")
    assert environment.step(openenv.VerdictAction(completion=RIGHT, label="1")).reward == 1.0


def test_without_a_verdict_openenv_observes_no_reward(openenv: Any, server: FakeServer) -> None:
    answering(server, verdict("UNDECIDED", message="out of its budget"))
    environment = openenv.VerdictEnvironment()
    environment.reset(label="1")
    seen = environment.step(openenv.VerdictAction(completion=RIGHT))
    assert (seen.reward, seen.done, seen.message) == (None, True, "out of its budget")


def test_gym_s_row_comes_back_with_what_the_server_says(resources: Any, gym: Gym) -> None:
    row = {"response": {"id": "r"}, "gold": "1"}
    gym.content = {**row, "reward": 1.0, "mask_sample": False}
    answer = asyncio.run(resources.server.verify(resources.row(**row)))
    assert answer.model_dump() == gym.content
    (asked,) = gym.asked
    assert (asked.method, asked.url, asked.json) == ("POST", "http://reward:8080/nemo_gym/verify", row)


def test_gym_s_request_carries_the_key(resources: Any, gym: Gym, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARD_API_KEY", "k")
    gym.content = {"response": {}, "reward": 0.0}
    asyncio.run(resources.server.verify(resources.row(response={})))
    assert gym.asked[0].headers == {"authorization": "Bearer k"}


def test_a_fault_of_the_server_s_stays_a_fault_in_gym(resources: Any, gym: Gym) -> None:
    gym.status, gym.content = 503, {"detail": "draining"}
    with pytest.raises(HTTPException) as raised:
        asyncio.run(resources.server.verify(resources.row(response={})))
    assert (raised.value.status_code, raised.value.detail) == (503, "draining")
