"""Full load while jails, workers and launchers are killed and clients vanish: verdicts, and what is left.

    python -m bench.chaos [--minutes N] [--every SECONDS] [--seed N]

A real server, its caches of verdicts off or small, judges a pool of requests in quiet. Then the pool is
asked again and again, by single calls and by streams, while every few seconds a process of the server's is
killed with SIGKILL and clients over both transports leave in the middle. Victims are launchers, jails, their
templates (for most Python programs the process that all tests share), and whatever else runs in a jail, as
an out-of-memory killer in user space would choose. Whole jails are stopped for longer than their wall limit,
and shared processes for good. Each verdict must be the quiet run's; a fault of the service may cost an
attempt and never a reward. In the end there must be as many processes, descriptors, mounts, control groups
and files as before, and the server's memory within 5 % of what it was after a tenth of the time.

Prints a table for people and one JSON line last; exits with 1 if something differs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import grpc.aio

from bench.load import Known, Served, code_request, server
from protos.reward.v1 import reward_pb2 as pb
from sandbox.cgroups import PREFIX, probe
from sandbox.repeatable import is_repeatable
from tests.leaks import descendants
from trainer_client.client import AsyncRewardClient, Verdict
from trainer_client.retry import RetryPolicy

MOST_GROWTH = 0.05
CALLERS, STREAMERS, STREAM_LENGTH, LEAVERS = 12, 2, 24, 4
VERDICTS_BETWEEN_KILLS = 8
_PATIENCE = RetryPolicy(deadline_seconds=600.0, attempt_seconds=300.0, longest_wait_seconds=2.0)
_SETTLE_SECONDS = 60.0
_BURN = "end = time.process_time() + {:g}\nwhile time.process_time() < end: pass\nprint(int(input()) * 2)"
_SLOW = f"import time\n{_BURN.format(0.2)}"
_SHARED = f"import time\n{_BURN.format(0.02)}"  # short enough for all of its tests to share a process
_FORKED = f"import time, zlib\n{_BURN.format(0.02)}"  # zlib: no module of those whose programs share one
_EXECUTED = "read n; for ((i = 0; i < 5000; i++)); do :; done; echo $((n * 2))"
_REPLAY_BYTES = 2_000_000  # full after the warm-up: what memory grows by after that is not the verdicts kept
_WALL_SECONDS = 3.0
_FROZEN_SECONDS = 5.0

Judged = tuple[str, float | None, str, str]


def pool(size: int) -> list[Known]:
    """Programs that end at once or take 0.2 s, in one process or a fork for each test, and identities.

    The identities need computer algebra.
    """
    makers: Sequence[Callable[[int], Known]] = (
        code_request,
        partial(_program, _SLOW, 1),
        _identity,
        partial(_program, _SHARED, 10),
        partial(_program, _FORKED, 10),
        _identity,
        partial(_program, _EXECUTED, 5, language="bash"),
    )
    return [makers[n % len(makers)](n) for n in range(size)]


def _program(source: str, tests: int, number: int, language: str = "python") -> Known:
    """Half of them fail at their last test."""
    cases = [pb.StdioCase(input=f"{n}\n", output=f"{2 * n}\n") for n in range(tests)]
    cases[-1].output = f"{2 * tests - 2 + number // 6 % 2}\n"
    limits = pb.Limits(wall_seconds=_WALL_SECONDS)
    task = pb.CodeTask(language=language, stdio=pb.StdioTests(cases=cases), limits=limits)
    return Known(pb.VerifyRequest(completion=f"```{language}\n{source}  # {number}\n```", code=task), "")


def _identity(number: int) -> Known:
    text = f"</think> \\boxed{{2\\sin x\\cos x+{number + number % 3 // 2}}}"
    task = pb.MathTask(gold=[f"\\sin(2x)+{number}"])
    return Known(pb.VerifyRequest(completion=text, math=task), "")


def _named(request: pb.VerifyRequest, name: str) -> pb.VerifyRequest:
    named = pb.VerifyRequest()
    named.CopyFrom(request)
    named.id = name
    return named


def _judged(verdict: Verdict) -> Judged:
    tests = " ".join(f"{case.index}:{pb.Status.Name(case.status)}" for case in verdict.proto.code.cases)
    return verdict.status, verdict.reward, verdict.message, tests


@dataclass
class Report:
    """What happened."""

    verdicts: int = 0
    asked_again: int = 0  # attempts beyond the first
    vanished: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    left: dict[str, tuple[int, int]] = field(default_factory=dict)
    resident_growth: float = 0.0

    @property
    def clean(self) -> bool:
        """No wrong, lost or doubled verdict, and nothing left over; memory is judged by the caller."""
        return not self.wrong and not self.left


class Chaos:
    """One server under load, until `stop` is set."""

    def __init__(self, served: Served, requests: Sequence[pb.VerifyRequest], every: float, seed: int) -> None:
        self._served = served
        self._requests = requests
        self._every = every
        # Which request, which victim: repeatable, and nothing secret.
        self._random = random.Random(seed)
        self._quiet: list[Judged] = []
        self._stop = asyncio.Event()
        self.report = Report()

    async def quiet(self) -> None:
        """Judges the pool without disturbance; the first time this says what is right."""
        async with AsyncRewardClient(self._served.grpc, policy=_PATIENCE) as client:
            asked = [_named(request, str(n)) for n, request in enumerate(self._requests)]
            found = [_judged(verdict) for verdict in await asyncio.gather(*map(client.verify, asked))]
        self._quiet = self._quiet or found
        self.report.wrong += [f"{a} after {b}" for a, b in zip(found, self._quiet, strict=True) if a != b]

    async def run(self, seconds: float) -> None:
        """Load, kills and vanishing clients for so long, and until what was asked is answered."""
        self._stop.clear()
        async with (
            AsyncRewardClient(self._served.grpc, policy=_PATIENCE) as client,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(CALLERS):
                group.create_task(self._call(client))
            for _ in range(STREAMERS):
                group.create_task(self._stream(client))
            for leave in (self._leave_grpc, self._leave_http) * (LEAVERS // 2):
                group.create_task(self._repeat(leave))
            group.create_task(self._kill())
            await asyncio.sleep(seconds)
            self._stop.set()

    def _pick(self) -> tuple[int, pb.VerifyRequest]:
        number = self._random.randrange(len(self._requests))
        return number, _named(self._requests[number], f"{number}/{self._random.getrandbits(60):x}")

    def _picks(self, count: int) -> list[tuple[int, pb.VerifyRequest]]:
        return [self._pick() for _ in range(count)]

    async def _call(self, client: AsyncRewardClient) -> None:
        while not self._stop.is_set():
            number, request = self._pick()
            verdict = await client.verify(request)
            self._check(number, verdict, request.id)

    async def _stream(self, client: AsyncRewardClient) -> None:
        while not self._stop.is_set():
            asked = {request.id: (number, request) for number, request in self._picks(STREAM_LENGTH)}
            answers: Counter[str] = Counter()
            async for verdict in client.stream([request for _, request in asked.values()]):
                answers[verdict.id] += 1
                self._check(asked[verdict.id][0], verdict, verdict.id)
            self.report.wrong += [f"{name}: {answers[name]} answers" for name in asked if answers[name] != 1]

    def _check(self, number: int, verdict: Verdict, asked: str) -> None:
        self.report.verdicts += 1
        self.report.asked_again += verdict.attempts - 1
        found = _judged(verdict)
        if verdict.id != asked:
            self.report.wrong.append(f"{verdict.id} in the place of {asked}")
        if found != self._quiet[number]:
            self.report.wrong.append(f"request {number}: {found} and in quiet {self._quiet[number]}")

    async def _repeat(self, leave: Callable[[pb.VerifyRequest], Awaitable[None]]) -> None:
        while not self._stop.is_set():
            await leave(self._pick()[1])
            self.report.vanished += 1

    async def _leave_grpc(self, request: pb.VerifyRequest) -> None:
        async with grpc.aio.insecure_channel(self._served.grpc) as channel:
            call = channel.unary_unary(
                "/reward.v1.RewardService/Verify", pb.VerifyRequest.SerializeToString, pb.Verdict.FromString
            )(request)
            await asyncio.sleep(self._random.uniform(0, 0.3))
            call.cancel()

    async def _leave_http(self, request: pb.VerifyRequest) -> None:
        host, _, port = self._served.http.rpartition(":")
        task = {"gold": list(request.math.gold) or ["1"]}
        body = json.dumps({"id": request.id, "completion": request.completion, "math": task}).encode()
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /v1/verify HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await asyncio.sleep(self._random.uniform(0, 0.3))
        writer.transport.abort()

    async def _kill(self) -> None:
        for (kind, number), found in itertools.cycle(_VICTIMS.items()):
            await self._until_next_kill()
            if self._stop.is_set():
                return
            if victims := found(self._served.pid):
                await self._signal(kind, number, self._random.choice(victims))

    async def _signal(self, kind: str, number: int, victim: int) -> None:
        """To a process; a jail is stopped as a whole, and goes on later."""
        whole = kind == "jail" and number == signal.SIGSTOP
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, number)
            self.report.kills[f"{kind}, {'stopped' if number == signal.SIGSTOP else 'killed'}"] += 1
        if whole:
            frozen = [victim, *descendants(victim)]
            _signal_all(frozen, signal.SIGSTOP)
            await asyncio.sleep(_FROZEN_SECONDS)
            _signal_all(reversed(frozen), signal.SIGCONT)

    async def _until_next_kill(self) -> None:
        """The time between two kills, and some verdicts.

        On a machine so busy that a launcher takes longer to start than the time between two kills,
        nothing but its starts would be seen.
        """
        enough = self.report.verdicts + VERDICTS_BETWEEN_KILLS
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), self._every)
        while self.report.verdicts < enough and not self._stop.is_set():
            await asyncio.sleep(0.1)


def _children(pids: Sequence[int], root: int) -> list[int]:
    """Living processes below `root` whose parent is one of `pids`."""
    return [pid for pid in descendants(root) if _parent(pid) in pids]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0  # it ended while we looked


def launchers(pid: int) -> list[int]:
    """The server's own children: the sandbox's and the math workers'."""
    return _children([pid], pid)


