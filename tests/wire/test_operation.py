"""What an operator relies on: health, reflection, metrics, drain, and slots that come back."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.wire.clients import Client, GrpcClient, HttpClient, Refusal, message, until_metric, until_not_ready
from tests.wire.conftest import LIGHT, started

NOTHING_LENT = ("--lend-after-seconds", "1e6")
IN_FLIGHT = 'reward_in_flight{rpc="verify"}'


def asleep(seconds: float) -> dict[str, object]:
    """A request whose program sleeps, uses no CPU, and is right in the end."""
    program = f"```python\nimport time\ntime.sleep({seconds})\nprint(1)\n```"
    tests = {"cases": [{"input": "", "output": "1"}]}
    limits = {"wall_seconds": seconds + 60}
    return {
        "id": "z",
        "completion": program,
        "code": {"language": "python", "stdio": tests, "limits": limits},
    }


MATH = {"id": "m", "completion": r"</think> \boxed{1}", "math": {"gold": ["1"]}}


async def test_it_is_ready(client: Client) -> None:
    assert await client.ready()


async def test_health_and_version(http: HttpClient) -> None:
    assert (await http.http.get("/health")).status_code == 200
    version = (await http.http.get("/version")).json()
    assert version["api"] == "reward.v1"
    assert version["version"]


async def test_documents(http: HttpClient) -> None:
    assert (await http.http.get("/docs")).status_code == 200
    assert "/v1/verify" in (await http.http.get("/openapi.json")).json()["paths"]


async def test_reflection(grpc_client: GrpcClient) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(grpc_client.channel)
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="reward.v1.RewardService"),
    ]
    listed, described = [answer async for answer in stub.ServerReflectionInfo(iter(requests))]
    assert "reward.v1.RewardService" in {service.name for service in listed.list_services_response.service}
    assert described.file_descriptor_response.file_descriptor_proto


async def test_metrics_count_verdicts(client: Client, http: HttpClient) -> None:
    name = 'reward_verdicts_total{language="",status="ACCEPTED",task="math"}'
    before = await http.metric(name)
    await client.verify(MATH)
    assert await http.metric(name) >= before + 1


@pytest.mark.usefixtures("own_server_allowed")
async def test_sigterm_answers_what_was_accepted_and_refuses_the_rest() -> None:
    with started(*LIGHT) as server:
        assert server.process is not None
        http, over_grpc = HttpClient(server.http), GrpcClient(server.grpc)
        accepted = [asyncio.create_task(client.verify(asleep(5))) for client in (http, over_grpc)]
        await until_metric(http, IN_FLIGHT, 2)
        server.terminate()
        await until_not_ready(http)
        for client in (http, over_grpc):
            with pytest.raises(Refusal, match="DRAINING"):
                await client.verify(MATH)
            assert not await client.ready()
        assert [verdict["reward"] for verdict in await asyncio.gather(*accepted)] == [1.0, 1.0]
        await http.close()
        await over_grpc.close()
        assert await asyncio.to_thread(server.process.wait, 60) == 0


@pytest.mark.usefixtures("own_server_allowed")
async def test_a_client_that_leaves_frees_its_slot() -> None:
    with started(*LIGHT, "--slots", "1", *NOTHING_LENT) as server:
        http, over_grpc = HttpClient(server.http), GrpcClient(server.grpc)
        for client in (http, over_grpc):
            leaving = asyncio.create_task(client.verify(asleep(500)))
            await until_metric(http, IN_FLIGHT, 1)
            leaving.cancel()
            # With one slot, this can only be answered once the sleeper's is free.
            assert (await client.verify(asleep(0)))["reward"] == 1.0
            await until_metric(http, IN_FLIGHT, 0)
        await http.close()
        await over_grpc.close()


@pytest.mark.usefixtures("own_server_allowed")
async def test_a_client_that_leaves_a_stream_frees_its_slots() -> None:
    with started(*LIGHT, "--slots", "1", *NOTHING_LENT) as server:
        http, over_grpc = HttpClient(server.http), GrpcClient(server.grpc)
        stream = over_grpc.stub.VerifyStream(iter([message(asleep(500))] * 3))
        await until_metric(http, IN_FLIGHT, 3)
        stream.cancel()
        assert (await http.verify(asleep(0)))["reward"] == 1.0
        await http.close()
        await over_grpc.close()


@pytest.mark.usefixtures("own_server_allowed")
async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back() -> None:
    with started(*LIGHT, "--slots", "1", "--max-queue", "0") as server:
        http, over_grpc = HttpClient(server.http), GrpcClient(server.grpc)
        taking = asyncio.create_task(http.verify(asleep(500)))
        await until_metric(http, IN_FLIGHT, 1)
        response = await http.http.post("/v1/verify", json=asleep(0))
        assert (response.status_code, response.json()["code"]) == (429, "QUEUE_FULL")
        assert int(response.headers["retry-after"]) >= 1
        with pytest.raises(Refusal) as caught:
            await over_grpc.verify(asleep(0))
        assert (caught.value.code, caught.value.transport_status) == (
            "QUEUE_FULL", grpc.StatusCode.RESOURCE_EXHAUSTED
        )  # fmt: skip
        assert (await http.verify(MATH))["reward"] == 1.0  # judged where it is read: it needs no place
        taking.cancel()
        await http.close()
        await over_grpc.close()
