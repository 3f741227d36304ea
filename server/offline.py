"""The commands that judge in this process, without a server: `verify` and `bench`."""

from __future__ import annotations

import json
import sys
import time

from protos.reward.v1 import reward_pb2 as pb
from server import taskcheck
from server.errors import RequestError
from server.faces import json_batch, json_wire
from server.faces.batch import Entry, each, judge_many
from server.faces.service import RewardService


async def verify_lines(core: RewardService, body: bytes, window: int) -> int:
    """Judges requests in NDJSON: verdicts on stdout as they are made, a summary on stderr.

    Returns the exit code: 0 when every request was judged, else 1.
    """
    tally = Tally()
    async for _, verdict in judge_many(core, json_batch.entries(body, ndjson=True), window=window):
        print(json_wire.dump_value(json_batch.to_json(verdict)), flush=True)
        tally.add(verdict)
    print(tally.summary(), file=sys.stderr)
    return 0 if tally.all_judged else 1


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
