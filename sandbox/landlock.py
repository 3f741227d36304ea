"""The `landlock` backend: what is left in a default container, which may make no namespaces and no mounts.

Covered: the file system (Landlock rules: system directories read-only, the jail's
own scratch directories, nothing else can be opened; the server's files and the
memory, environment and descriptors of every process outside are out of reach);
no sockets but connected pairs, so neither network nor loopback nor the sockets of
other programs; no System V or POSIX message queues, semaphores and shared memory;
no new privileges, no capabilities, the seccomp deny list of the `namespaces` jail and
more; as root a uid per jail, so that other processes cannot be signalled, and every
process of a jail can be found and killed; the same through Landlock's scopes as an
ordinary user; processes that daemonise are adopted by the supervisor and die with
their run; limits on CPU time, wall time, processes, output, file size, open files;
scratch directories are counted as memory, and emptied between the runs.

Not covered, beside what `namespaces` does not cover either: the names, sizes and
owners of files outside can be seen, though not their content; so can the command
lines' length and the state of nothing but the program's own processes, the mount
table and the socket table of the container. Scratch directories lie on the
container's disk: between two looks of the supervisor a program can write more than
its limit. Programs cannot use /tmp and /dev/shm by name (TMPDIR names a directory
of their own), nor named semaphores. Without a writable control group, memory is held
per process and by a watcher, and CPU time of children that their parent told the
kernel to forget is not counted (the wall clock is). If every process of the server is
killed at once, running programs live on until the kernel's own limit ends them (ten
times the one on CPU time). As an ordinary user: the process limit counts the user's
other processes too.

The interface is that of the kernel's Documentation/userspace-api/landlock.rst.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import struct
import time
from collections.abc import Sequence
from functools import partial

from sandbox import landlock_rules as rules
from sandbox import reach, rlimits, root, seccomp, trees, uids
from sandbox import syscalls as sys_
from sandbox.confinement import KEPT_DESCRIPTORS, Places, Step
from sandbox.types import Limits

# An ordinary user's program has the server's uid: only scopes keep it from signalling the server.
ABI_AS_ROOT, ABI_AS_USER = 1, 6
SCRATCH_PREFIX = "reward-scratch-"
SCRATCH_ENTRIES = 16 << 10
_SCRATCH_PARENTS = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - a directory of our own is made in it
_PUBLIC = (
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/uptime", "/proc/loadavg", "/proc/version"),
    *("/proc/filesystems", "/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/osrelease"),
)
_DEVICES = tuple(f"/dev/{name}" for name in root.DEVICES)
_DYING_SECONDS = 0.0005
_PID = struct.Struct("q")
_SLOTS = uids.BLOCK // 2  # the upper half of a launcher's uids are the slots' bystanders
_FILTER = seccomp.build_filter(namespaces=False)
_COUNTABLE_FILTER = seccomp.build_countable_filter()


class Landlock:
    """Implements `sandbox.confinement.Confinement`."""

    name = "landlock"
    watch_seconds = 0.05
    templates_confined = False  # each run's rules name its own entry of /proc

    def __init__(self, family: str) -> None:
        """`family` begins the names of the scratch directories of one server's launchers."""
        self._family = family
        self._as_root = os.geteuid() == 0
        self._first_uid = uids.first_uid(os.getpid())
        self._uid = -1  # of the present jail's programs
        self._launcher = -1  # the parent of a jail's first process
        self._visible: tuple[str, ...] = ()
        self._base = ""
        self._warden = -1, -1  # its pid, and the pipe whose end it waits for
        self._inits: set[int] = set()
        self._places = Places("", "", "")
        self._ruleset: rules.Ruleset | None = None
        self._end: _End | None = None

    # In the launcher.

    def enter(self, binds: Sequence[str]) -> None:
        """Makes the scratch directory and the process that outlives this one to clear it."""
        if why := unfit():
            raise OSError(why)
        self._visible = tuple(
            os.path.realpath(path)
            for path in (*root.SYSTEM_DIRECTORIES, *root.SYSTEM_FILES, *binds)
            if os.path.exists(path)
        )
        if self._as_root:
            reach.open_the_way(path for path in self._visible if os.path.isdir(path))
        _remove_orphaned()
        self._base = _make_base(self._family)
        sys_.prctl(sys_.PR_SET_CHILD_SUBREAPER, 1)  # what a killed supervisor leaves comes here to be reaped
        self._warden = self._start_warden()

    def leave(self) -> None:
        """Ends the warden, which clears the scratch directory."""
        pid, pipe = self._warden
        os.close(pipe)
        os.waitpid(pid, 0)

    def fork_init(self) -> int:
        """Forks a jail's first process."""
        pid = sys_.fork_plainly()
        if pid != 0:
            self._inits.add(pid)
        return pid

    def uid_of(self, slot: int) -> int:
        """A uid per slot that no other launcher of this host uses; an ordinary user has only its own."""
        assert slot < _SLOTS
        return self._first_uid + slot if self._as_root else os.getuid()

    def sweep(self, slot: int) -> None:
        """Kills and reaps what a dead supervisor left, and empties the slot's directory."""
        while orphans := self._orphans(slot):
            if self._as_root:
                _kill_all_of(self.uid_of(slot))
            for pid in orphans:  # as an ordinary user's they have heard of the supervisor's death themselves
                os.waitpid(pid, 0)
        trees.remove(self._slot_directory(slot))

    def _orphans(self, slot: int) -> list[int]:
        children = set(_children(os.getpid()))
        self._inits &= children
        adopted = children - self._inits - {self._warden[0]}
        # Root's are templates, which die with their supervisor.
        return [pid for pid in adopted if not self._as_root or _uid(pid) in (0, self.uid_of(slot))]

    def _start_warden(self) -> tuple[int, int]:
        reading, writing = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            _guard(reading, self._base, self._first_uid if self._as_root else 0)
        os.close(reading)
        return pid, writing

    def _slot_directory(self, slot: int) -> str:
        return f"{self._base}/{slot}"

    # In a jail's first process.

    def isolate(self, slot: int) -> Places:
        """Restricts the supervisor itself: it can write nothing but the slot's scratch directories."""
        os.close(self._warden[1])
        self._launcher = os.getppid()
        self._uid = self.uid_of(slot)
        top = self._slot_directory(slot)
        work, temporary, box = (f"{top}/{name}" for name in ("work", "tmp", "box"))
        self._places = Places(work, temporary, box)
        trees.remove(top)
        for path in (top, self._places.work, self._places.temporary, self._places.box):
            os.mkdir(path, 0o755)
        if self._as_root:
            sys_.prctl(sys_.PR_SET_DUMPABLE, 0)
        sys_.prctl(sys_.PR_SET_CHILD_SUBREAPER, 1)
        sys_.prctl(sys_.PR_SET_NO_NEW_PRIVS, 1)
        self._restrict_supervisor(top)
        sys_.install_seccomp(_FILTER)
        self._ruleset = self._rules_of_runs()
        if not self._as_root:
            self._end = _End()
        return self._places

    def _restrict_supervisor(self, top: str) -> None:
        ruleset = rules.Ruleset(scoped=False)
        ruleset.allow("/", rules.READ)
        for path in ("/proc", "/dev"):
            ruleset.allow(path, rules.WRITE_FILE)
        ruleset.allow(top, rules.SCRATCH)
        ruleset.enforce()
        ruleset.close()

    def _rules_of_runs(self) -> rules.Ruleset:
        ruleset = rules.Ruleset(scoped=True)
        for path in self._visible:
            ruleset.allow(path, rules.READ)
        for path in (*_PUBLIC, *_DEVICES):
            with contextlib.suppress(FileNotFoundError):  # a container's /proc and /dev may lack some
                ruleset.allow(path, rules.READ_FILE | (rules.WRITE_FILE if path in _DEVICES else 0))
        ruleset.allow(self._places.box, rules.READ)
        for path in (self._places.work, self._places.temporary):
            ruleset.allow(path, rules.SCRATCH)
        ruleset.move(KEPT_DESCRIPTORS)
        return ruleset

    def mount_scratch(self, limits: Limits) -> None:
        """The directories are there and empty; they become the program's."""
        for path in (self._places.work, self._places.temporary):
            os.chown(path, self._uid, -1)
            os.chmod(path, 0o700)

    def renew_scratch(self, limits: Limits) -> bool:
        """Empties the writable places; `box` stays."""
        for path in (self._places.work, self._places.temporary):
            trees.empty(path)
            os.chmod(path, 0o700)
        return False

    def scratch_bytes(self, limits: Limits) -> int:
        """Disk space in use; more than the memory limit if there are too many entries, too."""
        total = 0
        for path in (self._places.work, self._places.temporary):
            size, entries = trees.measure(path, limits.memory_bytes, SCRATCH_ENTRIES)
            total += size if entries <= SCRATCH_ENTRIES else limits.memory_bytes + 1
        return total

    def restrict_all_runs(self, limits: Limits) -> None:
        """What runs inherit; the supervisor gives up its group, not its rights over the runs."""
        rlimits.limit_all_runs(limits)
        if self._as_root:
            os.setgroups([])
            os.setresgid(self._uid, self._uid, self._uid)
        self._die_with_the_launcher()

    def _die_with_the_launcher(self) -> None:
        sys_.prctl(sys_.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self._launcher:
            os._exit(0)  # it died before this was said

    def processes(self) -> list[int]:
        """Every process below this one."""
        found, fringe = [], _children(os.getpid())
        while fringe:
            found += fringe
            fringe = [child for pid in fringe for child in _children(pid)]
        return found

    def kill_all(self) -> None:
        """By uid, or as an ordinary user by Landlock's scope: no process can fork its way out of either."""
        if self._end is not None:
            self._kill_from_inside(self._end)
            return
        _kill_all_of(self._uid)
        self._die_with_the_launcher()  # the change of uid made the kernel forget it
        self._kill_what_is_ours()

    def _kill_from_inside(self, end: _End) -> None:
        waiting = end.come()
        if not waiting:
            self._kill_what_is_ours()
            return
        for pid in _children(os.getpid()):  # the template is in none of its runs' domains
            if pid != waiting:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _kill_what_is_ours(self) -> None:
        """Kills what is not confined yet, and the template: few processes, which only run our code."""
        while any(not _has_ended(pid) for pid in _children(os.getpid())):
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_DYING_SECONDS)

    # In a forked run.

    def confining(self, limits: Limits, *, has_memory_group: bool, has_process_group: bool) -> Sequence[Step]:
        """Of a forked run, last before the program: its limits, its rules, and no privilege left."""
        limiting = rlimits.limiting_run(
            memory_bytes=None if has_memory_group else limits.memory_bytes,
            processes=None if has_process_group else self._most_processes(limits),
        )
        counting = () if has_memory_group else (partial(sys_.install_seccomp, _COUNTABLE_FILTER),)
        return (*limiting, self._confine, *counting, sys_.becoming_dumpable())

    def _confine(self) -> None:
        assert self._ruleset is not None
        self._ruleset.allow("/proc/self/", rules.READ_FILE | rules.READ_DIR)
        if self._as_root:
            os.setresuid(self._uid, self._uid, self._uid)  # the kernel empties every capability set with this
        sys_.prctl(sys_.PR_SET_PDEATHSIG, signal.SIGKILL)
        self._ruleset.enforce()
        if self._end is not None:
            self._end.await_apart()
            self._ruleset.enforce()  # within the first domain: the process that waits is out of reach
            sys_.install_seccomp(seccomp.build_same_user_filter())
        self._ruleset.close()

    def _most_processes(self, limits: Limits) -> int:
        return limits.processes + (0 if self._as_root else _threads_of(os.getuid()))


