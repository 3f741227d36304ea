"""Programs in jails beside plain processes: same bytes on stdout, same exit code?

    python -m bench.differential [--programs N] [--inputs N] [--seed N] [--olympiad]

Random programs (`tests.datasets.differential`), each with several inputs in one jail, as tests run; with
`--olympiad` also the Python submissions of the olympiad set on their problems' inputs, but for those that
the set says are too slow. Prints every pair that differs and ends with exit code 1 if there is one; a pair
of which one side met its time limit is counted and not compared.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.types import Case, Limits, Outcome, Program
from tests.datasets.differential import Ended, Pair, random_program, random_stdin, run_plainly
from tests.datasets.programs import labelled

LIMITS = Limits(cpu_seconds=20.0, wall_seconds=120.0, output_bytes=64 << 20)
_AT_ONCE = 2
_TOO_SLOW = (Outcome.TIME_LIMIT, Outcome.WALL_LIMIT)
Tried = tuple[str, Sequence[bytes]]  # a program and its inputs


def main() -> None:
    """Runs what the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--inputs", type=int, default=3, help="of each program")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--olympiad", action="store_true")
    options = parser.parse_args()
    tried = [*_random(options.programs, options.inputs, options.seed)]
    if options.olympiad:
        tried += _olympiad(options.inputs)
    counts = asyncio.run(_compare(tried))
    pairs, different, slow = (sum(column) for column in zip(*counts, strict=True))
    print(f"{len(tried)} programs, {pairs} pairs, {different} differ, {slow} too slow to compare")
    sys.exit(different > 0)


def _random(programs: int, inputs: int, seed: int) -> Iterator[Tried]:
    for number in range(programs):
        name = f"{seed} {number}"
        yield random_program(name), [random_stdin(f"{name} {index}") for index in range(inputs)]


def _olympiad(inputs: int) -> Iterator[Tried]:
    for item in labelled("olympiad"):
        if item.language == "python" and item.label != "TLE" and item.request.code.HasField("stdio"):
            cases = item.request.code.stdio.cases[:inputs]
            yield item.request.completion, [case.input.encode() for case in cases]


async def _compare(tried: Iterable[Tried]) -> list[tuple[int, int, int]]:
    """Of each program: pairs, those that differ, those that are too slow."""
    sandbox, free = Sandbox(SandboxConfig(slots=_AT_ONCE)), asyncio.Semaphore(_AT_ONCE)
    await sandbox.start()

    async def one(source: str, inputs: Sequence[bytes]) -> tuple[int, int, int]:
        async with free:
            jailed = await _jailed(sandbox, source, inputs)
            plain = [await asyncio.to_thread(_plain, Pair(source, stdin)) for stdin in inputs]
        both = [(stdin, a, b) for stdin, a, b in zip(inputs, jailed, plain, strict=True) if a and b]
        different = [stdin for stdin, a, b in both if a != b]
        for stdin in different:
            print(f"--- differs on {stdin[:200]!r}\n{source}", flush=True)
        return len(inputs), len(different), len(inputs) - len(both)

    try:
        return await asyncio.gather(*(one(*item) for item in tried))
    finally:
        await sandbox.close()


async def _jailed(sandbox: Sandbox, source: str, inputs: Sequence[bytes]) -> list[Ended | None]:
    """One jail, one run an input; None where it met its time limit.

    A program that does not parse ends as python3 ends then.
    """
    compilation = await sandbox.compile(Program("python", source))
    assert compilation.artefact is not None
    async with sandbox.session(compilation.artefact, LIMITS) as session:
        # As a verdict's tests run: in one process, if the program may.
        results = await session.run_all([Case(stdin) for stdin in inputs], repeat=True)
    return [
        None
        if found.outcome in _TOO_SLOW
        else Ended(found.stdout, -found.signal if found.signal is not None else found.exit_code or 0)
        for found in results
    ]


def _plain(pair: Pair) -> Ended | None:
    try:
        with tempfile.TemporaryDirectory() as directory:
            return run_plainly(pair, Path(directory))
    except subprocess.TimeoutExpired:
        return None


if __name__ == "__main__":
    main()
