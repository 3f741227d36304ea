"""An App's life: not ready while it warms up, draining on request, nothing left when closed."""

from __future__ import annotations

import asyncio
import json
import logging

import grpc.aio
import httpx
import pytest

from protos.reward.v1 import reward_pb2 as pb
from sandbox.errors import SandboxUnavailable
from server.app import App
from server.config import Settings
from server.doctor import HostUnfit
from server.errors import StartupError
from tests.server.conftest import Running, until
from tests.server.stub_core import HELD, StubCore

EPHEMERAL = Settings(http="127.0.0.1:0", grpc="127.0.0.1:0", log_level="error")
OTHER_MATH = pb.VerifyRequest(id="other", completion="42", math=pb.MathTask(gold=["42"]))
HELD_MATH = pb.VerifyRequest(id="h", completion=HELD, math=pb.MathTask(gold=["42"]))


async def test_it_is_alive_but_not_ready_while_it_warms_up() -> None:
    core = StubCore()
    core.start_gate = asyncio.Event()
    app = App(EPHEMERAL, core)
    starting = asyncio.create_task(app.start())
    await until(lambda: not app.http_address.endswith(":0"))
    async with httpx.AsyncClient(base_url=f"http://{app.http_address}") as http:
        assert (await http.get("/health")).status_code == 200
        assert (await http.get("/ready")).status_code == 503
        refused = await http.post("/v1/verify", json={"math": {"gold": ["1"]}})
        assert (refused.status_code, refused.json()["code"]) == (503, "DRAINING")
        core.start_gate.set()
        await starting
        assert (await http.get("/ready")).status_code == 200
    await app.close()
    assert core.closed


@pytest.mark.parametrize("fault", [StartupError("no namespaces"), SandboxUnavailable("no namespaces")])
async def test_too_little_isolation_is_told_apart_from_other_refusals(fault: Exception) -> None:
    core = StubCore()
    core.fail_start = fault
    app = App(EPHEMERAL, core)
    with pytest.raises(HostUnfit, match="no namespaces"):
        await app.start()
    await app.close()


async def test_a_port_in_use_is_a_startup_error(running: Running) -> None:
    app = App(Settings(http=running.app.http_address, grpc="127.0.0.1:0"), StubCore())
    with pytest.raises(StartupError, match="http: cannot listen") as caught:
        await app.start()
    assert not isinstance(caught.value, HostUnfit)
    await app.close()


async def test_a_drain_answers_what_was_accepted(running: Running) -> None:
    call = running.stub.Verify(HELD_MATH)
    answer = asyncio.ensure_future(call)
    await running.core.held.wait()
    stop = asyncio.Event()
    stop.set()
    serving = asyncio.create_task(running.app.serve(stop))
    await until(lambda: running.core.draining)
    with pytest.raises(grpc.aio.AioRpcError):
        await running.stub.Verify(OTHER_MATH)
    running.core.gate.set()
    await serving
    assert (await answer).id == "h"


async def test_closing_before_starting_is_allowed() -> None:
    core = StubCore()
    await App(EPHEMERAL, core).close()
    assert core.closed


async def test_logs_tell_ids_and_outcomes_but_no_completion(running: Running) -> None:
    secret = r"a very private thought \boxed{41}"
    await running.stub.Verify(
        pb.VerifyRequest(id="r7", run="g", completion=secret, math=pb.MathTask(gold=["42"]))
    )
    events = [json.loads(line) for line in running.log.getvalue().splitlines()]
    (verdict,) = [event for event in events if event["event"] == "verdict"]
    assert (verdict["id"], verdict["run"], verdict["task"]) == ("r7", "g", "math")
    assert (verdict["status"], verdict["reward"], verdict["level"]) == ("WRONG_ANSWER", 0.0, "debug")
    assert "private" not in running.log.getvalue()


async def test_an_id_used_again_is_logged_with_the_run_that_only_the_header_names(running: Running) -> None:
    for completion in ("41", "42"):
        body = {"id": "r7", "completion": completion, "math": {"gold": ["42"]}}
        await running.http.post("/v1/verify", json=body, headers={"x-reward-run": "grpo"})
    events = [json.loads(line) for line in running.log.getvalue().splitlines()]
    assert [event["run"] for event in events if event["event"] == "id_reused"] == ["grpo"]


async def test_what_libraries_log_arrives_in_the_same_stream(running: Running) -> None:
    logging.getLogger("some.library").warning("careful: %s", "thin ice")
    event = json.loads(running.log.getvalue().splitlines()[-1])
    assert (event["event"], event["logger"], event["level"]) == (
        "careful: thin ice",
        "some.library",
        "warning",
    )