class _End:
    """Kills every process of a run from inside its Landlock domain, where kill(-1) reaches nothing else.

    A process of ours is left behind in the domain, under no parent of the program's, and waits
    there for a byte or for the supervisor's death.
    """

    def __init__(self) -> None:
        low = os.pipe2(os.O_CLOEXEC)
        self._reading, self._writing = (sys_.move_up(descriptor, KEPT_DESCRIPTORS) for descriptor in low)
        self._waiting = mmap.mmap(-1, _PID.size)  # the pid of the process that waits, or 0

    def come(self) -> int:
        """In the supervisor: has the run killed, and returns who does it; 0 if there is no run."""
        (waiting,) = _PID.unpack(self._waiting[:])
        if waiting:
            self._waiting[:] = _PID.pack(0)
            os.write(self._writing, b"x")
        return int(waiting)

    def await_apart(self) -> None:
        """In a run: leaves the waiting process behind, as the supervisor's child."""
        between = sys_.fork_plainly()
        if between == 0:
            waiting = sys_.fork_plainly()
            if waiting == 0:
                self._wait()
            self._waiting[:] = _PID.pack(waiting)
            os._exit(0)
        _, status = os.waitpid(between, 0)
        if status != 0:
            raise OSError("the process that ends a run could not be started")
        os.close(self._reading)
        os.close(self._writing)
        self._waiting.close()

    def _wait(self) -> None:
        os.closerange(0, self._reading)
        os.closerange(self._reading + 1, 4096)
        os.setsid()
        os.read(self._reading, 1)
        with contextlib.suppress(OSError):  # nothing is left to kill
            os.kill(-1, signal.SIGKILL)
        os._exit(0)


