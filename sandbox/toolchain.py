"""Makes programs ready to run: which languages this host has, and compilation once per content.

Compilers run in jails like any other program. What a language is, is data (`sandbox.languages`).

A language is tested in a jail before its first use, and the finding is kept in the cache directory for
as long as its tools stay what they are: some forty compilers are too many to try at every start.
"""

from __future__ import annotations

import asyncio
import os
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, replace
from typing import Any

from sandbox import artefacts, languages
from sandbox.ahead import Ahead
from sandbox.errors import UnknownLanguage
from sandbox.findings import Finding, Findings, tools_digest
from sandbox.harness.unit import Unit
from sandbox.harness.units import make_unit
from sandbox.languages import Kind, Language
from sandbox.languages.row import QUICK_LINKER
from sandbox.session import Session
from sandbox.types import Artefact, Case, Compilation, Limits, Mode, Outcome, Program, RunResult

COMPILE_LIMITS = Limits(
    cpu_seconds=30.0, wall_seconds=120.0, memory_bytes=2 << 30, output_bytes=1 << 20, processes=128
)
_HELLO_LIMITS = Limits(cpu_seconds=10.0, wall_seconds=60.0)
_MAX_PRODUCT_BYTES = 512 << 20
_DIAGNOSTIC_BYTES = 16 << 10
# What compilers say of a process of theirs that somebody killed.
_KILLED = re.compile(rb"\bkilled\b|\bSIGKILL\b", re.IGNORECASE)
_VERSIONS = (re.compile(r"\d+(?:\.\d+)+[\w+-]*"), re.compile(r"\d+"))
_PENDING = "installed; its self-test runs before its first use"

# Opens a jail: its opening message, what goes with it, its limits.
OpenJail = Callable[[dict[str, Any], Sequence[bytes], Limits], AbstractAsyncContextManager[Session]]


@dataclass(frozen=True, slots=True)
class LanguageStatus:
    """A language on this host.

    `pending`: its tools are there and its self-test has not run yet; it counts as available until then.
    `linker`: what links its programs, if it is not the compiler's usual one.
    """

    language: Language
    version: str = ""
    available: bool = False
    reason: str = ""
    pending: bool = False
    linker: str = ""


