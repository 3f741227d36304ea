"""The HTTP face over the stub core: answers, errors, batches, lost clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from server import __version__
from server.faces.openapi import schema
from tests.server.conftest import MIB, Running
from tests.server.stub_core import FAULTY, FULL, HELD

MATH = {"id": "a", "completion": r"\boxed{42}", "math": {"gold": ["42"]}}
HELD_MATH = {"id": "h", "completion": HELD, "math": {"gold": ["42"]}}


async def test_a_verdict_in_json(running: Running) -> None:
    response = await running.http.post("/v1/verify", json=MATH)
    verdict = response.json()
    assert response.status_code == 200
    assert (verdict["id"], verdict["status"], verdict["reward"]) == ("a", "ACCEPTED", 1.0)
    assert verdict["trust"] == "OUTSIDE"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"id": "x"}', "task"),
        (b'{"math": {}, "code": {}}', "code"),
        (b'{"maths": {}}', "maths"),
        (b'{"math": {"gold": "42"}}', "math.gold"),
        (b'{"id": "\xff"}', ""),
        (b'{"id": ', ""),
        (b"[]", ""),
        (b"", ""),
    ],
)
async def test_a_bad_request_is_a_problem_that_names_its_field(
    running: Running, body: bytes, field: str
) -> None:
    response = await running.http.post("/v1/verify", content=body)
    problem = response.json()
    assert response.status_code == problem["status"] == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert (problem["code"], problem["field"]) == ("INVALID_ARGUMENT", field)
    assert set(problem) == {"type", "title", "status", "code", "detail", "field"}


@pytest.mark.parametrize("size", [MIB + 1, 3 * MIB])
async def test_a_body_above_the_ceiling_is_too_large(running: Running, size: int) -> None:
    async def chunks() -> AsyncIterator[bytes]:  # no content-length: the ceiling holds while it comes in
        for _ in range(size // 65536 + 1):
            yield b" " * 65536

    announced = await running.http.post("/v1/verify", content=b" " * size)
    streamed = await running.http.post("/v1/verify", content=chunks())
    assert announced.status_code == streamed.status_code == 413
    assert announced.json()["code"] == streamed.json()["code"] == "TOO_LARGE"


async def test_a_body_at_the_ceiling_is_read(running: Running) -> None:
    body = json.dumps(MATH).encode().ljust(MIB)
    assert (await running.http.post("/v1/verify", content=body)).json()["reward"] == 1.0


async def test_an_unforeseen_fault_is_no_reward_and_never_a_zero(running: Running) -> None:
    response = await running.http.post("/v1/verify", json=MATH | {"completion": FAULTY})
    verdict = response.json()
    assert response.status_code == 200
    assert (verdict["status"], verdict["reward"]) == ("INTERNAL_ERROR", None)


async def test_a_full_queue_says_when_to_come_back(running: Running) -> None:
    response = await running.http.post("/v1/verify", json=MATH | {"completion": FULL})
    assert response.status_code == 429
    assert response.headers["retry-after"] == "3"
    assert response.json()["code"] == "QUEUE_FULL"


async def test_a_deadline_ends_the_work(running: Running) -> None:
    headers = {"x-request-timeout-seconds": "0.05"}
    response = await running.http.post("/v1/verify", json=HELD_MATH, headers=headers)
    assert (response.status_code, response.json()["code"]) == (504, "DEADLINE_EXCEEDED")
    assert running.core.cancelled.is_set()


@pytest.mark.parametrize("value", ["soon", "0", "-1", "nan", "inf"])
async def test_a_deadline_that_is_none_is_refused(running: Running, value: str) -> None:
    response = await running.http.post("/v1/verify", json=MATH, headers={"x-request-timeout-seconds": value})
    assert (response.status_code, response.json()["field"]) == (400, "x-request-timeout-seconds")


async def test_a_client_that_leaves_takes_its_work_with_it(running: Running) -> None:
    asking = asyncio.create_task(running.http.post("/v1/verify", json=HELD_MATH))
    await running.core.held.wait()
    asking.cancel()
    await running.core.cancelled.wait()


async def test_a_client_that_leaves_a_stream_takes_its_work_with_it(running: Running) -> None:
    headers = {"accept": "application/x-ndjson"}
    body = {"requests": [MATH, HELD_MATH]}
    async with running.http.stream("POST", "/v1/verify/batch", json=body, headers=headers) as response:
        first = await anext(response.aiter_lines())
    assert json.loads(first)["id"] == "a"
    await running.core.cancelled.wait()


async def test_a_batch_comes_back_in_its_order(running: Running) -> None:
    requests = [MATH | {"id": str(n), "completion": rf"\boxed{{{n}}}"} for n in range(40, 45)]
    response = await running.http.post("/v1/verify/batch", json={"requests": requests})
    verdicts = response.json()["verdicts"]
    assert [verdict["id"] for verdict in verdicts] == ["40", "41", "42", "43", "44"]
    assert [verdict["reward"] for verdict in verdicts] == [0.0, 0.0, 1.0, 0.0, 0.0]


async def test_one_bad_entry_leaves_the_others_alone(running: Running) -> None:
    requests = [MATH, {"id": "b", "maths": 1}, MATH | {"id": "c"}, {"id": "d"}, 7]
    response = await running.http.post("/v1/verify/batch", json={"requests": requests})
    first, second, third, fourth, fifth = response.json()["verdicts"]
    assert (first["status"], third["status"]) == ("ACCEPTED", "ACCEPTED")
    assert (second["id"], second["error"]["field"]) == ("b", "maths")
    assert (fourth["id"], fourth["error"]["code"]) == ("d", "INVALID_ARGUMENT")
    assert set(second) == set(fifth) == {"id", "error"}


@pytest.mark.parametrize("body", [b"[]", b'{"requests": 1}', b'{"requests": [], "x": 1}', b"{", b'"\xff"'])
async def test_a_body_that_is_no_batch_is_refused_as_a_whole(running: Running, body: bytes) -> None:
    response = await running.http.post("/v1/verify/batch", content=body)
    assert (response.status_code, response.json()["code"]) == (400, "INVALID_ARGUMENT")


async def test_lines_in_and_lines_out_as_verdicts_are_made(running: Running) -> None:
    lines = [json.dumps(HELD_MATH), json.dumps(MATH), "", "{broken"]
    headers = {"accept": "application/x-ndjson", "content-type": "application/x-ndjson; charset=utf-8"}
    content = "\n".join(lines)
    async with running.http.stream("POST", "/v1/verify/batch", content=content, headers=headers) as response:
        answers = response.aiter_lines()
        early = [json.loads(await anext(answers)) for _ in range(2)]
        running.core.gate.set()  # only now may the first request end
        late = json.loads(await anext(answers))
    assert response.headers["content-type"].startswith("application/x-ndjson")
    assert {answer["id"] for answer in early} == {"a", ""}
    assert late["id"] == "h"


async def test_a_deadline_in_a_stream_is_an_entry(running: Running) -> None:
    headers = {"accept": "application/x-ndjson", "x-request-timeout-seconds": "0.2"}
    body = {"requests": [HELD_MATH, MATH]}
    response = await running.http.post("/v1/verify/batch", json=body, headers=headers)
    first, second = (json.loads(line) for line in response.text.splitlines())
    assert (first["id"], first["status"]) == ("a", "ACCEPTED")
    assert (second["id"], second["error"]["code"]) == ("h", "DEADLINE_EXCEEDED")


async def test_tests_and_execute_and_capabilities(running: Running) -> None:
    kept = await running.http.put("/v1/tests", json={"stdio": {"cases": [{"input": "1", "output": "2"}]}})
    ran = await running.http.post("/v1/execute", json={"id": "e", "language": "python", "source": "1"})
    can = await running.http.get("/v1/capabilities")
    assert kept.json()["hash"].startswith("sha256:")
    (run,) = ran.json()["runs"]
    assert (run["stdout"], run["stderr"], run["stderr_base64"]) == ("ok\n", "�", "/w==")
    assert "stdout_base64" not in run
    assert can.json()["languages"][0]["name"] == "python"


async def test_health_readiness_and_version(running: Running) -> None:
    assert (await running.http.get("/health")).status_code == 200
    assert (await running.http.get("/ready")).json() == {"ready": True}
    running.core.draining = True
    assert (await running.http.get("/ready")).status_code == 503
    assert (await running.http.get("/health")).status_code == 200
    assert (await running.http.get("/version")).json()["api"] == "reward.v1"


async def test_draining_is_503_with_its_code(running: Running) -> None:
    running.core.draining = True
    response = await running.http.post("/v1/verify", json=MATH)
    assert (response.status_code, response.json()["code"]) == (503, "DRAINING")
    assert response.headers["retry-after"] == "1"


async def test_unknown_paths_and_methods_are_problems_too(running: Running) -> None:
    lost, wrong = await running.http.get("/nowhere"), await running.http.get("/v1/verify")
    assert (lost.status_code, lost.json()["code"]) == (404, "NOT_FOUND")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert wrong.headers["content-type"] == "application/problem+json"


async def test_metrics_count_what_passed(running: Running) -> None:
    await running.http.post("/v1/verify", json=MATH)
    await running.http.post("/v1/verify", json={"id": "x"})
    text = (await running.http.get("/metrics")).text
    assert 'reward_verdicts_total{language="",status="ACCEPTED",task="math"} 1.0' in text
    assert 'reward_refusals_total{code="INVALID_ARGUMENT",rpc="verify"} 1.0' in text
    assert 'reward_in_flight{rpc="verify"} 0.0' in text
    assert 'reward_phase_seconds_sum{phase="total",task="math"} 0.25' in text
    assert "reward_queue_depth 0.0" in text


async def test_docs_are_served(running: Running) -> None:
    document = (await running.http.get("/openapi.json")).json()
    assert document == schema(__version__)
    assert (await running.http.get("/docs")).status_code == 200
