"""What the service adds to the work: requests in flight at once, code over the wire, math beside an echo.

    python -m bench.service [--math N] [--code N] [--only flood|code|math ...] [--programs ...]
                            [--data DIRECTORY] [--payloads ...] [--markdown]

The server is a process of its own, this one is the client; both share the machine's cores.

flood  So many math and code requests in flight at once over gRPC, several times with other content: each is
       answered once with the verdict that was due; queue and service time; the server's memory
       while its caches are small.
code   Code verdicts over each wire beside the same programs through the sandbox alone, without a wire, a
       verdict or a queue; and what part of a verdict's CPU time is the server's own process. The client's
       share of the two cores is in the rates over the wire; its CPU time is printed.
       `trivial`: a line or two of Python and five tests, right and wrong, the least that a program can be.
       `real`: small accepted submissions to olympiad problems, from `--data`, with up to twenty tests.
math   Math verdicts by gRPC stream and call and by HTTP batch and request, beside a FastAPI and a
       grpc.aio echo of the same bytes, in turns; and the judging alone, which no echo does.
       `different`: 1,500 characters, every gold and answer another. `step_6k`, `step_24k`: what a step
       sends, groups of eight completions with one gold, of 6,000 and of 24,000 characters. And the
       floor of a batch: an application that reads the JSON and answers with a constant.

Rates per second of wall time are what this machine gave while others used it too; CPU figures are the
server process's own and change less. Prints a table for people and one JSON line last for machines.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
import httpx

from bench.bare import Submission
from bench.load import (
    FENCED,
    ROOT,
    Known,
    Served,
    all_pass,
    code_request,
    listening,
    math_request,
    server,
    step_requests,
)
from bench.sandbox import small_real_programs
from protos.reward.v1 import reward_pb2 as pb

DATA = ROOT.parent / "shared" / "data" / "code"
CALL_SECONDS = 1800
IN_FLIGHT = 256  # of single calls; a stream's window in the server is as large
CHANNELS = 4
BATCH = 256
ROUNDS = 5
_READ_AHEAD_BYTES = 1 << 24
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
_SERVICE = "/reward.v1.RewardService/"
# Full after one flood: what the server's memory grows by after that is not theirs.
_CACHES = ("replay", "math_cache", "verdict_cache")
_SMALL_CACHES = {f"REWARD_SERVER_{name.upper()}_BYTES": "2000000" for name in _CACHES}

Row = tuple[str, str, str, str]
_numbers = itertools.count(1)


def fresh(make: Callable[[int], Known], count: int) -> list[Known]:
    """Requests that no cache has seen."""
    return [make(next(_numbers)) for _ in range(count)]


# --- flood ---------------------------------------------------------------------------------------


@dataclass
class Flood:
    """What came of one flood."""

    verdicts: list[pb.Verdict]
    wrong: int
    seconds: float

    def timings(self, task: str, phase: str) -> list[float]:
        """Seconds of one phase, sorted: `queue`, `service` or `total`."""
        found = [verdict.timing for verdict in self.verdicts if verdict.id.startswith(task)]
        if phase == "service":
            return sorted(timing.compile_seconds + timing.run_seconds for timing in found)
        return sorted(getattr(timing, f"{phase}_seconds") for timing in found)


async def flood(served: Served, known: Sequence[Known]) -> Flood:
    """All of them in flight at once."""
    channels = [grpc.aio.insecure_channel(served.grpc, options=_UNLIMITED) for _ in range(CHANNELS)]
    calls = [
        channel.unary_unary(f"{_SERVICE}Verify", pb.VerifyRequest.SerializeToString, pb.Verdict.FromString)
        for channel in channels
    ]
    started = time.monotonic()
    verdicts = await asyncio.gather(
        *(calls[n % CHANNELS](item.request, timeout=CALL_SECONDS) for n, item in enumerate(known))
    )
    seconds = time.monotonic() - started
    await asyncio.gather(*(channel.close() for channel in channels))
    pairs = zip(verdicts, known, strict=True)
    wrong = sum(not _is_due(verdict, item) for verdict, item in pairs)
    return Flood(list(verdicts), wrong, seconds)


def _is_due(verdict: pb.Verdict, item: Known) -> bool:
    return verdict.id == item.request.id and pb.Status.Name(verdict.status) == item.status


async def judged(served: Served) -> int:
    """Verdicts that the server has counted."""
    async with httpx.AsyncClient(base_url=f"http://{served.http}", timeout=60) as client:
        lines = (await client.get("/metrics")).text.splitlines()
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith("reward_verdicts_total")))


async def measure_flood(math: int, code: int, floods: int) -> dict[str, float]:
    """So many floods; the timings are the last one's."""
    figures: dict[str, float] = {"flood_math": math, "flood_code": code, "floods": floods}
    with server(environment=_SMALL_CACHES) as served:
        await flood(served, fresh(math_request, 50) + fresh(code_request, 20))
        before, counted = served.resident_bytes(), await judged(served)
        resident, wrong = [], 0
        for _ in range(floods):
            result = await flood(served, fresh(code_request, code) + fresh(math_request, math))
            wrong += result.wrong
            resident.append(served.resident_bytes())
        figures["flood_wrong"] = wrong
        figures["flood_answered_not_once"] = abs(await judged(served) - counted - floods * (math + code))
    figures |= {"flood_seconds": result.seconds, "flood_rss_idle_mib": before / 2**20}
    figures |= {f"flood_rss_{n + 1}_mib": value / 2**20 for n, value in enumerate(resident)}
    for task, phase in itertools.product(("math", "code"), ("queue", "service", "total")):
        timings = result.timings(task, phase)
        figures[f"flood_{task}_{phase}_p50_ms"] = _quantile(timings, 0.5) * 1e3
        figures[f"flood_{task}_{phase}_p99_ms"] = _quantile(timings, 0.99) * 1e3
    return figures


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


