"""Forks an interpreter with the launcher's modules loaded, and prints the CPU seconds of one fork.

    python bench/forks.py REPOSITORY < order        order: JSON [source, stdin, repeats]

Started by `bench.bare`, in a process of its own, so that what is forked is no larger than the launcher.
"""

from __future__ import annotations

import json
import os
import resource
import sys


def main() -> None:
    """Reads the order, forks, measures."""
    source, stdin, repeats = json.load(sys.stdin)
    sys.path.insert(0, sys.argv[1])
    from sandbox import launcher

    launcher.warm(launcher.LauncherConfig(control=-1, isolation="", family="", generation=0, slots=1))
    code = compile(source, "main.py", "exec")
    given = os.memfd_create("stdin")
    os.write(given, stdin.encode())
    taken, output = os.pipe()
    before = _cpu_seconds()
    for _ in range(repeats):
        os.lseek(given, 0, os.SEEK_SET)
        pid = os.fork()
        if pid == 0:
            _run(code, given, output)
        os.read(taken, 1 << 16)
        _, status = os.waitpid(pid, 0)
        assert status == 0
    print((_cpu_seconds() - before) / repeats)


def _run(code: object, given: int, output: int) -> None:
    os.dup2(given, 0)
    os.dup2(output, 1)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    exec(code, {"__name__": "__main__"})  # type: ignore[arg-type]
    sys.stdout.flush()
    os._exit(0)


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


if __name__ == "__main__":
    main()