class Toolchain:
    """The languages of this host, and the artefacts made with them."""

    def __init__(self, open_jail: OpenJail, *, cache_bytes: int, cache_directory: str) -> None:
        self._open_jail = open_jail
        self._cache = artefacts.ArtefactCache(cache_bytes)
        self._cache_directory = cache_directory
        self._findings = Findings("")
        self._isolation = ""
        self._statuses: dict[str, LanguageStatus] = {}
        self._tests: dict[str, asyncio.Task[None]] = {}
        self._ahead = Ahead(cache_directory, self._build_ahead)

    async def start(self, isolation: str, ahead: Sequence[str]) -> None:
        """Finds every language's tools and tests those in `ahead`; the others are tested when first used.

        Raises UnknownLanguage for a name in `ahead` that is none.
        """
        self._isolation = isolation
        if isolation == "docker":  # its jails show nothing of this host, and another image has other tools
            self._cache_directory = ""
            self._ahead = Ahead("", self._build_ahead, remote=True)
        self._findings = Findings(self._cache_directory)
        for row in languages.LANGUAGES:
            self._statuses[row.name] = self._as_found(row)
        for row in map(languages.find, ahead):
            await self._tested(row)
            self._prepare(row)

    async def test(self, name: str) -> LanguageStatus:
        """The language's status after its self-test, which runs now unless it did before."""
        row = languages.find(name)
        await self._tested(row)
        return self._statuses[row.name]

    async def close(self) -> None:
        """Ends what still runs in the background."""
        for task in self._tests.values():
            task.cancel()
        await asyncio.gather(*self._tests.values(), return_exceptions=True)
        await self._ahead.close()

    @property
    def statuses(self) -> Sequence[LanguageStatus]:
        """Every language of the table, as found on this host so far."""
        return tuple(self._statuses.values())

    @property
    def binds(self) -> tuple[str, ...]:
        """Host paths that every jail must see, read-only."""
        wanted = {path for row in languages.LANGUAGES for path in row.host_paths}
        present = tuple(sorted(path for path in wanted if os.path.exists(path)))
        if not self._cache_directory:
            return present
        os.makedirs(self._cache_directory, mode=0o755, exist_ok=True)
        return (*present, os.path.realpath(self._cache_directory))

    def language(self, name: str) -> Language:
        """The language by name or alias; raises UnknownLanguage if unknown or found unavailable."""
        row = languages.find(name)
        status = self._statuses.get(row.name)
        if status is None or not status.available:
            why = status.reason if status else "not tested yet"
            raise UnknownLanguage(f"language {row.name!r} is not available on this host: {why}")
        return row

    async def compile(self, program: Program, limits: Limits | None = None) -> Compilation:
        """Makes a program ready to run, once per distinct content.

        A program that does not compile is a Compilation without artefact. Raises UnknownLanguage for a
        language whose first test fails, and for a mode that it does not have.
        """
        row = self.language(program.language)
        await self._tested(row)
        self.language(program.language)
        if program.mode.value not in row.modes:
            raise UnknownLanguage(f"language {row.name!r} cannot be tested by {program.mode.value}")
        self._prepare(row)
        return await self._compile_cached(row, program, limits)

    async def _compile_cached(
        self, row: Language, program: Program, limits: Limits | None = None
    ) -> Compilation:
        if row.kind is Kind.PYTHON:
            return _uncompiled(program)
        status = self._statuses[row.name]
        key = artefacts.digest(program, f"{row} {status.version} {status.linker}")
        return await self._cache.get(key, lambda: self._compile(row, program, key, limits or COMPILE_LIMITS))

    def session(
        self, artefact: Artefact, limits: Limits, open_jail: OpenJail | None = None
    ) -> AbstractAsyncContextManager[Session]:
        """A fresh jail that holds the artefact, opened in the usual way or as `open_jail` does."""
        open_ = open_jail or self._open_jail
        program, row = artefact.program, languages.find(artefact.program.language)
        if row.kind is Kind.PYTHON:
            return open_(_python_opening(program, limits), (artefact.blob,), limits)
        content, extended = artefacts.unpack(artefact.blob), _with_extras(row, limits)
        opening = {
            **_opening(row, extended),
            "mode": program.mode.value,
            "files": list(content.files),
            "run_command": self._run_command(row, content.words, limits),
            "memory_signs": list(row.memory_signs),
        }
        return open_(opening, tuple(content.files.values()), extended)

    def _run_command(
        self, row: Language, words: Mapping[str, tuple[str, ...]], limits: Limits
    ) -> Sequence[str]:
        made = self._ahead.words(row, self._statuses[row.name].version)
        return _filled(row.run_command, {**words, **made}, _memory_words(limits))

    async def _compile(self, row: Language, program: Program, key: str, limits: Limits) -> Compilation:
        unit = make_unit(row, program)
        if not row.compile_command:
            return _compiled(program, key, unit, unit.contents)
        status = self._statuses[row.name]
        linker = row.linker_options if status.linker else ()
        words = {**unit.words, "linker": linker, **self._ahead.words(row, status.version)}
        command = _filled(row.compile_command, words, _memory_words(limits))
        result, products = await self._build(row, command, unit, limits)
        if result.outcome is Outcome.RUNTIME_ERROR and _KILLED.search(result.stderr or result.stdout):
            result, products = await self._build(row, command, unit, limits)  # if outside, then not again
        diagnostics = _tidy(result.stderr or result.stdout)
        if result.outcome is Outcome.OK and products:
            made = _compiled(program, key, unit, {**unit.beside, **products})
            return replace(
                made,
                diagnostics=diagnostics,
                cpu_seconds=result.cpu_seconds,
                wall_seconds=result.wall_seconds,
            )
        at_fault = result.outcome not in (Outcome.OK, Outcome.RUNTIME_ERROR)
        outcome = result.outcome if at_fault else Outcome.COMPILE_ERROR
        return Compilation(None, diagnostics, outcome, result.cpu_seconds, result.wall_seconds)

    async def _build(
        self, row: Language, command: Sequence[str], unit: Unit, limits: Limits
    ) -> tuple[RunResult, dict[str, bytes]]:
        """Runs a tool in a jail over a unit's files and reads its products back."""
        opening = _opening(row, limits)
        opening["environment"] = {**opening["environment"], **unit.environment}
        async with self._open_jail(opening, (), limits) as session:
            await session.put(unit.contents)
            result = await session.run(Case(), command=command, keep_files=True)
            if not row.product or result.outcome is not Outcome.OK:
                return result, {}
            found = await session.fetch((row.product,), _MAX_PRODUCT_BYTES)
        prefix = row.product if row.product.endswith("/") else ""
        return result, {name.removeprefix(prefix): content for name, content in found.items()}

    def _prepare(self, row: Language) -> None:
        """Has made, beside the requests, what later compilations can take as it is."""
        status = self._statuses[row.name]
        if status.available and not status.pending:
            self._ahead.prepare(
                row, status.version, make_unit(row, Program(row.name, row.hello)), _filled_for
            )

    async def _build_ahead(
        self, row: Language, command: Sequence[str], unit: Unit, product: str
    ) -> bytes | None:
        _, products = await self._build(replace(row, product=product), command, unit, COMPILE_LIMITS)
        return products.get(product)

    # ---- which languages there are

    def _as_found(self, row: Language) -> LanguageStatus:
        """What can be said without running anything."""
        if row.kind is Kind.PYTHON:
            return LanguageStatus(
                row, platform.python_version(), available=True, reason=_PENDING, pending=True
            )
        digest = self._digest(row)
        if isinstance(digest, list):
            return LanguageStatus(row, reason=f"not found: {', '.join(digest)}")
        kept = self._findings.get(digest)
        if kept is None:
            return LanguageStatus(row, available=True, reason=_PENDING, pending=True)
        return LanguageStatus(row, kept.version, kept.available, kept.reason, linker=kept.linker)

    async def _tested(self, row: Language) -> None:
        """Waits for the language's self-test, started here if nobody has; raises what it raised."""
        if not self._statuses[row.name].pending:
            return
        task = self._tests.get(row.name)
        if task is None:
            task = asyncio.create_task(self._test(row))
            self._tests[row.name] = task
            task.add_done_callback(lambda done: self._test_ended(row, done))
        await asyncio.shield(task)

    def _test_ended(self, row: Language, task: asyncio.Task[None]) -> None:
        self._tests.pop(row.name, None)
        if not task.cancelled():
            task.exception()  # marks it as seen: every waiter may have left

    async def _test(self, row: Language) -> None:
        """Finds the version and runs hello-world."""
        status = LanguageStatus(row, self._statuses[row.name].version)
        if row.kind is not Kind.PYTHON:
            status = await self._find_version(row)
        if not status.reason:
            status = await self._say_hello(replace(status, linker=QUICK_LINKER if row.linker_options else ""))
            if status.linker and not status.available:
                status = await self._say_hello(replace(status, linker="", reason=""))
        self._statuses[row.name] = status
        digest = self._digest(row)
        if isinstance(digest, str) and row.kind is not Kind.PYTHON:
            self._findings.put(
                digest, Finding(status.version, status.available, status.reason, status.linker)
            )

    def _digest(self, row: Language) -> str | list[str]:
        """What identifies the row's tools, or the missing ones; an image's are not seen from here."""
        return row.name if self._isolation == "docker" else tools_digest(row, self._isolation)

    async def _find_version(self, row: Language) -> LanguageStatus:
        limits = replace(COMPILE_LIMITS, processes=COMPILE_LIMITS.processes + row.extra_processes)
        async with self._open_jail(_opening(row, limits), (), limits) as session:
            result = await session.run(Case(), command=row.version_command)
        if result.outcome is not Outcome.OK:
            return LanguageStatus(row, reason=f"{row.version_command[0]} does not run here")
        return LanguageStatus(row, _version_in((result.stdout or result.stderr).decode(errors="replace")))

    async def _say_hello(self, status: LanguageStatus) -> LanguageStatus:
        row = status.language
        self._statuses[row.name] = replace(status, available=True, pending=True)
        compilation = await self._compile_cached(row, Program(row.name, row.hello))
        if compilation.artefact is None:
            return replace(status, reason=f"hello-world: {compilation.diagnostics[-200:]}")
        async with self.session(compilation.artefact, _HELLO_LIMITS) as session:
            result = await session.run(Case())
        if b"hello" not in result.stdout.split():
            why = f"hello-world: {result.outcome.value}: {result.stderr[-200:].decode(errors='replace')}"
            return replace(status, reason=why)
        return replace(status, available=True)