# --- ways of asking ------------------------------------------------------------------------------

Send = Callable[[Served, Iterable[bytes]], Awaitable[list[bytes]]]


@dataclass(frozen=True)
class Way:
    """How requests are sent: their bytes, made before the clock starts, and what counts the answers."""

    bodies: Callable[[Sequence[pb.VerifyRequest]], Sequence[bytes]]
    send: Send
    statuses: Callable[[bytes], Iterable[tuple[str, str]]]  # of an answer: ids and names


def _messages(requests: Sequence[pb.VerifyRequest]) -> list[bytes]:
    return [request.SerializeToString() for request in requests]


def _as_json(request: pb.VerifyRequest) -> dict[str, object]:
    envelope = {"id": request.id, "run": request.run, "completion": request.completion}
    if request.HasField("math"):
        return {**envelope, "math": {"gold": list(request.math.gold)}}
    cases = [{"input": case.input, "output": case.output} for case in request.code.stdio.cases]
    return {**envelope, "code": {"language": request.code.language, "stdio": {"cases": cases}}}


def _objects(requests: Sequence[pb.VerifyRequest]) -> list[bytes]:
    return [json.dumps(_as_json(request)).encode() for request in requests]


def _batches(requests: Sequence[pb.VerifyRequest]) -> list[bytes]:
    parts = [_objects(requests[start : start + BATCH]) for start in range(0, len(requests), BATCH)]
    return [b'{"requests": [%b]}' % b", ".join(part) for part in parts]


async def by_stream(served: Served, bodies: Iterable[bytes]) -> list[bytes]:
    """One gRPC stream; the answers as they came."""

    async def sent() -> AsyncIterator[bytes]:
        for body in bodies:
            yield body

    async with grpc.aio.insecure_channel(served.grpc, options=_UNLIMITED) as channel:
        answers = channel.stream_stream(f"{_SERVICE}VerifyStream")(sent())
        return [answer async for answer in answers]


async def by_call(served: Served, bodies: Iterable[bytes]) -> list[bytes]:
    """A gRPC call for each."""
    left = iter(bodies)
    async with grpc.aio.insecure_channel(served.grpc, options=_UNLIMITED) as channel:
        call = channel.unary_unary(f"{_SERVICE}Verify")

        async def work() -> list[bytes]:
            return [await call(body) for body in left]

        answers = await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
        return list(itertools.chain.from_iterable(answers))


async def by_batch(served: Served, bodies: Iterable[bytes]) -> list[bytes]:
    """HTTP batches, two at a time."""
    return await _posted(served, "/v1/verify/batch", bodies, connections=2)


async def by_floor(served: Served, bodies: Iterable[bytes]) -> list[bytes]:
    """The same to what only reads and answers."""
    return await _posted(served, "/v1/floor", bodies, connections=2)


