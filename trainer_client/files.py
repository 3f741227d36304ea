"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def written_whole(path: Path) -> Iterator[IO[str]]:
    """A text file that takes its name when the block ends well; until then the old one stays."""
    draft = path.with_name(path.name + ".part")
    with draft.open("w", encoding="utf-8") as file:
        yield file
    os.replace(draft, path)


def drop_cut_off_line(path: Path) -> None:
    """Takes away what a kill left of a last line: the next would stand behind it, and neither be readable."""
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        if file.read() != b"\n":  # or nothing of a long file is read
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
