"""Many requests of one caller: judged side by side within a window, answered as they are made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

from protos.reward.v1 import reward_pb2 as pb
from server.errors import RequestError
from server.faces.service import RewardService, refusal, verify, verify_now

# After so many entries, some milliseconds of easy ones, other requests get their turn of the event loop.
_TURN = 16


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


def judge_now(service: RewardService, entry: Entry) -> pb.Verdict | None:
    """As `judge`, if nothing has to be waited for; None else."""
    if isinstance(entry, Refused):
        return refusal(entry.id, entry.error)
    try:
        return verify_now(service, entry)
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
                verdict = judge_now(service, entry)
                if verdict is None:
                    group.create_task(answer(position, entry))
                else:
                    answers.put_nowait((position, verdict))
                position += 1
                if position % _TURN == 0:
                    await asyncio.sleep(0)
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
