"""Compiled programs by content: one compilation per distinct input, kept within a byte budget."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from sandbox.types import Compilation, Program

_OVERHEAD_BYTES = 512


@dataclass(frozen=True, slots=True)
class Content:
    """What an artefact's blob holds: files by name, and words for the language's commands."""

    files: Mapping[str, bytes]
    words: Mapping[str, tuple[str, ...]]


def pack(content: Content) -> bytes:
    """One blob: the length of a JSON header, the header, the files."""
    sizes = {name: len(data) for name, data in content.files.items()}
    header = json.dumps({"sizes": sizes, "words": {k: list(v) for k, v in content.words.items()}}).encode()
    return b"".join((len(header).to_bytes(8, "little"), header, *content.files.values()))


def unpack(blob: bytes) -> Content:
    """The content of a blob that `pack` made."""
    position = 8 + int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8:position])
    files = {}
    for name, size in header["sizes"].items():
        files[name] = blob[position : position + size]
        position += size
    return Content(files, {name: tuple(words) for name, words in header["words"].items()})


def digest(program: Program, toolchain: str) -> str:
    """The content hash of everything that a compilation depends on."""
    hasher = hashlib.sha256()
    parts = (
        toolchain,
        program.language,
        program.mode.value,
        program.function,
        program.setup,
        program.source,
        program.tests,
        program.path,
        *(part for file in program.files for part in file),
    )
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        hasher.update(len(data).to_bytes(8, "little"))
        hasher.update(data)
    return hasher.hexdigest()


class ArtefactCache:
    """Least recently used compilations; concurrent requests for one share its run."""

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes = capacity_bytes
        self._kept: OrderedDict[str, Compilation] = OrderedDict()
        self._running: dict[str, asyncio.Task[Compilation]] = {}
        self._bytes = 0

    @property
    def size_bytes(self) -> int:
        """Bytes held."""
        return self._bytes

    async def get(self, key: str, compile_: Callable[[], Awaitable[Compilation]]) -> Compilation:
        """The compilation under `key`, made by `compile_` if nobody has; its errors reach every waiter."""
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return replace(kept, cached=True)
        task = self._running.get(key)
        if task is None:
            task = asyncio.ensure_future(self._make(key, compile_))
            self._running[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        # One impatient waiter must not take the compilation from the others.
        return await asyncio.shield(task)

    async def _make(self, key: str, compile_: Callable[[], Awaitable[Compilation]]) -> Compilation:
        made = await compile_()
        self._keep(key, made)
        return made

    def _finished(self, key: str, task: asyncio.Task[Compilation]) -> None:
        self._running.pop(key, None)
        if not task.cancelled():
            task.exception()  # marks it as seen: every waiter may have left

    def _keep(self, key: str, made: Compilation) -> None:
        self._kept[key] = made
        self._bytes += _size(made)
        while self._bytes > self._capacity_bytes and self._kept:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= _size(dropped)


def _size(made: Compilation) -> int:
    artefact = made.artefact
    source = 0 if artefact is None else len(artefact.blob) + len(artefact.program.source)
    return _OVERHEAD_BYTES + len(made.diagnostics) + source
