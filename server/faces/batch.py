"""Many requests of one caller: judged side by side within a window, answered as they are made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

from protos.reward.v1 import reward_pb2 as pb
from server.errors import RequestError
from server.faces.service import RewardService, refusal, verify


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry that could not be read; `id` is the caller's, where it could be."""

    id: str
    error: RequestError


Entry: TypeAlias = pb.VerifyRequest | Refused
Answer: TypeAlias = tuple[int, pb.Verdict]


async def judge(service: RewardService, entry: Entry, deadline: float | None) -> pb.Verdict:
    """One entry's verdict; a refused request becomes an entry with `error` and no reward."""
    if isinstance(entry, Refused):
        return refusal(entry.id, entry.error)
    try:
        return await verify(service, entry, deadline)
    except RequestError as error:
        return refusal(entry.id, error)


async def judge_many(
    service: RewardService, entries: AsyncIterator[Entry], *, window: int, deadline: float | None = None
) -> AsyncGenerator[Answer, None]:
    """Yields (position of the entry, verdict) as verdicts are made.

    At most `window` entries are read but not yet taken by the consumer, so that a
    slow reader holds back the stream and not the server's memory. Closing the
    generator, or cancelling the task that reads it, cancels what is under way.
    """
    room = asyncio.Semaphore(window)
    answers: asyncio.Queue[Answer | None] = asyncio.Queue()
    feeder = asyncio.create_task(_feed(service, entries, room, answers, deadline))
    try:
        while (answer := await answers.get()) is not None:
            yield answer
            room.release()
        await feeder  # raises what reading the entries raised
    finally:
        feeder.cancel()
        await asyncio.gather(feeder, return_exceptions=True)


async def _feed(
    service: RewardService,
    entries: AsyncIterator[Entry],
    room: asyncio.Semaphore,
    answers: asyncio.Queue[Answer | None],
    deadline: float | None,
) -> None:
    async def answer(position: int, entry: Entry) -> None:
        answers.put_nowait((position, await judge(service, entry, deadline)))

    try:
        async with asyncio.TaskGroup() as group:
            position = 0
            async for entry in entries:
                await room.acquire()
                group.create_task(answer(position, entry))
                position += 1
    finally:
        answers.put_nowait(None)


async def judge_all(
    service: RewardService, entries: AsyncIterator[Entry], *, window: int, deadline: float | None = None
) -> list[pb.Verdict]:
    """The verdicts of all entries, in their order."""
    verdicts: dict[int, pb.Verdict] = {}
    async with aclosing(judge_many(service, entries, window=window, deadline=deadline)) as answers:
        async for position, verdict in answers:
            verdicts[position] = verdict
    return [verdicts[position] for position in range(len(verdicts))]


async def each(entries: list[Entry]) -> AsyncIterator[Entry]:
    """A list as an asynchronous iterator."""
    for entry in entries:
        yield entry
