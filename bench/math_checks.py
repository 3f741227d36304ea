"""Math verdicts per second, and how late they come, beside math-verify on the same rows and cores.

    python -m bench.math_checks [--limit N]

Three questions, each on rows from `../shared/data/math`:

mixes       Whole requests (search for the answer, comparison, verdict) against math-verify's own
            `parse` of gold and completion and `verify`, without timers, in one process. Figures are
            per second of CPU time: of this process, and where workers are asked, of all of theirs.
open pairs  Distinct pairs that plain numbers and identical text do not settle; of those the symbolic ones
            (sines, logarithms and their like, functions of letters, equations and inequalities), and the
            ones that are left to a worker: our rules against math-verify, both in this process, answers
            wrapped in dollars for math-verify.
wire        1,024 completions through a server in a process of its own, over one gRPC stream; and the
            delays of honest checks in a server under load, with and without hostile ones among them.

Prints a table for people and one JSON line last for machines. (The file is not
called math.py: beside a script of that name nothing could import Python's own.)
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import logging
import os
import platform
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from protos.reward.v1 import reward_pb2 as pb  # noqa: E402
from sandbox.workers import JailedWorkers, WorkerConfig  # noqa: E402
from server.verify.math.cache import JudgementCache  # noqa: E402
from server.verify.math.judge import judge  # noqa: E402
from server.verify.math.latex import compact, normalise  # noqa: E402
from server.verify.math.quick import judge_quickly  # noqa: E402
from server.verify.math.reading import read  # noqa: E402
from server.verify.math.tree import Answer as Read  # noqa: E402
from server.verify.math.tree import Listed, Number, Quantity, SetOf, Tuple  # noqa: E402
from server.verify.math.verifier import MathVerifier  # noqa: E402

DATA = ROOT.parent / "shared" / "data" / "math"
WINDOW = 256  # requests in flight at once, as the server reads a stream
GROUP = 8
ROUNDS = 5
MATH_WORKER = "server.verify.math.worker"
HOSTILE = r"\sum_{{k=1}}^{{9999}} \sin (k+{})"  # two of these take half a minute to compare
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

_SYMBOLIC = re.compile(
    r"\\(?:sin|cos|tan|cot|sec|csc|log|ln|exp|arc|le|ge|ne|lt|gt|sum|int)(?![a-z])|(?<![a-zA-Z\\])[a-z]\(|[=<>]"
)

Pair = tuple[str, str]


@dataclass(frozen=True)
class Row:
    """One completion, its gold, and the policy that finds its answer."""

    gold: str
    completion: str
    policy: str

    def request(self, number: int) -> pb.VerifyRequest:
        """As a client sends it."""
        return pb.VerifyRequest(
            id=str(number),
            completion=self.completion,
            extraction=self.policy,
            math=pb.MathTask(gold=[self.gold]),
        )


# --- rows ----------------------------------------------------------------------------------------


def read_rows(name: str) -> Iterator[dict[str, str]]:
    """The rows of one JSON-lines file, gzipped or not."""
    content = (DATA / name).read_bytes()
    text = gzip.decompress(content) if name.endswith(".gz") else content
    yield from map(json.loads, text.splitlines())


def real_mix(limit: int) -> list[Row]:
    """Model completions to GSM8K problems as they are: four to a problem, beside each other."""
    rows = read_rows("completions_gsm8k.jsonl.gz")
    return [Row(row["gold"], row["completion"], "final_answer") for row in rows][:limit]


def constructed_mix(limit: int) -> list[Row]:
    """Groups of eight per MATH gold: four say the gold as it is, the others are rewritings and mistakes.

    No real completions to MATH come with the data; rewritings and mistakes are those of
    `pairs_by_construction.jsonl`, in its order, in a sentence with a box.
    """
    others = defaultdict(list)
    for row in read_rows("pairs_by_construction.jsonl"):
        if "\\boxed" not in row["pred"]:
            others[row["gold"]].append(row["pred"])
    rows = []
    for gold, answers in others.items():
        for answer in ([gold] * (GROUP // 2) + answers)[:GROUP]:
            rows.append(
                Row(gold, f"We simplify and get the result. It is $\\boxed{{{answer}}}$.", "last_boxed")
            )
    return rows[:limit]


def open_pairs(limit: int) -> dict[str, list[Pair]]:
    """Distinct pairs that are no plain numbers and no identical texts, by where they come from."""
    golds = [row["gold"] for row in read_rows("gold_math500.jsonl")]
    made = list(read_rows("pairs_by_construction.jsonl"))
    found = {
        "open: MATH-500 gold vs next": list(pairwise(golds)),
        "open: made equal": [(row["gold"], row["pred"]) for row in made if row["expected"]],
        "open: made unequal": [(row["gold"], row["pred"]) for row in made if not row["expected"]],
    }
    found = {name: [p for p in dict.fromkeys(pairs) if not is_plain(*p)] for name, pairs in found.items()}
    every = [pair for pairs in found.values() for pair in pairs]
    found["of all these, symbolic"] = [pair for pair in every if _SYMBOLIC.search(" ".join(pair))]
    found["of all these, for a worker"] = [pair for pair in every if judge_quickly(*pair) is None]
    return {name: pairs[:limit] for name, pairs in found.items()}


def is_plain(gold: str, answer: str) -> bool:
    """Whether numbers and identical text settle a pair."""
    same = compact(normalise(gold)) == compact(normalise(answer))
    return same or (has_only_numbers(read(gold)) and has_only_numbers(read(answer)))


def has_only_numbers(answer: Read) -> bool:
    """Whether an answer is a number, or a list, set or tuple of these."""
    match answer:
        case Quantity():
            return has_only_numbers(answer.value)
        case Listed() | SetOf() | Tuple():
            return all(map(has_only_numbers, answer.elements))
    return isinstance(answer, Number)


# --- ours ----------------------------------------------------------------------------------------


def tree_cpu_seconds() -> float:
    """CPU time of this process and of every living one below it."""
    parents, used = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it ended meanwhile
        pid = int(path.parent.name)
        parents[pid], used[pid] = int(fields[1]), sum(map(int, fields[11:15])) / _TICKS_PER_SECOND
    del used[os.getpid()]  # known better than in ticks
    return time.process_time() + sum(seconds for pid, seconds in used.items() if _is_below(pid, parents))


def _is_below(pid: int, parents: dict[int, int]) -> bool:
    while pid and pid != os.getpid():
        pid = parents.get(pid, 0)
    return pid == os.getpid()


async def ask_all(
    verifier: MathVerifier, requests: Sequence[pb.VerifyRequest]
) -> tuple[list[pb.Verdict], list[float]]:
    """Every verdict and its delay in seconds, in the requests' order, at most WINDOW in flight."""
    verdicts, delays = [pb.Verdict()] * len(requests), [0.0] * len(requests)
    waiting = iter(enumerate(requests))

    async def ask_on() -> None:
        for position, request in waiting:
            started = time.perf_counter()
            verdict = verifier.verify_now(request)  # first, as the server does
            verdicts[position] = await verifier.verify(request) if verdict is None else verdict
            delays[position] = time.perf_counter() - started

    await asyncio.gather(*(ask_on() for _ in range(WINDOW)))
    return verdicts, delays


