"""Recorded requests over a plain socket, and answers without what differs from run to run."""

from __future__ import annotations

import re
import socket
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "data" / "exchanges"
PATIENCE_SECONDS = 240.0
# What a run measures or makes up, and versions of compilers; all else is compared byte for byte.
VOLATILE = (
    "cost", "cpu_time", "execution_time", "memory", "sub_id", "time", "token", "version", "wall_time"
)  # fmt: skip
_FIELD = re.compile(rb'"(' + "|".join(VOLATILE).encode() + rb')":("[^"]*"|[-+.\deE]+)')
_RUNTIMES = re.compile(rb'("runtimes":\[)([-+.\deE,]*)(\])')
_HEADER = re.compile(rb"(?im)^(date|content-length|x-request-id): .*?(\r?)$")


def read_message(connection: socket.socket) -> bytes:
    """One HTTP/1.1 message with a content-length; ConnectionError if the far end leaves before its end."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    while length and len(body) < int(length[1]):
        body += _some(connection)
    return head + b"\r\n\r\n" + body


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(1 << 16)
    if not data:
        raise ConnectionError("the connection ended within a message")
    return data


def ask(server: str, request: bytes) -> bytes:
    """The answer to these very bytes; `server` is host:port."""
    host, _, port = server.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(request)
        return read_message(connection)


def masked(answer: bytes) -> bytes:
    """The answer with `*` in place of each volatile value; a runtime of -1 says `failed`, and stays."""
    head, _, body = answer.partition(b"\r\n\r\n")
    head = _HEADER.sub(rb"\1: *\2", head)
    body = _RUNTIMES.sub(_masked_runtimes, _FIELD.sub(rb'"\1":*', body))
    return head + b"\r\n\r\n" + body


def _masked_runtimes(found: re.Match[bytes]) -> bytes:
    values = [value if value == b"-1.0" else b"*" for value in found[2].split(b",")]
    return found[1] + b",".join(values) + found[3]
