"""What the jail costs, each figure beside something real in the same run.

CPU time of every process that takes part, ours included, so that a busy machine changes little; wall time
where the work is done by processes that are not ours. Each pair is measured in turns, `--rounds` times, and
each side's least is kept: what else the machine does can only add.

    python -m bench.sandbox [--rounds N] [--submissions N] [--data DIRECTORY] [--packages DIRECTORY]
                            [--docker-image NAME] [--only WORDS] [--unplug] [--markdown]

Small real programs are accepted submissions to olympiad problems, from `--data` (the rows about them are left
out without it). verl's prime_code is imported from `--packages`. With
`--unplug` (root, a machine with nothing else on it) "one core" is a machine that has no other; without it the
kernel's own work for one core's jails has the others to run on. Prints a row as it is measured, then a
Markdown table if asked, and one JSON line last.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import itertools
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import bare
from bench.bare import Submission
from bench.load import all_pass
from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.types import Artefact, Limits, Outcome, Program, RunResult
from server.locations import user_cache

TESTS = 20
DOUBLES = "import sys\nfor line in sys.stdin:\n    print(int(line) * 2)\n"
CPP = """#include <bits/stdc++.h>
int main() { long long x; while (std::cin >> x) std::cout << x * 2 << '\\n'; }
"""
STDIN = "".join(f"{n}\n" for n in range(20))
WANTED = "".join(f"{2 * n}\n" for n in range(20))
SMALL = Submission(DOUBLES, ((STDIN, WANTED),) * TESTS)
FORKED = Submission(f"import gc\n{DOUBLES}", SMALL.tests)  # a module with which no process takes several runs
LIMITS = Limits(cpu_seconds=10.0, wall_seconds=60.0)
MOST_REAL = 12  # programs
MOST_REAL_SECONDS = 0.1  # of CPU time for a test of a program that counts as small
_MOST_INPUT_BYTES = 20_000
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_IDLE_SECONDS = 0.05  # until the next jail stands ready
_WORKERS = Path("/sys/devices/virtual/workqueue/cpumask")
_CPUS = Path("/sys/devices/system/cpu")
_numbers = itertools.count(time.time_ns())


@dataclass(frozen=True)
class Row:
    """One comparison; `ratio` is the other's cost over ours."""

    what: str
    other: str
    clock: str  # "CPU" or "wall"
    ours_ms: float
    other_ms: float

    @property
    def ratio(self) -> float:
        """How many times as much the other costs."""
        return self.other_ms / self.ours_ms

    def line(self) -> str:
        """For people."""
        costs = f"{self.ours_ms:9.2f} ms  {self.other_ms:9.2f} ms  {self.ratio:6.2f}x"
        return f"{self.clock:<4} {costs}  {self.what} | {self.other}"

    def cells(self) -> str:
        """A row of the Markdown table."""
        costs = f"{self.ours_ms:.2f} | {self.other_ms:.2f} | {self.ratio:.2f}"
        return f"| {self.what} | {self.other} | {self.clock} | {costs} |"


def tree_cpu_seconds(pid: int) -> float:
    """CPU time of a process and of all its reaped descendants."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(field) for field in fields[11:15]) / _TICKS_PER_SECOND


class Ours:
    """A started sandbox, and what work in it costs."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box

    async def cpu(self, work: Callable[[], Awaitable[object]]) -> float:
        """CPU seconds of this process, the launcher, its jails and their programs."""
        before = self._used()
        await work()
        assert self.box.launcher is not None
        while self.box.launcher.living_jails:
            await asyncio.sleep(0.01)
        return self._used() - before

    def _used(self) -> float:
        assert self.box.launcher is not None
        return time.process_time() + tree_cpu_seconds(self.box.launcher.info.pid)

    async def compiled(self, language: str, source: str) -> Artefact:
        """The program made ready; raises AssertionError if it does not compile."""
        compilation = await self.box.compile(Program(language, source))
        assert compilation.artefact is not None, compilation.diagnostics
        return compilation.artefact

    async def judge(self, submission: Submission, language: str = "python") -> None:
        """A submission from its text to its last test, in a jail of its own; all must pass."""
        artefact = await self.compiled(language, submission.source)
        async with self.box.session(artefact, LIMITS) as session:
            wanted = {stdin.encode(): answer.encode().split() for stdin, answer in submission.tests}

            def right(stdin: bytes, result: RunResult) -> bool:
                return result.outcome is Outcome.OK and result.stdout.split() == wanted[stdin]

            assert await all_pass(session, [stdin.encode() for stdin, _ in submission.tests], right)

    async def open_and_close(self, artefact: Artefact) -> None:
        """A jail that nothing is run in."""
        async with self.box.session(artefact, LIMITS) as session:
            await session.put({})  # or the next would be asked for before this one is there


