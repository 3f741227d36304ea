"""Who may come in: a bounded number of requests at once, and none while draining."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from server.errors import ErrorCode, RequestError

_RETRY_AFTER_SECONDS = 1.0


class Admission:
    """Counts requests from acceptance to answer. `slots` of them work, the others wait."""

    def __init__(self, slots: int, max_queue: int) -> None:
        self._slots = slots
        self._most = slots + max_queue
        self._inside = 0
        self._draining = False
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def waiting(self) -> int:
        """Requests beyond those that can be at work."""
        return max(0, self._inside - self._slots)

    @property
    def draining(self) -> bool:
        """Whether new requests are refused because the server is going."""
        return self._draining

    @contextlib.contextmanager
    def enter(self) -> Iterator[None]:
        """A place for one request; raises RequestError QUEUE_FULL or DRAINING at once."""
        if self._draining:
            raise RequestError(
                ErrorCode.DRAINING, "the server is shutting down", retry_after_seconds=_RETRY_AFTER_SECONDS
            )
        if self._inside >= self._most:
            raise RequestError(
                ErrorCode.QUEUE_FULL,
                f"{self._inside} requests are in the server already",
                retry_after_seconds=_RETRY_AFTER_SECONDS,
            )
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if self._inside == 0:
                self._empty.set()

    async def drain(self, seconds: float) -> bool:
        """Refuses what comes and waits for what is inside; False if time ran out first."""
        self._draining = True
        try:
            await asyncio.wait_for(self._empty.wait(), seconds)
        except TimeoutError:
            return False
        return True
