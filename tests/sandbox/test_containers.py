"""The pool of containers, without an engine; tests/docker has it with one."""

from __future__ import annotations

import asyncio

import pytest

from sandbox.containers import ContainerConfig, ContainerPool
from sandbox.errors import JailLost
from sandbox.frames import Frame


async def test_a_jail_whose_container_cannot_be_started_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = ContainerPool(ContainerConfig())
    attempts = 0

    async def fail_slowly(limits: object) -> None:
        nonlocal attempts
        attempts += 1
        await asyncio.sleep(0.05)
        raise OSError("the engine is gone")

    monkeypatch.setattr(pool, "_start_one", fail_slowly)
    for _ in range(2):
        channel = pool.spawn()
        with pytest.raises(JailLost, match="ended"):
            await channel.ask(Frame({"op": "run"}), within_seconds=10)
        channel.close()
    await pool.close()
    assert attempts == 2


async def test_each_jail_that_waits_has_a_container_started_or_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = ContainerPool(ContainerConfig())
    attempts = 0

    async def fail_slowly(limits: object) -> None:
        nonlocal attempts
        attempts += 1
        await asyncio.sleep(0.05 * attempts)
        raise OSError("the engine is gone")

    monkeypatch.setattr(pool, "_start_one", fail_slowly)
    channels = [pool.spawn() for _ in range(3)]
    asked = [channel.ask(Frame({"op": "run"}), within_seconds=10) for channel in channels]
    found = await asyncio.gather(*asked, return_exceptions=True)
    for channel in channels:
        channel.close()
    await pool.close()
    assert [type(one) for one in found] == [JailLost] * 3
    assert attempts == 3
