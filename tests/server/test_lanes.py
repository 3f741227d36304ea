"""Who is next: fair between runs, what has begun first, and nobody starves. On a clock of the test's."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server import lanes
from server.errors import ErrorCode, RequestError
from server.lanes import TICKET, Lane, Ticket


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Work:
    """Tasks that hold a slot of a lane until they are told to end."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self.begun: list[Ticket] = []
        self.most_at_once = 0
        self._ends: dict[int, asyncio.Event] = {}
        self.tasks: list[asyncio.Task[None]] = []

    async def ask(self, ticket: Ticket) -> asyncio.Task[None]:
        task = asyncio.create_task(self._hold(ticket))
        self.tasks.append(task)
        await settle()
        return task

    async def _hold(self, ticket: Ticket) -> None:
        TICKET.set(ticket)
        end = self._ends.setdefault(id(ticket), asyncio.Event())
        async with self._lane.slot():
            self.begun.append(ticket)
            self.most_at_once = max(self.most_at_once, self._lane.busy)
            await end.wait()

    async def end(self, ticket: Ticket) -> None:
        self._ends[id(ticket)].set()
        await settle()

    async def drain(self) -> None:
        """Ends what runs, one after the other, until nothing is left."""
        ended = 0
        while ended < len(self.begun):
            await self.end(self.begun[ended])
            ended += 1


async def settle() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


def ticket(run: str, cost: float = 1.0, weight: float = 1.0, **more: float) -> Ticket:
    return Ticket(run=("", run), priority=str(weight), cost=cost, weight=weight, **more)


def runs(work: Work) -> str:
    return "".join(str(t.run[1]) for t in work.begun)  # type: ignore[index]  # a run is a pair here


async def test_a_small_run_does_not_wait_behind_a_large_one() -> None:
    work = Work(Lane(1))
    for _ in range(6):
        await work.ask(ticket("a"))
    for _ in range(2):
        await work.ask(ticket("b"))
    await work.drain()
    assert runs(work).index("b") == 1  # next in turn, behind the one that was running
    assert runs(work)[:4].count("b") == 2


async def test_shares_are_of_cost_and_not_of_requests() -> None:
    work = Work(Lane(1))
    await work.ask(ticket("x"))
    for _ in range(4):
        await work.ask(ticket("a", cost=10))
    for _ in range(40):
        await work.ask(ticket("b", cost=1))
    await work.drain()
    begun = runs(work)
    second = [place for place, run in enumerate(begun) if run == "a"][1]
    assert begun[:second].count("b") >= 10


async def test_evaluation_has_sixteen_times_the_share_and_training_goes_on() -> None:
    work = Work(Lane(1))
    await work.ask(ticket("x"))
    for _ in range(20):
        await work.ask(ticket("t"))
    for _ in range(64):
        await work.ask(ticket("e", weight=16.0))
    await work.drain()
    first = Counter(runs(work)[1:35])
    assert first["e"] >= 30
    assert first["t"] >= 2


async def test_what_has_begun_gets_its_next_slot_before_what_has_not() -> None:
    work, begun = Work(lane := Lane(1)), ticket("a")
    await work.ask(begun)
    others = [ticket("b"), ticket("c")]
    for other in others:
        await work.ask(other)
    await work.end(begun)  # its compiler is done; now its program is to run
    again = Work(lane)
    await again.ask(begun)
    await work.end(others[0])
    assert again.begun == [begun]
    await again.drain()
    await work.drain()


async def test_one_run_holds_no_more_than_its_ceiling() -> None:
    work = Work(Lane(4, run_slots=2))
    for _ in range(5):
        await work.ask(ticket("a"))
    assert runs(work) == "aa"
    await work.ask(ticket("b"))
    assert runs(work) == "aab"
    await work.drain()
    assert runs(work) == "aabaaa"


async def test_a_long_held_slot_is_lent_up_to_a_bound() -> None:
    clock = Clock()
    work = Work(lane := Lane(1, lend_after_seconds=2.0, lent=1, clock=clock))
    for _ in range(3):
        await work.ask(ticket("a"))
    clock.now = 1.9
    lane.serve()
    await settle()
    assert lane.busy == 1
    for now in (2.1, 9.0):
        clock.now = now
        lane.serve()
        await settle()
        assert lane.busy == 2
    await work.drain()
    assert lane.busy == 0


