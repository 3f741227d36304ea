"""Who may come in: bounds in requests, cost and bytes, a share for each run, none while draining.

What has come in is answered, cancelled by its caller, or ended by its deadline; nothing is
pushed out. The order in which it is served is the lanes' (`server.lanes`), which hand out
the slots of the sandbox and of the math workers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from server.caller import PRIORITY_WEIGHTS, Caller
from server.errors import ErrorCode, RequestError
from server.lanes import TICKET, Ticket

_RETRY_AFTER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may be inside at once: working and waiting together."""

    requests: int
    cost: float
    size_bytes: int


@dataclass(slots=True)
class Load:
    """How much is inside."""

    requests: int = 0
    cost: float = 0.0
    size_bytes: int = 0

    def add(self, cost: float, size_bytes: int, sign: int) -> None:
        """Counts one request in (`sign` 1) or out (-1)."""
        self.requests += sign
        self.cost = self.cost + sign * cost if self.requests else 0.0
        self.size_bytes += sign * size_bytes

    @property
    def empty(self) -> bool:
        """Whether nothing is inside."""
        return not self.requests


class Admission:
    """Counts requests from acceptance to answer."""

    def __init__(self, slots: int, bounds: Bounds) -> None:
        self._slots = slots
        self._bounds = bounds
        self._all = Load()
        self._by_run: dict[Hashable, Load] = {}
        self._draining = False
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def waiting(self) -> int:
        """Requests beyond those that can be at work."""
        return max(0, self._all.requests - self._slots)

    @property
    def load(self) -> Load:
        """What is inside now."""
        return self._all

    @property
    def draining(self) -> bool:
        """Whether new requests are refused because the server is going."""
        return self._draining

    @contextlib.contextmanager
    def enter(self, caller: Caller, run: str, cost: float, size_bytes: int) -> Iterator[Ticket]:
        """A place for one request; raises RequestError QUEUE_FULL or DRAINING at once.

        Inside, the lanes know the request by its ticket.
        """
        identity = (caller.key, run or caller.run)
        self.check_open()
        self._check_room(identity, cost, size_bytes)
        quota = caller.quota.enter(cost) if caller.quota is not None else contextlib.nullcontext()
        with quota, self._counted(identity, cost, size_bytes):
            weight = PRIORITY_WEIGHTS[caller.priority]
            ticket = Ticket(identity, caller.priority, cost, weight, caller.deadline)
            token = TICKET.set(ticket)
            try:
                yield ticket
            finally:
                TICKET.reset(token)

    async def drain(self, seconds: float) -> bool:
        """Refuses what comes and waits for what is inside; False if time ran out first."""
        self._draining = True
        try:
            await asyncio.wait_for(self._empty.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def check_open(self) -> None:
        """Raises RequestError DRAINING when the server is going."""
        if self._draining:
            raise RequestError(
                ErrorCode.DRAINING, "the server is shutting down", retry_after_seconds=_RETRY_AFTER_SECONDS
            )

    def _check_room(self, run: Hashable, cost: float, size_bytes: int) -> None:
        """A request larger than a bound still comes in when nothing else is inside."""
        inside = self._all
        if inside.empty:
            return
        if inside.size_bytes + size_bytes > self._bounds.size_bytes:
            raise _full(f"{inside.size_bytes} bytes of requests are in the server already")
        if inside.requests < self._bounds.requests and inside.cost + cost <= self._bounds.cost:
            return
        if not self._has_share(run, cost):
            raise _full(
                f"{inside.requests} requests are in the server already, with {inside.cost:.0f} units of cost"
            )

    def _has_share(self, run: Hashable, cost: float) -> bool:
        """One run must not shut the others out: a run far below its share may pass a full queue's bounds.

        With n runs inside, that is half an n-th of each bound, and twice the bound for all together.
        """
        inside, own = self._all, self._by_run.get(run, Load())
        runs = len(self._by_run) + (run not in self._by_run)
        if runs == 1 or inside.requests >= 2 * self._bounds.requests or inside.cost > 2 * self._bounds.cost:
            return False
        room = 1 / (2 * runs)
        return own.requests < self._bounds.requests * room and own.cost + cost <= self._bounds.cost * room

    @contextlib.contextmanager
    def _counted(self, run: Hashable, cost: float, size_bytes: int) -> Iterator[None]:
        own = self._by_run.setdefault(run, Load())
        for load in (self._all, own):
            load.add(cost, size_bytes, 1)
        self._empty.clear()
        try:
            yield
        finally:
            for load in (self._all, own):
                load.add(cost, size_bytes, -1)
            if own.empty:
                del self._by_run[run]
            if self._all.empty:
                self._empty.set()


def _full(message: str) -> RequestError:
    return RequestError(ErrorCode.QUEUE_FULL, message, retry_after_seconds=_RETRY_AFTER_SECONDS)
