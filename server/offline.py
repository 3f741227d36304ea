"""The commands that judge in this process, without a server: `verify` and `bench`."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, TextIO

from protos.reward.v1 import reward_pb2 as pb
from server import taskcheck
from server.errors import RequestError, invalid
from server.faces import json_batch, json_wire
from server.faces.batch import Entry, each, judge_many
from server.faces.service import RewardService


async def verify_lines(core: RewardService, body: bytes, window: int, record: TextIO | None = None) -> int:
    """Judges requests in NDJSON: verdicts on stdout as they are made, a summary on stderr.

    `record` gets a line with request and verdict for each that was taken, which `replay_lines` reads.
    Returns the exit code: 0 when every request was judged, else 1.
    """
    tally = Tally()
    lines = [line for line in body.split(b"\n") if line.strip()]
    async for position, verdict in judge_many(core, json_batch.entries(body, ndjson=True), window=window):
        written = json_wire.dump_value(json_batch.to_json(verdict))
        print(written, flush=True)
        if record is not None and not verdict.HasField("error"):
            record.write(f'{{"request": {lines[position].decode()}, "verdict": {written}}}\n')
        tally.add(verdict)
    print(tally.summary(), file=sys.stderr)
    return 0 if tally.all_judged else 1


async def replay_lines(core: RewardService, body: bytes, window: int) -> int:
    """Judges stored requests again: each verdict that changed on stdout, a summary on stderr.

    Every line is `{"request": VerifyRequest, "verdict": Verdict}`. A verdict has changed when its
    status or its reward has, or when a request was refused then or is now. Returns the exit code:
    0 when none changed, else 1. Raises RequestError for a line that is none of these.
    """
    stored = [_stored(number, line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    changed = 0
    entries: list[Entry] = [request for request, _ in stored]
    async for position, verdict in judge_many(core, each(entries), window=window):
        request, then = stored[position]
        now = outcome(json_batch.to_json(verdict))
        if now != then:
            changed += 1
            report = {"id": request.id, "then": then, "now": now, "message": verdict.message}
            print(json_wire.dump_value(report), flush=True)
    print(f"{len(stored)} requests: {changed} verdicts changed", file=sys.stderr)
    return 0 if not changed else 1


def outcome(verdict: Any) -> dict[str, Any]:
    """What of a verdict in JSON must not change by itself: its status and reward, or why it was refused."""
    if error := verdict.get("error"):
        return {"error": error.get("code")}
    return {"status": verdict.get("status"), "reward": verdict.get("reward")}


def _stored(number: int, line: bytes) -> tuple[pb.VerifyRequest, dict[str, Any]]:
    pair = json_wire.loads(line)
    if not isinstance(pair, dict) or not isinstance(pair.get("verdict"), dict) or "request" not in pair:
        raise invalid(f"line {number}", 'is not {"request": ..., "verdict": ...}')
    return json_wire.from_json(pair["request"], pb.VerifyRequest), outcome(pair["verdict"])


async def check_lines(core: RewardService, body: bytes) -> int:
    """Checks tasks, one CheckTaskRequest a line: a report each on stdout, a summary on stderr.

    Returns the exit code: 0 when every task is fit, else 1.
    """
    fit = total = 0
    for number, line in enumerate(body.splitlines(), start=1):
        if not line.strip():
            continue
        total += 1
        try:
            report = await taskcheck.check(core, json_wire.parse(line, pb.CheckTaskRequest))
        except RequestError as error:
            report = pb.TaskReport(id=f"line {number}", problems=[str(error)])
        fit += report.fit
        print(json_wire.dump_value(json_wire.to_json(report)), flush=True)
    print(f"{total} tasks: {fit} fit", file=sys.stderr)
    return 0 if fit == total else 1


class Tally:
    """How many verdicts of each status, and the mean of the rewards that are present."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._rewards: list[float] = []

    def add(self, verdict: pb.Verdict) -> None:
        """Counts one verdict or refused entry."""
        refused = verdict.HasField("error")
        status = f"refused:{verdict.error.code}" if refused else pb.Status.Name(verdict.status)
        self._counts[status] = self._counts.get(status, 0) + 1
        if verdict.HasField("reward"):
            self._rewards.append(verdict.reward)

    @property
    def total(self) -> int:
        """How many were counted."""
        return sum(self._counts.values())

    @property
    def all_judged(self) -> bool:
        """Whether each has a reward."""
        return len(self._rewards) == self.total

    def summary(self) -> str:
        """One line for a person."""
        mean = f"{sum(self._rewards) / len(self._rewards):.3f}" if self._rewards else "none"
        counts = ", ".join(f"{count} {status}" for status, count in sorted(self._counts.items()))
        return (
            f"{self.total} requests: {counts or 'nothing'}; {len(self._rewards)} judged, mean reward {mean}"
        )


async def bench(core: RewardService, count: int, window: int) -> int:
    """Judges `count` math and `count` code requests; a table for people, one JSON line last."""
    rates: dict[str, float] = {}
    all_judged = True
    for name, entries in (("math", _math_load(count)), ("code", _code_load(count))):
        tally, seconds = await _timed(core, entries, window)
        rates[f"{name}_verdicts_per_second"] = round(tally.total / seconds, 1)
        all_judged = all_judged and tally.all_judged
        print(f"{name:<5} {tally.total / seconds:10.1f} verdicts/s   {tally.summary()}")
    print(json.dumps({"requests_of_each_kind": count, **rates}))
    return 0 if all_judged else 1


async def _timed(core: RewardService, entries: list[Entry], window: int) -> tuple[Tally, float]:
    tally, begun = Tally(), time.perf_counter()
    async for _, verdict in judge_many(core, each(entries), window=window):
        tally.add(verdict)
    return tally, time.perf_counter() - begun


def _math_load(count: int) -> list[Entry]:
    return [
        pb.VerifyRequest(
            id=f"math-{n}", completion=f"</think> \\boxed{{{n}}}", math=pb.MathTask(gold=[str(n)])
        )
        for n in range(count)
    ]


def _code_load(count: int) -> list[Entry]:
    cases = [pb.StdioCase(input=f"{n}\n", output=f"{2 * n}\n") for n in range(4)]
    task = pb.CodeTask(language="python", stdio=pb.StdioTests(cases=cases))
    return [
        # Each program differs, so that nothing is answered from a cache.
        pb.VerifyRequest(
            id=f"code-{n}", completion=f"```python\n# {n}\nprint(int(input()) * 2)\n```", code=task
        )
        for n in range(count)
    ]
