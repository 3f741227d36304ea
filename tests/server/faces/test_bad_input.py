"""Clients that mean no good or no longer work: refused clearly, and their neighbours unharmed."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
from collections.abc import AsyncIterator

import grpc.aio
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protos.reward.v1 import reward_pb2 as pb
from server.app import App
from server.config import Settings
from server.errors import ErrorCode, RequestError
from server.faces.bytes_held import BytesHeld
from server.faces.http_bounds import BodyBudget, wait_for_room
from server.logs import make_logger
from tests.server.conftest import MIB, Running
from tests.server.stub_core import HELD, StubCore

MATH = {"id": "a", "completion": r"\boxed{42}", "math": {"gold": ["42"]}}
HEAD = b"POST /v1/verify HTTP/1.1\r\nhost: x\r\n"


@pytest.fixture
async def impatient() -> AsyncIterator[App]:
    """A server that waits 0.3 s for a request."""
    options = Settings(http="127.0.0.1:0", grpc="127.0.0.1:0", receive_seconds=0.3)
    app = App(options, StubCore(), make_logger("debug", "json", io.StringIO()))
    await app.start()
    yield app
    await app.close()


class Raw:
    """A client that says what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, address: str) -> Raw:
        host, _, port = address.partition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def say(self, content: bytes) -> None:
        self._writer.write(content)
        await self._writer.drain()

    async def all_it_hears(self) -> bytes:
        """Everything until the server closes; the test's timeout is the limit."""
        content = await self._reader.read()
        await self.close()
        return content

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def one_answer(self) -> bytes:
        head = await self._reader.readuntil(b"\r\n\r\n")
        (length,) = (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        return head + await self._reader.readexactly(int(length.partition(b":")[2]))


async def is_answered(app: App) -> bool:
    async with httpx.AsyncClient() as http:
        return (await http.post(f"http://{app.http_address}/v1/verify", json=MATH)).status_code == 200


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"POST",
        HEAD,
        HEAD + b"content-length: 100\r\n\r\n{",
        HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\n{",
    ],
)
async def test_a_client_that_stops_in_mid_request_is_given_up(impatient: App, said: bytes) -> None:
    slow = await Raw.to(impatient.http_address)
    await slow.say(said)
    assert await is_answered(impatient)
    assert b" 408 " in (await slow.all_it_hears()).partition(b"\r\n")[0]


async def test_a_byte_now_and_then_does_not_buy_time(impatient: App) -> None:
    slow = await Raw.to(impatient.http_address)
    hears = asyncio.create_task(slow.all_it_hears())
    await slow.say(HEAD)
    with contextlib.suppress(ConnectionError):
        while not hears.done():  # the test's timeout is the limit
            await slow.say(b"x-a: b\r\n")
            await asyncio.sleep(0.02)
    # With a byte on its way when the connection ends, the answer is lost with it: given up all the same.
    with contextlib.suppress(ConnectionResetError):
        assert b" 408 " in await hears


