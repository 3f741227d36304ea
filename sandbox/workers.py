"""Jailed workers: trusted code that reads untrusted text, killable at its budget.

A module with `warm_up()` and `handle(bytes) -> bytes` is preloaded in a launcher
of its own; each worker is a jail whose supervisor forks the warmed interpreter.
Calls that wait are taken several at a time, so that they share a round trip; each
has a budget of its own, and a poisoned one never costs another its answer.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from dataclasses import asdict, dataclass, field, replace

from sandbox import backends, cgroups, worker_jail
from sandbox.clock import STARVATION_FACTOR
from sandbox.containers import ContainerConfig, make_jails
from sandbox.errors import SandboxError, SandboxUnavailable, WorkerBudgetExceeded, WorkerDied, WorkerLost
from sandbox.frames import Frame
from sandbox.lasting import LastingJails
from sandbox.launcher import LauncherConfig
from sandbox.launcher_process import JailChannel, Jails
from sandbox.root import interpreter_directories
from sandbox.types import Limits

_ALWAYS = 10 * 365 * 86400.0  # RLIMIT_CPU must not end a worker that lives long; each call has its own budget
_WALL_FACTOR = (
    6.0  # the wall backstop of a call, in CPU budgets; time spent waiting for a core is not counted
)
_GRACE_SECONDS = 15.0
BATCH_CALLS = 16  # most calls of one round trip

_ERRORS: dict[str, tuple[type[SandboxError], str]] = {
    worker_jail.BUDGET: (WorkerBudgetExceeded, "the check used up its budget"),
    worker_jail.DIED: (WorkerDied, "the check ended its worker twice"),
    worker_jail.WALL: (WorkerLost, "the worker came to no end, and not for want of CPU budget"),
    worker_jail.LOST: (WorkerLost, "the worker was killed in the middle of the call"),
}


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """Which module, how many workers, what each may use."""

    preload: str
    count: int = 0  # 0: one per available core
    isolation: str = "auto"  # a backend's name, or as `sandbox.backends.choose` finds
    containers: ContainerConfig = field(default_factory=ContainerConfig)  # for the docker backend alone
    memory_bytes: int = 1 << 30
    output_bytes: int = 8 << 20  # of one answer


@dataclass(slots=True)
class WorkerCounts:
    """What the workers have done since the start."""

    calls: int = 0
    round_trips: int = 0
    budget_kills: int = 0  # calls that used up their CPU, memory or output budget
    deaths: int = 0  # calls that ended their worker twice
    recycled: int = 0  # workers replaced because of their age or their memory
    jails_opened: int = 0


@dataclass(slots=True)
class _Call:
    payload: bytes
    cpu_seconds: float
    answer: asyncio.Future[bytes]
    alone: bool = False  # its jail was lost once: it must not take others with it again

    def fail(self, error: SandboxError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(slots=True)
class _Queue:
    """Calls that wait, and a way to be told of them."""

    calls: deque[_Call] = field(default_factory=deque)
    filled: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, call: _Call) -> None:
        self.calls.append(call)
        self.filled.set()

    def put_back(self, call: _Call) -> None:
        self.calls.appendleft(call)
        self.filled.set()

    async def take(self, takers: int) -> list[_Call]:
        """The next calls, a fair share of them; those whose callers have left are dropped. May be empty."""
        await self.filled.wait()
        share = min(BATCH_CALLS, -(-len(self.calls) // takers))
        taken: list[_Call] = []
        while self.calls and len(taken) < share and not (taken and self.calls[0].alone):
            call = self.calls.popleft()
            if not call.answer.done():
                taken.append(call)
            if call.alone:
                break
        if not self.calls:
            self.filled.clear()
        return taken


class JailedWorkers:
    """A fixed number of workers over one queue of calls."""

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        self._count = config.count or len(os.sched_getaffinity(0))
        self._queue = _Queue()
        self._serving: list[asyncio.Task[None]] = []
        self._family = cgroups.family_name("workers")
        self._jails = LastingJails(
            lambda generation: make_jails(self._launcher_config(generation), self._containers())
        )
        self._closed = False
        self.counts = WorkerCounts()

    @property
    def launcher(self) -> Jails | None:
        """The present launcher, for tests that kill it."""
        return self._jails.present

    async def start(self) -> None:
        """Starts the launcher and every worker; raises SandboxUnavailable."""
        channels = await asyncio.gather(*(self._open() for _ in range(self._count)))
        self._serving = [asyncio.create_task(self._serve(channel)) for channel in channels]

    async def close(self) -> None:
        """Ends every worker and the launcher; calls that wait raise SandboxUnavailable."""
        self._closed = True
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        for call in self._queue.calls:
            call.fail(SandboxUnavailable("the workers are closed"))
        await self._jails.close()

    async def call(self, payload: bytes, cpu_seconds: float) -> bytes:
        """The handler's answer; raises WorkerBudgetExceeded, WorkerDied or WorkerLost."""
        if self._closed:
            raise SandboxUnavailable("the workers are closed")
        call = _Call(payload, cpu_seconds, asyncio.get_running_loop().create_future())
        self.counts.calls += 1
        self._queue.put(call)
        return await call.answer

    async def _serve(self, channel: JailChannel | None) -> None:
        """One worker's life: takes calls until it is cancelled, in one jail after the other."""
        try:
            while True:
                if calls := await self._queue.take(self._count):
                    channel = await self._answer(channel, calls)
        finally:
            if channel is not None:
                channel.close()

    async def _answer(self, channel: JailChannel | None, calls: list[_Call]) -> JailChannel | None:
        """Has the calls answered; returns the jail if it can be used again."""
        waiting = deque(calls)
        try:
            if channel is None or channel.lost:
                if channel is not None:
                    channel.close()
                channel = None  # what fails to open must not be closed twice
                channel = await self._open()
            await self._exchange(channel, waiting)
        except Exception as error:  # noqa: BLE001 - a jail that answers nonsense is lost; its place must not be
            if channel is not None:
                channel.kill()
                channel.close()
            self._after_loss(waiting, error)
            return None
        except asyncio.CancelledError:
            for call in waiting:
                call.fail(SandboxUnavailable("the workers are closed"))
            if channel is not None:
                channel.close()
            raise
        return channel

    def _after_loss(self, waiting: deque[_Call], error: Exception) -> None:
        """Calls that shared the lost jail are tried once more, each alone: one of them may be the cause."""
        shared = len(waiting) > 1
        for call in reversed(waiting):
            if shared and not call.alone:
                call.alone = True
                self._queue.put_back(call)
            else:
                call.fail(WorkerLost(str(error)))

    async def _exchange(self, channel: JailChannel, waiting: deque[_Call]) -> None:
        """One frame to the jail, its answers back to the callers, what it returns back to the queue."""
        self.counts.round_trips += 1
        wall_seconds = _WALL_FACTOR * max(call.cpu_seconds for call in waiting)
        header = {"cpu_seconds": [call.cpu_seconds for call in waiting], "wall_seconds": wall_seconds}
        frame = Frame(header, [call.payload for call in waiting])
        _kill_once_nobody_waits(channel, waiting)
        # A call that ends its worker is tried twice, and a busy machine may make each of them wait.
        within_seconds = 2 * wall_seconds * STARVATION_FACTOR + _GRACE_SECONDS
        answer = await channel.ask(frame, within_seconds=within_seconds)
        while True:
            self._settle(answer, waiting)
            if not waiting:
                return
            answer = await channel.hear(within_seconds=within_seconds)

    def _settle(self, answer: Frame, waiting: deque[_Call]) -> None:
        for status, content in zip(answer.header["statuses"], answer.blobs, strict=True):
            self._conclude(waiting.popleft(), status, content)
        for _ in range(answer.header["returned"]):
            self._queue.put_back(waiting.pop())
        self.counts.recycled += answer.header["retired"]

    def _conclude(self, call: _Call, status: str, content: bytes) -> None:
        self.counts.budget_kills += status == worker_jail.BUDGET
        self.counts.deaths += status == worker_jail.DIED
        if status != worker_jail.OK:
            kind, message = _ERRORS[status]
            call.fail(kind(message))
        elif not call.answer.done():
            call.answer.set_result(content)

    async def _open(self) -> JailChannel:
        limits = Limits(
            cpu_seconds=_ALWAYS,
            memory_bytes=self._config.memory_bytes,
            output_bytes=self._config.output_bytes,
            processes=8,
        )
        channel = (await self._jails.get()).spawn(limits)
        try:
            await channel.ask(Frame({"op": "serve", "limits": asdict(limits)}), within_seconds=_GRACE_SECONDS)
        except BaseException:  # also when cancelled: nobody else knows this jail yet
            channel.close()
            raise
        self.counts.jails_opened += 1
        return channel

    def _containers(self) -> ContainerConfig:
        return replace(self._config.containers, ready=self._count)

    def _launcher_config(self, generation: int) -> LauncherConfig:
        hierarchy = cgroups.probe()
        python_path = tuple(path for path in sys.path if path and os.path.isdir(path))
        shown = tuple(
            path for path in python_path if not path.startswith(("/usr", *interpreter_directories()))
        )
        return LauncherConfig(
            control=-1,
            isolation=backends.choose(self._config.isolation, self._config.containers.image),
            family=self._family,
            generation=generation,
            slots=2 * self._count + 4,
            cgroup_version=hierarchy.version,
            cgroup_directories=hierarchy.directories,
            binds=(*interpreter_directories(), *shown),
            python_path=python_path,
            preload=self._config.preload,
            uid_base=62000,
        )


def _kill_once_nobody_waits(channel: JailChannel, waiting: deque[_Call]) -> None:
    """A caller that leaves takes its call with it, unless the jail works for others, too."""

    def check(_: asyncio.Future[bytes]) -> None:
        if waiting and all(call.answer.cancelled() for call in waiting):
            channel.kill()

    for call in waiting:
        call.answer.add_done_callback(check)