async def test_a_sleeper_lends_its_slot_by_itself() -> None:
    work = Work(Lane(1, lend_after_seconds=0.01, lent=1))
    sleeper, other = ticket("a"), ticket("b")
    await work.ask(sleeper)
    await work.ask(other)
    while other not in work.begun:  # the test's timeout is the limit
        await asyncio.sleep(0.005)
    await work.drain()


async def seen(lane: Lane, clock: Clock) -> None:
    """Shows the lane that a unit of cost takes a second."""
    for _ in range(20):
        TICKET.set(ticket("past", cost=10.0))
        async with lane.slot():
            clock.now += 10.0


async def test_a_deadline_before_its_turn_is_refused_at_once() -> None:
    clock = Clock()
    lane = Lane(1, clock=clock)
    await seen(lane, clock)
    work = Work(lane)
    await work.ask(ticket("a", cost=10))
    await work.ask(ticket("a", cost=10))
    assert lane.expected_wait_seconds() == pytest.approx(10.0)
    late = await work.ask(ticket("a", deadline=clock.now + 5))
    with pytest.raises(RequestError) as caught:
        await late
    assert caught.value.code is ErrorCode.QUEUE_FULL
    assert caught.value.retry_after_seconds
    in_time = await work.ask(ticket("a", deadline=clock.now + 60))
    another_run = await work.ask(ticket("b", deadline=clock.now + 5))
    await work.drain()
    assert in_time.done()
    assert another_run.done()


async def test_a_free_slot_is_given_however_short_the_deadline() -> None:
    clock = Clock()
    lane = Lane(1, clock=clock)
    await seen(lane, clock)
    work = Work(lane)
    await work.ask(ticket("a", cost=1000, deadline=clock.now + 0.001))
    assert len(work.begun) == 1
    await work.drain()


async def test_what_is_given_up_while_it_waits_never_begins() -> None:
    work = Work(lane := Lane(1))
    await work.ask(ticket("a"))
    for _ in range(200):
        waiting = await work.ask(ticket("b"))
        waiting.cancel()
    await asyncio.wait(work.tasks[1:])
    assert lane.waiting == 0
    assert len(lane._ready) < 40  # what was given up does not pile up
    await work.drain()
    assert runs(work) == "a"
    assert (lane.busy, lane._flows) == (0, {})


async def test_a_slot_granted_to_a_task_that_is_being_cancelled_comes_back() -> None:
    work = Work(lane := Lane(1))
    first, second = ticket("a"), ticket("b")
    await work.ask(first)
    waiting = await work.ask(second)
    work._ends[id(first)].set()
    while lane.waiting:  # until the slot is the second one's, which has not yet run
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert lane.busy == 0


async def test_all_may_be_cancelled_at_once() -> None:
    """The slot that the first gives back is offered to others, whose cancellation is on its way."""
    work = Work(lane := Lane(1))
    for _ in range(4):
        await work.ask(ticket("a"))
    for task in work.tasks:
        task.cancel()
    await asyncio.wait(work.tasks)
    assert [task.cancelled() for task in work.tasks] == [True] * 4
    assert (lane.busy, lane.waiting, lane._abandoned, lane._flows) == (0, 0, 0, {})


steps = st.lists(
    st.tuples(
        st.sampled_from(["ask", "end", "cancel", "pass"]),
        st.sampled_from("abc"),
        st.sampled_from([1.0, 5.0, 20.0]),
        st.sampled_from([1.0, 16.0]),
    ),
    max_size=60,
)


async def act(work: Work, lane: Lane, clock: Clock, plan: list[tuple[str, str, float, float]]) -> None:
    actions: dict[str, Callable[[Ticket], Awaitable[object]]] = {"ask": work.ask}
    ended = 0
    for action, run, cost, weight in plan:
        if action == "end" and ended < len(work.begun):
            await work.end(work.begun[ended])
            ended += 1
        elif action == "cancel" and work.tasks:
            work.tasks[int(cost) % len(work.tasks)].cancel()
            await settle()
        elif action == "pass":
            clock.now += cost
            lane.serve()
            await settle()
        elif action in actions:
            await actions[action](ticket(run, cost, weight))


