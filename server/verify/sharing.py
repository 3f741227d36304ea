"""Work that is under way, by what it is: who asks for the same meanwhile waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Work(Generic[T]):
    task: asyncio.Task[T]
    waiting: int = 0


class InFlight(Generic[T]):
    """One task for each key while it lasts; nothing is kept when it is over."""

    def __init__(self) -> None:
        self._under_way: dict[bytes, _Work[T]] = {}

    def holds(self, key: bytes) -> bool:
        """Whether work under this key is under way."""
        return key in self._under_way

    async def join(self, key: bytes, begin: Callable[[], Awaitable[T]]) -> T:
        """What `begin` gives, or has been begun for under this key; all who wait get the same object.

        What it raises reaches each of them. The last one to leave takes the work with it.
        """
        work = self._under_way.get(key)
        if work is None:
            work = self._begin(key, begin)
        work.waiting += 1
        try:
            return await asyncio.shield(work.task)
        finally:
            work.waiting -= 1
            if not work.waiting and not work.task.done():
                self._forget(key, work)
                work.task.cancel()
                await asyncio.wait([work.task])

    def _begin(self, key: bytes, begin: Callable[[], Awaitable[T]]) -> _Work[T]:
        async def done() -> T:
            return await begin()

        work = self._under_way[key] = _Work(asyncio.ensure_future(done()))
        work.task.add_done_callback(lambda _: self._forget(key, work))
        return work

    def _forget(self, key: bytes, work: _Work[T]) -> None:
        if self._under_way.get(key) is work:
            del self._under_way[key]
        if work.task.done() and not work.task.cancelled():
            work.task.exception()  # marks it as seen: its last waiter may have left without looking
