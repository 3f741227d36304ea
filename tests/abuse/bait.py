"""What abuse programs try to reach: planted outside the jails, worthless, and watched."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SLEEP = "import sys, time; print('up', flush=True); time.sleep(100000)"


@dataclass(frozen=True)
class Bait:
    """The planted things; `words` are the placeholders that programs name them by."""

    secret: str
    words: dict[str, str]
    process: subprocess.Popen[bytes]
    listeners: tuple[socket.socket, ...]
    directory: Path
    writable: Path

    def fill(self, source: str) -> str:
        """The source with its placeholders replaced."""
        for name, value in self.words.items():
            source = source.replace(f"@{name}@", value)
        return source

    def touched(self) -> list[str]:
        """What has been reached, in words; empty if nothing."""
        found = []
        if self.process.poll() is not None:
            found.append("the process outside was killed")
        if _is_stopped(self.process.pid):
            found.append("the process outside was stopped")
        found += [
            f"{listener.getsockname()!r} heard something" for listener in self.listeners if _heard(listener)
        ]
        if self.writable.read_text() != "untouched":
            found.append("a file outside was written")
        if sorted(os.listdir(self.directory)) != ["secret.h", "secret.txt", "writable"]:
            found.append("a file outside was made or removed")
        return found


def _is_stopped(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "Tt"
    except OSError:
        return False


def _heard(listener: socket.socket) -> bool:
    try:
        if listener.type == socket.SOCK_STREAM:
            listener.accept()[0].close()
        else:
            listener.recv(1)
    except BlockingIOError:
        return False
    return True


def _listen() -> tuple[socket.socket, ...]:
    stream = socket.create_server(("127.0.0.1", 0))
    datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagram.bind(("127.0.0.1", 0))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0bait-{secrets.token_hex(4)}")
    abstract.listen()
    abstract_datagram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    abstract_datagram.bind(f"\0bait-{secrets.token_hex(4)}")
    found = (stream, datagram, abstract, abstract_datagram)
    for listener in found:
        listener.setblocking(False)
    return found


@contextlib.contextmanager
def planted() -> Iterator[Bait]:
    """Plants the bait, and takes it away."""
    secret = f"bait{secrets.token_hex(8)}"
    environment = {**os.environ, "BAIT": secret}
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="bait-") as name, contextlib.ExitStack() as stack:
        directory = Path(name)
        directory.chmod(0o755)
        for file, text in (
            ("secret.txt", secret),
            ("secret.h", f"int {secret} = @;\n"),
            ("writable", "untouched"),
        ):
            (directory / file).write_text(text)
            (directory / file).chmod(0o666)
        process = subprocess.Popen(
            [sys.executable, "-c", _SLEEP, secret], env=environment, stdout=subprocess.PIPE, cwd=name
        )
        stack.callback(_end, process)
        assert process.stdout is not None
        process.stdout.readline()
        listeners = tuple(stack.enter_context(listener) for listener in _listen())
        words = {
            "SECRET_FILE": f"{name}/secret.txt",
            "SECRET_HEADER": f"{name}/secret.h",
            "WRITABLE_FILE": f"{name}/writable",
            "BAIT_DIRECTORY": name,
            "BAIT_PID": str(process.pid),
            "SERVER_PID": str(os.getpid()),
            "PORT": str(listeners[0].getsockname()[1]),
            "UDP_PORT": str(listeners[1].getsockname()[1]),
            "ABSTRACT": listeners[2].getsockname()[1:].decode(),
            "ABSTRACT_DATAGRAM": listeners[3].getsockname()[1:].decode(),
            "REPOSITORY": str(Path(__file__).parents[2]),
            "TAG": secrets.token_hex(4),
        }
        yield Bait(secret, words, process, listeners, directory, directory / "writable")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
