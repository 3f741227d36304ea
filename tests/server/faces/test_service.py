"""The boundary of the service: deadlines, and faults that nobody foresaw."""

from __future__ import annotations

import asyncio

import pytest

from sandbox.errors import LauncherLost
from server.errors import ErrorCode, RequestError
from server.faces.service import deadline_in, within


async def raising(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    "fault", [LauncherLost("gone"), ZeroDivisionError(), TimeoutError("ours, not the caller's")]
)
async def test_an_unforeseen_fault_is_internal(fault: Exception) -> None:
    with pytest.raises(RequestError) as caught:
        await within(deadline_in(60), raising(fault))
    assert caught.value.code is ErrorCode.INTERNAL
    assert type(fault).__name__ in caught.value.message


async def test_a_refusal_passes() -> None:
    refusal = RequestError(ErrorCode.QUEUE_FULL, "full")
    with pytest.raises(RequestError) as caught:
        await within(None, raising(refusal))
    assert caught.value is refusal


async def test_past_the_deadline_the_work_is_cancelled() -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(RequestError) as caught:
        await within(deadline_in(0.01), work())
    assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED
    assert cancelled.is_set()
