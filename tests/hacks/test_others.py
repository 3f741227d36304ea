"""Hacks in other languages than Python: beside asserts refused or flagged, at OUTSIDE refused."""

from __future__ import annotations

import pytest

from protos.reward.v1 import reward_pb2 as pb
from tests.hacks import others, programs
from tests.hacks.conftest import Judge
from tests.hacks.test_hacks import asserts, call, named, refused, stdio

pytestmark = pytest.mark.asyncio(loop_scope="package")

RIGHT = [
    pytest.param(language, beside.right, id=language, marks=pytest.mark.toolchain(*others.TOOLS[language]))
    for language, beside in others.BESIDE.items()
]
HACKS = [
    pytest.param(
        language, source, id=f"{language}: {name}", marks=pytest.mark.toolchain(*others.TOOLS[language])
    )
    for language, beside in others.BESIDE.items()
    for name, source in beside.hacks.items()
]
POSSIBLE = [
    pytest.param(
        language, source, flag, id=f"{language}: {name}", marks=pytest.mark.toolchain(*others.TOOLS[language])
    )
    for language, beside in others.BESIDE.items()
    for name, (source, flag) in beside.possible.items()
]


@pytest.mark.parametrize(("language", "source"), RIGHT)
async def test_the_right_program_passes(judge: Judge, language: str, source: str) -> None:
    verdict = await judge(source, others.BESIDE[language].task(language))
    assert (verdict.status, verdict.trust) == (pb.ACCEPTED, pb.IN_PROCESS), verdict.message


@pytest.mark.parametrize(("language", "source"), HACKS)
async def test_asserts_beside(judge: Judge, language: str, source: str) -> None:
    await refused(judge, source, others.BESIDE[language].task(language), pb.IN_PROCESS)


@pytest.mark.parametrize(("language", "source", "flag"), POSSIBLE)
async def test_what_remains_possible_is_flagged(judge: Judge, language: str, source: str, flag: str) -> None:
    verdict = await judge(source, others.BESIDE[language].task(language))
    assert (verdict.status, verdict.trust) == (pb.ACCEPTED, pb.IN_PROCESS), verdict.message
    assert flag in verdict.flags


@pytest.mark.toolchain("node")
@pytest.mark.parametrize("hushing", named(others.LATER))
async def test_asynchronous_tests_in_javascript(judge: Judge, hushing: str) -> None:
    task = asserts([others.ASYNC_TESTS])
    task.language = "javascript"
    await refused(judge, f"{hushing}\nconst score = async () => 0;\n", task, pb.IN_PROCESS)


@pytest.mark.toolchain("node")
@pytest.mark.parametrize("source", named(others.MINDED))
async def test_a_program_may_mind_its_own_rejections(judge: Judge, source: str) -> None:
    task = asserts([others.ASYNC_TESTS])
    task.language = "javascript"
    verdict = await judge(source, task)
    assert verdict.status == pb.ACCEPTED, verdict.message


@pytest.mark.toolchain("g++")
@pytest.mark.parametrize("source", named(others.CPP_CALL))
async def test_calls_in_cpp(judge: Judge, source: str) -> None:
    task = call()
    task.language = "cpp"
    await refused(judge, source, task, pb.OUTSIDE)


@pytest.mark.toolchain("bash")
@pytest.mark.parametrize("source", named(programs.STDIO_BASH))
async def test_stdio_in_bash(judge: Judge, source: str) -> None:
    task = stdio()
    task.language = "bash"
    await refused(judge, source, task, pb.OUTSIDE)
