"""Frames arrive as they were sent, over both ends' implementations."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading

import pytest

from sandbox import async_frames, frames
from sandbox.frames import Frame

FRAMES = [
    Frame({}),
    Frame({"op": "run", "argv": ["a", "ü"]}, (b"", b"x", bytes(range(256)))),
    Frame({"big": 1}, (b"z" * 3_000_000, b"end")),
]


@pytest.mark.parametrize("frame", FRAMES)
async def test_a_frame_from_the_server_reaches_the_jail(frame: Frame) -> None:
    near, far = socket.socketpair()
    near.setblocking(False)
    received: list[Frame | None] = []
    jail = threading.Thread(target=lambda: received.append(frames.receive(far)))
    jail.start()
    await asyncio.get_running_loop().sock_sendall(near, frames.pack(frame))
    await asyncio.to_thread(jail.join)
    near.close()
    far.close()
    assert received[0] is not None
    assert (received[0].header, list(received[0].blobs)) == (frame.header, list(frame.blobs))


@pytest.mark.parametrize("frame", FRAMES)
async def test_a_frame_from_the_jail_reaches_the_server(frame: Frame) -> None:
    near, far = socket.socketpair()
    near.setblocking(False)
    jail = threading.Thread(target=far.sendall, args=(frames.pack(frame),))
    jail.start()
    received = await async_frames.FrameReader(near).read()
    await asyncio.to_thread(jail.join)
    near.close()
    far.close()
    assert received is not None
    assert (received.header, list(received.blobs)) == (frame.header, list(frame.blobs))


async def test_frames_that_come_together_are_read_one_by_one() -> None:
    near, far = socket.socketpair()
    near.setblocking(False)
    far.sendall(b"".join(map(frames.pack, FRAMES[:2])))
    reader = async_frames.FrameReader(near)
    received = [await reader.read() for _ in FRAMES[:2]]
    assert [frame and frame.header for frame in received] == [frame.header for frame in FRAMES[:2]]
    near.close()
    far.close()


@pytest.mark.parametrize("sent", [b"", b"\x01", frames.pack(FRAMES[1])[:-1]])
async def test_an_end_in_the_middle_is_an_end(sent: bytes) -> None:
    near, far = socket.socketpair()
    near.setblocking(False)
    far.sendall(sent)
    far.close()
    assert await async_frames.FrameReader(near).read() is None
    near.close()


async def test_a_frame_over_the_limit_is_refused_before_it_is_read() -> None:
    near, far = socket.socketpair()
    near.setblocking(False)
    far.sendall(struct.pack("<III", 2, 1, frames.MAX_FRAME_BYTES) + b"{}")
    with pytest.raises(ConnectionError, match="over the limit"):
        await async_frames.FrameReader(near).read()
    near.close()
    far.close()
