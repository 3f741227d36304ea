"""Control groups of a jail: v1, v2 or none, behind one small class.

A jail's init joins once where CPU time and processes are counted. Where memory is, only what it forks
programs from does: files that a dead program left fill the limit, and the kernel would find nobody to kill
but the init; and what comes from the server is no program's memory. Programs are born inside. Without a
writable hierarchy the jail falls back to rlimits (`Group.memory_bytes` is then None and limits are per
process).
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from sandbox import syscalls, uids

V1_CONTROLLERS = ("memory", "pids", "cpuacct")
PREFIX = "reward-jail-"
_HELD_FROM = 64  # a jail closes them, which must not set free the low numbers that its programs' streams have
_numbers = itertools.count()
_PEAK_SLACK_BYTES = 4 << 20  # a refused charge may have been for a huge page

Place = tuple[str, int | None]  # a path, and the descriptor of the directory that it starts from


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where groups can be made: the directories, each with the files' dialect."""

    version: int  # 0: none
    directories: dict[str, str] = field(default_factory=dict)  # controller -> directory
    held: dict[str, int] = field(default_factory=dict)  # the same directories, once held open

    def held_open(self) -> Hierarchy:
        """The same, to be found where no mount of it can be seen."""
        return replace(self, held={c: _held(path) for c, path in self.directories.items()})

    def place(self, controller: str, name: str) -> Place:
        """Where a group of this name is, or may be made."""
        if controller in self.held:
            return name, self.held[controller]
        return f"{self.directories[controller]}/{name}", None

    def groups(self) -> Iterator[tuple[str, Place]]:
        """Those of ours, each by the part of its name that differs."""
        for controller, path in self.directories.items():
            for name in os.listdir(self.held.get(controller, path)):
                if name.startswith(PREFIX):
                    yield name.removeprefix(PREFIX), self.place(controller, name)


def _held(directory: str) -> int:
    return syscalls.move_up(os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), _HELD_FROM)


def probe(root: str = "/sys/fs/cgroup") -> Hierarchy:
    """Finds a writable hierarchy by making and removing a group in it."""
    if os.path.exists(f"{root}/cgroup.controllers"):
        return _probe_v2(root)
    found = {name: f"{root}/{name}" for name in V1_CONTROLLERS if _writable(f"{root}/{name}")}
    return Hierarchy(1, found) if "memory" in found else Hierarchy(0)


def _probe_v2(root: str) -> Hierarchy:
    with open(f"{root}/cgroup.subtree_control") as file:
        enabled = file.read().split()
    if {"memory", "pids"} <= set(enabled) and _writable(root):
        return Hierarchy(2, {"all": root})
    return Hierarchy(0)


def _writable(directory: str) -> bool:
    trial = f"{directory}/{PREFIX}probe-{os.getpid()}"
    try:
        os.mkdir(trial)
        os.rmdir(trial)
    except OSError:
        return False
    return True


def moves_at_once(hierarchy: Hierarchy, mounts: str = "/proc/self/mounts") -> bool:
    """Whether what joins a group need not wait an RCU grace period, some 5 ms.

    In v1 a thread can be moved alone, which needs none. In v2 the mount option `favordynmods` (Linux 6.0)
    spares it, and makes forks and ends of processes dearer (the kernel's documentation of cgroup-v2).
    """
    if hierarchy.version != 2:
        return True
    with open(mounts) as file:
        entries = [line.split() for line in file]
    roots = hierarchy.directories.values()
    return any(
        kind == "cgroup2" and point in roots and "favordynmods" in options.split(",")
        for _, point, kind, options, *_ in entries
    )


def remove_stale(hierarchy: Hierarchy, family: str) -> bool:
    """Removes the groups that killed launchers of this `family` left; False if some are still in use.

    A group with living processes cannot be removed, so this harms nobody.
    """
    clean = True
    for name, (path, directory) in hierarchy.groups():
        if name.startswith(f"{family}."):
            try:
                os.rmdir(path, dir_fd=directory)
            except FileNotFoundError:
                continue
            except OSError:
                clean = False
    return clean