def jails(pid: int) -> list[int]:
    """First processes of jails."""
    return _children(launchers(pid), pid)


def templates(pid: int) -> list[int]:
    """What a jail's first process has started: the template of a program's runs, or a math worker."""
    return _children(jails(pid), pid)


def insiders(pid: int) -> list[int]:
    """Whatever runs in jails but their first processes: templates, programs, math workers."""
    return [inside for jail in jails(pid) for inside in descendants(jail)]


def sharing(pid: int) -> list[int]:
    """Processes of Python programs that have all their tests; others could have stopped themselves."""
    return [inside for inside in templates(pid) if _stays(inside)]


def _stays(pid: int) -> bool:
    try:
        return is_repeatable(Path("/proc", str(pid), "root", "box", "main.py").read_bytes())
    except OSError:
        return False  # a math worker, or one that has just ended


def _signal_all(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


_VICTIMS: dict[tuple[str, int], Callable[[int], list[int]]] = {
    ("jail", signal.SIGKILL): jails,
    ("process in a jail", signal.SIGKILL): insiders,
    ("launcher", signal.SIGKILL): launchers,
    ("shared process", signal.SIGSTOP): sharing,
    ("worker or program's parent", signal.SIGKILL): templates,
    ("jail", signal.SIGSTOP): jails,
    ("shared process", signal.SIGKILL): sharing,
}


def holdings(pid: int, scratch: Path) -> dict[str, int]:
    """What a server holds now."""
    groups = [name for path in probe().directories.values() for name in os.listdir(path)]
    return {
        "processes": len(descendants(pid)),
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "mounts": len(Path(f"/proc/{pid}/mounts").read_text().splitlines()),
        "cgroups": sum(name.startswith(f"{PREFIX}{pid}-") for name in groups),
        "files": sum(1 for _ in scratch.rglob("*")),
    }


async def _settled(pid: int, scratch: Path, before: dict[str, int]) -> dict[str, tuple[int, int]]:
    """What is more than before, as (before, now), once it has had time to end."""
    end = time.monotonic() + _SETTLE_SECONDS
    while True:
        now = holdings(pid, scratch)
        more = {name: (before[name], count) for name, count in now.items() if count > before[name]}
        if not more or time.monotonic() > end:
            return more
        await asyncio.sleep(0.2)


def _apart() -> tuple[str, ...]:
    """A mount namespace for the server alone, where one can be had: others' mounts are not its own."""
    if os.geteuid() or shutil.which("unshare") is None:
        return ()
    return ("unshare", "--mount", "--propagation", "private")


async def chaos(seconds: float, every: float, size: int, seed: int) -> Report:
    """A quiet run, a warm-up of a tenth of the time, the rest of it, and a quiet run again."""
    with tempfile.TemporaryDirectory() as folder:
        flags = ("--verdict-cache-bytes", "0", "--math-cache-bytes", "0", "--test-order", "given")
        flags += ("--replay-bytes", str(_REPLAY_BYTES))
        with server(*flags, environment={"TMPDIR": folder}, apart=_apart()) as served:
            work = Chaos(served, [item.request for item in pool(size)], every, seed)
            await work.quiet()
            # Before the first kill: what was killed is made anew when it is needed, and may be missing later.
            before = await _quiet_holdings(served, Path(folder))
            await work.run(seconds / 10)
            await work.quiet()
            resident = served.resident_bytes()
            await work.run(seconds * 9 / 10)
            await work.quiet()
            work.report.left = await _settled(served.pid, Path(folder), before)
            work.report.resident_growth = served.resident_bytes() / resident - 1
    return work.report


async def _quiet_holdings(served: Served, scratch: Path) -> dict[str, int]:
    """What the server holds once two looks in a row see the same."""
    last: dict[str, int] = {}
    while (now := holdings(served.pid, scratch)) != last:
        last = now
        await asyncio.sleep(1)
    return now


def main() -> int:
    """Runs and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--every", type=float, default=3.0, help="seconds between two kills (default 3)")
    parser.add_argument("--pool", type=int, default=200, help="different requests (default 200)")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    report = asyncio.run(chaos(asked.minutes * 60, asked.every, asked.pool, asked.seed))
    wrong = Counter(report.wrong)
    print(f"{asked.minutes:g} minutes, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"verdicts compared {report.verdicts}, attempts beyond the first {report.asked_again}")
    print(f"kills {dict(report.kills)}, clients that vanished {report.vanished}")
    print(f"wrong, lost or doubled: {len(report.wrong)}")
    for line, count in wrong.most_common(20):
        print(f"    {count} x {line}")
    print(f"left over: {report.left or 'nothing'}; server's memory {report.resident_growth:+.1%}")
    good = report.clean and report.resident_growth <= MOST_GROWTH
    kills = sum(report.kills.values())
    print(json.dumps({"verdicts": report.verdicts, "kills": kills, "wrong": len(report.wrong), "good": good}))
    return int(not good)


if __name__ == "__main__":
    raise SystemExit(main())
