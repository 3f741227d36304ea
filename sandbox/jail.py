"""The first process of a jail: takes a job from its socket and supervises its runs.

It runs our code only, under another uid than the program, and is out of the
program's reach: no signal, no ptrace, no /proc entry. Each run is one fork. The
end of the job's socket ends this process, and the kernel then kills every
process of the jail.
"""

from __future__ import annotations

import os
import signal
import socket
import stat
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from sandbox import frames, supervise
from sandbox import syscalls as sys_
from sandbox.cgroups import Group
from sandbox.confinement import Confinement, Places
from sandbox.frames import Frame
from sandbox.types import Limits, Mode
from sandbox.worker_jail import WorkerSupervisor

Handler = Callable[[bytes], bytes]


class Jail:
    """A jail's init: `live()` never returns in it."""

    def __init__(
        self,
        connection: socket.socket,
        group: Group,
        confinement: Confinement,
        slot: int,
        handler: Handler | None,
    ) -> None:
        self._connection = connection
        self._group = group
        self._confinement = confinement
        self._slot = slot
        self._uid = confinement.uid_of(slot)
        self._places = Places("", "", "")
        self._handler = handler
        self._limits = Limits()
        self._job: dict[str, Any] = {}
        self._source = b""
        self._code: bytes | None = None  # the compiled Python program, from the first run's parser

    def live(self) -> NoReturn:
        """Sets the jail up and serves its job. In a forked test it raises `supervise.Become`."""
        try:
            self._set_up()
            while (frame := frames.receive(self._connection)) is not None:
                self._answer(frame)
        except supervise.Become:
            self._connection.detach()  # closed already; its number may soon be the program's
            raise
        except ConnectionError:
            pass  # the server let go of this job: nobody is left to tell
        except BaseException:  # noqa: BLE001 - whatever it is, the server must see a lost jail, not a stuck one
            traceback.print_exc()
            os._exit(70)
        os._exit(0)

    def _set_up(self) -> None:
        sys_.prctl(sys_.PR_SET_PDEATHSIG, signal.SIGKILL)
        supervise.reserve_program_descriptors()
        self._group.open_files()
        self._group.join()
        self._places = self._confinement.isolate(self._slot, self._group.mount_points)

    def _answer(self, frame: Frame) -> None:
        operation = frame.header["op"]
        reply = getattr(self, f"_do_{operation}")(frame)
        self._connection.sendall(frames.pack(reply))

    def _do_open(self, frame: Frame) -> Frame:
        """Takes the limits and the artefact."""
        self._job = frame.header
        self._limits = Limits(**frame.header["limits"])
        self._confinement.mount_scratch(self._limits)
        if self._job["kind"] == "python":
            self._source = frame.blobs[0]
            _write(self._places.script, self._source, 0o644)
        elif frame.blobs:
            _write(self._places.executable, frame.blobs[0], 0o755)
        self._confinement.restrict_all_runs(self._limits)
        supervise.limit_group(self._group, self._limits)
        return Frame({"ok": True})

    def _do_put(self, frame: Frame) -> Frame:
        """Places files in the working directory, owned by the program."""
        for name, content in zip(frame.header["paths"], frame.blobs, strict=True):
            path = f"{self._places.work}/{name}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _write(path, content, 0o644)
            while path != self._places.work:
                os.chown(path, self._uid, -1, follow_symlinks=False)
                path = os.path.dirname(path)
        return Frame({"ok": True})

    def _do_reset(self, frame: Frame) -> Frame:
        """Clean scratch places, as in a fresh jail."""
        self._confinement.renew_scratch(self._limits)
        return Frame({"ok": True})

    def _do_fetch(self, frame: Frame) -> Frame:
        """Reads regular files back; what is missing, a link or too large is left out."""
        found, blobs = [], []
        for name in frame.header["paths"]:
            content = _read_regular(self._places.work, name, frame.header["max_bytes"])
            if content is not None:
                found.append(name)
                blobs.append(content)
        return Frame({"paths": found}, blobs)

    def _do_run(self, frame: Frame) -> Frame:
        """One run of the program: a fork, supervised to its end."""
        if not frame.header.get("keep_files"):
            self._confinement.renew_scratch(self._limits)
        order = supervise.Order(
            kind=self._job["kind"],
            mode=Mode(self._job["mode"]),
            function=self._job.get("function", ""),
            argv=self._argv(frame.header["command"], frame.header["arguments"]),
            environment=frame.header.get("environment", {}),
            places=self._places,
            stdin=frame.blobs[0],
            call=frame.blobs[1],
            setup=self._job.get("setup", "").encode("utf-8", "surrogatepass"),
            source=self._source,
            tests=self._job.get("tests", "").encode("utf-8", "surrogatepass"),
            code=self._code,
        )
        run = supervise.run(order, self._limits, self._group, self._confinement, self._connection)
        self._code = self._code or run.code
        return Frame(run.header(), (run.stdout, run.stderr, run.record or b""))

    def _argv(self, command: list[str], arguments: list[str]) -> list[str]:
        if command:
            return [*command, *arguments]
        return arguments if self._job["kind"] == "python" else [self._places.executable, *arguments]

    def _do_serve(self, frame: Frame) -> Frame:
        """Becomes a worker's supervisor: calls to the preloaded handler, each within its budget."""
        assert self._handler is not None
        self._limits = Limits(**frame.header["limits"])
        self._confinement.mount_scratch(self._limits)
        self._confinement.restrict_all_runs(self._limits)
        supervisor = WorkerSupervisor(
            self._connection, self._handler, self._limits, self._group, self._confinement
        )
        self._connection.sendall(frames.pack(Frame({"ok": True})))
        supervisor.serve()
        os._exit(0)


def _write(path: str, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _read_regular(directory: str, name: str, max_bytes: int) -> bytes | None:
    """Reads a file below `directory` without following any link on the way."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    try:
        for part in (parts := name.split("/")):
            flags = os.O_NOFOLLOW | (
                os.O_RDONLY | os.O_NONBLOCK if part is parts[-1] else os.O_PATH | os.O_DIRECTORY
            )
            following = os.open(part, flags, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = following
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > max_bytes:
            return None
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return file.read(max_bytes)
    except OSError:
        return None  # the program never made it, or made something else in its place
    finally:
        os.close(descriptor)
