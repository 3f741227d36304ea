"""The same request under the same id is judged once; another one under it is judged on its own."""

from __future__ import annotations

import asyncio

import pytest

from protos.reward.v1 import reward_pb2 as pb
from server.caller import Caller, become
from server.errors import ErrorCode, RequestError
from server.replay import Replayed
from tests.server.stub_core import StubCore


class Counting(StubCore):
    """Counts what it judges; holds it while `gate` is shut, and answers with `status`."""

    def __init__(self) -> None:
        super().__init__()
        self.gate.set()
        self.judged = 0
        self.ended = 0
        self.status = pb.ACCEPTED
        self.fault: Exception | None = None

    async def verify(self, request: pb.VerifyRequest) -> pb.Verdict:
        self.judged += 1
        try:
            await self.gate.wait()
        finally:
            self.ended += 1
        if self.fault is not None:
            raise self.fault
        reward = 1.0 if self.status == pb.ACCEPTED else None
        return pb.Verdict(id=request.id, status=self.status, reward=reward, message=str(self.judged))


def ask(id_: str = "p3/r7", completion: str = "42", run: str = "a") -> pb.VerifyRequest:
    return pb.VerifyRequest(id=id_, run=run, completion=completion, math=pb.MathTask(gold=["42"]))


class Fixture:
    """A core behind replays, on a clock of the test's."""

    def __init__(self, budget_bytes: int = 1 << 20) -> None:
        self.core, self.now, self.changed = Counting(), 0.0, list[str]()
        self.service = Replayed(
            self.core, budget_bytes, 60.0, lambda r: self.changed.append(r.id), clock=lambda: self.now
        )


@pytest.fixture
def replays() -> Fixture:
    return Fixture()


async def test_a_retry_gets_the_same_verdict_and_no_second_execution(replays: Fixture) -> None:
    first = await replays.service.verify(ask())
    second = await replays.service.verify(ask())
    assert replays.core.judged == 1
    assert second.cached
    second.cached = False
    assert second == first


async def test_a_retry_joins_the_first_while_it_runs(replays: Fixture) -> None:
    replays.core.gate.clear()
    both = [asyncio.create_task(replays.service.verify(ask())) for _ in range(2)]
    await asyncio.sleep(0)
    replays.core.gate.set()
    verdicts = await asyncio.gather(*both)
    assert replays.core.judged == 1
    assert [verdict.message for verdict in verdicts] == ["1", "1"]


async def test_the_first_leaves_and_the_second_still_gets_it(replays: Fixture) -> None:
    replays.core.gate.clear()
    first, second = (asyncio.create_task(replays.service.verify(ask())) for _ in range(2))
    while replays.service.counts.shared < 1:
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    replays.core.gate.set()
    assert (await second).message == "1"


async def test_all_leave_and_the_work_ends(replays: Fixture) -> None:
    replays.core.gate.clear()
    task = asyncio.create_task(replays.service.verify(ask()))
    while not replays.core.judged:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert replays.core.ended == 1


async def test_another_request_under_the_id_is_judged_on_its_own_and_told(replays: Fixture) -> None:
    await replays.service.verify(ask())
    other = await replays.service.verify(ask(completion="43"))
    assert (other.message, other.cached) == ("2", False)
    assert replays.changed == ["p3/r7"]
    assert (await replays.service.verify(ask())).message == "1"


@pytest.mark.parametrize("again", [ask(run="b"), ask(id_="p3/r8"), ask(id_="")])
async def test_only_the_same_id_of_the_same_run_is_a_retry(replays: Fixture, again: pb.VerifyRequest) -> None:
    await replays.service.verify(ask(id_=again.id and "p3/r7"))
    await replays.service.verify(again)
    assert replays.core.judged == 2
    assert replays.changed == []


async def test_api_keys_do_not_share_ids(replays: Fixture) -> None:
    async def as_key(name: str) -> pb.Verdict:
        become(Caller(key=name))
        return await replays.service.verify(ask())

    for name in ("red", "blue"):
        assert not (await asyncio.create_task(as_key(name))).cached


@pytest.mark.parametrize("status", [pb.INTERNAL_ERROR, pb.OVERLOADED, pb.CANCELLED, pb.UNKNOWN_TESTS])
async def test_a_fault_of_the_service_is_never_kept(replays: Fixture, status: pb.Status) -> None:
    replays.core.status = status
    await replays.service.verify(ask())
    replays.core.status = pb.ACCEPTED
    assert (await replays.service.verify(ask())).reward == 1.0


async def test_a_refusal_is_never_kept(replays: Fixture) -> None:
    replays.core.fault = RequestError(ErrorCode.QUEUE_FULL, "full")
    with pytest.raises(RequestError):
        await replays.service.verify(ask())
    replays.core.fault = None
    assert (await replays.service.verify(ask())).reward == 1.0


async def test_the_window_ends(replays: Fixture) -> None:
    await replays.service.verify(ask())
    replays.now = 60.0
    await replays.service.verify(ask())
    assert replays.core.judged == 2


async def test_what_is_kept_stays_within_its_bytes() -> None:
    replays = Fixture(budget_bytes=3000)
    for number in range(50):
        await replays.service.verify(ask(id_=str(number)))
        assert replays.service.counts.size_bytes <= 3000
    assert (await replays.service.verify(ask(id_="49"))).cached
    assert not (await replays.service.verify(ask(id_="0"))).cached


class AtOnce(Counting):
    """Judges without waiting."""

    def verify_now(self, request: pb.VerifyRequest) -> pb.Verdict | None:
        self.judged += 1
        return pb.Verdict(id=request.id, status=self.status, message=str(self.judged))


async def test_a_verdict_made_at_once_is_kept_and_its_id_watched() -> None:
    core, changed = AtOnce(), list[str]()
    service = Replayed(core, 1 << 20, 60.0, lambda r: changed.append(r.completion), clock=lambda: 0.0)
    first, again = service.verify_now(ask()), await service.verify(ask())
    assert first is not None
    assert (first.message, again.message, again.cached, core.judged) == ("1", "1", True, 1)
    other = service.verify_now(ask(completion="41"))
    assert other is not None
    assert (other.message, changed) == ("2", ["41"])


async def test_a_fault_made_at_once_is_not_kept() -> None:
    core = AtOnce()
    core.status = pb.INTERNAL_ERROR
    service = Replayed(core, 1 << 20, 60.0, clock=lambda: 0.0)
    service.verify_now(ask())
    service.verify_now(ask())
    assert core.judged == 2


async def test_the_same_request_in_flight_is_joined_and_not_judged_at_once(replays: Fixture) -> None:
    replays.core.gate.clear()
    leading = asyncio.create_task(replays.service.verify(ask()))
    await asyncio.sleep(0)
    assert replays.service.verify_now(ask()) is None
    replays.core.gate.set()
    await leading
