"""One sandbox per test module, and short ways to run a program in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest_asyncio

from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.types import Case, Limits, Mode, Program, RunResult
from server.locations import user_cache

Run = Callable[..., Awaitable[RunResult]]
LIMITS = Limits(
    cpu_seconds=1.0, wall_seconds=10.0, memory_bytes=128 << 20, output_bytes=1 << 20, processes=16
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    box = Sandbox(SandboxConfig(slots=2, cache_directory=str(user_cache())))
    await box.start()
    yield box
    await box.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def run(sandbox: Sandbox) -> Run:
    async def run(
        source: str,
        stdin: bytes = b"",
        *,
        language: str = "python",
        limits: Limits = LIMITS,
        case: Case | None = None,
        mode: Mode = Mode.SCRIPT,
        function: str = "",
        tests: str = "",
    ) -> RunResult:
        compilation = await sandbox.compile(
            Program(language, source, mode=mode, function=function, tests=tests)
        )
        assert compilation.artefact is not None, compilation.diagnostics
        async with sandbox.session(compilation.artefact, limits) as session:
            return await session.run(case or Case(stdin))

    return run
