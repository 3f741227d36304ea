"""The core without a sandbox: what becomes of faults, floors, and requests that cannot be judged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from protos.reward.v1 import reward_pb2 as pb
from sandbox.errors import FilesTooLarge, JailLost, WorkerLost
from sandbox.types import Limits
from server import core as core_module
from server import cost, locations
from server.auth import KeyQuota, KeyRow
from server.caller import Caller, become
from server.config import Settings
from server.core import ATTEMPTS, RewardCore
from server.errors import ErrorCode, RequestError, StartupError
from server.faces import service
from server.lanes import Lane

MATH = pb.VerifyRequest(id="m", completion=r"\boxed{2\sin x\cos x}", math=pb.MathTask(gold=[r"\sin(2x)"]))


def failing(times: int, error: Exception) -> Callable[[bytes, float], Awaitable[bytes]]:
    """A worker that is lost the first `times` times."""
    left = times

    async def call(payload: bytes, cpu_seconds: float) -> bytes:
        nonlocal left
        left -= 1
        if left >= 0:
            raise error
        return b'{"status": "correct", "rule": "symbolic", "gold_parsed": "x+1", "answer_parsed": "1+x"}'

    return call


def core_with(call: Callable[[bytes, float], Awaitable[bytes]]) -> RewardCore:
    core = RewardCore(Settings())
    core._math._call = call
    return core


@pytest.mark.parametrize("error", [WorkerLost("gone"), JailLost("gone")])
async def test_a_fault_that_goes_away_costs_nothing(error: Exception) -> None:
    verdict = await core_with(failing(ATTEMPTS - 1, error)).verify(MATH)
    assert (verdict.status, verdict.reward) == (pb.ACCEPTED, 1.0)


async def test_a_fault_that_stays_is_a_status_without_a_reward() -> None:
    verdict = await core_with(failing(ATTEMPTS, WorkerLost("gone"))).verify(MATH)
    assert verdict.status == pb.INTERNAL_ERROR
    assert not verdict.HasField("reward")
    assert verdict.id == "m"


async def test_files_that_do_not_fit_are_the_tasks_fault() -> None:
    verdict = await core_with(failing(1, FilesTooLarge("files of 9 bytes"))).verify(MATH)
    assert (verdict.status, verdict.id) == (pb.UNGRADABLE, "m")
    assert not verdict.HasField("reward")


async def test_the_same_execution_under_way_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred long runs of one program would otherwise outlast every client; each keeps its own id."""
    core, may_end, sources = RewardCore(Settings()), asyncio.Event(), []

    async def execute(sandbox: object, request: pb.ExecuteRequest, applied: Limits) -> pb.ExecuteResult:
        sources.append(request.source)
        await may_end.wait()
        return pb.ExecuteResult(id=request.id, runs=[pb.Execution(stdout=request.source.encode())])

    monkeypatch.setattr(core.sandbox, "language", lambda name: None)
    monkeypatch.setattr(core_module.execution, "execute", execute)
    asked = [("1", "a"), ("2", "a"), ("3", "b")]
    requests = [pb.ExecuteRequest(id=n, run=n, language="python", source=source) for n, source in asked]
    waiting = [asyncio.create_task(core.execute(request)) for request in requests]
    await asyncio.sleep(0.01)
    may_end.set()
    results = await asyncio.gather(*waiting)
    assert [(result.id, result.runs[0].stdout.decode()) for result in results] == asked
    assert sources == ["a", "b"]


async def test_unknown_tests_are_an_answer_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    core = RewardCore(Settings())
    monkeypatch.setattr(core.sandbox, "language", lambda name: None)
    request = pb.VerifyRequest(id="x", code=pb.CodeTask(language="python", tests_hash="sha256:" + "0" * 64))
    verdict = await core.verify(request)
    assert verdict.status == pb.UNKNOWN_TESTS
    assert not verdict.HasField("reward")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.VerifyRequest(id="x"), "task"),
        (pb.VerifyRequest(math=pb.MathTask(gold=["1"]), extraction="guess"), "extraction"),
    ],
)
async def test_wrong_requests_name_their_field(request_: pb.VerifyRequest, field: str) -> None:
    with pytest.raises(RequestError) as caught:
        await RewardCore(Settings()).verify(request_)
    assert (caught.value.code, caught.value.field) == (ErrorCode.INVALID_ARGUMENT, field)


@pytest.mark.parametrize("settings", [Settings(min_isolation="docker"), Settings(isolation="landlock")])
async def test_it_does_not_start_below_the_floor(settings: Settings) -> None:
    with pytest.raises(StartupError, match="isolation"):
        await RewardCore(settings).start()


async def test_it_refuses_while_draining() -> None:
    core = core_with(failing(0, WorkerLost("")))
    await core.drain(0.1)
    with pytest.raises(RequestError) as caught:
        await core.verify(MATH)
    assert caught.value.code is ErrorCode.DRAINING
    assert not core.ready


class Held:
    """A math worker that answers when it is told to, and writes down what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.gate = asyncio.Event()

    async def call(self, payload: bytes, cpu_seconds: float) -> bytes:
        self.asked.append(payload.decode())
        await self.gate.wait()
        return b'{"status": "correct", "rule": "symbolic", "gold_parsed": "x", "answer_parsed": "x"}'


def one_at_a_time(**options: Any) -> tuple[RewardCore, Held]:
    """A core whose worker takes one call at a time, with the core's own lane before it."""
    core, held = RewardCore(Settings(**options)), Held()
    core.math_workers.call = held.call  # type: ignore[method-assign]  # a stand-in
    core._checks = Lane(1)
    return core, held


