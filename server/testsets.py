"""Test sets kept under their content hash: a trainer sends a problem's tests once.

The hash is "sha256:" and the hex digest of the message in protobuf's
deterministic serialisation, so equal tests share one entry. The least recently
used sets leave when the byte budget is exceeded; a client that then names one
gets UNKNOWN_TESTS and sends it again.

With a directory, every set is also a file there, named by its digest, within a byte
budget of its own. It outlives the process, and is believed only as far as its content
has the hash that names it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path

from protos.reward.v1 import reward_pb2 as pb
from server.errors import ErrorCode, RequestError, StartupError
from server.verify.code.validation import validate_tests

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})\Z")
_FILE = re.compile(r"[0-9a-f]{64}\Z")
_LOOKS = 16  # how often a directory is read while a whole budget is written


class TestSets:
    """The test sets that this process holds, at most `budget_bytes` of them (serialised size)."""

    __test__ = False  # not a test case, whatever pytest makes of the name

    def __init__(self, budget_bytes: int, disk: TestSetFiles | None = None) -> None:
        self._budget_bytes = budget_bytes
        self._disk = disk
        self._held_bytes = 0
        self._sets: OrderedDict[str, pb.TestSet] = OrderedDict()

    @property
    def held_bytes(self) -> int:
        """Serialised size of all sets held now."""
        return self._held_bytes

    async def keep(self, tests: pb.TestSet) -> pb.TestSetRef:
        """As `put`, and on disk where there is one; raises RequestError, and OSError if the disk fails."""
        kept = self.put(tests)
        if self._disk is not None:
            content = tests.SerializeToString(deterministic=True)
            await asyncio.to_thread(self._disk.write, kept.hash, content)
        return kept

    async def find(self, digest: str) -> pb.TestSet | None:
        """As `get`, and from disk if it is only there."""
        held = self.get(digest)
        if held is not None or self._disk is None:
            return held
        content = await asyncio.to_thread(self._disk.read, digest)
        if content is None:
            return None
        tests = pb.TestSet.FromString(content)
        self.put(tests)
        return tests

    def put(self, tests: pb.TestSet) -> pb.TestSetRef:
        """Keeps a copy of a set; RequestError if it is malformed or above the whole budget."""
        validate_tests(tests, "")
        size = tests.ByteSize()
        if size > self._budget_bytes:
            message = f"the test set has {size} bytes, all sets together may have {self._budget_bytes}"
            raise RequestError(ErrorCode.TOO_LARGE, message, field="tests")
        digest = content_hash(tests)
        if digest not in self._sets:
            self._sets[digest] = _copy(tests)
            self._held_bytes += size
        self._sets.move_to_end(digest)
        self._evict()
        return pb.TestSetRef(hash=digest, cases=count_cases(tests), bytes=size)

    def get(self, digest: str) -> pb.TestSet | None:
        """The set of this hash in memory, not to be changed by the caller; None if it is not held."""
        held = self._sets.get(digest)
        if held is not None:
            self._sets.move_to_end(digest)
        return held

    def _evict(self) -> None:
        while self._held_bytes > self._budget_bytes:
            _, oldest = self._sets.popitem(last=False)
            self._held_bytes -= oldest.ByteSize()


class TestSetFiles:
    """Test sets as files below one directory, at most `budget_bytes`.

    Several servers may share it; each writes at most a sixteenth of it before it sees what others wrote.
    """

    __test__ = False

    def __init__(self, directory: Path, budget_bytes: int) -> None:
        """Raises StartupError that names the setting where the directory cannot be used."""
        self._directory = directory
        self._budget_bytes = budget_bytes
        self._writing = threading.Lock()  # of this process; others are reckoned with file by file
        self._free_bytes = 0  # that may be written before the directory is read again
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryFile(dir=directory):
                """A set can be written."""
        except OSError as error:
            raise StartupError(f"test_sets_directory: {directory}: {error.strerror}") from error

    def write(self, digest: str, content: bytes) -> None:
        """Puts a set in place whole or not at all; one above the whole budget is left out."""
        path = self._path(digest)
        if path is None or len(content) > self._budget_bytes:
            return
        with self._writing:
            if not _touched(path):
                self._make_room(len(content))
                self._put(path, content)

    def _put(self, path: Path, content: bytes) -> None:
        descriptor, staged = tempfile.mkstemp(dir=self._directory, prefix="new-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            os.replace(staged, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(staged)
            raise

    def read(self, digest: str) -> bytes | None:
        """The content of this hash; a file with another content is removed and counts as absent."""
        path = self._path(digest)
        if path is None:
            return None
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        if f"sha256:{hashlib.sha256(content).hexdigest()}" == digest:
            _touched(path)
            return content
        path.unlink(missing_ok=True)
        return None

    def _path(self, digest: str) -> Path | None:
        found = _DIGEST.match(digest)
        return self._directory / found.group(1) if found else None

    def _make_room(self, wanted_bytes: int) -> None:
        if wanted_bytes > self._free_bytes:
            self._free_bytes = max(wanted_bytes, self._budget_bytes // _LOOKS)
            self._evict(self._budget_bytes - self._free_bytes)
        self._free_bytes -= wanted_bytes

    def _evict(self, most_bytes: int) -> None:
        """Removes the files that were used longest ago."""
        files = self._files()
        excess = sum(status.st_size for status, _ in files) - most_bytes
        for status, path in sorted(files, key=lambda item: item[0].st_mtime_ns):
            if excess <= 0:
                return
            Path(path).unlink(missing_ok=True)
            excess -= status.st_size

    def _files(self) -> list[tuple[os.stat_result, str]]:
        """What is there, but for what another server removes meanwhile."""
        found = []
        with os.scandir(self._directory) as entries:
            for entry in entries:
                if _FILE.match(entry.name):
                    with contextlib.suppress(FileNotFoundError):
                        found.append((entry.stat(), entry.path))
        return found


def _touched(path: Path) -> bool:
    """Whether there is such a file; it has been used now."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def content_hash(tests: pb.TestSet) -> str:
    """The name of a test set: "sha256:" and 64 hex digits."""
    return f"sha256:{hashlib.sha256(tests.SerializeToString(deterministic=True)).hexdigest()}"


def count_cases(tests: pb.TestSet) -> int:
    """How many tests a set has; asserts and unit tests count as they were sent."""
    if tests.WhichOneof("tests") == "asserts":
        return len(tests.asserts.tests)
    if tests.WhichOneof("tests") == "unit_test":
        return len(tests.unit_test.expected_tests) or len(tests.unit_test.files)
    return len(tests.stdio.cases) + len(tests.call.cases) + len(tests.interactive.cases)


def _copy(tests: pb.TestSet) -> pb.TestSet:
    copy = pb.TestSet()
    copy.CopyFrom(tests)
    return copy
