"""The template: the process that a jail's runs are forked from.

It is a fork of the supervisor, and does nothing but fork when it is told to, wait, and
report what it waited for, unless it is told to become the program (`sandbox.repeating`);
where the program is another executable and the backend allows it, it confines itself and spawns,
which copies nothing. So neither side pays for the other's memory: what the supervisor writes
between two runs is not copied by a fork, and what a fork shares stays as it was. What can be
done once for all forks, it has done: it has root's uid where the jail has, holds the program's
descriptors in their places, stands in its working directory, and has unwound to the
interpreter's top: a run begins with an empty stack, as under a plain interpreter.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NoReturn, TypeVar

from sandbox import rlimits, streams
from sandbox import syscalls as sys_
from sandbox.confinement import Confinement, Places, Step, take
from sandbox.types import Limits, Mode

T = TypeVar("T")
# Orders. BECOME: no fork, the template itself is to be the program; MOVED: the working directory is new.
USUAL, OTHER_ARGV, BECOME, MOVED = b"-", b"a", b"b", b"m"
_KEPT: list[object] = []
UNFIT = b"!"  # a report: the fork could not be confined
NOT_FOUND = 127  # the exit status of a shell that finds no such program
_NOT_FOUND_REPORT = sys_.REAPED.pack(NOT_FOUND << 8, 0, 0, 0, 0, 0)
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
}


@dataclass(frozen=True, slots=True)
class Job:
    """What is the same for every run of a jail."""

    kind: str  # "python": in a fork of the warmed interpreter; "exec": argv
    mode: Mode
    function: str
    environment: dict[str, str]
    places: Places
    setup: bytes
    source: bytes
    tests: bytes


@dataclass(frozen=True, slots=True)
class Brief:
    """What a template knows: the job, and how its forks are confined."""

    job: Job
    argv: tuple[str, ...]
    limits: Limits
    confinement: Confinement
    has_memory_group: bool
    has_process_group: bool
    once: bool  # for a single run, whose standard streams nobody else may hold
    stays: bool = False  # in a program's process: it may take further runs (`sandbox.persistent`)


class Become(BaseException):
    """Raised in a forked template to unwind to the interpreter's top, where it then serves."""

    def __init__(self, brief: Brief) -> None:
        super().__init__()
        self.brief = brief


def prepare(plumbing: streams.Streams, work: str, limits: Limits) -> None:
    """In the forked template, while it is still deep in the supervisor's stack."""
    descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    os.write(descriptor, b"1000")  # the kernel must take a program, not the supervisor
    os.close(descriptor)
    plumbing.take_places()
    os.umask(0o022)
    os.chdir(work)
    rlimits.limit_cpu(limits)
    sys_.prctl(sys_.PR_SET_PDEATHSIG, signal.SIGKILL)


def spawns(job: Job, confinement: Confinement) -> bool:
    """Whether the template of such a job is confined as its programs are, and only starts them."""
    return job.kind != "python" and confinement.templates_confined


def serve(brief: Brief, load: Callable[[], T | None]) -> tuple[Brief, T | None]:
    """Forks at each order; returns in the fork alone, confined, with the run's own argv.

    `load` is asked before a fork for what an earlier run has left to those that follow, until there is
    something; the forks get it ready-made, and the descriptor it came from is closed in them.
    """
    if spawns(brief.job, brief.confinement):
        _spawn_at_orders(brief)
    order, steps, loaded = _fork_at_orders(brief, load)
    if order == OTHER_ARGV:
        brief = replace(brief, argv=tuple(json.loads(streams.read_whole(streams.ARGV))))
    elif order == BECOME:
        brief = replace(brief, stays=True)
    try:
        take(steps)
    except BaseException:  # noqa: BLE001 - a half-confined fork must never run the program
        _be_unfit()
    if brief.job.kind != "python":
        _exec(brief)
    return brief, loaded


