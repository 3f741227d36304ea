"""What is compiled ahead, once per toolchain, because most of every compilation would repeat it.

C++: the headers that programs begin with, precompiled for each standard with what they use instantiated.
The JVM's compilers (and Clojure, which compiles as it runs): an archive of their loaded classes. All are made
in a jail from our own text, beside the first requests, and lie in the cache directory, which jails see
read-only. Without them compilations are slower, and no different.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path

from sandbox import root
from sandbox.errors import SandboxError
from sandbox.harness.unit import Unit
from sandbox.languages import Language

# Runs a command in a jail over a unit's files; returns the named product, or None.
Build = Callable[[Language, Sequence[str], Unit, str], Awaitable[bytes | None]]
# A command of the row with its placeholders filled by these words.
Fill = Callable[[Sequence[str], Unit, Mapping[str, tuple[str, ...]]], Sequence[str]]

# A precompiled one is read only where the program includes it before anything else.
_HEADERS = ("bits/stdc++.h", "iostream")
_ARCHIVE = "classes.jsa"
# Where the plugin does not fit the compiler, the header is made without it; the pragma then means nothing.
_PRECOMPILE = """\
header=$1 standard=$2
mkdir -p "$(dirname "$header")"
printf '#include <%s>\\n' "$header" >program.cpp
printf '#include <%s>\\n#pragma reward instantiate\\n' "$header" >header.h
make() {
  g++ -O2 "$standard" "$@" -x c++-header header.h -o "$header.gch" &&
    g++ -O2 "$standard" -I. -Winvalid-pch -Werror -fsyntax-only program.cpp
}
{ g++ -shared -fPIC instantiate.cc -o instantiate.so && make -fplugin=./instantiate.so; } || make
"""


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
        made = [path for path in self._paths(row, version) if path.exists()]
        if not made:
            return {}
        if row.rules == "cpp":
            return {"precompiled": tuple(f"-I{path}" for path in made)}
        return {"class_archive": (f"{_option_prefix(row)}-XX:SharedArchiveFile={made[0] / _ARCHIVE}",)}

    def prepare(self, row: Language, version: str, hello: Unit, fill: Fill) -> None:
        """Starts making the row's files, unless they are made or under way."""
        for path, product in self._paths(row, version).items():
            if path in self._started:
                continue
            self._started.add(path)
            if not path.exists():
                command, unit = _making(row, product, hello, fill)
                task = asyncio.create_task(self._make(row, command, unit, product, path))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Ends what is being made."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _paths(self, row: Language, version: str) -> dict[Path, str]:
        """The directories of what the row's compiler takes, and the file to be made in each."""
        if self._directory is None:
            return {}
        if row.rules == "cpp":
            start = self._directory / f"gcc-{version}-{_standard_flag(row)[1:]}"
            return {Path(f"{start}-{header.replace('/', '-')}"): f"{header}.gch" for header in _HEADERS}
        return {self._directory / f"{row.name}-{version}-classes": _ARCHIVE} if row.class_archive else {}

    async def _make(
        self, row: Language, command: Sequence[str], unit: Unit, product: str, path: Path
    ) -> None:
        try:
            made = await self._build(row, command, unit, product)
        except SandboxError:
            return  # after a fault of the service the next start tries again
        if made is not None:
            await asyncio.to_thread(_publish, path, product, made)


def _making(row: Language, product: str, hello: Unit, fill: Fill) -> tuple[Sequence[str], Unit]:
    """The command that makes the file, and what it works on."""
    if row.rules == "cpp":
        header = product.removesuffix(".gch")
        plugin = resources.files("sandbox.harness").joinpath("instantiate.cc").read_text()
        command = ("sh", "-euc", _PRECOMPILE, "precompile", header, _standard_flag(row))
        return command, Unit({"instantiate.cc": plugin}, {})
    words = {"class_archive": (f"{_option_prefix(row)}-XX:ArchiveClassesAtExit={_ARCHIVE}",)}
    return fill(row.compile_command or row.run_command, hello, words), hello


def _standard_flag(row: Language) -> str:
    return next(flag for flag in row.compile_command if flag.startswith("-std="))


def _option_prefix(row: Language) -> str:
    """javac takes its JVM's options behind -J."""
    return "-J" if row.compile_command[:1] == ("javac",) else ""


def _publish(directory: Path, name: str, content: bytes) -> None:
    """Puts a directory with one file in place at once and whole, or not at all."""
    staged = directory.with_name(f"{directory.name}.{os.getpid()}")
    (staged / name).parent.mkdir(parents=True)
    (staged / name).write_bytes(content)
    try:
        staged.rename(directory)
    except OSError:
        shutil.rmtree(staged)  # another server was faster
