"""The server's end of a launcher: starts it, asks for jails, notices its death."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Protocol

from sandbox import async_frames, cgroups, conversation
from sandbox.cgroups import Hierarchy
from sandbox.conversation import Ends
from sandbox.errors import JailLost, LauncherLost, SandboxUnavailable
from sandbox.frames import Frame, pack
from sandbox.launcher import LauncherConfig
from sandbox.types import Limits

_PACKAGE_PARENT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_INTERPRETER = os.path.realpath(sys.executable)
_PROGRAM = f"import sys; sys.path[0] = {_PACKAGE_PARENT!r}; from sandbox.launcher import main; main()"
_START_SECONDS = 300.0  # on a crowded machine the imports alone take more than one minute
_END_SECONDS = 10.0
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/work",
    "TMPDIR": "/tmp",  # noqa: S108 - as jails see it
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "PYTHONHASHSEED": "0",  # the same program gives the same verdict every time
    "PYTHONDONTWRITEBYTECODE": "1",
    "LD_BIND_NOW": "1",  # or each fork looks up anew what it is the first to call
}


@dataclass(frozen=True, slots=True)
class LauncherInfo:
    """What a launcher reported when it was ready."""

    pid: int
    rootless: bool
    cgroup_version: int


class Jails(Protocol):
    """Where jails come from: a launcher on this host's kernel, or `sandbox.containers.ContainerPool`."""

    @property
    def info(self) -> LauncherInfo:
        """What it reported at its start."""

    @property
    def lost(self) -> bool:
        """Whether it has ended."""

    @property
    def living_jails(self) -> int:
        """How many jails are not yet gone."""

    async def start(self) -> LauncherInfo:
        """Starts it; raises SandboxUnavailable if it cannot isolate here."""

    def spawn(self, limits: Limits | None = None) -> JailChannel:
        """Asks for a jail that will get these limits; raises LauncherLost, SandboxUnavailable."""

    def kill(self, job: int) -> None:
        """Kills a jail whole; a no-op if it is gone."""

    async def close(self) -> None:
        """Ends every jail; returns when they are gone."""


