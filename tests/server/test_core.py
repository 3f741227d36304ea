"""The core without a sandbox: what becomes of faults, floors, and requests that cannot be judged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from protos.reward.v1 import reward_pb2 as pb
from sandbox.errors import JailLost, WorkerLost
from server import core as core_module
from server.config import Settings
from server.core import ATTEMPTS, RewardCore
from server.errors import ErrorCode, RequestError, StartupError

MATH = pb.VerifyRequest(id="m", completion=r"\boxed{2\sin x\cos x}", math=pb.MathTask(gold=[r"\sin(2x)"]))


def failing(times: int, error: Exception) -> Callable[[bytes, float], Awaitable[bytes]]:
    """A worker that is lost the first `times` times."""
    left = times

    async def call(payload: bytes, cpu_seconds: float) -> bytes:
        nonlocal left
        left -= 1
        if left >= 0:
            raise error
        return b'{"status": "correct", "rule": "symbolic", "gold_parsed": "x+1", "answer_parsed": "1+x"}'

    return call


def core_with(call: Callable[[bytes, float], Awaitable[bytes]]) -> RewardCore:
    core = RewardCore(Settings())
    core._math._call = call
    return core


@pytest.mark.parametrize("error", [WorkerLost("gone"), JailLost("gone")])
async def test_a_fault_that_goes_away_costs_nothing(error: Exception) -> None:
    verdict = await core_with(failing(ATTEMPTS - 1, error)).verify(MATH)
    assert (verdict.status, verdict.reward) == (pb.ACCEPTED, 1.0)


async def test_a_fault_that_stays_is_a_status_without_a_reward() -> None:
    verdict = await core_with(failing(ATTEMPTS, WorkerLost("gone"))).verify(MATH)
    assert verdict.status == pb.INTERNAL_ERROR
    assert not verdict.HasField("reward")
    assert verdict.id == "m"


async def test_unknown_tests_are_an_answer_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    core = RewardCore(Settings())
    monkeypatch.setattr(core.sandbox, "language", lambda name: None)
    request = pb.VerifyRequest(id="x", code=pb.CodeTask(language="python", tests_hash="sha256:" + "0" * 64))
    verdict = await core.verify(request)
    assert verdict.status == pb.UNKNOWN_TESTS
    assert not verdict.HasField("reward")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.VerifyRequest(id="x"), "task"),
        (pb.VerifyRequest(math=pb.MathTask(gold=["1"]), extraction="guess"), "extraction"),
    ],
)
async def test_wrong_requests_name_their_field(request_: pb.VerifyRequest, field: str) -> None:
    with pytest.raises(RequestError) as caught:
        await RewardCore(Settings()).verify(request_)
    assert (caught.value.code, caught.value.field) == (ErrorCode.INVALID_ARGUMENT, field)


@pytest.mark.parametrize("settings", [Settings(min_isolation="docker"), Settings(isolation="landlock")])
async def test_it_does_not_start_below_the_floor(settings: Settings) -> None:
    with pytest.raises(StartupError, match="isolation"):
        await RewardCore(settings).start()


async def test_it_refuses_while_draining() -> None:
    core = core_with(failing(0, WorkerLost("")))
    await core.drain(0.1)
    with pytest.raises(RequestError) as caught:
        await core.verify(MATH)
    assert caught.value.code is ErrorCode.DRAINING
    assert not core.ready


def test_the_math_worker_is_where_the_core_says() -> None:
    import importlib

    module = importlib.import_module(core_module.MATH_WORKER)
    assert callable(module.handle)
    assert callable(module.warm_up)