async def by_request(served: Served, bodies: Iterable[bytes]) -> list[bytes]:
    """An HTTP request for each."""
    return await _posted(served, "/v1/verify", bodies, connections=16)


async def _posted(served: Served, path: str, bodies: Iterable[bytes], connections: int) -> list[bytes]:
    """Bodies over so many connections kept open; a client of a few lines leaves the cores to the server."""
    host, _, port = served.http.rpartition(":")
    left = iter(bodies)

    async def work() -> list[bytes]:
        reader, writer = await asyncio.open_connection(host, int(port), limit=_READ_AHEAD_BYTES)
        answers = []
        for body in left:
            head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
            writer.write(f"{head}content-type: application/json\r\n\r\n".encode() + body)
            answers.append(await _response(reader))
        writer.close()
        await writer.wait_closed()
        return answers

    answers = await asyncio.gather(*(work() for _ in range(connections)))
    return list(itertools.chain.from_iterable(answers))


async def _response(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert head.startswith(b"http/1.1 200"), head
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    return await reader.readexactly(length)


def _of_message(answer: bytes) -> Iterable[tuple[str, str]]:
    verdict = pb.Verdict.FromString(answer)
    return ((verdict.id, pb.Status.Name(verdict.status)),)


def _of_object(answer: bytes) -> Iterable[tuple[str, str]]:
    verdict = json.loads(answer)
    return ((verdict["id"], verdict["status"]),)


def _of_batch(answer: bytes) -> Iterable[tuple[str, str]]:
    return [(verdict["id"], verdict["status"]) for verdict in json.loads(answer)["verdicts"]]


WAYS = {
    "grpc_stream": Way(_messages, by_stream, _of_message),
    "grpc_call": Way(_messages, by_call, _of_message),
    "http_batch": Way(_batches, by_batch, _of_batch),
    "http_request": Way(_objects, by_request, _of_object),
}


# --- code ----------------------------------------------------------------------------------------

_ALONE = "import bench.service as s; s.run_alone()"


def real_requests(data: Path) -> Callable[[int], Known] | None:
    """Makes requests of small accepted submissions to olympiad problems; None if there are none."""
    submissions = small_real_programs(data)
    if not submissions:
        return None

    def made(number: int) -> Known:
        chosen = submissions[number % len(submissions)]
        cases = [pb.StdioCase(input=given, output=wanted) for given, wanted in chosen.tests]
        task = pb.CodeTask(language="python", stdio=pb.StdioTests(cases=cases))
        completion = FENCED.format(f"{chosen.source}# {number}")
        request = pb.VerifyRequest(id=f"code/{number}", run="bench", completion=completion, code=task)
        return Known(request, "ACCEPTED")

    return made


def _as_submission(request: pb.VerifyRequest) -> Submission:
    start, end = FENCED.split("{}")
    source = request.completion.removeprefix(start).removesuffix(end)
    return Submission(source, tuple((case.input, case.output) for case in request.code.stdio.cases))


def run_alone() -> None:
    """Prints the wall seconds of programs on stdin through the sandbox alone, as a process of its own."""
    import uvloop

    from sandbox.sandbox import Sandbox, SandboxConfig
    from sandbox.types import Limits, Outcome, Program, RunResult
    from server.locations import user_cache

    waiting = iter(json.load(sys.stdin))

    async def judge(box: Sandbox, source: str, tests: Sequence[tuple[str, str]]) -> None:
        artefact = (await box.compile(Program("python", source))).artefact
        assert artefact is not None
        wanted = {given.encode(): answer.encode().split() for given, answer in tests}

        def right(stdin: bytes, result: RunResult) -> bool:
            return result.outcome is Outcome.OK and result.stdout.split() == wanted[stdin]

        async with box.session(artefact, Limits()) as session:
            await all_pass(session, [given.encode() for given, _ in tests], right)

    async def work(box: Sandbox) -> None:
        for source, tests in waiting:
            await judge(box, source, tests)

    async def main() -> float:
        box = Sandbox(SandboxConfig(cache_directory=str(user_cache())))
        await box.start()
        started = time.monotonic()
        await asyncio.gather(*(work(box) for _ in range(box.slots)))
        seconds = time.monotonic() - started
        await box.close()
        return seconds

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(main()))