class LauncherProcess:
    """One launcher process. Dead is dead: its owner makes a new one."""

    def __init__(self, config: LauncherConfig) -> None:
        self._config = config
        self._ids = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._ready: asyncio.Future[LauncherInfo] | None = None
        self._waiting: deque[tuple[bytes, socket.socket | None]] = deque()  # orders, with a jail's end
        self._lost = asyncio.Event()
        self._living: set[int] = set()
        self._ready_jails: dict[int, JailChannel] = {}  # the oldest first
        self._all_ended = asyncio.Event()
        self._all_ended.set()
        self._info: LauncherInfo | None = None

    @property
    def info(self) -> LauncherInfo:
        """What it reported at its start."""
        assert self._info is not None
        return self._info

    @property
    def lost(self) -> bool:
        """Whether it has ended.

        Its socket may not say so yet: a jail that was forked a moment before has it open still.
        """
        if not self._lost.is_set() and self._process is not None and self._process.poll() is not None:
            self._on_loss()
        return self._lost.is_set()

    @property
    def living_jails(self) -> int:
        """How many jails it has not yet buried, but for those that still wait for a submission."""
        return len(self._living) - len(self._ready_jails)

    async def start(self) -> LauncherInfo:
        """Starts the process; raises SandboxUnavailable if it cannot isolate here."""
        try:
            return await self._start()
        except TimeoutError as error:
            raise SandboxUnavailable(f"the launcher was not ready within {_START_SECONDS:.0f} s") from error
        except LauncherLost as error:
            raise SandboxUnavailable("the launcher could not isolate itself; its log says why") from error
        except OSError as error:
            raise SandboxUnavailable(f"the launcher could not be started: {error}") from error

    async def _start(self) -> LauncherInfo:
        try:
            cgroups.remove_orphaned(Hierarchy(self._config.cgroup_version, self._config.cgroup_directories))
            ready = self._execute()
            self._info = await asyncio.wait_for(asyncio.shield(ready), _START_SECONDS)
            self._make_ready(self._config.ready)
        except BaseException:
            await self.close()  # nobody else knows of it
            raise
        return self._info

    def _execute(self) -> asyncio.Future[LauncherInfo]:
        """Starts the process; raises OSError."""
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        near.setblocking(False)
        self._control = near
        loop = asyncio.get_running_loop()
        self._ready = loop.create_future()
        config = LauncherConfig(**{**asdict(self._config), "control": far.fileno()})
        command = [_INTERPRETER, "-s", "-S", "-c", _PROGRAM, json.dumps(asdict(config))]
        with far:
            # No preexec_fn: the child is vforked and exec'd, which is safe beside gRPC's threads.
            self._process = subprocess.Popen(
                command,
                pass_fds=[far.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,  # never written: programs inherit a sys.stdout that knows it is one
                env=_ENVIRONMENT,
                start_new_session=True,  # a terminal's Ctrl-C is for the server, which drains, not its jails
            )
        assert self._process.stdout is not None
        self._process.stdout.close()
        loop.add_reader(near.fileno(), self._on_control)
        return self._ready

    def _on_control(self) -> None:
        assert self._control is not None
        try:
            message = self._control.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            self._on_loss()
            return
        news = json.loads(message)
        if news["op"] == "ready" and self._ready is not None and self._process is not None:
            self._ready.set_result(LauncherInfo(self._process.pid, news["rootless"], news["cgroup_version"]))
        elif news["op"] == "ended":
            self._forget(news["id"])

    def _forget(self, job: int) -> None:
        self._living.discard(job)
        if (unused := self._ready_jails.pop(job, None)) is not None:
            unused.close()
        if not self._living:
            self._all_ended.set()

    def _on_loss(self) -> None:
        self._let_go_of_control()
        self._lost.set()
        self._let_go_of_ready_jails()
        self._living.clear()  # the kernel kills a jail when its launcher dies
        self._all_ended.set()
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(LauncherLost("the launcher ended before it was ready"))

    def _let_go_of_ready_jails(self) -> None:
        for channel in self._ready_jails.values():
            channel.close()
        self._ready_jails.clear()

    def _let_go_of_control(self) -> None:
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            asyncio.get_running_loop().remove_writer(self._control.fileno())
            self._control.close()
            self._control = None
        while self._waiting:
            _let_go(self._waiting.popleft()[1])

    def spawn(self, limits: Limits | None = None) -> JailChannel:
        """A jail's channel, of one set up ahead if there is one; raises LauncherLost, SandboxUnavailable.

        The jail hears its limits later, and the next one is set up while this one works.
        """
        while True:
            self._make_ready(self._config.ready + 1)
            channel = self._ready_jails.pop(next(iter(self._ready_jails)))
            if not channel.ended:
                return channel
            channel.close()  # somebody killed it while it waited: no submission's loss

    def _make_ready(self, count: int) -> None:
        while len(self._ready_jails) < count:
            channel = self._order()
            self._ready_jails[channel.job] = channel

    def _order(self) -> JailChannel:
        if self._control is None:
            raise LauncherLost("the launcher has ended")
        job = next(self._ids)
        try:
            near, far = socket.socketpair()
        except OSError as error:
            raise SandboxUnavailable(f"no connection for another jail: {error}") from error
        near.setblocking(False)
        self._tell("spawn", job, far)
        if self._lost.is_set():
            near.close()
            raise LauncherLost("the launcher does not answer")
        self._living.add(job)
        self._all_ended.clear()
        return JailChannel(self, job, near)

    def kill(self, job: int) -> None:
        """Kills a jail whole; a no-op if it or the launcher is gone."""
        if self._control is not None:
            self._tell("kill", job)

    def _tell(self, op: str, job: int, end: socket.socket | None = None) -> None:
        """Gives the launcher an order behind all others; takes over the jail's end that goes with it."""
        self._waiting.append((json.dumps({"op": op, "id": job}).encode(), end))
        if len(self._waiting) == 1:
            self._flush()

    def _flush(self) -> None:
        """Sends the orders that the control socket has room for; its end is the launcher's."""
        assert self._control is not None
        try:
            while self._waiting:
                order, end = self._waiting[0]
                socket.send_fds(self._control, [order], [] if end is None else [end.fileno()])
                self._waiting.popleft()
                _let_go(end)
        except BlockingIOError:  # it holds some 280: more come at once than the launcher can fork
            asyncio.get_running_loop().add_writer(self._control.fileno(), self._on_room)
        except OSError:
            self._on_loss()

    def _on_room(self) -> None:
        assert self._control is not None
        asyncio.get_running_loop().remove_writer(self._control.fileno())
        self._flush()

    async def close(self) -> None:
        """Ends the launcher and with it every jail; returns when the process is gone."""
        self._let_go_of_ready_jails()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_ended.wait(), _END_SECONDS / 2)
        self._let_go_of_control()
        if self._process is not None:
            await asyncio.to_thread(_wait_or_kill, self._process)
        self._lost.set()


