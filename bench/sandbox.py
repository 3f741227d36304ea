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
import itertools
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
CPP = "#include <bits/stdc++.h>\nint main() { long long x; while (std::cin >> x) std::cout << x * 2 << '\\n'; }\n"
STDIN = "".join(f"{n}\n" for n in range(20)).encode()
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def _tree_cpu_seconds(pid: int) -> float:
    """CPU time of a process and of all its reaped descendants."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(field) for field in fields[11:15]) / _TICKS_PER_SECOND


def _own_cpu_seconds() -> float:
    return time.process_time()


def _children_cpu_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _bare(commands: Callable[[], list[list[str]]], repeats: int) -> float:
    """CPU seconds per repeat of running bare commands, each fed STDIN."""
    before = _children_cpu_seconds()
    for _ in range(repeats):
        for command in commands():
            subprocess.run(command, input=STDIN, stdout=subprocess.PIPE, check=True)
    return (_children_cpu_seconds() - before) / repeats


async def _jailed(programs: list[Program], *, tests: int) -> float:
    """CPU seconds per submission in the jail: the server's share, the launcher, jails and programs."""
    box = Sandbox(SandboxConfig(slots=1, cache_directory=str(user_cache())))
    await box.start()
    assert box.launcher is not None
    pid = box.launcher.info.pid
    before = _own_cpu_seconds() + _tree_cpu_seconds(pid)
    for program in programs:
        compilation = await box.compile(program)
        assert compilation.artefact is not None, compilation.diagnostics
        async with box.session(compilation.artefact, Limits()) as session:
            for _ in range(tests):
                result = await session.run(Case(STDIN))
                assert result.stdout.startswith(b"0\n2\n4\n")
    while box.launcher.living_jails:
        await asyncio.sleep(0.01)
    used = _own_cpu_seconds() + _tree_cpu_seconds(pid) - before
    await box.close()
    return used / len(programs)


def _distinct(source: str, comment: str, count: int) -> list[str]:
    """Programs that no cache has seen."""
    return [f"{source}{comment} {time.time_ns()} {n}\n" for n in range(count)]


def measure(submissions: int) -> dict[str, float]:
    """Milliseconds of CPU per submission of 20 tests, and the ratios."""
    with tempfile.TemporaryDirectory() as directory:
        script = Path(directory, "main.py")
        script.write_text(PYTHON)
        python = os.path.realpath(sys.executable)
        bare_python = _bare(lambda: [[python, str(script)]] * TESTS, max(2, submissions // 8))
        source, binary = Path(directory, "main.cpp"), str(Path(directory, "main"))
        source.write_text(CPP)
        compile_ = ["g++", "-O2", "-std=gnu++20", str(source), "-o", binary]
        bare_cpp = _bare(lambda: [compile_, *([[binary]] * TESTS)], 3)
    jailed_python = asyncio.run(
        _jailed([Program("python", s) for s in _distinct(PYTHON, "#", submissions)], tests=TESTS)
    )
    jailed_one = asyncio.run(
        _jailed([Program("python", s) for s in _distinct(PYTHON, "#", submissions)], tests=1)
    )
    jailed_cpp = asyncio.run(_jailed([Program("cpp", s) for s in _distinct(CPP, "//", 3)], tests=TESTS))
    repeated = [Program("cpp", s) for s in itertools.repeat(CPP, submissions)]
    asyncio.run(_jailed(repeated[:1], tests=1))
    jailed_hit = asyncio.run(_jailed(repeated, tests=TESTS))
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
        "jailed_cpp_cached_ms": jailed_hit * 1e3,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--submissions", type=int, default=40)
    figures = measure(parser.parse_args().submissions)
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    print(f"one submission, {TESTS} tests, CPU milliseconds of the whole process tree:")
    print(
        f"  Python  bare {figures['bare_python_ms']:8.1f}   jailed {figures['jailed_python_ms']:8.1f}   {figures['python_ratio']:.1f}x less"
    )
    print(
        f"          jail and first test {figures['jail_and_first_test_ms']:.1f}, each further test {figures['further_test_ms']:.2f}"
    )
    print(
        f"  C++     bare {figures['bare_cpp_ms']:8.1f}   jailed {figures['jailed_cpp_ms']:8.1f}   {figures['cpp_ratio']:.1f}x less"
    )
    print(
        f"          with the program compiled before {figures['jailed_cpp_cached_ms']:.1f} (mean over repeats, one compile)"
    )
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