def alone(known: Sequence[Known]) -> float:
    """Wall seconds per program."""
    submissions = [_as_submission(item.request) for item in known]
    done = subprocess.run(
        [sys.executable, "-c", _ALONE],
        cwd=ROOT,
        input=json.dumps([[each.source, each.tests] for each in submissions]),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout) / len(known)


@dataclass(frozen=True)
class Spent:
    """On one program: wall seconds, and CPU seconds of the server's process, of its tree, of the client."""

    wall: float
    server: float
    tree: float
    client: float


async def _judge(served: Served, way: Way, known: Sequence[Known]) -> Spent:
    """Judges programs one way; each must have the verdict that is due."""
    bodies = way.bodies([item.request for item in known])
    server, tree, client = served.own_cpu_seconds(), served.tree_cpu_seconds(), time.process_time()
    started = time.monotonic()
    answers = await way.send(served, bodies)
    wall = time.monotonic() - started
    server, tree = served.own_cpu_seconds() - server, served.tree_cpu_seconds() - tree
    client = time.process_time() - client
    found = sorted(pair for answer in answers for pair in way.statuses(answer))
    assert found == sorted((item.request.id, item.status) for item in known), Counter(found)
    return Spent(*(seconds / len(known) for seconds in (wall, server, tree, client)))


CODE: dict[str, Callable[[Path], Callable[[int], Known] | None]] = {
    "trivial": lambda data: code_request,
    "real": real_requests,
}


async def measure_code(count: int, kinds: Sequence[str], data: Path) -> dict[str, float]:
    """Of each kind of program."""
    figures: dict[str, float] = {}
    with server("--test-order", "given") as served:
        for kind in kinds:
            if (make := CODE[kind](data)) is None:
                print(f"{kind} programs are left out: there are none in {data}")
                continue
            found = await _measure_programs(served, make, count)
            figures |= {f"code_{kind}_{name}": value for name, value in found.items()}
    return figures


async def _measure_programs(served: Served, make: Callable[[int], Known], count: int) -> dict[str, float]:
    """Rounds in turns, the sandbox alone before each: the machine's own pace changes within seconds."""
    bare: dict[str, list[float]] = {name: [] for name in WAYS}
    spent: dict[str, list[Spent]] = {name: [] for name in WAYS}
    for way in WAYS.values():
        await _judge(served, way, fresh(make, 20))
    for _, (name, way) in itertools.product(range(ROUNDS), WAYS.items()):
        bare[name].append(await asyncio.to_thread(alone, fresh(make, count)))
        spent[name].append(await _judge(served, way, fresh(make, count)))
    figures = {"alone_per_second": 1 / statistics.median(itertools.chain(*bare.values()))}
    for name, rounds in spent.items():
        figures |= {f"{name}_{key}": value for key, value in _beside(bare[name], rounds).items()}
    return figures


def _beside(bare: Sequence[float], rounds: Sequence[Spent]) -> dict[str, float]:
    middle = statistics.median
    return {
        "per_second": 1 / middle(each.wall for each in rounds),
        "to_alone": middle(alone / each.wall for alone, each in zip(bare, rounds, strict=True)),
        "server_cpu_ms": middle(each.server for each in rounds) * 1e3,
        "tree_cpu_ms": middle(each.tree for each in rounds) * 1e3,
        "client_cpu_ms": middle(each.client for each in rounds) * 1e3,
    }


# --- math ----------------------------------------------------------------------------------------


def _all_different(count: int) -> list[Known]:
    return fresh(math_request, count)


def _step(characters: int) -> Callable[[int], list[Known]]:
    def made(count: int) -> list[Known]:
        numbers = [next(_numbers) for _ in range(count)]
        return step_requests(numbers[0], count, characters)

    return made


PAYLOADS = {"different": _all_different, "step_6k": _step(6_000), "step_24k": _step(24_000)}


def judging_alone(requests: Sequence[pb.VerifyRequest]) -> float:
    """CPU seconds of one judgement in this process: no wire, no service around it, no worker behind it."""
    from server.verify.math.verifier import MathVerifier

    async def no_worker(payload: bytes, cpu_seconds: float) -> bytes:
        raise AssertionError("verify_now asks nobody")

    judge = MathVerifier(no_worker, cpu_seconds=1.0).verify_now
    started = time.process_time()
    for request in requests:
        judge(request)
    return (time.process_time() - started) / len(requests)


