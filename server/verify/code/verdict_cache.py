"""Identical programs on identical tests are judged once.

Requests in flight with the same key share one run; what may be kept is kept, within a
byte budget, by the content of everything that decides: program, tests, checker, limits,
scoring, isolation. Kept are verdicts that do not depend on how fast or how full the
machine was. A fault of the service is shared by those who wait for it, and never kept.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from protos.reward.v1 import reward_pb2 as pb

KEPT_STATUSES = frozenset(
    (pb.ACCEPTED, pb.PARTIAL, pb.WRONG_ANSWER, pb.COMPILE_ERROR, pb.RUNTIME_ERROR, pb.PREMATURE_EXIT)
)
_ENTRY_BYTES = 200  # of the key and the bookkeeping


@dataclass(slots=True)
class _Flight:
    task: asyncio.Task[pb.Verdict]
    waiting: int = 0


class VerdictCache:
    """At most `budget_bytes` of verdicts, the least recently used leaving first; 0: only those in flight."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._held_bytes = 0
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._flights: dict[bytes, _Flight] = {}

    async def get(self, key: bytes, judge: Callable[[], Awaitable[pb.Verdict]]) -> pb.Verdict:
        """The verdict under this key: kept, shared, or made by `judge`; the caller's own copy."""
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return _again(pb.Verdict.FromString(kept))
        flight = self._flights.get(key)
        if flight is None:
            return await self._lead(key, judge)
        return _again(await self._wait(key, flight))

    async def _lead(self, key: bytes, judge: Callable[[], Awaitable[pb.Verdict]]) -> pb.Verdict:
        async def made() -> pb.Verdict:
            return await judge()

        flight = self._flights[key] = _Flight(asyncio.ensure_future(made()))
        flight.task.add_done_callback(lambda _: self._land(key, flight))
        return _copy(await self._wait(key, flight))

    async def _wait(self, key: bytes, flight: _Flight) -> pb.Verdict:
        """The flight's verdict; the last one to stop waiting takes the work with it."""
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._flights.pop(key, None)
                flight.task.cancel()
                await asyncio.wait([flight.task])

    def _land(self, key: bytes, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if flight.task.cancelled() or flight.task.exception() is not None:
            return
        verdict = flight.task.result()
        if verdict.status in KEPT_STATUSES:
            self._keep(key, verdict.SerializeToString())

    def _keep(self, key: bytes, verdict: bytes) -> None:
        if key in self._kept:
            return
        self._held_bytes += len(verdict) + _ENTRY_BYTES
        self._kept[key] = verdict
        while self._held_bytes > self._budget_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._held_bytes -= len(oldest) + _ENTRY_BYTES


def _copy(verdict: pb.Verdict) -> pb.Verdict:
    copy = pb.Verdict()
    copy.CopyFrom(verdict)
    return copy


def _again(verdict: pb.Verdict) -> pb.Verdict:
    """A verdict for one more request: nothing was run for it."""
    copy = _copy(verdict)
    copy.cached = True
    copy.ClearField("timing")
    return copy
