"""Supervises one run inside a jail: fork, feed, drain, measure, kill, judge the limits.

Time is CPU time, summed over every process of the run as the kernel accounted it
when they were reaped; the wall clock is a backstop. Output is drained while the
program runs and capped. When the program's first process ends, everything it
left behind is killed and reaped before the result is made.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import mmap
import os
import select
import signal
import socket
import time
import traceback
from dataclasses import dataclass
from typing import Any, NoReturn

from sandbox import syscalls as sys_
from sandbox.cgroups import Group
from sandbox.confinement import Confinement, Places
from sandbox.types import Limits, Mode, Outcome

STDERR_TAIL_BYTES = 64 << 10
_CHUNK = 1 << 18
_POLL_FLOOR_SECONDS = 0.002
_STARVED_POLL_SECONDS = 0.05
STARVATION_FACTOR = 10.0  # the wall limit is never extended beyond this multiple
_CORES = os.cpu_count() or 1
CALL_DESCRIPTOR, RECORD_DESCRIPTOR, CODE_DESCRIPTOR = 3, 4, 5
_PLACES = 6  # 0 to 5, see `_Plumbing`
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
}


@dataclass(frozen=True, slots=True)
class Order:
    """What to run."""

    kind: str  # "python": in a fork of the warmed interpreter; "exec": argv
    mode: Mode
    function: str
    argv: list[str]
    environment: dict[str, str]
    places: Places
    stdin: bytes
    call: bytes
    setup: bytes
    source: bytes
    tests: bytes
    code: bytes | None


class Become(BaseException):
    """Raised in a forked test to unwind to the interpreter's top, where the program then starts.

    A program so begins with an empty stack, as under a plain interpreter: the
    recursion limit and tracebacks are its own.
    """

    def __init__(self, order: Order) -> None:
        super().__init__()
        self.order = order


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
    code: bytes | None = None

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
        }


class _Drain:
    """Reads a pipe to its end, keeping the head (or the tail) within a cap."""

    def __init__(self, descriptor: int, cap: int, keep_tail: int | None = None) -> None:
        self.descriptor = descriptor
        self.total = 0
        self.open = True
        self._cap = cap
        self._keep_tail = keep_tail
        self._kept = bytearray()
        os.set_blocking(descriptor, False)

    @property
    def over(self) -> bool:
        return self.total > self._cap

    def read(self) -> None:
        """Takes what is there, one chunk."""
        try:
            chunk = os.read(self.descriptor, _CHUNK)
        except BlockingIOError:
            return
        if not chunk:
            self.open = False
            return
        self.total += len(chunk)
        self._kept += chunk
        if self._keep_tail is not None and len(self._kept) > 2 * self._keep_tail:
            del self._kept[: -self._keep_tail]

    def finish(self) -> bytes:
        """Takes the rest after every writer is dead, and closes."""
        while self.open and not self.over:
            before = self.total
            self.read()
            if self.total == before:
                break
        os.close(self.descriptor)
        kept = self._kept[-self._keep_tail :] if self._keep_tail is not None else self._kept[: self._cap]
        return bytes(kept)


def run(
    order: Order, limits: Limits, group: Group, confinement: Confinement, connection: socket.socket
) -> Run:
    """Runs `order` once. In the forked child it raises `Become` (Python) or execs."""
    return _Supervised(order, limits, group, confinement, connection).run()


def reserve_program_descriptors() -> None:
    """In a jail's first process, first of all: keeps the places of a program's descriptors taken.

    Whatever is opened later lies above them and can be moved down without a collision.
    """
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    connections = [fcntl.fcntl(null, fcntl.F_DUPFD_CLOEXEC, 3) for _ in range(_PLACES)]
    for descriptor in (null, *connections):
        if descriptor >= _PLACES:
            os.close(descriptor)


def limit_group(group: Group, limits: Limits) -> None:
    """Sets a jail's limits on its group, once: the program's, and what the supervisor needs besides."""
    group.limit_memory(limits.memory_bytes + (group.memory_bytes or 0))
    group.limit_processes(limits.processes + 1)


class _Supervised:
    """One run from fork to result."""

    def __init__(
        self,
        order: Order,
        limits: Limits,
        group: Group,
        confinement: Confinement,
        connection: socket.socket,
    ) -> None:
        self._order = order
        self._limits = limits
        self._group = group
        self._confinement = confinement
        self._connection = connection
        self._baseline_bytes = 0
        self._kills_before = 0
        self._refusals_before = 0
        self._reaped_cpu_seconds = 0.0
        self._resident_bytes = 0

    def run(self) -> Run:
        plumbing = _Plumbing(self._order, self._limits)
        self._prepare_group()
        clock = _Clock(self._group, self._limits, self._confinement)
        gc.freeze()  # what this supervisor made since must not be touched by the program's collections
        pid = sys_.fork_plainly()
        if pid == 0:
            self._become_program(plumbing)
        plumbing.close_program_side()
        stopped = self._watch(pid, plumbing.drains, clock)
        status = self._reap_all(pid)
        cpu_seconds = max(self._reaped_cpu_seconds, clock.group_cpu_seconds())
        if not plumbing.started():
            raise RuntimeError(f"a run could not be set up: {plumbing.collect()[1].decode(errors='replace')}")
        return self._conclude(status, stopped, cpu_seconds, clock.wall_seconds(), plumbing)

    def _prepare_group(self) -> None:
        group = self._group
        self._baseline_bytes = group.memory_bytes or 0  # this supervisor's own
        group.reset_peak()
        self._kills_before = group.out_of_memory_kills
        self._refusals_before = group.refused_processes

    def _become_program(self, plumbing: _Plumbing) -> NoReturn:
        """In the child: takes the descriptors, gives up every right, and starts the program."""
        order = self._order
        try:
            _volunteer_for_out_of_memory()
            os.setsid()
            plumbing.take_program_side()
            os.chdir(order.places.work)
            os.umask(0o022)
            self._confinement.confine(
                self._limits,
                has_memory_group=self._group.limits_memory,
                has_process_group=self._group.limits_processes,
            )
            plumbing.mark_started()
        except BaseException:  # noqa: BLE001 - a half-confined child must never run the program
            traceback.print_exc()
            os._exit(70)
        if order.kind == "python":
            raise Become(order)
        _exec(order)

    def _watch(self, pid: int, drains: list[_Drain], clock: _Clock) -> Outcome | None:
        """Drains until the first process ends; returns the limit that had to stop it, if one did."""
        end = os.pidfd_open(pid)
        poll = select.poll()
        poll.register(end, select.POLLIN)
        poll.register(self._connection, select.POLLRDHUP)
        by_descriptor = {drain.descriptor: drain for drain in drains}
        for descriptor in by_descriptor:
            poll.register(descriptor, select.POLLIN)
        try:
            while True:
                for descriptor, _ in poll.poll(clock.patience_seconds() * 1000):
                    if descriptor == end:
                        return None
                    if descriptor not in by_descriptor:
                        os._exit(0)  # the server let go of the job: the kernel kills the jail with its init
                    drain = by_descriptor[descriptor]
                    drain.read()
                    if drain.over:
                        return Outcome.OUTPUT_LIMIT
                    if not drain.open:
                        poll.unregister(descriptor)
                if (limit := clock.exceeded(pid)) is not None:
                    return limit
        finally:
            os.close(end)

    def _reap_all(self, first: int) -> int:
        """Kills whatever is left, reaps every process and returns the first one's wait status."""
        status = 0
        self._confinement.kill_all()
        while True:
            try:
                pid, ended, usage = os.wait4(-1, 0)
            except ChildProcessError:
                return status
            self._reaped_cpu_seconds += usage.ru_utime + usage.ru_stime
            self._resident_bytes = max(self._resident_bytes, usage.ru_maxrss * 1024)
            if pid == first:
                status = ended

    def _conclude(
        self,
        status: int,
        stopped: Outcome | None,
        cpu_seconds: float,
        wall_seconds: float,
        plumbing: _Plumbing,
    ) -> Run:
        stdout, stderr, record, code = plumbing.collect()
        died_of = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        exit_code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        outcome = self._outcome(exit_code, died_of, stopped, cpu_seconds, over=plumbing.over)
        if code is not None and code.startswith(b"E"):
            outcome, stderr, code = Outcome.COMPILE_ERROR, code[1:], None
        return Run(
            outcome=outcome,
            exit_code=exit_code,
            signal=died_of,
            stdout=stdout,
            stderr=stderr,
            record=record,
            cpu_seconds=cpu_seconds,
            wall_seconds=wall_seconds,
            memory_bytes=self._peak_bytes(),
            code=code[1:] if code else None,
        )

    def _outcome(
        self,
        exit_code: int | None,
        died_of: int | None,
        stopped: Outcome | None,
        cpu_seconds: float,
        *,
        over: bool,
    ) -> Outcome:
        """The limits in order of certainty: what the kernel counted, what we stopped, what was measured."""
        group = self._group
        if group.out_of_memory_kills > self._kills_before:
            return Outcome.MEMORY_LIMIT
        if over or died_of == signal.SIGXFSZ:
            return Outcome.OUTPUT_LIMIT
        if cpu_seconds > self._limits.cpu_seconds or died_of == signal.SIGXCPU:
            return Outcome.TIME_LIMIT
        if stopped is not None:
            return stopped
        if exit_code == 0:
            return Outcome.OK
        if group.refused_processes > self._refusals_before:
            return Outcome.PROCESS_LIMIT
        return Outcome.RUNTIME_ERROR

    def _peak_bytes(self) -> int:
        peak = self._group.peak_bytes
        return self._resident_bytes if peak is None else max(0, peak - self._baseline_bytes)


