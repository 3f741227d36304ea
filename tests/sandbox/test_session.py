"""Several runs asked for at once: each is what it would be by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sandbox.sandbox import Sandbox
from sandbox.session import MOST_INPUT_BYTES, MOST_RUNS, Session, _asked_at_once
from sandbox.types import Case, Limits, Outcome, Program
from tests.sandbox.conftest import LIMITS

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What the input asks for; a file tells whether an earlier run left something.
SOURCE = """
import os, sys
word = sys.stdin.read()
left = os.path.exists("left")
open("left", "w").close()
if word == "fail":
    sys.exit(3)
while word == "spin":
    pass
print("x" * (1 << 19) if word == "much" else word, sys.argv[1:], left)
"""


@pytest_asyncio.fixture(loop_scope="module")
async def session(sandbox: Sandbox) -> AsyncIterator[Session]:
    async for one in _opened(sandbox, SOURCE, LIMITS):
        yield one


async def _opened(sandbox: Sandbox, source: str, limits: Limits) -> AsyncIterator[Session]:
    compilation = await sandbox.compile(Program("python", source))
    assert compilation.artefact is not None
    async with sandbox.session(compilation.artefact, limits) as session:
        yield session


async def test_every_run_has_its_own_input_arguments_and_clean_places(session: Session) -> None:
    cases = [Case(str(number).encode(), ("-n", str(number))) for number in range(2 * MOST_RUNS)]
    printed = [result.stdout.decode() for result in await session.run_all(cases)]
    assert printed == [f"{number} ['-n', '{number}'] False\n" for number in range(2 * MOST_RUNS)]


async def test_a_run_that_has_to_be_killed_leaves_its_neighbours_alone(session: Session) -> None:
    results = await session.run_all([Case(b"a"), Case(b"fail"), Case(b"spin"), Case(b"b")])
    assert [result.outcome for result in results] == [
        Outcome.OK,
        Outcome.RUNTIME_ERROR,
        Outcome.TIME_LIMIT,
        Outcome.OK,
    ]


async def test_a_round_ends_with_a_failure_where_that_is_wanted(session: Session) -> None:
    results = await session.run_some([Case(b"fail"), Case(b"a")], until_failure=True)
    assert [result.outcome for result in results] == [Outcome.RUNTIME_ERROR]


async def test_a_round_ends_when_much_was_printed(session: Session) -> None:
    assert len(await session.run_some([Case(b"much"), Case(b"much")])) == 1


async def test_a_round_ends_with_a_program_that_does_not_compile(sandbox: Sandbox) -> None:
    async for session in _opened(sandbox, "def f(:", LIMITS):
        results = await session.run_some([Case(b"1"), Case(b"2")])
        assert [result.outcome for result in results] == [Outcome.COMPILE_ERROR]


async def test_all_inputs_of_a_program_that_does_not_compile_have_a_result(sandbox: Sandbox) -> None:
    async for session in _opened(sandbox, "def f(:", LIMITS):
        results = await session.run_all([Case(b"1"), Case(b"2")])
        assert [result.outcome for result in results] == [Outcome.COMPILE_ERROR] * 2


@pytest.mark.parametrize(
    ("sizes", "asked"),
    [
        ([0], 1),
        ([0] * (MOST_RUNS + 1), MOST_RUNS),
        ([MOST_INPUT_BYTES + 1, 0], 1),
        ([MOST_INPUT_BYTES, 1], 1),
        ([MOST_INPUT_BYTES - 1, 1, 1], 2),
    ],
)
async def test_a_round_is_bounded_in_runs_and_bytes(sizes: list[int], asked: int) -> None:
    assert _asked_at_once([Case(bytes(size)) for size in sizes]) == asked
    assert _asked_at_once([Case(call=bytes(size)) for size in sizes]) == asked
