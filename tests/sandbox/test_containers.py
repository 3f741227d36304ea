"""The pool of containers, without an engine; tests/docker has it with one."""

from __future__ import annotations

import asyncio

import pytest

from sandbox.containers import ContainerConfig, ContainerPool
from sandbox.errors import JailLost
from sandbox.frames import Frame
from sandbox.types import Limits


class Failing:
    """Starts no container, each try later than the one before; counts."""

    def __init__(self) -> None:
        self.attempts = 0

    async def __call__(self, limits: Limits) -> None:
        self.attempts += 1
        await asyncio.sleep(0.05 * self.attempts)
        raise OSError("the engine is gone")


@pytest.fixture
def start_one(monkeypatch: pytest.MonkeyPatch) -> Failing:
    """What every pool starts its containers with."""
    failing = Failing()
    monkeypatch.setattr(ContainerPool, "_start_one", lambda _, limits: failing(limits))
    return failing


async def test_a_jail_whose_container_cannot_be_started_is_lost(start_one: Failing) -> None:
    pool = ContainerPool(ContainerConfig())
    for _ in range(2):
        channel = pool.spawn()
        with pytest.raises(JailLost, match="ended"):
            await channel.ask(Frame({"op": "run"}), within_seconds=10)
        channel.close()
    await pool.close()
    assert start_one.attempts == 2


async def test_each_jail_that_waits_has_a_container_started_or_is_lost(start_one: Failing) -> None:
    pool = ContainerPool(ContainerConfig())
    channels = [pool.spawn() for _ in range(3)]
    asked = [channel.ask(Frame({"op": "run"}), within_seconds=10) for channel in channels]
    found = await asyncio.gather(*asked, return_exceptions=True)
    for channel in channels:
        channel.close()
    await pool.close()
    assert [type(one) for one in found] == [JailLost] * 3
    assert start_one.attempts == 3
