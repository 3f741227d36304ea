"""API keys: who may ask over either transport, how much, and what the file may hold."""

from __future__ import annotations

import base64
import io
import json
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import grpc.aio
import httpx
import pytest

from protos.reward.v1 import reward_pb2 as pb
from protos.reward.v1 import reward_pb2_grpc
from server import auth, cli
from server.app import App
from server.auth import KeyQuota, KeyRow, Keys
from server.caller import Caller
from server.config import Settings
from server.errors import ErrorCode, RequestError, StartupError
from server.faces.dialects import ROUTES
from server.faces.dialects.common import Context
from server.logs import make_logger
from tests.server.stub_core import StubCore

MATH = {"completion": r"\boxed{42}", "math": {"gold": ["42"]}}
PLAIN = Settings(http="127.0.0.1:0", grpc="127.0.0.1:0")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@dataclass
class Locked:
    """A server that asks for keys."""

    app: App
    key: str
    path: Path
    http: httpx.AsyncClient
    stub: reward_pb2_grpc.RewardServiceStub
    log: io.StringIO

    async def status(self, key: str) -> int:
        answer = await self.http.post("/v1/verify", json=MATH, headers={"authorization": f"Bearer {key}"})
        return answer.status_code


@pytest.fixture
async def locked(path: Path) -> AsyncIterator[Locked]:
    key, log = auth.add_key(path, "team"), io.StringIO()
    app = App(replace(PLAIN, keys_file=str(path)), StubCore(), make_logger("info", "json", log))
    await app.start()
    async with (
        httpx.AsyncClient(base_url=f"http://{app.http_address}") as http,
        grpc.aio.insecure_channel(app.grpc_address) as channel,
    ):
        yield Locked(app, key, path, http, reward_pb2_grpc.RewardServiceStub(channel), log)
    await app.close()


async def test_a_key_opens_http_and_nothing_else_does(locked: Locked) -> None:
    assert await locked.status(locked.key) == 200
    assert await locked.status("rk_guess") == 401
    refused = await locked.http.post("/v1/verify", json=MATH)
    assert (refused.status_code, refused.json()["code"]) == (401, "UNAUTHENTICATED")
    assert refused.headers["www-authenticate"].startswith("Bearer")


async def test_a_key_in_the_url_opens_the_dialects_whose_clients_have_no_headers(locked: Locked) -> None:
    url = f"http://any:{locked.key}@{locked.app.http_address}/v1/verify"
    async with httpx.AsyncClient() as http:
        assert (await http.post(url, json=MATH)).status_code == 200


CALLS = {
    "Verify": pb.VerifyRequest(),
    "PutTests": pb.TestSet(),
    "Execute": pb.ExecuteRequest(),
    "GetCapabilities": pb.GetCapabilitiesRequest(),
    "VerifyStream": pb.VerifyRequest(),
}


async def called(locked: Locked, call: str) -> None:
    if call == "VerifyStream":
        async for _ in locked.stub.VerifyStream(iter([CALLS[call]])):
            pass
    else:
        await getattr(locked.stub, call)(CALLS[call])