def _fork_at_orders(brief: Brief, load: Callable[[], T | None]) -> tuple[bytes, Sequence[Step], T | None]:
    """In the fork: the order, what it has to do first, what was loaded."""
    loaded = None
    fork, reaper, steps = sys_.fork_in_place, sys_.Reaper(), _steps(brief, streams.ARGV)
    _KEPT.append(reaper)  # a fork that let go of it would touch, and so copy, its pages
    while True:
        order = os.read(streams.ORDERS, 1)
        if not order:
            os._exit(0)
        if order == MOVED:
            os.chdir(brief.job.places.work)
            continue
        if loaded is None and (loaded := load()) is not None:
            steps = _steps(brief, streams.CODE)
        if order == BECOME:
            first_closed = streams.ARGV if loaded is None else streams.CODE
            return order, _steps(brief, first_closed, streams.ORDERS), loaded
        pid = fork()
        if pid == 0:
            _KEPT.append(steps)
            return order, steps, loaded
        if brief.once:
            os.close(0)
            os.close(1)
        if pid < 0 or reaper.reap() < 0:
            os._exit(70)  # the supervisor sees the end
        os.write(streams.ORDERS, reaper.report)


def _steps(brief: Brief, first_closed: int, first_kept: int = streams.PLACES) -> Sequence[Step]:
    """What every fork does, in order; then no right is left, and no descriptor but the program's."""
    return (
        os.setsid,  # within a session anybody may send SIGCONT to anybody
        *_confining(brief),
        partial(os.closerange, first_closed, first_kept),
    )


def _confining(brief: Brief) -> Sequence[Step]:
    return brief.confinement.confining(
        brief.limits, has_memory_group=brief.has_memory_group, has_process_group=brief.has_process_group
    )


def _be_unfit() -> NoReturn:
    traceback.print_exc()
    os.write(streams.ORDERS, UNFIT)
    os._exit(70)


def _exec(brief: Brief) -> NoReturn:
    # An interpreter ignores them; programs expect the default.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.close(streams.CODE)
    try:
        os.execvpe(brief.argv[0], brief.argv, _environment(brief.job))  # noqa: S606 - what a jail is for
    except OSError as error:
        _say_why(brief.argv[0], error)
    os._exit(NOT_FOUND)


def _environment(job: Job) -> dict[str, str]:
    return {**_ENVIRONMENT, "HOME": job.places.work, "TMPDIR": job.places.temporary, **job.environment}


def _say_why(program: str, error: OSError) -> None:
    """As a shell does it."""
    os.write(2, f"{program}: {error.strerror}\n".encode())


def _spawn_at_orders(brief: Brief) -> NoReturn:
    """Every program of this template has the uid and the limits that the template itself now takes.

    A fork of an interpreter that is to become another program costs more than the program's own start
    (`bench/LOG.md`). posix_spawn(3) shares the memory until then. What the program can do to the template,
    it has done to itself: it can kill it, as an ordinary user's can, but neither read nor write it.
    """
    try:
        take(_confining(brief))
        sys_.prctl(sys_.PR_SET_DUMPABLE, 0)
        sys_.prctl(sys_.PR_SET_PDEATHSIG, signal.SIGKILL)  # forgotten with the change of uids
    except BaseException:  # noqa: BLE001 - a half-confined template must never start the program
        _be_unfit()
    environment = _environment(brief.job)
    os.environ["PATH"] = environment["PATH"]  # where the program is looked for
    reaper = sys_.Reaper()
    while order := os.read(streams.ORDERS, 1):
        if order == MOVED:
            os.chdir(brief.job.places.work)
            continue
        argv = brief.argv if order == USUAL else tuple(json.loads(streams.read_whole(streams.ARGV)))
        report: bytes | memoryview = _NOT_FOUND_REPORT
        if _spawn(argv, environment):
            if brief.once:
                os.close(0)
                os.close(1)
            if reaper.reap() < 0:
                os._exit(70)
            report = reaper.report
        os.write(streams.ORDERS, report)
    os._exit(0)


def _spawn(argv: tuple[str, ...], environment: dict[str, str]) -> bool:
    """Starts the program in a session of its own; False if there is no such program."""
    try:
        # An interpreter ignores these signals; programs expect the default.
        os.posix_spawnp(argv[0], argv, environment, setsid=True, setsigdef=(signal.SIGPIPE, signal.SIGXFSZ))
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.ENOMEM):
            _be_unfit()  # there was no process to be had, which is not the program's fault
        _say_why(argv[0], error)
        return False
    return True
