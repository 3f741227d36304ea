"""A program's descriptors, and the supervisor's ends of them, made once and used by one run after another.

    0 stdin   1 stdout   2 stderr   3 a call's arguments   4 the private channel out
    5 the compiled program   6 argv, where it is not the usual one   7 the template's orders

A program has the first five at most; the others are closed before it starts, but the last where it was found
to be harmless and its process takes several runs (`sandbox.persistent`). Whoever else could still hold the
far ends is dead when a run is over, so nothing of one run reaches the next.
"""

from __future__ import annotations

import fcntl
import os
import socket

from sandbox.confinement import KEPT_DESCRIPTORS
from sandbox.conversation import Ends
from sandbox.types import Mode

STDERR_TAIL_BYTES = 64 << 10
CALL, RECORD, CODE, ARGV, ORDERS = 3, 4, 5, 6, 7
PLACES = 8
_CHUNK = 1 << 18
_PARSED, _REFUSED = b"C", b"E"


def reserve_program_descriptors() -> None:
    """In a jail's first process, first of all: keeps the places of a program's descriptors taken.

    Whatever is opened later lies above them and can be moved down without a collision.
    """
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    connections = [fcntl.fcntl(null, fcntl.F_DUPFD_CLOEXEC, 3) for _ in range(PLACES)]
    for descriptor in (null, *connections):
        if descriptor >= PLACES:
            os.close(descriptor)


class Drain:
    """Reads a pipe while a run goes on, keeping the head (or the tail) within a cap."""

    def __init__(self, descriptor: int, cap: int, keep_tail: int | None = None) -> None:
        self.descriptor = descriptor
        self._cap = cap
        self._keep_tail = keep_tail
        self._total = 0
        self._kept = bytearray()
        os.set_blocking(descriptor, False)

    @property
    def over(self) -> bool:
        """Whether the stream went over its cap."""
        return self._total > self._cap

    def read(self) -> bool:
        """Takes what is there, one chunk; False if there was nothing."""
        try:
            chunk = os.read(self.descriptor, _CHUNK)
        except BlockingIOError:
            return False
        self._total += len(chunk)
        if self._total <= self._cap or self._keep_tail is not None:
            self._kept += chunk
        if self._keep_tail is not None and len(self._kept) > 2 * self._keep_tail:
            del self._kept[: -self._keep_tail]
        return bool(chunk)

    def read_rest(self) -> None:
        """After every writer is dead: takes what is left; only now is it known whether it is `over`."""
        while self.read():
            pass

    def take(self) -> bytes:
        """After every writer is dead: what was kept of the run. The next one finds the pipe empty."""
        self.read_rest()
        kept = bytes(self._kept[-self._keep_tail :] if self._keep_tail is not None else self._kept)
        self._kept = bytearray()
        self._total = 0
        return kept


class Refill:
    """An anonymous file that a program can read and seek but not write, filled anew for each run."""

    def __init__(self, name: str) -> None:
        self._writable = os.memfd_create(name)
        os.fchmod(self._writable, 0o444)  # or the program could open it anew through /proc
        self.readable = os.open(f"/proc/self/fd/{self._writable}", os.O_RDONLY | os.O_CLOEXEC)
        self._content = b""

    def fill(self, content: bytes) -> None:
        """The next run reads this, from its beginning."""
        if content != self._content:
            os.ftruncate(self._writable, len(content))
            position = 0
            while position < len(content):
                position += os.pwrite(self._writable, memoryview(content)[position:], position)
            self._content = content
        os.lseek(self.readable, 0, os.SEEK_SET)  # the program's description is this one

    def close(self) -> None:
        """Lets go of both descriptors."""
        os.close(self._writable)
        os.close(self.readable)


