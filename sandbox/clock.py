"""CPU and wall time of a run while it goes on, and the limits on both."""

from __future__ import annotations

import contextlib
import math
import os
import time
from dataclasses import dataclass

from sandbox import syscalls as sys_
from sandbox.confinement import Confinement
from sandbox.memory import Watch
from sandbox.types import Limits, Outcome

STARVATION_FACTOR = 10.0  # the wall limit is never extended beyond this multiple
_POLL_FLOOR_SECONDS = 0.002
_STARVED_POLL_SECONDS = 0.05
# A look that comes so much later than it was due: we were stopped, or the machine, and our programs with us.
_FROZEN_SECONDS = 1.0
_CORES = os.cpu_count() or 1
_TICKS = os.sysconf("SC_CLK_TCK")  # of a second


class Waits:
    """How long processes were ready to run and had no core, since they began."""

    def __init__(self, *pids: int) -> None:
        self._descriptors = []
        for pid in pids:
            with contextlib.suppress(OSError):  # a kernel without these statistics
                self._descriptors.append(os.open(f"/proc/{pid}/schedstat", os.O_RDONLY | os.O_CLOEXEC))

    def seconds(self) -> float:
        """Of all together; without what has ended."""
        total = 0.0
        for descriptor in self._descriptors:
            with contextlib.suppress(OSError):
                total += _Task.read(descriptor).waited
        return total

    def close(self) -> None:
        """Lets go of what is read."""
        for descriptor in self._descriptors:
            os.close(descriptor)


class Clock:
    """One run's. Time is CPU time, of every process of the run; the wall clock is a backstop."""

    def __init__(
        self,
        limits: Limits,
        confinement: Confinement,
        template: int | None,
        waits: Waits,
        memory: Watch,
        *,
        used_before: float = 0.0,
    ) -> None:
        """`template` is the process that forks the run's, if there is one.

        `used_before` is the CPU time in seconds that the run's own process had before it.
        """
        self._group = memory.group
        self._limits = limits
        self._confinement = confinement
        self._template = template  # its work is not the program's
        self._template_seconds = 0.0  # when it was last read
        self._waits = waits
        self._memory = memory
        self._most_wall_seconds = limits.wall_seconds * STARVATION_FACTOR
        self._started = time.monotonic()
        self._group_before = self._group.cpu_seconds
        self._ours_before = self._ours()
        self._waited_before = waits.seconds()
        self._used_before = used_before
        self._crowding = 0.0
        self._frozen_seconds = 0.0
        self._looked = self._started
        self._used = 0.0
        self._due = self._started + self._patience_seconds()

    def wall_seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def group_cpu_seconds(self) -> float:
        """CPU time of the group without supervisor and template; 0 without a group."""
        total = self._group.cpu_seconds
        if total is None or self._group_before is None:
            return 0.0
        return total - self._group_before - (self._ours() - self._ours_before)

    def _ours(self) -> float:
        ours = time.process_time() if self._group.our_processes > 1 else 0.0
        if self._template is not None:
            with contextlib.suppress(OSError):  # it was killed: what it did is still no program's
                self._template_seconds = sys_.process_cpu_seconds(self._template)
        return ours + self._template_seconds

    def read_template(self) -> None:
        """To be called before it is killed: takes its CPU time a last time."""
        self._ours()

    def patience_seconds(self) -> float:
        """How long from now no limit can be exceeded; not above 0 when it is time to look."""
        return self._due - time.monotonic()

    def _patience_seconds(self) -> float:
        """How long no limit can be exceeded, if every core worked for this program."""
        cpu_left = (self._limits.cpu_seconds - self._used) / _CORES
        wall_left = self._limits.wall_seconds - self._thawed_seconds()
        if wall_left <= 0:
            wall_left = _STARVED_POLL_SECONDS
        watched = min(self._confinement.watch_seconds, self._memory.patience_seconds())
        return max(_POLL_FLOOR_SECONDS, min(cpu_left, wall_left, watched))

    def exceeded(self) -> Outcome | None:
        """The limit that is used up, if one is; to be asked when patience is at its end."""
        now = time.monotonic()
        if now - self._due > _FROZEN_SECONDS:  # since when is not known: the whole wait does not count
            self._frozen_seconds += now - self._looked
        self._looked = now
        limit = self._exceeded()
        self._due = time.monotonic() + self._patience_seconds()
        return limit

    def _exceeded(self) -> Outcome | None:
        self._used = self._measure()
        if self._used > self._limits.cpu_seconds:
            return Outcome.TIME_LIMIT
        if self._memory.exceeded():
            return Outcome.MEMORY_LIMIT
        return Outcome.WALL_LIMIT if self._is_over_wall_limit() else None

    def _thawed_seconds(self) -> float:
        """Since the start, without the time in which nothing here could run."""
        return self.wall_seconds() - self._frozen_seconds

    def _is_over_wall_limit(self) -> bool:
        thawed = self._thawed_seconds()
        beyond = thawed - self._limits.wall_seconds
        if beyond <= 0:
            return False
        if thawed > self._most_wall_seconds:
            return True
        self._crowding = max(self._crowding, _waiting_for_a_second())
        programs = [pid for pid in self._confinement.processes() if pid != self._template]
        # Without any the end is on its way to us.
        return bool(programs) and beyond > self._starved_seconds(programs)

    def _measure(self) -> float:
        if self._group_before is not None:
            return self.group_cpu_seconds()
        total = 0.0
        for pid in self._confinement.processes():
            with contextlib.suppress(OSError):  # it ended between the two calls
                if pid != self._template:
                    total += sys_.process_cpu_seconds(pid) + _reaped_seconds(pid)
        return total - self._used_before

    def _starved_seconds(self, programs: list[int]) -> float:
        """How long the run's threads, and we, were ready to run and got no core: all of it together.

        A busy machine's fault, not the program's: the wall limit is extended by it. What has ended took its
        waiting with it; that is estimated from its CPU time and the most crowded moment that was seen. The
        kernel counts a wait once it is over: nothing is known of a thread that may be in the middle of one.
        """
        try:
            threads = [path for pid in programs for path in _threads(pid)]
            tasks = [_Task.of(f"{path}/schedstat") for path in threads]
            if any(map(_is_held_up, threads)):
                return math.inf
        except OSError:
            return math.inf  # one has just ended: the next look finds the end, or others
        living = sum(task.ran for task in tasks)
        ended = max(0.0, self._used - living)
        ours = self._waits.seconds() - self._waited_before
        return sum(task.waited for task in tasks) + ours + ended * self._crowding