def distinct(submission: Submission, count: int, comment: str = "#") -> list[Submission]:
    """Copies that no cache has seen."""
    return [
        Submission(f"{submission.source}{comment} {next(_numbers)}\n", submission.tests) for _ in range(count)
    ]


def first_tests(submission: Submission, count: int) -> Submission:
    """The same with fewer tests."""
    return Submission(submission.source, submission.tests[:count])


class Bench:
    """The comparisons, one method each; every method gives rows."""

    def __init__(self, ours: Ours, arguments: argparse.Namespace, real: Sequence[Submission]) -> None:
        self._ours = ours
        self._rounds: int = arguments.rounds
        self._submissions: int = arguments.submissions
        self._image: str = arguments.docker_image
        self._packages: Path = arguments.packages
        self._only_cores = _plugged_in if arguments.unplug else _kernel_workers_on
        self._real = real

    async def rows(self, only: str) -> list[Row]:
        """Those whose comparison's name contains `only`."""
        found: list[Row] = []
        for name in (name for name in vars(Bench) if name.startswith("compare_") and only in name):
            for row in await getattr(self, name)():
                print(row.line(), flush=True)
                found.append(row)
        return found

    async def compare_python_tests(self) -> list[Row]:
        """Twenty tests, one by one, and what the jail itself is of it."""
        bare_, ours, forked, one = await self._least(
            lambda: _now(bare.python([SMALL])),
            lambda: self._judged(distinct(SMALL, self._submissions)),
            lambda: self._judged(distinct(FORKED, self._submissions)),
            lambda: self._judged(distinct(first_tests(SMALL, 1), self._submissions)),
        )
        wraps = shutil.which("bwrap") is not None
        fork, opened, wrapped, awaited, wrapped_wall = await self._least(
            lambda: _now(bare.warmed_fork(DOUBLES, STDIN, 200)),
            lambda: self._opened(4 * self._submissions),
            lambda: _now(bare.bubblewrap(20) if wraps else float("nan")),
            lambda: self._awaited(2 * self._submissions),
            lambda: _now(
                statistics.median(bare.bubblewrap_wall() for _ in range(20)) if wraps else float("nan")
            ),
        )
        further, of_forked = ((all_ - one) / (TESTS - 1) for all_ in (ours, forked))
        what, warmed = f"Python, {TESTS} tests of a small program", "a bare fork of the warmed interpreter"
        return [
            _row(what, "a bare `python3 -S` per test", ours, bare_),
            _row("a further test of it", warmed, further, fork),
            _row(f"{what} that has a fork for each", "a bare `python3 -S` per test", forked, bare_),
            _row("a further test of that", warmed, of_forked, fork),
            _row("a jail opened and closed", "bubblewrap around `true`", opened, wrapped),
            _row("waiting for a jail to have its program", "the same", awaited, wrapped_wall, "wall"),
        ]

    async def compare_real_programs(self) -> list[Row]:
        """Small accepted programs with the tests of their problems."""
        if not self._real:
            return []
        what = f"{len(self._real)} real Python programs, {_tests(self._real)} tests, each"
        bare_, ours = await self._least(
            lambda: _now(bare.python(self._real)), lambda: self._judged(_fresh(self._real))
        )
        rows = [_row(what, "a bare `python3 -S` per test", ours, bare_)]
        if shutil.which("bwrap"):
            (wrapped,) = await self._least(lambda: _now(bare.python(self._real, wrapped=True)))
            rows.append(_row(what, "`bwrap ... python3 -S` per test", ours, wrapped))
        if (self._packages / "verl").is_dir():
            (prime,) = await self._least(lambda: _now(self._prime_code()))
            rows.append(_row(what, "verl's prime_code, its start left out", ours, prime))
        return rows

    def _prime_code(self) -> float:
        seconds, accepted = bare.prime_code(self._real, self._packages)
        print(f"     prime_code accepted {accepted} of {len(self._real)}")
        return seconds

    async def compare_cpp(self) -> list[Row]:
        """Compiled and run, then found compiled."""
        program = Submission(CPP, SMALL.tests)
        with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
            other = bare.Cpp(directory, CPP)
            fast, plain, ours = await self._least(
                lambda: _now(other.compile(precompiled=True) + other.run(STDIN, TESTS)),
                lambda: _now(other.compile(precompiled=False) + other.run(STDIN, TESTS)),
                lambda: self._judged(distinct(program, 3, "//"), "cpp"),
            )
        await self._ours.judge(program, "cpp")
        hit, miss = await self._least(
            lambda: self._compiled([program] * 50), lambda: self._compiled(distinct(program, 3, "//"))
        )
        (again,) = await self._least(lambda: self._judged([program] * 5, "cpp"))
        what = f"C++, {TESTS} tests of a small program"
        return [
            _row(what, f"`g++` with a precompiled header as it comes, {TESTS} bare processes", ours, fast),
            _row(what, f"`g++` alone, {TESTS} bare processes", ours, plain),
            _row("the same program once more", "the first time", again, ours),
            _row("a program found compiled", "its compilation in a jail", hit, miss),
        ]

    async def compare_docker(self) -> list[Row]:
        """Where the time is the engine's: wall time, and few tests."""
        if shutil.which("docker") is None or not self._image:
            return []
        submission = first_tests(SMALL, 5)
        container, ours = await self._least(
            lambda: _now(bare.docker_wall(submission, self._image)),
            lambda: _wall(lambda: self._ours.judge(distinct(submission, 1)[0]), len(submission.tests)),
        )
        return [_row("a test in a jail for 5 tests", "`docker run` per test", ours, container, "wall")]

    async def compare_two_cores(self) -> list[Row]:
        """The same submissions on one core and on two, and what the second core gives bare processes."""
        cores = sorted(os.sched_getaffinity(0))[:2]
        if len(cores) < 2:
            return []
        count = 10 * self._submissions  # the machine's own pace changes within seconds
        one, two, bare_one, bare_two = await self._middle(
            lambda: self._on(cores[:1], lambda: _throughput(cores[:1], count)),
            lambda: self._on(cores, lambda: _throughput(cores, count)),
            lambda: self._on(cores[:1], lambda: _bare_throughput(cores[:1], self._submissions)),
            lambda: self._on(cores, lambda: _bare_throughput(cores, self._submissions)),
        )
        return [
            _row("a submission, two cores at work", "one core at work", two, one, "wall"),
            _row("bare processes, two cores at work", "one core at work", bare_two, bare_one, "wall"),
        ]

    async def _on(self, cores: Sequence[int], work: Callable[[], Awaitable[float]]) -> float:
        with self._only_cores(cores):
            return await work()

    async def _judged(self, submissions: Sequence[Submission], language: str = "python") -> float:
        async def work() -> None:
            for submission in submissions:
                await self._ours.judge(submission, language)

        return await self._ours.cpu(work) / len(submissions)

    async def _opened(self, count: int) -> float:
        artefact = await self._ours.compiled("python", DOUBLES)

        async def work() -> None:
            for _ in range(count):
                await self._ours.open_and_close(artefact)

        return await self._ours.cpu(work) / count

    async def _awaited(self, count: int) -> float:
        """Seconds from asking for a jail to its first answer; the one before has been buried."""
        artefact, seconds = await self._ours.compiled("python", DOUBLES), []
        for _ in range(count):
            started = time.perf_counter()
            async with self._ours.box.session(artefact, LIMITS) as session:
                await session.put({})
                seconds.append(time.perf_counter() - started)
            await self._ours.cpu(_nothing)
            await asyncio.sleep(_IDLE_SECONDS)
        return statistics.median(seconds)

    async def _compiled(self, submissions: Sequence[Submission]) -> float:
        async def work() -> None:
            for submission in submissions:
                await self._ours.compiled("cpp", submission.source)

        return await self._ours.cpu(work) / len(submissions)

    async def _least(self, *sides: Callable[[], Awaitable[float]]) -> list[float]:
        """Each side's least cost, in seconds."""
        return list(map(min, await self._in_turns(sides)))

    async def _middle(self, *sides: Callable[[], Awaitable[float]]) -> list[float]:
        """Each side's median, in seconds: of times by the clock the least is the machine's best moment."""
        return list(map(statistics.median, await self._in_turns(sides)))

    async def _in_turns(self, sides: Sequence[Callable[[], Awaitable[float]]]) -> list[list[float]]:
        found: list[list[float]] = [[] for _ in sides]
        for _ in range(self._rounds):
            for costs, side in zip(found, sides, strict=True):
                costs.append(await side())
        return found


