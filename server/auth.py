"""API keys: who may ask, and how much.

A key is 256 random bits, shown once; the file keeps its SHA-256. A slow password hash would
add nothing: it makes guessing dear where secrets are few, and nobody guesses 256 bits. The
file is JSON and read again when it changes, so that keys come and go without a restart.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import fcntl
import hashlib
import json
import math
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from server.errors import ErrorCode, RequestError, StartupError
from server.watched_files import WatchedFiles

KEY_PREFIX = "rk_"
_KEY_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_BURST_SECONDS = 10.0  # of a key's rate, which it may use at once


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key as the file keeps it; a limit of 0 is none."""

    name: str
    sha256: str
    max_concurrent: int = 0  # requests inside at once
    cost_per_second: float = 0.0  # units of server.cost


def digest_of(secret: str) -> str:
    """What the file keeps of a key."""
    return hashlib.sha256(secret.encode()).hexdigest()


def read_keys(path: Path) -> dict[str, KeyRow]:
    """The keys of a file by digest; raises StartupError that says what is wrong with it."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["keys"]
        found = [KeyRow(**row) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StartupError(f"keys_file {path}: {error or type(error).__name__}") from error
    for row in found:
        if fault := _fault_of(row):
            raise StartupError(f"keys_file {path}: key {row.name!r}: {fault}")
    if len({row.name for row in found}) < len(found):
        raise StartupError(f"keys_file {path}: two keys have the same name")
    return {row.sha256: row for row in found}


def _fault_of(row: KeyRow) -> str:
    if not (isinstance(row.name, str) and _NAME.fullmatch(row.name)):
        return "a name is 1 to 64 letters, digits, '_', '.' and '-'"
    if not (isinstance(row.sha256, str) and _DIGEST.fullmatch(row.sha256)):
        return "sha256 is not 64 hex digits"
    for name, kind in (("max_concurrent", int), ("cost_per_second", (int, float))):
        value = getattr(row, name)
        if not isinstance(value, kind) or isinstance(value, bool) or not 0 <= value < math.inf:
            return f"{name} must be 0 or more"
    return ""


def add_key(path: Path, name: str, max_concurrent: int = 0, cost_per_second: float = 0.0) -> str:
    """Makes a key, keeps its hash, and returns the key itself; raises StartupError."""
    secret = KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    row = KeyRow(name, digest_of(secret), max_concurrent, cost_per_second)
    if fault := _fault_of(row):
        raise StartupError(f"keys: {name!r}: {fault}")
    with _locked(path):
        rows = list(read_keys(path).values()) if path.exists() else []
        if any(other.name == name for other in rows):
            raise StartupError(f"keys: {name!r} is in {path} already")
        _write_keys(path, [*rows, row])
    return secret


def remove_key(path: Path, name: str) -> None:
    """Removes a key; raises StartupError if there is none of this name."""
    with _locked(path):
        rows = list(read_keys(path).values())
        kept = [row for row in rows if row.name != name]
        if len(kept) == len(rows):
            raise StartupError(f"keys: {name!r} is not in {path}")
        _write_keys(path, kept)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One writer at a time; the lock is on the directory, because the file is replaced."""
    try:
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise StartupError(f"keys_file {path}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write_keys(path: Path, rows: list[KeyRow]) -> None:
    """Puts the file in place whole or not at all, readable by its owner alone."""
    content = json.dumps({"keys": [asdict(row) for row in rows]}, indent=1) + "\n"
    descriptor, staged = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
        os.replace(staged, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(staged)
        raise


class KeyQuota:
    """What one key uses: requests inside, and a bucket that its rate of cost fills.

    The bucket may be overdrawn by one request, so that one dearer than the bucket is not refused for ever.
    """

    def __init__(self, row: KeyRow, clock: Callable[[], float]) -> None:
        self.row = row
        self._clock = clock
        self._inside = 0
        self._left = row.cost_per_second * _BURST_SECONDS
        self._filled_at = clock()

    @property
    def limited(self) -> bool:
        """Whether there is any limit to count against."""
        return bool(self.row.max_concurrent or self.row.cost_per_second)

    @contextlib.contextmanager
    def enter(self, cost: float) -> Iterator[None]:
        """Room for one request of this cost; raises RequestError QUEUE_FULL where there is none."""
        row = self.row
        if row.max_concurrent and self._inside >= row.max_concurrent:
            raise _beyond(f"key {row.name!r} has {self._inside} requests in the server already", 1.0)
        if row.cost_per_second:
            self._draw(cost)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    def _draw(self, cost: float) -> None:
        rate, now = self.row.cost_per_second, self._clock()
        self._left = min(rate * _BURST_SECONDS, self._left + (now - self._filled_at) * rate)
        self._filled_at = now
        if self._left <= 0:
            wait = max(1.0, -self._left / rate)
            raise _beyond(f"key {self.row.name!r} may use {rate:g} units of cost a second", wait)
        self._left -= cost


def _beyond(message: str, wait_seconds: float) -> RequestError:
    return RequestError(ErrorCode.QUEUE_FULL, message, retry_after_seconds=wait_seconds)


class Keys:
    """The keys of a file while a server runs. Raises StartupError for a file that cannot be read."""

    def __init__(
        self,
        path: Path,
        on_reload: Callable[[int, str], None] = lambda _, __: None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._path = path
        self._on_reload = on_reload
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._watched = WatchedFiles([path], self._clock)
        self._rows = read_keys(path)
        self._quotas: dict[str, KeyQuota] = {}

    def quota_of(self, header: str) -> KeyQuota:
        """The key that an `Authorization` header names; raises RequestError UNAUTHENTICATED."""
        if self._watched.changed():
            self.reload()
        secret = _secret_in(header)
        row = self._rows.get(digest_of(secret)) if secret else None
        if row is None:
            why = "unknown API key" if secret else "an API key is required: Authorization: Bearer KEY"
            raise RequestError(ErrorCode.UNAUTHENTICATED, why, field="authorization")
        quota = self._quotas.get(row.sha256)
        if quota is None:
            quota = self._quotas[row.sha256] = KeyQuota(row, self._clock)
        return quota

    def reload(self) -> None:
        """Reads the file now; one that cannot be read leaves the keys as they were, and is reported."""
        self._watched.note()
        try:
            self._rows = read_keys(self._path)
        except StartupError as error:
            self._on_reload(len(self._rows), str(error))
            return
        self._quotas = {
            digest: self._limited(quota, self._rows[digest])
            for digest, quota in self._quotas.items()
            if digest in self._rows
        }
        self._on_reload(len(self._rows), "")

    def _limited(self, quota: KeyQuota, row: KeyRow) -> KeyQuota:
        quota.row = row
        return quota


def _secret_in(header: str) -> str:
    """The key in `Bearer KEY`, or as the password of `Basic`, which a URL with user:KEY@ becomes."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
