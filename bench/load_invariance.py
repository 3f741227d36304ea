"""Whether verdicts depend on load: programs with CPU times around their limit, many of them at once.

Every program knows what it must come to. As many jails work at once as there are submissions, far
more than cores, so that each waits for a core most of its time. Most programs burn CPU time until
their own clock says a share of the limit, from a fifth of it to three times; some do it in children
or threads, some in C++, some sleep in between, some only sleep.

    python -m bench.load_invariance [--programs N] [--levels 1 8 32]

Prints a table for people and one JSON line last; exits with 1 if a verdict differs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.types import Artefact, Case, Limits, Outcome, Program

LIMITS = Limits(cpu_seconds=0.3, wall_seconds=2.0, memory_bytes=128 << 20, processes=16)
# Shares of the limit. Nearer to 1 the program's own clock and the jail's differ by what starting it costs.
SHARES = (0.2, 0.35, 0.5, 0.65, 0.8, 1.2, 1.4, 1.7, 2.0, 3.0)

# Where a process has a limit on its CPU time the kernel moves this clock by ticks: many short burns would
# each last a tick too long, so their ends are counted from the start.
_BURN = (
    "import os, time\ndef burn(s):\n    end = time.process_time() + s\n"
    "    while time.process_time() < end: pass\n"
    "start = time.process_time()\ndef burn_until(s):\n    while time.process_time() - start < s: pass\n"
)
_PYTHON = {
    "alone": _BURN + "burn({seconds})\n",
    "child": _BURN + "if os.fork() == 0:\n    burn({seconds}); os._exit(0)\nos.wait()\n",
    "children": _BURN
    + "for _ in range(4):\n    if os.fork() == 0:\n        burn({seconds} / 4); os._exit(0)\n"
    "for _ in range(4): os.wait()\n",
    "one_after_the_other": _BURN + "for _ in range(6):\n    if os.fork() == 0:\n"
    "        burn({seconds} / 6); os._exit(0)\n    os.wait()\n",
    "threads": _BURN + "import threading\nend = time.process_time() + {seconds}\ndef work():\n"
    "    while time.process_time() < end: pass\nts = [threading.Thread(target=work) for _ in range(3)]\n"
    "for t in ts: t.start()\nfor t in ts: t.join()\n",
    "with_pauses": _BURN + "for n in range(1, 6):\n    burn_until({seconds} * n / 5); time.sleep(0.02)\n",
    "printing": _BURN + "for n in range(1, 21):\n    burn_until({seconds} * n / 20); print('x' * 1000)\n",
}
_CPP = """#include <cstdio>
#include <ctime>
int main() {
  double seconds;
  if (scanf("%lf", &seconds) != 1) return 3;
  while (clock() < seconds * CLOCKS_PER_SEC) {}
}
"""


@dataclass(frozen=True, slots=True)
class Trial:
    """A program, its input, and what it must come to."""

    name: str
    program: Program
    stdin: bytes
    expected: Outcome


def _burning() -> list[Trial]:
    found = []
    for share in SHARES:
        expected = Outcome.OK if share < 1 else Outcome.TIME_LIMIT
        seconds = round(share * LIMITS.cpu_seconds, 4)
        for kind, source in _PYTHON.items():
            program = Program("python", source.replace("{seconds}", str(seconds)))
            found.append(Trial(f"{kind} {share}", program, b"", expected))
        found.append(Trial(f"cpp {share}", Program("cpp", _CPP), f"{seconds}\n".encode(), expected))
    return found


def _sleeping() -> list[Trial]:
    cases = ((0.1, Outcome.OK), (0.4, Outcome.OK), (100.0, Outcome.WALL_LIMIT))
    return [
        Trial(f"sleep {seconds}", Program("python", f"import time\ntime.sleep({seconds})"), b"", outcome)
        for seconds, outcome in cases
    ]


def corpus(count: int) -> list[Trial]:
    """`count` programs, every kind at every share as often as it takes."""
    distinct = _burning() + _sleeping()
    return [distinct[n * 7 % len(distinct)] for n in range(count)]


async def surprises(trials: Sequence[Trial], concurrency: int, isolation: str = "auto") -> list[str]:
    """The trials that came to something else than expected, with `concurrency` of them at work at once."""
    box = Sandbox(SandboxConfig(slots=concurrency, isolation=isolation))
    await box.start()
    found: list[str] = []
    try:
        artefacts = {trial.program: (await box.compile(trial.program)).artefact for trial in trials}
        waiting = iter(trials)
        await asyncio.gather(*(_work(box, waiting, artefacts, found) for _ in range(concurrency)))
    finally:
        await box.close()
    return found


async def _work(
    box: Sandbox, waiting: Iterator[Trial], artefacts: dict[Program, Artefact | None], found: list[str]
) -> None:
    for trial in waiting:
        artefact = artefacts[trial.program]
        assert artefact is not None
        async with box.session(artefact, LIMITS) as session:
            result = await session.run(Case(trial.stdin))
        if result.outcome is not trial.expected:
            found.append(
                f"{trial.name}: {result.outcome.value} instead of {trial.expected.value}"
                f" (CPU {result.cpu_seconds:.3f} s, wall {result.wall_seconds:.2f} s)"
            )


async def _main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--programs", type=int, default=300)
    parser.add_argument("--levels", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--isolation", default="auto")
    asked = parser.parse_args()
    trials, report = corpus(asked.programs), {}
    for level in asked.levels:
        started = time.monotonic()
        found = await surprises(trials, level, asked.isolation)
        report[level] = len(found)
        print(
            f"{level:3d} at once: {len(found)} of {len(trials)} differ, {time.monotonic() - started:.0f} s",
            flush=True,
        )
        for line in found:
            print(f"    {line}")
    print(json.dumps({"programs": len(trials), "cores": len(os.sched_getaffinity(0)), "differ": report}))
    return int(any(report.values()))


if __name__ == "__main__":
    raise SystemExit(asyncio.run(_main()))
