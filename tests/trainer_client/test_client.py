"""The client against a real gRPC wire with faults injected."""

from __future__ import annotations

import asyncio
import random

import grpc
import pytest

from protos.reward.v1 import reward_pb2 as pb
from server.faces.grpc_face import LEAST_PING_MS
from tests.trainer_client.conftest import QUICK
from tests.trainer_client.fake_server import FakeServer, abort, verdict
from trainer_client import client
from trainer_client.client import (
    AsyncRewardClient,
    RetryPolicy,
    RewardClient,
    RewardRequestError,
    ServerUnreachable,
)

IMPATIENT = RetryPolicy(deadline_seconds=0.2, first_wait_seconds=0.01, longest_wait_seconds=0.02)
TESTS = pb.TestSet(stdio=pb.StdioTests(cases=[pb.StdioCase(input="1\n", output="2\n")]))


def question(answer: str = "42", request_id: str = "a") -> pb.VerifyRequest:
    completion = f"<think></think>\\boxed{{{answer}}}"
    return pb.VerifyRequest(id=request_id, completion=completion, math=pb.MathTask(gold=["42"]))


def about_tests(tests_hash: str, request_id: str = "a") -> pb.VerifyRequest:
    return pb.VerifyRequest(
        id=request_id, completion="", code=pb.CodeTask(language="python", tests_hash=tests_hash)
    )


async def ask(server: FakeServer, request: pb.VerifyRequest, policy: RetryPolicy = QUICK):
    async with AsyncRewardClient(server.address, policy=policy) as client:
        return await client.verify(request)


@pytest.mark.parametrize(("answer", "reward"), [("42", 1.0), ("41", 0.0)])
async def test_a_judged_completion_has_a_reward(server, answer, reward):
    got = await ask(server, question(answer))
    assert (got.reward, got.attempts, got.id) == (reward, 1, "a")


@pytest.mark.parametrize("status", ["UNGRADABLE", "UNDECIDED"])
async def test_a_fault_of_the_task_is_neither_retried_nor_rewarded(server, status):
    server.faults = lambda request, attempt: verdict(status)
    got = await ask(server, question())
    assert (got.status, got.reward, server.attempts["a"]) == (status, None, 1)


@pytest.mark.parametrize("status", ["INTERNAL_ERROR", "OVERLOADED", "CANCELLED"])
async def test_a_fault_of_the_service_is_retried(server, status):
    server.faults = lambda request, attempt: verdict(status) if attempt < 4 else None
    got = await ask(server, question())
    assert (got.status, got.reward, got.attempts) == ("ACCEPTED", 1.0, 4)


TRANSIENT = [
    abort(grpc.StatusCode.UNAVAILABLE, "gone"),
    abort(grpc.StatusCode.UNAVAILABLE, "draining", reason="DRAINING", wait_seconds=0.001),
    abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", reason="QUEUE_FULL", wait_seconds=0.001),
    abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", wait_seconds=0.001),
    abort(grpc.StatusCode.DEADLINE_EXCEEDED, "late", reason="DEADLINE_EXCEEDED"),
    abort(grpc.StatusCode.INTERNAL, "oops", reason="INTERNAL"),
    abort(grpc.StatusCode.UNKNOWN, "a proxy's page"),
]


@pytest.mark.parametrize("fault", TRANSIENT, ids=lambda fault: fault.message)
async def test_a_passing_rpc_error_is_retried(server, fault):
    server.faults = lambda request, attempt: fault if attempt < 3 else None
    got = await ask(server, question())
    assert (got.reward, got.attempts) == (1.0, 3)


@pytest.mark.parametrize("fault", [*TRANSIENT, verdict("INTERNAL_ERROR"), verdict("OVERLOADED")], ids=str)
async def test_a_lasting_fault_ends_without_a_reward(server, fault):
    server.faults = lambda request, attempt: fault
    got = await ask(server, question(), IMPATIENT)
    assert got.reward is None
    assert got.status in {"INTERNAL_ERROR", "OVERLOADED"}
    assert "given up after" in got.message
    assert not got.proto.HasField("reward")


async def test_a_full_queue_ends_as_overloaded(server):
    server.faults = lambda request, attempt: abort(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "full", reason="QUEUE_FULL", wait_seconds=0.001
    )
    got = await ask(server, question(), IMPATIENT)
    assert (got.status, got.reward) == ("OVERLOADED", None)


