"""Identical programs on identical tests are judged once.

Requests in flight with the same key share one run; what may be kept is kept, within a
byte budget, by the content of everything that decides: program, tests, checker, limits,
scoring, isolation. Kept are verdicts that do not depend on how fast or how full the
machine was. A fault of the service is shared by those who wait for it, and never kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable

from protos.reward.v1 import reward_pb2 as pb
from server.verify.sharing import InFlight

KEPT_STATUSES = frozenset(
    (pb.ACCEPTED, pb.PARTIAL, pb.WRONG_ANSWER, pb.COMPILE_ERROR, pb.RUNTIME_ERROR, pb.PREMATURE_EXIT)
)
_ENTRY_BYTES = 200  # of the key and the bookkeeping


class VerdictCache:
    """At most `budget_bytes` of verdicts, the least recently used leaving first; 0: only those in flight."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._held_bytes = 0
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._in_flight: InFlight[pb.Verdict] = InFlight()

    async def get(self, key: bytes, judge: Callable[[], Awaitable[pb.Verdict]]) -> pb.Verdict:
        """The verdict under this key: kept, shared, or made by `judge`; the caller's own copy."""
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return _again(pb.Verdict.FromString(kept))
        led = not self._in_flight.holds(key)
        verdict = await self._in_flight.join(key, lambda: self._made(key, judge))
        return _copy(verdict) if led else _again(verdict)

    async def _made(self, key: bytes, judge: Callable[[], Awaitable[pb.Verdict]]) -> pb.Verdict:
        verdict = await judge()
        if verdict.status in KEPT_STATUSES:
            self._keep(key, verdict.SerializeToString())
        return verdict

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
