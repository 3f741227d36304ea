"""Several fronts on the same two ports, as real processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.leaks import descendants
from tests.wire.conftest import LIGHT, STOP_SECONDS, Server, started

ASK = {"id": "", "completion": "\\boxed{42}", "math": {"gold": ["42"]}}


@dataclass
class Fronts(Server):
    """Two fronts; `own` are the ports that each has for itself."""

    own: tuple[int, int] = (0, 0)


@pytest.fixture(scope="module")
def fronts() -> Iterator[Fronts]:
    first = _two_free_ports()
    with started(*LIGHT, "--front-processes", "2", "--slots", "2", "--front-port", str(first)) as server:
        yield Fronts(server.http, server.grpc, server.process, (first, first + 1))


def _two_free_ports() -> int:
    """The first of two; below those that the kernel gives to connections."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000, 2):
        with socket.socket() as one, socket.socket() as other, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 1))
            return port
    raise AssertionError("no two free ports")


def _fronts_of(server: Server) -> list[int]:
    assert server.process is not None
    return [pid for pid in descendants(server.process.pid) if b"server.fronts" in _command(pid)]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""  # it ended while we looked


async def _verdicts(server: Server, count: int) -> list[str]:
    """Each over a connection of its own."""
    return [(await _ask(server, "POST", "/v1/verify", ASK))["status"] for _ in range(count)]


async def _ask(server: Server, method: str, path: str, body: Any) -> Any:
    async with httpx.AsyncClient(base_url=f"http://{server.http}") as client:
        return (await client.request(method, path, json=body, timeout=60)).json()


async def _counted(port: int) -> float:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        text = (await client.get("/metrics", timeout=60)).text
    rows = (line for line in text.splitlines() if line.startswith("reward_verdicts_total{"))
    return sum(float(row.rpartition(" ")[2]) for row in rows)


async def test_connections_are_spread_over_the_fronts(own_server_allowed: None, fronts: Fronts) -> None:
    assert await _verdicts(fronts, 64) == ["ACCEPTED"] * 64
    counts = [await _counted(port) for port in fronts.own]
    assert sum(counts) >= 64
    assert min(counts) > 0


async def test_a_test_set_is_found_over_any_connection(own_server_allowed: None, fronts: Fronts) -> None:
    tests = {"stdio": {"cases": [{"input": "1\n", "output": "1\n"}]}}
    kept = await _ask(fronts, "PUT", "/v1/tests", tests)
    code = {"language": "python", "tests_hash": kept["hash"]}
    ask = {"completion": "```python\nprint(input())\n```", "code": code}
    found = [await _ask(fronts, "POST", "/v1/verify", ask) for _ in range(16)]
    assert [verdict.get("status") for verdict in found] == ["ACCEPTED"] * 16


async def test_a_killed_front_is_replaced(own_server_allowed: None, fronts: Fronts) -> None:
    before = _fronts_of(fronts)
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    while len(now := _fronts_of(fronts)) < 2 or before[0] in now:
        await asyncio.sleep(0.1)
    for port in fronts.own:
        while not await _is_ready(port):
            await asyncio.sleep(0.1)
    assert await _verdicts(fronts, 8) == ["ACCEPTED"] * 8


async def _is_ready(port: int) -> bool:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        try:
            return (await client.get("/ready", timeout=60)).status_code == 200
        except httpx.TransportError:
            return False


async def test_sigterm_drains_every_front_and_leaves_nothing(own_server_allowed: None) -> None:
    with started(*LIGHT, "--front-processes", "2", "--slots", "2") as server:
        assert server.process is not None
        family = descendants(server.process.pid)
        assert await _verdicts(server, 4) == ["ACCEPTED"] * 4
        server.terminate()
        assert await asyncio.to_thread(server.process.wait, STOP_SECONDS) == 0
        assert [pid for pid in family if b"server.fronts" in _command(pid)] == []


async def test_fronts_do_not_outlive_a_killed_parent(own_server_allowed: None) -> None:
    with started(*LIGHT, "--front-processes", "2", "--slots", "2") as server:
        assert server.process is not None
        family = _fronts_of(server)
        server.process.kill()
        for pid in family:
            while b"server.fronts" in _command(pid):
                await asyncio.sleep(0.1)


async def test_a_taken_port_is_said_and_not_shared(own_server_allowed: None, fronts: Fronts) -> None:
    with pytest.raises(AssertionError, match="did not start"), started("--http", fronts.http):
        pass
