"""Jailed workers: an answer, a budget, a death, and the neighbours unharmed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import textwrap
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox import cgroups, worker_jail
from sandbox.errors import SandboxError, SandboxUnavailable, WorkerBudgetExceeded, WorkerDied, WorkerLost
from sandbox.workers import BATCH_CALLS, JailedWorkers, WorkerConfig
from tests.leaks import descendants
from tests.sandbox.test_memory import crowded_parent

pytestmark = pytest.mark.asyncio(loop_scope="module")

HANDLER = """
    import ctypes, os, signal, time

    kept = []

    def warm_up():
        pass

    def handle(payload):
        if payload == b"loop":
            while True: pass
        if payload == b"sleep":
            time.sleep(3600)
        if payload == b"die":
            os._exit(3)
        if payload == b"raise":
            raise ValueError("poisoned")
        if payload == b"segfault":
            ctypes.string_at(0)
        if payload == b"killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if payload == b"memory":
            x = bytearray(10**10)
        if payload == b"grow":
            kept.append(bytearray(80 << 20))
        if payload == b"talk":
            return bytes(9 << 20)
        if payload in {b"who", b"grow"}:
            return b"%d %d" % (os.getuid(), os.getpid())
        if payload == b"secrets":
            return str(os.path.exists("/etc/shadow")).encode()
        return payload.upper()
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workers(handler: None) -> AsyncIterator[JailedWorkers]:
    pool = JailedWorkers(WorkerConfig("upper_handler", count=2, memory_bytes=128 << 20))
    await pool.start()
    yield pool
    await pool.close()


@pytest.fixture(scope="module")
def handler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    directory = tmp_path_factory.mktemp("handler")
    Path(directory, "upper_handler.py").write_text(textwrap.dedent(HANDLER))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(directory))
        yield


async def gathered(workers: JailedWorkers, payloads: list[bytes], cpu_seconds: float) -> list[object]:
    calls = (workers.call(payload, cpu_seconds) for payload in payloads)
    return list(await asyncio.gather(*calls, return_exceptions=True))


async def test_calls_are_answered_each_with_its_own(workers: JailedWorkers) -> None:
    payloads = [f"text {n}".encode() for n in range(200)]
    assert await gathered(workers, payloads, 5.0) == [payload.upper() for payload in payloads]


async def test_calls_that_wait_share_round_trips(workers: JailedWorkers) -> None:
    before = workers.counts.round_trips
    await gathered(workers, [b"text"] * 160, 5.0)
    assert workers.counts.round_trips - before < 80


@pytest.mark.parametrize("payload", [b"", b"x" * 3_000_000])
async def test_any_size_goes_through(payload: bytes, workers: JailedWorkers) -> None:
    assert await workers.call(payload, 5.0) == payload.upper()


