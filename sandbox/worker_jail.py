"""Inside a jail: supervises a worker that answers calls with a preloaded handler.

The worker is a fork of the warmed interpreter, confined like any program. Calls come
in batches and each has a budget of its own. A call that exceeds its CPU, memory or
output budget, or kills the worker, costs that call only: the next one of its batch
finds a fresh fork, and while a call is slow those behind it go back to the server,
for other workers to take.

    server -> jail   {"cpu_seconds": [...], "wall_seconds": ...}, a payload each
    jail -> server   {"statuses": [...], "returned": n, "retired": n}, an answer each
"""

from __future__ import annotations

import gc
import os
import resource
import select
import signal
import socket
import struct
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from sandbox import confinement, frames, supervise
from sandbox import syscalls as sys_
from sandbox.cgroups import Group
from sandbox.confinement import Confinement
from sandbox.frames import Frame
from sandbox.types import Limits

# What became of one call.
OK, BUDGET, WALL, DIED, LOST = "ok", "budget", "wall", "died", "lost"

CALLS_PER_WORKER = 2000  # a bound on what a leaking library can pile up
MEMORY_SHARE = 0.5  # of the limit: a worker whose peak was above is not asked again
SLOW_SECONDS = 0.05  # a call that takes longer has its neighbours answered without it
_ANSWER_HEAD = struct.Struct("<I?")  # length, and whether the worker is to be replaced
_LENGTH = struct.Struct("<I")
_POLL_FLOOR_SECONDS = 0.005
_OUT_OF_MEMORY = 77  # exit code of a worker that was refused memory


@dataclass(slots=True)
class _Worker:
    pid: int
    connection: socket.socket
    spent: bool = False


@dataclass(slots=True)
class _Batch:
    """The calls of one frame from the server, and what of them was answered and not yet sent."""

    payloads: list[bytes]
    cpu_seconds: list[float]
    wall_seconds: float
    next: int = 0
    statuses: list[str] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)

    def settle(self, status: str, answer: bytes) -> None:
        """Notes what became of the present call."""
        self.next += 1
        self.statuses.append(status)
        self.answers.append(answer)


