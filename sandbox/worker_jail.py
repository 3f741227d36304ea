"""Inside a jail: supervises a worker that answers calls with a preloaded handler.

The worker is a fork of the warmed interpreter, confined like any program. A call
that exceeds its CPU, wall or memory budget, or kills the worker, costs that call only:
the next one finds a fresh fork.
"""

from __future__ import annotations

import gc
import os
import select
import socket
import struct
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from sandbox import frames, supervise
from sandbox import syscalls as sys_
from sandbox.cgroups import Group
from sandbox.confinement import Confinement
from sandbox.frames import Frame
from sandbox.types import Limits

CALLS_PER_WORKER = 2000  # a bound on what a leaking library can pile up
_LENGTH = struct.Struct("<I")
_POLL_FLOOR_SECONDS = 0.005


@dataclass(slots=True)
class _Worker:
    pid: int
    connection: socket.socket
    calls: int = 0


class WorkerSupervisor:
    """Answers `call` frames until the server lets go."""

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

    def serve(self) -> None:
        """Serves until the end of the connection."""
        supervise.limit_group(self._group, self._limits)
        while (frame := frames.receive(self._connection)) is not None:
            self._connection.sendall(frames.pack(self._call(frame)))

    def _call(self, frame: Frame) -> Frame:
        worker = self._living_worker()
        worker.calls += 1
        payload = frame.blobs[0]
        kills_before = self._group.out_of_memory_kills
        try:
            worker.connection.sendall(_LENGTH.pack(len(payload)) + payload)
            answer = self._await(worker, frame.header["cpu_seconds"], frame.header["wall_seconds"])
        except OSError:
            answer = None
        if isinstance(answer, bytes):
            return Frame({"status": "ok"}, (answer,))
        self._bury(worker)
        if self._group.out_of_memory_kills > kills_before:
            answer = "budget"  # memory is a budget too: the same call would be killed again
        return Frame({"status": answer or "lost"})

    def _await(self, worker: _Worker, cpu_seconds: float, wall_seconds: float) -> bytes | str | None:
        """The answer, "budget" if it took too much, or None if the worker died."""
        started, cpu_before = time.monotonic(), sys_.process_cpu_seconds(worker.pid)
        poll = select.poll()
        poll.register(worker.connection, select.POLLIN)
        poll.register(self._connection, select.POLLRDHUP)
        used = 0.0
        while True:
            for descriptor, _ in poll.poll(max(_POLL_FLOOR_SECONDS, cpu_seconds - used) * 1000):
                if descriptor == self._connection.fileno():
                    os._exit(0)  # the server let go; the kernel kills the worker with us
                return _receive(worker.connection)
            used = sys_.process_cpu_seconds(worker.pid) - cpu_before
            if used > cpu_seconds or time.monotonic() - started > wall_seconds:
                return "budget"

    def _living_worker(self) -> _Worker:
        worker = self._worker
        if worker is not None and worker.calls >= CALLS_PER_WORKER:
            self._bury(worker)
            worker = None
        if worker is None or self._worker is None:
            worker = self._worker = self._fork()
        return worker

    def _fork(self) -> _Worker:
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
            self._confinement.confine(
                self._limits,
                has_memory_group=self._group.limits_memory,
                has_process_group=self._group.limits_processes,
            )
            gc.enable()
            while (payload := _receive(connection)) is not None:
                answer = self._handler(payload)
                connection.sendall(_LENGTH.pack(len(answer)) + answer)
        except ConnectionError:
            pass  # the supervisor is gone, and this process with it
        except BaseException:  # noqa: BLE001 - the log must say why; the call is answered "lost"
            traceback.print_exc()
        os._exit(0)

    def _bury(self, worker: _Worker) -> None:
        worker.connection.close()
        self._worker = None
        self._confinement.kill_all()
        while True:
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                return


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
