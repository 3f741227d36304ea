"""Counts what this machine holds, so that a test can say that nothing was left over."""

from __future__ import annotations

import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from sandbox.cgroups import PREFIX, probe
from sandbox.landlock import SCRATCH_PREFIX

_OF_NAMESPACES, _OF_LANDLOCK = range(61_000, 62_000), range(1 << 20, 1 << 31)


@dataclass(frozen=True)
class Holdings:
    """What a sandbox could leave behind."""

    processes: int  # descendants of this process
    descriptors: int
    mounts: int
    cgroups: int
    scratch_bytes: int = 0  # in scratch directories of jails on this host's disks, files of every kind
    scratch_entries: int = 0
    shared_memory: tuple[int, ...] = ()  # System V and POSIX objects of users that have no account


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


def scratch() -> tuple[int, int]:
    """Bytes and entries below the slots of scratch directories that jails have outside of any namespace."""
    total, entries = 0, 0
    for parent in ("/tmp", "/var/tmp", "/dev/shm"):
        for top in Path(parent).glob(f"{SCRATCH_PREFIX}*-{os.getpid()}-*"):
            for folder, folders, files in os.walk(top):
                entries += len(folders) + len(files)
                total += sum(_size(os.path.join(folder, name)) for name in files)
    return total, entries


def _size(path: str) -> int:
    try:
        status = os.lstat(path)
    except OSError:
        return 0  # removed while we looked
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def shared_objects() -> tuple[int, ...]:
    """How many of each kind belong to the uids programs run under: System V's, then files."""
    counts = []
    for kind in ("shm", "sem", "msg"):
        rows = Path(f"/proc/sysvipc/{kind}").read_text().splitlines()
        place = rows[0].split().index("uid")
        counts.append(sum(_is_of_programs(int(row.split()[place])) for row in rows[1:]))
    return (
        *counts,
        *(_files_of_programs(Path(path)) for path in ("/dev/shm", "/dev/mqueue", "/tmp", "/var/tmp")),
    )


def _is_of_programs(uid: int) -> bool:
    return uid in _OF_NAMESPACES or uid in _OF_LANDLOCK


def _files_of_programs(directory: Path) -> int:
    if not directory.is_dir():
        return 0
    found = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            try:
                found += _is_of_programs(entry.stat(follow_symlinks=False).st_uid)
            except OSError:
                continue  # removed while we looked
    return found


def mounts(pid: int | None = None) -> int:
    """Those a process (default: this one) sees; an engine's own come and go with other containers."""
    points = [line.split()[1] for line in Path(f"/proc/{pid or 'self'}/mounts").read_text().splitlines()]
    return sum(not point.startswith(("/var/lib/docker", "/var/lib/containerd", "/run/")) for point in points)


def engine_connections() -> int:
    """This process's connections to a container engine: its client's, and those of ready containers.

    What containers there are is for the engine to say: `tests/docker` asks it.
    """
    return sum(_is_to_an_engine(int(name)) for name in os.listdir("/proc/self/fd"))


def _is_to_an_engine(descriptor: int) -> bool:
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return False
        with socket.socket(fileno=os.dup(descriptor)) as copy:
            return copy.family == socket.AF_UNIX and str(copy.getpeername()).endswith("docker.sock")
    except OSError:
        return False  # closed while we looked, or not connected


def holdings() -> Holdings:
    """What there is now."""
    groups = probe().directories.values()
    own = f"{PREFIX}{os.getpid()}-"
    size, entries = scratch()
    return Holdings(
        processes=len(descendants()),
        descriptors=len(os.listdir("/proc/self/fd")) - engine_connections(),
        mounts=mounts(),
        cgroups=sum(name.startswith(own) for path in groups for name in os.listdir(path)),
        scratch_bytes=size,
        scratch_entries=entries,
        shared_memory=shared_objects(),
    )
