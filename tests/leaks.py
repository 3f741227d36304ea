"""Counts what this machine holds, so that a test can say that nothing was left over."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sandbox.cgroups import PREFIX, probe


@dataclass(frozen=True)
class Holdings:
    """What a sandbox could leave behind."""

    processes: int  # descendants of this process
    descriptors: int
    mounts: int
    cgroups: int


def descendants(root: int | None = None) -> list[int]:
    """Every living process below `root` (default: this one)."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue  # it ended while we looked
            if fields[0] != "Z":
                parents[int(entry.name)] = int(fields[1])
    found, fringe = [], {root or os.getpid()}
    while fringe:
        fringe = {pid for pid, parent in parents.items() if parent in fringe}
        found.extend(fringe)
    return found


def holdings() -> Holdings:
    """What there is now."""
    groups = probe().directories.values()
    own = f"{PREFIX}{os.getpid()}-"
    return Holdings(
        processes=len(descendants()),
        descriptors=len(os.listdir("/proc/self/fd")),
        mounts=len(Path("/proc/self/mounts").read_text().splitlines()),
        cgroups=sum(name.startswith(own) for path in groups for name in os.listdir(path)),
    )
