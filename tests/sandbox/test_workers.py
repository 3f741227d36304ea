"""Jailed workers: an answer, a budget, a death, and the next call unharmed."""

from __future__ import annotations

import asyncio
import os
import signal
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.errors import SandboxError, WorkerBudgetExceeded, WorkerLost
from sandbox.workers import JailedWorkers, WorkerConfig
from tests.leaks import descendants

pytestmark = pytest.mark.asyncio(loop_scope="module")

HANDLER = """
    import os, time

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
        if payload == b"memory":
            x = bytearray(10**10)
        if payload == b"who":
            return b"%d %d" % (os.getuid(), os.getpid())
        if payload == b"secrets":
            return str(os.path.exists("/etc/shadow")).encode()
        return payload.upper()
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[JailedWorkers]:
    directory = tmp_path_factory.mktemp("handler")
    Path(directory, "upper_handler.py").write_text(textwrap.dedent(HANDLER))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(directory))
        pool = JailedWorkers(WorkerConfig("upper_handler", count=2, memory_bytes=128 << 20))
        await pool.start()
        yield pool
        await pool.close()


async def test_calls_are_answered(workers: JailedWorkers) -> None:
    payloads = [f"text {n}".encode() for n in range(50)]
    answers = await asyncio.gather(*(workers.call(payload, 5.0) for payload in payloads))
    assert answers == [payload.upper() for payload in payloads]


@pytest.mark.parametrize("payload", [b"", b"x" * 3_000_000])
async def test_any_size_goes_through(payload: bytes, workers: JailedWorkers) -> None:
    assert await workers.call(payload, 5.0) == payload.upper()


@pytest.mark.parametrize("payload", [b"loop", b"sleep", b"memory"])
async def test_a_call_beyond_its_budget_is_killed_and_the_next_one_answered(
    payload: bytes, workers: JailedWorkers
) -> None:
    with pytest.raises(WorkerBudgetExceeded):
        await workers.call(payload, 0.2)
    assert await workers.call(b"next", 5.0) == b"NEXT"


@pytest.mark.parametrize("payload", [b"die", b"raise"])
async def test_a_dead_worker_costs_one_call(payload: bytes, workers: JailedWorkers) -> None:
    with pytest.raises(WorkerLost):
        await workers.call(payload, 5.0)
    assert await workers.call(b"next", 5.0) == b"NEXT"


async def test_a_poisoned_call_never_costs_another_its_answer(workers: JailedWorkers) -> None:
    mix = [b"loop", b"die", b"raise"] * 2 + [b"good %d" % n for n in range(20)]
    answers = await asyncio.gather(*(workers.call(payload, 0.2) for payload in mix), return_exceptions=True)
    assert answers[6:] == [payload.upper() for payload in mix[6:]]
    assert all(isinstance(answer, WorkerBudgetExceeded | WorkerLost) for answer in answers[:6])


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
