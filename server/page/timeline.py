"""What the server did in the last two minutes, in bins of a second."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from protos.reward.v1 import reward_pb2 as pb
from server.tallies import Later

WINDOW_SECONDS = 120
PHASES = {phase: f"{phase}_seconds" for phase in ("queue", "compile", "run", "total")}
# Each bin of latencies reaches 10 % further than the one before it, so a quantile is exact within 5 %.
_GROWTH = 1.1
_LEAST_SECONDS = 1e-4
_FIRST_UNJUDGED = pb.UNGRADABLE
_SERIES = ("accepted", "rejected", "unjudged", "executed")

Latencies = dict[tuple[str, str], Counter[int]]


@dataclass(slots=True)
class _Second:
    """One bin; `at` is the clock's whole second."""

    at: int
    statuses: Counter[tuple[str, str]] = field(default_factory=Counter)
    series: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    latencies: Latencies = field(default_factory=lambda: defaultdict(Counter))


class Timeline:
    """Counts of the last `WINDOW_SECONDS` and totals since the start. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._seconds: deque[_Second] = deque()
        self._totals: Counter[str] = Counter()
        self._last_work: float | None = None
        self._easy: Later[tuple[float, str, pb.Verdict]] = Later(self._count_easy)
        self.in_flight = 0

    def add_easy(self, task: str, verdict: pb.Verdict) -> None:
        """As `add_verdict`, of a verdict made at once: counted later with others, in this second."""
        self._easy.add((self._clock(), task, verdict))

    def add_verdict(self, task: str, verdict: pb.Verdict) -> None:
        """Counts one verdict and its phases."""
        self._easy.flush()
        self._count_verdicts(self._clock(), task, [verdict])

    def _count_easy(self, easy: Sequence[tuple[float, str, pb.Verdict]]) -> None:
        for (_, task), same in groupby(easy, lambda item: (int(item[0]), item[1])):
            times, _, verdicts = zip(*same, strict=True)
            self._count_verdicts(times[-1], task, verdicts)

    def _count_verdicts(self, now: float, task: str, verdicts: Sequence[pb.Verdict]) -> None:
        """Counts verdicts on one kind of task, made in one second."""
        second = self._second("verdicts", now, len(verdicts))
        for status, count in Counter(verdict.status for verdict in verdicts).items():
            second.statuses[task, pb.Status.Name(status)] += count
            second.series[_series_of(status)] += count
        _add_latencies(second.latencies, task, [verdict.timing for verdict in verdicts])

    def add_execution(self, result: pb.ExecuteResult) -> None:
        """Counts a program that ran without being judged."""
        second = self._work("executions")
        second.series["executed"] += 1
        _add_latencies(second.latencies, "execute", [result.timing])

    def add_refusal(self, code: str) -> None:
        """Counts a request that was not taken, by its error code."""
        self._work("refusals").refusals[code] += 1

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain values: series oldest first, one number a second."""
        self._easy.flush()
        now = self._clock()
        self._forget(int(now))
        return {
            "window_seconds": WINDOW_SECONDS,
            "uptime_seconds": now - self._started,
            "idle_seconds": None if self._last_work is None else now - self._last_work,
            "in_flight": self.in_flight,
            "per_second": self._per_second(int(now)),
            "statuses": self._statuses(),
            "refusals": dict(_sum(second.refusals for second in self._seconds)),
            "latency": self._latency(),
            "totals": {name: self._totals[name] for name in ("verdicts", "executions", "refusals")},
        }

    def _work(self, kind: str) -> _Second:
        self._easy.flush()  # seconds come in order
        return self._second(kind, self._clock())

    def _second(self, kind: str, now: float, count: int = 1) -> _Second:
        self._last_work = now
        self._totals[kind] += count
        if not self._seconds or self._seconds[-1].at != int(now):
            self._forget(int(now))
            self._seconds.append(_Second(int(now)))
        return self._seconds[-1]

    def _forget(self, now: int) -> None:
        while self._seconds and self._seconds[0].at <= now - WINDOW_SECONDS:
            self._seconds.popleft()

    def _per_second(self, now: int) -> dict[str, list[int]]:
        series = {name: [0] * WINDOW_SECONDS for name in _SERIES}
        for second in self._seconds:
            for name, count in second.series.items():
                series[name][second.at - now - 1] = count
        return series

    def _statuses(self) -> list[dict[str, Any]]:
        counts = _sum(second.statuses for second in self._seconds)
        return [
            {"task": task, "status": status, "count": count} for (task, status), count in counts.most_common()
        ]

    def _latency(self) -> list[dict[str, Any]]:
        merged: Latencies = defaultdict(Counter)
        for second in self._seconds:
            for key, counts in second.latencies.items():
                merged[key].update(counts)
        return [
            {
                "task": task,
                "phase": phase,
                "count": counts.total(),
                "p50_seconds": quantile(counts, 0.5),
                "p99_seconds": quantile(counts, 0.99),
            }
            for (task, phase), counts in sorted(merged.items())
        ]


def quantile(bins: Mapping[int, int], share: float) -> float:
    """The latency in seconds that `share` of the counted ones do not exceed, within 5 %; 0 below 0.1 ms."""
    rank = math.ceil(share * sum(bins.values()))
    for index in sorted(bins):
        rank -= bins[index]
        if rank <= 0:
            break
    return 0.0 if index == 0 else _LEAST_SECONDS * _GROWTH ** (index - 0.5)


def bin_of(seconds: float) -> int:
    """The bin that counts a latency; 0 for everything below 0.1 ms."""
    if seconds < _LEAST_SECONDS:
        return 0
    return 1 + math.floor(math.log(seconds / _LEAST_SECONDS, _GROWTH))


def _add_latencies(latencies: Latencies, task: str, timings: Sequence[pb.Timing]) -> None:
    for phase, field_name in PHASES.items():
        bins = latencies[task, phase]
        for timing in timings:
            bins[bin_of(getattr(timing, field_name))] += 1


def _series_of(status: pb.Status) -> str:
    if status == pb.ACCEPTED:
        return "accepted"
    return "rejected" if status < _FIRST_UNJUDGED else "unjudged"


def _sum(counters: Any) -> Counter[Any]:
    merged: Counter[Any] = Counter()
    for counter in counters:
        merged.update(counter)
    return merged
