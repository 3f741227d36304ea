"""Cost of code verdicts on real programs, beside bare processes and verl's prime_code.

    python -m bench.code_verdicts [--programs N] [--tests N] [--cores N] [--verl DIRECTORY] [--batch FILE]

The batch (`bench.rollouts`) is the same for every party, and each may stop a program at its first failure:

    verdicts       this project's verifier and jails, in one process, as it is served: tests ordered by what
                   failed before, a repeated program judged once
    plain          the same without either: tests in the order given, every program a new one
    bare           one unisolated `python3` per test (with --bare-every compared on those programs alone)
    prime_code     verl's scorer in as many processes; DIRECTORY holds the package `verl` and needs numpy

Then the failing programs alone, those of the second half of each group: with their tests as given; ordered
by what each taught those that waited meanwhile ("as they come", all sent at once); ordered by what the first
half taught; and with a test first that fails. The last is the floor: what an order can save at most.

CPU seconds are of the whole process tree, so that the ratios hold on a busy machine; wall seconds are beside
them. "programs" is the part of the CPU time that the programs themselves took, their forks included,
"server" that of the process that judges.

Prints a table for people and one JSON line last for machines. (The file is not called
code.py: beside a script of that name nothing could import Python's own.)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.bare import children_cpu_seconds
from bench.rollouts import Item, batch, shares
from bench.sandbox import tree_cpu_seconds
from protos.reward.v1 import reward_pb2 as pb
from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.types import Limits
from server.locations import user_cache
from server.verify.code.verifier import CodeVerifier, Options

CPU_SECONDS = 2.0
AT_ONCE = 64
LIMITS = Limits(cpu_seconds=CPU_SECONDS, wall_seconds=20.0)
# The scorer's own module alone: what verl's packages import beside it is not what is measured.
PRIME_CODE = """
import json, os, sys, types
def one(job):
    root = sys.argv[1]
    for name in ("verl", "verl.utils", "verl.utils.reward_score"):
        shell = types.ModuleType(name)
        shell.__path__ = [os.path.join(root, *name.split("."))]
        sys.modules.setdefault(name, shell)
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


@dataclass
class Measured:
    """What one party took for a list of programs."""

    answers: list[bool] = field(default_factory=list)
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    program_seconds: float = 0.0  # of `cpu_seconds`, where the party knows
    server_seconds: float = 0.0  # the same, of the process that judges
    tests_run: int = 0
    failed_at: list[int] = field(default_factory=list)  # a failing test of each; 0 where there is none


@contextmanager
def measuring(measured: Measured, used: Callable[[], float]) -> Iterator[None]:
    """Adds the CPU and wall time of a block; `used` reads the CPU seconds of all that takes part."""
    begun, before = time.perf_counter(), used()
    yield
    measured.cpu_seconds += used() - before
    measured.wall_seconds += time.perf_counter() - begun


async def judge_all(sandbox: Sandbox, verifier: CodeVerifier, items: Sequence[Item]) -> Measured:
    """Our verdicts; ends when every jail is buried, so that what it cost has been counted."""
    window, measured = asyncio.Semaphore(AT_ONCE), Measured()
    assert sandbox.launcher is not None
    launcher = sandbox.launcher

    async def one(item: Item) -> pb.Verdict:
        async with window:
            task = item.task
            request = pb.VerifyRequest(completion=item.source, extraction="whole", code=task)
            return await verifier.verify(request, task, LIMITS)

    before = time.process_time()
    with measuring(measured, lambda: time.process_time() + tree_cpu_seconds(launcher.info.pid)):
        verdicts = await asyncio.gather(*map(one, items))
        while launcher.living_jails:
            await asyncio.sleep(0.01)
    measured.server_seconds = time.process_time() - before
    ran = [case for verdict in verdicts if not verdict.cached for case in verdict.code.cases]
    measured.answers = [verdict.status == pb.ACCEPTED for verdict in verdicts]
    measured.program_seconds = sum(case.cpu_seconds for case in ran)
    measured.tests_run = len(ran)
    measured.failed_at = [_failed_at(verdict) for verdict in verdicts]
    return measured


def _failed_at(verdict: pb.Verdict) -> int:
    return next((case.index for case in verdict.code.cases if case.status != pb.ACCEPTED), 0)


def judge_bare(items: Sequence[Item], cores: int) -> Measured:
    """One process per test, no isolation; outputs compared by tokens."""
    measured = Measured()
    with (
        measuring(measured, lambda: time.process_time() + children_cpu_seconds()),
        ThreadPoolExecutor(cores) as pool,
    ):
        measured.answers = list(pool.map(_bare, items))
    return measured


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
            timeout=10 * CPU_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return ended.returncode == 0 and ended.stdout.split() == wanted.encode().split()


