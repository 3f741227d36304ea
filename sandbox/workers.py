"""Jailed workers: trusted code that reads untrusted text, killable at its budget.

A module with `warm_up()` and `handle(bytes) -> bytes` is preloaded in a launcher
of its own; each worker is a jail whose supervisor forks the warmed interpreter.
One poisoned input never costs another caller its answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from dataclasses import asdict, dataclass

from sandbox import cgroups
from sandbox.errors import SandboxError, SandboxUnavailable, WorkerBudgetExceeded, WorkerLost
from sandbox.frames import Frame
from sandbox.launcher import LauncherConfig
from sandbox.launcher_process import JailChannel, LauncherProcess
from sandbox.sandbox import interpreter_directories
from sandbox.types import Limits

_ALWAYS = 10 * 365 * 86400.0  # RLIMIT_CPU must not end a worker that lives long; each call has its own budget
_WALL_FACTOR = 6.0  # the wall backstop of a call, in CPU budgets
_GRACE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """Which module, how many workers, how much memory each."""

    preload: str
    count: int = 0  # 0: one per available core
    memory_bytes: int = 1 << 30


class JailedWorkers:
    """A fixed number of workers; callers wait for a free one."""

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        self._count = config.count or len(os.sched_getaffinity(0))
        self._idle: asyncio.Queue[JailChannel | None] = asyncio.Queue()
        for _ in range(self._count):
            self._idle.put_nowait(None)
        self._launcher: LauncherProcess | None = None
        self._starting = asyncio.Lock()
        self._closed = False
        self._launchers_started = 0
        self.budget_kills = 0

    @property
    def launcher(self) -> LauncherProcess | None:
        """The present launcher, for tests that kill it."""
        return self._launcher

    async def start(self) -> None:
        """Starts the launcher and every worker; raises SandboxUnavailable."""
        channels = [await self._open() for _ in range(self._count)]
        for channel in channels:
            self._idle.get_nowait()
            self._idle.put_nowait(channel)

    async def close(self) -> None:
        """Ends every worker and the launcher."""
        self._closed = True
        while not self._idle.empty():
            channel = self._idle.get_nowait()
            if channel is not None:
                channel.close()
        if self._launcher is not None:
            await self._launcher.close()

    async def call(self, payload: bytes, cpu_seconds: float) -> bytes:
        """The handler's answer; raises WorkerBudgetExceeded or WorkerLost."""
        channel = await self._idle.get()
        keep: JailChannel | None = None
        try:
            if channel is not None and channel.lost:
                channel.close()
                channel = None
            channel = channel or await self._open()
            answer = await self._ask(channel, payload, cpu_seconds)
            keep = channel
        finally:
            # Whatever happened, cancellation too, a place is free again; a doubtful jail is not used twice.
            if keep is None and channel is not None:
                channel.kill()
                channel.close()
            self._idle.put_nowait(keep)
        return self._read(answer)

    async def _ask(self, channel: JailChannel, payload: bytes, cpu_seconds: float) -> Frame:
        wall_seconds = cpu_seconds * _WALL_FACTOR
        header = {"cpu_seconds": cpu_seconds, "wall_seconds": wall_seconds}
        try:
            return await channel.ask(Frame(header, (payload,)), within_seconds=wall_seconds + _GRACE_SECONDS)
        except SandboxError as error:
            raise WorkerLost(str(error)) from error

    def _read(self, answer: Frame) -> bytes:
        status = answer.header["status"]
        if status == "ok":
            return answer.blobs[0]
        if status == "budget":
            self.budget_kills += 1
            raise WorkerBudgetExceeded("the check used up its budget")
        raise WorkerLost("the worker died in the middle of the call")

    async def _open(self) -> JailChannel:
        channel = (await self._living_launcher()).spawn()
        limits = Limits(cpu_seconds=_ALWAYS, memory_bytes=self._config.memory_bytes, processes=8)
        try:
            await channel.ask(Frame({"op": "serve", "limits": asdict(limits)}), within_seconds=_GRACE_SECONDS)
        except BaseException:  # also when cancelled: nobody else knows this jail yet
            channel.close()
            raise
        return channel

    async def _living_launcher(self) -> LauncherProcess:
        async with self._starting:
            present = self._launcher
            if present is None or present.lost:
                if self._closed:
                    raise SandboxUnavailable("the workers are closed")
                with contextlib.suppress(SandboxError):
                    if present is not None:
                        await present.close()
                present = LauncherProcess(self._launcher_config())
                await present.start()
                self._launcher = present
                self._launchers_started += 1
            return present

    def _launcher_config(self) -> LauncherConfig:
        hierarchy = cgroups.probe()
        python_path = tuple(path for path in sys.path if path and os.path.isdir(path))
        shown = tuple(
            path for path in python_path if not path.startswith(("/usr", *interpreter_directories()))
        )
        return LauncherConfig(
            control=-1,
            isolation="namespaces",
            family=f"{os.getpid()}-workers",
            generation=self._launchers_started,
            slots=2 * self._count + 4,
            cgroup_version=hierarchy.version,
            cgroup_directories=hierarchy.directories,
            binds=(*interpreter_directories(), *shown),
            python_path=python_path,
            preload=self._config.preload,
            uid_base=62000,
        )
