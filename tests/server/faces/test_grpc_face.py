"""The gRPC face over the stub core: statuses with their details, streams, deadlines, lost clients."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status.rpc_status import GRPC_DETAILS_METADATA_KEY, code_to_grpc_status_code

from protos.reward.v1 import reward_pb2 as pb
from protos.reward.v1 import reward_pb2_grpc
from server.config import Settings
from server.errors import ErrorCode, StartupError
from server.faces import grpc_face
from server.faces.grpc_face import STATUS_CODES, GrpcFace
from tests.server.conftest import MIB, Running, until
from tests.server.stub_core import FAULTY, FULL, HELD, StubCore

SERVICE = "/reward.v1.RewardService/"


def math(request_id: str = "a", completion: str = r"\boxed{42}") -> pb.VerifyRequest:
    return pb.VerifyRequest(id=request_id, completion=completion, math=pb.MathTask(gold=["42"]))


def status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    status = status_pb2.Status()
    status.ParseFromString(error.trailing_metadata()[GRPC_DETAILS_METADATA_KEY])
    assert code_to_grpc_status_code(status.code) == error.code()
    return status


def info_of(error: grpc.aio.AioRpcError) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    assert status_of(error).details[0].Unpack(info)
    assert info.domain == "reward.v1"
    return info


async def raw(running: Running, method: str, body: bytes) -> bytes:
    return await running.channel.unary_unary(SERVICE + method)(body)


async def test_a_verdict(running: Running) -> None:
    verdict = await running.stub.Verify(math())
    assert (verdict.id, verdict.status, verdict.reward) == ("a", pb.ACCEPTED, 1.0)


@pytest.mark.parametrize("method", ["Verify", "PutTests", "Execute", "GetCapabilities"])
@pytest.mark.parametrize("body", [b"\x0a\x05a", b"\xff\xff\xff\xff"])
async def test_garbage_is_an_invalid_argument(running: Running, method: str, body: bytes) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await raw(running, method, body)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert info_of(caught.value).reason == "INVALID_ARGUMENT"


async def test_text_that_is_not_utf8_is_an_invalid_argument(running: Running) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await raw(running, "Verify", b"\x0a\x02\xff\xfe")
    assert info_of(caught.value).reason == "INVALID_ARGUMENT"
    assert "UTF-8" in (caught.value.details() or "")


async def test_a_refusal_names_its_field(running: Running) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.stub.Verify(pb.VerifyRequest(id="x"))
    assert info_of(caught.value).metadata["field"] == "task"


async def test_a_full_queue_says_when_to_come_back(running: Running) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.stub.Verify(math(completion=FULL))
    retry = error_details_pb2.RetryInfo()
    assert status_of(caught.value).details[1].Unpack(retry)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert retry.retry_delay.ToTimedelta().total_seconds() == 2.5


async def test_a_message_above_the_ceiling_is_too_large(running: Running) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.stub.Verify(math(completion="x" * (MIB + 1)))
    assert info_of(caught.value).reason == "TOO_LARGE"


async def test_a_message_far_above_the_ceiling_never_reaches_us(running: Running) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.stub.Verify(math(completion="x" * (3 * MIB)))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_unforeseen_fault_is_no_reward_and_never_a_zero(running: Running) -> None:
    verdict = await running.stub.Verify(math(completion=FAULTY))
    assert verdict.status == pb.INTERNAL_ERROR
    assert not verdict.HasField("reward")
    assert "a bug of ours" in running.log.getvalue()


async def test_a_deadline_ends_the_work(running: Running) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.stub.Verify(math(completion=HELD), timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await running.core.cancelled.wait()


async def test_a_client_that_leaves_takes_its_work_with_it(running: Running) -> None:
    call = running.stub.Verify(math(completion=HELD))
    asyncio.ensure_future(call)  # noqa: RUF006  # cancelled below
    await running.core.held.wait()
    call.cancel()
    await running.core.cancelled.wait()


async def test_a_stream_answers_as_verdicts_are_made(running: Running) -> None:
    stream = running.stub.VerifyStream(iter([math("h", HELD), math("a"), math("b", "nothing")]))
    answers = aiter(stream)
    early = {(await anext(answers)).id for _ in range(2)}
    running.core.gate.set()
    late = [verdict.id async for verdict in answers]
    assert (early, late) == ({"a", "b"}, ["h"])


async def test_one_bad_message_leaves_the_stream_alone(running: Running) -> None:
    bodies = [b"\xff\xff", pb.VerifyRequest(id="x").SerializeToString(), math("a").SerializeToString()]
    stream = running.channel.stream_stream(
        SERVICE + "VerifyStream", response_deserializer=pb.Verdict.FromString
    )(iter(bodies))
    verdicts = {verdict.id: verdict async for verdict in stream}
    assert verdicts["a"].status == pb.ACCEPTED
    for name in ("", "x"):
        assert verdicts[name].error.code == "INVALID_ARGUMENT"
        assert verdicts[name].status == pb.STATUS_UNSPECIFIED
        assert not verdicts[name].HasField("reward")


async def test_a_stream_is_read_no_further_than_its_window(running: Running) -> None:
    sent = 0

    async def requests() -> AsyncIterator[pb.VerifyRequest]:
        nonlocal sent
        for number in range(50):
            sent += 1
            yield math(str(number), HELD)

    stream = running.stub.VerifyStream(requests())
    await running.core.held.wait()
    await running.core.until(in_flight=4)
    running.core.gate.set()
    assert len([verdict async for verdict in stream]) == sent == 50
    assert running.core.most_in_flight == 4


async def test_a_client_that_leaves_a_stream_takes_its_work_with_it(running: Running) -> None:
    stream = running.stub.VerifyStream(iter([math("h", HELD)]))
    await running.core.held.wait()
    stream.cancel()
    await running.core.cancelled.wait()


async def test_tests_and_execute_and_capabilities(running: Running) -> None:
    tests = pb.TestSet(stdio=pb.StdioTests(cases=[pb.StdioCase(input="1", output="2")]))
    assert (await running.stub.PutTests(tests)).hash.startswith("sha256:")
    assert (await running.stub.Execute(pb.ExecuteRequest(id="e"))).runs[0].stdout == b"ok\n"
    assert (await running.stub.GetCapabilities(pb.GetCapabilitiesRequest())).languages[0].name == "python"


async def test_the_bytes_of_all_calls_have_a_bound_together(running: Running) -> None:
    held = running.app._grpc._held
    with held.holding(2 << 30):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await running.stub.PutTests(pb.TestSet(stdio=pb.StdioTests(cases=[pb.StdioCase(input="1")])))
        assert info_of(caught.value).reason == "QUEUE_FULL"
        retry = error_details_pb2.RetryInfo()
        assert status_of(caught.value).details[1].Unpack(retry)
        (refused,) = [verdict async for verdict in running.stub.VerifyStream(iter([math("s")]))]
        assert (refused.id, refused.error.code, refused.HasField("reward")) == ("s", "QUEUE_FULL", False)
    assert (await running.stub.Verify(math())).status == pb.ACCEPTED


async def test_the_bytes_of_a_stream_count_until_its_answers(running: Running) -> None:
    held = running.app._grpc._held
    stream = running.stub.VerifyStream(iter([math("h", HELD), math("a")]))
    await running.core.held.wait()
    assert (await anext(aiter(stream))).id == "a"
    assert held.held_bytes == math("h", HELD).ByteSize()
    stream.cancel()
    await running.core.cancelled.wait()
    await until(lambda: held.held_bytes == 0)


async def test_health_follows_the_drain(running: Running) -> None:
    health = health_pb2_grpc.HealthStub(running.channel)
    ask = health_pb2.HealthCheckRequest(service="reward.v1.RewardService")
    assert (await health.Check(ask)).status == health_pb2.HealthCheckResponse.SERVING
    await running.app.drain()
    assert (await health.Check(ask)).status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_draining_is_unavailable_with_its_reason(running: Running) -> None:
    await running.app.drain()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.stub.Verify(math())
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert info_of(caught.value).reason == "DRAINING"


async def test_reflection_lists_the_service(running: Running) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(running.channel)
    answers = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    (answer,) = [answer async for answer in answers]
    names = {service.name for service in answer.list_services_response.service}
    assert {"reward.v1.RewardService", "grpc.health.v1.Health"} <= names


async def test_a_port_in_use_is_a_startup_error(running: Running) -> None:
    face = GrpcFace(StubCore(), Settings(grpc=running.app.grpc_address))
    with pytest.raises(StartupError, match="cannot listen"):
        await face.start()


def test_every_error_code_has_a_status() -> None:
    assert set(STATUS_CODES) == set(ErrorCode)


async def test_how_long_calls_may_wait_for_the_event_loop_is_ours_to_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The library's 30 s reset calls of a large burst; with 1 s the same is seen sooner."""
    monkeypatch.setattr(grpc_face, "_UNTAKEN_SECONDS", 1)
    core = StubCore()
    await core.start()
    face = GrpcFace(core, Settings(grpc="127.0.0.1:0"))
    await face.start()
    with grpc.insecure_channel(f"127.0.0.1:{face.port}") as channel:
        stub = reward_pb2_grpc.RewardServiceStub(channel)
        calls = [stub.Verify.future(math()) for _ in range(20)]
        time.sleep(4)  # this is the server's loop
        ended = await asyncio.to_thread(lambda: [call.exception() for call in calls])
    assert {error.code() for error in ended if error} == {grpc.StatusCode.CANCELLED}
    await face.stop(0)
