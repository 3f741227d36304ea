"""Paths of files that come with a request."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from server.errors import invalid


def check_places(paths: Iterable[str], field: str) -> None:
    """Raises INVALID_ARGUMENT where one file would have to be the directory of another."""
    known = set(paths)
    for path in known:
        for parent in map(str, PurePosixPath(path).parents):
            if parent in known:
                raise invalid(f"{field}[{path[:80]!r}]", f"lies below {parent[:80]!r}, which is a file")
