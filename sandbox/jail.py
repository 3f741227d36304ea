"""The first process of a jail: takes a job from its socket and supervises its runs.

It runs our code only, under another uid than the program, and is out of the
program's reach: no signal, no ptrace, no /proc entry. Each run is one fork. The
end of the job's socket ends this process, and the kernel then kills every
process of the jail.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import stat
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from sandbox import conversation, frames, streams, supervise, template
from sandbox import syscalls as sys_
from sandbox.cgroups import Group
from sandbox.confinement import Confinement, Places
from sandbox.frames import Frame
from sandbox.repeating import RepeatingSupervisor
from sandbox.types import Limits, Mode, Outcome
from sandbox.worker_jail import WorkerSupervisor

_MOST_FETCHED_FILES = 4096
_MOST_FETCHED_LEVELS = 64
_MOST_FETCHED_PATH_BYTES = 2048  # in another place it has to be shorter than the kernel's limit, too
_MOST_FETCHED_BYTES = frames.MAX_FRAME_BYTES // 2  # in one answer
_FETCH_CHUNK_BYTES = 1 << 18
_ROUND_OUTPUT_BYTES = 1 << 18

Handler = Callable[[bytes], bytes]
# What whoever started the server had it ignore (a shell's `&`, nohup); two that Python ignores stay so.
_IGNORED = tuple(
    number
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}
    if signal.getsignal(number) is signal.SIG_IGN
)
_OTHERS_SIGNALS = signal.SIGKILL, signal.SIGTERM  # an out-of-memory killer's in user space, too


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
        self._supervisor: RepeatingSupervisor | None = None

    def live(self) -> NoReturn:
        """Sets the jail up and serves its job. In a forked template it raises `template.Become`."""
        try:
            self._set_up()
            while (frame := frames.receive(self._connection)) is not None:
                self._answer(frame)
            if self._supervisor is not None:
                self._supervisor.retire()
        except template.Become:
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
        for number in _IGNORED:
            usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, usual)
        streams.reserve_program_descriptors()
        self._group.open_files()
        self._group.join()
        self._group.let_go()
        self._places = self._confinement.isolate(self._slot)

    def _answer(self, frame: Frame) -> None:
        reply: Frame | None = getattr(self, f"_do_{frame.header['op']}")(frame)
        if reply is not None:
            self._connection.sendall(frames.pack(reply))

    def _do_open(self, frame: Frame) -> None:
        """Takes the limits and the artefact; says nothing, since the first question follows at once."""
        self._job = frame.header
        self._limits = Limits(**frame.header["limits"])
        self._confinement.mount_scratch(self._limits)
        if self._job["kind"] == "python":
            self._source = frame.blobs[0]
            _write(self._places.script, self._source, 0o644)
        for name, content in zip(self._job.get("files", ()), frame.blobs, strict=False):
            _write_below(self._places.box, name, content)
        self._confinement.restrict_all_runs(self._limits)
        supervise.limit_group(self._group, self._limits)

    def _do_put(self, frame: Frame) -> Frame:
        """Places files in the working directory, owned by the program."""
        try:
            self._place(frame)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            return Frame({"ok": False})
        return Frame({"ok": True})

    def _place(self, frame: Frame) -> None:
        for name, content in zip(frame.header["paths"], frame.blobs, strict=True):
            path = f"{self._places.work}/{name}"
            _make_directories(os.path.dirname(path))
            _write(path, content, 0o644)
            while path != self._places.work:
                os.chown(path, self._uid, -1, follow_symlinks=False)
                path = os.path.dirname(path)

    def _do_reset(self, frame: Frame) -> Frame:
        """Clean scratch places, as in a fresh jail."""
        self._clean()
        return Frame({"ok": True})

    def _clean(self) -> None:
        if self._confinement.renew_scratch(self._limits) and self._supervisor is not None:
            self._supervisor.move()

    def _do_fetch(self, frame: Frame) -> None:
        """Sends regular files back; what is missing, a link or too large is left out.

        They go as they are read: they may fill the memory of a container that this process is in too.
        """
        sizes = regular_files(self._places.work, frame.header["paths"], frame.header["max_bytes"])
        self._connection.sendall(frames.pack_head({"paths": list(sizes)}, tuple(sizes.values())))
        for path, size in sizes.items():
            self._send_file(path, size)

    def _send_file(self, path: str, size: int) -> None:
        descriptor = _open_below(self._places.work, path)
        try:
            while size > 0:
                chunk = os.read(descriptor, min(size, _FETCH_CHUNK_BYTES))
                if not chunk:
                    raise RuntimeError(f"{path} became shorter while nothing ran")
                self._connection.sendall(chunk)
                size -= len(chunk)
        finally:
            os.close(descriptor)

    def _do_converse(self, frame: Frame) -> Frame:
        """One run whose stdin and stdout are another program's."""
        return self._do_run(frame, conversation.receive(self._connection))

    def _do_run(self, frame: Frame, ends: conversation.Ends | None = None) -> Frame:
        """Runs, each a fork supervised to its end: the first case, and more while they go quickly."""
        header = frame.header
        runs: list[supervise.Run] = []
        until = time.monotonic() + header.get("seconds", 0.0)
        for case in zip(header["arguments"], frame.blobs[::2], frame.blobs[1::2], strict=True):
            run = self._run(header, case, ends, repeat=header.get("repeat", False))
            # Not in a conversation: who kills itself there when it has guessed wrong would guess again.
            if ends is None and _may_be_others_doing(run):
                run = self._run(header, case, None, repeat=False)
            runs.append(run)
            if time.monotonic() >= until or _is_enough(runs, header):
                break
        blobs = [blob for run in runs for blob in (run.stdout, run.stderr, run.record or b"")]
        return Frame({"runs": [run.header() for run in runs]}, blobs)

    def _run(
        self,
        header: dict[str, Any],
        case: tuple[Sequence[str], bytes, bytes],
        ends: conversation.Ends | None,
        *,
        repeat: bool,
    ) -> supervise.Run:
        if not header.get("keep_files"):
            self._clean()
        command, (arguments, stdin, call) = header.get("command", ()), case
        argv = tuple(self._argv(command, arguments)) if command or arguments else ()
        run = self._supervised().run(stdin, call, argv, ends, repeat=repeat)
        self._recognise_memory_limit(run)
        return run

    def _supervised(self) -> RepeatingSupervisor:
        """The supervisor of this jail's runs, made at the first."""
        if self._supervisor is None:
            job = template.Job(
                kind=self._job["kind"],
                mode=Mode(self._job["mode"]),
                function=self._job.get("function", ""),
                environment=self._job.get("environment", {}),
                places=self._places,
                setup=self._job.get("setup", "").encode("utf-8", "surrogatepass"),
                source=self._source,
                tests=self._job.get("tests", "").encode("utf-8", "surrogatepass"),
            )
            usual = tuple(self._argv((), ()))
            self._supervisor = RepeatingSupervisor(
                job, self._limits, self._group, self._confinement, self._connection, argv=usual
            )
        return self._supervisor

    def _recognise_memory_limit(self, run: supervise.Run) -> None:
        """A runtime that refuses its program more memory exits by itself, and says why."""
        signs = self._job.get("memory_signs", ())
        if run.outcome is Outcome.RUNTIME_ERROR and any(sign.encode() in run.stderr for sign in signs):
            run.outcome = Outcome.MEMORY_LIMIT

    def _argv(self, command: Sequence[str], arguments: Sequence[str]) -> list[str]:
        if command:
            return [*command, *arguments]
        command = [word.replace("{box}", self._places.box) for word in self._job.get("run_command", ())]
        return [*command, *arguments]

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


