"""Frames on the server's side: the same bytes as `sandbox.frames`, without blocking the event loop."""

from __future__ import annotations

import asyncio
import socket
import struct

from sandbox.frames import HEAD, Frame, check_size, pack, split


async def send(connection: socket.socket, frame: Frame) -> None:
    """Sends one frame without blocking the event loop; raises OSError if the peer is gone."""
    await asyncio.get_running_loop().sock_sendall(connection, pack(frame))


async def receive(connection: socket.socket) -> Frame | None:
    """Reads one frame without blocking the event loop; None at the end of the stream."""
    head = await _receive_exactly(connection, HEAD.size)
    if head is None:
        return None
    header_length, count = HEAD.unpack(head)
    packed = await _receive_exactly(connection, check_size(4 * count)) if count else b""
    if packed is None:
        return None
    lengths = struct.unpack(f"<{count}I", packed)
    body = await _receive_exactly(connection, check_size(header_length + sum(lengths)))
    return None if body is None else split(header_length, lengths, body)


async def _receive_exactly(connection: socket.socket, size: int) -> bytes | None:
    loop = asyncio.get_running_loop()
    buffer = bytearray(size)
    view, done = memoryview(buffer), 0
    while done < size:
        count = await loop.sock_recv_into(connection, view[done:])
        if count == 0:
            return None
        done += count
    return bytes(buffer)