@pytest.mark.parametrize("call", CALLS)
async def test_every_rpc_asks_for_a_key(locked: Locked, call: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await called(locked, call)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    metadata = (("authorization", f"Bearer {locked.key}"),)
    assert (await locked.stub.GetCapabilities(pb.GetCapabilitiesRequest(), metadata=metadata)).version


async def test_every_path_but_probes_and_counters_asks_for_a_key(locked: Locked) -> None:
    closed = [
        ("POST", "/v1/verify"),
        ("POST", "/v1/verify/batch"),
        ("PUT", "/v1/tests"),
        ("POST", "/v1/execute"),
        ("GET", "/v1/capabilities"),
        ("GET", "/nowhere"),
    ]
    dialects = [route for routes in ROUTES.values() for route in routes(Context(StubCore(), 1))]
    for method, url in [*closed, *((route.method, route.path) for route in dialects)]:
        assert (await locked.http.request(method, url)).status_code == 401, url
    for url in ("/health", "/ready", "/version", "/metrics"):
        assert (await locked.http.get(url)).status_code == 200, url


async def test_a_new_key_counts_without_a_restart(locked: Locked) -> None:
    newer = auth.add_key(locked.path, "other")
    locked.app.reload()
    assert await locked.status(newer) == 200
    auth.remove_key(locked.path, "team")
    locked.app.reload()
    assert await locked.status(locked.key) == 401


async def test_a_broken_file_leaves_the_keys_as_they_were(locked: Locked) -> None:
    locked.path.write_text("{")
    locked.app.reload()
    assert await locked.status(locked.key) == 200
    assert "keys_not_read" in locked.log.getvalue()


async def test_the_log_has_no_key(locked: Locked) -> None:
    await locked.status(locked.key)
    await locked.status("rk_guess")
    assert locked.key not in locked.log.getvalue()
    assert "rk_guess" not in locked.log.getvalue()


@pytest.mark.parametrize(("http", "warned"), [("127.0.0.1:0", False), ("0.0.0.0:0", True)])
async def test_open_to_others_without_keys_is_a_warning(http: str, warned: bool) -> None:
    log = io.StringIO()
    app = App(replace(PLAIN, http=http), StubCore(), make_logger("info", "json", log))
    await app.start()
    await app.close()
    assert ("no_keys" in log.getvalue()) is warned


async def test_headers_name_run_and_priority() -> None:
    seen: list[Caller] = []

    class Seeing(StubCore):
        async def verify(self, request: pb.VerifyRequest) -> pb.Verdict:
            from server import caller

            seen.append(caller.current())
            return await super().verify(request)

    app = App(PLAIN, Seeing())
    await app.start()
    headers = {"x-reward-priority": "evaluation", "x-reward-run": "eval-7"}
    async with (
        httpx.AsyncClient(base_url=f"http://{app.http_address}", headers=headers) as http,
        grpc.aio.insecure_channel(app.grpc_address) as channel,
    ):
        stub = reward_pb2_grpc.RewardServiceStub(channel)
        await http.post("/v1/verify", json=MATH, headers={"x-request-timeout-seconds": "60"})
        request = pb.VerifyRequest(math=pb.MathTask(gold=["42"]))
        await stub.Verify(request, metadata=tuple(headers.items()), timeout=60)
        wrong = await http.post("/v1/verify", json=MATH, headers={"x-reward-priority": "urgent"})
        await http.post("/v1/verify/batch", json={"requests": [MATH]})
    await app.close()
    assert [(c.run, c.priority) for c in seen] == [("eval-7", "evaluation")] * 3
    assert [c.deadline is not None for c in seen] == [True, True, False]
    assert (wrong.status_code, wrong.json()["field"]) == (400, "x-reward-priority")


# ---- limits of a key


def full(quota: KeyQuota, cost: float = 1.0) -> RequestError:
    with pytest.raises(RequestError) as caught, quota.enter(cost):
        pass
    assert caught.value.code is ErrorCode.QUEUE_FULL
    return caught.value


def test_requests_at_once_of_one_key() -> None:
    quota = KeyQuota(KeyRow("a", "", max_concurrent=1), lambda: 0.0)
    with quota.enter(1):
        full(quota)
    with quota.enter(1):
        pass


def test_cost_per_second_of_one_key() -> None:
    now = [0.0]
    quota = KeyQuota(KeyRow("a", "", cost_per_second=2.0), lambda: now[0])
    with quota.enter(50):  # more than the 20 that it may use at once: overdrawn, and not refused for ever
        pass
    assert full(quota).retry_after_seconds == pytest.approx(15.0)
    now[0] = 15.5
    with quota.enter(1):
        pass


# ---- the file


def test_the_file_holds_no_key_and_is_its_owners_alone(path: Path) -> None:
    key = auth.add_key(path, "team", 3, 2.5)
    assert key not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (row,) = auth.read_keys(path).values()
    assert (row.name, row.max_concurrent, row.cost_per_second) == ("team", 3, 2.5)
    assert row.sha256 == auth.digest_of(key)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"keys": [{}]}',
        '{"keys": [{"name": "a", "sha256": "0"}]}',
        '{"keys": [{"name": "a b", "sha256": "%s"}]}' % ("0" * 64),
        '{"keys": [{"name": "a", "sha256": "%s", "max_concurrent": -1}]}' % ("0" * 64),
        '{"keys": [{"name": "a", "sha256": "%s", "limit": 1}]}' % ("0" * 64),
        json.dumps({"keys": [{"name": "a", "sha256": digit * 64} for digit in "01"]}),
    ],
)
def test_a_file_that_is_wrong_stops_the_start(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(StartupError, match="keys_file"):
        App(replace(PLAIN, keys_file=str(path)), StubCore())


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic", "Basic !!", "Digest x", "Basic " + base64.b64encode(b"x").decode()],
)
async def test_headers_that_name_no_key(path: Path, header: str) -> None:
    auth.add_key(path, "team")
    with pytest.raises(RequestError, match="is required"):
        Keys(path).quota_of(header)