def _row(what: str, other: str, ours: float, others: float, clock: str = "CPU") -> Row:
    return Row(what, other, clock, ours * 1e3, others * 1e3)


async def _nothing() -> None:
    """No work, after which every jail is buried."""


async def _now(seconds: float) -> float:
    return seconds


async def _wall(work: Callable[[], Awaitable[object]], parts: int) -> float:
    started = time.perf_counter()
    await work()
    return (time.perf_counter() - started) / parts


async def _throughput(cores: Sequence[int], count: int) -> float:
    """Wall seconds per submission where every process has these cores alone, in a process of its own."""
    command = (sys.executable, "-m", "bench.sandbox", "--throughput", str(count))
    pinned = ("taskset", "--cpu-list", ",".join(map(str, cores)), *command)
    done = await asyncio.to_thread(
        subprocess.run, pinned, capture_output=True, text=True, check=True, cwd=bare.ROOT
    )
    return float(done.stdout)


async def _bare_throughput(cores: Sequence[int], count: int) -> float:
    return await asyncio.to_thread(bare.throughput_wall, SMALL, cores, count)


@contextlib.contextmanager
def _kernel_workers_on(cores: Sequence[int]) -> Iterator[None]:
    """Has the kernel's workers, which clear up after jails, keep to these cores too, where it may be told."""
    try:
        before = _WORKERS.read_text()
        _WORKERS.write_text(f"{sum(1 << core for core in cores):x}")
    except OSError as error:
        print(f"     the kernel's workers stay on every core: {error}")
        yield
        return
    try:
        yield
    finally:
        _WORKERS.write_text(before)


