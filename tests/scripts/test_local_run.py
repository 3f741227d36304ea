"""scripts/local_run.py, run as a program between a stand-in server and a stand-in trainer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

LOCAL_RUN = Path(__file__).parents[2] / "scripts" / "local_run.py"

# Not ready at first, then ready; leaves a process of another session behind, as a broken server might.
SERVER = """
import http.server, os, pathlib, subprocess, sys
argument = dict(zip(sys.argv[2::2], sys.argv[3::2]))
host, port = argument["--http"].split(":")
orphan = subprocess.Popen(["sleep", "1000"], start_new_session=True)
pathlib.Path("pids").write_text(f"{os.getpid()} {orphan.pid}")
asked = []
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
        self.send_response(200 if len(asked) > 2 else 503)
        self.end_headers()
http.server.HTTPServer((host, int(port)), Ready).serve_forever()
"""
DYING_SERVER = "raise SystemExit('no isolation here: run doctor')"
TRAINER = (
    "import pathlib, sys; pathlib.Path('arguments').write_text(' '.join(sys.argv[1:])); raise SystemExit(3)"
)
SLOW_TRAINER = """
import pathlib, time
pathlib.Path("training").touch()
try:
    time.sleep(1000)
except KeyboardInterrupt:
    pathlib.Path("checkpoint").touch()
"""

Prepare = Callable[[str, str], list[str]]


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    """Writes the two stand-ins beside a link to the interpreter; returns local_run's command line."""

    def write(server: str, trainer: str) -> list[str]:
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "python").symlink_to(os.path.realpath(sys.executable))
        for name, text in (("reward-server", server), ("trainer_client", trainer)):
            (folder / name).write_text(f"#!{os.path.realpath(sys.executable)}\n{text}")
            (folder / name).chmod(0o755)
        return [str(folder / "python"), str(LOCAL_RUN)]

    return write


def run(command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pids_of_server(cwd: Path) -> list[int]:
    return [int(pid) for pid in (cwd / "pids").read_text().split()]


def test_trainer_gets_server_address_and_its_status_is_returned(prepare: Prepare, tmp_path: Path) -> None:
    done = run([*prepare(SERVER, TRAINER), "my.toml", "--out", "runs/mine"], tmp_path)
    assert done.returncode == 3
    words = (tmp_path / "arguments").read_text().split()
    assert words[:2] == ["run", "--server"]
    assert words[2].startswith("127.0.0.1:")
    assert words[3:] == ["my.toml", "--out", "runs/mine"]
    assert done.stdout.splitlines()[-1] == "run folder: runs/mine"


def test_each_step_is_announced_in_order(prepare: Prepare, tmp_path: Path) -> None:
    steps = [
        line for line in run(prepare(SERVER, TRAINER), tmp_path).stdout.splitlines() if line[:3] == "==>"
    ]
    assert [step.split()[1] for step in steps] == ["starting", "training:", "stopping"]


def test_nothing_is_left_over_not_even_an_orphan_in_its_own_session(prepare: Prepare, tmp_path: Path) -> None:
    done = run(prepare(SERVER, TRAINER), tmp_path)
    assert [pid for pid in pids_of_server(tmp_path) if alive(pid)] == []
    assert "ended 1 process(es) that the server had left over" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_lets_the_trainer_save_and_leaves_nothing(
    prepare: Prepare, tmp_path: Path, number: signal.Signals
) -> None:
    # A shell that runs it with `&` hands it an ignored SIGINT.
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *prepare(SERVER, SLOW_TRAINER)]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        while not (tmp_path / "training").exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        output = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert (tmp_path / "checkpoint").exists()
    assert b"--resume" in output
    assert [pid for pid in pids_of_server(tmp_path) if alive(pid)] == []


def test_a_server_that_dies_is_shown_with_its_log(prepare: Prepare, tmp_path: Path) -> None:
    done = run(prepare(DYING_SERVER, TRAINER), tmp_path)
    assert done.returncode == 1
    assert "no isolation here: run doctor" in done.stderr
    assert not (tmp_path / "arguments").exists()


def test_resume_alone_takes_the_newest_run(prepare: Prepare, tmp_path: Path) -> None:
    for age, name in enumerate(("newest", "older", "oldest")):
        recipe = tmp_path / "runs" / name / "recipe.toml"
        recipe.parent.mkdir(parents=True)
        recipe.touch()
        os.utime(recipe, (1e9 - age, 1e9 - age))
    run([*prepare(SERVER, TRAINER), "--resume"], tmp_path)
    assert (tmp_path / "arguments").read_text().endswith("--resume --out runs/newest")


def test_a_run_without_out_gets_a_folder_of_its_own(prepare: Prepare, tmp_path: Path) -> None:
    done = run(prepare(SERVER, TRAINER), tmp_path)
    folder = tmp_path / done.stdout.splitlines()[-1].removeprefix("run folder: ")
    assert folder.parent == tmp_path / "runs"
    assert (folder / "server.log").exists()
