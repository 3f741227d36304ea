"""Whether anything is left over: many mixed submissions, the abuse suite among them, and what there is after.

One submission in `--abuse-every` is a program of tests/abuse, the others are small ones that end in every
usual way. Each verdict is checked. Afterwards there must be as many processes, descriptors, mounts,
control groups, scratch files and shared objects as before, and the resident memory of this process and of
the launcher must be within 5 % of what it was once a tenth of the submissions had been.

    python -m bench.soak [--submissions N] [--minutes M] [--isolation NAME]

With `--minutes` it stops taking submissions after so long, and says how many there were.

Prints a table for people and one JSON line last; exits with 1 if something differs.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.types import Case, Limits, Outcome, Program, RunResult
from server.locations import user_cache
from tests.abuse import bait as baits
from tests.abuse import trial
from tests.abuse.bait import Bait
from tests.abuse.corpus import Abuse, read
from tests.leaks import descendants, holdings

_LIMITS = Limits(cpu_seconds=1.0, wall_seconds=4.0, memory_bytes=64 << 20, output_bytes=1 << 18, processes=8)
_ORDINARY = (
    ("python", "print(int(input()) * 2)", Outcome.OK),
    ("python", "import sys\nsys.stdout.write('x' * 100000)", Outcome.OK),
    ("python", "open('left', 'w').write('x' * 100000)\nprint(1)", Outcome.OK),
    (
        "python",
        "import os\nif os.fork() == 0:\n    os.setsid()\n    import time; time.sleep(1000)",
        Outcome.OK,
    ),
    ("python", "raise ValueError", Outcome.RUNTIME_ERROR),
    ("python", "def f(:", Outcome.COMPILE_ERROR),
    ("python", "x = b'x' * (1 << 27)", Outcome.MEMORY_LIMIT),
    ("python", "while True: print('x' * 10000)", Outcome.OUTPUT_LIMIT),
    ("python", "import os\nwhile True: os.fork()", Outcome.PROCESS_LIMIT),
    ("cpp", '#include <cstdio>\nint main() { int n; scanf("%d", &n); printf("%d", 2 * n); }', Outcome.OK),
)
_TESTS = 3  # of an ordinary submission
# Entries that wait rather than work, or compile for seconds each time, would be most of the soak's time.
_ARTEFACT_BYTES = 1 << 20  # full before memory is compared: what it keeps is no leak
_SLOW_LANGUAGES = ("java", "go", "javascript")
MOST_GROWTH = 0.05


def resident_bytes() -> int:
    """Of this process and its descendants while no jail is open."""
    return sum(_resident(pid) for pid in ("self", *descendants()))


def _resident(pid: str | int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0  # it ended while we looked
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS:"))


class Soak:
    """The submissions and what went wrong with them."""

    def __init__(self, box: Sandbox, bait: Bait, submissions: int, abuse_every: int, until: float) -> None:
        self._box = box
        self._bait = bait
        self._left = iter(range(submissions))
        self._abuse_every = abuse_every
        self._until = until
        self._abuse = _endless_abuse()
        self.wrong: list[str] = []
        self.outcomes: Counter[str] = Counter()

    async def work(self) -> None:
        """Takes submissions until there are none left, or no time."""
        for number in self._left:
            if time.monotonic() > self._until:
                return
            if number % self._abuse_every == 0:
                await self._one_abuse(next(self._abuse))
            else:
                await self._one_ordinary(number)

    async def _one_ordinary(self, number: int) -> None:
        language, source, expected = _ORDINARY[number % len(_ORDINARY)]
        try:
            result = await self._run(Program(language, source))
        except SandboxError as error:
            self.wrong.append(f"{source[:40]!r}: {error!r}")
            return
        self.outcomes[result.outcome.value] += 1
        if result.outcome is not expected:
            self.wrong.append(f"{source[:40]!r}: {result.outcome.value} instead of {expected.value}")

    async def _run(self, program: Program) -> RunResult:
        """The last of its tests, asked for as a verdict asks for them."""
        artefact = (await self._box.compile(program)).artefact
        assert artefact is not None
        async with self._box.session(artefact, _LIMITS) as session:
            results = await session.run_some([Case(b"21\n")], repeat=True)
            while len(results) < _TESTS and results[-1].outcome is Outcome.OK:
                rest = [Case(b"21\n")] * (_TESTS - len(results))
                results += await session.run_some(rest, until_failure=True, repeat=True)
            return results[-1]

    async def _one_abuse(self, abuse: Abuse) -> None:
        try:
            ending = await trial.run(self._box, abuse, self._bait)
        except SandboxError as error:  # a fault of the service, which is what this looks for
            self.wrong.append(f"{abuse.language} {abuse.name}: {error!r}")
            return
        self.outcomes[ending.outcome.value] += 1
        complaints = trial.complaints(abuse, self._box.isolation, ending, self._bait)
        self.wrong += [f"{abuse.language} {abuse.name}: {complaint}" for complaint in complaints]


def _endless_abuse() -> Iterator[Abuse]:
    found = [
        abuse
        for abuse in read()
        if abuse.language not in _SLOW_LANGUAGES and shutil.which(abuse.tool or "sh")
    ]
    return itertools.cycle(found)


async def soak(box: Sandbox, bait: Bait, submissions: int, abuse_every: int, until: float) -> Soak:
    """So many submissions, two more at work than there are slots; none is begun after `until`, monotonic."""
    work = Soak(box, bait, submissions, abuse_every, until)
    await asyncio.gather(*(work.work() for _ in range(box.slots + 2)))
    return work


async def _main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--submissions", type=int, default=20_000)
    parser.add_argument("--abuse-every", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--isolation", default="auto")
    asked = parser.parse_args()
    with baits.planted() as bait:
        box = Sandbox(
            SandboxConfig(
                isolation=asked.isolation,
                artefact_cache_bytes=_ARTEFACT_BYTES,
                cache_directory=str(user_cache()),
            )
        )
        await box.start()
        try:
            report = await _measured(box, bait, asked.submissions, asked.abuse_every, asked.minutes * 60)
        finally:
            await box.close()
    print(json.dumps(report))
    return int(bool(report["wrong"]) or not report["clean"])


async def _measured(
    box: Sandbox, bait: Bait, submissions: int, abuse_every: int, seconds: float
) -> dict[str, object]:
    started = time.monotonic()
    warm = await soak(box, bait, submissions // 10, abuse_every, started + seconds / 3)
    await asyncio.sleep(1)
    before, resident_before = holdings(), resident_bytes()
    main = await soak(box, bait, submissions - submissions // 10, abuse_every, started + seconds)
    left = await trial.left_over(before)
    resident = resident_bytes()
    growth = resident / resident_before - 1
    wrong = Counter(warm.wrong + main.wrong)
    done = (warm.outcomes + main.outcomes).total()
    print(f"{done} submissions in {time.monotonic() - started:.0f} s under {box.isolation}")
    print(f"outcomes: {dict(warm.outcomes + main.outcomes)}")
    print(f"before: {before}, resident {resident_before >> 20} MiB")
    print(f"after:  {left or 'the same'}, resident {resident >> 20} MiB ({growth:+.1%})")
    for line, count in wrong.most_common():
        print(f"    {count} x {line}")
    return {
        "submissions": done,
        "isolation": box.isolation,
        "wrong": sum(wrong.values()),
        "clean": not left and growth <= MOST_GROWTH and box.launchers_started == 1,
        "resident_growth": round(growth, 4),
        "seconds": round(time.monotonic() - started),
    }


if __name__ == "__main__":
    raise SystemExit(asyncio.run(_main()))
