"""Supervises a Python program whose process may take one run after another.

The first run has a new process, which is the template itself: nothing is forked from it. If its text shows
that the program leaves its process as it found it (`sandbox.repeatable`), the process reports when the run is
over and waits for the next (`sandbox.persistent`). A further run in it counts only if it reports again,
alone in its jail, within a small part of any limit. Everything else, a limit's excess too, is run again in a
fork of its own, where the cost of the fork is little beside it.
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import replace
from typing import Any

from sandbox import persistent, template
from sandbox import syscalls as sys_
from sandbox.clock import Clock
from sandbox.conversation import Ends
from sandbox.memory import peak_resident_bytes
from sandbox.supervise import End, Run, Supervisor, Template
from sandbox.types import Limits, Mode, Outcome

_MODES = (Mode.SCRIPT, Mode.CALL)  # what runs its tests beside the program vouches for itself
_MOST_CPU_SECONDS = 0.05  # of a further run
_MOST_WALL_SECONDS = 1.0
_MOST_BYTES = 64 << 20  # that a process may hold when its run is over
_MOST_RUNS = 100


class RepeatingSupervisor(Supervisor):
    """A supervisor that may run a case in the process of the case before it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._may_stay = self._job.kind == "python" and self._job.mode in _MODES and _sees_ends()
        self._small = _small(self._limits)
        self._used_seconds = 0.0  # CPU time of all runs of the present process

    def run(
        self, stdin: bytes, call: bytes, argv: tuple[str, ...], ends: Ends | None, *, repeat: bool = False
    ) -> Run:
        """As the base's; with `repeat` in a process for several runs, if the program may have one."""
        living = self._template
        if repeat and self._may_stay and not argv and ends is None:
            if living is None or living.pidfd is None:
                run = self._run_first(stdin, call)
            else:
                run = self._run_again(living, stdin, call)
            if run is not None:
                return run
            self._may_stay = False
        elif living is not None and living.pidfd is not None:
            self.retire()
        return super().run(stdin, call, argv, ends)

    def _run_first(self, stdin: bytes, call: bytes) -> Run | None:
        """In a new process, which stays if it may; None if somebody outside the jail has killed it."""
        self.retire()
        living = self._start(None, forks=False)
        living.streams.fill(stdin, call, b"")
        self._prepare_group(living)
        self._used_seconds = 0.0
        clock = Clock(self._limits, self._confinement, None, living.waits, self._memory)
        living.streams.order(template.BECOME)
        stopped = self._watch(living, clock)
        run = self._over(living, clock, stopped)
        killed = stopped is None and run.signal == signal.SIGKILL and run.outcome is Outcome.RUNTIME_ERROR
        if killed and self._may_stay:  # a program that may stay has no such call
            return None
        if run.cpu_seconds > _MOST_CPU_SECONDS:
            self._may_stay = False  # the others will be as long: a fork is little beside them
        if not self._may_stay or self._is_worn(living):
            self.retire()
        return run

    def _run_again(self, living: Template, stdin: bytes, call: bytes) -> Run | None:
        """In the process that waits; None if the case has to be run again in a fork."""
        living.runs += 1
        living.ready = False
        living.streams.fill(stdin, call, b"")
        self._group.reset_peak()
        clock = Clock(
            self._small,
            self._confinement,
            None,
            living.waits,
            self._memory,
            used_before=self._used_seconds,
        )
        living.streams.order(persistent.NEXT)
        run = self._over(living, clock, self._watch(living, clock))
        if run.outcome is not Outcome.OK or self._template is not living:
            self.retire()
            return None
        if self._is_worn(living):
            self.retire()
        run.repeated = True
        return run

    def _has_reported(self, living: Template, descriptor: int) -> bool:
        """As the base's; a process of the program's own may say that it has one run only."""
        if living.pidfd is None or descriptor == living.pidfd:
            return True
        said = living.streams.heard(1)
        living.ready = said == persistent.READY
        if said == template.UNFIT:
            self._explain(living, said, End())
        if said == persistent.ONCE:
            self._may_stay = False
        if not living.ready:
            living.poll.unregister(living.streams.orders)  # it says no more; its end comes by the pidfd
        return living.ready

    def _wake(self, living: Template) -> None:
        """As the base's; a program that may stay cannot have stopped itself, so somebody outside has."""
        if living.pidfd is None or not self._may_stay:
            super()._wake(living)
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(living.pid, signal.SIGCONT)

    def _end(self, living: Template, stopped: Outcome | None) -> End:
        """As the base's; the end of a run in a process of the program's own, or of the process."""
        if living.pidfd is None or stopped is not None:
            return super()._end(living, stopped)
        if not living.ready:
            _, status, usage = os.wait4(living.pid, 0)
            cpu_seconds = usage.ru_utime + usage.ru_stime - self._used_seconds
            return End(status, cpu_seconds, usage.ru_maxrss * 1024, last=True)
        before, self._used_seconds = self._used_seconds, sys_.process_cpu_seconds(living.pid)
        resident_bytes = 0 if self._group.limits_memory else peak_resident_bytes(living.pid)
        return End(0, self._used_seconds - before, resident_bytes)

    def _others(self, living: Template) -> bool:
        """As the base's; of a process that has ended nothing is left to be counted."""
        present = self._group.present_processes
        if living.pidfd is None or living.ready or present is None:
            return super()._others(living)
        return present > self._group.our_processes - 1

    def _is_worn(self, living: Template) -> bool:
        held_bytes = (self._group.memory_bytes or 0) - self._baseline_bytes
        return living.runs >= _MOST_RUNS or held_bytes > _MOST_BYTES

    def move(self) -> None:
        """As the base's; a process that stands in the old directory ends."""
        if self._template is not None and self._template.pidfd is not None:
            self.retire()
        super().move()


def _sees_ends() -> bool:
    """Whether the kernel tells of a process's end by a descriptor; gVisor's of 2022 did not."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


def _small(limits: Limits) -> Limits:
    return replace(
        limits,
        cpu_seconds=min(limits.cpu_seconds, _MOST_CPU_SECONDS),
        wall_seconds=min(limits.wall_seconds, _MOST_WALL_SECONDS),
    )
