"""What the self-tests of the languages found, kept between starts for as long as the tools stay the same."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from sandbox.languages.row import QUICK_LINKER, Language

SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"  # as programs in a jail have it
_FILE = "languages.json"


@dataclass(frozen=True, slots=True)
class Finding:
    """One language's."""

    version: str
    available: bool
    reason: str
    linker: str = ""  # not the usual one


def tools_digest(row: Language, isolation: str) -> str | list[str]:
    """What identifies the row and its tools as they are now, or the tools that are missing."""
    paths = {tool: shutil.which(tool, path=SEARCH_PATH) for tool in row.tools}
    missing = [tool for tool, path in paths.items() if path is None]
    if missing:
        return missing
    hasher = hashlib.sha256(f"{isolation}\n{row}".encode())
    linker = shutil.which(QUICK_LINKER, path=SEARCH_PATH) if row.linker_options else None
    for path in (path for path in (*paths.values(), linker) if path is not None):
        found = os.stat(path)
        hasher.update(f"{os.path.realpath(path)} {found.st_size} {found.st_mtime_ns}\n".encode())
    return hasher.hexdigest()


class Findings:
    """A small file in the cache directory; without a directory nothing is kept."""

    def __init__(self, directory: str) -> None:
        self._path = Path(directory, _FILE) if directory else None

    def get(self, digest: str) -> Finding | None:
        """The finding on these tools, if there is one and it was good.

        A bad one is not believed twice: what was missing may have been installed since.
        """
        kept = self._read().get(digest)
        return kept if kept is not None and kept.available else None

    def put(self, digest: str, finding: Finding) -> None:
        """Keeps a finding; where the directory cannot be written, the next start tests again."""
        if self._path is None:
            return
        kept = {**self._read(), digest: finding}
        staged = self._path.with_name(f"{_FILE}.{os.getpid()}")
        try:
            staged.write_text(json.dumps({key: asdict(value) for key, value in kept.items()}, indent=1))
            staged.replace(self._path)
        except OSError:
            staged.unlink(missing_ok=True)

    def _read(self) -> dict[str, Finding]:
        if self._path is None:
            return {}
        try:
            return {key: Finding(**value) for key, value in json.loads(self._path.read_text()).items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}  # none yet, or another version's
