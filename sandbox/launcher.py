"""The launcher: a small single-threaded process from which every jail is forked.

It is exec'd before the server starts gRPC or an event loop, so nothing is ever
forked from a process with threads. It holds warmed modules and no secrets: on a
spawn request it forks first, and only the child, already a jail, receives the
job over a socket of its own. If the server goes, the launcher ends and every
jail dies with it; if the launcher is killed, the kernel kills the jails.

Started by `sandbox.launcher_process` as `python -c ... '<json configuration>'`, with
the control socket (SOCK_SEQPACKET) inherited at the descriptor named there.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
from dataclasses import dataclass, field
from typing import Any

from sandbox import backends, cgroups, jail, python_runner, syscalls, template, uids
from sandbox.confinement import Confinement

STACK_BYTES = 1 << 30  # room for deep recursion in programs that run in a fork of this process
THREAD_STACK_BYTES = 8 << 20  # what threads get under a plain interpreter

# What programs import most; a fork has them for nothing. Every further module makes each fork dearer
# (about 0.02 ms), so what few programs use is left to them.
WARM_MODULES = tuple(
    """
    abc array bisect builtins calendar cmath collections collections.abc contextlib copy dataclasses
    datetime decimal enum fractions functools gc heapq io itertools json linecache math numbers operator
    os os.path queue random re statistics string struct sys textwrap threading time traceback types
    typing warnings weakref
    """.split()  # noqa: SIM905
)
# A killed launcher's jails die by themselves, but their groups only empty once they have.
_STALE_ATTEMPTS, _STALE_PAUSE_SECONDS = 100, 0.02
_KEPT: list[BaseException] = []
_WARM_CODECS = ("encodings.idna", "encodings.latin_1")


@dataclass(frozen=True)
class LauncherConfig:
    """What the server tells a launcher at its start."""

    control: int  # descriptor of the control socket
    isolation: str  # the backend that makes its jails
    family: str  # names its control groups, and those of the launchers before it
    generation: int  # counts them, so that no two share a name
    slots: int  # most jails at once; each has a uid of its own
    ready: int = 0  # jails that are set up before there is a submission for them
    cgroup_version: int = 0
    cgroup_directories: dict[str, str] = field(default_factory=dict)
    binds: tuple[str, ...] = ()  # further directories that jails see, read-only
    python_path: tuple[str, ...] = ()  # for `preload` only
    preload: str = ""  # a module with `warm_up()` and `handle(bytes) -> bytes`, for jailed workers
    uid_base: int = 61000


def read_config(text: str) -> LauncherConfig:
    """Reads the configuration from its JSON."""
    values: dict[str, Any] = json.loads(text)
    for name in ("binds", "python_path"):
        values[name] = tuple(values.get(name, ()))
    return LauncherConfig(**values)


class Launcher:
    """Forks jails on request and buries them."""

    def __init__(self, config: LauncherConfig, confinement: Confinement) -> None:
        self._config = config
        self._control = socket.socket(fileno=config.control)
        # The root that is entered shows nothing of it.
        self._hierarchy = cgroups.Hierarchy(config.cgroup_version, config.cgroup_directories).held_open()
        self._free_slots = list(range(config.slots))
        self._jails: dict[int, _Buried] = {}  # pidfd -> what is left to clean up
        self._poll = select.poll()
        self._rootless = os.geteuid() != 0
        self._confinement = confinement

    def prepare(self) -> None:
        """Enters the namespaces and the small root, then tells the server."""
        cgroups.remove_stale(self._hierarchy, self._config.family)
        self._confinement.enter(self._config.binds)
        self._tell({"op": "ready", "rootless": self._rootless, "cgroup_version": self._hierarchy.version})

    def serve(self) -> None:
        """Serves until the server closes the control socket."""
        self._poll.register(self._control, select.POLLIN)
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._jails:
                    self._bury(descriptor)
                elif not self._take_order():
                    self._end()
                    return

    def _take_order(self) -> bool:
        try:
            message, descriptors, _, _ = socket.recv_fds(self._control, 65536, 1)
        except ConnectionError:
            return False
        if not message:
            return False
        order = json.loads(message)
        if order["op"] == "spawn":
            self._spawn(order["id"], socket.socket(fileno=descriptors[0]))
        elif order["op"] == "kill":
            self._kill(order["id"])
        return True

    def _spawn(self, job: int, connection: socket.socket) -> None:
        if not self._free_slots:
            self._refuse(job, connection)
            return
        slot = self._free_slots.pop()
        name = cgroups.group_name(self._config.family, self._config.generation, slot)
        try:
            group = cgroups.Group(self._hierarchy, name)
        except OSError:
            traceback.print_exc()  # one jail without a group is one lost jail, not the end of all
            self._free_slots.insert(0, slot)
            self._refuse(job, connection)
            return
        pid = self._confinement.fork_init()
        if pid == 0:
            self._become_jail(connection, group, slot)
        connection.close()
        descriptor = os.pidfd_open(pid)
        self._jails[descriptor] = _Buried(job, pid, slot, group)
        self._poll.register(descriptor, select.POLLIN)

    def _refuse(self, job: int, connection: socket.socket) -> None:
        """The server sees a lost jail, which it need not wait for, and asks again."""
        connection.close()
        self._tell({"op": "ended", "id": job})

    def _become_jail(self, connection: socket.socket, group: Any, slot: int) -> None:
        for descriptor in (*self._jails, self._control.detach()):
            os.close(descriptor)
        handler = sys.modules[self._config.preload].handle if self._config.preload else None
        jail.Jail(connection, group, self._confinement, slot, handler).live()

    def _kill(self, job: int) -> None:
        for buried in self._jails.values():
            if buried.job == job:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(buried.pid, signal.SIGKILL)

    def _bury(self, descriptor: int) -> None:
        """Reaps a dead jail; the kernel has already killed everything in it."""
        buried = self._jails.pop(descriptor)
        self._poll.unregister(descriptor)
        os.close(descriptor)
        os.waitpid(buried.pid, 0)
        self._confinement.sweep(buried.slot)
        buried.group.remove()
        self._free_slots.append(buried.slot)
        self._tell({"op": "ended", "id": buried.job})

    def _tell(self, message: dict[str, Any]) -> None:
        # The server may be gone; the next read on the control socket says so.
        with contextlib.suppress(ConnectionError):
            self._control.send(json.dumps(message).encode())

    def _end(self) -> None:
        for buried in self._jails.values():
            os.kill(buried.pid, signal.SIGKILL)
        for descriptor in list(self._jails):
            self._bury(descriptor)
        self._confinement.leave()
        for _ in range(_STALE_ATTEMPTS):
            if cgroups.remove_stale(self._hierarchy, self._config.family):
                return
            time.sleep(_STALE_PAUSE_SECONDS)


@dataclass(frozen=True)
class _Buried:
    job: int
    pid: int
    slot: int
    group: Any


def warm(config: LauncherConfig) -> None:
    """Imports what forks will need, while the file system still shows it."""
    for name in (*WARM_MODULES, *_WARM_CODECS):
        importlib.import_module(name)
    if config.preload:
        sys.path[:0] = config.python_path
        module = importlib.import_module(config.preload)
        module.warm_up()
    python_runner.prepare()
    gc.disable()  # a collection would touch, and so copy, what forks share; programs get it back
    gc.collect()
    gc.freeze()
    syscalls.give_back_free_heap()


def ensure_stack() -> None:
    """Re-executes once with a large stack limit: the memory layout is fixed at exec."""
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = STACK_BYTES if hard == resource.RLIM_INFINITY else min(STACK_BYTES, hard)
    if soft == resource.RLIM_INFINITY or soft < wanted:
        resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - ourselves, once


def start(text: str) -> None:
    """Runs a launcher to its end. In a forked test this raises `sandbox.jail.Become`."""
    config = read_config(text)
    ensure_stack()
    os.environ.pop("LD_BIND_NOW", None)  # it has had its effect, and no program need know
    syscalls.set_thread_stack_bytes(THREAD_STACK_BYTES)
    # No parent-death signal: the end of the control socket says that the server is gone, and then there are
    # jails to bury and groups to remove.
    confinement = backends.confinement(config.isolation, _uid_base(config), config.family)
    warm(config)
    launcher = Launcher(config, confinement)
    launcher.prepare()
    launcher.serve()


def _uid_base(config: LauncherConfig) -> int:
    """Without control groups the processes of a uid are limited, which others' containers may use too."""
    return config.uid_base if config.cgroup_version else uids.first_uid(os.getpid())


def main() -> None:
    """Entry of the launcher process, and of every program that one of its forks becomes."""
    try:
        start(sys.argv[1])
    except template.Become as become:
        program = become.brief
        _KEPT.append(become)  # with its frames: to free what they hold would touch, and so copy, shared pages
    except BaseException:  # noqa: BLE001 - the log must say why there is no launcher
        traceback.print_exc()
        os._exit(1)
    else:
        os._exit(0)
    python_runner.execute(program)
