"""The sandbox as the server uses it: compile a program, open a jail, run cases in it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from sandbox import backends, cgroups
from sandbox.containers import ContainerConfig, make_jails
from sandbox.conversation import Ends
from sandbox.frames import Frame
from sandbox.languages import Language
from sandbox.lasting import LastingJails
from sandbox.launcher import LauncherConfig
from sandbox.launcher_process import Jails
from sandbox.root import interpreter_directories
from sandbox.session import Session
from sandbox.toolchain import LanguageStatus, Toolchain
from sandbox.types import Artefact, Compilation, Limits, Mode, Program, RunResult

# Only a session's leader can have a terminal: signals and job control then work in the shell as in any.
_SHELL = ("/bin/sh", "-c", "exec setsid --ctty --wait bash --norc --noprofile -i 2>&1")


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """How much the sandbox may use, and where it keeps what outlives it."""

    isolation: str = "auto"  # a backend's name, or the strongest that this host gives without being asked
    slots: int = 0  # jails at work at once; 0: one per available core
    jails: int = 0  # most jails that a gate of the caller's lets in at once; 0: as many as slots
    artefact_cache_bytes: int = 1 << 30
    cache_directory: str = ""  # precompiled headers; empty: no precompiling
    languages: tuple[str, ...] = ("python", "cpp")  # tested at the start, the others before their first use
    binds: tuple[str, ...] = ()  # further host directories that programs may read
    containers: ContainerConfig = field(default_factory=ContainerConfig)  # for the docker backend alone


class SlotGate(Protocol):
    """Who decides which jail is next."""

    def slot(self) -> AbstractAsyncContextManager[None]:
        """Waits for its turn and holds a slot until the block ends."""


class FirstComeGate:
    """Slots in the order in which they are asked for."""

    def __init__(self, slots: int) -> None:
        self._free = asyncio.Semaphore(slots)

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """One of the slots, until the block ends."""
        async with self._free:
            yield


class Sandbox:
    """Runs untrusted programs, each submission in a jail of its own.

    Every method raises SandboxError for a fault of the service; what a program
    does is data.
    """

    def __init__(self, config: SandboxConfig | None = None, gate: SlotGate | None = None) -> None:
        self._config = config or SandboxConfig()
        self.slots = self._config.slots or len(os.sched_getaffinity(0))
        self._gate = gate or FirstComeGate(self.slots)
        self._toolchain = Toolchain(
            self._jail,
            cache_bytes=self._config.artefact_cache_bytes,
            cache_directory="" if self._config.isolation == "docker" else self._config.cache_directory,
        )
        self._isolation = ""
        self._family = cgroups.family_name("programs")
        self._jails = LastingJails(
            lambda generation: make_jails(self._launcher_config(generation), self._containers())
        )
        self.open_jails = 0

    async def start(self) -> None:
        """Starts the launcher, tests the configured languages; raises SandboxUnavailable, UnknownLanguage."""
        self._isolation = backends.choose(self._config.isolation, self._config.containers.image)
        await self._jails.get()
        await self._toolchain.start(self._isolation, self._config.languages)

    async def close(self) -> None:
        """Ends the launcher and every jail; afterwards nothing of the sandbox is left."""
        await self._toolchain.close()
        await self._jails.close()

    @property
    def isolation(self) -> str:
        """The backend that makes the jails, with its runtime if it has one; known once started."""
        runtime = self._config.containers.runtime if self._isolation == "docker" else ""
        return f"{self._isolation}/{runtime}" if runtime else self._isolation

    @property
    def language_statuses(self) -> Sequence[LanguageStatus]:
        """Every language of the table, as found on this host."""
        return self._toolchain.statuses

    @property
    def launcher(self) -> Jails | None:
        """The present launcher, for `doctor` and for tests that kill it."""
        return self._jails.present

    @property
    def launchers_started(self) -> int:
        """How many launchers there have been."""
        return self._jails.started

    @property
    def unburied_jails(self) -> int:
        """Jails that nobody uses any more and that are not yet gone: for longer than a moment, a leak."""
        present = self._jails.present
        return 0 if present is None else max(0, present.living_jails - self.open_jails)

    async def test_language(self, name: str) -> LanguageStatus:
        """The language's status after its self-test; raises UnknownLanguage for a name that is none."""
        return await self._toolchain.test(name)

    async def test_languages(self) -> None:
        """Runs the self-tests that have not run yet, one at a time."""
        for status in self.language_statuses:
            await self._toolchain.test(status.language.name)

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

    def companion(self, artefact: Artefact, limits: Limits) -> AbstractAsyncContextManager[Session]:
        """A jail beside an open session, under that session's slot.

        For a checker or an interactor. It takes no slot of its own: submissions that each held
        one and waited for a second would wait for ever.
        """
        return self._toolchain.session(artefact, limits, self._jail_beside)

    async def shell(self, name: str, terminal: Ends, limits: Limits) -> RunResult:
        """A shell in a jail as programs of the language have it, with its hello-world; takes `terminal` over.

        `terminal` is the program's side of a pseudo-terminal, twice. Raises UnknownLanguage, SandboxError.
        """
        row = self.language(name)
        opening = {
            "op": "open",
            "kind": "exec",
            "mode": Mode.SCRIPT.value,
            "environment": {**row.environment, "TERM": "xterm", "PS1": f"{self.isolation} jail: \\w \\$ "},
            "run_command": list(_SHELL),
            "limits": asdict(limits),
        }
        async with self._jail(opening, (), limits) as session:
            await session.put({row.source_name: row.hello.encode()})
            return await session.converse(terminal, keep_files=True)

    @contextlib.asynccontextmanager
    async def _jail(
        self, opening: dict[str, Any], blobs: Sequence[bytes], limits: Limits
    ) -> AsyncIterator[Session]:
        async with self._gate.slot(), self._jail_beside(opening, blobs, limits) as session:
            yield session

    @contextlib.asynccontextmanager
    async def _jail_beside(
        self, opening: dict[str, Any], blobs: Sequence[bytes], limits: Limits
    ) -> AsyncIterator[Session]:
        channel = (await self._jails.get()).spawn(limits)
        self.open_jails += 1
        try:
            channel.tell(Frame(opening, blobs))
            yield Session(channel, limits)
        finally:
            self.open_jails -= 1
            channel.close()

    def _containers(self) -> ContainerConfig:
        return replace(self._config.containers, ready=self.slots)

    def _launcher_config(self, generation: int) -> LauncherConfig:
        hierarchy = cgroups.probe()
        return LauncherConfig(
            control=-1,
            isolation=self._isolation,
            family=self._family,
            generation=generation,
            # A jail's burial must not hold up the next one.
            slots=3 * max(self.slots, self._config.jails) + 8,
            ready=min(self.slots, len(os.sched_getaffinity(0))),  # more could not be set up at once
            cgroup_version=hierarchy.version,
            cgroup_directories=hierarchy.directories,
            binds=(*interpreter_directories(), *self._config.binds, *self._toolchain.binds),
        )
