"""A service that stays at fault: each dialect ends in the form its client tries again, never in a reward."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from protos.reward.v1 import reward_pb2 as pb
from server.config import Settings
from server.errors import ErrorCode, RequestError
from server.faces.dialects import common
from server.faces.dialects.sandbox_fusion import RunCode
from server.faces.http_face import HttpFace
from tests.server.stub_core import StubCore

LABEL = '{"math": {"gold": ["1"]}}'
RESPONSE = {"output": [{"type": "message", "content": [{"type": "output_text", "text": "1"}]}]}
PROBLEM = {"dataset_type": "CommonOJDataset", "language": "python", "provided_data": {"test": [{}]}}
SUBMISSION = {"type": "python", "solution": "x", "input": "", "expected_output": ""}
# path -> body, and the status that ends in `held too long`
CALLS: dict[str, tuple[dict[str, Any], int]] = {
    "/run_code": ({"code": "x", "language": "python"}, 504),
    "/run_jupyter": ({"cells": ["x"]}, 504),
    "/submit": ({"dataset": "x", "id": 1, "completion": "x", "config": PROBLEM}, 500),
    "/openrlhf": ({"query": ["1"], "labels": [LABEL]}, 504),
    "/slime": ({"response": "1", "label": LABEL}, 504),
    "/test_program": ({"program": "x", "tests": ["assert 1"]}, 504),
    "/test_program_stdio": ({"program": "x", "tests": [{"input": "", "output": ""}]}, 504),
    "/api/v2/execute": ({"language": "python", "version": "*", "files": [{"content": "x"}]}, 504),
    "/submissions/?wait=true": ({"source_code": "x", "language_id": 71}, 503),
    "/nemo_gym/verify": ({"response": RESPONSE, "expected_answer": "1"}, 503),
}


class Refusing(StubCore):
    """Refuses everything with one code; INTERNAL also as a verdict without a reward."""

    def __init__(self, code: ErrorCode, as_verdict: bool = False) -> None:
        super().__init__()
        self._code, self._as_verdict = code, as_verdict

    async def verify(self, request: pb.VerifyRequest) -> pb.Verdict:
        if self._as_verdict:
            return pb.Verdict(status=pb.INTERNAL_ERROR, message="lost")
        raise RequestError(self._code, "not now")

    async def execute(self, request: pb.ExecuteRequest) -> pb.ExecuteResult:
        raise RequestError(self._code, "not now")


def client(core: StubCore) -> httpx.AsyncClient:
    app = HttpFace(core, Settings(), lambda: (b"", "")).app
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here", timeout=60)


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[[float | None], float | None] = common.deadline_in
    monkeypatch.setattr(common, "deadline_in", lambda seconds: real(min(seconds, 0.1)))


FAULTS = {
    "queue full": lambda: Refusing(ErrorCode.QUEUE_FULL),
    "fault": lambda: Refusing(ErrorCode.INTERNAL),
    "verdict without a reward": lambda: Refusing(ErrorCode.INTERNAL, as_verdict=True),
    "draining": lambda: Refusing(ErrorCode.DRAINING),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("path", CALLS)
async def test_what_is_never_judged_ends_in_what_the_client_tries_again(path: str, fault: str) -> None:
    body, status = CALLS[path]
    async with client(FAULTS[fault]()) as web:
        answer = await web.post(path, json=body)
    assert answer.status_code == status
    assert not {"reward", "rewards", "results", "scores"} & set(answer.json())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("path", ["/run", "/judge"])
async def test_code_judge_says_it_in_its_reason(path: str, fault: str) -> None:
    async with client(FAULTS[fault]()) as web:
        answer = (await web.post(path, json=SUBMISSION)).json()
    assert answer["reason"] in ("queue_timeout", "internal_error")
    assert answer["success"] is False


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"compile_timeout": 10, "run_timeout": 10, "memory_limit_MB": 1024, "files": {}}, 28.0),  # verl
        ({"run_timeout": 6, "stdin": ""}, 7.5),  # SkyRL: gives up after run_timeout + 2 s
        ({"run_timeout": 6, "stdin": None, "memory_limit_MB": 1024, "files": {}}, 7.5),  # one of its kin
        ({"run_timeout": 6, "files": {}}, 24.0),  # tinker-cookbook: waits 6,000 s
    ],
)
def test_a_request_is_held_as_long_as_its_client_waits(body: dict[str, Any], seconds: float) -> None:
    assert RunCode(code="x", language="python", **body).patience_seconds == seconds


class Starting(StubCore):
    """Warms up only when told."""

    def __init__(self) -> None:
        super().__init__()
        self.start_gate = asyncio.Event()

    def capabilities(self) -> pb.Capabilities:
        if self.starting:
            raise RequestError(ErrorCode.DRAINING, "still starting up")
        return super().capabilities()


@pytest.mark.parametrize("path", ["/run_code", "/slime", "/api/v2/execute"])
async def test_a_server_that_starts_is_waited_for(path: str) -> None:
    core = Starting()
    async with client(core) as web:
        asking = asyncio.create_task(web.post(path, json=CALLS[path][0]))
        await asyncio.sleep(0.2)
        assert not asking.done()
        core.warm = True
        assert (await asking).status_code == 200


async def test_a_server_that_starts_for_too_long_says_what_verl_asks_again_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(common, "_START_SECONDS", 0.1)
    async with client(Starting()) as web:
        answer = await web.post("/run_code", json=CALLS["/run_code"][0])
    assert answer.status_code == 504