async def measure_math(count: int, payloads: Sequence[str]) -> dict[str, float]:
    """Rounds in turns; medians, and of the ratios the median of the rounds'."""
    figures: dict[str, float] = {}
    with server() as served, listening("-m", "bench.echo") as echo:
        for payload in payloads:
            found = await _measure_payload(PAYLOADS[payload], count, echo, served)
            figures |= {f"math_{payload}_{name}": value for name, value in found.items()}
    return figures


async def _measure_payload(
    make: Callable[[int], list[Known]], count: int, echo: Served, served: Served
) -> dict[str, float]:
    judging = [judging_alone([known.request for known in make(count)]) for _ in range(ROUNDS)]
    figures = {"judging_cpu_us": statistics.median(judging) * 1e6}
    floor = [
        await _sent(echo, by_floor, _batches([k.request for k in make(count)]), count) for _ in range(ROUNDS)
    ]
    figures["floor_cpu_us"] = statistics.median(cost.cpu for cost in floor) * 1e6
    for name, way in WAYS.items():
        rounds = []
        for number in range(ROUNDS + 1):
            requests = [known.request for known in make(count if number else BATCH)]
            bodies = way.bodies(requests)
            rounds.append([await _sent(each, way.send, bodies, len(requests)) for each in (echo, served)])
        figures |= _compared(name, rounds[1:])
        own = figures[f"{name}_cpu_us"] - figures["judging_cpu_us"]
        figures[f"{name}_unjudged_to_echo"] = figures[f"{name}_echo_cpu_us"] / own
    return figures


@dataclass(frozen=True)
class Cost:
    """Of one request: wall seconds, and CPU seconds of the serving process."""

    wall: float
    cpu: float


async def _sent(served: Served, send: Send, bodies: Iterable[bytes], count: int) -> Cost:
    cpu, started = served.own_cpu_seconds(), time.monotonic()
    answers = await send(served, bodies)
    wall = time.monotonic() - started
    assert sum(answer.count(b'"id":') or 1 for answer in answers) == count  # an echo's are no verdicts
    return Cost(wall / count, (served.own_cpu_seconds() - cpu) / count)


def _compared(name: str, rounds: Sequence[Sequence[Cost]]) -> dict[str, float]:
    middle = statistics.median
    return {
        f"{name}_echo_per_second": 1 / middle(echo.wall for echo, _ in rounds),
        f"{name}_per_second": 1 / middle(ours.wall for _, ours in rounds),
        f"{name}_to_echo": middle(echo.wall / ours.wall for echo, ours in rounds),
        f"{name}_echo_cpu_us": middle(echo.cpu for echo, _ in rounds) * 1e6,
        f"{name}_cpu_us": middle(ours.cpu for _, ours in rounds) * 1e6,
        f"{name}_cpu_to_echo": middle(echo.cpu / ours.cpu for echo, ours in rounds),
    }


# --- report --------------------------------------------------------------------------------------


def flood_rows(f: dict[str, float]) -> list[Row]:
    """Title, math, code, remark."""
    rows: list[Row] = [
        (
            f"{f['flood_math']:.0f} math, {f['flood_code']:.0f} code at once",
            "math",
            "code",
            f"{f['flood_seconds']:.0f} s",
        )
    ]
    for phase in ("queue", "service", "total"):
        cells = [
            " / ".join(f"{f[f'flood_{task}_{phase}_{q}_ms']:.0f}" for q in ("p50", "p99"))
            for task in ("math", "code")
        ]
        rows.append((f"{phase}, ms, p50 / p99", cells[0], cells[1], ""))
    rows.append(
        (
            "wrong, lost or doubled",
            f"{f['flood_wrong'] + f['flood_answered_not_once']:.0f}",
            "",
            f"{f['floods']:.0f} floods",
        )
    )
    names = ("idle", *range(1, int(f["floods"]) + 1))
    resident = " / ".join(f"{f[f'flood_rss_{name}_mib']:.0f}" for name in names)
    rows.append(("server's memory, MiB: idle / after each flood", resident, "", ""))
    return rows


def code_rows(f: dict[str, float]) -> list[Row]:
    """Title, over the wire, sandbox alone, ratio; for each kind of program that was measured."""
    measured = [kind for kind in CODE if f"code_{kind}_alone_per_second" in f]
    return [row for kind in measured for row in _program_rows(f, kind)]


