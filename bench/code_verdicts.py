"""Cost of code verdicts on real programs, beside bare processes and verl's prime_code on equal cores.

    python -m bench.code_verdicts [--programs N] [--tests N] [--cores N] [--verl-python PATH]

The programs are Python submissions to olympiad problems, right and wrong ones mixed, each made
distinct by a comment, with the first tests of its problem. Every party judges the same list and may
stop a program at its first failure:

    verdicts       this project's verifier and jails, in one process, tests in the order given
    learned        the same, tests ordered by what failed before (on programs of the other half)
    bare           one unisolated `python3` per test
    prime_code     verl's scorer in as many processes (in the environment of --verl-python)

Prints a table for people and one JSON line last for machines. (The file is not called
code.py: beside a script of that name nothing could import Python's own.)
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from protos.reward.v1 import reward_pb2 as pb  # noqa: E402
from sandbox.sandbox import Sandbox, SandboxConfig  # noqa: E402
from sandbox.types import Limits  # noqa: E402
from server.locations import user_cache  # noqa: E402
from server.verify.code.verifier import CodeVerifier, Options  # noqa: E402

DATA = ROOT.parent / "shared" / "data" / "code"
CPU_SECONDS = 2.0
MOST_INPUT_BYTES = 100_000
AT_ONCE = 64
LIMITS = Limits(cpu_seconds=CPU_SECONDS, wall_seconds=20.0)
PRIME_CODE = """
import json, multiprocessing, os, sys
def one(job):
    from verl.utils.reward_score import prime_code
    source, inputs, outputs = job
    with open(os.devnull, "w") as nowhere:
        sys.stdout = sys.stderr = nowhere
        try:
            ok, _ = prime_code.compute_score(source, {"inputs": inputs, "outputs": outputs}, continuous=False)
        except Exception:
            ok = False
        finally:
            sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    return bool(ok)
if __name__ == "__main__":
    jobs, cores = json.load(sys.stdin)
    from concurrent.futures import ProcessPoolExecutor
    with ProcessPoolExecutor(cores) as pool:
        print(json.dumps(list(pool.map(one, jobs))))
