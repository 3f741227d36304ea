"""Runs that follow one another in a process: each as if it were the only one."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox import backends, repeating, values
from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.types import Case, Limits, Mode, Outcome, Program, RunResult
from tests.leaks import descendants
from tests.sandbox.conftest import LIMITS

pytestmark = pytest.mark.asyncio(loop_scope="module")
ECHO = "print(input())\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["namespaces", "landlock"])
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    """In place of the one in conftest.py: every test of this module, under each backend."""
    if why := backends.problem(request.param):
        pytest.skip(f"{request.param}: {why}")
    box = Sandbox(SandboxConfig(slots=1, isolation=request.param, languages=("python",)))
    await box.start()
    yield box
    await box.close()


async def _runs(
    sandbox: Sandbox, program: Program, cases: Sequence[Case], limits: Limits = LIMITS
) -> list[RunResult]:
    compilation = await sandbox.compile(program)
    assert compilation.artefact is not None
    async with sandbox.session(compilation.artefact, limits) as session:
        return await session.run_all(cases, repeat=True)


async def _printed(sandbox: Sandbox, source: str, *inputs: str) -> list[tuple[str, bool]]:
    """What each run printed, and whether it had its process from others."""
    results = await _runs(sandbox, Program("python", source), [Case(text.encode()) for text in inputs])
    assert {result.outcome for result in results} == {Outcome.OK}
    return [(result.stdout.decode(), result.repeated) for result in results]


async def test_the_first_run_has_a_fork_of_its_own_and_the_others_share_a_process(sandbox: Sandbox) -> None:
    assert await _printed(sandbox, ECHO, "a", "b", "c") == [("a\n", False), ("b\n", True), ("c\n", True)]


async def test_without_asking_every_run_is_a_fork(sandbox: Sandbox) -> None:
    compilation = await sandbox.compile(Program("python", ECHO))
    assert compilation.artefact is not None
    async with sandbox.session(compilation.artefact, LIMITS) as session:
        results = await session.run_all([Case(b"a")] * 3)
    assert [result.repeated for result in results] == [False] * 3


ALONE = {
    "variables": "try: seen\nexcept NameError: seen = 1; print('new')\nelse: print('old')",
    "classes": "class A: seen = []\nprint(len(A.seen))\nA.seen.append(1)",
    "caches": (
        "from functools import cache\nasked = []\n@cache\ndef f(n):\n asked.append(n)\n return n\nf(1)\nprint(len(asked))"
    ),
    "input read ahead": "import sys\nprint(sys.stdin.readline())",
    "input read by half a loop": "import sys\nfor line in sys.stdin:\n print(line)\n break",
    "input read by its descriptor": "import os\nprint(os.read(0, 3))",
    "standard input opened and closed": "with open(0) as f: print(f.readline())",
    "streams replaced": "import io, sys\nprint(input())\nsys.stdin = io.StringIO('x')\nsys.stdout = io.StringIO()",
    "a recursion limit": "import sys\nprint(sys.getrecursionlimit())\nsys.setrecursionlimit(5000)",
    "an early end": "import sys\nprint(1)\nsys.exit()",
    "an end that closes standard input": "print(input())\nexit()",
    "random numbers": "import random\nprint(random.random(), random.randint(1, 10**9))",
    "the order of a set": "print(list({'alpha', 'beta', 'gamma', 'delta', 'epsilon'}))",
    "a generator's last words": (
        "def g():\n global seen\n try: yield\n finally: seen = 1\nh = g(); next(h)\ntry: print(seen)\nexcept NameError: print('new')"
    ),
    "a stream with a generator": (
        "import io, sys\ndef g(out):\n try: yield\n finally: out.write('left')\n"
        "s = io.StringIO(); s.g = g(sys.stdout); next(s.g)\nprint(input())\nsys.stdin = s"
    ),
    "what typing keeps": (
        "import sys\nfrom typing import List\nfor n in range(200):\n def f(x: List[n]): pass\ndef g(out):\n try: yield\n"
        " finally: out.write('left')\nclass K: pass\nk = K(); k.g = g(sys.stdout); next(k.g)\ndef f(x: List[k]): pass\n"
        "print(input())"
    ),
    "the name of a stream": "import sys\nr = sys.stdout.buffer.raw\nprint(r.name)\nr.name = 'seen'",
    "the name of an input opened anew": "import sys\nprint(sys.stdin.name)\nexit()",
    "a name of the interpreter's": "print(len(str(print)))\nprint = None",
}


ENDING = {
    ALONE[name] for name in ("a generator's last words", "a stream with a generator", "the name of a stream")
}


@pytest.mark.parametrize("source", ALONE.values(), ids=ALONE)
async def test_a_run_finds_nothing_of_the_one_before(sandbox: Sandbox, source: str) -> None:
    printed = await _printed(sandbox, source, *["one\ntwo\n"] * 4)
    assert {text for text, _ in printed} == {printed[0][0]}
    assert [repeated for _, repeated in printed] == [source not in ENDING and index > 0 for index in range(4)]


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
@pytest.mark.parametrize("layer", ["", ".buffer"])
async def test_a_stream_that_was_given_an_attribute_ends_the_sharing(
    sandbox: Sandbox, stream: str, layer: str
) -> None:
    source = f"import sys\ns = sys.{stream}{layer}\ns.seen = input()\nprint('seen' in dir(s), 2)\n"
    source = source.replace("s.seen", "print('seen' in dir(s))\ns.seen")
    printed = await _printed(sandbox, source, *"abc")
    assert {text for text, _ in printed} == {"False\nTrue 2\n"}


async def test_calls_follow_one_another(sandbox: Sandbox) -> None:
    source = "seen = []\ndef f(x):\n seen.append(x)\n return seen * 2\n"
    cases = [Case(call=values.encode([number])) for number in range(4)]
    results = await _runs(sandbox, Program("python", source, Mode.CALL, "f"), cases)
    assert [values.decode(result.record or b"") for result in results] == [[n, n] for n in range(4)]
    assert [result.repeated for result in results] == [False, True, True, True]


async def test_the_callers_setup_runs_anew_each_time(sandbox: Sandbox) -> None:
    program = Program("python", "print(len(seen))\nseen.append(1)\n", setup="import inspect\nseen = []\n")
    results = await _runs(sandbox, program, [Case()] * 3)
    assert [(result.stdout, result.repeated) for result in results] == [
        (b"0\n", False),
        (b"0\n", True),
        (b"0\n", True),
    ]


async def test_a_run_that_fails_is_seen_in_a_fork(sandbox: Sandbox) -> None:
    source = "n = int(input())\nprint(1 // n)\n"
    results = await _runs(
        sandbox, Program("python", source), [Case(b"1"), Case(b"1"), Case(b"0"), Case(b"1")]
    )
    assert [result.outcome for result in results][2] is Outcome.RUNTIME_ERROR
    assert [result.repeated for result in results] == [False, True, False, False]
    assert b"ZeroDivisionError" in results[2].stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
async def test_a_first_run_that_is_killed_or_stopped_from_outside_ends_well(
    sandbox: Sandbox, number: signal.Signals
) -> None:
    assert sandbox.launcher is not None
    source = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\nprint(1)\n"
    task = asyncio.create_task(_printed(sandbox, source, ""))
    jails: list[int] = []
    while not (inside := [pid for jail in jails for pid in descendants(jail)]):
        await asyncio.sleep(0.01)
        jails = [int(pid) for pid in _children(sandbox.launcher.info.pid)]
    for pid in inside:
        os.kill(pid, number)
    assert await task == [("1\n", False)]


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


async def test_a_run_over_its_time_is_seen_in_a_fork(sandbox: Sandbox) -> None:
    source = "if input() == 'long':\n while True: pass\n"
    limits = Limits(cpu_seconds=0.3, wall_seconds=20.0)
    results = await _runs(sandbox, Program("python", source), [Case(b"a"), Case(b"a"), Case(b"long")], limits)
    assert [(result.outcome, result.repeated) for result in results] == [
        (Outcome.OK, False),
        (Outcome.OK, True),
        (Outcome.TIME_LIMIT, False),
    ]
    assert results[2].cpu_seconds > 0.3


async def test_a_run_over_its_memory_is_seen_in_a_fork(sandbox: Sandbox) -> None:
    source = "x = 'x' * int(input())\n"
    limits = Limits(cpu_seconds=5.0, wall_seconds=60.0, memory_bytes=64 << 20)
    results = await _runs(
        sandbox, Program("python", source), [Case(b"1"), Case(b"1"), Case(b"1" + b"0" * 8)], limits
    )
    assert [result.repeated for result in results] == [False, True, False]
    assert results[2].outcome is Outcome.MEMORY_LIMIT


async def test_a_run_with_much_output_is_seen_in_a_fork(sandbox: Sandbox) -> None:
    source = "print('x' * int(input()))\n"
    limits = Limits(cpu_seconds=5.0, wall_seconds=60.0, output_bytes=1000)
    results = await _runs(sandbox, Program("python", source), [Case(b"1"), Case(b"1"), Case(b"2000")], limits)
    assert [result.repeated for result in results] == [False, True, False]
    assert results[2].outcome is Outcome.OUTPUT_LIMIT


async def test_a_long_run_ends_the_sharing_and_counts_as_its_fork_does(sandbox: Sandbox) -> None:
    source = (
        "import time\nend = time.process_time() + float(input())\nwhile time.process_time() < end: pass\n"
    )
    much = str(3 * repeating._MOST_CPU_SECONDS).encode()
    results = await _runs(
        sandbox, Program("python", source), [Case(b"0"), Case(b"0"), Case(much), Case(b"0")]
    )
    assert [(result.outcome, result.repeated) for result in results] == [
        (Outcome.OK, False),
        (Outcome.OK, True),
        (Outcome.OK, False),
        (Outcome.OK, False),
    ]


async def test_a_long_first_run_means_a_fork_for_each(sandbox: Sandbox) -> None:
    source = (
        "import time\nend = time.process_time() + float(input())\nwhile time.process_time() < end: pass\n"
    )
    long = str(2 * repeating._MOST_CPU_SECONDS).encode()
    results = await _runs(sandbox, Program("python", source), [Case(long), Case(b"0"), Case(b"0")])
    assert [result.repeated for result in results] == [False] * 3


async def test_a_program_that_reaches_further_has_a_fork_each_time(sandbox: Sandbox) -> None:
    source = "import gc\nprint(input())\n"
    assert await _printed(sandbox, source, "a", "b", "c") == [("a\n", False), ("b\n", False), ("c\n", False)]


async def test_a_program_that_cannot_be_looked_at_has_a_fork_each_time(sandbox: Sandbox) -> None:
    deep = "x" + ".real" * 1500  # deeper than what looks at it can go, and still a program
    printed = await _printed(sandbox, f"x = 7\nprint({deep})\n", "", "", "")
    assert printed == [("7\n", False)] * 3


async def test_arguments_are_given_to_a_fork(sandbox: Sandbox) -> None:
    source = "print(input())\n"
    results = await _runs(sandbox, Program("python", source), [Case(b"a"), Case(b"b", ("-x",)), Case(b"c")])
    assert [(result.stdout, result.repeated) for result in results] == [
        (b"a\n", False),
        (b"b\n", False),
        (b"c\n", False),
    ]


async def test_more_runs_than_a_process_takes(sandbox: Sandbox) -> None:
    count = 2 * repeating._MOST_RUNS
    printed = await _printed(sandbox, ECHO, *map(str, range(count)))
    assert [text for text, _ in printed] == [f"{number}\n" for number in range(count)]


async def test_every_run_has_its_own_cpu_time(sandbox: Sandbox) -> None:
    source = (
        "import time\nend = time.process_time() + float(input())\nwhile time.process_time() < end: pass\n"
    )
    results = await _runs(
        sandbox, Program("python", source), [Case(b"0"), Case(b"0.03"), Case(b"0"), Case(b"0")]
    )
    assert results[1].repeated
    assert results[1].cpu_seconds >= 0.03 > results[3].cpu_seconds
