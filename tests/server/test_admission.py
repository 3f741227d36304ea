"""A bounded number of requests at once, and none while draining."""

from __future__ import annotations

import asyncio

import pytest

from server.admission import Admission
from server.errors import ErrorCode, RequestError


def test_one_too_many_is_refused_with_a_time_to_come_back() -> None:
    admission = Admission(slots=1, max_queue=1)
    with admission.enter(), admission.enter():
        assert admission.waiting == 1
        with pytest.raises(RequestError) as caught, admission.enter():
            pass
    assert caught.value.code is ErrorCode.QUEUE_FULL
    assert caught.value.retry_after_seconds
    with admission.enter():
        assert admission.waiting == 0


def test_a_failed_request_frees_its_place() -> None:
    admission = Admission(slots=1, max_queue=0)
    for _ in range(3):
        with pytest.raises(ValueError, match="inside"), admission.enter():
            raise ValueError("inside")


async def test_drain_waits_for_what_is_inside() -> None:
    admission = Admission(slots=1, max_queue=0)
    place = admission.enter()
    place.__enter__()
    draining = asyncio.create_task(admission.drain(60))
    await asyncio.sleep(0)
    assert not draining.done()
    place.__exit__(None, None, None)
    assert await draining


async def test_drain_gives_up_in_time() -> None:
    admission = Admission(slots=1, max_queue=0)
    with admission.enter():
        assert not await admission.drain(0.01)