def _version_in(text: str) -> str:
    found = next((match for pattern in _VERSIONS if (match := pattern.search(text))), None)
    return found.group() if found else "unknown"


def _opening(row: Language, limits: Limits) -> dict[str, Any]:
    """A jail for processes of the language: a compiler's, or with more in it a program's."""
    return {
        "op": "open",
        "kind": Kind.EXEC.value,
        "mode": Mode.SCRIPT.value,
        "environment": row.environment,
        "limits": asdict(limits),
    }


def _python_opening(program: Program, limits: Limits) -> dict[str, Any]:
    return {
        "op": "open",
        "kind": Kind.PYTHON.value,
        "mode": program.mode.value,
        "function": program.function,
        "setup": program.setup,
        "tests": program.tests,
        "memory_signs": list(languages.PYTHON.memory_signs),
        "limits": asdict(limits),
    }


def _with_extras(row: Language, limits: Limits) -> Limits:
    """The limits of a jail whose runtime has threads and memory of its own."""
    return replace(
        limits,
        processes=limits.processes + row.extra_processes,
        memory_bytes=limits.memory_bytes + row.extra_memory_bytes,
    )


def _memory_words(limits: Limits) -> dict[str, str]:
    return {"memory_mb": str(max(1, limits.memory_bytes >> 20))}


