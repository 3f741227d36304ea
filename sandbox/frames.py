"""Frames between the server and a jail: a JSON header and raw byte strings.

    u32 header length | u32 count | u32 length each | header | blobs

Blobs carry stdin, stdout and executables without a second copy through JSON.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MAX_FRAME_BYTES = 1 << 30
_HEAD = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: `header` as JSON, `blobs` as they are."""

    header: dict[str, Any]
    blobs: Sequence[bytes] = field(default=())


def pack(frame: Frame) -> bytes:
    """A frame as bytes."""
    header = json.dumps(frame.header, separators=(",", ":")).encode()
    lengths = struct.pack(f"<{len(frame.blobs)}I", *map(len, frame.blobs))
    return b"".join((_HEAD.pack(len(header), len(frame.blobs)), lengths, header, *frame.blobs))


def _split(header_length: int, lengths: tuple[int, ...], body: bytes) -> Frame:
    blobs, position = [], header_length
    for length in lengths:
        blobs.append(body[position : position + length])
        position += length
    return Frame(json.loads(body[:header_length]), blobs)


def _check(total: int) -> int:
    if total > MAX_FRAME_BYTES:
        raise ConnectionError(f"a frame of {total} bytes is over the limit")
    return total


def receive(connection: socket.socket) -> Frame | None:
    """Reads one frame, blocking; None at the end of the stream."""
    head = _receive_exactly(connection, _HEAD.size)
    if head is None:
        return None
    header_length, count = _HEAD.unpack(head)
    packed = _receive_exactly(connection, _check(4 * count))
    lengths = struct.unpack(f"<{count}I", packed or b"")
    body = _receive_exactly(connection, _check(header_length + sum(lengths)))
    return None if body is None else _split(header_length, lengths, body)


def _receive_exactly(connection: socket.socket, size: int) -> bytes | None:
    buffer = bytearray(size)
    view, done = memoryview(buffer), 0
    while done < size:
        count = connection.recv_into(view[done:])
        if count == 0:
            return None
        done += count
    return bytes(buffer)


async def send_async(connection: socket.socket, frame: Frame) -> None:
    """Sends one frame without blocking the event loop; raises OSError if the peer is gone."""
    await asyncio.get_running_loop().sock_sendall(connection, pack(frame))


async def receive_async(connection: socket.socket) -> Frame | None:
    """Reads one frame without blocking the event loop; None at the end of the stream."""
    head = await _receive_exactly_async(connection, _HEAD.size)
    if head is None:
        return None
    header_length, count = _HEAD.unpack(head)
    packed = await _receive_exactly_async(connection, _check(4 * count)) if count else b""
    if packed is None:
        return None
    lengths = struct.unpack(f"<{count}I", packed)
    body = await _receive_exactly_async(connection, _check(header_length + sum(lengths)))
    return None if body is None else _split(header_length, lengths, body)


async def _receive_exactly_async(connection: socket.socket, size: int) -> bytes | None:
    loop = asyncio.get_running_loop()
    buffer = bytearray(size)
    view, done = memoryview(buffer), 0
    while done < size:
        count = await loop.sock_recv_into(connection, view[done:])
        if count == 0:
            return None
        done += count
    return bytes(buffer)