def judge_prime_code(items: Sequence[Item], cores: int, directory: str) -> Measured:
    """Verl's own scorer."""
    measured = Measured()
    jobs = [(item.source, *map(list, zip(*item.tests, strict=True))) for item in items]
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(PRIME_CODE)
        file.flush()
        with measuring(measured, children_cpu_seconds):
            ended = subprocess.run(
                [sys.executable, file.name, directory],
                input=json.dumps([jobs, cores]),
                capture_output=True,
                text=True,
                check=True,
            )
    measured.answers = list(json.loads(ended.stdout))
    return measured


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures."""
    items = _batch(arguments)
    figures: dict[str, Any] = {"programs": len(items), "tests": arguments.tests, **shares(items)}
    print(f"{len(items)} programs: {shares(items)}")
    distinct = [item.distinct(number) for number, item in enumerate(items)]
    sandbox = Sandbox(SandboxConfig(slots=arguments.cores, cache_directory=str(user_cache())))
    await sandbox.start()
    try:
        row(figures, "verdicts", await judge_all(sandbox, CodeVerifier(sandbox), items))
        plain = await judge_all(sandbox, _verifier(sandbox, learned=False), distinct)
        row(figures, "plain", plain)
        if arguments.bare_every > 1:
            some = await judge_all(
                sandbox, _verifier(sandbox, learned=False), distinct[:: arguments.bare_every]
            )
            row(figures, "plain, some", some)
        await _learned(figures, sandbox, distinct, plain.answers)
    finally:
        await sandbox.close()
    await asyncio.to_thread(_others, figures, items, arguments, plain.answers)
    return figures


def _batch(arguments: argparse.Namespace) -> list[Item]:
    """The batch, from the file if there is one: to make it takes a while."""
    if arguments.batch is None or not arguments.batch.exists():
        made = batch(arguments.programs, arguments.tests)
        if arguments.batch is not None:
            arguments.batch.write_bytes(pickle.dumps(made))
        return made
    kept: list[Item] = pickle.loads(arguments.batch.read_bytes())  # written by this program
    return kept


async def _learned(
    figures: dict[str, Any], sandbox: Sandbox, items: Sequence[Item], accepted: Sequence[bool]
) -> None:
    """Failing programs of the later rollouts, with and without what the earlier ones of each group taught."""
    taught = [item for number, item in enumerate(items) if number % 8 < 4]
    asked = [
        item
        for number, (item, ok) in enumerate(zip(items, accepted, strict=True))
        if number % 8 >= 4 and not ok
    ]
    given = await judge_all(sandbox, _verifier(sandbox, learned=False), asked)
    row(figures, "failing, as given", given)
    coming = await judge_all(sandbox, _verifier(sandbox, learned=True), asked)
    row(figures, "failing, as they come", coming)
    learning = _verifier(sandbox, learned=True)
    await judge_all(sandbox, learning, taught)
    row(figures, "failing, learned", await judge_all(sandbox, learning, asked))
    best = [item.beginning_with(first) for item, first in zip(asked, given.failed_at, strict=True)]
    row(figures, "failing, floor", await judge_all(sandbox, _verifier(sandbox, learned=False), best))


def _verifier(sandbox: Sandbox, *, learned: bool) -> CodeVerifier:
    return CodeVerifier(sandbox, Options(verdict_cache_bytes=0, learned_order=learned))


def _others(
    figures: dict[str, Any], items: Sequence[Item], arguments: argparse.Namespace, ours: list[bool]
) -> None:
    if arguments.verl:
        found = judge_prime_code(items, arguments.cores, arguments.verl)
        row(figures, "prime_code", found)
        print(f"agreement with prime_code: {_same(found.answers, ours)} of {len(items)}")
    else:
        print("prime_code: not measured, no --verl")
    found = judge_bare(items[:: arguments.bare_every], arguments.cores)
    row(figures, "bare" if arguments.bare_every == 1 else "bare, some", found)
    print(
        f"agreement with bare: {_same(found.answers, ours[:: arguments.bare_every])} of {len(found.answers)}"
    )


def _same(answers: Sequence[bool], others: Sequence[bool]) -> int:
    return sum(a == b for a, b in zip(answers, others, strict=True))


def row(figures: dict[str, Any], name: str, found: Measured) -> None:
    """Keeps and prints one line."""
    count = max(1, len(found.answers))
    cpu_ms, wall_ms = 1000 * found.cpu_seconds / count, 1000 * found.wall_seconds / count
    figures[name] = {
        "cpu_ms_per_program": round(cpu_ms, 1),
        "wall_ms_per_program": round(wall_ms, 1),
        "accepted": sum(found.answers),
        "of": count,
    }
    accepted = f"{sum(found.answers)} of {count} accepted"
    print(f"{name:<22} {cpu_ms:9.1f} ms of CPU {wall_ms:9.1f} ms a program, {accepted}", end="")
    if found.tests_run:
        part, server = found.program_seconds / found.cpu_seconds, found.server_seconds / found.cpu_seconds
        parts = {"programs_part": round(part, 2), "server_part": round(server, 2)}
        figures[name] |= {**parts, "tests_run": found.tests_run}
        print(f", {found.tests_run} tests run, programs {part:.0%}, server {server:.0%}", end="")
    print(flush=True)


def _ratios(figures: dict[str, Any]) -> dict[str, float]:
    """How many times the CPU time of the first the second takes."""
    pairs = [
        *((ours, other) for other in ("bare", "prime_code") for ours in ("verdicts", "plain")),
        ("plain, some", "bare, some"),
        ("failing, as they come", "failing, as given"),
        ("failing, learned", "failing, as given"),
        ("failing, floor", "failing, as given"),
    ]
    return {
        f"{other} / {ours}": round(
            figures[other]["cpu_ms_per_program"] / figures[ours]["cpu_ms_per_program"], 2
        )
        for ours, other in pairs
        if other in figures and ours in figures
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=1024)
    parser.add_argument("--tests", type=int, default=20)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--verl", default="", help="directory that holds the package verl")
    parser.add_argument("--bare-every", type=int, default=1, help="bare processes for each N-th program only")
    parser.add_argument("--batch", type=Path, help="file that keeps the batch between runs")
    figures = asyncio.run(measure(parser.parse_args()))
    figures["ratios"] = _ratios(figures)
    for name, ratio in figures["ratios"].items():
        print(f"CPU of {name}: {ratio}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
