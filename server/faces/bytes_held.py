"""What the requests in flight may make this process hold, on both faces together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from server.errors import ErrorCode, RequestError

_RETRY_AFTER_SECONDS = 1.0


class BytesHeld:
    """Bytes of requests, as they came, from their arrival to their answer: at most `budget_bytes`."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._held_bytes = 0

    @property
    def held_bytes(self) -> int:
        """What is held now."""
        return self._held_bytes

    def take(self, size: int, *, own: int = 0) -> None:
        """Counts bytes in; raises RequestError QUEUE_FULL.

        `own`: what of that request is held already. What is larger than the budget comes in alone.
        """
        if size and self._held_bytes > own and self._held_bytes + size > self._budget_bytes:
            full = f"the requests in flight have {self._held_bytes} bytes together already"
            raise RequestError(ErrorCode.QUEUE_FULL, full, retry_after_seconds=_RETRY_AFTER_SECONDS)
        self._held_bytes += size

    def give_back(self, size: int) -> None:
        """Counts bytes out."""
        self._held_bytes -= size

    @contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Bytes that count until the block ends; raises RequestError QUEUE_FULL."""
        self.take(size)
        try:
            yield
        finally:
            self.give_back(size)
