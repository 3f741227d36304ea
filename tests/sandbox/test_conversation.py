"""Two programs in two jails talk through pipes, and each sees the other's end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sandbox import conversation
from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.types import Limits, Outcome, Program, RunResult

pytestmark = pytest.mark.asyncio(loop_scope="module")
LIMITS = Limits(cpu_seconds=2.0, wall_seconds=30.0)
ECHO = "while True:\n    print('heard', input(), flush=True)\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def single() -> AsyncIterator[Sandbox]:
    """A sandbox with one slot: a companion must not wait for another."""
    box = Sandbox(SandboxConfig(slots=1))
    await box.start()
    yield box
    await box.close()


async def talk(sandbox: Sandbox, first: str, second: str, limits: Limits = LIMITS) -> list[RunResult]:
    compiled = [(await sandbox.compile(Program("python", source))).artefact for source in (first, second)]
    assert compiled[0] is not None
    assert compiled[1] is not None
    async with sandbox.session(compiled[0], limits) as one, sandbox.companion(compiled[1], LIMITS) as other:
        near, far = conversation.join()
        return list(await asyncio.gather(one.converse(near), other.converse(far)))


async def test_they_hear_each_other(single: Sandbox) -> None:
    asker = (
        "import sys\nprint('hello', flush=True)\nsys.stderr.write(input())\n"
        "print('again', flush=True)\nsys.stderr.write(input())"
    )
    first, second = await talk(single, asker, ECHO)
    assert (first.outcome, first.stderr, first.stdout) == (Outcome.OK, b"heard helloheard again", b"")
    assert second.stderr.rstrip().endswith(b"EOFError: EOF when reading a line")


async def test_nobody_reads_any_more(single: Sandbox) -> None:
    first, second = await talk(single, "pass", "while True:\n    print('x' * 4096)\n")
    assert first.outcome is Outcome.OK
    assert second.stderr.rstrip().endswith(b"BrokenPipeError: [Errno 32] Broken pipe")


async def test_each_has_its_own_limits(single: Sandbox) -> None:
    short = Limits(cpu_seconds=0.3, wall_seconds=30.0)
    first, second = await talk(single, "print(1, flush=True)\nwhile True: pass", ECHO, short)
    assert (first.outcome, second.outcome) == (Outcome.TIME_LIMIT, Outcome.RUNTIME_ERROR)


async def test_a_mutual_wait_ends(single: Sandbox) -> None:
    short = Limits(cpu_seconds=1.0, wall_seconds=0.5)
    first, second = await talk(single, "input()", ECHO, short)
    assert (first.outcome, second.outcome) == (Outcome.WALL_LIMIT, Outcome.RUNTIME_ERROR)


async def test_nothing_is_left_open(single: Sandbox) -> None:
    await talk(single, "print(1)", "input()")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        await talk(single, "print(1)", "input()")
    assert len(os.listdir("/proc/self/fd")) == before
