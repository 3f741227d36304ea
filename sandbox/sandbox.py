"""The sandbox as the server uses it: compile a program, open a jail, run cases in it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from sandbox import backends, cgroups
from sandbox.errors import SandboxUnavailable
from sandbox.frames import Frame
from sandbox.languages import Language
from sandbox.launcher import LauncherConfig
from sandbox.launcher_process import LauncherProcess
from sandbox.session import GRACE_SECONDS, Session
from sandbox.toolchain import LanguageStatus, Toolchain
from sandbox.types import Artefact, Compilation, Limits, Program


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """How much the sandbox may use, and where it keeps what outlives it."""

    isolation: str = "auto"  # a backend's name, or the strongest that this host gives without being asked
    slots: int = 0  # jails at work at once; 0: one per available core
    artefact_cache_bytes: int = 1 << 30
    cache_directory: str = ""  # precompiled headers; empty: no precompiling
    binds: tuple[str, ...] = ()  # further host directories that programs may read


class Sandbox:
    """Runs untrusted programs, each submission in a jail of its own.

    Every method raises SandboxError for a fault of the service; what a program
    does is data.
    """

    def __init__(self, config: SandboxConfig | None = None) -> None:
        self._config = config or SandboxConfig()
        self.slots = self._config.slots or len(os.sched_getaffinity(0))
        self._free = asyncio.Semaphore(self.slots)
        self._toolchain = Toolchain(
            self._jail,
            cache_bytes=self._config.artefact_cache_bytes,
            cache_directory=self._config.cache_directory,
        )
        self._isolation = ""
        self._present: LauncherProcess | None = None
        self._starting = asyncio.Lock()
        self._closed = False
        self.launchers_started = 0

    async def start(self) -> None:
        """Starts the launcher and tests every language; raises SandboxUnavailable."""
        self._isolation = backends.choose(self._config.isolation)
        await self._launcher()
        await self._toolchain.start()

    async def close(self) -> None:
        """Ends the launcher and every jail; afterwards nothing of the sandbox is left."""
        self._closed = True
        await self._toolchain.close()
        if self._present is not None:
            await self._present.close()

    @property
    def isolation(self) -> str:
        """The backend that makes the jails; known once started."""
        return self._isolation

    @property
    def language_statuses(self) -> Sequence[LanguageStatus]:
        """Every language of the table, as found on this host."""
        return self._toolchain.statuses

    @property
    def launcher(self) -> LauncherProcess | None:
        """The present launcher, for `doctor` and for tests that kill it."""
        return self._present

    def language(self, name: str) -> Language:
        """The language by name or alias; raises UnknownLanguage if unknown or unavailable."""
        return self._toolchain.language(name)

    async def compile(self, program: Program, limits: Limits | None = None) -> Compilation:
        """Makes a program ready to run, once per distinct content.

        A program that does not compile is a Compilation without artefact.
        """
        return await self._toolchain.compile(program, limits)

    def session(self, artefact: Artefact, limits: Limits) -> AbstractAsyncContextManager[Session]:
        """A fresh jail for one submission, holding one slot until the block ends."""
        return self._toolchain.session(artefact, limits)

    @contextlib.asynccontextmanager
    async def _jail(
        self, opening: dict[str, Any], blobs: Sequence[bytes], limits: Limits
    ) -> AsyncIterator[Session]:
        async with self._free:
            channel = (await self._launcher()).spawn()
            try:
                await channel.ask(Frame(opening, blobs), within_seconds=GRACE_SECONDS)
                yield Session(channel, limits, opening["kind"])
            finally:
                channel.close()

    async def _launcher(self) -> LauncherProcess:
        """The present launcher, or a new one in place of a dead one."""
        async with self._starting:
            present = self._present
            if present is None or present.lost:
                if self._closed:
                    raise SandboxUnavailable("the sandbox is closed")
                if present is not None:
                    await present.close()
                present = LauncherProcess(self._launcher_config())
                await present.start()
                self.launchers_started += 1
                self._present = present
            return present

    def _launcher_config(self) -> LauncherConfig:
        hierarchy = cgroups.probe()
        return LauncherConfig(
            control=-1,
            isolation=self.isolation,
            family=f"{os.getpid()}-programs",
            generation=self.launchers_started,
            slots=2 * self.slots + 8,  # a jail's burial must not hold up the next one
            cgroup_version=hierarchy.version,
            cgroup_directories=hierarchy.directories,
            binds=(*interpreter_directories(), *self._config.binds, *self._toolchain.binds),
        )


def interpreter_directories() -> tuple[str, ...]:
    """Where the running interpreter and its standard library live, if outside the system directories."""
    prefixes = {os.path.realpath(sys.base_prefix), os.path.realpath(sys.base_exec_prefix)}
    return tuple(sorted(path for path in prefixes if not path.startswith("/usr")))
