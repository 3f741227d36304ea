"""Where the server keeps what may outlive it: only caches that can be made again."""

from __future__ import annotations

import os
from pathlib import Path


def user_cache() -> Path:
    """`verdict-reward` in the user's cache directory."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base, "verdict-reward")
