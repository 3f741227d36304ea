"""Unit tests of other languages on real jails: what is right passes, and nothing else does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import pytest_asyncio

from protos.reward.v1 import reward_pb2 as pb
from tests.hacks.conftest import PATIENT, Judge
from tests.hacks.frameworks import SUITES, TOOLS, Suite

pytestmark = pytest.mark.asyncio(loop_scope="package")


def every(programs: Callable[[Suite], Mapping[str, str]]) -> list[object]:
    return [
        pytest.param(name, source, id=f"{name}: {what}", marks=pytest.mark.toolchain(*TOOLS[name]))
        for name, suite in SUITES.items()
        for what, source in programs(suite).items()
    ]


class Bench:
    """Judges all programs of a framework as soon as one is asked for: compilers keep every core busy."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._running: dict[str, dict[str, asyncio.Task[pb.Verdict]]] = {}

    async def verdict(self, framework: str, source: str) -> pb.Verdict:
        if framework not in self._running:
            suite = SUITES[framework]
            self._running[framework] = {
                program: asyncio.ensure_future(self._judge(program, suite.task(framework), PATIENT))
                for program in (
                    suite.right,
                    *suite.wrong.values(),
                    *suite.hacks.values(),
                    *(source for source, _ in suite.possible.values()),
                )
            }
        return await self._running[framework][source]


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def bench(judge: Judge) -> Bench:
    return Bench(judge)


FRAMEWORKS = [pytest.param(name, id=name, marks=pytest.mark.toolchain(*TOOLS[name])) for name in SUITES]


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_the_right_program_passes(bench: Bench, framework: str) -> None:
    verdict = await bench.verdict(framework, SUITES[framework].right)
    assert (verdict.status, verdict.reward) == (pb.ACCEPTED, 1.0), verdict
    assert (verdict.trust, verdict.code.checker) == (pb.IN_PROCESS, framework)


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_a_test_that_did_not_run_is_missed(judge: Judge, framework: str) -> None:
    suite = SUITES[framework]
    task = suite.task(framework)
    task.unit_test.expected_tests.append("another")
    verdict = await judge(suite.right, task, PATIENT)
    assert (verdict.status, verdict.reward) == (pb.WRONG_ANSWER, 0.0), verdict
    assert verdict.message.endswith("1 expected tests did not run: another")


@pytest.mark.parametrize(("framework", "source"), every(lambda suite: suite.wrong))
async def test_a_wrong_program_fails(bench: Bench, framework: str, source: str) -> None:
    verdict = await bench.verdict(framework, source)
    assert verdict.status in (pb.WRONG_ANSWER, pb.RUNTIME_ERROR), verdict
    assert (verdict.HasField("reward"), verdict.reward) == (True, 0.0)


@pytest.mark.parametrize(("framework", "source"), every(lambda suite: suite.hacks))
async def test_a_hack_is_not_rewarded(bench: Bench, framework: str, source: str) -> None:
    verdict = await bench.verdict(framework, source)
    assert verdict.status != pb.ACCEPTED, verdict
    assert (verdict.HasField("reward"), verdict.reward, verdict.trust) == (True, 0.0, pb.IN_PROCESS)


POSSIBLE = [
    pytest.param(name, source, flag, id=f"{name}: {what}", marks=pytest.mark.toolchain(*TOOLS[name]))
    for name, suite in SUITES.items()
    for what, (source, flag) in suite.possible.items()
]


@pytest.mark.parametrize(("framework", "source", "flag"), POSSIBLE)
async def test_what_remains_possible_is_flagged(bench: Bench, framework: str, source: str, flag: str) -> None:
    verdict = await bench.verdict(framework, source)
    assert (verdict.status, verdict.trust) == (pb.ACCEPTED, pb.IN_PROCESS), verdict
    assert flag in verdict.flags
