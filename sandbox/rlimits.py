"""The rlimits of a jail: what every run inherits, and what a run gets of its own."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Sequence
from functools import partial

from sandbox.confinement import Step
from sandbox.types import Limits

OPEN_FILES = 1024
FILE_BYTES = 256 << 20
_TICKING_FACTOR = 10.0  # of the limit on CPU time; 1.2 has been seen
_MAPPED_ALONE_BYTES = 1 << 30  # a runtime's heap, code and stacks, of which it touches little
# Launchers, supervisors and templates of a server with a slot per core: an ordinary user's count too.
_OUR_PROCESSES = 6 + 2 * (os.cpu_count() or 1)


def limit_all_runs(limits: Limits) -> None:
    """In the supervisor: what it can live with itself."""
    for what in (resource.RLIMIT_CORE, resource.RLIMIT_MSGQUEUE):
        with contextlib.suppress(ValueError):  # gVisor has neither, and refuses to limit them
            limit(what, 0)
    limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    stack_bytes = max(limits.memory_bytes, 8 << 20)
    if hard != resource.RLIM_INFINITY:
        stack_bytes = min(stack_bytes, hard)
    resource.setrlimit(resource.RLIMIT_STACK, (stack_bytes, hard))  # soft alone: see `limiting_run`
    limit(resource.RLIMIT_FSIZE, file_bytes(limits))


def file_bytes(limits: Limits) -> int:
    """How large one file may grow."""
    return max(FILE_BYTES, limits.output_bytes)


def limit_cpu(limits: Limits) -> None:
    """For each process that inherits it: what ends a program if nobody is left to measure it.

    The kernel holds this limit by its ticks (setrlimit(2); posix-cpu-timers.c), and charges each whole to
    whoever it finds on the core. On a crowded machine a process so pays for those that slept when the tick
    came, and must not be killed for them: what it has really used is the supervisor's to say, much earlier.
    """
    ticking = int(limits.cpu_seconds * _TICKING_FACTOR) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (ticking, ticking + 1))


def limiting_run(*, memory_bytes: int | None, processes: int | None) -> Sequence[Step]:
    """What a forked run does: the second wall behind what the supervisor measures.

    `memory_bytes` (per process) and `processes` (per uid) are None where a control group limits them.
    """
    steps: list[Step] = []
    if memory_bytes is not None:
        # What is mapped counts here, used or not. The watcher, who sees what is used, comes first.
        steps.append(partial(limit, resource.RLIMIT_DATA, 2 * memory_bytes + _MAPPED_ALONE_BYTES))
        # The C library makes each thread's stack as large as this limit, but 2 MiB where there is none
        # (pthread_create(3)); a few of the former would be all that may be mapped.
        _, hard = resource.getrlimit(resource.RLIMIT_STACK)
        steps.append(partial(resource.setrlimit, resource.RLIMIT_STACK, (hard, hard)))
    if processes is not None:
        ours = _OUR_PROCESSES if os.geteuid() != 0 else 0
        steps.append(partial(limit, resource.RLIMIT_NPROC, processes + ours))
    return steps


def limit(what: int, value: int) -> None:
    """Lowers one rlimit, soft and hard; one that is lower already stays."""
    _, hard = resource.getrlimit(what)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (value, value))
