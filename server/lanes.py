"""Who is next: slots of one kind, handed out fairly between runs.

The order is start-time fair queueing (Goyal, Vin and Cheng, 1996): a request that first
asks for a slot is stamped max(the lane's virtual time, where its flow's last request
ended), its flow then ends cost / weight later, and the smallest stamp is served first.
A flow is a run under one key and priority. No flow starves, whatever its weight: its next
request waits until the others have been served their share, and no longer. What a flow was
served counts against its next request also if nothing of it was waiting in between; once the
lane is idle nobody owes anything.

A request keeps its stamp for every slot it needs, so what has begun goes on before what
has not. A slot that is held for long is lent: its program may be asleep, and verdicts do
not depend on how many share a core.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from server.errors import ErrorCode, RequestError

_FORGET_COST = 2000.0  # the seconds per unit are those of about the last that many units
_CREDIBLE_COST = 100.0  # nothing is refused for its deadline before that much has been seen
_MOST_OWING = 1000  # flows without claims that are kept for what they were served


Stamp = tuple[float, int]  # virtual time, then first come


@dataclass(eq=False, slots=True)
class Ticket:
    """One accepted request, as the lanes know it. Costs are units of `server.cost`."""

    run: Hashable = ("", "")
    priority: str = ""
    cost: float = 1.0
    weight: float = 1.0
    deadline: float | None = None
    waited_seconds: float = 0.0  # in lanes, all together
    stamps: dict[object, Stamp] = field(default_factory=dict)  # by lane

    @property
    def flow(self) -> Hashable:
        """What shares are counted for."""
        return self.run, self.priority


@dataclass(eq=False, slots=True)
class _Claim:
    """One slot: waited for, then held."""

    ticket: Ticket
    granted: asyncio.Future[None]
    since: float
    queued: bool = True
    abandoned: bool = False


@dataclass(eq=False, slots=True)
class _Flow:
    """What a lane knows of a flow while it has claims, or was served more than its share."""

    weight: float
    ends: float = 0.0  # the virtual time at which its last request has been served
    served: float = 0.0  # the same, of its last request that had a slot
    owing: bool = False  # it stands in the lane's heap of such flows
    claims: int = 0
    waiting_cost: float = 0.0


_Entry = tuple[Stamp, int, _Claim]

TICKET: ContextVar[Ticket | None] = ContextVar("ticket", default=None)


class Lane:
    """`slots` claims at work at once, `run_slots` of them for one run at most (0: no ceiling).

    A slot held for `lend_after_seconds` counts no more, for up to `lent` slots.
    """

    def __init__(
        self,
        slots: int,
        *,
        run_slots: int = 0,
        lend_after_seconds: float = math.inf,
        lent: int = 0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._slots = slots
        self._run_slots = run_slots or math.inf
        self._lend_after_seconds = lend_after_seconds
        self._lent = lent
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._numbers = itertools.count()
        self._ready: list[_Entry] = []
        self._parked: dict[Hashable, list[_Entry]] = {}  # their run is at its ceiling
        self._held: dict[_Claim, None] = {}  # oldest first
        self._held_by_run: dict[Hashable, int] = {}
        self._flows: dict[Hashable, _Flow] = {}
        self._owing: list[tuple[float, int, Hashable]] = []  # flows that had no claims, by where they end
        self._virtual = 0.0
        self._abandoned = 0
        self._timer: asyncio.TimerHandle | None = None
        self._seen_cost = self._seen_seconds = 0.0
        self.waiting = 0
        self.waiting_cost = 0.0

    @property
    def busy(self) -> int:
        """Slots that are held, lent ones included."""
        return len(self._held)

    @property
    def slots(self) -> int:
        """Slots that there are, without lent ones."""
        return self._slots

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """A slot for the request that this task serves, until the block ends.

        Raises RequestError QUEUE_FULL at once for a request that has just come and whose
        deadline passes before its turn.
        """
        claim = self._claim(TICKET.get() or Ticket())
        try:
            await claim.granted
            yield
        finally:
            self._give_back(claim)

    def expected_wait_seconds(self) -> float:
        """How long what waits now will keep the slots, as far as this lane has seen."""
        if self._seen_cost < _CREDIBLE_COST:
            return 0.0
        return self.waiting_cost * (self._seen_seconds / self._seen_cost) / self._slots

    def serve(self) -> None:
        """Hands out what can be handed out now."""
        while self._ready and self._has_room():
            entry = heapq.heappop(self._ready)
            claim = entry[2]
            if claim.granted.done():  # given up, if only a moment ago: its task takes it out of the counts
                claim.queued = False
                self._abandoned -= claim.abandoned
            elif self._held_by_run.get(claim.ticket.run, 0) >= self._run_slots:
                heapq.heappush(self._parked.setdefault(claim.ticket.run, []), entry)
            else:
                self._grant(claim)
        self._set_timer()

    def _claim(self, ticket: Ticket) -> _Claim:
        now = self._clock()
        if self not in ticket.stamps:
            self._check_deadline(ticket, now)
        flow = self._flows.setdefault(ticket.flow, _Flow(ticket.weight))
        self._stamp(ticket, flow)
        claim = _Claim(ticket, asyncio.get_running_loop().create_future(), now)
        flow.claims += 1
        flow.waiting_cost += ticket.cost
        self.waiting += 1
        self.waiting_cost += ticket.cost
        heapq.heappush(self._ready, (ticket.stamps[self], next(self._numbers), claim))
        self.serve()
        return claim

    def _stamp(self, ticket: Ticket, flow: _Flow) -> None:
        if self in ticket.stamps:
            return
        start = max(self._virtual, flow.ends)
        ticket.stamps[self] = (start, next(self._numbers))
        flow.ends = start + ticket.cost / ticket.weight

    def _check_deadline(self, ticket: Ticket, now: float) -> None:
        if ticket.deadline is None or not self.waiting:
            return
        wait = self._wait_of(ticket)
        if now + wait > ticket.deadline:
            message = f"the wait is about {wait:.1f} s, beyond the caller's deadline"
            raise RequestError(ErrorCode.QUEUE_FULL, message, retry_after_seconds=max(1.0, wait / 2))

    def _wait_of(self, ticket: Ticket) -> float:
        """About how long a new request of this flow waits: never longer than for all that waits."""
        flow = self._flows.get(ticket.flow)
        if flow is None or not self.waiting_cost:
            return 0.0
        weights = sum(other.weight for other in self._flows.values() if other.claims)
        ahead = min(self.waiting_cost, flow.waiting_cost * weights / flow.weight)
        return self.expected_wait_seconds() * ahead / self.waiting_cost

    def _has_room(self) -> bool:
        busy = len(self._held)
        return busy < self._slots or busy - min(self._lent, self._lent_now()) < self._slots

    def _lent_now(self) -> int:
        now = self._clock()
        old = itertools.takewhile(lambda claim: now - claim.since >= self._lend_after_seconds, self._held)
        return sum(1 for _ in old)

    def _grant(self, claim: _Claim) -> None:
        now, ticket = self._clock(), claim.ticket
        ticket.waited_seconds += now - claim.since
        claim.since = now
        start = ticket.stamps[self][0]
        self._virtual = max(self._virtual, start)
        flow = self._flows[ticket.flow]
        flow.served = max(flow.served, start + ticket.cost / ticket.weight)
        self._forgive()
        self._stop_waiting(ticket)
        self._held[claim] = None
        self._held_by_run[ticket.run] = self._held_by_run.get(ticket.run, 0) + 1
        claim.granted.set_result(None)

    def _give_back(self, claim: _Claim) -> None:
        """Also for a claim that was given up, and for one that was granted while its task was cancelled."""
        ticket = claim.ticket
        if claim in self._held:
            del self._held[claim]
            self._learn(ticket, self._clock() - claim.since)
            _count_down(self._held_by_run, ticket.run)
            self._unpark(ticket.run)
        else:
            claim.abandoned = claim.queued
            self._abandoned += claim.queued
            self._stop_waiting(ticket)
            self._unpark(ticket.run)  # this claim may have been the one that left the parked for a slot
            self._sweep()
        self._leave_flow(ticket)
        self.serve()

    def _leave_flow(self, ticket: Ticket) -> None:
        flow = self._flows[ticket.flow]
        flow.claims -= 1
        if not (self.waiting or self._held):  # the lane is idle
            self._flows.clear()
            self._owing.clear()
        elif not flow.claims:
            flow.ends = flow.served  # what was given up is not owed
            self._keep_or_forget(ticket.flow, flow)

    def _keep_or_forget(self, name: Hashable, flow: _Flow) -> None:
        """A flow without claims stays while it owes: its next request must not be stamped as a newcomer's."""
        if flow.owing:
            return  # until its place in the heap comes up
        if flow.ends <= self._virtual:
            del self._flows[name]
            return
        flow.owing = True
        heapq.heappush(self._owing, (flow.ends, next(self._numbers), name))
        self._forgive()

    def _forgive(self) -> None:
        """Forgets flows without claims that owe nothing any more, and of too many those that owe least."""
        while self._owing:
            too_many = len(self._owing) > _MOST_OWING
            if self._owing[0][0] > self._virtual and not too_many:
                return
            _, _, name = heapq.heappop(self._owing)
            flow = self._flows[name]
            flow.owing = False
            if flow.claims:
                continue  # it comes back here when it has none
            if too_many:
                del self._flows[name]
            else:
                self._keep_or_forget(name, flow)

    def _stop_waiting(self, ticket: Ticket) -> None:
        self._flows[ticket.flow].waiting_cost -= ticket.cost
        self.waiting -= 1
        self.waiting_cost = self.waiting_cost - ticket.cost if self.waiting else 0.0

    def _unpark(self, run: Hashable) -> None:
        parked = self._parked.get(run)
        while parked:
            entry = heapq.heappop(parked)
            if not entry[2].abandoned:
                heapq.heappush(self._ready, entry)
                break
            self._abandoned -= 1
        if not parked:
            self._parked.pop(run, None)

    def _sweep(self) -> None:
        """Claims that were given up leave the heaps before they are most of them."""
        if self._abandoned <= 16 + self.waiting:
            return
        self._ready = [entry for entry in self._ready if not entry[2].abandoned]
        heapq.heapify(self._ready)
        for run, parked in list(self._parked.items()):
            kept = [entry for entry in parked if not entry[2].abandoned]
            heapq.heapify(kept)
            if kept:
                self._parked[run] = kept
            else:
                del self._parked[run]
        self._abandoned = 0

    def _learn(self, ticket: Ticket, seconds: float) -> None:
        kept = max(0.0, 1.0 - ticket.cost / _FORGET_COST)
        self._seen_cost = self._seen_cost * kept + ticket.cost
        self._seen_seconds = self._seen_seconds * kept + seconds

    def _set_timer(self) -> None:
        """Looks again when the next slot can be lent, while somebody waits for one."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._ready or not self._lent or self._lend_after_seconds == math.inf:
            return
        young = itertools.islice(self._held, self._lent_now(), None)
        oldest = next(young, None)
        if oldest is not None and self._lent_now() < self._lent:
            wait = max(0.0, oldest.since + self._lend_after_seconds - self._clock())
            self._timer = asyncio.get_running_loop().call_later(wait + 0.001, self.serve)


def _count_down(counts: dict[Hashable, int], name: Hashable) -> None:
    counts[name] -= 1
    if not counts[name]:
        del counts[name]