def _filled(
    command: Sequence[str], words: Mapping[str, tuple[str, ...]], values: Mapping[str, str]
) -> list[str]:
    """A command with its placeholders filled; one that stands alone may become several words, or none."""
    filled: list[str] = []
    for word in command:
        name = word[1:-1] if word.startswith("{") and word.endswith("}") else ""
        if name in ("sources", "main", "preload", "precompiled", "linker", "class_archive"):
            filled += words.get(name, ())
        else:
            filled.append(_filled_word(word, words, values))
    return filled


def _filled_for(command: Sequence[str], unit: Unit, words: Mapping[str, tuple[str, ...]]) -> Sequence[str]:
    """A command over a unit in a compiler's jail, where the sources are the working directory's."""
    here = [word.replace("{box}/", "") for word in command]
    return _filled(here, {**unit.words, **words}, _memory_words(COMPILE_LIMITS))


def _filled_word(word: str, words: Mapping[str, tuple[str, ...]], values: Mapping[str, str]) -> str:
    for name, value in {**{name: " ".join(found) for name, found in words.items()}, **values}.items():
        word = word.replace(f"{{{name}}}", value)
    return word


def _compiled(program: Program, key: str, unit: Unit, files: Mapping[str, bytes]) -> Compilation:
    blob = artefacts.pack(artefacts.Content(files, unit.words))
    return Compilation(Artefact(program, key, blob), "", Outcome.OK, 0.0, 0.0)


def _uncompiled(program: Program) -> Compilation:
    blob = program.source.encode("utf-8", "surrogatepass")
    return Compilation(Artefact(program, "", blob), "", Outcome.OK, 0.0, 0.0)


def _tidy(stderr: bytes) -> str:
    return stderr[:_DIAGNOSTIC_BYTES].decode("utf-8", "replace")
