"""A temporary directory that is removed when its users have ended, however they ended.

Every process that uses it holds a lock on it (flock(2)), which the kernel lets go with the last of them.
Nobody can tidy up after SIGKILL; so whoever makes such a directory removes those beside it that nobody holds.
Locks, unlike process ids, are the same for all containers that share the place.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_FREE = fcntl.LOCK_EX | fcntl.LOCK_NB


@contextlib.contextmanager
def held_directory(prefix: str, place: str | None = None) -> Iterator[tuple[Path, int]]:
    """A new directory below `place` (the temporary one), and the descriptor of its lock.

    Processes started with that descriptor (`pass_fds`) hold the directory too. Raises OSError.
    """
    below = Path(place or tempfile.gettempdir())
    for stale in below.glob(f"{prefix}*"):
        _remove_if_free(stale)
    directory, lock = _made(prefix, below)
    try:
        yield directory, lock
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def _made(prefix: str, below: Path) -> tuple[Path, int]:
    """Another process may take it for a stale one before it is locked; then there is another."""
    while True:
        directory = Path(tempfile.mkdtemp(prefix=prefix, dir=below))
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            if _locks(lock) and directory.exists():
                return directory, lock
            os.close(lock)


def _remove_if_free(directory: Path) -> None:
    try:
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # it is gone, no directory, or another user's
        return
    try:
        if os.fstat(lock).st_uid == os.geteuid() and _locks(lock):
            shutil.rmtree(directory, ignore_errors=True)
    finally:
        os.close(lock)


def _locks(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, _FREE)
    except BlockingIOError:
        return False
    return True
