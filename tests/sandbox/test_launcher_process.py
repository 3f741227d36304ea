"""A launcher's control socket, and the socket to one jail: what goes when, and who says nothing."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from sandbox import frames, launcher_process
from sandbox.errors import JailLost, SandboxUnavailable
from sandbox.frames import Frame
from sandbox.launcher import LauncherConfig
from sandbox.launcher_process import JailChannel, LauncherInfo, LauncherProcess
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


CONFIG = LauncherConfig(control=-1, isolation="namespaces", family="test", generation=0, slots=1, ready=1)
MANY = 1000  # more orders than a socket holds


@pytest_asyncio.fixture
async def launcher() -> AsyncIterator[tuple[LauncherProcess, socket.socket]]:
    """The server's end of a launcher, and the launcher's end of the control socket."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.setblocking(False)
    made = LauncherProcess(CONFIG)
    made._control = near
    yield made, far
    made._on_loss()
    far.close()


async def _orders(far: socket.socket, count: int) -> list[dict[str, Any]]:
    """What the launcher is told."""
    far.setblocking(False)
    loop = asyncio.get_running_loop()
    return [json.loads(await loop.sock_recv(far, 65536)) for _ in range(count)]


def _crowded(launcher: tuple[LauncherProcess, socket.socket]) -> tuple[LauncherProcess, socket.socket]:
    """The same, with more orders given than its socket holds."""
    for job in range(MANY):
        launcher[0].kill(job)
    return launcher


async def test_more_orders_than_the_socket_holds_arrive_in_their_order(
    launcher: tuple[LauncherProcess, socket.socket],
) -> None:
    _, far = _crowded(launcher)
    assert [order["id"] for order in await _orders(far, MANY)] == list(range(MANY))


async def test_a_jail_whose_order_waits_is_asked_for_with_its_socket(
    launcher: tuple[LauncherProcess, socket.socket],
) -> None:
    process, far = _crowded(launcher)
    channel = process.spawn()
    assert not process.lost
    await _orders(far, MANY)
    (end,) = (await asyncio.to_thread(socket.recv_fds, _blocking(far), 65536, 1))[1]
    with socket.socket(fileno=end) as jail:
        asked = asyncio.create_task(channel.ask(Frame({"op": "run"}), within_seconds=10))
        heard = await asyncio.to_thread(frames.receive, jail)
        jail.sendall(frames.pack(Frame({"ok": True})))
        await asked
    channel.close()
    assert heard is not None
    assert heard.header == {"op": "run"}


def _blocking(connection: socket.socket) -> socket.socket:
    connection.setblocking(True)
    return connection


async def test_a_launcher_that_is_lost_takes_the_waiting_orders_along(
    launcher: tuple[LauncherProcess, socket.socket],
) -> None:
    process, far = _crowded(launcher)
    channel = process.spawn()
    far.close()
    with pytest.raises(JailLost):
        await channel.ask(Frame({"op": "run"}), within_seconds=10)
    assert process.lost
    channel.close()


def _no_more(*_: object) -> tuple[socket.socket, socket.socket]:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


async def test_without_descriptors_for_a_jail_no_launcher_is_lost(
    launcher: tuple[LauncherProcess, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher_process.socket, "socketpair", _no_more)
    with pytest.raises(SandboxUnavailable, match="Too many open files"):
        launcher[0].spawn()
    assert not launcher[0].lost


async def test_without_descriptors_for_a_launcher_the_sandbox_is_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(launcher_process.socket, "socketpair", _no_more)
    with pytest.raises(SandboxUnavailable, match="Too many open files"):
        await LauncherProcess(CONFIG).start()


async def test_a_launcher_without_descriptors_for_its_first_jail_does_not_live_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = LauncherProcess(CONFIG)
    monkeypatch.setattr(process, "_execute", lambda: _started(process, near, far))
    monkeypatch.setattr(launcher_process.socket, "socketpair", _no_more)
    with pytest.raises(SandboxUnavailable, match="Too many open files"):
        await process.start()
    assert process._process is not None
    assert process._process.poll() == 0


def _started(
    process: LauncherProcess, near: socket.socket, far: socket.socket
) -> asyncio.Future[LauncherInfo]:
    """In place of a launcher a process that ends with its control socket, as launchers do."""
    near.setblocking(False)
    process._control = near
    process._process = subprocess.Popen(["cat"], stdin=far, stdout=subprocess.DEVNULL)
    far.close()
    ready: asyncio.Future[LauncherInfo] = asyncio.get_running_loop().create_future()
    ready.set_result(Jails.info)
    return ready
