"""The `namespaces` backend: what isolates a jail, step by step.

Covered: own user or uid, mount, pid, network, ipc, uts and cgroup namespaces;
a read-only root without the host's files; private tmpfs for everything
writable; no network interface, not even loopback; no new privileges, no
capabilities; a seccomp deny list; limits on CPU time, wall time, memory,
processes, output, file size and open files; every process of the jail dies
with its first one, whose death the kernel ties to the launcher's.

Not covered: faults of the Linux kernel itself; side channels between programs
that share cores and caches; the bandwidth of memory and disk; the host's
public facts under /proc that the kernel does not namespace (its version, CPU
model, load). Without a writable cgroup, memory is held per process only.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Sequence

from sandbox import root, seccomp
from sandbox import syscalls as sys_
from sandbox.types import Limits

_NAMESPACES = (
    sys_.CLONE_NEWNS | sys_.CLONE_NEWIPC | sys_.CLONE_NEWUTS | sys_.CLONE_NEWNET | sys_.CLONE_NEWCGROUP
)
OPEN_FILES = 1024
FILE_BYTES = 256 << 20
_SCRATCH_FLAGS = sys_.MS_NOSUID | sys_.MS_NODEV
_FILTER = seccomp.build_filter()


def enter_user_namespace() -> None:
    """Becomes root of a new user namespace that maps only the caller; raises OSError where forbidden."""
    uid, gid = os.geteuid(), os.getegid()
    sys_.unshare(sys_.CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def enter_root(binds: Sequence[str], cgroup_directories: dict[str, str]) -> dict[str, str]:
    """Gives the launcher a mount namespace with the small root; returns where cgroups are now."""
    sys_.unshare(sys_.CLONE_NEWNS)
    return root.enter(binds, cgroup_directories)


def isolate(cgroup_mounts: Sequence[str]) -> None:
    """Turns a fresh pid namespace's first process into a jail's init; its seccomp filter is every run's."""
    sys_.unshare(_NAMESPACES)
    sys_.mount("proc", "/proc", "proc", sys_.MS_NOSUID | sys_.MS_NODEV | sys_.MS_NOEXEC, "hidepid=2")
    for path in cgroup_mounts:
        sys_.unmount(path)
    if os.geteuid() == 0:
        # An ordinary user's jail must stay dumpable to own its /proc entries; there the supervisor's
        # capabilities, which the program lacks, keep it from being read.
        sys_.prctl(sys_.PR_SET_DUMPABLE, 0)
    sys_.prctl(sys_.PR_SET_NO_NEW_PRIVS, 1)
    sys_.install_seccomp(_FILTER)


def mount_scratch(limits: Limits, uid: int) -> None:
    """Mounts the writable places, empty; /box is the supervisor's own, read-only to the program."""
    size = max(limits.memory_bytes, 64 << 20)
    for path in root.SCRATCH:
        sys_.mount("tmpfs", path, "tmpfs", _SCRATCH_FLAGS, f"mode=755,size={size},nr_inodes=16k")
        if path != "/box":
            os.chown(path, uid, uid if os.geteuid() == 0 else -1)
    os.chmod("/tmp", 0o1777)  # noqa: S108,S103 - the jail's own
    os.chmod("/dev/shm", 0o1777)  # noqa: S108,S103 - the jail's own


def renew_scratch(limits: Limits, uid: int) -> None:
    """Gives the next run clean scratch places if the last one left anything."""
    dirty = [path for path in root.SCRATCH if path != "/box" and os.listdir(path)]
    for path in dirty:
        sys_.unmount(path)
        size = max(limits.memory_bytes, 64 << 20)
        mode = "755" if path == "/work" else "1777"
        sys_.mount("tmpfs", path, "tmpfs", _SCRATCH_FLAGS, f"mode={mode},size={size},nr_inodes=16k")
        os.chown(path, uid, uid if os.geteuid() == 0 else -1)


def restrict_all_runs(limits: Limits, uid: int) -> None:
    """In the supervisor, once: what its runs inherit and what does not hinder itself."""
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    _limit(resource.RLIMIT_STACK, max(limits.memory_bytes, 8 << 20))
    _limit(resource.RLIMIT_MSGQUEUE, 0)
    _limit(resource.RLIMIT_FSIZE, max(FILE_BYTES, limits.output_bytes))
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
    # Last: the kernel forgets it whenever credentials change.
    sys_.prctl(sys_.PR_SET_PDEATHSIG, signal.SIGKILL)


def confine(limits: Limits, uid: int, *, has_memory_group: bool, has_process_group: bool) -> None:
    """In a forked test, last before the program: its limits, and no privilege left."""
    cpu = int(limits.cpu_seconds) + 2  # a second wall behind the supervisor's measured limit
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
    if not has_memory_group:
        _limit(resource.RLIMIT_DATA, limits.memory_bytes)
    if not has_process_group:
        _limit(resource.RLIMIT_NPROC, limits.processes)
    if os.geteuid() == 0:
        os.setresuid(uid, uid, uid)  # the kernel empties every capability set with this
    else:
        sys_.drop_capabilities()
    sys_.become_dumpable()  # its own /proc/self, and with it /dev/stdin, is the program's again


def _limit(what: int, value: int) -> None:
    _, hard = resource.getrlimit(what)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (value, value))
