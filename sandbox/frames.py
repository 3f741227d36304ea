"""Frames between the server and a jail: a JSON header and raw byte strings.

    u32 header length | u32 count | u32 length each | header | blobs

The jail's side, without asyncio: every module imported here makes each fork dearer.
The server's side is `sandbox.async_frames`.

Blobs carry stdin, stdout and executables without a second copy through JSON.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MAX_FRAME_BYTES = 1 << 30
HEAD = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: `header` as JSON, `blobs` as they are."""

    header: dict[str, Any]
    blobs: Sequence[bytes] = field(default=())


def pack(frame: Frame) -> bytes:
    """A frame as bytes."""
    return b"".join((pack_head(frame.header, tuple(map(len, frame.blobs))), *frame.blobs))


def pack_head(header: dict[str, Any], lengths: Sequence[int]) -> bytes:
    """A frame as bytes up to its blobs, which must follow and have these lengths in bytes."""
    text = json.dumps(header, separators=(",", ":")).encode()
    packed = struct.pack(f"<{len(lengths)}I", *lengths)
    return b"".join((HEAD.pack(len(text), len(lengths)), packed, text))


def split(header_length: int, lengths: tuple[int, ...], body: bytes) -> Frame:
    blobs, position = [], header_length
    for length in lengths:
        blobs.append(body[position : position + length])
        position += length
    return Frame(json.loads(body[:header_length]), blobs)


def check_size(total: int) -> int:
    if total > MAX_FRAME_BYTES:
        raise ConnectionError(f"a frame of {total} bytes is over the limit")
    return total


def receive(connection: socket.socket) -> Frame | None:
    """Reads one frame, blocking; None at the end of the stream."""
    head = _receive_exactly(connection, HEAD.size)
    if head is None:
        return None
    header_length, count = HEAD.unpack(head)
    packed = _receive_exactly(connection, check_size(4 * count))
    lengths = struct.unpack(f"<{count}I", packed or b"")
    body = _receive_exactly(connection, check_size(header_length + sum(lengths)))
    return None if body is None else split(header_length, lengths, body)


def _receive_exactly(connection: socket.socket, size: int) -> bytes | None:
    buffer = bytearray(size)
    view, done = memoryview(buffer), 0
    while done < size:
        count = connection.recv_into(view[done:])
        if count == 0:
            return None
        done += count
    return bytes(buffer)