async def test_a_wait_that_the_server_asks_for_is_kept(server):
    server.faults = lambda request, attempt: abort(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "full", reason="QUEUE_FULL", wait_seconds=0.9
    )
    got = await ask(server, question(), IMPATIENT)  # the wait is longer than the deadline
    assert (got.reward, server.attempts["a"]) == (None, 1)


async def test_a_wrong_request_is_raised_with_its_field(server):
    server.faults = lambda request, attempt: abort(
        grpc.StatusCode.INVALID_ARGUMENT,
        "too high",
        reason="INVALID_ARGUMENT",
        field_path="code.limits.cpu_seconds",
    )
    with pytest.raises(RewardRequestError) as caught:
        await ask(server, question())
    assert (caught.value.code, caught.value.field) == ("INVALID_ARGUMENT", "code.limits.cpu_seconds")
    assert server.attempts["a"] == 1


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (abort(grpc.StatusCode.UNAUTHENTICATED, "no token", reason="UNAUTHENTICATED"), "UNAUTHENTICATED"),
        (abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too large", reason="TOO_LARGE"), "TOO_LARGE"),
        (abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "larger than max"), "TOO_LARGE"),
        (abort(grpc.StatusCode.UNIMPLEMENTED, "not here"), "UNIMPLEMENTED"),
    ],
)
async def test_errors_that_asking_again_cannot_cure_are_raised(server, fault, code):
    server.faults = lambda request, attempt: fault
    with pytest.raises(RewardRequestError) as caught:
        await ask(server, question())
    assert (caught.value.code, server.attempts["a"]) == (code, 1)


async def test_forgotten_tests_are_sent_again(server):
    async with AsyncRewardClient(server.address, policy=QUICK) as client:
        reference = await client.put_tests(TESTS)
        server.held.clear()
        requests = [about_tests(reference.hash, str(number)) for number in range(20)]
        got = [one async for one in client.verify_many(requests)]
    assert [one.reward for one in got] == [1.0] * 20
    assert server.uploads < 10  # once at first, and not once for each of the twenty


async def test_tests_that_the_client_never_had_leave_no_reward(server):
    got = await ask(server, about_tests("sha256:" + "0" * 64))
    assert (got.status, got.reward, got.attempts) == ("UNKNOWN_TESTS", None, 1)


async def test_many_are_matched_by_id_whatever_happens_to_each(server):
    server.faults = lambda request, attempt: (
        verdict("INTERNAL_ERROR") if int(request.id) % 3 >= attempt else None
    )
    requests = [question(str(40 + number % 5), str(number)) for number in range(50)]
    async with AsyncRewardClient(server.address, policy=QUICK) as client:
        got = {one.id: one.reward async for one in client.verify_many(requests)}
    assert got == {str(number): float(number % 5 == 2) for number in range(50)}


async def test_a_stream_that_breaks_is_finished_one_by_one(server):
    broken = abort(grpc.StatusCode.UNAVAILABLE, "gone")
    server.faults = lambda request, attempt: broken if (request.id, attempt) == ("20", 1) else None
    requests = [question(str(40 + number % 5), str(number)) for number in range(50)]
    async with AsyncRewardClient(server.address, policy=QUICK) as client:
        got = [(one.id, one.reward) async for one in client.stream(requests)]
    assert len(got) == 50
    assert dict(got) == {str(number): float(number % 5 == 2) for number in range(50)}


async def test_a_fault_inside_a_stream_is_asked_again(server):
    server.faults = lambda request, attempt: verdict("OVERLOADED") if attempt == 1 else None
    async with AsyncRewardClient(server.address, policy=QUICK) as client:
        got = [one async for one in client.stream([question(request_id="a"), question("1", "b")])]
    assert {one.id: one.reward for one in got} == {"a": 1.0, "b": 0.0}


async def test_a_refused_entry_of_a_stream_raises_as_it_would_alone(server):
    refused = pb.Verdict(error=pb.RequestFault(code="INVALID_ARGUMENT", field="math.gold", message="empty"))
    alone = abort(
        grpc.StatusCode.INVALID_ARGUMENT, "empty", reason="INVALID_ARGUMENT", field_path="math.gold"
    )
    server.faults = lambda request, attempt: refused if attempt == 1 else alone
    async with AsyncRewardClient(server.address, policy=QUICK) as client:
        with pytest.raises(RewardRequestError, match=r"math\.gold"):
            _ = [one async for one in client.stream([question()])]


