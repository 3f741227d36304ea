"""Identical work under way is done once; what fails or is left takes nobody along."""

from __future__ import annotations

import asyncio

import pytest

from server.verify.sharing import InFlight


class Work:
    """Counts its beginnings and its cancellations; ends when it may."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.begun = self.cancelled = 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.fault is not None:
            raise self.fault
        return self.begun


async def joined(in_flight: InFlight[int], work: Work, count: int) -> list[asyncio.Task[int]]:
    waiting = [asyncio.create_task(in_flight.join(b"k", work)) for _ in range(count)]
    await asyncio.sleep(0)
    return waiting


async def test_work_is_done_once_while_it_lasts_and_anew_afterwards() -> None:
    in_flight, work = InFlight[int](), Work()
    waiting = await joined(in_flight, work, 3)
    work.may_end.set()
    assert await asyncio.gather(*waiting) == [1, 1, 1]
    assert await in_flight.join(b"k", work) == 2
    assert not in_flight.holds(b"k")


async def test_another_key_is_other_work() -> None:
    in_flight, first, second = InFlight[int](), Work(), Work()
    first.may_end.set()
    second.may_end.set()
    await asyncio.gather(in_flight.join(b"a", first), in_flight.join(b"b", second))
    assert (first.begun, second.begun) == (1, 1)


async def test_a_fault_reaches_all_who_wait() -> None:
    in_flight, work = InFlight[int](), Work(ValueError("lost"))
    waiting = await joined(in_flight, work, 2)
    work.may_end.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in found] == [ValueError, ValueError]


async def test_one_that_leaves_does_not_end_the_work_of_others() -> None:
    in_flight, work = InFlight[int](), Work()
    leaves, stays = await joined(in_flight, work, 2)
    leaves.cancel()
    await asyncio.wait([leaves])
    work.may_end.set()
    assert (await stays, work.cancelled) == (1, 0)


async def test_the_last_one_to_leave_ends_the_work() -> None:
    in_flight, work = InFlight[int](), Work()
    waiting = await joined(in_flight, work, 2)
    for one in waiting:
        one.cancel()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in found] == [asyncio.CancelledError] * 2
    assert (work.cancelled, in_flight.holds(b"k")) == (1, False)


@pytest.mark.parametrize("leaving", [0, 1])
async def test_who_comes_after_the_last_has_left_begins_anew(leaving: int) -> None:
    in_flight, work = InFlight[int](), Work()
    waiting = await joined(in_flight, work, leaving + 1)
    for one in waiting:
        one.cancel()
    await asyncio.wait(waiting)
    work.may_end.set()
    assert await in_flight.join(b"k", work) == 2