class _Plumbing:
    """The descriptors of one run, on both sides of the fork.

    In the program: 0 stdin, 1 stdout, 2 stderr; for an executable under CALL 3
    is its arguments; 4 is the private channel out; 5 takes the compiled program.
    """

    def __init__(self, order: Order, limits: Limits) -> None:
        is_python = order.kind == "python"
        needs_call = order.mode is Mode.CALL and not is_python
        cap = limits.output_bytes
        pipes = [os.pipe2(os.O_CLOEXEC) for _ in range(2 if order.mode is Mode.SCRIPT else 3)]
        self.drains = [_Drain(pipes[0][0], cap), _Drain(pipes[1][0], cap, STDERR_TAIL_BYTES)]
        self.drains += [_Drain(pipe[0], cap) for pipe in pipes[2:]]
        self._sink = os.memfd_create("code") if is_python and order.code is None else None
        self._program_side: list[int | None] = [
            read_only_file("stdin", order.stdin),
            pipes[0][1],
            pipes[1][1],
            read_only_file("call", order.call) if needs_call else None,
            pipes[2][1] if len(pipes) > 2 else None,
            self._sink,
        ]
        self._mark = mmap.mmap(-1, 1)

    def close_program_side(self) -> None:
        """In the supervisor, after the fork; the sink stays to be read."""
        for descriptor in self._program_side[:5]:
            if descriptor is not None:
                os.close(descriptor)

    def take_program_side(self) -> None:
        """In the child: moves the descriptors to their places and closes all others."""
        for place, descriptor in enumerate(self._program_side):
            if descriptor is None:
                os.close(place)
            else:
                os.dup2(descriptor, place)
        os.closerange(_PLACES, 4096)

    def mark_started(self) -> None:
        """In the child: tells the supervisor that every restriction is in place."""
        self._mark[0] = 1
        self._mark.close()  # the program must not find the page

    def started(self) -> bool:
        """In the supervisor: whether the child got as far as the program."""
        return self._mark[0] == 1

    @property
    def over(self) -> bool:
        """Whether a stream went over its cap."""
        return any(drain.over for drain in self.drains)

    def collect(self) -> tuple[bytes, bytes, bytes | None, bytes | None]:
        """stdout, stderr's tail, the record and the sink's content; closes everything."""
        streams = [drain.finish() for drain in self.drains]
        record = streams[2] if len(streams) > 2 and streams[2] else None
        code = None
        if self._sink is not None:
            with os.fdopen(self._sink, "rb") as file:
                file.seek(0)
                code = file.read() or None
        self._mark.close()
        return streams[0], streams[1], record, code


