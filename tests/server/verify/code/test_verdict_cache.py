"""Identical work is done once, shared while it goes on, and kept where that is honest."""

from __future__ import annotations

import asyncio

import pytest

from protos.reward.v1 import reward_pb2 as pb
from sandbox.errors import JailLost
from server.verify.code.verdict_cache import VerdictCache


class Work:
    """Counts how often it was done; waits until it may end."""

    def __init__(self, *answers: pb.Verdict | Exception) -> None:
        self.answers = list(answers)
        self.done = 0
        self.cancelled = 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> pb.Verdict:
        self.done += 1
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def verdict(status: pb.Status = pb.ACCEPTED) -> pb.Verdict:
    return pb.Verdict(id="first", status=status, timing=pb.Timing(run_seconds=1.0))


async def test_a_kept_verdict_is_marked_and_costs_nothing() -> None:
    cache, work = VerdictCache(1 << 20), Work(verdict())
    work.may_end.set()
    first, second = await cache.get(b"k", work), await cache.get(b"k", work)
    assert (work.done, first.cached, second.cached) == (1, False, True)
    assert (first.timing.run_seconds, second.timing.run_seconds) == (1.0, 0.0)
    second.message = "changed by its reader"
    assert (await cache.get(b"k", work)).message == ""


async def test_requests_in_flight_share_one_run() -> None:
    cache, work = VerdictCache(0), Work(verdict())
    waiting = [asyncio.create_task(cache.get(b"k", work)) for _ in range(3)]
    await asyncio.sleep(0)
    work.may_end.set()
    verdicts = await asyncio.gather(*waiting)
    assert work.done == 1
    assert sorted(v.cached for v in verdicts) == [False, True, True]


@pytest.mark.parametrize("status", [pb.TIME_LIMIT, pb.MEMORY_LIMIT, pb.UNGRADABLE, pb.PROCESS_LIMIT])
async def test_what_the_machine_may_have_decided_is_not_kept(status: pb.Status) -> None:
    cache, work = VerdictCache(1 << 20), Work(verdict(status), verdict(status))
    work.may_end.set()
    await cache.get(b"k", work)
    assert not (await cache.get(b"k", work)).cached
    assert work.done == 2


async def test_a_fault_is_shared_and_not_kept() -> None:
    cache, work = VerdictCache(1 << 20), Work(JailLost("gone"), verdict())
    waiting = [asyncio.create_task(cache.get(b"k", work)) for _ in range(2)]
    await asyncio.sleep(0)
    work.may_end.set()
    assert [type(r) for r in await asyncio.gather(*waiting, return_exceptions=True)] == [JailLost, JailLost]
    assert (await cache.get(b"k", work)).status == pb.ACCEPTED


async def test_one_that_leaves_does_not_take_the_work_of_others() -> None:
    cache, work = VerdictCache(0), Work(verdict())
    leaves, stays = (asyncio.create_task(cache.get(b"k", work)) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    leaves.cancel()
    await asyncio.gather(leaves, return_exceptions=True)
    work.may_end.set()
    assert (await stays).status == pb.ACCEPTED
    assert (work.done, work.cancelled) == (1, 0)


async def test_the_last_one_to_leave_takes_the_work_with_it() -> None:
    cache, work = VerdictCache(0), Work(verdict())
    waiting = [asyncio.create_task(cache.get(b"k", work)) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert (work.done, work.cancelled) == (1, 1)
    work.may_end.set()
    assert (await cache.get(b"k", work)).status == pb.ACCEPTED


async def test_the_budget_holds() -> None:
    cache = VerdictCache(1000)
    works = [Work(verdict(), verdict()) for _ in range(10)]
    for number, work in enumerate(works):
        work.may_end.set()
        await cache.get(b"%d" % number, work)
    assert (await cache.get(b"9", works[9])).cached
    assert not (await cache.get(b"0", works[0])).cached