@contextlib.contextmanager
def _plugged_in(cores: Sequence[int]) -> Iterator[None]:
    """Takes every other core out of the machine; raises OSError where that may not be."""
    kept = {_CPUS / f"cpu{core}" / "online" for core in cores}
    others = [file for file in _CPUS.glob("cpu[0-9]*/online") if file not in kept and int(file.read_text())]
    try:
        for other in others:
            other.write_text("0")
        yield
    finally:
        for other in others:
            other.write_text("1")


async def throughput(count: int) -> float:
    """Wall seconds per submission, as many at once as there are slots and some to spare."""
    waiting = iter(distinct(SMALL, count))
    async with started() as ours:
        await ours.judge(SMALL)

        async def work() -> None:
            for submission in waiting:
                await ours.judge(submission)

        return await _wall(lambda: asyncio.gather(*(work() for _ in range(ours.box.slots + 2))), count)


@contextlib.asynccontextmanager
async def started() -> AsyncIterator[Ours]:
    """A sandbox with a slot for each core, closed at the end."""
    box = Sandbox(SandboxConfig(cache_directory=str(user_cache())))
    await box.start()
    try:
        yield Ours(box)
    finally:
        await box.close()


def _fresh(submissions: Sequence[Submission]) -> list[Submission]:
    return [distinct(submission, 1)[0] for submission in submissions]


