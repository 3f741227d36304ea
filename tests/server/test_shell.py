"""`reward-server shell`, as a person at a terminal and as a script use it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

from tests.leaks import descendants, holdings

COMMAND = [sys.executable, "-m", "server", "shell"]


def test_a_script_on_standard_input_runs_in_the_jail_and_its_status_comes_back(repository: Path) -> None:
    script = b"echo uid=$(id -u); ls; cat main.py; exit 3\n"
    done = subprocess.run(
        [*COMMAND, "python"], input=script, capture_output=True, cwd=repository, timeout=120, check=False
    )
    assert done.returncode == 3, done.stderr
    assert b"uid=0" not in done.stdout.replace(b"uid=$", b"")
    assert b'print("hello")' in done.stdout


def test_the_end_of_input_ends_the_shell(repository: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "python"], input=b"", capture_output=True, cwd=repository, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_keys_go_through_a_terminal_and_it_is_left_as_it_was(repository: Path) -> None:
    import termios

    near, far = pty.openpty()
    before = termios.tcgetattr(far)
    process = subprocess.Popen([*COMMAND, "python"], stdin=far, stdout=far, stderr=far, cwd=repository)
    seen = b""
    while b"jail:" not in seen:
        seen += os.read(near, 4096)
    os.write(near, b"sleep 600\r")
    while b"sleep 600\r\n" not in seen:
        seen += os.read(near, 4096)
    while not _sleeps(process.pid):
        time.sleep(0.05)
    while _sleeps(process.pid):  # until it has the terminal to itself the key goes to the shell
        os.write(near, b"\x03")
        time.sleep(0.2)
    os.write(near, b"exit 5\r")  # Ctrl-C has ended the sleep, not the shell and not the server
    assert process.wait(60) == 5
    assert termios.tcgetattr(far) == before
    os.close(near)
    os.close(far)


def _sleeps(root: int) -> bool:
    return any(_command(pid) == b"sleep\x00600\x00" for pid in descendants(root))


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""  # it ended while we looked


def test_nothing_is_left_behind(repository: Path) -> None:
    before = holdings()
    script = b"sleep 600 & touch left\nexit\n"
    subprocess.run(
        [*COMMAND, "python"], input=script, capture_output=True, cwd=repository, timeout=120, check=False
    )
    assert holdings() == before


def test_an_unknown_language_is_a_usage_error(repository: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "cobol"], input=b"", capture_output=True, cwd=repository, timeout=120, check=False
    )
    assert done.returncode == 2
    assert b"cobol" in done.stderr
