"""The cache of decided pairs: bounded, forgetful of what was undecided, one run for identical checks."""

from __future__ import annotations

import asyncio

import pytest

from sandbox.errors import WorkerBudgetExceeded, WorkerLost
from server.verify.math.cache import JudgementCache, Key
from server.verify.math.judge import Judgement

CORRECT = Judgement("correct", "rule", "gold", "answer")


def key(name: str) -> Key:
    return (b"task", name)


class Gate:
    """A check that ends when it is told to."""

    def __init__(self, end: Judgement | Exception = CORRECT) -> None:
        self.open = asyncio.Event()
        self.calls = 0
        self.cancelled = False
        self._end = end

    async def __call__(self) -> Judgement:
        self.calls += 1
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if isinstance(self._end, Exception):
            raise self._end
        return self._end


async def started(cache: JudgementCache, gate: Gate, waiters: int) -> list[asyncio.Task[Judgement]]:
    tasks = [asyncio.create_task(cache.make(key("a"), gate)) for _ in range(waiters)]
    while not gate.calls:
        await asyncio.sleep(0)
    return tasks


def test_what_is_kept_is_found_and_counted() -> None:
    cache = JudgementCache()
    assert cache.get(key("a")) is None
    cache.put(key("a"), CORRECT)
    assert cache.get(key("a")) == CORRECT
    assert (cache.counts.hits, cache.counts.misses) == (1, 1)


def test_what_was_undecided_is_not_kept() -> None:
    cache = JudgementCache()
    cache.put(key("a"), Judgement("undecided", "", "", ""))
    assert len(cache) == cache.size_bytes == 0


def test_the_least_recently_used_goes_first() -> None:
    cache = JudgementCache(1500)
    for name in "ab":
        cache.put(key(name), CORRECT)
    cache.get(key("a"))
    for name in "cd":
        cache.put(key(name), CORRECT)
    assert [name for name in "abcd" if cache.get(key(name))] == ["a", "c", "d"]
    assert cache.size_bytes <= 1500


def test_bytes_come_back_when_entries_go() -> None:
    cache = JudgementCache(1500)
    for number in range(1000):
        cache.put(key(str(number)), CORRECT)
    assert 0 < len(cache) < 4
    cache.put(key("é" * 10_000), CORRECT)
    assert len(cache) == cache.size_bytes == 0


def test_no_bytes_keep_nothing() -> None:
    cache = JudgementCache(0)
    cache.put(key("a"), CORRECT)
    assert cache.get(key("a")) is None


async def test_identical_checks_in_flight_share_one_run() -> None:
    cache, gate = JudgementCache(), Gate()
    tasks = await started(cache, gate, 5)
    gate.open.set()
    assert await asyncio.gather(*tasks) == [CORRECT] * 5
    assert (gate.calls, cache.counts.shared, cache.get(key("a"))) == (1, 4, CORRECT)


@pytest.mark.parametrize("fault", [WorkerBudgetExceeded("5 s"), WorkerLost("gone")])
async def test_a_fault_reaches_every_waiter_and_is_not_kept(fault: Exception) -> None:
    cache, gate = JudgementCache(), Gate(fault)
    tasks = await started(cache, gate, 3)
    gate.open.set()
    assert await asyncio.gather(*tasks, return_exceptions=True) == [fault] * 3
    again = Gate()
    again.open.set()
    assert await cache.make(key("a"), again) == CORRECT


async def test_a_waiter_that_leaves_does_not_end_the_run_of_the_others() -> None:
    cache, gate = JudgementCache(), Gate()
    first, second = await started(cache, gate, 2)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    gate.open.set()
    assert await second == CORRECT


async def test_the_last_waiter_to_leave_ends_the_run() -> None:
    cache, gate = JudgementCache(), Gate()
    tasks = await started(cache, gate, 2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)
    assert gate.cancelled
    gate.open.set()
    assert await cache.make(key("a"), gate) == CORRECT
