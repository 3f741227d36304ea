"""Makes programs ready to run: which languages this host has, and compilation once per content.

Compilers run in jails like any other program. What a language is, is data (`sandbox.languages`).
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sandbox import artefacts, languages
from sandbox.errors import SandboxError, UnknownLanguage
from sandbox.languages import Kind, Language
from sandbox.session import Session
from sandbox.types import Artefact, Case, Compilation, Limits, Mode, Outcome, Program, RunResult

COMPILE_LIMITS = Limits(
    cpu_seconds=30.0, wall_seconds=120.0, memory_bytes=2 << 30, output_bytes=1 << 20, processes=64
)
_MAX_PRODUCT_BYTES = 512 << 20
_DIAGNOSTIC_BYTES = 16 << 10

# Opens a jail: its opening message, what goes with it, its limits.
OpenJail = Callable[[dict[str, Any], Sequence[bytes], Limits], AbstractAsyncContextManager[Session]]


@dataclass(frozen=True, slots=True)
class LanguageStatus:
    """A language on this host."""

    language: Language
    version: str = ""
    available: bool = False
    reason: str = ""


class Toolchain:
    """The languages of this host, and the artefacts made with them."""

    def __init__(self, open_jail: OpenJail, *, cache_bytes: int, cache_directory: str) -> None:
        self._open_jail = open_jail
        self._cache = artefacts.ArtefactCache(cache_bytes)
        self._cache_directory = cache_directory
        self._statuses: dict[str, LanguageStatus] = {}
        self._precompiling: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Tests every language; precompiling goes on beside the first requests."""
        for row in languages.LANGUAGES:
            self._statuses[row.name] = await self._self_test(row)
        if self._statuses[languages.CPP.name].available:
            self._precompiling = asyncio.create_task(self._precompile(languages.CPP))

    async def close(self) -> None:
        """Ends what still runs in the background."""
        if self._precompiling is not None:
            self._precompiling.cancel()
            await asyncio.gather(self._precompiling, return_exceptions=True)

    @property
    def statuses(self) -> Sequence[LanguageStatus]:
        """Every language of the table, as found on this host."""
        return tuple(self._statuses.values())

    @property
    def binds(self) -> tuple[str, ...]:
        """Host directories that every jail must see, read-only."""
        if not self._cache_directory:
            return ()
        os.makedirs(self._cache_directory, mode=0o755, exist_ok=True)
        return (os.path.realpath(self._cache_directory),)

    def language(self, name: str) -> Language:
        """The language by name or alias; raises UnknownLanguage if unknown or unavailable."""
        row = languages.find(name)
        status = self._statuses.get(row.name)
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
        key = artefacts.digest(program, self._statuses[row.name].version)
        return await self._cache.get(key, lambda: self._compile(row, program, key, limits or COMPILE_LIMITS))

    def session(self, artefact: Artefact, limits: Limits) -> AbstractAsyncContextManager[Session]:
        """A fresh jail that holds the artefact."""
        row = languages.find(artefact.program.language)
        return self._open_jail(_opening(row, artefact.program, limits), (artefact.blob,), limits)

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
        async with self._open_jail(opening, (), limits) as session:
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
        self._statuses[row.name] = status
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
        if row is not languages.CPP or not self._cache_directory:
            return None
        version = self._statuses[row.name].version
        return Path(os.path.realpath(self._cache_directory), f"gcc-{version}-{languages.CPP_FLAGS[1][1:]}")

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