class _Clock:
    """CPU and wall time of a run while it goes on."""

    def __init__(self, group: Group, limits: Limits, confinement: Confinement) -> None:
        self._group = group
        self._confinement = confinement
        self._limits = limits
        self._most_wall_seconds = limits.wall_seconds * STARVATION_FACTOR
        self._started = time.monotonic()
        self._own_before = time.process_time()
        self._group_before = group.cpu_seconds
        self._used = 0.0

    def wall_seconds(self) -> float:
        return time.monotonic() - self._started

    def group_cpu_seconds(self) -> float:
        """CPU time of the group without this supervisor's own; 0 without a group."""
        total = self._group.cpu_seconds
        if total is None or self._group_before is None:
            return 0.0
        return total - self._group_before - (time.process_time() - self._own_before)

    def patience_seconds(self) -> float:
        """How long no limit can be exceeded, if every core worked for this program."""
        cpu_left = (self._limits.cpu_seconds - self._used) / _CORES
        wall_left = self._limits.wall_seconds - self.wall_seconds()
        if wall_left <= 0:
            wall_left = _STARVED_POLL_SECONDS
        return max(_POLL_FLOOR_SECONDS, min(cpu_left, wall_left))

    def exceeded(self, pid: int) -> Outcome | None:
        """The limit that is used up, if one is."""
        self._used = self._measure()
        if self._used > self._limits.cpu_seconds:
            return Outcome.TIME_LIMIT
        beyond = self.wall_seconds() - self._limits.wall_seconds
        if beyond > 0 and (beyond > self._starved_seconds() or self.wall_seconds() > self._most_wall_seconds):
            return Outcome.WALL_LIMIT
        return None

    def _starved_seconds(self) -> float:
        """How long the jail's most patient process was ready to run and got no core.

        A busy machine's fault, not the program's: the wall limit is extended by it.
        """
        return max(map(_waited_seconds, self._confinement.processes()), default=0.0)

    def _measure(self) -> float:
        if self._group_before is not None:
            return self.group_cpu_seconds()
        total = 0.0
        for pid in self._confinement.processes():
            with contextlib.suppress(OSError):  # it ended between the two calls
                total += sys_.process_cpu_seconds(pid)
        return total