async def test_a_changed_file_is_seen_by_itself(path: Path) -> None:
    now = [0.0]
    auth.add_key(path, "team")
    keys = Keys(path, clock=lambda: now[0])
    newer = auth.add_key(path, "other")
    now[0] = 1.5
    assert keys.quota_of(f"Bearer {newer}").row.name == "other"


# ---- the command


def test_the_command_adds_lists_and_removes(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--keys-file", str(path)]
    assert cli.main(["keys", "add", "team", "--max-concurrent", "4", *where]) == 0
    key = capsys.readouterr().out.strip()
    assert auth.digest_of(key) in auth.read_keys(path)
    assert cli.main(["keys", "list", *where]) == 0
    listed = capsys.readouterr().out
    assert "team" in listed
    assert "max_concurrent=4" in listed
    assert key not in listed
    assert cli.main(["keys", "remove", "team", *where]) == 0
    assert auth.read_keys(path) == {}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["add", "team"], 2, "keys_file is not set"),
        (["add", "--keys-file", "/nowhere/keys.json"], 2, "NAME is wanted"),
        (["list", "x", "--keys-file", "/nowhere/keys.json"], 2, "NAME is not wanted"),
        (["list", "--keys-file", "/nowhere/keys.json"], 1, "keys_file /nowhere/keys.json"),
        (["add", "a b", "--keys-file", "/nowhere/keys.json"], 1, "a name is"),
    ],
)
def test_the_command_says_what_is_wrong(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["keys", *arguments]) == code
    assert said in capsys.readouterr().err


def test_removing_an_unknown_key_is_an_error(path: Path) -> None:
    auth.add_key(path, "team")
    with pytest.raises(StartupError, match="'other' is not in"):
        auth.remove_key(path, "other")
    with pytest.raises(StartupError, match="'team' is in"):
        auth.add_key(path, "team")


async def test_the_trainers_client_sends_its_key(locked: Locked, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer_client.client import AsyncRewardClient
    from trainer_client.errors import RewardRequestError

    async with AsyncRewardClient(locked.app.grpc_address) as nobody:
        with pytest.raises(RewardRequestError, match="API key is required"):
            await nobody.capabilities()
    async with AsyncRewardClient(locked.app.grpc_address, api_key=locked.key) as named:
        assert (await named.capabilities()).version
    monkeypatch.setenv("REWARD_API_KEY", locked.key)
    async with AsyncRewardClient(locked.app.grpc_address) as by_environment:
        assert (await by_environment.capabilities()).version
