"""A run's memory: whose limit the kernel killed for, and a watcher where no control group holds it.

The watcher adds up what the processes hold by themselves (`resident` of
/proc/PID/statm, see proc(5)) and what lies in the scratch places. The sum counts a
page once per process that shares it, so above the limit it is taken again
in proportional shares (`Pss` of /proc/PID/smaps_rollup) where the kernel lets us.
What no process maps the watcher does not see: anonymous files and System V shared memory cannot be made
then (`sandbox.seccomp`); bytes that wait in sockets and pipes are left.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal

from sandbox.cgroups import Group
from sandbox.confinement import Confinement
from sandbox.types import Limits

BY_GROUP, BY_WATCHER = "control group", "watcher"  # how a run's memory was held
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_CORES = os.cpu_count() or 1
_GROWTH_BYTES_PER_SECOND = 8 << 30  # what one core can take at most: cleared huge pages
_POLL_FLOOR_SECONDS = 0.005


class KilledForOthers(RuntimeError):
    """Memory ran out outside the jail, and the kernel took one of its processes: not the program's doing."""


class Watch:
    """One run's memory."""

    def __init__(
        self, group: Group, limits: Limits, confinement: Confinement, template: int | None, *, forked: bool
    ) -> None:
        """`forked`: the program runs in a fork of `template`, or else of this process, without an exec."""
        self.group = group
        self._limits = limits
        self._confinement = confinement
        self._template = template
        self._held_by_group = group.limits_memory
        self._inherited_bytes = (
            0 if self._held_by_group or not forked else _own_bytes(template or os.getpid())
        )
        self._kills_before = self._kills()
        self._used_bytes = 0
        self.peak_bytes = 0

    @property
    def held_by(self) -> str:
        """`BY_GROUP` or `BY_WATCHER`."""
        return BY_GROUP if self._held_by_group else BY_WATCHER

    def patience_seconds(self) -> float:
        """How long the limit cannot be exceeded, if every core did nothing but take memory."""
        if self._held_by_group:
            return math.inf
        left = self._limits.memory_bytes - self._used_bytes
        return max(_POLL_FLOOR_SECONDS, left / _GROWTH_BYTES_PER_SECOND / _CORES)

    def exceeded(self) -> bool:
        """Whether more is in use than allowed, as far as no control group sees to it."""
        limits = self._limits
        used = self._confinement.scratch_bytes(limits)
        if not self._held_by_group:
            used += self._processes_bytes(limits.memory_bytes - used)
        self._used_bytes = used
        self.peak_bytes = max(self.peak_bytes, used)
        return used > limits.memory_bytes

    def was_exceeded(self, died_of: int | None, resident_bytes: int) -> bool:
        """After a run: whether its limit ended it, or should have; `resident_bytes` is a process's peak.

        Raises KilledForOthers if the kernel was out of memory elsewhere and took a process of the run.
        """
        if not self._held_by_group:
            self._blame_others(died_of)
            self.peak_bytes = max(self.peak_bytes, resident_bytes - self._inherited_bytes)
            return self.peak_bytes > self._limits.memory_bytes or self._files_fill_it()
        if self._kills() <= self._kills_before:
            return False
        if self.group.reached_memory_limit is False:
            raise KilledForOthers("a process was killed for memory, and its jail was below its limit")
        return True

    def killed_any(self) -> bool:
        """Whether the kernel has killed for memory since the run began."""
        return self._kills() > self._kills_before

    def _files_fill_it(self) -> bool:
        """Whether nothing is left beside the files: a full tmpfs refuses them before more can be counted."""
        return self._confinement.scratch_bytes(self._limits) > self._limits.memory_bytes - _PAGE_BYTES

    def _blame_others(self, died_of: int | None) -> None:
        if died_of == signal.SIGKILL and self.killed_any():
            raise KilledForOthers("a program was killed while the host was out of memory")

    def _kills(self) -> int:
        # The host's count has other people's in it, and takes longer to read.
        return self.group.out_of_memory_kills if self._held_by_group else _host_kills()

    def _processes_bytes(self, allowed: int) -> int:
        pids = [pid for pid in self._confinement.processes() if pid != self._template]
        most = sum(max(0, _resident_bytes(pid) - self._inherited_bytes) for pid in pids)
        if most <= allowed:
            return most
        try:
            return sum(_proportional_bytes(pid) for pid in pids)
        except OSError:  # not ours to read, or one has just ended
            return most


def _statm(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/statm", "rb", buffering=0) as file:
            return file.read(128).split()
    except OSError:
        return [b"0"] * 3  # it has ended


def _resident_bytes(pid: int) -> int:
    return int(_statm(pid)[1]) * _PAGE_BYTES


def peak_resident_bytes(pid: int) -> int:
    """The most that a living process ever held by itself; 0 once it is gone."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status", "rb") as file:
        for line in file:
            if line.startswith(b"VmHWM:"):
                return int(line.split()[1]) << 10
    return 0


def _own_bytes(pid: int) -> int:
    """Resident without files and shared memory, which a fork does not copy."""
    fields = _statm(pid)
    return (int(fields[1]) - int(fields[2])) * _PAGE_BYTES


def _proportional_bytes(pid: int) -> int:
    """Raises OSError if the kernel does not let us see it."""
    with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
        for line in file:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) << 10
    return 0


def _host_kills() -> int:
    """How many processes the kernel has ever killed for memory; 0 where it does not say."""
    try:
        with open("/proc/vmstat", "rb") as file:
            return next((int(line.split()[1]) for line in file if line.startswith(b"oom_kill ")), 0)
    except OSError:
        return 0