def fresh_verifier(workers: JailedWorkers, cpu_seconds: float = 5.0) -> tuple[MathVerifier, JudgementCache]:
    """A verifier that remembers nothing yet."""
    cache = JudgementCache()
    return MathVerifier(workers.call, cpu_seconds=cpu_seconds, cache=cache), cache


async def measure_mix(workers: JailedWorkers, rows: list[Row]) -> dict[str, float]:
    """Requests per second over ROUNDS passes, the cache empty at the begin of each, and what they met."""
    requests = [row.request(number) for number, row in enumerate(rows)]
    await ask_all(fresh_verifier(workers)[0], requests)
    calls, cpu_before, started = workers.counts.calls, tree_cpu_seconds(), time.perf_counter()
    for _ in range(ROUNDS):
        verifier, cache = fresh_verifier(workers)
        verdicts, _ = await ask_all(verifier, requests)
    seconds, cpu_seconds = time.perf_counter() - started, tree_cpu_seconds() - cpu_before
    statuses = Counter(verdict.status for verdict in verdicts)
    asked = ROUNDS * len(rows)
    return {
        "rows": len(rows),
        "per_cpu_second": asked / cpu_seconds,
        "per_second": asked / seconds,
        "repeats": (cache.counts.hits + cache.counts.shared) / len(rows),
        "workers": (workers.counts.calls - calls) / asked,
        "accepted": statuses[pb.ACCEPTED],
        "undecided": statuses[pb.UNDECIDED],
    }


