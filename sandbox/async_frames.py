"""Frames as the server reads them: the same bytes as `sandbox.frames`, without blocking the event loop."""

from __future__ import annotations

import asyncio
import socket
import struct

from sandbox.frames import HEAD, Frame, check_size, split

_READ_BYTES = 1 << 16  # at once, of which the next frame's may be a part


class FrameReader:
    """The frames that come by a socket, most of them read at once: each read is a turn of the event loop."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._held = bytearray()

    async def read(self) -> Frame | None:
        """The next frame, None at the end of the stream; raises OSError."""
        if not await self._hold(HEAD.size):
            return None
        header_length, count = HEAD.unpack_from(self._held)
        start = HEAD.size + check_size(4 * count)
        if not await self._hold(start):
            return None
        lengths = struct.unpack_from(f"<{count}I", self._held, HEAD.size)
        end = start + check_size(header_length + sum(lengths))
        if not await self._hold(end):
            return None
        with memoryview(self._held) as held:
            body = bytes(held[start:end])
        del self._held[:end]
        return split(header_length, lengths, body)

    async def _hold(self, size: int) -> bool:
        """Reads until so many bytes are held; False if the stream ends before."""
        loop = asyncio.get_running_loop()
        while (missing := size - len(self._held)) > 0:
            if missing > _READ_BYTES:
                return await self._fill(size)
            read = await loop.sock_recv(self._connection, _READ_BYTES)
            if not read:
                return False
            self._held += read
        return True

    async def _fill(self, size: int) -> bool:
        """The same into a buffer of that size: one that grew would leave holes in the heap."""
        loop, buffer, done = asyncio.get_running_loop(), bytearray(size), len(self._held)
        buffer[:done] = self._held
        with memoryview(buffer) as view:
            while done < size:
                count = await loop.sock_recv_into(self._connection, view[done:])
                if count == 0:
                    return False
                done += count
        self._held = buffer
        return True
