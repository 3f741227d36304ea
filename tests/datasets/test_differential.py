"""A jail changes nothing that a program can be judged by: same bytes, same exit code as a plain process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.types import Case, Limits, Program
from tests.datasets.differential import Ended, Pair, random_pairs, run_plainly

PAIRS = 120
LIMITS = Limits(cpu_seconds=20.0, wall_seconds=120.0)


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    box = Sandbox(SandboxConfig(slots=2))
    await box.start()
    yield box
    await box.close()


async def run_jailed(sandbox: Sandbox, pair: Pair) -> Ended:
    compilation = await sandbox.compile(Program("python", pair.source))
    assert compilation.artefact is not None
    async with sandbox.session(compilation.artefact, LIMITS) as session:
        result = await session.run(Case(pair.stdin))
    code = -result.signal if result.signal is not None else result.exit_code
    assert code is not None
    return Ended(result.stdout, code)


def brief(ended: Ended) -> str:
    return f"{ended.exit_code} {len(ended.stdout)} {ended.stdout[:50]!r} ... {ended.stdout[-50:]!r}"


async def test_random_programs_run_as_in_a_plain_process(sandbox: Sandbox, tmp_path: Path) -> None:
    different = [
        f"{pair.source}{pair.stdin[:100]!r}\n{brief(plain)}\n{brief(jailed)}"
        for pair in random_pairs(PAIRS, seed=1)
        if (plain := run_plainly(pair, tmp_path)) != (jailed := await run_jailed(sandbox, pair))
    ]
    assert not different, "\n".join(different[:3])
