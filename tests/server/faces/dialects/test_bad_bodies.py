"""Bodies that are wrong, or odd, in a dialect: its own form of a refusal, and never a fault of the server."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from protos.reward.v1 import reward_pb2 as pb
from server.config import Settings
from server.faces.http_face import HttpFace
from tests.server.stub_core import StubCore


def client(core: StubCore, **settings: Any) -> httpx.AsyncClient:
    app = HttpFace(core, Settings(**settings), lambda: (b"", "")).app
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here", timeout=60)


def submission(test: Any) -> dict[str, Any]:
    config = {
        "dataset_type": "CommonOJDataset",
        "language": "python",
        "provided_data": {"test": test},
    }
    return {"dataset": "x", "id": 1, "completion": "x", "config": config}


def asserts(**row: Any) -> dict[str, Any]:
    config = {"dataset_type": "MBPPDataset", "language": "python", "provided_data": row}
    return {"dataset": "x", "id": 1, "completion": "x", "config": config}


def piston(**fields: Any) -> dict[str, Any]:
    return {"language": "python", "version": "*", "files": [{"content": "x"}], **fields}


def gym(response: Any, **row: Any) -> dict[str, Any]:
    return {"response": response, **row}


JUDGE0 = "/submissions/?wait=true"
REFUSED: dict[str, tuple[str, Any]] = {
    "piston, arguments that are no array": ("/api/v2/execute", piston(args=5)),
    "piston, a name that is no text": ("/api/v2/execute", piston(files=[{"content": "x", "name": 5}])),
    "piston, half a surrogate pair": ("/api/v2/execute", piston(stdin="\ud800")),
    "submit, a test that is a text": ("/submit", submission(["a"])),
    "submit, an input that is a text": ("/submit", submission([{"input": "3"}])),
    "submit, an input that is null": ("/submit", submission([{"input": None}])),
    "submit, asserts that are a number": ("/submit", asserts(test=5)),
    "submit, asserts that are numbers": ("/submit", asserts(test=[5])),
    "submit, files beside asserts": ("/submit", asserts(test={"code": "assert 1", "asset": {"a": "eA=="}})),
    "run_code, a file that is not ASCII": (
        "/run_code",
        {"code": "x", "language": "python", "files": {"a": "é"}},
    ),
    "judge0, memory without end": (JUDGE0, {"source_code": "x", "language_id": 71, "memory_limit": 1e999}),
    "judge0, base64 that is not ASCII": (
        f"{JUDGE0}&base64_encoded=true",
        {"source_code": "é", "language_id": 71},
    ),
    "open-instruct, no asserts": ("/test_program", {"program": "x", "tests": []}),
    "open-instruct, no cases": ("/test_program_stdio", {"program": "x", "tests": []}),
    "open-instruct, cases nested too deep": ("/test_program", {"program": "x", "tests": "[" * 100_000}),
    "nemo gym, metadata that is a text": ("/nemo_gym/verify", gym({}, verifier_metadata="x")),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_wrong_is_refused_as_the_clients_doing(name: str) -> None:
    path, body = REFUSED[name]
    async with client(StubCore()) as web:
        answer = await web.post(path, content=json.dumps(body), headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 429, answer.text
    assert answer.json()


@pytest.mark.parametrize(
    "response",
    [
        {"output": [{"type": "message", "content": [{"type": "output_text", "text": None}]}]},
        {"output": [{"type": "message", "content": "hi"}]},
        {"output": [None, "x"]},
        {"output": "hi"},
    ],
)
async def test_nemo_gym_judges_an_odd_response_as_the_text_that_it_has(response: Any) -> None:
    async with client(StubCore()) as web:
        answer = await web.post("/nemo_gym/verify", json=gym(response, expected_answer="1"))
    assert answer.status_code == 200


async def test_nemo_gym_gives_back_integers_of_any_size() -> None:
    body = gym({}, expected_answer="1", seed=2**64, ids=[10**30])
    async with client(StubCore()) as web:
        answer = (await web.post("/nemo_gym/verify", json=body)).json()
    assert (answer["seed"], answer["ids"]) == (2**64, [10**30])


@pytest.mark.parametrize("path", ["/nemo_gym/verify", JUDGE0, "/run_code"])
async def test_a_body_over_the_ceiling_is_413_and_not_tried_again(path: str) -> None:
    async with client(StubCore(), request_bytes_ceiling=1000) as web:
        answer = await web.post(path, json={"source_code": "x" * 2000})
    assert answer.status_code == 413


async def test_a_label_of_deep_json_is_a_gold() -> None:
    async with client(StubCore()) as web:
        answer = await web.post("/slime", json={"response": "1", "label": '{"a":' * 100_000})
    assert answer.status_code == 200


class Faulty(StubCore):
    """Fails in a way that nobody foresaw."""

    def capabilities(self) -> pb.Capabilities:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("/run_code", {"code": "x", "language": "python"}, 504), ("/api/v2/execute", piston(), 500)],
)
async def test_an_unforeseen_fault_takes_the_dialects_form_and_is_logged(
    path: str, body: dict[str, Any], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with client(Faulty()) as web:
        answer = await web.post(path, json=body)
    assert answer.status_code == status
    assert answer.json()
    assert "ZeroDivisionError" in caplog.text


class Signalled(StubCore):
    """A program that died of a signal without a name."""

    async def execute(self, request: pb.ExecuteRequest) -> pb.ExecuteResult:
        result = pb.ExecuteResult(compile=pb.CompileDetail(ok=True))
        result.runs.add(status=pb.RUNTIME_ERROR, signal=40)
        return result


async def test_piston_names_a_real_time_signal_by_its_number() -> None:
    async with client(Signalled()) as web:
        answer = await web.post("/api/v2/execute", json=piston())
    assert answer.json()["run"]["signal"] == "SIG40"


@pytest.mark.parametrize(
    ("path", "body"),
    [("/run_code", {"code": "", "language": "python"}), ("/api/v2/execute", piston(files=[{"content": ""}]))],
)
async def test_an_empty_program_is_run_and_not_refused(path: str, body: dict[str, Any]) -> None:
    core = Asked()
    async with client(core) as web:
        assert (await web.post(path, json=body)).status_code == 200
    assert core.sources == ["\n"]


class Asked(Signalled):
    """Keeps the programs that it was asked to run."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []

    async def execute(self, request: pb.ExecuteRequest) -> pb.ExecuteResult:
        self.sources.append(request.source)
        return await super().execute(request)
