"""The first process of a `docker` jail's container, which is the jail's supervisor.

The supervisor, the runner and the frames are those of the other backends; only here the server's socket is
the container's standard input and output. The container is used once: when the server lets go of its
input the supervisor ends, and with it, as pid 1, the container.

    python -m sandbox.container_init '{"preload": "", "python_path": []}'
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from functools import partial
from typing import cast

from sandbox import jail, launcher, python_runner, rlimits, seccomp, template, trees, uids
from sandbox import syscalls as sys_
from sandbox.cgroups import Group, Hierarchy
from sandbox.confinement import Places, Step
from sandbox.types import Limits

# What `sandbox.containers` mounts, each an empty tmpfs.
PLACES = Places(work="/work", temporary="/tmp", box="/box")  # noqa: S108 - the container's own
SCRATCH = ("/work", "/tmp", "/box")  # noqa: S108
_SHARED_MEMORY = "/dev/shm"  # noqa: S108
_OUT_OF_THE_WAY = 10
_CGROUP = "/sys/fs/cgroup"
_COUNTABLE_FILTER = seccomp.build_countable_filter()


class Container:
    """Implements `sandbox.confinement.Confinement` where a container is the jail already."""

    name = "docker"
    watch_seconds = math.inf
    templates_confined = True

    def __init__(self) -> None:
        self._uid = uids.first_uid(os.getpid())

    def enter(self, binds: Sequence[str]) -> None:
        """The engine has made everything."""

    def leave(self) -> None:
        """The engine removes everything."""

    def fork_init(self) -> int:
        """The container's first process is the supervisor: nothing is forked."""
        return 0

    def uid_of(self, slot: int) -> int:
        """One uid: a container is used by one submission."""
        return self._uid

    def sweep(self, slot: int) -> None:
        """The container ends with its first process."""

    def isolate(self, slot: int) -> Places:
        """What the engine leaves to do: the deny list, and a supervisor that cannot be looked into."""
        sys_.prctl(sys_.PR_SET_DUMPABLE, 0)
        sys_.prctl(sys_.PR_SET_NO_NEW_PRIVS, 1)
        sys_.install_seccomp(seccomp.build_filter())
        return PLACES

    def mount_scratch(self, limits: Limits) -> None:
        """The engine has mounted them; they become the program's."""
        for path in (PLACES.work, PLACES.temporary):
            os.chown(path, self._uid, -1)

    def renew_scratch(self, limits: Limits) -> bool:
        """Empties the writable places; `box` stays."""
        for path in (PLACES.work, PLACES.temporary, _SHARED_MEMORY):
            trees.empty(path)
        return False

    def scratch_bytes(self, limits: Limits) -> int:
        """All of it is tmpfs, which the kernel counts as memory."""
        return 0

    def restrict_all_runs(self, limits: Limits) -> None:
        """What runs inherit; the supervisor gives up its group, not its rights over the runs."""
        rlimits.limit_all_runs(limits)
        os.setgroups([])
        os.setresgid(self._uid, self._uid, self._uid)

    def processes(self) -> list[int]:
        """Everything in the container but its first process."""
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]

    def kill_all(self) -> None:
        """From pid 1 this reaches every process of the container and never this one."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)

    def confining(self, limits: Limits, *, has_memory_group: bool, has_process_group: bool) -> Sequence[Step]:
        """Of a forked run, last before the program: its limits, and no privilege left."""
        return (
            *rlimits.limiting_run(
                memory_bytes=None if has_memory_group else limits.memory_bytes,
                processes=None if has_process_group else limits.processes,
            ),
            partial(os.setresuid, self._uid, self._uid, self._uid),
            *(() if has_memory_group else (partial(sys_.install_seccomp, _COUNTABLE_FILTER),)),
            sys_.becoming_dumpable(),
        )


class EnginesGroup(Group):
    """The container's own control group, as far as it can be read from inside; the engine sets its limits."""

    def __init__(self) -> None:
        version = 2 if os.path.exists(f"{_CGROUP}/cgroup.controllers") else 1
        super().__init__(Hierarchy(0), "")
        self._version = version
        names = ("memory", "pids", "cpuacct") if version == 1 else ("all",)
        self._places = {name: (_CGROUP if version == 2 else f"{_CGROUP}/{name}", None) for name in names}

    def join(self) -> None:
        """Everything in the container is inside from its birth."""

    def join_programs(self) -> None:
        """Neither is anything moved."""

    @property
    def our_processes(self) -> int:
        """Supervisor and template."""
        return 2

    def remove(self) -> None:
        """The engine's."""

    def _open(self, controller: str, name: str, file: str, flags: int) -> None:
        if name != "peak":  # it cannot be reset from inside, and so says nothing about one run
            super()._open(controller, name, file, os.O_RDONLY)

    def limit_memory(self, memory_bytes: int) -> bool:
        """The engine has set it."""
        return self.limits_memory

    def limit_processes(self, count: int) -> bool:
        """The engine has set it."""
        return self.limits_processes


class StandardStreams:
    """The container's standard input and output, as far as a jail uses a socket."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing

    def fileno(self) -> int:
        """What to poll: it ends when the server lets go."""
        return self._reading

    def recv_into(self, buffer: memoryview) -> int:
        """As a socket's."""
        return os.readv(self._reading, [buffer])

    def sendall(self, data: bytes) -> None:
        """As a socket's; raises BrokenPipeError, a ConnectionError, once the server is gone."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._writing, view) :]

    def close(self) -> None:
        """Closes both, in a forked worker."""
        os.close(self._reading)
        os.close(self._writing)

    def detach(self) -> int:
        """A forked run has closed both already."""
        return self._reading


def main() -> None:
    """Entry of the container, and of every program that a fork of it becomes."""
    try:
        _start(sys.argv[1])
    except template.Become as become:
        program = become.brief
        launcher._KEPT.append(become)
    except BaseException:  # noqa: BLE001 - the engine's log must say why there is no jail
        traceback.print_exc()
        os._exit(1)
    else:
        os._exit(0)
    python_runner.execute(program)


def _start(text: str) -> None:
    _without_site(text)
    launcher.ensure_stack()
    options = json.loads(text)
    config = launcher.LauncherConfig(
        control=-1,
        isolation="docker",
        family="",
        generation=0,
        slots=1,
        python_path=tuple(options["python_path"]),
        preload=options["preload"],
    )
    sys_.set_thread_stack_bytes(launcher.THREAD_STACK_BYTES)
    launcher.warm(config)
    streams = _take_streams()
    streams.sendall(b"\x00")  # everything is imported: the container is ready
    handler = sys.modules[config.preload].handle if config.preload else None
    jail.Jail(cast(socket.socket, streams), EnginesGroup(), Container(), 0, handler).live()


def _without_site(text: str) -> None:
    """Starts again without site-packages on the path, as programs expect it; workers get it by name."""
    if sys.flags.no_site:
        return
    options = json.loads(text)
    options["python_path"] = [path for path in sys.path if path and os.path.isdir(path)]
    parent = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    program = f"import sys; sys.path[0] = {parent!r}; from sandbox.container_init import main; main()"
    os.execv(  # noqa: S606 - ourselves, once
        os.path.realpath(sys.executable), ["python3", "-s", "-S", "-c", program, json.dumps(options)]
    )


def _take_streams() -> StandardStreams:
    """Moves the container's standard input and output away from where a program's will be."""
    import fcntl

    reading, writing = (fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY) for number in (0, 1))
    null = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1):
        os.dup2(null, number)
    os.close(null)
    return StandardStreams(reading, writing)


if __name__ == "__main__":
    main()
