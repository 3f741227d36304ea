"""A directory that goes with the last process that uses it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from server.scratch import held_directory

HOLD = """
import signal, subprocess, sys
from server.scratch import held_directory
with held_directory("held-", sys.argv[1]) as (directory, lock):
    held = () if sys.argv[2] == "alone" else (lock,)
    front = subprocess.Popen(["sleep", "600"], pass_fds=held, stdout=subprocess.DEVNULL)
    print(directory, front.pid, flush=True)
    signal.pause()
"""


def killed(place: Path, how: str) -> tuple[Path, int]:
    """The directory of a process that was ended by SIGKILL, and the process that it leaves behind."""
    command = [sys.executable, "-c", HOLD, str(place), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        directory, front = process.stdout.readline().split()
        process.kill()
    return Path(directory), int(front)


def test_it_is_there_while_it_is_used_and_gone_afterwards(tmp_path: Path) -> None:
    with held_directory("held-", str(tmp_path)) as (directory, _):
        (directory / "file").write_text("x")
        with held_directory("held-", str(tmp_path)) as (other, _):
            assert other != directory
        assert (directory / "file").read_text() == "x"
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    left, front = killed(tmp_path, "alone")
    os.kill(front, signal.SIGKILL)
    assert left.is_dir()
    with held_directory("held-", str(tmp_path)):
        assert not left.exists()


def test_it_stays_while_a_process_that_was_given_it_lives(tmp_path: Path) -> None:
    left, front = killed(tmp_path, "shared")
    with held_directory("held-", str(tmp_path)):
        assert left.is_dir()
    os.kill(front, signal.SIGKILL)
    while Path(f"/proc/{front}/fd").exists() and _holds(front):
        pass
    with held_directory("held-", str(tmp_path)):
        assert not left.exists()


def _holds(pid: int) -> bool:
    try:
        return bool(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False


def test_links_and_files_of_that_name_are_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (tmp_path / "held-link").symlink_to(kept)
    (tmp_path / "held-file").write_text("x")
    with held_directory("held-", str(tmp_path)):
        assert kept.is_dir()
        assert (tmp_path / "held-file").read_text() == "x"