@dataclass(frozen=True, slots=True)
class _Task:
    """Seconds on a core, and ready without one."""

    ran: float
    waited: float

    @classmethod
    def of(cls, path: str) -> _Task:
        """From a schedstat file. Raises OSError once the task is gone."""
        with open(path, "rb", buffering=0) as file:
            return cls.read(file.fileno())

    @classmethod
    def read(cls, descriptor: int) -> _Task:
        """The first two fields, see the kernel's sched-stats.rst. Raises OSError once the task is gone."""
        ran, waited = os.pread(descriptor, 64, 0).split()[:2]
        return cls(int(ran) / 1e9, int(waited) / 1e9)


def _reaped_seconds(pid: int) -> float:
    """CPU time of the children that a process has waited for, and theirs; see proc(5). Raises OSError."""
    with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
        fields = file.read(1024).rpartition(b")")[2].split()
    return (int(fields[13]) + int(fields[14])) / _TICKS


def _threads(pid: int) -> list[str]:
    return [f"/proc/{pid}/task/{thread}" for thread in os.listdir(f"/proc/{pid}/task")]


def _is_held_up(thread: str) -> bool:
    """Whether it is ready to run, or waits for others in the kernel; see proc(5). Raises OSError."""
    with open(f"{thread}/stat", "rb", buffering=0) as file:
        return file.read(1024).rpartition(b")")[2].split()[0] in (b"R", b"D")


def _waiting_for_a_second() -> float:
    """Seconds that a thread must expect to wait for each second on a core, now; doubled, as luck differs.

    From the number of threads that are ready, the fourth field of /proc/loadavg.
    """
    with open("/proc/loadavg", "rb", buffering=0) as file:
        ready = int(file.read(64).split()[3].partition(b"/")[0])
    return 2.0 * max(0.0, ready / _CORES - 1.0)
