"""The sandbox as the server uses it: compile a program, open a jail, run cases in it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sandbox import artefacts, cgroups, languages
from sandbox.errors import SandboxError, SandboxUnavailable, UnknownLanguage
from sandbox.frames import Frame
from sandbox.languages import Kind, Language
from sandbox.launcher import LauncherConfig
from sandbox.launcher_process import JailChannel, LauncherProcess
from sandbox.supervise import STARVATION_FACTOR
from sandbox.types import Artefact, Case, Compilation, Limits, Mode, Outcome, Program, RunResult

COMPILE_LIMITS = Limits(
    cpu_seconds=30.0, wall_seconds=120.0, memory_bytes=2 << 30, output_bytes=1 << 20, processes=64
)
_GRACE_SECONDS = 15.0  # beyond a run's own wall limit, before the jail itself is given up
_MAX_PRODUCT_BYTES = 512 << 20
_DIAGNOSTIC_BYTES = 16 << 10
ISOLATION = "namespaces"


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """How much the sandbox may use, and where it keeps what outlives it."""

    slots: int = 0  # jails at work at once; 0: one per available core
    artefact_cache_bytes: int = 1 << 30
    cache_directory: str = ""  # precompiled headers; empty: no precompiling
    binds: tuple[str, ...] = ()  # further host directories that programs may read


@dataclass(frozen=True, slots=True)
class LanguageStatus:
    """A language on this host."""

    language: Language
    version: str = ""
    available: bool = False
    reason: str = ""


@dataclass(slots=True)
class _State:
    languages: dict[str, LanguageStatus] = field(default_factory=dict)
    launcher: LauncherProcess | None = None


class Sandbox:
    """Runs untrusted programs, each submission in a jail of its own.

    Every method raises SandboxError for a fault of the service; what a program
    does is data.
    """

    isolation = ISOLATION

    def __init__(self, config: SandboxConfig | None = None) -> None:
        self._config = config or SandboxConfig()
        self.slots = self._config.slots or len(os.sched_getaffinity(0))
        self._free = asyncio.Semaphore(self.slots)
        self._cache = artefacts.ArtefactCache(self._config.artefact_cache_bytes)
        self._state = _State()
        self._starting = asyncio.Lock()
        self._closed = False
        self._precompiling: asyncio.Task[None] | None = None
        self.launchers_started = 0

    async def start(self) -> None:
        """Starts the launcher and tests every language; raises SandboxUnavailable."""
        await self._launcher()
        for row in languages.LANGUAGES:
            self._state.languages[row.name] = await self._self_test(row)
        if self._state.languages[languages.CPP.name].available:
            self._precompiling = asyncio.create_task(self._precompile(languages.CPP))

    async def close(self) -> None:
        """Ends the launcher and every jail; afterwards nothing of the sandbox is left."""
        self._closed = True
        if self._precompiling is not None:
            self._precompiling.cancel()
            await asyncio.gather(self._precompiling, return_exceptions=True)
        if self._state.launcher is not None:
            await self._state.launcher.close()

    @property
    def language_statuses(self) -> Sequence[LanguageStatus]:
        """Every language of the table, as found on this host."""
        return tuple(self._state.languages.values())

    @property
    def launcher(self) -> LauncherProcess | None:
        """The present launcher, for `doctor` and for tests that kill it."""
        return self._state.launcher

    def language(self, name: str) -> Language:
        """The language by name or alias; raises UnknownLanguage if unknown or unavailable."""
        row = languages.find(name)
        status = self._state.languages.get(row.name)
        if status is None or not status.available:
            why = status.reason if status else "not tested yet"
            raise UnknownLanguage(f"language {row.name!r} is not available on this host: {why}")
        return row

    async def compile(self, program: Program, limits: Limits | None = None) -> Compilation:
        """Makes a program ready to run, once per distinct content.

        A program that does not compile is a Compilation without artefact.
        """
        row = self.language(program.language)
        if row.kind is Kind.PYTHON:
            return _uncompiled(program)
        key = artefacts.digest(program, self._state.languages[row.name].version)
        return await self._cache.get(key, lambda: self._compile(row, program, key, limits or COMPILE_LIMITS))

    @contextlib.asynccontextmanager
    async def session(self, artefact: Artefact, limits: Limits) -> AsyncIterator[Session]:
        """A fresh jail for one submission, holding one slot until the block ends."""
        row = languages.find(artefact.program.language)
        async with self._jail(_opening(row, artefact.program, limits), (artefact.blob,), limits) as session:
            yield session

    @contextlib.asynccontextmanager
    async def _jail(
        self, opening: dict[str, Any], blobs: Sequence[bytes], limits: Limits
    ) -> AsyncIterator[Session]:
        async with self._free:
            channel = (await self._launcher()).spawn()
            try:
                await channel.ask(Frame(opening, blobs), within_seconds=_GRACE_SECONDS)
                yield Session(channel, limits, opening["kind"])
            finally:
                channel.close()

    async def _launcher(self) -> LauncherProcess:
        """The present launcher, or a new one in place of a dead one."""
        async with self._starting:
            present = self._state.launcher
            if present is None or present.lost:
                if self._closed:
                    raise SandboxUnavailable("the sandbox is closed")
                if present is not None:
                    await present.close()
                present = LauncherProcess(self._launcher_config())
                await present.start()
                self.launchers_started += 1
                self._state.launcher = present
            return present

    def _launcher_config(self) -> LauncherConfig:
        hierarchy = cgroups.probe()
        return LauncherConfig(
            control=-1,
            family=f"{os.getpid()}-programs",
            generation=self.launchers_started,
            slots=2 * self.slots + 8,  # a jail's burial must not hold up the next one
            cgroup_version=hierarchy.version,
            cgroup_directories=hierarchy.directories,
            binds=(*interpreter_directories(), *self._config.binds, *self._cache_binds()),
        )

    def _cache_binds(self) -> tuple[str, ...]:
        if not self._config.cache_directory:
            return ()
        os.makedirs(self._config.cache_directory, mode=0o755, exist_ok=True)
        return (os.path.realpath(self._config.cache_directory),)

    async def _compile(self, row: Language, program: Program, key: str, limits: Limits) -> Compilation:
        command = [*row.compile_command[:-3], *self._precompiled_flags(row), *row.compile_command[-3:]]
        unit = _translation_unit(row, program).encode("utf-8", "surrogatepass")
        result, product = await self._build(command, {row.source_name: unit}, row.product, limits)
        diagnostics = _tidy(result.stderr)
        if result.outcome is Outcome.OK and product is not None:
            artefact = Artefact(program, key, product)
            return Compilation(artefact, diagnostics, Outcome.OK, result.cpu_seconds, result.wall_seconds)
        at_fault = result.outcome not in (Outcome.OK, Outcome.RUNTIME_ERROR)
        outcome = result.outcome if at_fault else Outcome.COMPILE_ERROR
        return Compilation(None, diagnostics, outcome, result.cpu_seconds, result.wall_seconds)

    async def _build(
        self, command: Sequence[str], files: dict[str, bytes], product: str, limits: Limits
    ) -> tuple[RunResult, bytes | None]:
        """Runs a tool in a jail over some files and reads its product back."""
        opening = {"op": "open", "kind": "exec", "mode": Mode.SCRIPT.value, "limits": asdict(limits)}
        async with self._jail(opening, (), limits) as session:
            await session.put(files)
            result = await session.run(Case(), command=command, keep_files=True)
            found = await session.fetch((product,), _MAX_PRODUCT_BYTES) if product else {}
            return result, found.get(product)

    async def _self_test(self, row: Language) -> LanguageStatus:
        """Finds the version and runs hello-world."""
        if row.kind is Kind.PYTHON:
            status = LanguageStatus(row, platform.python_version(), available=True)
        else:
            result, _ = await self._build(row.version_command, {}, "", COMPILE_LIMITS)
            if result.outcome is not Outcome.OK:
                return LanguageStatus(row, reason=f"{row.version_command[0]} does not run here")
            status = LanguageStatus(row, result.stdout.decode().strip(), available=True)
        self._state.languages[row.name] = status
        return await self._say_hello(status)

    async def _say_hello(self, status: LanguageStatus) -> LanguageStatus:
        compilation = await self.compile(Program(status.language.name, status.language.hello))
        if compilation.artefact is None:
            return replace(status, available=False, reason=f"hello-world: {compilation.diagnostics[:200]}")
        async with self.session(compilation.artefact, Limits()) as session:
            result = await session.run(Case())
        if result.stdout != b"hello\n":
            why = f"hello-world: {result.outcome.value}: {result.stderr[-200:].decode(errors='replace')}"
            return replace(status, available=False, reason=why)
        return status

    def _precompiled_directory(self, row: Language) -> Path | None:
        if row is not languages.CPP or not self._config.cache_directory:
            return None
        version = self._state.languages[row.name].version
        return Path(
            os.path.realpath(self._config.cache_directory), f"gcc-{version}-{languages.CPP_FLAGS[1][1:]}"
        )

    def _precompiled_flags(self, row: Language) -> list[str]:
        directory = self._precompiled_directory(row)
        return [f"-I{directory}"] if directory is not None and directory.exists() else []

    async def _precompile(self, row: Language) -> None:
        """Compiles <bits/stdc++.h> once per toolchain, beside the first requests.

        It is most of a C++ program's compile time; without it programs compile slower, not otherwise.
        """
        directory = self._precompiled_directory(row)
        if directory is None or directory.exists():
            return
        unit = b"#include <bits/stdc++.h>\n"
        command = ("g++", *languages.CPP_FLAGS, "-x", "c++-header", "stdc++.h", "-o", "stdc++.h.gch")
        try:
            result, product = await self._build(command, {"stdc++.h": unit}, "stdc++.h.gch", COMPILE_LIMITS)
        except SandboxError:
            return  # the next start tries again
        if result.outcome is not Outcome.OK or product is None:
            return
        await asyncio.to_thread(_publish, directory, product)


def _publish(directory: Path, header: bytes) -> None:
    """Puts a precompiled header in place at once and whole, or not at all."""
    staged = directory.with_name(f"{directory.name}.{os.getpid()}")
    (staged / "bits").mkdir(parents=True)
    (staged / "bits" / "stdc++.h.gch").write_bytes(header)
    try:
        staged.rename(directory)
    except OSError:
        shutil.rmtree(staged)  # another server was faster


class Session:
    """A jail while it is open. One run at a time."""

    def __init__(self, channel: JailChannel, limits: Limits, kind: str) -> None:
        self._channel = channel
        self._limits = limits
        self._kind = kind

    async def run(self, case: Case, *, command: Sequence[str] = (), keep_files: bool = False) -> RunResult:
        """Runs the program (or `command`) on one case; raises JailLost."""
        argv = [*command] if command else _argv(self._kind, case.arguments)
        header = {"op": "run", "argv": argv, "keep_files": keep_files}
        patience = self._limits.wall_seconds * STARVATION_FACTOR + _GRACE_SECONDS
        answer = await self._channel.ask(Frame(header, (case.stdin, case.call)), within_seconds=patience)
        return _run_result(answer)

    async def put(self, files: dict[str, bytes]) -> None:
        """Places files in the working directory."""
        frame = Frame({"op": "put", "paths": list(files)}, tuple(files.values()))
        await self._channel.ask(frame, within_seconds=_GRACE_SECONDS)

    async def reset(self) -> None:
        """Clean scratch places, as in a fresh jail."""
        await self._channel.ask(Frame({"op": "reset"}), within_seconds=_GRACE_SECONDS)

    async def fetch(self, paths: Sequence[str], max_bytes: int) -> dict[str, bytes]:
        """Reads regular files of the working directory; what is not there is left out."""
        frame = Frame({"op": "fetch", "paths": list(paths), "max_bytes": max_bytes})
        answer = await self._channel.ask(frame, within_seconds=_GRACE_SECONDS)
        return dict(zip(answer.header["paths"], answer.blobs, strict=True))


def interpreter_directories() -> tuple[str, ...]:
    """Where the running interpreter and its standard library live, if outside the system directories."""
    import sys

    prefixes = {os.path.realpath(sys.base_prefix), os.path.realpath(sys.base_exec_prefix)}
    return tuple(sorted(path for path in prefixes if not path.startswith("/usr")))


def _argv(kind: str, arguments: Sequence[str]) -> list[str]:
    return [*arguments] if kind == "python" else ["/box/main", *arguments]


def _opening(row: Language, program: Program, limits: Limits) -> dict[str, Any]:
    return {
        "op": "open",
        "kind": row.kind.value,
        "mode": program.mode.value,
        "function": program.function,
        "setup": program.setup if row.kind is Kind.PYTHON else "",
        "tests": program.tests if row.kind is Kind.PYTHON else "",
        "limits": asdict(limits),
    }


def _uncompiled(program: Program) -> Compilation:
    blob = program.source.encode("utf-8", "surrogatepass")
    return Compilation(Artefact(program, "", blob), "", Outcome.OK, 0.0, 0.0)


def _translation_unit(row: Language, program: Program) -> str:
    if program.mode is Mode.SCRIPT:
        return program.source
    from sandbox.harness import cpp_asserts_unit, cpp_call_unit

    if row is languages.CPP and program.mode is Mode.CALL:
        return cpp_call_unit(program.source, program.function)
    if row is languages.CPP and program.mode is Mode.ASSERTS:
        return cpp_asserts_unit(program.source, program.setup, program.tests)
    return program.source


def _tidy(stderr: bytes) -> str:
    return stderr[:_DIAGNOSTIC_BYTES].decode("utf-8", "replace")


def _run_result(answer: Frame) -> RunResult:
    header = answer.header
    stdout, stderr, record = answer.blobs
    return RunResult(
        outcome=Outcome(header["outcome"]),
        exit_code=header["exit_code"],
        signal=header["signal"],
        stdout=stdout,
        stderr=stderr,
        record=record if header["has_record"] else None,
        cpu_seconds=header["cpu_seconds"],
        wall_seconds=header["wall_seconds"],
        memory_bytes=header["memory_bytes"],
    )
