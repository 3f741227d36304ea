"""The rlimits of a jail: what every run inherits, and what a run gets of its own."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Sequence
from functools import partial

from sandbox.confinement import Step
from sandbox.types import Limits

OPEN_FILES = 1024
FILE_BYTES = 256 << 20


def limit_all_runs(limits: Limits) -> None:
    """In the supervisor: what it can live with itself."""
    for what in (resource.RLIMIT_CORE, resource.RLIMIT_MSGQUEUE):
        with contextlib.suppress(ValueError):  # gVisor has neither, and refuses to limit them
            limit(what, 0)
    limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    limit(resource.RLIMIT_STACK, max(limits.memory_bytes, 8 << 20))
    limit(resource.RLIMIT_FSIZE, file_bytes(limits))


def file_bytes(limits: Limits) -> int:
    """How large one file may grow."""
    return max(FILE_BYTES, limits.output_bytes)


def limit_cpu(limits: Limits) -> None:
    """For each process that inherits it: the second wall behind what the supervisor measures."""
    cpu = int(limits.cpu_seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))


def limiting_run(*, memory_bytes: int | None, processes: int | None) -> Sequence[Step]:
    """What a forked run does: the second wall behind what the supervisor measures.

    `memory_bytes` (per process) and `processes` (per uid) are None where a control group limits them.
    """
    wanted = (resource.RLIMIT_DATA, memory_bytes), (resource.RLIMIT_NPROC, processes)
    return [partial(limit, what, value) for what, value in wanted if value is not None]


def limit(what: int, value: int) -> None:
    """Lowers one rlimit, soft and hard; one that is lower already stays."""
    _, hard = resource.getrlimit(what)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (value, value))