def _let_go(end: socket.socket | None) -> None:
    if end is not None:
        end.close()


def _wait_or_kill(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class JailChannel:
    """The socket to one jail: a frame out, a frame back."""

    def __init__(self, launcher: Jails, job: int, connection: socket.socket) -> None:
        self._launcher = launcher
        self.job = job
        self._connection = connection
        self._frames = async_frames.FrameReader(connection)
        self._untold = b""
        self._gave_up = False

    def tell(self, frame: Frame) -> None:
        """Has a frame that has no answer go before the next question, in one piece with it."""
        self._untold += pack(frame)

    async def ask(self, frame: Frame, *, within_seconds: float) -> Frame:
        """Sends a frame and returns the answer; raises JailLost, after killing, if none comes in time."""
        with self._patience(within_seconds):
            await self._send(frame)
            return await self._read()

    async def hand_over(self, frame: Frame, ends: Ends, *, within_seconds: float) -> Frame:
        """As `ask`, with a side of a conversation behind the frame; closes this process's copies."""
        with self._patience(within_seconds):
            try:
                await self._send(frame)
                conversation.send(self._connection, ends)
            finally:
                ends.close()
            return await self._read()

    async def hear(self, *, within_seconds: float) -> Frame:
        """A further answer to the last frame; raises JailLost, after killing, if none comes in time."""
        with self._patience(within_seconds):
            return await self._read()

    async def _send(self, frame: Frame) -> None:
        content, self._untold = self._untold + pack(frame), b""
        await asyncio.get_running_loop().sock_sendall(self._connection, content)

    async def _read(self) -> Frame:
        answer = await self._frames.read()
        if answer is None:
            raise JailLost("a jail ended without an answer")
        return answer

    @contextlib.contextmanager
    def _patience(self, seconds: float) -> Iterator[None]:
        timer = asyncio.get_running_loop().call_later(seconds, self._give_up)
        try:
            yield
        except (JailLost, OSError) as error:
            if self._gave_up:
                raise JailLost(f"a jail gave no answer within {seconds:.0f} s") from error
            if isinstance(error, OSError):
                raise JailLost("a jail ended before it was asked") from error
            raise
        finally:
            timer.cancel()

    def _give_up(self) -> None:
        """Whoever waits reads the end of the stream."""
        self._gave_up = True
        self.kill()
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    @property
    def ended(self) -> bool:
        """Whether the jail has let go of its end, before any question: what it may have said is not read."""
        try:
            return not self._connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False

    @property
    def lost(self) -> bool:
        """Whether the jail is known to be gone, because its launcher is."""
        return self._launcher.lost

    def kill(self) -> None:
        """Kills the jail whole."""
        self._launcher.kill(self.job)

    def close(self) -> None:
        """Lets go: the jail ends itself, or is killed if it is in the middle of a run."""
        self._connection.close()