async def test_a_stream_wants_different_ids(server):
    async with AsyncRewardClient(server.address, policy=QUICK) as client:
        with pytest.raises(ValueError, match="different ids"):
            _ = [one async for one in client.stream([question(), question()])]


def test_the_plain_client_does_the_same(server):
    server.faults = lambda request, attempt: verdict("CANCELLED") if attempt == 1 else None
    with RewardClient(server.address, policy=QUICK) as client:
        assert client.verify(question()).reward == 1.0
        assert [one.reward for one in client.verify_many([question("1", "b"), question("42", "c")])] == [
            0.0,
            1.0,
        ]
        assert {one.id for one in client.stream([question("1", "d"), question("42", "e")])} == {"d", "e"}
        assert client.put_tests(TESTS).hash.startswith("sha256:")
        assert client.execute(pb.ExecuteRequest(id="x")).id == "x"
        task = pb.CheckTaskRequest(id="t", math=pb.MathTask(gold=["42"]), wrong=["1"])
        assert client.check_task(task).fit
        assert client.capabilities().version == "fake"


def test_the_plain_client_raises_too(server):
    server.faults = lambda request, attempt: abort(
        grpc.StatusCode.INVALID_ARGUMENT, "no", reason="INVALID_ARGUMENT"
    )
    with RewardClient(server.address, policy=QUICK) as client, pytest.raises(RewardRequestError):
        client.verify_many([question()])


def test_nobody_at_the_address():
    with RewardClient("127.0.0.1:1", policy=IMPATIENT) as client:
        with pytest.raises(ServerUnreachable, match=r"127\.0\.0\.1:1"):
            client.capabilities()
        got = client.verify(question())
    assert (got.status, got.reward) == ("INTERNAL_ERROR", None)


def test_a_server_that_comes_back_is_found_again(server):
    with RewardClient(server.address, policy=QUICK) as client:
        assert client.verify(question()).reward == 1.0
        server.stop()
        future = client.submit(question("42", "b"))
        server.start(server.address)
        verdict_after = future.result()
    assert verdict_after.reward == 1.0


def test_waits_grow_to_their_ceiling_and_are_spread():
    policy = RetryPolicy(first_wait_seconds=1.0, longest_wait_seconds=4.0)
    waits = policy.waits(random.Random(0))
    for ceiling in (1.0, 2.0, 4.0, 4.0, 4.0):
        assert ceiling / 2 <= next(waits) <= ceiling


@pytest.mark.parametrize(
    ("attempt", "left", "timeout"), [(0.0, 3600.0, 3600.0), (5.0, 3600.0, 5.0), (5.0, 2.0, 2.0)]
)
def test_an_attempt_may_take_what_is_left_unless_a_setting_says_less(attempt, left, timeout):
    assert RetryPolicy(3600.0, attempt).attempt_timeout(left) == timeout


class Wire:
    """Carries bytes to a server; its first `dead` connections stay open and carry nothing any more."""

    def __init__(self, address: str) -> None:
        self._host, _, self._port = address.partition(":")
        self.dead = self._connections = 0
        self._pumps: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Wire:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        there, back = await asyncio.open_connection(self._host, int(self._port))
        for source, sink in ((reader, back), (there, writer)):
            self._pumps.add(asyncio.create_task(self._pump(source, sink, self._connections)))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, number: int) -> None:
        try:
            while data := await source.read(65536):
                if number > self.dead:
                    sink.write(data)
        finally:
            sink.close()


async def test_a_connection_that_died_under_a_call_is_found(server, monkeypatch):
    quick = tuple((name, min(value, 500)) for name, value in client._KEEPALIVE)
    monkeypatch.setattr(client, "_KEEPALIVE", quick)
    async with Wire(server.address) as wire, AsyncRewardClient(wire.address, policy=QUICK) as asking:
        await asking.verify(question())
        wire.dead = 1
        assert (await asking.verify(question("42", "b"))).reward == 1.0


def test_a_channel_pings_no_sooner_than_the_server_allows():
    assert dict(client._KEEPALIVE)["grpc.keepalive_time_ms"] > LEAST_PING_MS
