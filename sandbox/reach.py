"""Directories that root can read and a jail's uid cannot enter, such as an interpreter below /root.

Where the launcher may mount, it shows them at their own path, in a mount namespace of its own;
where it may not, the operator has to open the way.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from sandbox import syscalls as sys_


def open_the_way(paths: Iterable[str]) -> None:
    """Makes every path reachable for every uid; raises OSError naming the command that would."""
    shut = {path: blocked_by(path) for path in paths}
    wanted = {path: gate for path, gate in shut.items() if gate}
    if not wanted:
        return
    try:
        _show(wanted)
    except OSError as error:
        gates = " ".join(sorted(set(wanted.values())))
        raise OSError(f"programs' uids cannot enter {gates}: chmod o+x {gates}") from error


def blocked_by(path: str) -> str:
    """The first directory on the way to `path`, itself included, that others may not enter; empty if none."""
    parts = [part for part in path.split("/") if part]
    for count in range(1, len(parts) + 1):
        place = "/" + "/".join(parts[:count])
        if os.path.isdir(place) and not os.stat(place).st_mode & 0o001:
            return place
    return ""


def _show(wanted: dict[str, str]) -> None:
    """Covers each closed directory with one that holds the way to the wanted paths, and nothing else."""
    sys_.unshare(sys_.CLONE_NEWNS)
    sys_.mount("", "/", "", sys_.MS_REC | sys_.MS_PRIVATE)
    # Opened after the change: what belongs to another mount namespace cannot be bound.
    sources = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in wanted}
    for gate in sorted(set(wanted.values())):
        sys_.mount("tmpfs", gate, "tmpfs", sys_.MS_NOSUID | sys_.MS_NODEV, "mode=755,size=1m,nr_inodes=1k")
    for path, source in sources.items():
        os.makedirs(path, exist_ok=True)
        sys_.mount(f"/proc/self/fd/{source}", path, "", sys_.MS_BIND)
        os.close(source)