async def test_a_request_that_is_here_may_take_long_and_the_next_may_come_late(impatient: App) -> None:
    client = await Raw.to(impatient.http_address)
    core = impatient._core
    assert isinstance(core, StubCore)
    for completion in (HELD, "42"):
        body = b'{"completion": "%s", "math": {"gold": ["42"]}}' % completion.encode()
        await client.say(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
        await asyncio.sleep(0.5)  # longer than the server waits for a request
        core.gate.set()
        assert b" 200 " in (await client.one_answer()).partition(b"\r\n")[0]
        await asyncio.sleep(0.5)
    await client.close()


async def test_a_hundred_slow_clients_hold_nobody_up(impatient: App) -> None:
    async def slow() -> bytes:
        client = await Raw.to(impatient.http_address)
        with contextlib.suppress(ConnectionError):  # on a busy machine its time is over before it speaks
            await client.say(HEAD)
            return await client.all_it_hears()
        return b""

    clients = [asyncio.create_task(slow()) for _ in range(100)]
    assert await is_answered(impatient)
    heard = await asyncio.gather(*clients)
    assert sum(b" 408 " in answer for answer in heard) > 50


async def test_huge_headers_are_refused(running: Running) -> None:
    client = await Raw.to(running.app.http_address)
    await client.say(HEAD + b"x-long: " + b"a" * 70_000 + b"\r\n\r\n")
    assert b" 400 " in (await client.all_it_hears()).partition(b"\r\n")[0]


@pytest.mark.parametrize(
    "body", [b"[" * 200_000, b'{"a":' * 100_000 + b"1" * 30, b'{"id": "' + b"\\u0000" * 9]
)
async def test_deep_or_broken_json_is_a_clear_refusal(running: Running, body: bytes) -> None:
    answer = await running.http.post("/v1/verify", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_ARGUMENT")


async def test_a_compressed_body_is_never_unpacked(running: Running) -> None:
    bomb = gzip.compress(b" " * (64 * MIB))
    answer = await running.http.post("/v1/verify", content=bomb, headers={"content-encoding": "gzip"})
    assert (answer.status_code, answer.json()["field"]) == (400, "content-encoding")


async def test_a_compressed_message_is_never_unpacked(running: Running) -> None:
    """The library would unpack it whole before it looks at the size."""
    packed = grpc.Compression.Gzip
    async with grpc.aio.insecure_channel(running.app.grpc_address, compression=packed) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/reward.v1.RewardService/Verify")(b"\x00" * MIB)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "disabled" in str(caught.value.details())


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer \x7f", "Basic AAAA", "Bearer " + "x" * 5000])
async def test_odd_credentials_harm_nobody_where_none_are_asked_for(running: Running, key: str) -> None:
    answer = await running.http.post("/v1/verify", json=MATH, headers={"authorization": key})
    assert answer.status_code == 200


# ---- bytes of all bodies together


async def test_the_bodies_of_all_requests_have_a_bound_together() -> None:
    async def app(scope: object, receive: object, send: object) -> None:
        for _ in range(3):
            await receive()  # type: ignore[operator]  # an ASGI receive
        await gate.wait()

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"x" * 100, "more_body": True}

    async def send(_: object) -> None:
        """Nobody listens."""

    gate = asyncio.Event()
    bounded = BodyBudget(app, held := BytesHeld(500))  # type: ignore[arg-type]  # an ASGI application
    first = asyncio.create_task(bounded({"type": "http"}, receive, send))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    with pytest.raises(RequestError) as caught:
        await bounded({"type": "http"}, receive, send)  # type: ignore[arg-type]
    assert caught.value.code is ErrorCode.QUEUE_FULL
    gate.set()
    await first
    await bounded({"type": "http"}, receive, send)  # type: ignore[arg-type]
    assert held.held_bytes == 0


async def test_a_body_larger_than_the_budget_comes_in_alone() -> None:
    held = BytesHeld(500)
    held.take(400)
    held.take(400, own=400)
    with pytest.raises(RequestError):
        held.take(1)


async def test_a_body_of_a_dialect_waits_for_room() -> None:
    async def app(scope: dict[str, object], receive: object, send: object) -> None:
        wait_for_room(scope, 60.0)
        await receive()  # type: ignore[operator]  # an ASGI receive

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"x" * 100, "more_body": False}

    async def send(_: object) -> None:
        """Nobody listens."""

    held = BytesHeld(100)
    held.take(50)
    waiting = asyncio.create_task(BodyBudget(app, held)({"type": "http", "headers": []}, receive, send))  # type: ignore[arg-type]
    await asyncio.sleep(0.1)
    assert not waiting.done()
    held.give_back(50)
    await waiting
    assert held.held_bytes == 0


async def test_bodies_that_wait_for_room_do_not_wait_for_each_other() -> None:
    async def app(scope: dict[str, object], receive: object, send: object) -> None:
        wait_for_room(scope, 60.0)
        for _ in range(4):
            await receive()  # type: ignore[operator]  # an ASGI receive
            await asyncio.sleep(0.01)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"x" * 25, "more_body": True}

    async def send(_: object) -> None:
        """Nobody listens."""

    bounded = BodyBudget(app, held := BytesHeld(100))  # type: ignore[arg-type]  # an ASGI application
    scope = {"type": "http", "headers": [(b"content-length", b"100")]}
    await asyncio.gather(*(bounded(dict(scope), receive, send) for _ in range(4)))  # type: ignore[arg-type]
    assert held.held_bytes == 0


# ---- bytes that are no message

METHODS = ["Verify", "PutTests", "Execute", "GetCapabilities", "VerifyStream"]


async def answer_to(address: str, method: str, content: bytes) -> grpc.StatusCode:
    async with grpc.aio.insecure_channel(address) as channel:
        path = f"/reward.v1.RewardService/{method}"
        try:
            if method == "VerifyStream":
                async for _ in channel.stream_stream(path)(iter([content, content])):
                    pass
            else:
                await channel.unary_unary(path)(content)
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def mutated(message: bytes, changes: list[tuple[int, int]]) -> bytes:
    content = bytearray(message)
    for place, value in changes:
        if content:
            content[place % len(content)] = value
    return bytes(content)


SEEDS = [
    pb.VerifyRequest(id="a", completion="x", math=pb.MathTask(gold=["1"])).SerializeToString(),
    pb.ExecuteRequest(id="a", language="python", source="1", files={"a": b"b"}).SerializeToString(),
    pb.TestSet(stdio=pb.StdioTests(cases=[pb.StdioCase(input="1", output="2")])).SerializeToString(),
]
changes = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=6)
contents = st.one_of(st.binary(max_size=200), st.builds(mutated, st.sampled_from(SEEDS), changes))


def test_whatever_bytes_come_no_call_ends_as_a_fault_of_the_server() -> None:
    with asyncio.Runner() as runner:
        app = App(
            Settings(http="127.0.0.1:0", grpc="127.0.0.1:0"),
            StubCore(),
            make_logger("error", "json", io.StringIO()),
        )
        runner.run(app.start())

        @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        @given(st.sampled_from(METHODS), contents)
        def check(method: str, content: bytes) -> None:
            code = runner.run(answer_to(app.grpc_address, method, content))
            assert code in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT)

        try:
            check()
            assert runner.run(is_answered(app))
        finally:
            runner.run(app.close())
