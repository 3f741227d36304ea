"""A running App over the stub core, on ports of its own, and clients for both faces."""

from __future__ import annotations

import asyncio
import io
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import grpc.aio
import httpx
import pytest

from protos.reward.v1 import reward_pb2_grpc
from server.app import App
from server.config import Settings
from server.logs import make_logger
from tests.server.stub_core import StubCore

MIB = 1 << 20


@dataclass
class Running:
    """One App and everything a test needs to talk to it."""

    app: App
    core: StubCore
    http: httpx.AsyncClient
    channel: grpc.aio.Channel
    stub: reward_pb2_grpc.RewardServiceStub
    log: io.StringIO


async def until(condition: Callable[[], bool]) -> None:
    """Waits for something that has no event of its own; the test's timeout is the limit."""
    while not condition():  # see the line above
        await asyncio.sleep(0.005)


@pytest.fixture
def hang_up() -> Iterator[None]:
    """SIGHUP as a shell in a terminal leaves it, whatever runs these tests."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    core, log = StubCore(), io.StringIO()
    settings = Settings(
        http="127.0.0.1:0", grpc="127.0.0.1:0", request_bytes_ceiling=MIB, stream_window=4, drain_seconds=20.0
    )
    app = App(settings, core, make_logger("debug", "json", log))
    await app.start()
    try:
        async with (
            httpx.AsyncClient(base_url=f"http://{app.http_address}", timeout=30) as http,
            grpc.aio.insecure_channel(app.grpc_address) as channel,
        ):
            yield Running(app, core, http, channel, reward_pb2_grpc.RewardServiceStub(channel), log)
    finally:
        core.gate.set()
        await app.close()
