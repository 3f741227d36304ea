"""What is compiled ahead, once per toolchain, because most of every compilation would repeat it.

C++: the headers that programs begin with, precompiled for each standard with what they use instantiated.
The JVM's compilers (and Clojure, which compiles as it runs): an archive of their loaded classes. All are made
in a jail from our own text, beside the first requests, and lie in the cache directory, which jails see
read-only. Without them compilations are slower, and no different.

python -m sandbox.ahead DIRECTORY    makes C++'s there, without a jail: for an image, as its `SHIPPED`
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path

from sandbox import languages, root
from sandbox.errors import SandboxError
from sandbox.harness.unit import Unit
from sandbox.languages import Language

# Runs a command in a jail over a unit's files; returns the named product, or None.
Build = Callable[[Language, Sequence[str], Unit, str], Awaitable[bytes | None]]
# A command of the row with its placeholders filled by these words.
Fill = Callable[[Sequence[str], Unit, Mapping[str, tuple[str, ...]]], Sequence[str]]

SHIPPED = Path("/usr/share/reward-server/ahead")
# A precompiled one is read only where the program includes it before anything else.
_HEADERS = ("bits/stdc++.h", "iostream")
_ARCHIVE = "classes.jsa"
# What lies beside a precompiled header: g++ reads it where it cannot take that, as for a second include.
_WRAPPER = "#pragma GCC system_header\n#include_next <{header}>\n"
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
    """The directory of such files, and the work that makes them.

    `remote`: compilers run in an image whose files are not seen from here; nothing is made for them.
    """

    def __init__(self, directory: str, build: Build, *, remote: bool = False) -> None:
        path = os.path.realpath(directory) if directory else ""
        # Jails mount their own scratch places over these: what lies below is not seen there.
        hidden = any(f"{path}/".startswith(f"{place}/") for place in root.SCRATCH)
        self._directory = Path(path) if path and not hidden else None
        self._remote = remote
        self._build = build
        self._started: set[str] = set()
        self._running: set[asyncio.Task[None]] = set()

    def words(self, row: Language, version: str) -> dict[str, tuple[str, ...]]:
        """What `{precompiled}` or `{class_archive}` stands for; nothing while it is not made."""
        found = [path for name in _products(row, version) if (path := self._find(row, name)) is not None]
        if not found:
            return {}
        if row.rules == "cpp":
            return {"precompiled": tuple(f"-I{path}" for path in found)}
        return {"class_archive": (f"{_option_prefix(row)}-XX:SharedArchiveFile={found[0] / _ARCHIVE}",)}

    def prepare(self, row: Language, version: str, hello: Unit, fill: Fill) -> None:
        """Starts making the row's files, unless they are there or under way."""
        for name, product in _products(row, version).items():
            if self._directory is None or name in self._started:
                continue
            self._started.add(name)
            if self._find(row, name) is None:
                command, unit = _making(row, product, hello, fill)
                task = asyncio.create_task(self._make(row, command, unit, product, self._directory / name))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    def _find(self, row: Language, name: str) -> Path | None:
        """The directory of that name, if there is one."""
        if self._remote:  # g++ passes over a directory that is not there; a JVM would complain
            return SHIPPED / name if row.rules == "cpp" else None
        places = (SHIPPED, self._directory) if self._directory else (SHIPPED,)
        return next((place / name for place in places if (place / name).exists()), None)

    async def close(self) -> None:
        """Ends what is being made."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _make(
        self, row: Language, command: Sequence[str], unit: Unit, product: str, path: Path
    ) -> None:
        try:
            made = await self._build(row, command, unit, product)
            if made is not None:
                await asyncio.to_thread(_publish, path, product, made)
        except (SandboxError, OSError):
            return  # after a fault of the service, or on a full disk: the next start tries again


def _products(row: Language, version: str) -> dict[str, str]:
    """What the row's compiler takes: the file, by the name of the directory that it is in."""
    if row.rules == "cpp":
        start = f"g++-{version}-{_standard_flag(row).removeprefix('-std=')}"
        return {f"{start}-{header.replace('/', '-')}": f"{header}.gch" for header in _HEADERS}
    return {f"{row.name}-{version}-classes": _ARCHIVE} if row.class_archive else {}


def _making(row: Language, product: str, hello: Unit, fill: Fill) -> tuple[Sequence[str], Unit]:
    """The command that makes the file, and what it works on."""
    if row.rules == "cpp":
        return _precompiling(row, product)
    words = {"class_archive": (f"{_option_prefix(row)}-XX:ArchiveClassesAtExit={_ARCHIVE}",)}
    return fill(row.compile_command or row.run_command, hello, words), hello


def _precompiling(row: Language, product: str) -> tuple[Sequence[str], Unit]:
    plugin = resources.files("sandbox.harness").joinpath("instantiate.cc").read_text()
    header = product.removesuffix(".gch")
    command = ("sh", "-euc", _PRECOMPILE, "precompile", header, _standard_flag(row))
    return command, Unit({"instantiate.cc": plugin}, {})


def _standard_flag(row: Language) -> str:
    return next(flag for flag in row.compile_command if flag.startswith("-std="))


def _option_prefix(row: Language) -> str:
    """javac takes its JVM's options behind -J."""
    return "-J" if row.compile_command[:1] == ("javac",) else ""


def _publish(directory: Path, product: str, content: bytes) -> None:
    """Puts a directory with the file in place at once and whole, or not at all; raises OSError."""
    staged = directory.with_name(f"{directory.name}.{os.getpid()}")
    shutil.rmtree(staged, ignore_errors=True)  # of a server that had this pid and was killed
    try:
        (staged / product).parent.mkdir(parents=True)
        (staged / product).write_bytes(content)
        header = product.removesuffix(".gch")
        if header != product:
            (staged / header).write_text(_WRAPPER.format(header=header))
        with contextlib.suppress(OSError):  # another server was faster
            staged.rename(directory)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def make_for_image(directory: Path) -> None:
    """C++'s headers, made here and now; raises OSError or CalledProcessError where that fails."""
    row = languages.CPP
    version = subprocess.run(row.version_command, capture_output=True, text=True, check=True).stdout.strip()
    for name, product in _products(row, version).items():
        command, unit = _precompiling(row, product)
        with tempfile.TemporaryDirectory() as here:
            for path, content in unit.contents.items():
                Path(here, path).write_bytes(content)
            subprocess.run(command, cwd=here, check=True)
            _publish(directory / name, product, Path(here, product).read_bytes())


if __name__ == "__main__":
    make_for_image(Path(sys.argv[1]))
