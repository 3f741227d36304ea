"""Supervises the runs of a jail: order, feed, drain, measure, kill, judge the limits.

Time is CPU time, summed over every process of the run; the wall clock is a backstop.
Output is drained while the program runs and capped. When the program's first
process ends and has left others, or a limit ends it, everything in the jail is killed
and reaped before the result is made; the next run then gets a new template.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import traceback
from dataclasses import dataclass, field
from typing import Any, NoReturn

from sandbox import syscalls as sys_
from sandbox import template
from sandbox.cgroups import Group
from sandbox.clock import Clock, Waits
from sandbox.confinement import Confinement
from sandbox.conversation import Ends
from sandbox.memory import Watch
from sandbox.streams import Drain, Streams
from sandbox.template import Become, Brief, Job
from sandbox.types import Limits, Outcome

_RUNS_OF_A_TEMPLATE = 500  # its forks inherit their limit on CPU time, which it must not reach itself
_TEMPLATE_BYTES = 1 << 20  # what a template's own memory comes to, generously


@dataclass(slots=True)
class Run:
    """What one run did."""

    outcome: Outcome
    exit_code: int | None
    signal: int | None
    stdout: bytes
    stderr: bytes
    record: bytes | None
    cpu_seconds: float
    wall_seconds: float
    memory_bytes: int
    memory_held_by: str  # `sandbox.memory.BY_GROUP` or `BY_WATCHER`
    repeated: bool = False  # in a process that takes several (`sandbox.repeating`)

    def header(self) -> dict[str, Any]:
        """The reply without its blobs."""
        return {
            "outcome": self.outcome.value,
            "exit_code": self.exit_code,
            "signal": self.signal,
            "has_record": self.record is not None,
            "cpu_seconds": self.cpu_seconds,
            "wall_seconds": self.wall_seconds,
            "memory_bytes": self.memory_bytes,
            "memory_held_by": self.memory_held_by,
            "repeated": self.repeated,
        }


@dataclass(slots=True)
class End:
    """How a run's processes ended."""

    status: int | None = None  # of the first one; None if it had to be killed
    cpu_seconds: float = 0.0
    resident_bytes: int = 0
    alone: bool = True  # nothing else is left
    last: bool = False  # what forked it, or the process itself, takes no further run

    def add(self, cpu_seconds: float, resident_bytes: int) -> None:
        self.cpu_seconds += cpu_seconds
        self.resident_bytes = max(self.resident_bytes, resident_bytes)


@dataclass(slots=True)
class Template:
    """A living template, and what its programs are connected to.

    With a `pidfd` it is the program's own process instead, which its supervisor reaps (`sandbox.repeating`).
    """

    pid: int
    streams: Streams
    poll: select.poll
    waits: Waits
    drains: dict[int, Drain] = field(default_factory=dict)
    runs: int = 0
    pidfd: int | None = None
    ready: bool = False  # such a process has said that its run is over and that it can take another

    @property
    def forking_pid(self) -> int | None:
        """Whose work is not the program's; None if there is only the program."""
        return self.pid if self.pidfd is None else None


def limit_group(group: Group, limits: Limits) -> None:
    """Sets a jail's limits on its group, once: the program's, and what we need besides."""
    group.limit_memory(limits.memory_bytes + (group.memory_bytes or 0) + _TEMPLATE_BYTES)
    group.limit_processes(limits.processes + group.our_processes)