def _program_rows(f: dict[str, float], kind: str) -> list[Row]:
    alone = f"{f[f'code_{kind}_alone_per_second']:.1f}"
    rows: list[Row] = [(f"code, {kind} programs", "over the wire", "sandbox alone", "ratio")]
    for name in WAYS:
        start, title = f"code_{kind}_{name}", name.replace("_", " ")
        rate, ratio = f"{f[f'{start}_per_second']:.1f}", f"{f[f'{start}_to_alone']:.2f}"
        rows.append((f"{title}, programs per second", rate, alone, ratio))
        parts = (f"{f[f'{start}_{part}_cpu_ms']:.2f}" for part in ("server", "tree", "client"))
        rows.append((f"{title}, CPU ms: server / its tree / client", " / ".join(parts), "", ""))
    return rows


def math_rows(f: dict[str, float]) -> list[Row]:
    """Title, ours, echo, ratio; for each payload that was measured."""
    measured = [payload for payload in PAYLOADS if f"math_{payload}_judging_cpu_us" in f]
    return [row for payload in measured for row in _payload_rows(f, payload)]


def _payload_rows(f: dict[str, float], payload: str) -> list[Row]:
    rows: list[Row] = [(f"math, {payload.replace('_', ' ')}", "verdicts", "echo", "ratio")]
    judging = f[f"math_{payload}_judging_cpu_us"]
    for name in WAYS:
        start, title = f"math_{payload}_{name}", name.replace("_", " ")
        for unit, ratio, words in (
            ("per_second", "to_echo", "per second"),
            ("cpu_us", "cpu_to_echo", "CPU us of the serving process"),
        ):
            ours, echo = f[f"{start}_{unit}"], f[f"{start}_echo_{unit}"]
            rows.append((f"{title}, {words}", f"{ours:.0f}", f"{echo:.0f}", f"{f[f'{start}_{ratio}']:.2f}"))
        own, ratio = f"{ours - judging:.0f}", f"{f[f'{start}_unjudged_to_echo']:.2f}"
        rows.append((f"{title}, the same without the judging", own, f"{echo:.0f}", ratio))
    floor, batch = f[f"math_{payload}_floor_cpu_us"], f[f"math_{payload}_http_batch_echo_cpu_us"]
    words = "http batch, read and answered with a constant, CPU us"
    rows.append((words, f"{floor:.0f}", f"{batch:.0f}", f"{batch / floor:.2f}"))
    return [*rows, ("the judging alone, CPU us", f"{judging:.0f}", "", "")]


def as_text(rows: Sequence[Row], *, markdown: bool) -> str:
    """A table; the first row is its head."""
    if markdown:
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        return "\n".join([lines[0], "|---|---|---|---|", *lines[1:], ""])
    return "\n".join(f"{row[0]:<56} {row[1]:>20} {row[2]:>16} {row[3]:>8}" for row in rows) + "\n"


PARTS = ("flood", "code", "math")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--math", type=int, default=5000, help="math requests in flight (default 5000)")
    parser.add_argument("--code", type=int, default=2000, help="code requests in flight (default 2000)")
    parser.add_argument("--floods", type=int, default=3, help="how often (default 3)")
    parser.add_argument("--round", type=int, default=400, help="programs in a round of `code` (default 400)")
    parser.add_argument("--payloads", nargs="+", choices=PAYLOADS, default=[*PAYLOADS], help="of `math`")
    parser.add_argument("--programs", nargs="+", choices=CODE, default=[*CODE], help="of `code`")
    parser.add_argument("--data", type=Path, default=DATA, help="the submissions of `real`")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--markdown", action="store_true")
    asked = parser.parse_args()
    parts = {
        "flood": (lambda: measure_flood(asked.math, asked.code, asked.floods), flood_rows),
        "code": (lambda: measure_code(asked.round, asked.programs, asked.data), code_rows),
        "math": (lambda: measure_math(asked.math, asked.payloads), math_rows),
    }
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    figures: dict[str, float] = {}
    for name in asked.only:
        measure, rows = parts[name]
        found = asyncio.run(measure())
        print(as_text(rows(found), markdown=asked.markdown), flush=True)
        figures |= found
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