def our_rules(gold: str, answer: str) -> bool:
    """What becomes of one pair, in the server or else in a worker, all of it in this process."""
    from server.verify.math.symbolic import SymbolicAlgebra

    found = judge_quickly(gold, answer) or judge(gold, answer, SymbolicAlgebra())
    return found.status == "correct"


# --- theirs --------------------------------------------------------------------------------------


def math_verify_on(gold: str, text: str) -> bool:
    """math-verify as its README calls it, but without timers."""
    from math_verify import parse, verify

    gold_parsed, answer_parsed = (parse(side, parsing_timeout=None) for side in (gold, text))
    return verify(gold_parsed, answer_parsed, timeout_seconds=None)


def math_verify_on_pair(gold: str, answer: str) -> bool:
    """The same on two bare answers, which it reads in dollars."""
    return math_verify_on(f"${gold}$", f"${answer}$")


def per_cpu_second(check: Callable[[str, str], bool], pairs: Sequence[Pair]) -> tuple[float, int]:
    """Checks per CPU second and how many said equal, in the second of two passes: grammars are warm then."""
    from server.verify.math import symbolic

    for pair in pairs:
        check(*pair)
    symbolic.parse.cache_clear()
    read.cache_clear()
    started = time.process_time()
    equal = sum(check(*pair) for pair in pairs)
    return len(pairs) / (time.process_time() - started), equal


# --- the wire ------------------------------------------------------------------------------------


