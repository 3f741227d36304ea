"""Files that somebody may replace while the server runs: keys, certificates."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

_LOOK_AGAIN_SECONDS = 1.0


class WatchedFiles:
    """Tells whether files are others than when they were last read; looks at most once a second."""

    def __init__(self, paths: Sequence[Path], clock: Callable[[], float] = time.monotonic) -> None:
        self._paths = paths
        self._clock = clock
        self._look_at = 0.0
        self.note()

    def note(self) -> None:
        """They are about to be read: what changes from now on is a change."""
        self._seen = [_identity(path) for path in self._paths]

    def changed(self) -> bool:
        """Whether they must be read again."""
        now = self._clock()
        if now < self._look_at:
            return False
        self._look_at = now + _LOOK_AGAIN_SECONDS
        return [_identity(path) for path in self._paths] != self._seen


def _identity(path: Path) -> tuple[int, int, int] | None:
    """None for a file that is not there; links are followed, as Kubernetes swaps one for a new secret."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
