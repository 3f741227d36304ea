"""Bad requests: the documented error with its code and field, whatever the transport."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from tests.wire.clients import Client, GrpcClient, HttpClient, Refusal, message

MATH = {"id": "m", "completion": r"</think> \boxed{1}", "math": {"gold": ["1"]}}
STATUS = {
    ("http", "INVALID_ARGUMENT"): 400,
    ("http", "TOO_LARGE"): 413,
    ("grpc", "INVALID_ARGUMENT"): grpc.StatusCode.INVALID_ARGUMENT,
    ("grpc", "TOO_LARGE"): grpc.StatusCode.RESOURCE_EXHAUSTED,
}


def code(**changed: Any) -> dict[str, Any]:
    task = {"language": "python", "stdio": {"cases": [{"input": "1", "output": "1"}]}}
    return {"id": "c", "completion": "```python\nprint(1)\n```", "code": {**task, **changed}}


async def refused(
    client: Client, sent: dict[str, Any] | bytes, expected: str = "INVALID_ARGUMENT"
) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await (client.verify_raw(sent) if isinstance(sent, bytes) else client.verify(sent))
    assert caught.value.code == expected
    assert caught.value.transport_status == STATUS[client.name, expected]
    return caught.value


@pytest.mark.parametrize(
    ("request_json", "field"),
    [
        ({}, "task"),
        ({"id": "x", "completion": "y"}, "task"),
        ({**MATH, "extraction": "telepathy"}, "extraction"),
        (code(language=""), "code.language"),
        (code(language="klingon"), "code.language"),
        (code(scoring="generous"), "code.scoring"),
        (code(checker="vibes"), "code.checker"),
        (code(limits={"cpu_seconds": 1e6}), "code.limits.cpu_seconds"),
        (code(limits={"wall_seconds": 1e6}), "code.limits.wall_seconds"),
        (code(limits={"memory_bytes": 1 << 50}), "code.limits.memory_bytes"),
        (code(limits={"output_bytes": 1 << 50}), "code.limits.output_bytes"),
        (code(limits={"processes": 1_000_000}), "code.limits.processes"),
        (code(limits={"cpu_seconds": -1}), "code.limits.cpu_seconds"),
    ],
)
async def test_a_refusal_names_its_field(client: Client, request_json: dict[str, Any], field: str) -> None:
    assert (await refused(client, request_json)).field == field


@pytest.mark.parametrize("request_json", [{**MATH, "math": {}}, code(stdio={"cases": []})])
async def test_nothing_to_compare_with_is_never_judged(client: Client, request_json: dict[str, Any]) -> None:
    verdict = await client.verify(request_json)
    assert (verdict["status"], verdict["reward"]) == ("UNGRADABLE", None)


async def test_a_code_task_without_tests(client: Client) -> None:
    request = {"completion": "x", "code": {"language": "python"}}
    assert (await refused(client, request)).field.startswith("code")


async def test_both_tasks_at_once(http: HttpClient, grpc_client: GrpcClient) -> None:
    both_in_json = {**MATH, "code": code()["code"]}
    both_in_protobuf = message(MATH).SerializeToString() + message(code()).SerializeToString()
    assert (await refused(http, both_in_json)).field == "code"
    assert (await refused(grpc_client, both_in_protobuf)).field == "code"


async def test_a_body_of_100_megabytes(client: Client) -> None:
    size = 100_000_000
    await refused(client, {**MATH, "completion": "x" * size}, "TOO_LARGE")
    assert (await client.verify(MATH))["reward"] == 1.0


async def test_text_that_is_not_utf8(http: HttpClient, grpc_client: GrpcClient) -> None:
    await refused(http, b'{"id": "\xff\xfe", "math": {"gold": ["1"]}}')
    await refused(grpc_client, b"\x0a\x02\xff\xfe")


async def test_bytes_that_are_no_request(http: HttpClient, grpc_client: GrpcClient) -> None:
    for body in (b"{", b"", b"[]", b'{"id": NaN}', b'{"id": "\\ud800"}', b"[" * 100_000):
        await refused(http, body)
    for body in (b"\x0a\x05a", b"\xff" * 20, b"{}"):
        await refused(grpc_client, body)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"comletion": "x"}, "comletion"),
        ({"math": {"gold": ["1"], "golds": []}}, "math.golds"),
        ({"math": {"gold": [1]}}, "math.gold[0]"),
        ({"explain": "yes"}, "explain"),
    ],
)
async def test_json_that_is_not_understood(http: HttpClient, changed: dict[str, Any], field: str) -> None:
    assert (await refused(http, {**MATH, **changed})).field == field


async def test_execute_of_an_unknown_language(client: Client) -> None:
    with pytest.raises(Refusal) as caught:
        await client.execute({"language": "klingon", "source": "x"})
    assert (caught.value.code, caught.value.field) == ("INVALID_ARGUMENT", "language")


async def test_a_deadline_that_passes(http: HttpClient, grpc_client: GrpcClient) -> None:
    asleep = code()
    asleep["completion"] = "```python\nimport time\ntime.sleep(60)\n```"
    late = await http.http.post("/v1/verify", json=asleep, headers={"x-request-timeout-seconds": "0.5"})
    assert (late.status_code, late.json()["code"]) == (504, "DEADLINE_EXCEEDED")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await grpc_client.stub.Verify(message(asleep), timeout=0.5)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
