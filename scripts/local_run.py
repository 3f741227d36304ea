"""Runs the reward server and the trainer beside each other on this machine, and stops both.

`scripts/run` calls it from the installed environment. It makes itself the reaper of
every descendant (Linux child subreaper), so that what a dead server would orphan
comes back here, is ended, and is counted: "nothing left running" is checked, not hoped.

Standard library only, and nothing of ours is imported: both are used as commands.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

READY_SECONDS = 120.0  # from the start to /ready; the very first start precompiles a C++ header
STOP_SECONDS = 40.0  # more than the server's own drain takes (`drain_seconds`, 30 by default)
PREFERRED_PORTS = {"http": 8080, "grpc": 50051}
RUNS = Path("runs")
_PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>


class CannotGoOn(Exception):
    """A step failed; the message is for the person at the terminal."""


class Stopped(BaseException):
    """SIGTERM or SIGHUP came; like KeyboardInterrupt, no `except Exception` may swallow it."""


def step(text: str) -> None:
    """Says what comes next, before it is done."""
    print(f"==> {text}", flush=True)


def main(arguments: Sequence[str]) -> int:
    """Server up, trainer through, both down. Returns the trainer's exit status, 130 after Ctrl-C."""
    adopt_orphans()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell's `&` had it ignored
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _raise_stopped)
    trainer, arguments = choose_trainer(arguments)
    folder, arguments = choose_run_folder(arguments, RUNS)
    try:
        with reward_server(folder) as grpc_address:
            status = train(trainer, grpc_address, arguments)
    except CannotGoOn as error:
        print(f"\ncannot go on: {error}", file=sys.stderr)
        status = 1
    except (KeyboardInterrupt, Stopped):
        print("\nstopped; `scripts/run -- --resume` goes on from the newest checkpoint", file=sys.stderr)
        status = 130
    finally:
        left_over = end_descendants()
    if left_over:
        print(f"ended {left_over} process(es) that the server had left over", file=sys.stderr)
    print(f"run folder: {folder}")
    return status


def choose_trainer(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The trainer's command, another environment's where `--trainer PATH` comes first, and what is left."""
    if arguments[:1] == ["--trainer"]:
        return arguments[1], list(arguments[2:])
    return _command("trainer_client"), list(arguments)


def choose_run_folder(arguments: Sequence[str], runs: Path) -> tuple[Path, list[str]]:
    """The run's folder, and the trainer's arguments with `--out` in them.

    Without `--out` it is a new folder named by the date; with `--resume` alone, the newest one.
    """
    chosen = list(arguments)
    for index, argument in enumerate(chosen):
        if argument == "--out" and index + 1 < len(chosen):
            return Path(chosen[index + 1]), chosen
        if argument.startswith("--out="):
            return Path(argument.removeprefix("--out=")), chosen
    earlier = sorted(runs.glob("*/recipe.toml"), key=lambda path: path.stat().st_mtime_ns)
    resumed = "--resume" in chosen and earlier
    folder = earlier[-1].parent if resumed else runs / time.strftime("%Y%m%d-%H%M%S")
    return folder, [*chosen, "--out", str(folder)]


@contextlib.contextmanager
def reward_server(folder: Path) -> Iterator[str]:
    """Starts the server and waits until it is ready; yields its gRPC address. Raises CannotGoOn."""
    http, grpc = (f"127.0.0.1:{free_port(port)}" for port in PREFERRED_PORTS.values())
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "server.log"
    step(f"starting the reward server on {http} (HTTP) and {grpc} (gRPC), log in {log}")
    with log.open("ab") as output:
        process = subprocess.Popen(
            [_command("reward-server"), "serve", "--http", http, "--grpc", grpc],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,  # a terminal's Ctrl-C reaches only this process, which stops both in order
        )
    try:
        wait_until_ready(process, f"http://{http}/ready", log)
        yield grpc
    finally:
        stop_server(process)


def wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Returns once `url` answers 200. Raises CannotGoOn, with the log's end, when the server cannot."""
    deadline = time.monotonic() + READY_SECONDS
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by way of http_proxy
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with direct.open(url, timeout=2):
                return
        except OSError:  # refused, or 503 until it is warm
            time.sleep(0.1)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
    state = "is not ready yet" if process.returncode is None else f"ended with status {process.returncode}"
    raise CannotGoOn(f"the reward server {state}. The end of {log}:\n\n{tail}")


def train(trainer_command: str, grpc_address: str, arguments: Sequence[str]) -> int:
    """Runs the trainer until it ends and returns its exit status; a stop is handed on as SIGINT."""
    command = [trainer_command, "run", "--server", grpc_address, *arguments]
    step(f"training: {' '.join(command)}")
    trainer = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    try:
        return trainer.wait()
    except (KeyboardInterrupt, Stopped):
        trainer.send_signal(signal.SIGINT)
        _wait_or_kill(trainer)
        raise


def stop_server(process: subprocess.Popen[bytes]) -> None:
    """Asks the server to drain and waits for its end."""
    if process.poll() is None:
        step("stopping the reward server")
        process.terminate()
        _wait_or_kill(process)


def _wait_or_kill(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt, Stopped):  # too slow, or a second Ctrl-C
        process.kill()
        process.wait()


def adopt_orphans() -> None:
    """Makes this process the parent of every descendant whose own parent dies."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants() -> int:
    """Kills and reaps whatever still descends from this process; returns how many were alive."""
    killed: set[int] = set()
    while children := _living_children():
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        killed |= children
        for pid in children:
            os.waitpid(pid, 0)  # its own children are ours from now on: the next round ends them
    return len(killed)


def _living_children() -> set[int]:
    with contextlib.suppress(ChildProcessError):  # none at all
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass  # dead already, only reaped
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


def free_port(preferred: int) -> int:
    """`preferred` where nothing listens on it, else a port that the kernel chooses."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise CannotGoOn("no free port on 127.0.0.1")


def _command(name: str) -> str:
    """The command that was installed beside the interpreter that runs this file."""
    return str(Path(sys.executable).parent / name)


def _raise_stopped(_number: int, _frame: FrameType | None) -> None:
    raise Stopped


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