def unfit() -> str:
    """Why this backend cannot work here; empty if it can."""
    needed = ABI_AS_ROOT if os.geteuid() == 0 else ABI_AS_USER
    found = rules.abi()
    if found == 0:
        return "the kernel gives no Landlock (5.13 or newer, switched on, allowed by the container's filter)"
    if found < needed:
        return f"Landlock ABI {found}: an ordinary user needs {needed} (Linux 6.12), root does not"
    if not os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
        return "the kernel lacks /proc/PID/task/TID/children (CONFIG_PROC_CHILDREN)"
    if not _scratch_parent():
        return f"none of {', '.join(_SCRATCH_PARENTS)} can be written and executed from"
    return ""


def _remove_orphaned() -> None:
    """Removes the scratch directories of servers that are gone, in case every process was killed at once.

    Only those of this pid namespace: another one's processes cannot be seen.
    """
    prefix = _scratch_prefix()
    for parent in _SCRATCH_PARENTS:
        for name in os.listdir(parent) if os.path.isdir(parent) else ():
            owner = name.removeprefix(prefix).partition("-")[0]
            if name.startswith(prefix) and owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
                with contextlib.suppress(OSError):  # another user's
                    trees.remove(f"{parent}/{name}")


def _scratch_prefix() -> str:
    return f"{SCRATCH_PREFIX}{uids.pid_namespace():x}-"


