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

import contextlib
import math
import os
import signal
from collections.abc import Sequence
from functools import partial

from sandbox import frames, rlimits, root, seccomp, uids
from sandbox import syscalls as sys_
from sandbox.confinement import Places, Step
from sandbox.types import Limits

_NAMESPACES = (
    sys_.CLONE_NEWNS | sys_.CLONE_NEWIPC | sys_.CLONE_NEWUTS | sys_.CLONE_NEWNET | sys_.CLONE_NEWCGROUP
)
_SCRATCH_FLAGS = sys_.MS_NOSUID | sys_.MS_NODEV
_FILTER = seccomp.build_filter()
_COUNTABLE_FILTER = seccomp.build_countable_filter()
_CAP_SYS_PTRACE = 1 << 19
# Whatever one frame can hold fits, in files that each fill their last page: it is no memory of the program's.
_BOX_ROOM = f"size={2 * frames.MAX_FRAME_BYTES},nr_inodes=512k"
_PLACES = Places(work="/work", temporary="/tmp", box="/box")  # noqa: S108 - in the jail's own root


class Namespaces:
    """Implements `sandbox.confinement.Confinement`."""

    name = "namespaces"
    watch_seconds = math.inf
    templates_confined = True

    def __init__(self, uid_base: int) -> None:
        self._uid_base = uid_base
        self._rootless = os.geteuid() != 0
        self._own_pid_namespace = -1
        # A group that sees processes of other uids in a jail's /proc; 0 where no group is needed for it.
        self._watchers = 0 if self._rootless or _may_look_into_others() else uid_base - 1
        self._uid = -1  # of the present jail's programs

    def enter(self, binds: Sequence[str]) -> None:
        """Gives the launcher a mount namespace with the small root."""
        if self._rootless:
            _enter_user_namespace()
            _move_into_a_pid_namespace()
        self._own_pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        sys_.unshare(sys_.CLONE_NEWNS)
        root.enter(binds, self._owners())

    def _owners(self) -> Sequence[tuple[int, int]]:
        """Uid and gid of every slot's programs."""
        if self._rootless:
            return ((os.getuid(), os.getgid()),)
        return [(uid, uid) for uid in range(self._uid_base, self._uid_base + uids.BLOCK)]

    def leave(self) -> None:
        """The mounts go with the last process of the mount namespace."""

    def fork_init(self) -> int:
        """Forks a child that is the first process of a new pid namespace."""
        sys_.unshare(sys_.CLONE_NEWPID)
        pid = sys_.fork_plainly()
        if pid != 0:
            sys_.setns(self._own_pid_namespace, sys_.CLONE_NEWPID)  # where the next child would go
        return pid

    def uid_of(self, slot: int) -> int:
        """A uid per slot; an ordinary user has only its own."""
        return os.getuid() if self._rootless else self._uid_base + slot

    def sweep(self, slot: int) -> None:
        """The kernel has killed everything with the first process of the pid namespace."""

    def isolate(self, slot: int) -> Places:
        """Turns a fresh pid namespace's first process into a jail's init; its filter is every run's."""
        os.close(self._own_pid_namespace)
        self._uid = self.uid_of(slot)
        sys_.unshare(_NAMESPACES)
        hiding = f"hidepid=2,gid={self._watchers}" if self._watchers else "hidepid=2"
        sys_.mount("proc", "/proc", "proc", sys_.MS_NOSUID | sys_.MS_NODEV | sys_.MS_NOEXEC, hiding)
        if os.geteuid() == 0:
            # An ordinary user's jail must stay dumpable to own its /proc entries; there the supervisor's
            # capabilities, which the program lacks, keep it from being read.
            sys_.prctl(sys_.PR_SET_DUMPABLE, 0)
        sys_.prctl(sys_.PR_SET_NO_NEW_PRIVS, 1)
        sys_.install_seccomp(_FILTER)
        return _PLACES

    def mount_scratch(self, limits: Limits) -> None:
        """Mounts the writable places, empty; /box is the supervisor's own, read-only to the program."""
        for path in root.SCRATCH:
            self._mount_one(path, limits)

    def renew_scratch(self, limits: Limits) -> bool:
        """Mounts a writable place anew if the last run left anything in it."""
        filled = [path for path in root.SCRATCH if path != "/box" and _holds_anything(path)]
        for path in filled:
            sys_.unmount(path)
            self._mount_one(path, limits)
        return _PLACES.work in filled

    def _mount_one(self, path: str, limits: Limits) -> None:
        mode = "1777" if path in ("/tmp", "/dev/shm") else "755"  # noqa: S108 - the jail's own
        room = f"size={max(limits.memory_bytes, 64 << 20)},nr_inodes=16k"
        if path == _PLACES.box:
            room = _BOX_ROOM
        sys_.mount("tmpfs", path, "tmpfs", _SCRATCH_FLAGS, f"mode={mode},{room}")
        if path != _PLACES.box:
            os.chown(path, self._uid, self._uid if os.geteuid() == 0 else -1)

    def scratch_bytes(self, limits: Limits) -> int:
        """All of it is tmpfs: a control group counts it too, where there is one."""
        return sum(_filled_bytes(path) for path in root.SCRATCH if path != "/box")

    def restrict_all_runs(self, limits: Limits) -> None:
        """What runs inherit; the supervisor gives up its group, not its rights over the runs."""
        # An ordinary user's program has its maker's uid: nothing but this keeps it from its own text.
        flags = sys_.MS_REMOUNT | sys_.MS_BIND | sys_.MS_RDONLY | _SCRATCH_FLAGS
        sys_.mount("", _PLACES.box, "", flags)
        rlimits.limit_all_runs(limits)
        if os.geteuid() == 0:
            os.setgroups([self._watchers] if self._watchers else [])
            os.setresgid(self._uid, self._uid, self._uid)
        # Last: the kernel forgets it whenever credentials change.
        sys_.prctl(sys_.PR_SET_PDEATHSIG, signal.SIGKILL)

    def processes(self) -> list[int]:
        """Everything in the pid namespace but its first process."""
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]

    def kill_all(self) -> None:
        """From pid 1 this reaches every process of the jail and never this one."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)

    def confining(self, limits: Limits, *, has_memory_group: bool, has_process_group: bool) -> Sequence[Step]:
        """Of a forked run, last before the program: its limits, and no privilege left."""
        all_three = self._uid, self._uid, self._uid
        return (
            *rlimits.limiting_run(
                memory_bytes=None if has_memory_group else limits.memory_bytes,
                processes=None if has_process_group else limits.processes,
            ),
            *((partial(os.setgroups, []),) if self._watchers else ()),
            # The kernel empties every capability set with the change of uids.
            partial(os.setresuid, *all_three) if os.geteuid() == 0 else sys_.drop_capabilities,
            *(() if has_memory_group else (partial(sys_.install_seccomp, _COUNTABLE_FILTER),)),
            sys_.becoming_dumpable(),  # its own /proc/self, and with it /dev/stdin, is the program's again
        )


def _may_look_into_others() -> bool:
    """Whether this process may trace others: hidepid=2 hides those of another uid from who may not."""
    with open("/proc/self/status") as file:
        found = next(line for line in file if line.startswith("CapEff:"))
    return bool(int(found.split()[1], 16) & _CAP_SYS_PTRACE)


def _holds_anything(mount_point: str) -> bool:
    """Whether a tmpfs has an inode besides its root."""
    status = os.statvfs(mount_point)
    return status.f_files - status.f_ffree > 1


def _filled_bytes(mount_point: str) -> int:
    status = os.statvfs(mount_point)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def _enter_user_namespace() -> None:
    """Becomes root of a new user namespace that maps only the caller; raises OSError where forbidden."""
    uid, gid = os.geteuid(), os.getegid()
    sys_.unshare(sys_.CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _move_into_a_pid_namespace() -> None:
    """Goes on in a child, in a pid namespace that the user namespace owns and may so return to.

    The first process only waits, and takes the child with it if it is killed.
    """
    sys_.unshare(sys_.CLONE_NEWPID)
    pid = os.fork()
    if pid != 0:
        _, status = os.waitpid(pid, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    sys_.prctl(sys_.PR_SET_PDEATHSIG, signal.SIGKILL)