class WorkerSupervisor:
    """Answers batches of calls until the server lets go."""

    def __init__(
        self,
        connection: socket.socket,
        handler: Callable[[bytes], bytes],
        limits: Limits,
        group: Group,
        confinement: Confinement,
    ) -> None:
        self._connection = connection
        self._handler = handler
        self._limits = limits
        self._group = group
        self._confinement = confinement
        self._worker: _Worker | None = None
        self._retired = 0

    def serve(self) -> None:
        """Serves until the end of the connection."""
        supervise.limit_group(self._group, self._limits)
        self._living_worker()
        while (frame := frames.receive(self._connection)) is not None:
            header = frame.header
            batch = _Batch(list(frame.blobs), header["cpu_seconds"], header["wall_seconds"])
            while batch.next < len(batch.payloads):
                batch.settle(*self._call(batch))
            self._send(batch)

    def _send(self, batch: _Batch, returned: int = 0) -> None:
        header = {"statuses": batch.statuses, "returned": returned, "retired": self._retired}
        self._connection.sendall(frames.pack(Frame(header, batch.answers)))
        batch.statuses, batch.answers, self._retired = [], [], 0

    def _call(self, batch: _Batch) -> tuple[str, bytes]:
        """The present call's status and answer; what ends its worker is given another one, once."""
        status, answer = self._attempt(batch)
        return self._attempt(batch) if status == DIED else (status, answer)

    def _attempt(self, batch: _Batch) -> tuple[str, bytes]:
        worker = self._living_worker()
        payload = batch.payloads[batch.next]
        kills_before = self._group.out_of_memory_kills
        try:
            worker.connection.sendall(_LENGTH.pack(len(payload)) + payload)
            status, answer = self._await(worker, batch)
        except OSError:
            status, answer = DIED, b""
        if status == OK:
            return status, answer
        ended = self._bury(worker)
        if self._group.out_of_memory_kills > kills_before:
            # Below the jail's own limit it was the host's memory that ran out: nothing is known of the call.
            status = LOST if self._group.reached_memory_limit is False else BUDGET
        elif ended == _OUT_OF_MEMORY:
            status = BUDGET  # memory is a budget too: the same call would be refused again
        elif status == DIED and ended == -signal.SIGKILL:
            status = LOST  # killed from outside: nothing is known about the call
        return status, b""

    def _await(self, worker: _Worker, batch: _Batch) -> tuple[str, bytes]:
        """The answer, or the budget that was used up, or DIED."""
        started, cpu_before = time.monotonic(), sys_.process_cpu_seconds(worker.pid)
        cpu_seconds = batch.cpu_seconds[batch.next]
        poll = select.poll()
        poll.register(worker.connection, select.POLLIN)
        poll.register(self._connection, select.POLLRDHUP)
        patience, waited_before = min(SLOW_SECONDS, cpu_seconds), None
        while True:
            for descriptor, _ in poll.poll(patience * 1000):
                if descriptor == self._connection.fileno():
                    os._exit(0)  # the server let go; the kernel kills the worker with us
                return self._read(worker)
            self._let_neighbours_go(batch)
            used = sys_.process_cpu_seconds(worker.pid) - cpu_before
            if used > cpu_seconds:
                return BUDGET, b""
            if waited_before is None:
                waited_before = _waited_seconds(worker.pid)
            idle = time.monotonic() - started - (_waited_seconds(worker.pid) - waited_before)
            if idle > batch.wall_seconds:
                return WALL, b""
            patience = max(_POLL_FLOOR_SECONDS, cpu_seconds - used)

    def _let_neighbours_go(self, batch: _Batch) -> None:
        """Sends what is answered, and gives back what stands behind the present call."""
        returned = len(batch.payloads) - batch.next - 1
        if batch.statuses or returned:
            del batch.payloads[batch.next + 1 :]
            self._send(batch, returned)

    def _read(self, worker: _Worker) -> tuple[str, bytes]:
        head = _exactly(worker.connection, _ANSWER_HEAD.size)
        if head is None:
            return DIED, b""
        length, worker.spent = _ANSWER_HEAD.unpack(head)
        if length > self._limits.output_bytes:
            return BUDGET, b""
        answer = _exactly(worker.connection, length)
        return (DIED, b"") if answer is None else (OK, answer)

    def _living_worker(self) -> _Worker:
        if self._worker is not None and self._worker.spent:
            self._bury(self._worker)
            self._retired += 1
        if self._worker is None:
            self._worker = self._fork()
        return self._worker

    def _fork(self) -> _Worker:
        self._group.reset_peak()  # what the worker before it had is no sign of this one's
        near, far = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            near.close()
            self._become_worker(far)
        far.close()
        return _Worker(pid, near)

    def _become_worker(self, connection: socket.socket) -> NoReturn:
        try:
            self._connection.close()
            os.setsid()
            self._group.join_programs()
            confinement.take(
                self._confinement.confining(
                    self._limits,
                    has_memory_group=self._group.limits_memory,
                    has_process_group=self._group.limits_processes,
                )
            )
            gc.enable()
            _answer_calls(connection, self._handler, int(self._limits.memory_bytes * MEMORY_SHARE))
        except ConnectionError:
            pass  # the supervisor is gone, and this process with it
        except MemoryError:
            os._exit(_OUT_OF_MEMORY)
        except BaseException:  # noqa: BLE001 - the log must say why; the call is answered "died"
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def _bury(self, worker: _Worker) -> int | None:
        """Ends the worker and all it started; its exit code, or the negative number of what killed it."""
        worker.connection.close()
        self._worker = None
        ended = None
        self._confinement.kill_all()  # a worker that closed its socket by dying keeps its exit code
        while True:
            try:
                pid, status = os.waitpid(-1, 0)
            except ChildProcessError:
                return ended
            if pid == worker.pid:
                ended = os.waitstatus_to_exitcode(status)


def _answer_calls(connection: socket.socket, handler: Callable[[bytes], bytes], peak_bytes: int) -> None:
    """In the worker: answers until the supervisor lets go; raises what the handler raises."""
    calls = 0
    while (payload := _receive(connection)) is not None:
        answer = handler(payload)
        calls += 1
        spent = calls >= CALLS_PER_WORKER or _peak_resident_bytes() > peak_bytes
        connection.sendall(_ANSWER_HEAD.pack(len(answer), spent) + answer)


def _waited_seconds(pid: int) -> float:
    """How long a process was ready to run and had no core: a busy machine's time, not the call's."""
    try:
        with open(f"/proc/{pid}/schedstat", "rb", buffering=0) as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0  # it has ended, or this kernel does not count


def _peak_resident_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _receive(connection: socket.socket) -> bytes | None:
    head = _exactly(connection, _LENGTH.size)
    return None if head is None else _exactly(connection, _LENGTH.unpack(head)[0])


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            return None
        data += chunk
    return bytes(data)
