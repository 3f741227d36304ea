"""One client for each transport, and the same few verbs on both.

A request is written in the API's JSON form. The gRPC client turns it into a
message with protobuf's own JSON reader, not with the server's code under test.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import grpc.aio
import httpx
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from protos.reward.v1 import reward_pb2 as pb
from protos.reward.v1 import reward_pb2_grpc

Json = dict[str, Any]
NDJSON = "application/x-ndjson"
TIMEOUT_SECONDS = 120.0


@dataclass
class Refusal(Exception):
    """The API's error, the same on both transports."""

    code: str
    field: str
    transport_status: object

    def __str__(self) -> str:
        return f"{self.code} at {self.field or 'the request'} ({self.transport_status})"


class Client(Protocol):
    """What both transports can do. `verify_raw` sends bytes as they are."""

    name: str

    async def verify(self, request: Json) -> Json: ...

    async def verify_raw(self, body: bytes) -> Json: ...

    async def stream(self, requests: list[Json]) -> list[Json]: ...

    async def put_tests(self, tests: Json) -> Json: ...

    async def execute(self, request: Json) -> Json: ...

    async def check_task(self, request: Json) -> Json: ...

    async def capabilities(self) -> Json: ...

    async def ready(self) -> bool: ...


class HttpClient:
    """JSON over HTTP."""

    name = "http"

    def __init__(self, address: str) -> None:
        self.http = httpx.AsyncClient(base_url=f"http://{address}", timeout=TIMEOUT_SECONDS)

    async def verify(self, request: Json) -> Json:
        return await self.verify_raw(json.dumps(request).encode())

    async def verify_raw(self, body: bytes) -> Json:
        return _answer(await self.http.post("/v1/verify", content=body))

    async def stream(self, requests: list[Json]) -> list[Json]:
        content = "\n".join(json.dumps(request) for request in requests)
        headers = {"accept": NDJSON, "content-type": NDJSON}
        response = await self.http.post("/v1/verify/batch", content=content, headers=headers)
        return [json.loads(line) for line in response.text.splitlines()]

    async def put_tests(self, tests: Json) -> Json:
        return _answer(await self.http.put("/v1/tests", json=tests))

    async def execute(self, request: Json) -> Json:
        return _answer(await self.http.post("/v1/execute", json=request))

    async def check_task(self, request: Json) -> Json:
        return _answer(await self.http.post("/v1/check", json=request))

    async def capabilities(self) -> Json:
        return _answer(await self.http.get("/v1/capabilities"))

    async def ready(self) -> bool:
        return (await self.http.get("/ready")).status_code == 200

    async def metric(self, name: str) -> float:
        """The value of one sample of /metrics, 0 if it is not there yet."""
        for line in (await self.http.get("/metrics")).text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    async def close(self) -> None:
        await self.http.aclose()


def _answer(response: httpx.Response) -> Json:
    body: Json = response.json()
    if response.is_success:
        return body
    assert response.headers["content-type"] == "application/problem+json"
    raise Refusal(body["code"], body["field"], response.status_code)


class GrpcClient:
    """Messages over gRPC."""

    name = "grpc"

    def __init__(self, address: str) -> None:
        self.channel = grpc.aio.insecure_channel(address, options=[("grpc.max_send_message_length", -1)])
        self.stub = reward_pb2_grpc.RewardServiceStub(self.channel)

    async def verify(self, request: Json) -> Json:
        return await self.verify_raw(message(request).SerializeToString())

    async def verify_raw(self, body: bytes) -> Json:
        call = self.channel.unary_unary(
            "/reward.v1.RewardService/Verify", response_deserializer=pb.Verdict.FromString
        )
        return await _plain(call(body, timeout=TIMEOUT_SECONDS))

    async def stream(self, requests: list[Json]) -> list[Json]:
        async def messages() -> AsyncIterator[pb.VerifyRequest]:
            for request in requests:
                yield message(request)

        return [_to_json(verdict) async for verdict in self.stub.VerifyStream(messages())]

    async def put_tests(self, tests: Json) -> Json:
        return await _plain(self.stub.PutTests(json_format.ParseDict(_for_protobuf(tests), pb.TestSet())))

    async def execute(self, request: Json) -> Json:
        sent = json_format.ParseDict(request, pb.ExecuteRequest())
        try:
            result = await self.stub.Execute(sent)
        except grpc.aio.AioRpcError as error:
            raise _refusal(error) from error
        plain = _to_json(result)
        for run, execution in zip(plain["runs"], result.runs, strict=True):
            run["stdout"], run["stderr"] = execution.stdout.decode(), execution.stderr.decode()
        return plain

    async def check_task(self, request: Json) -> Json:
        sent = json_format.ParseDict(_for_protobuf(request), pb.CheckTaskRequest())
        return await _plain(self.stub.CheckTask(sent))

    async def capabilities(self) -> Json:
        return await _plain(self.stub.GetCapabilities(pb.GetCapabilitiesRequest()))

    async def ready(self) -> bool:
        ask = health_pb2.HealthCheckRequest(service="reward.v1.RewardService")
        answer = await health_pb2_grpc.HealthStub(self.channel).Check(ask)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def close(self) -> None:
        await self.channel.close()


def message(request: Json) -> pb.VerifyRequest:
    """The message of a request in the API's JSON form."""
    return json_format.ParseDict(_for_protobuf(request), pb.VerifyRequest())


def _for_protobuf(value: Any) -> Any:
    """The API's JSON in protobuf's own: call values as their text, a checker's name as an object."""
    if isinstance(value, list):
        return [_for_protobuf(item) for item in value]
    if not isinstance(value, dict):
        return value
    plain = {name: _for_protobuf(item) for name, item in value.items()}
    for name in ("args", "expected"):
        if name in value:
            plain[name] = json.dumps(value[name])
    if isinstance(value.get("checker"), str):
        plain["checker"] = {"name": value["checker"]}
    return plain


async def _plain(call: Any) -> Json:
    try:
        return _to_json(await call)
    except grpc.aio.AioRpcError as error:
        raise _refusal(error) from error


def _to_json(answer: Message) -> Json:
    plain = json_format.MessageToDict(
        answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    if isinstance(answer, pb.Verdict):
        plain.setdefault("reward", None)
    return plain


def _refusal(error: grpc.aio.AioRpcError) -> Refusal:
    status, info = status_pb2.Status(), error_details_pb2.ErrorInfo()
    metadata = error.trailing_metadata()
    assert metadata is not None
    status.ParseFromString(metadata["grpc-status-details-bin"])
    assert status.details[0].Unpack(info)
    assert info.domain == "reward.v1"
    return Refusal(info.reason, info.metadata["field"], error.code())


async def until_metric(client: HttpClient, name: str, value: float) -> None:
    """Waits until a sample has a value; the test's timeout is the limit."""
    while await client.metric(name) != value:  # another process has no event for us
        await asyncio.sleep(0.02)


async def until_not_ready(client: HttpClient) -> None:
    """Waits until the server says that it is going."""
    while await client.ready():  # as above
        await asyncio.sleep(0.02)
