"""What is compiled ahead, once per toolchain, because most of every compilation would repeat it.

C++: `<bits/stdc++.h>` as a precompiled header, per standard. The JVM's compilers (and Clojure, which compiles
as it runs): an archive of their loaded classes. Both are made in a jail from our own text, beside the first
requests, and lie in the cache directory, which jails see read-only. Without them compilations are slower, and
no different.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from sandbox import root
from sandbox.errors import SandboxError
from sandbox.harness.unit import Unit
from sandbox.languages import Language

# Runs a command in a jail over a unit's files; returns the named product, or None.
Build = Callable[[Language, Sequence[str], Unit, str], Awaitable[bytes | None]]
# A command of the row with its placeholders filled by these words.
Fill = Callable[[Sequence[str], Unit, Mapping[str, tuple[str, ...]]], Sequence[str]]

_HEADER = "bits/stdc++.h"
_ARCHIVE = "classes.jsa"


class Ahead:
    """The directory of such files, and the work that makes them."""

    def __init__(self, directory: str, build: Build) -> None:
        path = os.path.realpath(directory) if directory else ""
        # Jails mount their own scratch places over these: what lies below is not seen there.
        hidden = any(f"{path}/".startswith(f"{place}/") for place in root.SCRATCH)
        self._directory = Path(path) if path and not hidden else None
        self._build = build
        self._started: set[Path] = set()
        self._running: set[asyncio.Task[None]] = set()

    def words(self, row: Language, version: str) -> dict[str, tuple[str, ...]]:
        """What `{precompiled}` or `{class_archive}` stands for; nothing while it is not made."""
        path = self._path(row, version)
        if path is None or not path.exists():
            return {}
        if row.rules == "cpp":
            return {"precompiled": (f"-I{path}",)}
        return {"class_archive": (f"{_option_prefix(row)}-XX:SharedArchiveFile={path / _ARCHIVE}",)}

    def prepare(self, row: Language, version: str, hello: Unit, fill: Fill) -> None:
        """Starts making the row's file, unless it is made or under way."""
        path = self._path(row, version)
        if path is None or path in self._started:
            return
        self._started.add(path)
        if not path.exists():
            making = (
                self._make_header(row, path)
                if row.rules == "cpp"
                else self._make_archive(row, path, hello, fill)
            )
            task = asyncio.create_task(_quietly(making))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Ends what is being made."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _path(self, row: Language, version: str) -> Path | None:
        if self._directory is None:
            return None
        if row.rules == "cpp":
            return self._directory / f"gcc-{version}-{_standard_flag(row)[1:]}"
        return self._directory / f"{row.name}-{version}-classes" if row.class_archive else None

    async def _make_header(self, row: Language, path: Path) -> None:
        unit = Unit({"stdc++.h": f"#include <{_HEADER}>\n"}, {"sources": ("stdc++.h",)})
        flags = ("-O2", _standard_flag(row), "-x", "c++-header")
        command = ("g++", *flags, "stdc++.h", "-o", "stdc++.h.gch")
        made = await self._build(row, command, unit, "stdc++.h.gch")
        if made is not None:
            await asyncio.to_thread(_publish, path, f"{_HEADER}.gch", made)

    async def _make_archive(self, row: Language, path: Path, hello: Unit, fill: Fill) -> None:
        words = {"class_archive": (f"{_option_prefix(row)}-XX:ArchiveClassesAtExit={_ARCHIVE}",)}
        command = fill(row.compile_command or row.run_command, hello, words)
        made = await self._build(row, command, hello, _ARCHIVE)
        if made is not None:
            await asyncio.to_thread(_publish, path, _ARCHIVE, made)


def _standard_flag(row: Language) -> str:
    return next(flag for flag in row.compile_command if flag.startswith("-std="))


def _option_prefix(row: Language) -> str:
    """javac takes its JVM's options behind -J."""
    return "-J" if row.compile_command[:1] == ("javac",) else ""


async def _quietly(making: Awaitable[None]) -> None:
    """After a fault of the service the next start tries again."""
    try:
        await making
    except SandboxError:
        return


def _publish(directory: Path, name: str, content: bytes) -> None:
    """Puts a directory with one file in place at once and whole, or not at all."""
    staged = directory.with_name(f"{directory.name}.{os.getpid()}")
    (staged / name).parent.mkdir(parents=True)
    (staged / name).write_bytes(content)
    try:
        staged.rename(directory)
    except OSError:
        shutil.rmtree(staged)  # another server was faster