def _tests(submissions: Sequence[Submission]) -> int:
    return sum(len(submission.tests) for submission in submissions)


def small_real_programs(data: Path) -> list[Submission]:
    """Accepted Python submissions that need little time, one per problem, with at most TESTS tests each."""
    if not (data / "olympiad_problems.jsonl.gz").exists():
        return []
    problems = {row["problem_id"]: row for row in _load(data / "olympiad_problems.jsonl.gz")}
    found: dict[str, Submission] = {}
    for row in _load(data / "olympiad_submissions.jsonl.gz"):
        problem = problems[row["problem_id"]]
        plain = problem["checker"]["type"] == "default" and row["language"] == "python"
        if plain and row["expected_verdict"] == "AC" and row["problem_id"] not in found:
            submission = Submission(row["source"], _small_tests(problem["tests"]))
            if len(found) < MOST_REAL and _is_small(submission):
                found[row["problem_id"]] = submission
    return list(found.values())


def _load(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def _small_tests(tests: Sequence[dict[str, str]]) -> tuple[tuple[str, str], ...]:
    pairs = [(test["input"], test["output"]) for test in tests]
    return tuple(pair for pair in pairs if sum(map(len, pair)) <= _MOST_INPUT_BYTES)[:TESTS]


def _is_small(submission: Submission) -> bool:
    """Whether it passes all its tests by itself, quickly."""
    if len(submission.tests) < TESTS // 2:
        return False
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(submission.source)
        file.flush()
        before = bare.children_cpu_seconds()
        passes = all(_passes(file.name, stdin, wanted) for stdin, wanted in submission.tests)
        return passes and bare.children_cpu_seconds() - before < MOST_REAL_SECONDS * len(submission.tests)


def _passes(script: str, stdin: str, wanted: str) -> bool:
    try:
        done = subprocess.run(
            [*bare.PYTHON, script], input=stdin, capture_output=True, text=True, timeout=5, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and done.stdout.split() == wanted.split()


def place() -> str:
    """Where the figures are from."""
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    return f"{platform.machine()}, {cores} cores, Python {platform.python_version()}, load {load:.1f}"


def markdown(rows: Sequence[Row]) -> str:
    """The table for a page."""
    head = (
        "| ours | compared with | clock | ours, ms | other, ms | other / ours |",
        "|---|---|---|---|---|---|",
    )
    return "\n".join((*head, *(row.cells() for row in rows)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--submissions", type=int, default=20)
    parser.add_argument("--data", type=Path, default=bare.ROOT.parent / "shared" / "data" / "code")
    parser.add_argument("--packages", type=Path, default=bare.ROOT / ".clients")
    parser.add_argument("--docker-image", default="reward-server")
    parser.add_argument(
        "--only", default="", help="part of a comparison's name: python, real, cpp, docker, cores"
    )
    parser.add_argument(
        "--unplug", action="store_true", help="take the other cores out of the machine for one core's turns"
    )
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--throughput", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


async def _main() -> None:
    arguments = _arguments()
    if arguments.throughput:
        print(await throughput(arguments.throughput))
        return
    print(place(), flush=True)
    async with started() as ours:
        rows = await Bench(ours, arguments, small_real_programs(arguments.data)).rows(arguments.only)
    if arguments.markdown:
        print(f"\n{place()}\n\n{markdown(rows)}")
    print(json.dumps([asdict(row) | {"ratio": round(row.ratio, 3)} for row in rows]))


if __name__ == "__main__":
    asyncio.run(_main())