async def through_a_server(rows: list[Row]) -> dict[str, float]:
    """Seconds for all rows over one stream of a server of its own, cold and again with all decided."""
    from trainer_client.client import AsyncRewardClient

    addresses = ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--log-level", "warning"]
    command = [sys.executable, "-m", "server", "serve", *addresses]
    with subprocess.Popen(  # noqa: ASYNC220 - nothing else waits in this loop
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split("grpc=")[1].strip()
            requests = [row.request(number) for number, row in enumerate(rows)]
            async with AsyncRewardClient(address) as client:
                await client.verify(requests[0])
                seconds = []
                for _ in range(2):
                    started = time.perf_counter()
                    verdicts = [verdict async for verdict in client.stream(requests)]
                    seconds.append(time.perf_counter() - started)
                assert len(verdicts) == len(rows)
        finally:
            server.terminate()
    return {"rows": len(rows), "first_seconds": seconds[0], "again_seconds": seconds[1]}


async def delays(workers: JailedWorkers, rows: list[Row], hostile_share: float) -> dict[str, float]:
    """Delays of the honest rows in milliseconds, WINDOW in flight, some of the others hostile."""
    requests = [row.request(number) for number, row in enumerate(rows)]
    step = round(1 / hostile_share) if hostile_share else len(rows) + 1
    for position in range(step - 1, len(requests), step):
        requests[position].completion = f"\\boxed{{{HOSTILE.format(position)}}}"  # no two are the same check
        requests[position].math.gold[:] = [HOSTILE.format(0)]
    verdicts, all_delays = await ask_all(fresh_verifier(workers, cpu_seconds=1.0)[0], requests)
    honest = sorted(d for n, d in enumerate(all_delays) if (n + 1) % step)
    return {
        "hostile": sum(verdict.status == pb.UNDECIDED for verdict in verdicts),
        "p50_ms": 1000 * honest[len(honest) // 2],
        "p99_ms": 1000 * honest[int(len(honest) * 0.99)],
    }


# --- the report ----------------------------------------------------------------------------------


async def report(limit: int) -> dict[str, object]:
    """Measures and prints everything; what is printed as one dictionary."""
    workers = JailedWorkers(WorkerConfig(MATH_WORKER))
    await workers.start()
    try:
        mixes = await report_mixes(workers, limit)
        open_results = report_open(limit // 5)
        waits = await report_delays(workers, limit)
    finally:
        await workers.close()
    wire = await through_a_server(real_mix(1024))
    print(
        f"\n1,024 completions over one gRPC stream: {wire['first_seconds']:.2f} s, "
        f"again {wire['again_seconds']:.2f} s"
    )
    return {"mixes": mixes, "open_pairs": open_results, "delays": waits, "wire": wire}


async def report_mixes(workers: JailedWorkers, limit: int) -> dict[str, object]:
    """One line for each mix."""
    print(
        f"{'mix':34}{'rows':>6}{'repeats':>9}{'workers':>9}"
        f"{'ours/CPU s':>12}{'math-verify':>13}{'ratio':>7}{'/s':>9}"
    )
    results: dict[str, object] = {}
    ours_seconds = their_seconds = 0.0
    for name, rows in {
        "real GSM8K completions": real_mix(limit),
        "constructed MATH groups": constructed_mix(limit),
    }.items():
        ours = await measure_mix(workers, rows)
        theirs, equal = per_cpu_second(math_verify_on, [(f"${row.gold}$", row.completion) for row in rows])
        ratio = ours["per_cpu_second"] / theirs
        results[name] = {
            **ours,
            "math_verify_per_cpu_second": theirs,
            "math_verify_equal": equal,
            "ratio": ratio,
        }
        print(
            f"{name:34}{len(rows):>6}{ours['repeats']:>9.0%}{ours['workers']:>9.1%}"
            f"{ours['per_cpu_second']:>12,.0f}{theirs:>13,.0f}{ratio:>7.1f}{ours['per_second']:>9,.0f}",
            flush=True,
        )
        ours_seconds += len(rows) / ours["per_cpu_second"]
        their_seconds += len(rows) / theirs
    results["both"] = {"ratio": their_seconds / ours_seconds}
    print(f"{'both together':34}{'':>49}{their_seconds / ours_seconds:>7.1f}", flush=True)
    return results


def report_open(limit: int) -> dict[str, object]:
    """One line for each kind of pair that has any."""
    print(
        f"\n{'pairs':34}{'rows':>6}{'ours/CPU s':>12}{'math-verify':>13}{'ratio':>7}"
        f"{'equal: ours, theirs':>21}"
    )
    results: dict[str, object] = {}
    for name, pairs in open_pairs(limit).items():
        if not pairs:
            continue
        ours, equal = per_cpu_second(our_rules, pairs)
        theirs, equal_there = per_cpu_second(math_verify_on_pair, pairs)
        results[name] = {"rows": len(pairs), "per_cpu_second": ours, "math_verify_per_cpu_second": theirs}
        print(
            f"{name:34}{len(pairs):>6}{ours:>12,.0f}{theirs:>13,.0f}{ours / theirs:>7.1f}"
            f"{equal:>15}, {equal_there}",
            flush=True,
        )
    return results


async def report_delays(workers: JailedWorkers, limit: int) -> dict[str, object]:
    """One line for each load."""
    print(f"\n{'delays, 256 in flight':34}{'hostile':>9}{'p50 ms':>9}{'p99 ms':>9}")
    results: dict[str, object] = {}
    for name, share in {"constructed MATH groups": 0.0, "with 0.5 % hostile": 0.005}.items():
        results[name] = waits = await delays(workers, constructed_mix(limit), share)
        print(f"{name:34}{waits['hostile']:>9.0f}{waits['p50_ms']:>9.1f}{waits['p99_ms']:>9.1f}", flush=True)
    return results


def main() -> int:
    """Measures everything; 1 if the data is not there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--limit", type=int, default=2000, help="rows of a mix (default 2000)")
    limit = parser.parse_args().limit
    if not DATA.exists():
        print("no ../shared/data/math beside this checkout: nothing to measure", file=sys.stderr)
        return 1
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    results = asyncio.run(report(limit))
    cores = len(os.sched_getaffinity(0))
    print(json.dumps({"bench": "math", "python": platform.python_version(), "cores": cores, **results}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
