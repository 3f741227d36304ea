"""Many requests at once: the window holds, closing cancels, a broken source is heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from protos.reward.v1 import reward_pb2 as pb
from server.errors import invalid
from server.faces.batch import Entry, Refused, each, judge_all, judge_many
from tests.server.stub_core import HELD, StubCore


def math(request_id: str, completion: str = r"\boxed{42}") -> pb.VerifyRequest:
    return pb.VerifyRequest(id=request_id, completion=completion, math=pb.MathTask(gold=["42"]))


async def test_a_consumer_that_stops_taking_stops_the_reading() -> None:
    read = 0

    async def entries() -> AsyncIterator[Entry]:
        nonlocal read
        for number in range(100):
            read += 1
            yield math(str(number))

    async with aclosing(judge_many(StubCore(), entries(), window=3)) as answers:
        await anext(answers)
        for _ in range(50):  # all the time in the world to read more
            await asyncio.sleep(0)
        assert read == 4  # three in the window, one waiting for room


async def test_closing_cancels_what_is_under_way() -> None:
    core = StubCore()
    async with aclosing(judge_many(core, each([math("a"), math("h", HELD)]), window=8)) as answers:
        assert (await anext(answers))[1].id == "a"
        await core.held.wait()
    assert core.cancelled.is_set()
    assert core.in_flight == 0


async def test_all_in_their_order_whatever_ends_first() -> None:
    core = StubCore()
    entries = each([math("h", HELD), Refused("bad", invalid("field", "why")), math("a")])
    judging = asyncio.create_task(judge_all(core, entries, window=8))
    await core.held.wait()
    core.gate.set()
    first, second, third = await judging
    assert [first.id, second.id, third.id] == ["h", "bad", "a"]
    assert (second.error.field, second.HasField("reward")) == ("field", False)


async def test_no_entries_no_answers() -> None:
    assert await judge_all(StubCore(), each([]), window=1) == []


async def test_a_source_that_breaks_is_heard() -> None:
    async def broken() -> AsyncIterator[Entry]:
        yield math("a")
        raise ConnectionError("gone")

    with pytest.raises(ExceptionGroup) as caught:
        await judge_all(StubCore(), broken(), window=8)
    assert caught.group_contains(ConnectionError)