def hard(name: str, run: str = "") -> pb.VerifyRequest:
    task = pb.MathTask(gold=[rf"\sin(2x)+{name}"])
    return pb.VerifyRequest(id=name, run=run, completion=rf"\boxed{{2\sin x\cos x+{name}}}", math=task)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # the test's timeout is the limit
        await asyncio.sleep(0)


async def test_what_meets_its_deadline_in_the_queue_never_runs() -> None:
    core, held = one_at_a_time()
    first = asyncio.create_task(core.verify(hard("a")))
    await until(lambda: len(held.asked) == 1)
    with pytest.raises(RequestError) as caught:
        await service.verify(core, hard("b"), service.deadline_in(0.02))
    assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED
    held.gate.set()
    assert (await first).reward == 1.0
    assert len(held.asked) == 1
    assert core.statistics()["waiting.checks"] == core.statistics()["busy.checks"] == 0


async def test_a_small_run_is_served_between_those_of_a_large_one() -> None:
    core, held = one_at_a_time()
    tasks = [asyncio.create_task(core.verify(hard(f"a{n}", "large"))) for n in range(6)]
    await until(lambda: core.statistics()["waiting.checks"] == 5)
    tasks.append(asyncio.create_task(core.verify(hard("b", "small"))))
    await until(lambda: core.statistics()["waiting.checks"] == 6)
    held.gate.set()
    await asyncio.gather(*tasks)
    assert "+b" in held.asked[1] or "+b" in held.asked[2]


async def test_the_wait_for_a_slot_is_the_queues_time() -> None:
    core, held = one_at_a_time()
    first = asyncio.create_task(core.verify(hard("a")))
    await until(lambda: len(held.asked) == 1)
    second = asyncio.create_task(core.verify(hard("b")))
    await until(lambda: core.statistics()["waiting.checks"] == 1)
    await asyncio.sleep(0.05)
    held.gate.set()
    timing = (await second).timing
    assert timing.queue_seconds >= 0.05
    assert timing.queue_seconds + timing.run_seconds == pytest.approx(timing.total_seconds)
    assert (await first).timing.queue_seconds < timing.queue_seconds


async def test_bytes_of_waiting_requests_have_a_bound() -> None:
    core, held = one_at_a_time(max_queue_bytes=2000)
    first = asyncio.create_task(core.verify(hard("a")))
    await until(lambda: len(held.asked) == 1)
    large = hard("b")
    large.completion += " " * 3000
    with pytest.raises(RequestError, match="bytes of requests") as caught:
        await core.verify(large)
    assert caught.value.code is ErrorCode.QUEUE_FULL
    held.gate.set()
    await first


@pytest.mark.parametrize("code", ["python", "cpp"])
def test_a_program_costs_more_with_tests_limits_and_a_compiler(code: str) -> None:
    plain, strict = Limits(cpu_seconds=4), Limits(cpu_seconds=40)
    assert cost.of_program(code, 20, plain) > 20 * cost.MATH_COST - 1
    assert cost.of_program(code, 20, strict) > cost.of_program(code, 20, plain)
    assert cost.of_program("cpp", 1, plain) > cost.of_program("python", 1, plain)


def test_the_math_worker_is_where_the_core_says() -> None:
    import importlib

    module = importlib.import_module(core_module.MATH_WORKER)
    assert callable(module.handle)
    assert callable(module.warm_up)


EASY = pb.VerifyRequest(id="e", completion=r"\boxed{42}", math=pb.MathTask(gold=["42"]))


async def test_an_easy_answer_is_judged_at_once_and_timed() -> None:
    verdict = RewardCore(Settings()).verify_now(EASY)
    assert verdict is not None
    assert (verdict.id, verdict.status, verdict.reward) == ("e", pb.ACCEPTED, 1.0)
    assert verdict.timing.total_seconds == verdict.timing.run_seconds > 0


async def test_a_core_that_drains_judges_nothing_at_once() -> None:
    core = RewardCore(Settings())
    await core.drain(1.0)
    with pytest.raises(RequestError) as refused:
        core.verify_now(EASY)
    assert refused.value.code is ErrorCode.DRAINING


async def test_a_key_with_limits_is_counted_and_not_judged_at_once() -> None:
    quota = KeyQuota(KeyRow("a", "0" * 64, max_concurrent=1), lambda: 0.0)
    become(Caller(key="a", quota=quota))
    assert RewardCore(Settings()).verify_now(EASY) is None


async def test_what_needs_a_worker_or_a_program_is_not_judged_at_once() -> None:
    core = RewardCore(Settings())
    code = pb.VerifyRequest(completion="x", code=pb.CodeTask(language="python"))
    assert core.verify_now(MATH) is core.verify_now(code) is None


def test_a_cache_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartupError, match="cache_directory: "):
        RewardCore(Settings(cache_directory=str(tmp_path / "file" / "below")))


def test_without_a_home_nothing_is_compiled_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(locations, "user_cache", lambda: tmp_path / "file" / "below")
    assert core_module._cache_directory(Settings()) == ""
