"""Runs commands one after another and prints the CPU seconds of all they started, orphans included.

    python bench/reaped.py < order        order: JSON [[command, ...], [input, ...], directory]

Bubblewrap leaves its program's first process to whoever adopts it, so its caller's own count misses it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import subprocess
import sys

_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Reads the order, runs it, prints; a command that fails raises CalledProcessError."""
    commands, given, directory = json.load(sys.stdin)
    if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise SystemExit("this kernel has no subreapers")
    for command, stdin in zip(commands, given, strict=True):
        subprocess.run(command, input=stdin.encode(), stdout=subprocess.PIPE, check=True, cwd=directory)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(used.ru_utime + used.ru_stime)


if __name__ == "__main__":
    main()
