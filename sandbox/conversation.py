"""Two programs that talk: the pipes between them, and how their ends reach a jail.

    one program's stdout  ->  pipe  ->  the other's stdin, and the same the other way

The kernel joins the two jails. Nothing of what they say passes through the server:
neither waits for it, and nothing is kept. When one program ends, the other reads the
end of its input, or is told that nobody reads its output.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass


@dataclass(slots=True)
class Ends:
    """One program's side: descriptors that become its stdin and its stdout. `close` may come twice."""

    stdin: int
    stdout: int

    def close(self) -> None:
        """Closes this process's copies: from then on the other side sees this program's end."""
        for descriptor in (self.stdin, self.stdout):
            if descriptor >= 0:
                os.close(descriptor)
        self.stdin = self.stdout = -1


def join() -> tuple[Ends, Ends]:
    """Both sides of a new conversation; the caller closes them."""
    first_reads, second_writes = os.pipe2(os.O_CLOEXEC)
    second_reads, first_writes = os.pipe2(os.O_CLOEXEC)
    return Ends(first_reads, first_writes), Ends(second_reads, second_writes)


def send(connection: socket.socket, ends: Ends) -> None:
    """Hands a side to a jail, behind the frame that announces it; raises OSError."""
    socket.send_fds(connection, [b"\0"], [ends.stdin, ends.stdout])


def receive(connection: socket.socket) -> Ends:
    """In the jail: the side that comes behind the frame; raises ConnectionError if none does."""
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 2)
    if len(descriptors) != 2:
        raise ConnectionError("no descriptors came behind the frame")
    return Ends(*descriptors)
