"""Datasets of tasks with labels, judged by the real verifier in the real jail."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import pytest_asyncio

from protos.reward.v1 import reward_pb2 as pb
from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.types import Case, Limits, Outcome, Program
from server.locations import user_cache
from server.verify.code.verifier import CodeVerifier

Rows = list[dict[str, Any]]
LIMITS = Limits(cpu_seconds=2.0, wall_seconds=60.0)
# Programs under judgement at once: enough to keep every slot busy.
_AT_ONCE = 8
T = TypeVar("T")
R = TypeVar("R")


@pytest.fixture
def load(repository: Path) -> Callable[[str], Rows]:
    """Reads a data set, or skips the test: the data lie beside the repository, not in it."""

    def load(name: str) -> Rows:
        path = repository.parent / "shared" / "data" / "code" / f"{name}.jsonl.gz"
        if not path.exists():
            pytest.skip(f"the data set {name} is not on this machine (looked for ../shared/data/code)")
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    return load


@dataclass(frozen=True)
class Judge:
    """Judges programs, and runs them plainly for comparison."""

    sandbox: Sandbox

    async def verdict(self, language: str, program: str, **task: Any) -> pb.Verdict:
        """The verdict on a program."""
        code = pb.CodeTask(language=language, **task)
        request = pb.VerifyRequest(completion=program, extraction="whole", code=code)
        return await CodeVerifier(self.sandbox).verify(request, code, LIMITS)

    async def exits_with_zero(self, language: str, script: str) -> bool:
        """Whether a whole script, asserts and all, ends well by itself."""
        compilation = await self.sandbox.compile(Program(language, script))
        if compilation.artefact is None:
            return False
        async with self.sandbox.session(compilation.artefact, LIMITS) as session:
            return (await session.run(Case())).outcome is Outcome.OK


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def judge() -> AsyncIterator[Judge]:
    """One sandbox for all the tests of a module."""
    sandbox = Sandbox(SandboxConfig(cache_directory=str(user_cache())))
    await sandbox.start()
    yield Judge(sandbox)
    await sandbox.close()


async def for_each(items: Iterable[T], work: Callable[[T], Awaitable[R]]) -> list[R]:
    """`work` on every item, a few at once, results in order."""
    free = asyncio.Semaphore(_AT_ONCE)

    async def one(item: T) -> R:
        async with free:
            return await work(item)

    return list(await asyncio.gather(*(one(item) for item in items)))
