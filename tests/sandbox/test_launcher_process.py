"""The socket to one jail: what goes when, and a jail that says nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from sandbox import frames
from sandbox.errors import JailLost
from sandbox.frames import Frame
from sandbox.launcher_process import JailChannel, LauncherInfo
from sandbox.types import Limits

Ends = tuple[JailChannel, socket.socket]


class Jails:
    """No jails; remembers which were to be killed."""

    info = LauncherInfo(0, rootless=False, cgroup_version=0)
    lost = False
    living_jails = 0

    def __init__(self) -> None:
        self.killed: list[int] = []

    async def start(self) -> LauncherInfo:
        return self.info

    def spawn(self, limits: Limits | None = None) -> JailChannel:
        raise NotImplementedError

    def kill(self, job: int) -> None:
        self.killed.append(job)

    async def close(self) -> None:
        return


@pytest.fixture
def jails() -> Jails:
    return Jails()


@pytest.fixture
def ends(jails: Jails) -> Iterator[Ends]:
    """The server's end and the jail's."""
    near, far = socket.socketpair()
    near.setblocking(False)
    channel = JailChannel(jails, 7, near)
    yield channel, far
    channel.close()
    far.close()


async def test_what_a_jail_is_told_waits_for_the_first_question(ends: Ends) -> None:
    channel, far = ends
    channel.tell(Frame({"op": "open"}, (b"program",)))
    far.setblocking(False)
    with pytest.raises(BlockingIOError):
        far.recv(1)


async def test_it_then_comes_before_the_question(ends: Ends) -> None:
    channel, far = ends
    channel.tell(Frame({"op": "open"}, (b"program",)))
    asked = asyncio.create_task(channel.ask(Frame({"op": "run"}), within_seconds=10))
    heard = [await asyncio.to_thread(frames.receive, far) for _ in range(2)]
    far.sendall(frames.pack(Frame({"ok": True})))
    assert [frame.header["op"] for frame in heard if frame is not None] == ["open", "run"]
    assert (await asked).header == {"ok": True}


async def test_a_jail_that_gives_no_answer_is_killed_and_lost(ends: Ends, jails: Jails) -> None:
    channel, _ = ends
    with pytest.raises(JailLost, match="gave no answer within"):
        await channel.ask(Frame({"op": "run"}), within_seconds=0.05)
    assert jails.killed == [7]


async def test_a_jail_that_takes_nothing_is_killed_and_lost(ends: Ends, jails: Jails) -> None:
    channel, _ = ends
    with pytest.raises(JailLost, match="gave no answer within"):
        await channel.ask(Frame({"op": "run"}, (bytes(8 << 20),)), within_seconds=0.05)
    assert jails.killed == [7]


async def test_a_jail_that_ends_before_it_is_asked_is_lost(ends: Ends, jails: Jails) -> None:
    channel, far = ends
    far.close()
    with pytest.raises(JailLost, match="ended"):
        await channel.ask(Frame({"op": "run"}), within_seconds=10)
    assert jails.killed == []
