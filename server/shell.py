"""`reward-server shell`: a shell in a jail, joined to this terminal by a pseudo-terminal."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import stat
import sys
import termios
import tty
from collections.abc import Iterator

from sandbox.conversation import Ends
from sandbox.sandbox import Sandbox
from sandbox.types import Limits

# To look around in, not to judge: nobody should meet these.
LIMITS = Limits(
    cpu_seconds=3600.0, wall_seconds=86400.0, memory_bytes=2 << 30, output_bytes=1 << 30, processes=256
)
_CHUNK = 1 << 16
_END_OF_INPUT = b"\x04"  # the key Ctrl-D
_END_AGAIN_SECONDS = 0.3


async def shell(sandbox: Sandbox, language: str) -> int:
    """Runs the shell until it ends; returns its exit code, or 128 and the signal that ended it."""
    outside, inside = os.openpty()
    bridge = _Bridge(sys.stdin.fileno(), outside)
    with _raw_terminal(sys.stdin.fileno(), outside):
        bridge.open()
        try:
            result = await sandbox.shell(language, Ends(inside, os.dup(inside)), LIMITS)
        finally:
            bridge.close()
    return 128 + (result.signal or 0) if result.exit_code is None else result.exit_code


class _Bridge:
    """Carries what is typed to the pseudo-terminal, and what is written there to standard output."""

    def __init__(self, here: int, outside: int) -> None:
        self._here = here
        self._outside = outside
        self._typed = bytearray()  # what the pseudo-terminal has not taken yet
        self._loop = asyncio.get_running_loop()
        self._ending: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Begins; files and devices that cannot be polled are read at once."""
        os.set_blocking(self._outside, False)
        self._loop.add_reader(self._outside, self._pour)
        mode = os.fstat(self._here).st_mode
        if os.isatty(self._here) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            self._loop.add_reader(self._here, self._take)
            return
        while chunk := os.read(self._here, _CHUNK):
            self._type(chunk)
        self._end_input()

    def close(self) -> None:
        """Lets the rest of the output through and ends; may come before everything was typed."""
        self._pour()
        for descriptor in (self._outside, self._here):
            self._loop.remove_reader(descriptor)
        self._loop.remove_writer(self._outside)
        if self._ending is not None:
            self._ending.cancel()
        os.close(self._outside)

    def _take(self) -> None:
        chunk = os.read(self._here, _CHUNK)
        if chunk:
            self._type(chunk)
            return
        self._loop.remove_reader(self._here)
        self._end_input()

    def _end_input(self) -> None:
        """Again and again: a shell that has just begun throws away what was typed before."""
        if not self._typed:
            self._type(_END_OF_INPUT)
        self._ending = self._loop.call_later(_END_AGAIN_SECONDS, self._end_input)

    def _type(self, chunk: bytes) -> None:
        if not self._typed:
            self._loop.add_writer(self._outside, self._feed)
        self._typed += chunk

    def _feed(self) -> None:
        with contextlib.suppress(BlockingIOError):
            del self._typed[: os.write(self._outside, self._typed)]
        if not self._typed:
            self._loop.remove_writer(self._outside)

    def _pour(self) -> None:
        with contextlib.suppress(OSError):  # nothing there, or the shell has closed its side
            while chunk := os.read(self._outside, _CHUNK):
                sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()


@contextlib.contextmanager
def _raw_terminal(here: int, outside: int) -> Iterator[None]:
    """Where standard input is a terminal: every key goes through, and its size follows."""
    if not os.isatty(here):
        yield
        return
    before, loop = termios.tcgetattr(here), asyncio.get_running_loop()
    _copy_size(here, outside)
    loop.add_signal_handler(signal.SIGWINCH, _copy_size, here, outside)
    tty.setraw(here)
    try:
        yield
    finally:
        termios.tcsetattr(here, termios.TCSADRAIN, before)
        loop.remove_signal_handler(signal.SIGWINCH)


def _copy_size(source: int, target: int) -> None:
    size = fcntl.ioctl(source, termios.TIOCGWINSZ, bytes(8))
    fcntl.ioctl(target, termios.TIOCSWINSZ, size)