def _may_be_others_doing(run: supervise.Run) -> bool:
    """Whether somebody outside may have killed the program: what it does itself, it does again."""
    return run.outcome is Outcome.RUNTIME_ERROR and run.signal in _OTHERS_SIGNALS


def _is_enough(runs: Sequence[supervise.Run], header: dict[str, Any]) -> bool:
    """Whether a round ends with its last run: what came out fills memory, or tells enough."""
    outcome = runs[-1].outcome
    if outcome is Outcome.COMPILE_ERROR or (header.get("until_failure") and outcome is not Outcome.OK):
        return True
    kept_bytes = sum(len(run.stdout) + len(run.stderr) + len(run.record or b"") for run in runs)
    return kept_bytes > _ROUND_OUTPUT_BYTES


def _write(path: str, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _write_below(directory: str, name: str, content: bytes) -> None:
    """Places one of an artefact's files: readable and executable by the program, its own to nobody."""
    path = f"{directory}/{name}"
    if ".." in name.split("/"):
        raise ValueError(f"a path that leaves its directory: {name!r}")
    _make_directories(os.path.dirname(path))
    _write(path, content, 0o755)


def _make_directories(path: str) -> None:
    """As os.makedirs, which calls itself for every level of a path that a program's text may have named."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for directory in reversed(missing):
        if not os.path.isdir(directory):  # as `a/.` is by now
            os.mkdir(directory, 0o755)


def regular_files(
    directory: str, names: list[str], max_bytes: int, room_bytes: int = _MOST_FETCHED_BYTES
) -> dict[str, int]:
    """Sizes in bytes by path, each at most `max_bytes` and all together `room_bytes`; others are left out.

    `names` are files below `directory`, or with a slash at the end all files below one.
    """
    sizes: dict[str, int] = {}
    for name in names:
        for path in _files_below(directory, name) if name.endswith("/") else (name,):
            size = _size_of_regular(directory, path)
            if path not in sizes and size is not None and size <= min(max_bytes, room_bytes):
                sizes[path] = size
                room_bytes -= size  # that of files with holes is more than there is memory
    return sizes


def _files_below(directory: str, name: str) -> list[str]:
    """The paths of the files in a directory, relative as `name` is; links to directories are not followed.

    What lies so deep, or has so long a path, that no place could be sure to hold it is left out.
    """
    found: list[str] = []
    folders = [os.path.normpath(name)]
    while folders:
        for path, is_folder in _entries(directory, folders.pop()):
            if len(os.fsencode(path)) <= _MOST_FETCHED_PATH_BYTES and path.count("/") < _MOST_FETCHED_LEVELS:
                (folders if is_folder else found).append(path)
    return sorted(found)[:_MOST_FETCHED_FILES]


def _entries(directory: str, folder: str) -> list[tuple[str, bool]]:
    """The paths below `directory` of what is in a folder, and whether it is a folder; of none, nothing."""
    try:
        with os.scandir(f"{directory}/{folder}") as entries:
            return [
                (os.path.normpath(f"{folder}/{entry.name}"), entry.is_dir(follow_symlinks=False))
                for entry in entries
            ]
    except OSError:
        return []  # it is not there, or closed to us


def _size_of_regular(directory: str, name: str) -> int | None:
    """Bytes of a regular file below `directory`; None if there is none that can be read."""
    try:
        descriptor = _open_below(directory, name)
    except OSError:
        return None  # the program never made it, or made something else in its place
    try:
        status = os.fstat(descriptor)
        return status.st_size if stat.S_ISREG(status.st_mode) else None
    finally:
        os.close(descriptor)


def _open_below(directory: str, name: str) -> int:
    """Opens a file for reading without following any link on the way; raises OSError."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    for part in (parts := name.split("/")):
        flags = os.O_NOFOLLOW | (
            os.O_RDONLY | os.O_NONBLOCK if part is parts[-1] else os.O_PATH | os.O_DIRECTORY
        )
        try:
            following = os.open(part, flags, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = following
    return descriptor
