"""What the jail costs: a submission of 20 tests in it, against one bare process per test.

CPU time of the whole process tree, so that a busy machine changes little; every
ratio is between two things measured in the same run. Python: a bare `python3`
per test. C++: `g++ -O2` once and one bare process per test.

    python -m bench.sandbox [--submissions N]

Prints a table for people and one JSON line last.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sandbox.sandbox import Sandbox, SandboxConfig
from sandbox.types import Case, Limits, Program
from server.locations import user_cache

TESTS = 20
PYTHON = "import sys\nfor line in sys.stdin:\n    print(int(line) * 2)\n"
CPP = """#include <bits/stdc++.h>
int main() { long long x; while (std::cin >> x) std::cout << x * 2 << '\\n'; }
"""
STDIN = "".join(f"{n}\n" for n in range(20)).encode()
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def tree_cpu_seconds(pid: int) -> float:
    """CPU time of a process and of all its reaped descendants."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(field) for field in fields[11:15]) / _TICKS_PER_SECOND


def own_cpu_seconds() -> float:
    """Of this process."""
    return time.process_time()


def children_cpu_seconds() -> float:
    """Of every reaped child and its descendants."""
    times = os.times()
    return times.children_user + times.children_system


def _bare(commands: Callable[[], list[list[str]]], repeats: int) -> float:
    """CPU seconds per repeat of running bare commands, each fed STDIN."""
    before = children_cpu_seconds()
    for _ in range(repeats):
        for command in commands():
            subprocess.run(command, input=STDIN, stdout=subprocess.PIPE, check=True)
    return (children_cpu_seconds() - before) / repeats


async def _jailed(programs: list[Program], *, tests: int) -> float:
    """CPU seconds per submission in the jail: the server's share, the launcher, jails and programs."""
    box = Sandbox(SandboxConfig(slots=1, cache_directory=str(user_cache())))
    await box.start()
    assert box.launcher is not None
    pid = box.launcher.info.pid
    before = own_cpu_seconds() + tree_cpu_seconds(pid)
    for program in programs:
        compilation = await box.compile(program)
        assert compilation.artefact is not None, compilation.diagnostics
        async with box.session(compilation.artefact, Limits()) as session:
            for _ in range(tests):
                result = await session.run(Case(STDIN))
                assert result.stdout.startswith(b"0\n2\n4\n")
    while box.launcher.living_jails:
        await asyncio.sleep(0.01)
    used = own_cpu_seconds() + tree_cpu_seconds(pid) - before
    await box.close()
    return used / len(programs)


def _distinct(language: str, source: str, comment: str, count: int) -> list[Program]:
    """Programs that no cache has seen."""
    return [Program(language, f"{source}{comment} {time.time_ns()} {n}\n") for n in range(count)]


def measure(submissions: int) -> dict[str, float]:
    """Milliseconds of CPU per submission of 20 tests, and the ratios."""
    with tempfile.TemporaryDirectory() as directory:
        script = Path(directory, "main.py")
        script.write_text(PYTHON)
        python = os.path.realpath(sys.executable)
        # -S: without the site-packages of this machine, which would cost the bare side more than itself.
        bare_python = _bare(lambda: [[python, "-S", str(script)]] * TESTS, max(2, submissions // 4))
        source, binary = Path(directory, "main.cpp"), str(Path(directory, "main"))
        source.write_text(CPP)
        compile_ = ["g++", "-O2", "-std=gnu++20", str(source), "-o", binary]
        bare_cpp = _bare(lambda: [compile_, *([[binary]] * TESTS)], 3)
    jailed_python = asyncio.run(_jailed(_distinct("python", PYTHON, "#", submissions), tests=TESTS))
    jailed_one = asyncio.run(_jailed(_distinct("python", PYTHON, "#", submissions), tests=1))
    jailed_cpp = asyncio.run(_jailed(_distinct("cpp", CPP, "//", 3), tests=TESTS))
    jailed_again = asyncio.run(_jailed([Program("cpp", CPP)] * submissions, tests=TESTS))
    jailed_once = asyncio.run(_jailed([Program("cpp", CPP)], tests=TESTS))
    per_test = (jailed_python - jailed_one) / (TESTS - 1)
    return {
        "bare_python_ms": bare_python * 1e3,
        "jailed_python_ms": jailed_python * 1e3,
        "python_ratio": bare_python / jailed_python,
        "jail_and_first_test_ms": jailed_one * 1e3,
        "further_test_ms": per_test * 1e3,
        "bare_cpp_ms": bare_cpp * 1e3,
        "jailed_cpp_ms": jailed_cpp * 1e3,
        "cpp_ratio": bare_cpp / jailed_cpp,
        # Every submission but the first found the program compiled.
        "jailed_cpp_cached_ms": (jailed_again * submissions - jailed_once) / (submissions - 1) * 1e3,
    }


def report(figures: dict[str, float]) -> str:
    """The table for people."""
    return "\n".join(
        (
            f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
            f"one submission, {TESTS} tests, CPU milliseconds of the whole process tree:",
            "             bare    jailed",
            "  Python {bare_python_ms:8.1f}  {jailed_python_ms:8.1f}   {python_ratio:.1f}x less".format(
                **figures
            ),
            "  C++    {bare_cpp_ms:8.1f}  {jailed_cpp_ms:8.1f}   {cpp_ratio:.1f}x less".format(**figures),
            "  the jail with its first Python test {jail_and_first_test_ms:.1f}, each further one "
            "{further_test_ms:.2f}".format(**figures),
            "  C++ that was compiled before {jailed_cpp_cached_ms:.1f}".format(**figures),
        )
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--submissions", type=int, default=40)
    figures = measure(parser.parse_args().submissions)
    print(report(figures))
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
