"""The small read-only root that the launcher moves into, and every jail with it.

The launcher builds it once, in a mount namespace of its own: system directories
bound read-only, a handful of synthetic files, a few device nodes, empty mount
points. A jail then only copies this short mount table and adds its own tmpfs
and /proc; nothing of the host's remaining tree is even mounted there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from sandbox import syscalls as sys_

SYSTEM_DIRECTORIES = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/alternatives")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime")
DEVICES = ("null", "zero", "full", "random", "urandom")
SCRATCH = ("/work", "/tmp", "/dev/shm", "/box")  # noqa: S108 - mount points in the jail's own root

_READ_ONLY = sys_.MS_BIND | sys_.MS_REMOUNT | sys_.MS_RDONLY | sys_.MS_NOSUID | sys_.MS_NODEV
# In a user namespace a bind may not lose the flags of its source (ST_* and MS_* agree on these bits).
_KEPT_FLAGS = os.ST_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME | os.ST_RELATIME
_SYNTHETIC = {
    "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
_STAGE = "/tmp"  # noqa: S108 - always there; mounted over in the launcher's own namespace only


def enter(binds: Sequence[str], owners: Sequence[tuple[int, int]]) -> None:
    """Builds the root and pivots into it; the caller is alone in its mount namespace.

    `binds` are further host directories to show read-only at their own path, `owners` the uids and gids of
    programs. Raises OSError where the kernel refuses.
    """
    sys_.mount("", "/", "", sys_.MS_REC | sys_.MS_PRIVATE)
    wanted = [path for path in (*SYSTEM_DIRECTORIES, *SYSTEM_FILES, *binds) if os.path.lexists(path)]
    # Opened before the stage hides /tmp: a virtual environment may live there.
    sources = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in wanted if not os.path.islink(path)}
    links = {path: os.readlink(path) for path in wanted if os.path.islink(path)}
    sys_.mount("tmpfs", _STAGE, "tmpfs", sys_.MS_NOSUID | sys_.MS_NODEV, "mode=755,size=4m,nr_inodes=4k")
    _write_synthetic({**_SYNTHETIC, **_accounts(owners)})
    for path, target in links.items():
        os.makedirs(_staged(os.path.dirname(path)), exist_ok=True)
        os.symlink(target, _staged(path))
    for path, descriptor in sources.items():
        _bind(f"/proc/self/fd/{descriptor}", path, directory=os.path.isdir(f"/proc/self/fd/{descriptor}"))
        os.close(descriptor)
    _make_devices()
    for path in (*SCRATCH, "/proc"):
        os.makedirs(_staged(path), exist_ok=True)
    if os.geteuid() != 0:
        # The kernel lets a user namespace mount a /proc only where a whole one is mounted already.
        sys_.mount("/proc", _staged("/proc"), "", sys_.MS_BIND | sys_.MS_REC)
    _pivot()


def _staged(path: str) -> str:
    return _STAGE + path


def _accounts(owners: Sequence[tuple[int, int]]) -> dict[str, str]:
    """Whoever a program runs as has the same name: no output may depend on its slot."""
    users = "".join(f"sandbox:x:{uid}:{gid}::/work:/bin/sh\n" for uid, gid in owners)
    groups = "".join(f"sandbox:x:{gid}:\n" for _, gid in owners)
    return {"/etc/passwd": f"root:x:0:0:root:/:/bin/false\n{users}", "/etc/group": f"root:x:0:\n{groups}"}


def _write_synthetic(files: Mapping[str, str]) -> None:
    for path, text in files.items():
        os.makedirs(_staged(os.path.dirname(path)), exist_ok=True)
        with open(_staged(path), "x") as file:
            file.write(text)


def _bind(source: str, path: str, *, directory: bool) -> None:
    target = _staged(path)
    os.makedirs(target if directory else os.path.dirname(target), exist_ok=True)
    if not directory:
        _touch(target)
    sys_.mount(source, target, "", sys_.MS_BIND)
    sys_.mount("", target, "", _READ_ONLY | os.statvfs(target).f_flag & _KEPT_FLAGS)


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644))


def _make_devices() -> None:
    os.makedirs(_staged("/dev"), exist_ok=True)
    for name in DEVICES:
        target = _staged(f"/dev/{name}")
        _touch(target)
        sys_.mount(f"/dev/{name}", target, "", sys_.MS_BIND)
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        os.symlink(f"/proc/self/fd{target}", _staged(f"/dev/{name}"))


def _pivot() -> None:
    old = _staged("/old")
    os.mkdir(old)
    os.chdir(_STAGE)
    sys_.pivot_root(".", old)
    os.chdir("/")
    # As root the launcher lives on without /proc: it needs none, and a jail mounts its own.
    sys_.unmount("/old")
    os.rmdir("/old")
    sys_.mount("", "/", "", sys_.MS_REMOUNT | sys_.MS_RDONLY | sys_.MS_NOSUID | sys_.MS_NODEV)


def interpreter_directories() -> tuple[str, ...]:
    """Where the running interpreter and its standard library live, if outside the system directories."""
    prefixes = {os.path.realpath(sys.base_prefix), os.path.realpath(sys.base_exec_prefix)}
    return tuple(sorted(path for path in prefixes if not path.startswith("/usr")))
