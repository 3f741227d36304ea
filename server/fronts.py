"""Several server processes on the same two ports: for machines with more cores than one event loop feeds.

Each front is a whole server with its part of the slots and of every budget; the kernel spreads connections
over them. This process only starts them, replaces one that dies, passes signals on and waits for the
last. What is kept by one front is not known to the others: a request sent again under its id over another
connection is judged again, and a test set is found through `test_sets_directory`, which they share.

A connection stays with its front: a client of one gRPC channel is served by one of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from sandbox import syscalls
from server.config import Settings, split_address
from server.errors import StartupError
from server.scratch import held_directory

_SERVING = re.compile(rb"serving http=\S+ grpc=\S+\n")
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0
_STAYED_SECONDS = 60.0  # a front that lived so long is replaced at once
# Each front gets its part, at least 1; a 0 that means something stays.
_DIVIDED = (
    "slots",
    "math_workers",
    "max_queue",
    "max_queue_cost",
    "max_queue_bytes",
    "max_connections",
    "run_slots",
    "lent_slots",
    "test_sets_bytes",
    "replay_bytes",
    "verdict_cache_bytes",
    "artefact_cache_bytes",
    "math_cache_bytes",
    "recent_verdicts_bytes",
)


def parts(settings: Settings) -> list[Settings]:
    """The fronts' own settings; raises StartupError for more fronts than slots."""
    count = settings.front_processes
    whole = replace(
        settings, slots=settings.effective_slots, math_workers=max(count, settings.effective_math_workers)
    )
    if whole.slots < count:
        raise StartupError(f"front_processes: {count} fronts need as many slots, and there are {whole.slots}")
    return [_part(whole, front, count) for front in range(count)]


def _part(whole: Settings, front: int, count: int) -> Settings:
    shares: dict[str, Any] = {name: _share(getattr(whole, name), front, count) for name in _DIVIDED}
    # A request that every front refuses for its size would be asked again for ever.
    shares["max_queue_bytes"] = max(shares["max_queue_bytes"], whole.request_bytes_ceiling)
    port = whole.front_port + front if whole.front_port else 0
    return replace(whole, **shares, front_processes=1, front_port=port, share_ports="on")


def _share(total: int, front: int, count: int) -> int:
    return max(1, total // count + (front < total % count)) if total else 0


def flags(settings: Settings) -> list[str]:
    """The command line that gives a process exactly these settings."""
    return [f"--{item.name.replace('_', '-')}={getattr(settings, item.name)}" for item in fields(settings)]


async def serve(settings: Settings) -> int:
    """Serves until a signal and every front has drained; the exit code of the first that could not start."""
    with _reserved(settings) as settled, _test_sets(settled) as (settled, locks):
        fronts = [_Front(number, part, locks) for number, part in enumerate(parts(settled))]
        stop = asyncio.Event()
        _pass_signals_on(fronts, stop, rereads=settings.has_files_to_reread)
        try:
            codes = await asyncio.gather(*(front.start(stop) for front in fronts))
            if stop.is_set():
                return 0
            if not any(codes):
                print(f"serving http={settled.http} grpc={settled.grpc}", flush=True)
                codes = await asyncio.gather(*(front.keep(stop) for front in fronts))
        finally:
            await asyncio.gather(*(front.end() for front in fronts))
    return next(filter(None, codes), 0)


def _pass_signals_on(fronts: Sequence[_Front], stop: asyncio.Event, *, rereads: bool) -> None:
    """As one server takes them: SIGHUP has files read again, or is a terminal's end, or is ignored."""

    def on_signal(number: int) -> None:
        if not (rereads and number == signal.SIGHUP):
            stop.set()
        for front in fronts:
            front.send(number)

    hangs_up = rereads or signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    for number in (signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hangs_up else [])):
        asyncio.get_running_loop().add_signal_handler(number, on_signal, number)


@contextlib.contextmanager
def _reserved(settings: Settings) -> Iterator[Settings]:
    """Holds both ports while the fronts come and go; of port 0 it makes the one that was found."""
    with contextlib.ExitStack() as stack:
        found: dict[str, Any] = {}
        for name in ("http", "grpc"):
            host, port = split_address(getattr(settings, name), name)
            holder = stack.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                holder.bind((host, port))  # who does not listen gets no connection
            except OSError as error:
                raise StartupError(f"{name}: cannot listen on {host}:{port}: {error.strerror}") from error
            shown = f"[{host}]" if ":" in host else host
            found[name] = f"{shown}:{holder.getsockname()[1]}"
        yield replace(settings, **found)


@contextlib.contextmanager
def _test_sets(settings: Settings) -> Iterator[tuple[Settings, tuple[int, ...]]]:
    """A directory for all fronts, and its locks: what one connection sends, another one names."""
    if settings.test_sets_directory not in ("", "none"):
        yield settings, ()
        return
    with contextlib.ExitStack() as stack:
        try:
            directory, lock = stack.enter_context(held_directory("reward-test-sets-"))
        except OSError as error:
            why = f"there is no temporary directory for the fronts to share: {error.strerror}"
            raise StartupError(f"test_sets_directory: {why}") from error
        budget_bytes = settings.test_sets_bytes
        found = replace(settings, test_sets_directory=str(directory), test_sets_disk_bytes=budget_bytes)
        yield found, (lock,)


@dataclass
class _Front:
    """One front, in one process after the other."""

    number: int
    settings: Settings
    locks: tuple[int, ...] = ()  # descriptors that it holds as long as it lives
    process: asyncio.subprocess.Process | None = None

    async def start(self, stop: asyncio.Event) -> int:
        """Starts it and waits until it serves: 0. The exit code of one that ended before, also by `stop`."""
        command = (sys.executable, "-m", "server.fronts", str(os.getpid()), "serve", *flags(self.settings))
        self.process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, start_new_session=True, pass_fds=self.locks
        )
        if stop.is_set():  # there was no process yet to pass the signal on to
            self.process.terminate()
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        return 0 if _SERVING.fullmatch(line) else await self.process.wait() or 1

    async def keep(self, stop: asyncio.Event) -> int:
        """Replaces the process whenever it dies, until `stop`; then waits for its end: its exit code."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            assert self.process is not None
            began = asyncio.get_running_loop().time()
            code = await self.process.wait()
            if stop.is_set():  # a front that was just starting ends by the signal itself
                return 0 if code == -signal.SIGTERM else code
            stayed = asyncio.get_running_loop().time() - began > _STAYED_SECONDS
            pause = _FIRST_PAUSE_SECONDS if stayed else min(2 * pause, _LONGEST_PAUSE_SECONDS)
            print(f"front {self.number} ended with {code}; another one in {pause:g} s", file=sys.stderr)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
            if stop.is_set():
                return 0
            await self.start(stop)

    def send(self, number: int) -> None:
        """Passes a signal on."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)

    async def end(self) -> None:
        """Ends what is still there, without a drain."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


def main() -> int:
    """A front: as `reward-server`, but it does not outlive the process that started it."""
    from server import cli

    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        return 1  # it was gone before
    return cli.main(sys.argv[2:])


if __name__ == "__main__":
    raise SystemExit(main())