class Streams:
    """Everything a template's programs are connected to."""

    def __init__(self, mode: Mode, output_bytes: int, ends: Ends | None) -> None:
        pipes = [os.pipe2(os.O_CLOEXEC) for _ in range(2 if mode is Mode.SCRIPT else 3)]
        self._outputs = [writing for _, writing in pipes]
        for descriptor in self._outputs[:2]:
            os.fchmod(descriptor, 0o622)  # a program may open /dev/stdout and /dev/stderr by their names
        self.drains = [
            Drain(pipes[0][0], output_bytes),
            Drain(pipes[1][0], output_bytes, STDERR_TAIL_BYTES),
            *(Drain(reading, output_bytes) for reading, _ in pipes[2:]),
        ]
        self._stdin = Refill("stdin")
        self._call = Refill("call") if mode is Mode.CALL else None
        self._argv = Refill("argv")
        self._code = os.memfd_create("code")
        self._ends = ends
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.orders, self._template_orders = near, far
        self.unread = False  # whether the far end was closed before it had taken an order

    def fill(self, stdin: bytes, call: bytes, argv: bytes) -> None:
        """What the next run reads; its pipes are as a new run expects them."""
        self._stdin.fill(stdin)
        if self._call is not None:
            self._call.fill(call)
        if argv:
            self._argv.fill(argv)
        for descriptor in self._outputs:  # a program may have made them non-blocking, for all that share them
            fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_WRONLY)

    def order(self, order: bytes) -> None:
        """Tells the template, or the process of several runs; that one has ended is heard, not raised."""
        try:
            self.orders.send(order)
        except ConnectionError:
            self.unread = True

    def heard(self, most_bytes: int) -> bytes:
        """What it says; nothing if it has ended, with an order unread, too."""
        try:
            return self.orders.recv(most_bytes)
        except ConnectionResetError:
            self.unread = True
            return b""

    def put_code(self, code: bytes) -> None:
        """A program that was parsed by a template before this one."""
        os.pwrite(self._code, _PARSED + code, 0)

    def code(self) -> tuple[bytes | None, bytes | None]:
        """After a run: the program as its parser left it, or else the parser's refusal."""
        content = os.pread(self._code, os.fstat(self._code).st_size, 0)
        if content.startswith(_REFUSED):
            os.ftruncate(self._code, 0)
            return None, content[1:]
        return (content[1:], None) if content else (None, None)

    def take_places(self) -> None:
        """In the template: moves the descriptors to their places and closes all others."""
        standard = (self._stdin.readable, self._outputs[0])
        if self._ends is not None:
            standard = self._ends.stdin, self._ends.stdout
        sides = (
            *standard,
            self._outputs[1],
            None if self._call is None else self._call.readable,
            self._outputs[2] if len(self._outputs) > 2 else None,
            self._code,
            self._argv.readable,
            self._template_orders.fileno(),
        )
        for place, descriptor in enumerate(sides):
            if descriptor is None:
                os.close(place)
            else:
                os.dup2(descriptor, place, inheritable=place <= RECORD)
        os.closerange(PLACES, KEPT_DESCRIPTORS)

    def let_go(self) -> None:
        """In the supervisor, once the template has them: ends of a conversation must have one holder."""
        self._template_orders.close()
        if self._ends is not None:
            self._ends.close()

    def close(self) -> None:
        """In the supervisor, when nobody uses them any more."""
        self.orders.close()
        for descriptor in (*self._outputs, *(drain.descriptor for drain in self.drains), self._code):
            os.close(descriptor)
        for refill in (self._stdin, self._argv, self._call):
            if refill is not None:
                refill.close()


# In a forked run, before its program starts.


def given() -> list[int]:
    """The places of the program's descriptors that are taken."""
    return [place for place in range(CODE) if place in (0, 1, 2) or _is_open(place)]


def _is_open(place: int) -> bool:
    try:
        os.fstat(place)
    except OSError:
        return False
    return True


def parsed_code(most_bytes: int) -> bytes:
    """The program as an earlier run's parser left it; empty in the first, and if it is larger."""
    size = os.fstat(CODE).st_size
    return os.pread(CODE, size, 0)[1:] if size <= most_bytes else b""


def hand_over_code(code: bytes) -> None:
    """To the runs that follow."""
    _write_all(CODE, _PARSED + code)


def refuse_code(why: bytes) -> None:
    """The program does not parse."""
    _write_all(CODE, _REFUSED + why)


def read_whole(place: int) -> bytes:
    """The content of one of the files."""
    return os.pread(place, os.fstat(place).st_size, 0)


def _write_all(descriptor: int, content: bytes) -> None:
    position = 0
    while position < len(content):
        position += os.pwrite(descriptor, memoryview(content)[position:], position)