class Supervisor:
    """Runs a job's cases one after another. In a template's fork its methods raise `Become`."""

    def __init__(
        self,
        job: Job,
        limits: Limits,
        group: Group,
        confinement: Confinement,
        connection: socket.socket,
        *,
        argv: tuple[str, ...],
    ) -> None:
        self._job = job
        self._argv = argv
        self._limits = limits
        self._group = group
        self._confinement = confinement
        self._connection = connection
        self._template: Template | None = None
        self._code = b""
        self._baseline_bytes = 0
        self._memory: Watch  # made anew for each run
        self._refusals_before = 0

    def run(self, stdin: bytes, call: bytes, argv: tuple[str, ...], ends: Ends | None) -> Run:
        """One run of the program; `argv` empty is the job's own. Raises RuntimeError if none could begin."""
        if ends is not None or (self._template is not None and self._template.runs >= _RUNS_OF_A_TEMPLATE):
            self.retire()
        living = self._template or self._start(ends)
        living.runs += 1
        living.streams.fill(stdin, call, json.dumps(argv).encode() if argv else b"")
        self._prepare_group(living)
        clock = Clock(self._limits, self._confinement, living.forking_pid, living.waits, self._memory)
        living.streams.order(template.OTHER_ARGV if argv else template.USUAL)
        stopped = self._watch(living, clock)
        return self._over(living, clock, stopped, once=ends is not None)

    def _over(self, living: Template, clock: Clock, stopped: Outcome | None, *, once: bool = False) -> Run:
        """What a run did; whatever cannot serve another one is ended."""
        end = self._end(living, stopped)
        if end.alone and self._others(living):
            end.alone = False
        if not end.alone or once:
            clock.read_template()
            self._kill_and_reap(living, end)
        cpu_seconds = max(end.cpu_seconds, clock.group_cpu_seconds())
        run = self._conclude(living, end, stopped, cpu_seconds, clock.wall_seconds())
        if not end.alone or once or end.last:
            self._forget(living)
        return run

    def _start(self, ends: Ends | None, *, forks: bool = True) -> Template:
        """A new template, or with `forks` false a process that is to be the program itself."""
        plumbing = Streams(self._job.mode, self._limits.output_bytes, ends)
        if self._code:
            plumbing.put_code(self._code)
        gc.freeze()  # what this supervisor made since must not be touched by the program's collections
        pid = sys_.fork_plainly()
        if pid == 0:
            self._become_template(plumbing, once=ends is not None)
        plumbing.let_go()
        poll = select.poll()
        poll.register(plumbing.orders, select.POLLIN)
        pidfd = None if forks else os.pidfd_open(pid)
        if pidfd is not None:
            poll.register(pidfd, select.POLLIN)
        poll.register(self._connection, select.POLLRDHUP)
        for drain in plumbing.drains:
            poll.register(drain.descriptor, select.POLLIN)
        drains = {drain.descriptor: drain for drain in plumbing.drains}
        waits = Waits(os.getpid(), pid) if forks else Waits(os.getpid())
        self._template = Template(pid, plumbing, poll, waits, drains, pidfd=pidfd)
        return self._template

    def _become_template(self, plumbing: Streams, *, once: bool) -> NoReturn:
        try:
            self._group.join_programs()
            template.prepare(plumbing, self._job.places.work, self._limits)
        except BaseException:  # noqa: BLE001 - the supervisor must see a template that ended, not a stuck one
            traceback.print_exc()
            os._exit(70)
        raise Become(
            Brief(
                self._job,
                self._argv,
                self._limits,
                self._confinement,
                has_memory_group=self._group.limits_memory,
                has_process_group=self._group.limits_processes,
                once=once,
            )
        )

    def _prepare_group(self, living: Template) -> None:
        group = self._group
        self._baseline_bytes = group.memory_bytes or 0  # our own
        group.reset_peak()
        forked = self._job.kind == "python"
        self._memory = Watch(group, self._limits, self._confinement, living.forking_pid, forked=forked)
        self._refusals_before = group.refused_processes

    def _watch(self, living: Template, clock: Clock) -> Outcome | None:
        """Drains until the first process ends; returns the limit that had to stop it, if one did."""
        orders = living.streams.orders.fileno()
        connection = self._connection.fileno()
        while True:
            reported = False
            for descriptor, _ in living.poll.poll(max(0.0, clock.patience_seconds()) * 1000):
                if descriptor in (orders, living.pidfd):
                    reported = reported or self._has_reported(living, descriptor)
                elif descriptor == connection:
                    os._exit(0)  # the server let go of the job: the jail dies with its first process
                else:
                    drain = living.drains[descriptor]
                    drain.read()
                    if drain.over:
                        return Outcome.OUTPUT_LIMIT
            if reported:
                return None
            if clock.patience_seconds() <= 0:
                if (limit := clock.exceeded()) is not None:
                    return limit
                self._wake(living)

    def _has_reported(self, living: Template, descriptor: int) -> bool:
        """Whether what can be read there means that a run is over."""
        return True

    def _wake(self, living: Template) -> None:
        """A program of its uid can have stopped the template, which then tells us of no end."""
        if living.forking_pid is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(living.pid, signal.SIGCONT)

    def _end(self, living: Template, stopped: Outcome | None) -> End:
        """What the template reported; without a report the processes are yet to be killed."""
        end = End()
        if stopped is not None:
            end.alone = False
            return end
        report = living.streams.heard(64)
        if len(report) != sys_.REAPED.size:
            end.alone = False
            self._explain(living, report, end)
            return end
        status, user, user_us, system, system_us, resident_kib = sys_.REAPED.unpack(report)
        end.status = status
        end.add(user + system + (user_us + system_us) / 1e6, resident_kib * 1024)
        return end

    def _explain(self, living: Template, report: bytes, end: End) -> None:
        """The template ended, or could not confine its fork: a fault of ours, unless the program did it."""
        shares_uid = os.geteuid() != 0 or template.spawns(self._job, self._confinement)
        in_reach = shares_uid and not living.streams.unread  # before its order there is no program
        if not report and (in_reach or self._memory.killed_any()):
            return  # a program of its own uid can kill it, and so can the jail's memory limit
        self._kill_and_reap(living, end)
        why = living.streams.drains[1].take().decode(errors="replace")
        raise RuntimeError(f"a run could not be set up: {why or 'somebody killed its template'}")

    def _others(self, living: Template) -> bool:
        """Whether the program left processes behind."""
        present = self._group.present_processes
        if present is not None:
            return present > self._group.our_processes
        return any(pid != living.pid for pid in self._confinement.processes())

    def _kill_and_reap(self, living: Template, end: End) -> None:
        """Kills whatever is left, the template too, and reaps every process."""
        self._confinement.kill_all()
        while True:
            try:
                pid, status, usage = os.wait4(-1, 0)
            except ChildProcessError:
                return
            if pid != living.forking_pid:  # its usage has all the earlier runs' in it
                end.add(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
                end.status = status if end.status is None else end.status

    def _conclude(
        self,
        living: Template,
        end: End,
        stopped: Outcome | None,
        cpu_seconds: float,
        wall_seconds: float,
    ) -> Run:
        for drain in living.streams.drains:
            drain.read_rest()
        over = any(drain.over for drain in living.streams.drains)
        output = [drain.take() for drain in living.streams.drains]
        status = signal.SIGKILL if end.status is None else end.status
        died_of = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        exit_code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        ended_itself = stopped is None and cpu_seconds <= self._limits.cpu_seconds
        over_memory = self._memory.was_exceeded(died_of if ended_itself else None, end.resident_bytes)
        outcome = self._outcome(exit_code, died_of, stopped, cpu_seconds, over=over, over_memory=over_memory)
        refusal = None if self._code or self._job.kind != "python" else self._learn_code(living)
        return Run(
            outcome=outcome if refusal is None else Outcome.COMPILE_ERROR,
            exit_code=exit_code,
            signal=died_of,
            stdout=output[0],
            stderr=output[1] if refusal is None else refusal,
            record=output[2] if len(output) > 2 and output[2] else None,
            cpu_seconds=cpu_seconds,
            wall_seconds=wall_seconds,
            memory_bytes=self._peak_bytes(end.resident_bytes),
            memory_held_by=self._memory.held_by,
        )

    def _learn_code(self, living: Template) -> bytes | None:
        """After a first run: keeps the parsed program; the parser's refusal, if it was one."""
        code, refusal = living.streams.code()
        self._code = code or b""
        return refusal

    def _outcome(
        self,
        exit_code: int | None,
        died_of: int | None,
        stopped: Outcome | None,
        cpu_seconds: float,
        *,
        over: bool,
        over_memory: bool,
    ) -> Outcome:
        """The limits in order of certainty: what the kernel counted, what we stopped, what was measured."""
        group = self._group
        if exit_code == 0 and stopped is None and not over and cpu_seconds <= self._limits.cpu_seconds:
            return Outcome.MEMORY_LIMIT if over_memory else Outcome.OK
        if over_memory:
            return Outcome.MEMORY_LIMIT
        if over or died_of == signal.SIGXFSZ:
            return Outcome.OUTPUT_LIMIT
        if cpu_seconds > self._limits.cpu_seconds or died_of == signal.SIGXCPU:
            return Outcome.TIME_LIMIT
        if stopped is not None:
            return stopped
        if group.refused_processes > self._refusals_before:
            return Outcome.PROCESS_LIMIT
        return Outcome.RUNTIME_ERROR

    def _peak_bytes(self, resident_bytes: int) -> int:
        peak = self._group.peak_bytes
        if peak is None:
            return max(resident_bytes, self._memory.peak_bytes)
        return max(0, peak - self._baseline_bytes)

    def move(self) -> None:
        """The working directory is another one: a present template goes there."""
        if self._template is not None:
            self._template.streams.order(template.MOVED)

    def retire(self) -> None:
        """Ends the present template, if there is one, and whatever else there is."""
        if (living := self._template) is not None:
            self._kill_and_reap(living, End())
            self._forget(living)

    def _forget(self, living: Template) -> None:
        living.streams.close()
        living.waits.close()
        if living.pidfd is not None:
            os.close(living.pidfd)
        self._template = None