def family_name(part: str) -> str:
    """A name for the groups of one sandbox: no other of this process, nor of another container's, has it."""
    return f"{os.getpid()}-{uids.pid_namespace():x}-{part}{next(_numbers)}"


def group_name(family: str, generation: int, slot: int) -> str:
    """A name for the group of one jail, by its launcher and its slot there."""
    return f"{family}.{generation}-{slot}"


def remove_orphaned(hierarchy: Hierarchy) -> None:
    """Removes the groups of servers that are gone, in case server and launcher were killed together.

    Only those of this pid namespace: another one's processes cannot be seen, and a group is empty before its
    first process comes.
    """
    for name, (path, directory) in hierarchy.groups():
        owner, _, rest = name.partition("-")
        if rest.startswith(f"{uids.pid_namespace():x}-") and not os.path.exists(f"/proc/{owner}"):
            with contextlib.suppress(OSError):  # its last processes are still dying
                os.rmdir(path, dir_fd=directory)


class Group:
    """The control group of one jail; every value is of the whole jail."""

    def __init__(self, hierarchy: Hierarchy, name: str) -> None:
        self._places = {c: hierarchy.place(c, f"{PREFIX}{name}") for c in hierarchy.directories}
        self._version = hierarchy.version
        self._files: dict[str, int] = {}
        for path, directory in self._places.values():
            os.mkdir(path, dir_fd=directory)

    @property
    def active(self) -> bool:
        """Whether there is a group at all."""
        return bool(self._places)

    def remove(self) -> None:
        """Removes the directories; every process in them must have been reaped."""
        for path, directory in self._places.values():
            with contextlib.suppress(FileNotFoundError):
                os.rmdir(path, dir_fd=directory)

    @property
    def our_processes(self) -> int:
        """How many of ours are counted beside the program's: what forks it, and in v1 the supervisor."""
        return 1 if self._version == 2 else 2

    def join(self) -> None:
        """Moves a jail's first process in, but not where memory is counted: in v2 that is all one group.

        It has one thread, as whatever joins has, and moves that: to move a process the kernel keeps the whole
        machine from forking and exiting, and often waits an RCU grace period (10 ms) for it.
        """
        if self._version == 1:
            for controller in self._places.keys() - {"memory"}:
                descriptor = self._descriptor(controller, "tasks", os.O_WRONLY)
                os.write(descriptor, b"0")
                os.close(descriptor)

    def join_programs(self) -> None:
        """Moves in what programs are forked from, for the rest; the files must be open."""
        if "join" in self._files:
            self._put("join", "0")

    def open_files(self) -> None:
        """Opens what is read and written later, before `let_go`."""
        if self._version == 1:
            self._open("memory", "join", "tasks", os.O_WRONLY)
            self._open("memory", "limit", "memory.limit_in_bytes", os.O_RDWR)
            self._open("memory", "swap", "memory.memsw.limit_in_bytes", os.O_RDWR)
            self._open("memory", "usage", "memory.usage_in_bytes", os.O_RDONLY)
            self._open("memory", "peak", "memory.max_usage_in_bytes", os.O_RDWR)
            self._open("memory", "events", "memory.oom_control", os.O_RDONLY)
            self._open("pids", "processes", "pids.max", os.O_RDWR)
            self._open("pids", "refusals", "pids.events", os.O_RDONLY)
            self._open("pids", "present", "pids.current", os.O_RDONLY)
            self._open("cpuacct", "cpu", "cpuacct.usage", os.O_RDONLY)
        elif self._version == 2:
            self._open("all", "join", "cgroup.procs", os.O_WRONLY)
            self._open("all", "limit", "memory.max", os.O_RDWR)
            self._open("all", "swap", "memory.swap.max", os.O_RDWR)
            self._open("all", "usage", "memory.current", os.O_RDONLY)
            self._open("all", "peak", "memory.peak", os.O_RDWR)
            self._open("all", "events", "memory.events", os.O_RDONLY)
            self._open("all", "processes", "pids.max", os.O_RDWR)
            self._open("all", "refusals", "pids.events", os.O_RDONLY)
            self._open("all", "present", "pids.current", os.O_RDONLY)
            self._open("all", "cpu", "cpu.stat", os.O_RDONLY)

    def let_go(self) -> None:
        """Closes the directories where they were held open; what `open_files` opened stays."""
        for _, directory in self._places.values():
            if directory is not None:
                os.close(directory)

    def _open(self, controller: str, name: str, file: str, flags: int) -> None:
        # A kernel may lack a file (no swap accounting, no memory.peak): its reader then knows None.
        with contextlib.suppress(OSError, KeyError):
            self._files[name] = self._descriptor(controller, file, flags)

    def _descriptor(self, controller: str, file: str, flags: int) -> int:
        path, directory = self._places[controller]
        return os.open(f"{path}/{file}", flags | os.O_CLOEXEC, dir_fd=directory)

    def limit_memory(self, memory_bytes: int) -> bool:
        """Sets the limit; False if there is no memory controller."""
        if "limit" not in self._files:
            return False
        # Lowering both limits needs memory first, raising them swap first: do it twice.
        for name in ("limit", "swap", "limit"):
            with contextlib.suppress(OSError):
                value = 0 if name == "swap" and self._version == 2 else memory_bytes
                self._put(name, str(value))
        return self._number("limit") is not None

    def limit_processes(self, count: int) -> bool:
        """Sets the limit; False if there is no pids controller."""
        if "processes" not in self._files:
            return False
        self._put("processes", str(count))
        return True

    @property
    def limits_memory(self) -> bool:
        """Whether the memory limit is the group's."""
        return "limit" in self._files

    @property
    def limits_processes(self) -> bool:
        """Whether the process limit is the group's."""
        return "processes" in self._files

    @property
    def memory_limit_bytes(self) -> int | None:
        """The memory limit as the kernel rounded it; None if there is none."""
        return self._number("limit")

    def reset_peak(self) -> None:
        """Starts a new measurement of the peak, where the kernel can."""
        if "peak" in self._files:
            with contextlib.suppress(OSError):
                self._put("peak", "0")

    @property
    def memory_bytes(self) -> int | None:
        """Memory in use now."""
        return self._number("usage")

    @property
    def peak_bytes(self) -> int | None:
        """The largest memory in use since the last reset."""
        return self._number("peak")

    @property
    def out_of_memory_kills(self) -> int:
        """How many of the group's processes the kernel has killed for memory, whoever's limit it was."""
        return self._key("events", "oom_kill")

    @property
    def reached_memory_limit(self) -> bool | None:
        """Whether use came up to the limit since the last reset; None where the kernel does not say.

        Not by memory.failcnt: there are kernels on which it stays 0 through an out-of-memory kill.
        """
        peak, limit = self.peak_bytes, self.memory_limit_bytes
        if peak is None or limit is None:
            return None
        return peak + _PEAK_SLACK_BYTES >= limit

    @property
    def present_processes(self) -> int | None:
        """How many processes and threads there are now."""
        return self._number("present")

    @property
    def refused_processes(self) -> int:
        """How many forks the process limit has refused."""
        return self._key("refusals", "max")

    @property
    def cpu_seconds(self) -> float | None:
        """CPU time of everything that ever ran in the group."""
        if "cpu" not in self._files:
            return None
        if self._version == 2:
            return self._key("cpu", "usage_usec") / 1e6
        return (self._number("cpu") or 0) / 1e9

    def _put(self, name: str, value: str) -> None:
        os.pwrite(self._files[name], value.encode(), 0)

    def _text(self, name: str) -> str:
        return os.pread(self._files[name], 4096, 0).decode()

    def _number(self, name: str) -> int | None:
        if name not in self._files:
            return None
        text = self._text(name).strip()
        return int(text) if text.isdigit() else None

    def _key(self, name: str, key: str) -> int:
        if name not in self._files:
            return 0
        for line in self._text(name).splitlines():
            found, _, value = line.partition(" ")
            if found == key:
                return int(value)
        return 0
