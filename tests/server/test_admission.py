"""The door: bounds in requests, cost and bytes, a share for each run, none while draining."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, ExitStack

import pytest

from server.admission import Admission, Bounds
from server.caller import Caller
from server.errors import ErrorCode, RequestError
from server.lanes import TICKET, Ticket

ANYBODY = Caller()


def door(requests: int = 100, cost: float = 1000, size_bytes: int = 1000, slots: int = 1) -> Admission:
    return Admission(slots, Bounds(requests, cost, size_bytes))


def place(
    admission: Admission, run: str = "", cost: float = 1, size: int = 1
) -> AbstractContextManager[Ticket]:
    return admission.enter(ANYBODY, run, cost, size)


def refused(admission: Admission, run: str = "", cost: float = 1, size: int = 1) -> RequestError:
    with pytest.raises(RequestError) as caught, place(admission, run, cost, size):
        pass
    return caught.value


def test_one_too_many_is_refused_with_a_time_to_come_back() -> None:
    admission = door(requests=2)
    with place(admission), place(admission):
        assert admission.waiting == 1
        error = refused(admission)
    assert error.code is ErrorCode.QUEUE_FULL
    assert error.retry_after_seconds
    with place(admission):
        assert admission.waiting == 0


@pytest.mark.parametrize(("cost", "size", "said"), [(600, 1, "1600|600 units"), (1, 600, "bytes")])
def test_few_large_requests_fill_the_queue_as_well(cost: float, size: int, said: str) -> None:
    admission = door()
    with place(admission, cost=cost, size=size):
        assert refused(admission, cost=cost, size=size).code is ErrorCode.QUEUE_FULL
        with place(admission, cost=10, size=10):
            assert admission.load.cost == cost + 10
    assert admission.load.empty


def test_one_above_every_bound_comes_in_alone() -> None:
    admission = door()
    with place(admission, cost=5000, size=5000):
        assert refused(admission).code is ErrorCode.QUEUE_FULL


def test_a_run_that_fills_the_queue_does_not_shut_the_others_out() -> None:
    admission = door(requests=10)
    with ExitStack() as inside:
        for _ in range(10):
            inside.enter_context(place(admission, "large"))
        assert refused(admission, "large").code is ErrorCode.QUEUE_FULL
        for _ in range(3):
            inside.enter_context(place(admission, "small"))
        assert refused(admission, "small").code is ErrorCode.QUEUE_FULL


def test_many_runs_together_stay_within_twice_the_bound() -> None:
    admission = door(requests=10)
    with ExitStack() as inside:
        for number in range(50):
            try:
                inside.enter_context(place(admission, str(number)))
            except RequestError:
                continue
        assert admission.load.requests <= 20


def test_a_failed_request_frees_its_place() -> None:
    admission = door(requests=1)
    for _ in range(3):
        with pytest.raises(ValueError, match="inside"), place(admission):
            raise ValueError("inside")
    assert admission.load.empty


def test_inside_the_lanes_know_the_request() -> None:
    caller = Caller(key="team", run="from-header", priority="evaluation", deadline=7.0)
    admission = door()
    with admission.enter(caller, "", 3.0, 1):
        ticket = TICKET.get()
        assert ticket is not None
        assert (ticket.run, ticket.cost, ticket.weight, ticket.deadline) == (
            ("team", "from-header"),
            3.0,
            16.0,
            7.0,
        )
    assert TICKET.get() is None


async def test_drain_waits_for_what_is_inside() -> None:
    admission = door()
    inside = place(admission)
    inside.__enter__()
    draining = asyncio.create_task(admission.drain(60))
    await asyncio.sleep(0)
    assert not draining.done()
    assert refused(admission).code is ErrorCode.DRAINING
    inside.__exit__(None, None, None)
    assert await draining


async def test_drain_gives_up_in_time() -> None:
    admission = door()
    with place(admission):
        assert not await admission.drain(0.01)
