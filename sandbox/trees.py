"""Removes what programs left in a directory, however deep, wide or strangely named it is.

For directories that no living process of the program can reach any more. Uses two
descriptors and no recursion, and follows no link.
"""

from __future__ import annotations

import contextlib
import os

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def empty(path: str) -> None:
    """Removes everything below `path` and keeps `path`; raises OSError if something cannot be removed."""
    here = os.open(path, _OPEN)
    above: list[list[str]] = []  # the directories that remain on each level, those under work last
    pending = _remove_files(here)
    try:
        while True:
            if pending:
                here = _move(here, pending[-1])
                above.append(pending)
                pending = _remove_files(here)
            elif above:
                here = _move(here, "..")
                pending = above.pop()
                os.rmdir(pending.pop(), dir_fd=here)
            else:
                return
    finally:
        os.close(here)


def remove(path: str) -> None:
    """Removes the directory `path` with everything in it; it may be missing."""
    with contextlib.suppress(FileNotFoundError):
        empty(path)
        os.rmdir(path)


def measure(path: str, enough_bytes: int, enough_entries: int) -> tuple[int, int]:
    """Bytes on disk and entries below `path`, as far as they can be seen while programs change them.

    Stops counting when either is enough.
    """
    total, entries, fringe = 0, 0, [path]
    while fringe and total <= enough_bytes and entries <= enough_entries:
        with contextlib.suppress(OSError), os.scandir(fringe.pop()) as found:  # it went away, or is too deep
            for entry in found:
                entries += 1
                status = entry.stat(follow_symlinks=False)
                total += status.st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    fringe.append(entry.path)
    return total, entries


def _move(here: int, name: str) -> int:
    try:
        following = os.open(name, _OPEN, dir_fd=here)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=here)  # a directory, not a link: it was listed as one
        following = os.open(name, _OPEN, dir_fd=here)
    os.close(here)
    return following


def _remove_files(here: int) -> list[str]:
    """Removes what is no directory, and empty directories; returns the names of the others."""
    directories = []
    with os.scandir(here) as found:
        entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
    for name, is_directory in entries:
        if not is_directory:
            os.unlink(name, dir_fd=here)
            continue
        try:
            os.rmdir(name, dir_fd=here)
        except OSError:
            directories.append(name)
    return directories
