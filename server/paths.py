"""Paths of files that come with a request."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from server.errors import invalid

MAX_PATH_BYTES = 255


def check_paths(paths: Iterable[str], field: str) -> None:
    """Raises INVALID_ARGUMENT for a path that leaves the working directory, or that no file can have."""
    for path in paths:
        if not _is_plain(path):
            raise invalid(f"{field}[{path[:80]!r}]", "must be a plain relative path without '..'")


def check_places(paths: Iterable[str], field: str) -> None:
    """Raises INVALID_ARGUMENT as `check_paths`, and where one file would have to be another's directory."""
    known = set(paths)
    check_paths(known, field)
    for path in known:
        for parent in map(str, PurePosixPath(path).parents):
            if parent in known:
                raise invalid(f"{field}[{path[:80]!r}]", f"lies below {parent[:80]!r}, which is a file")


def _is_plain(path: str) -> bool:
    parts = PurePosixPath(path).parts
    is_plain = bool(parts) and path == str(PurePosixPath(path)) and not path.startswith("/")
    return is_plain and ".." not in parts and "\0" not in path and len(path.encode()) <= MAX_PATH_BYTES
