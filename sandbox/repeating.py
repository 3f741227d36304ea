"""Supervises runs that follow one another in one process, and begins each doubtful one again in a fork.

A program's first run is a fork, as most wrong programs fail there. Then a process is asked to persist
(`sandbox.persistent`). A run in it counts only if the process reports that it ended well and is as it was
before, within a small part of any limit; everything else, a limit's excess too, is seen in a fork of its own,
where the cost of the fork is little beside it.
"""

from __future__ import annotations

import contextlib
import select
import socket
from dataclasses import dataclass, replace
from typing import Any

from sandbox import persistent, template
from sandbox import syscalls as sys_
from sandbox.clock import Clock
from sandbox.conversation import Ends
from sandbox.memory import peak_resident_bytes
from sandbox.supervise import Run, Supervisor, _Template
from sandbox.types import Limits, Mode, Outcome

_MODES = (Mode.SCRIPT, Mode.CALL)  # what runs its tests beside the program vouches for itself
_MOST_CPU_SECONDS = 0.05  # of a run
_MOST_WALL_SECONDS = 1.0
_MOST_BYTES = 64 << 20  # that a process may hold when its run is over
_MOST_RUNS = 100
_LEAVING_SECONDS = 1.0
_ENDED = b"e"


@dataclass(slots=True)
class _Process:
    """One that persists."""

    pid: int = 0  # unknown before it has reported
    runs: int = 0
    cpu_seconds: float = 0.0  # of all its runs

    def take_cpu_seconds(self) -> float:
        """What it has used since it was asked last; 0 once it is gone."""
        before = self.cpu_seconds
        with contextlib.suppress(OSError):
            self.cpu_seconds = sys_.process_cpu_seconds(self.pid)
        self.runs += 1
        return self.cpu_seconds - before


class RepeatingSupervisor(Supervisor):
    """A supervisor that may run a case in the process of the case before it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._process: _Process | None = None
        self._may_persist = self._job.kind == "python" and self._job.mode in _MODES
        self._small = _small(self._limits)

    def run(
        self, stdin: bytes, call: bytes, argv: tuple[str, ...], ends: Ends | None, *, repeat: bool = False
    ) -> Run:
        """As the base's; with `repeat` in a process that persists, if the program may have one."""
        living = self._template
        if repeat and self._may_persist and self._code and living is not None and not argv and ends is None:
            if (run := self._repeat(living, stdin, call)) is not None:
                return run
            self._may_persist = False
        self._dismiss()
        return super().run(stdin, call, argv, ends)

    def _repeat(self, living: _Template, stdin: bytes, call: bytes) -> Run | None:
        """None if the case has to be run again in a fork."""
        living.streams.fill(stdin, call, b"")
        clock = self._begin(living)
        stopped = self._watch(living, clock)
        run = self._run_of(living, clock) if stopped is None else None
        if run is None:
            self._abandon(living)
        elif self._is_worn():
            self._dismiss()
        return run

    def _begin(self, living: _Template) -> Clock:
        process = self._process
        if process is None:
            self._prepare_group(living)
        else:
            self._group.reset_peak()
        used_before = 0.0 if process is None else process.cpu_seconds
        clock = Clock(
            self._small, self._confinement, living.pid, living.waits, self._memory, used_before=used_before
        )
        if process is None:
            self._process = _Process()
            living.streams.orders.send(template.PERSIST)
        else:
            living.streams.relay.send(persistent.NEXT)
        return clock

    def _run_of(self, living: _Template, clock: Clock) -> Run | None:
        """The run that has just ended, if its process says so itself and nothing speaks against it."""
        process = self._process
        if process is None or not _said_ready(living) or not self._is_alone(living, process):
            return None
        cpu_seconds = max(process.take_cpu_seconds(), clock.group_cpu_seconds())
        resident_bytes = 0 if self._group.limits_memory else peak_resident_bytes(process.pid)
        over = any(drain.over for drain in living.streams.drains)
        output = [drain.take() for drain in living.streams.drains]
        if over or self._memory.was_exceeded(None, resident_bytes):
            return None
        return Run(
            outcome=Outcome.OK,
            exit_code=0,
            signal=None,
            stdout=output[0],
            stderr=output[1],
            record=output[2] if len(output) > 2 and output[2] else None,
            cpu_seconds=cpu_seconds,
            wall_seconds=clock.wall_seconds(),
            memory_bytes=self._peak_bytes(resident_bytes),
            memory_held_by=self._memory.held_by,
            repeated=True,
        )

    def _is_alone(self, living: _Template, process: _Process) -> bool:
        """Whether nothing but the process is left of its run."""
        present = self._group.present_processes
        if process.pid and present is not None:
            return present == self._group.our_processes + 1
        programs = [pid for pid in self._confinement.processes() if pid != living.pid]
        process.pid = programs[0] if programs else 0
        return len(programs) == 1

    def _is_worn(self) -> bool:
        process = self._process
        held_bytes = (self._group.memory_bytes or 0) - self._baseline_bytes
        return process is None or process.runs >= _MOST_RUNS or held_bytes > _MOST_BYTES

    def _abandon(self, living: _Template) -> None:
        """The process has ended by itself, or whatever there is is ended."""
        self._process = None
        with contextlib.suppress(BlockingIOError):
            report = living.streams.orders.recv(64, socket.MSG_DONTWAIT)
            if len(report) == sys_.REAPED.size and not self._others(living):
                for drain in living.streams.drains:
                    drain.take()
                return
        self.retire()

    def _dismiss(self) -> None:
        """Lets a waiting process end, if there is one."""
        if self._process is None or (living := self._template) is None:
            return
        self._process = None
        orders = living.streams.orders
        with contextlib.suppress(OSError):  # it is gone already: the report says so
            living.streams.relay.send(_ENDED)
        ended, _, _ = select.select((orders,), (), (), _LEAVING_SECONDS)
        if not ended or len(orders.recv(64)) != sys_.REAPED.size:
            self.retire()

    def move(self) -> None:
        """As the base's; a process that stands in the old directory ends."""
        self._dismiss()
        super().move()

    def _forget(self, living: _Template) -> None:
        self._process = None
        super()._forget(living)


def _small(limits: Limits) -> Limits:
    return replace(
        limits,
        cpu_seconds=min(limits.cpu_seconds, _MOST_CPU_SECONDS),
        wall_seconds=min(limits.wall_seconds, _MOST_WALL_SECONDS),
    )


def _said_ready(living: _Template) -> bool:
    try:
        return living.streams.relay.recv(1, socket.MSG_DONTWAIT) == persistent.READY
    except BlockingIOError:
        return False  # it is the template that has reported
