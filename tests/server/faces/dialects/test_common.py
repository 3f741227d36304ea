"""Patience: what is held, what is tried again, and when it ends."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request

from protos.reward.v1 import reward_pb2 as pb
from server.errors import ErrorCode, RequestError
from server.faces.dialects import common
from server.faces.dialects.common import Context, gather, hold
from server.verify.sharing import InFlight
from tests.server.stub_core import StubCore


def failing(times: int, code: ErrorCode) -> object:
    """An attempt that is refused so many times and then gives 7."""
    left = times

    async def attempt() -> int:
        nonlocal left
        left -= 1
        if left >= 0:
            raise RequestError(code, "not now")
        return 7

    return attempt


@pytest.mark.parametrize("code", [ErrorCode.QUEUE_FULL, ErrorCode.INTERNAL])
async def test_a_refusal_that_passes_is_waited_out(code: ErrorCode) -> None:
    assert await hold(failing(2, code), 30) == 7


async def test_patience_ends_in_the_one_code_that_means_late() -> None:
    with pytest.raises(RequestError) as caught:
        await hold(failing(1000, ErrorCode.QUEUE_FULL), 0.3)
    assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED


async def test_work_that_outlasts_the_patience_is_cancelled_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(common, "_LINGER_SECONDS", 0.01)
    cancelled = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(RequestError) as caught:
        await hold(endless, 0.05)
    assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED
    await cancelled.wait()


async def test_the_next_try_finds_its_work_where_it_was() -> None:
    in_flight, may_end, begun = InFlight[int](), asyncio.Event(), 0

    async def work() -> int:
        nonlocal begun
        begun += 1
        await may_end.wait()
        return begun

    with pytest.raises(RequestError, match="deadline"):
        await hold(lambda: in_flight.join(b"k", work), 0.05)
    again = asyncio.create_task(hold(lambda: in_flight.join(b"k", work), 600))
    await asyncio.sleep(0)
    may_end.set()
    assert await again == 1


async def test_a_client_that_leaves_ends_its_work_at_once() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def endless() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    holding = asyncio.create_task(hold(endless, 600))
    await begun.wait()
    holding.cancel()
    await asyncio.wait([holding])
    assert cancelled.is_set()


async def test_a_fault_on_the_way_out_does_not_bring_back_work_that_was_given_up() -> None:
    started = asyncio.Event()
    attempts = 0

    async def fails_when_cancelled() -> None:
        nonlocal attempts
        attempts += 1
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise RuntimeError("a bug of ours") from None

    holding = asyncio.create_task(hold(fails_when_cancelled, 600))
    await started.wait()
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding
    assert attempts == 1


async def test_a_server_that_is_going_is_not_waited_for() -> None:
    with pytest.raises(RequestError) as caught:
        await hold(failing(1000, ErrorCode.DRAINING), 600)
    assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED


async def test_the_time_that_a_body_took_is_of_the_clients_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    async def receive() -> dict[str, object]:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def asked() -> str:
        return "x"

    left: list[float] = []
    real = common.deadline_in
    monkeypatch.setattr(common, "deadline_in", lambda seconds: left.append(seconds) or real(seconds))
    scope = {"type": "http", "method": "POST", "headers": []}
    assert await context().body(Request(scope, receive)) == b"{}"  # type: ignore[arg-type]  # an ASGI receive
    await hold(asked, 60.0)
    assert left[0] < 60.0


async def test_a_wrong_request_is_not_tried_again() -> None:
    with pytest.raises(RequestError) as caught:
        await hold(failing(1, ErrorCode.INVALID_ARGUMENT), 600)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT


def context(ungradable_reward: float | None = None) -> Context:
    return Context(StubCore(), 1 << 20, ungradable_reward)


def test_a_verdict_without_a_reward_is_an_error() -> None:
    with pytest.raises(RequestError, match="UNGRADABLE: no gold"):
        context().reward(pb.Verdict(status=pb.UNGRADABLE, message="no gold"))


def test_the_configured_stand_in_is_for_tasks_at_fault() -> None:
    assert context(-1.0).reward(pb.Verdict(status=pb.UNGRADABLE)) == -1.0


def test_a_reward_of_nothing_is_a_reward() -> None:
    assert context(-1.0).reward(pb.Verdict(status=pb.WRONG_ANSWER, reward=0.0)) == 0.0


async def test_one_fault_ends_the_others() -> None:
    ended = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def fails() -> None:
        await asyncio.sleep(0)
        raise RequestError(ErrorCode.INTERNAL, "gone")

    with pytest.raises(RequestError, match="gone"):
        await gather([waits(), fails()])
    assert ended.is_set()
