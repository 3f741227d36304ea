"""What a replica asks, counts and refuses, without a cluster: names stand in for Ray's packages."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from server import auth
from server.core import RewardCore
from server.errors import StartupError

EASY = {"id": "a", "completion": r"\boxed{1}", "math": {"gold": ["1"]}}


class _Fault(Exception):
    """In place of Ray's."""


@pytest.fixture
def ray_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module, over modules that hold the names it imports."""
    serve = ModuleType("ray.serve")
    serve.__dict__["Application"] = object
    names = {
        "ray": {"serve": serve},
        "ray.exceptions": {"RayError": _Fault},
        "ray.serve.exceptions": {"RayServeException": _Fault},
        "ray.serve.handle": {"DeploymentHandle": object},
    }
    monkeypatch.setitem(sys.modules, "ray.serve", serve)
    for name, held in names.items():
        module = ModuleType(name)
        module.__dict__.update(held)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "server.ray_app", raising=False)
    yield importlib.import_module("server.ray_app")
    del sys.modules["server.ray_app"]


async def replica(ray_app: Any, **settings: Any) -> Any:
    """A replica as Serve makes one: it awaits `__init__`."""
    made = ray_app.Replica.__new__(ray_app.Replica)
    await made.__init__({"slots": 1, "log_level": "error", **settings})
    return made


@pytest.fixture
async def keyed(
    ray_app: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """A client of a replica that asks for keys, and a key; its core starts no sandbox."""

    async def start(core: RewardCore) -> None:
        core._warm = True

    monkeypatch.setattr(RewardCore, "start", start)
    key = auth.add_key(tmp_path / "keys.json", "team")
    made = await replica(ray_app, keys_file=str(tmp_path / "keys.json"))
    transport = httpx.ASGITransport(made.http)
    async with httpx.AsyncClient(transport=transport, base_url="http://replica") as client:
        yield client, key


async def test_a_replica_refuses_who_has_no_key(keyed: tuple[httpx.AsyncClient, str]) -> None:
    client, _ = keyed
    assert (await client.post("/v1/verify", json=EASY)).status_code == 401


async def test_a_replica_answers_who_has_a_key(keyed: tuple[httpx.AsyncClient, str]) -> None:
    client, key = keyed
    answer = await client.post("/v1/verify", json=EASY, headers={"authorization": f"Bearer {key}"})
    assert answer.json()["reward"] == 1.0


async def test_a_replica_judges_a_request_sent_again_once(keyed: tuple[httpx.AsyncClient, str]) -> None:
    client, key = keyed
    headers = {"authorization": f"Bearer {key}"}
    for _ in range(2):
        await client.post("/v1/verify", json=EASY, headers=headers)
    assert 'reward_replays_total{result="hit"} 1.0' in (await client.get("/metrics")).text


async def test_a_replica_shows_what_its_core_counts(keyed: tuple[httpx.AsyncClient, str]) -> None:
    client, _ = keyed
    assert 'reward_slots{lane="programs"} 1.0' in (await client.get("/metrics")).text


REFUSED = [
    ("tls_certificate", "server.pem"),
    ("tls_key", "server.key"),
    ("tls_client_ca", "ca.pem"),
    ("front_processes", 2),
    ("front_port", 9000),
    ("share_ports", "on"),
    ("recent_verdicts_bytes", 1 << 20),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_what_a_replica_cannot_do_is_refused_by_name(ray_app: Any, name: str, value: object) -> None:
    with pytest.raises(StartupError, match=f"{name}: a replica of Ray Serve has none"):
        ray_app.build({name: value})


async def test_what_a_nodes_environment_asks_for_is_refused_too(
    ray_app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWARD_SERVER_TLS_CERTIFICATE", "server.pem")
    with pytest.raises(StartupError, match="tls_certificate"):
        await replica(ray_app)