def _scratch_parent() -> str:
    for path in _SCRATCH_PARENTS:
        if os.access(path, os.W_OK | os.X_OK) and not os.statvfs(path).f_flag & os.ST_NOEXEC:
            return path
    return ""


def _make_base(family: str) -> str:
    path = f"{_scratch_parent()}/{_scratch_prefix()}{family}-{os.getpid()}"
    os.mkdir(path, 0o711)
    return path


def _guard(pipe: int, base: str, first: int) -> None:
    """The warden: waits until the launcher is gone, however it went, and clears what it left."""
    os.closerange(0, pipe)
    os.closerange(pipe + 1, 4096)
    os.setsid()
    try:
        os.read(pipe, 1)
        for slot in range(_SLOTS if first else 0):
            if os.path.exists(f"{base}/{slot}"):
                _kill_all_of(first + slot)
        trees.remove(base)
    finally:
        os._exit(0)


def _kill_all_of(uid: int) -> None:
    """Kills every process of a slot's uid: under it, kill(-1) reaches those and no others, all at once.

    kill(2) compares the caller's real and effective uid with the target's real and saved one. So the real
    uid is lent from a bystander, under which nothing runs: as root it would reach all of root's processes.
    Each slot has a bystander of its own, or whoever does the same for another slot would be reached.
    With root's as the saved one the caller is out of its programs' reach, and finds its way back. It needs
    no new process, which a program that has used up every process would make impossible.
    """
    bystander = uid + _SLOTS
    os.setresuid(bystander, uid, 0)
    try:
        if uid > 0 and os.getresuid() == (bystander, uid, 0) and not _may_signal_root():
            os.kill(-1, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # there is none
    finally:
        os.setresuid(0, 0, 0)


def _may_signal_root() -> bool:
    """Whether a capability is left that would carry a signal beyond the uid."""
    try:
        os.kill(1, 0)
    except PermissionError:
        return False
    return True


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb", buffering=0) as file:
                found += map(int, file.read(1 << 16).split())
    except OSError:
        pass  # it ended while we looked; its children are the subreaper's now
    return found


def _has_ended(pid: int) -> bool:
    """Whether a child has ended and waits to be reaped."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _uid(pid: int) -> int:
    """The real uid of a process; -1 once it is gone."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("Uid:"):
                return int(line.split()[1])
    return -1


def _threads_of(uid: int) -> int:
    total = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and _uid(int(name)) == uid:
            with contextlib.suppress(OSError):
                total += len(os.listdir(f"/proc/{name}/task"))
    return total
