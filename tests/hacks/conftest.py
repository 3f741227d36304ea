"""A verifier on real jails, and a short way to have a program judged."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Protocol

import pytest_asyncio

from protos.reward.v1 import reward_pb2 as pb
from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.types import Limits
from server.locations import user_cache
from server.verify.code.verifier import CodeVerifier, Options

LIMITS = Limits(cpu_seconds=1.5, wall_seconds=6.0, memory_bytes=256 << 20, output_bytes=1 << 20, processes=32)

# A JVM with JUnit takes a second before it comes to the tests, and three on a slower machine.
PATIENT = replace(LIMITS, cpu_seconds=10.0, wall_seconds=60.0)


class Judge(Protocol):
    """Judges a program (the whole completion) as a task says."""

    async def __call__(self, source: str, task: pb.CodeTask, limits: Limits = LIMITS) -> pb.Verdict:
        """The verdict."""


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def judge() -> AsyncIterator[Judge]:
    """Judges a program (the whole completion) as a task says."""
    async with judging("auto") as judge:
        yield judge


@contextlib.asynccontextmanager
async def judging(isolation: str) -> AsyncIterator[Judge]:
    """A judge whose jails are of one backend."""
    cache = str(user_cache())
    sandbox = Sandbox(SandboxConfig(slots=2, isolation=isolation, cache_directory=cache))
    await sandbox.start()
    verifier = CodeVerifier(sandbox, Options(cache_directory=cache))

    async def judge(source: str, task: pb.CodeTask, limits: Limits = LIMITS) -> pb.Verdict:
        request = pb.VerifyRequest(completion=source, extraction="whole", explain=True, code=task)
        return await verifier.verify(request, task, limits)

    yield judge
    await sandbox.close()