@settings(max_examples=60, deadline=None)
@given(steps, st.integers(1, 3), st.integers(0, 2))
def test_whatever_happens_slots_are_bounded_and_all_come_back(
    plan: list[tuple[str, str, float, float]], slots: int, run_slots: int
) -> None:
    async def play() -> None:
        clock = Clock()
        lane = Lane(slots, run_slots=run_slots, lend_after_seconds=10.0, lent=1, clock=clock)
        work = Work(lane)
        await act(work, lane, clock, plan)
        assert lane.busy + lane.waiting <= len(work.tasks)
        await work.drain()
        await asyncio.gather(*work.tasks, return_exceptions=True)
        assert work.most_at_once <= slots + 1
        asked = [task for task in work.tasks if not task.cancelled()]
        assert len(work.begun) >= len(asked)  # each one that was not given up has had its slot
        assert (lane.busy, lane.waiting, lane._flows, lane._parked) == (0, 0, {}, {})

    asyncio.run(play())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 20)), min_size=30, max_size=120))
def test_two_busy_runs_are_never_far_apart(costs: list[tuple[str, int]]) -> None:
    """While both wait, the costs served differ by at most two requests' (the bound of the queueing rule)."""

    async def play() -> None:
        work = Work(Lane(1))
        await work.ask(ticket("x"))
        for run, cost in costs:
            await work.ask(ticket(run, cost))
        left, served = Counter(run for run, _ in costs), Counter[str]()
        await work.drain()
        for begun in work.begun[1:]:
            run = str(begun.run[1])  # type: ignore[index]  # a run is a pair here
            served[run] += int(begun.cost)
            left[run] -= 1
            if not (left["a"] and left["b"]):
                break
            assert abs(served["a"] - served["b"]) <= 2 * 20

    asyncio.run(play())


async def test_a_parked_claim_has_its_turn_when_the_one_before_it_is_given_up() -> None:
    """The slot that moves a claim out of the parked may go to another run, and the claim may then leave."""
    work = Work(lane := Lane(2, run_slots=1))
    first, other, third = ticket("r", cost=10), ticket("s"), ticket("t")
    await work.ask(first)
    given_up = await work.ask(ticket("r", cost=10))
    await work.ask(last := ticket("r", cost=10))
    for each in (other, third):
        await work.ask(each)
    await work.end(first)
    given_up.cancel()
    await settle()
    for each in (other, third):
        await work.end(each)
    assert work.begun[-1] is last
    await work.drain()
    assert (lane.busy, lane.waiting, lane._parked) == (0, 0, {})


async def test_one_request_at_a_time_escapes_no_share() -> None:
    """A background run that never has two requests inside gets a sixteenth beside training, as with many."""
    work = Work(Lane(1))
    for _ in range(40):
        await work.ask(ticket("t"))
    await work.ask(ticket("b", weight=1 / 16))
    ended = 0
    while runs(work).count("t") < 40:
        ending = work.begun[ended]
        await work.end(ending)
        if ending.run == ("", "b"):
            await work.ask(ticket("b", weight=1 / 16))
        ended += 1
    assert runs(work).count("b") <= 3
    await work.drain()


async def test_what_was_given_up_is_not_owed() -> None:
    work = Work(Lane(1))
    await work.ask(ticket("x", cost=5))
    given_up = [await work.ask(ticket("a", cost=100)) for _ in range(10)]
    for task in given_up:
        task.cancel()
    await settle()
    await work.ask(ticket("b"))
    await work.ask(ticket("a"))
    await work.ask(ticket("b"))
    await work.drain()
    assert runs(work) == "xbab"


async def test_flows_that_owe_nothing_any_more_are_forgotten() -> None:
    work = Work(lane := Lane(1))
    await work.ask(ticket("long"))
    for number in range(20):
        await work.ask(ticket("a" if number % 2 else f"once {number}"))
    for place in range(20):
        await work.end(work.begun[place])
    assert len(lane._flows) < 5
    await work.drain()


async def test_flows_that_owe_are_kept_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "_MOST_OWING", 5)
    work = Work(lane := Lane(2))
    await work.ask(ticket("long"))
    for number in range(20):
        await work.ask(once := ticket(f"once {number}", cost=100))
        await work.end(once)
    assert len(lane._flows) == 6
    await work.drain()


async def test_an_idle_lane_remembers_no_debt() -> None:
    work = Work(lane := Lane(1))
    await work.ask(ticket("a", cost=1000))
    await work.drain()
    assert (lane._flows, lane._owing) == ({}, [])