"""


@dataclass(frozen=True)
class Item:
    """One program and its tests."""

    source: str
    origin: int  # of the source among all sources, before copies were made distinct
    label: str
    tests: tuple[tuple[str, str], ...]

    @property
    def task(self) -> pb.CodeTask:
        """The task as our wire has it; the rule is the strictest that all parties share."""
        cases = [pb.StdioCase(input=given, output=wanted) for given, wanted in self.tests]
        return pb.CodeTask(language="python", stdio=pb.StdioTests(cases=cases))


def load(name: str) -> list[dict[str, Any]]:
    """Rows of a data set beside the repository."""
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def items(count: int, most_tests: int) -> list[Item]:
    """A shuffled mix of right and wrong programs, the same at every call."""
    problems = {row["problem_id"]: row for row in load("olympiad_problems")}
    found = []
    for row in load("olympiad_submissions"):
        problem = problems[row["problem_id"]]
        tests = [
            (test["input"], test["output"])
            for test in problem["tests"]
            if len(test["input"]) + len(test["output"]) <= MOST_INPUT_BYTES
        ][:most_tests]
        if row["language"] == "python" and problem["checker"]["type"] == "default" and tests:
            found.append(Item(row["source"], len(found), row["expected_verdict"], tuple(tests)))
    mixed = [found[number % len(found)] for number in range(count)]
    random.Random(7).shuffle(mixed)
    return [
        Item(f"{item.source}\n# {number}\n", item.origin, item.label, item.tests)
        for number, item in enumerate(mixed)
    ]


async def judge_all(verifier: CodeVerifier, batch: Sequence[Item]) -> list[bool]:
    """Whether each was accepted."""
    window = asyncio.Semaphore(AT_ONCE)

    async def one(item: Item) -> bool:
        async with window:
            task = item.task
            request = pb.VerifyRequest(completion=item.source, extraction="whole", code=task)
            return (await verifier.verify(request, task, LIMITS)).status == pb.ACCEPTED

    return list(await asyncio.gather(*map(one, batch)))


def judge_bare(batch: Sequence[Item], cores: int) -> list[bool]:
    """One process per test, no isolation; outputs compared by tokens."""
    with ThreadPoolExecutor(cores) as pool:
        return list(pool.map(_bare, batch))


def _bare(item: Item) -> bool:
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(item.source)
        file.flush()
        return all(_bare_test(file.name, given, wanted) for given, wanted in item.tests)


def _bare_test(path: str, given: str, wanted: str) -> bool:
    try:
        ended = subprocess.run(
            [sys.executable, path],
            input=given.encode(),
            capture_output=True,
            timeout=2 * CPU_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return ended.returncode == 0 and ended.stdout.split() == wanted.encode().split()


def judge_prime_code(batch: Sequence[Item], cores: int, python: str) -> list[bool]:
    """Verl's own scorer, in its own environment."""
    jobs = [
        (item.source, [given for given, _ in item.tests], [wanted for _, wanted in item.tests])
        for item in batch
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(PRIME_CODE)
        file.flush()
        ended = subprocess.run(
            [python, file.name], input=json.dumps([jobs, cores]), capture_output=True, text=True, check=True
        )
    return list(json.loads(ended.stdout))


def timed(work: Callable[[], list[bool]]) -> tuple[list[bool], float]:
    """The answers and the seconds they took."""
    begun = time.perf_counter()
    answers = work()
    return answers, time.perf_counter() - begun


async def timed_here(verifier: CodeVerifier, batch: Sequence[Item]) -> tuple[list[bool], float]:
    """As `timed`, on this event loop."""
    begun = time.perf_counter()
    answers = await judge_all(verifier, batch)
    return answers, time.perf_counter() - begun


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures."""
    batch = items(arguments.programs, arguments.tests)
    figures: dict[str, Any] = {"programs": len(batch), "tests": arguments.tests, "cores": arguments.cores}
    sandbox = Sandbox(SandboxConfig(slots=arguments.cores, cache_directory=str(user_cache())))
    await sandbox.start()
    try:
        answers, seconds = await timed_here(_verifier(sandbox, learned=False), batch)
        row(figures, "verdicts", answers, seconds, len(batch))
        await _learned(figures, sandbox, [item for item, ok in zip(batch, answers, strict=True) if not ok])
    finally:
        await sandbox.close()
    await asyncio.to_thread(_others, figures, batch, arguments, answers)
    return figures


async def _learned(figures: dict[str, Any], sandbox: Sandbox, failing: Sequence[Item]) -> None:
    """Half of the failing programs, with and without what the others taught; no source is in both halves."""
    taught, asked = ([item for item in failing if item.origin % 2 == half] for half in (0, 1))
    given, learning = _verifier(sandbox, learned=False), _verifier(sandbox, learned=True)
    answers, seconds = await timed_here(given, asked)
    row(figures, "failing half, as given", answers, seconds, len(asked))
    await judge_all(learning, taught)
    answers, seconds = await timed_here(learning, asked)
    row(figures, "failing half, learned", answers, seconds, len(asked))


def _verifier(sandbox: Sandbox, *, learned: bool) -> CodeVerifier:
    return CodeVerifier(sandbox, Options(verdict_cache_bytes=0, learned_order=learned))


def _others(
    figures: dict[str, Any], batch: Sequence[Item], arguments: argparse.Namespace, ours: list[bool]
) -> None:
    answers, seconds = timed(lambda: judge_bare(batch, arguments.cores))
    row(figures, "bare", answers, seconds, len(batch))
    print(f"agreement with bare: {sum(a == b for a, b in zip(answers, ours, strict=True))} of {len(batch)}")
    if not arguments.verl_python:
        print("prime_code: not measured, no --verl-python")
        return
    answers, seconds = timed(lambda: judge_prime_code(batch, arguments.cores, arguments.verl_python))
    row(figures, "prime_code", answers, seconds, len(batch))
    same = sum(a == b for a, b in zip(answers, ours, strict=True))
    print(f"agreement with prime_code: {same} of {len(batch)}")


def row(figures: dict[str, Any], name: str, answers: Sequence[bool], seconds: float, count: int) -> None:
    """Keeps and prints one line."""
    each = 1000 * seconds / max(1, count)
    figures[name] = {"seconds": round(seconds, 2), "ms_per_program": round(each, 2), "accepted": sum(answers)}
    print(
        f"{name:<24} {seconds:9.2f} s {each:9.2f} ms/program   {sum(answers)} of {count} accepted", flush=True
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=1024)
    parser.add_argument("--tests", type=int, default=20)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--verl-python", default="", help="python of an environment with verl and its needs")
    figures = asyncio.run(measure(parser.parse_args()))
    for other in ("bare", "prime_code"):
        if other in figures:
            ratio = figures[other]["seconds"] / figures["verdicts"]["seconds"]
            figures[f"times_{other}"] = round(ratio, 1)
            print(f"{ratio:.1f} times as fast as {other}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