@pytest.mark.parametrize("payload", [b"loop", b"memory", b"talk"])
async def test_a_call_beyond_its_budget_is_killed_and_the_next_one_answered(
    payload: bytes, workers: JailedWorkers
) -> None:
    before = workers.counts.budget_kills
    with pytest.raises(WorkerBudgetExceeded):
        await workers.call(payload, 0.2)
    assert workers.counts.budget_kills == before + 1
    assert await workers.call(b"next", 5.0) == b"NEXT"


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a control group: needs root")
async def test_memory_that_ran_out_outside_the_jail_is_no_budget(
    handler: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with crowded_parent(64 << 20) as hierarchy:
        monkeypatch.setattr(cgroups, "probe", lambda: hierarchy)
        pool = JailedWorkers(WorkerConfig("upper_handler", count=1, memory_bytes=512 << 20))
        await pool.start()
        with pytest.raises(WorkerLost):
            await pool.call(b"grow", 5.0)
        assert await pool.call(b"next", 5.0) == b"NEXT"
        await pool.close()


async def test_memory_refused_without_a_control_group_is_a_budget_too(
    handler: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "probe", lambda: cgroups.Hierarchy(0))
    pool = JailedWorkers(WorkerConfig("upper_handler", count=1, memory_bytes=128 << 20))
    await pool.start()
    with pytest.raises(WorkerBudgetExceeded):
        await pool.call(b"memory", 5.0)
    assert await pool.call(b"next", 5.0) == b"NEXT"
    await pool.close()


async def test_a_call_that_only_waits_is_no_verdict_on_it(workers: JailedWorkers) -> None:
    with pytest.raises(WorkerLost):
        await workers.call(b"sleep", 0.1)
    assert await workers.call(b"next", 5.0) == b"NEXT"


@pytest.mark.parametrize("payload", [b"die", b"raise", b"segfault"])
async def test_a_call_that_ends_every_worker_is_named_as_such(payload: bytes, workers: JailedWorkers) -> None:
    with pytest.raises(WorkerDied):
        await workers.call(payload, 5.0)
    assert await workers.call(b"next", 5.0) == b"NEXT"


async def test_a_worker_killed_from_outside_is_lost(workers: JailedWorkers) -> None:
    with pytest.raises(WorkerLost):
        await workers.call(b"killed", 5.0)
    assert await workers.call(b"next", 5.0) == b"NEXT"


async def test_a_poisoned_call_never_costs_another_its_answer(workers: JailedWorkers) -> None:
    poison = [b"loop", b"die", b"raise", b"memory", b"segfault", b"talk"]
    good = [b"good %d" % n for n in range(10 * len(poison))]
    mix = [item for n, bad in enumerate(poison) for item in (*good[10 * n : 10 * n + 10], bad)]
    answers = await gathered(workers, mix, 0.2)
    for payload, answer in zip(mix, answers, strict=True):
        if payload in poison:
            assert isinstance(answer, WorkerBudgetExceeded | WorkerDied)
        else:
            assert answer == payload.upper()


async def test_neighbours_of_a_slow_call_are_answered_before_it(workers: JailedWorkers) -> None:
    order: list[bytes] = []

    async def ask(payload: bytes) -> None:
        await asyncio.gather(workers.call(payload, 1.0), return_exceptions=True)
        order.append(payload)

    mix = [b"before"] * 4 + [b"loop"] + [b"after"] * BATCH_CALLS
    await asyncio.gather(*map(ask, mix))
    assert order[-1] == b"loop"


async def test_a_worker_that_has_grown_is_replaced(workers: JailedWorkers) -> None:
    before = workers.counts.recycled
    grown = {await workers.call(b"grow", 5.0) for _ in range(4)}
    assert len(grown) == 4
    await gathered(workers, [b"next"] * 50, 5.0)
    assert workers.counts.recycled - before == 4


async def test_a_worker_is_replaced_after_so_many_calls(
    handler: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_jail, "CALLS_PER_WORKER", 10)
    calls = 0

    def answer(payload: bytes) -> bytes:
        nonlocal calls
        calls += 1
        return payload

    near, far = socket.socketpair()
    with near, far:
        for _ in range(10):
            near.sendall(worker_jail._LENGTH.pack(1) + b"x")
        near.shutdown(socket.SHUT_WR)
        worker_jail._answer_calls(far, answer, 1 << 40)
        spent = [near.recv(worker_jail._ANSWER_HEAD.size + 1)[4] for _ in range(10)]
    assert (calls, spent) == (10, [0] * 9 + [1])


async def test_workers_are_nobody_and_see_nothing(workers: JailedWorkers) -> None:
    uid, _ = (await workers.call(b"who", 5.0)).split()
    assert int(uid) != 0 or os.geteuid() != 0
    assert await workers.call(b"secrets", 5.0) == b"False"


async def test_a_cancelled_call_frees_its_place(workers: JailedWorkers) -> None:
    for _ in range(4):
        task = asyncio.create_task(workers.call(b"sleep", 60.0))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await workers.call(b"next", 5.0) == b"NEXT"


async def test_a_killed_launcher_is_replaced(workers: JailedWorkers) -> None:
    assert workers.launcher is not None
    pid = workers.launcher.info.pid
    os.kill(pid, signal.SIGKILL)
    while descendants(pid):
        await asyncio.sleep(0.01)
    for _ in range(4):
        try:
            assert await workers.call(b"next", 5.0) == b"NEXT"
            break
        except SandboxError:
            continue  # a channel of the dead launcher; each is met at most once
    else:
        pytest.fail("no worker came back")


async def test_a_lost_launcher_costs_at_most_the_calls_that_meet_it_twice(workers: JailedWorkers) -> None:
    assert workers.launcher is not None
    calls = asyncio.create_task(gathered(workers, [b"text"] * 500, 5.0))
    await asyncio.sleep(0)
    os.kill(workers.launcher.info.pid, signal.SIGKILL)
    answers = await calls
    assert answers.count(b"TEXT") >= 496


async def test_closed_workers_say_so(handler: None) -> None:
    pool = JailedWorkers(WorkerConfig("upper_handler", count=1))
    await pool.start()
    waiting = [asyncio.create_task(pool.call(b"sleep", 60.0)) for _ in range(3)]
    await asyncio.sleep(0.05)
    await pool.close()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(end) for end in ends} == {SandboxUnavailable}
    with pytest.raises(SandboxUnavailable):
        await pool.call(b"late", 1.0)
