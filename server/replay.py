"""A request that is sent again under its `id` is answered again, not judged again.

A client whose connection broke sends the same request once more. Within the window it
joins the first one while that runs, and afterwards gets its verdict, the same but for
`cached`. What makes two requests the same is their whole content, by hash; another request
under the same `id` is judged on its own, and shows in log and metrics. Runs and API keys do
not share ids. A verdict that is the service's fault is never kept: a retry is to be judged.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from protos.reward.v1 import reward_pb2 as pb
from server import caller
from server.faces.service import Passing, RewardService

_NOT_KEPT = frozenset(
    (pb.STATUS_UNSPECIFIED, pb.INTERNAL_ERROR, pb.OVERLOADED, pb.CANCELLED, pb.UNKNOWN_TESTS)
)
_ENTRY_BYTES = 400  # of the names, the hash and the bookkeeping

Name = tuple[str, str, str]  # API key, run, id


@dataclass(slots=True)
class _Flight:
    content: bytes
    task: asyncio.Task[pb.Verdict]
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class _Kept:
    content: bytes
    verdict: bytes
    expires: float

    @property
    def size_bytes(self) -> int:
        return len(self.verdict) + _ENTRY_BYTES


@dataclass(slots=True)
class ReplayCounts:
    """What became of requests whose id was in use."""

    hit: int = 0  # answered with the verdict that was kept
    shared: int = 0  # joined the same request while it ran
    changed: int = 0  # another request under that id: judged on its own
    size_bytes: int = 0  # of the verdicts that are kept


class Replayed(Passing):
    """A RewardService that keeps at most `budget_bytes` of verdicts for `window_seconds`, by id.

    The oldest leave first; 0 bytes: only what is in flight is shared. Requests without an id pass.
    """

    def __init__(
        self,
        inner: RewardService,
        budget_bytes: int,
        window_seconds: float,
        on_changed: Callable[[pb.VerifyRequest], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(inner)
        self._budget_bytes = budget_bytes
        self._window_seconds = window_seconds
        self._on_changed = on_changed
        self._clock = clock
        self._flights: dict[Name, _Flight] = {}
        self._kept: OrderedDict[Name, _Kept] = OrderedDict()  # in the order in which they expire
        self.counts = ReplayCounts()

    async def verify(self, request: pb.VerifyRequest) -> pb.Verdict:
        """Judges one completion, unless it has been."""
        if not request.id:
            return await self._inner.verify(request)
        name, content = _name_of(request), _content_of(request)
        self._expire()
        if (kept := self._kept.get(name)) is not None and kept.content == content:
            return self._hit(kept)
        flight = self._flights.get(name)
        if flight is not None and flight.content == content:
            self.counts.shared += 1
            return _again(await self._wait(name, flight))
        if kept is None and flight is None:
            return await self._lead(name, content, request)
        self.counts.changed += 1
        self._on_changed(request)
        return await self._inner.verify(request)

    def verify_now(self, request: pb.VerifyRequest) -> pb.Verdict | None:
        """Judges one completion if nothing has to be waited for, unless it has been."""
        if not request.id or not request.HasField("math"):
            return self._inner.verify_now(request)
        name, content = _name_of(request), _content_of(request)
        self._expire()
        kept, flight = self._kept.get(name), self._flights.get(name)
        if kept is not None and kept.content == content:
            return self._hit(kept)
        if flight is not None and flight.content == content:
            return None
        verdict = self._inner.verify_now(request)
        if verdict is None:
            return None
        if kept is None and flight is None:
            self._keep_if_judged(name, content, verdict)
        else:
            self.counts.changed += 1
            self._on_changed(request)
        return verdict

    def _hit(self, kept: _Kept) -> pb.Verdict:
        self.counts.hit += 1
        verdict = pb.Verdict.FromString(kept.verdict)
        verdict.cached = True
        return verdict

    async def _lead(self, name: Name, content: bytes, request: pb.VerifyRequest) -> pb.Verdict:
        task = asyncio.ensure_future(_as_coroutine(self._inner, request))
        flight = self._flights[name] = _Flight(content, task)
        task.add_done_callback(lambda _: self._land(name, flight))
        return _copy(await self._wait(name, flight))

    async def _wait(self, name: Name, flight: _Flight) -> pb.Verdict:
        """The flight's verdict; the last one to stop waiting takes the work with it."""
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._flights.pop(name, None)
                flight.task.cancel()
                await asyncio.wait([flight.task])

    def _land(self, name: Name, flight: _Flight) -> None:
        if self._flights.get(name) is flight:
            del self._flights[name]
        if flight.task.cancelled() or flight.task.exception() is not None:
            return
        self._keep_if_judged(name, flight.content, flight.task.result())

    def _keep_if_judged(self, name: Name, content: bytes, verdict: pb.Verdict) -> None:
        if verdict.status in _NOT_KEPT or not self._budget_bytes:
            return
        expires = self._clock() + self._window_seconds
        kept = self._kept[name] = _Kept(content, verdict.SerializeToString(), expires)
        self.counts.size_bytes += kept.size_bytes
        while self.counts.size_bytes > self._budget_bytes:
            self._drop_oldest()

    def _expire(self) -> None:
        now = self._clock()
        while self._kept and next(iter(self._kept.values())).expires <= now:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, oldest = self._kept.popitem(last=False)
        self.counts.size_bytes -= oldest.size_bytes


def _name_of(request: pb.VerifyRequest) -> Name:
    asking = caller.current()
    return asking.key, request.run or asking.run, request.id


def _content_of(request: pb.VerifyRequest) -> bytes:
    return hashlib.sha256(request.SerializeToString(deterministic=True)).digest()


async def _as_coroutine(inner: RewardService, request: pb.VerifyRequest) -> pb.Verdict:
    return await inner.verify(request)


def _copy(verdict: pb.Verdict) -> pb.Verdict:
    copy = pb.Verdict()
    copy.CopyFrom(verdict)
    return copy


def _again(verdict: pb.Verdict) -> pb.Verdict:
    """A verdict for one more request: nothing was run for it."""
    copy = _copy(verdict)
    copy.cached = True
    return copy