def _waited_seconds(pid: int) -> float:
    """The second field of /proc/PID/schedstat; 0 once the process has ended."""
    try:
        with open(f"/proc/{pid}/schedstat", "rb", buffering=0) as file:
            return int(file.read(64).split()[1]) / 1e9
    except OSError:
        return 0.0


def _volunteer_for_out_of_memory() -> None:
    """The kernel must take the program, not its supervisor, when the jail's memory is used up."""
    descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    os.write(descriptor, b"1000")
    os.close(descriptor)


def read_only_file(name: str, content: bytes) -> int:
    """An anonymous file with this content, opened read-only: seekable, and nobody can write it."""
    writable = os.memfd_create(name)
    os.fchmod(writable, 0o444)  # or the program could open it anew through /proc
    with os.fdopen(writable, "wb", closefd=False) as file:
        file.write(content)
    try:
        return os.open(f"/proc/self/fd/{writable}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(writable)


def _exec(order: Order) -> NoReturn:
    for number in (
        signal.SIGPIPE,
        signal.SIGXFSZ,
    ):  # an interpreter ignores them; programs expect the default
        signal.signal(number, signal.SIG_DFL)
    environment = {
        **_ENVIRONMENT,
        "HOME": order.places.work,
        "TMPDIR": order.places.temporary,
        **order.environment,
    }
    try:
        os.execvpe(order.argv[0], order.argv, environment)  # noqa: S606 - this is what a jail is for
    except OSError as error:
        os.write(2, f"{order.argv[0]}: {error.strerror}\n".encode())
    os._exit(127)
