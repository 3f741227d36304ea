"""Prometheus metrics as a decorator around the service: the core imports no metrics library."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from protos.reward.v1 import reward_pb2 as pb
from sandbox import languages
from sandbox.errors import UnknownLanguage
from server.errors import ErrorCode, RequestError
from server.faces.service import Passing, RewardService
from server.tallies import Distribution, Later, Tally
from server.verify.code.tamper import FLAGS

_RPCS = ("verify", "put_tests", "execute")
_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_LIMITS = {
    pb.TIME_LIMIT: "time",
    pb.MEMORY_LIMIT: "memory",
    pb.OUTPUT_LIMIT: "output",
    pb.PROCESS_LIMIT: "processes",
}
_GAUGES = {
    "queue.cost": ("reward_queue_cost", "Units of cost of the requests in the server"),
    "queue.bytes": ("reward_queue_bytes", "Bytes of the requests in the server"),
    "jails.open": ("reward_jails_open", "Jails in use"),
    "jails.unburied": ("reward_jails_unburied", "Jails that nobody uses and that are not yet gone"),
}
_LANE_GAUGES = {
    "slots": ("reward_slots", "Slots that there are, by lane"),
    "busy": ("reward_slots_busy", "Slots that are held, by lane"),
    "waiting": ("reward_slots_waiting", "Claims that wait for a slot, by lane"),
}


class Metrics:
    """The metrics of one server, in a registry of their own."""

    def __init__(
        self,
        queue_depth: Callable[[], int],
        math_statistics: Callable[[], Mapping[str, int]] = dict,
        statistics: Callable[[], Mapping[str, float]] = dict,
        replays: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self.registry = CollectorRegistry()
        self.in_flight = Gauge(
            "reward_in_flight", "Requests that are accepted and not answered", ["rpc"], registry=self.registry
        )
        self.verdicts = Tally("reward_verdicts", "Verdicts by outcome", ["task", "status", "language"])
        self.refusals = Counter(
            "reward_refusals",
            "Requests that were not taken, by error code",
            ["rpc", "code"],
            registry=self.registry,
        )
        self.phase_seconds = Distribution(
            "reward_phase_seconds", "Time of a verdict by phase", ["task", "phase"], _BUCKETS_SECONDS
        )
        self.flags = Counter(
            "reward_flags", "Verdicts with a sign of tampering", ["flag"], registry=self.registry
        )
        self._begin_at_zero()
        self.limit_kills = Counter(
            "reward_limit_kills", "Runs that met a limit", ["limit"], registry=self.registry
        )
        self.code_cache = Counter(
            "reward_code_cache",
            "Code requests by what was known",
            ["cache", "result"],
            registry=self.registry,
        )
        depth = Gauge("reward_queue_depth", "Requests that wait for a slot", registry=self.registry)
        depth.set_function(queue_depth)
        self.registry.register(self.verdicts)
        self.registry.register(self.phase_seconds)
        self.registry.register(_MathCollector(math_statistics))
        self.registry.register(_CoreCollector(statistics, replays))
        self.easy = Later(self._count_easy)  # what `verify_now` has judged

    def _begin_at_zero(self) -> None:
        """What alerts look for: to Prometheus, a counter that first appears at 1 has not increased."""
        for rpc in _RPCS:
            for code in ErrorCode:
                self.refusals.labels(rpc, code.name)
        for flag in FLAGS:
            self.flags.labels(flag)

    def render(self) -> tuple[bytes, str]:
        """The metrics in Prometheus' text format, and its media type."""
        self.easy.flush()
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    def count_verdict(self, task: str, language: str, verdict: pb.Verdict) -> None:
        """Counts a verdict and its phases."""
        self._count_verdicts(task, language, [verdict])
        if task == "code":
            self._count_code(verdict)

    def _count_easy(self, verdicts: Sequence[pb.Verdict]) -> None:
        self._count_verdicts("math", "", verdicts)

    def _count_verdicts(self, task: str, language: str, verdicts: Sequence[pb.Verdict]) -> None:
        for status, count in Counts(verdict.status for verdict in verdicts).items():
            self.verdicts.counts[task, pb.Status.Name(status), language] += count
        for verdict in verdicts:
            for flag in verdict.flags:
                self.flags.labels(flag).inc()
        self._observe_phases(task, [verdict.timing for verdict in verdicts])

    def _count_code(self, verdict: pb.Verdict) -> None:
        count = self.code_cache.labels
        count("verdict", "hit" if verdict.cached else "miss").inc()
        if verdict.cached:
            return
        if verdict.code.HasField("compile"):
            count("artefact", "hit" if verdict.code.compile.cached else "miss").inc()
        for case in verdict.code.cases:
            if (limit := _LIMITS.get(case.status)) is not None:
                self.limit_kills.labels(limit).inc()

    def _observe_phases(self, task: str, timings: Sequence[pb.Timing]) -> None:
        """What is neither waiting, compiling nor running is the check: extraction and comparison."""
        queue = [timing.queue_seconds for timing in timings]
        compiling = [timing.compile_seconds for timing in timings]
        run = [timing.run_seconds for timing in timings]
        total = [timing.total_seconds for timing in timings]
        check = [max(0.0, t - q - c - r) for t, q, c, r in zip(total, queue, compiling, run, strict=True)]
        phases = {"queue": queue, "compile": compiling, "run": run, "total": total, "check": check}
        for phase, seconds in phases.items():
            self.phase_seconds.observe((task, phase), seconds)


class _MathCollector:
    """What the math checker counts by itself, read when somebody asks."""

    def __init__(self, statistics: Callable[[], Mapping[str, int]]) -> None:
        self._statistics = statistics

    def collect(self) -> Iterator[Metric]:
        """The families, without samples where nothing is counted."""
        found = self._statistics()
        cache = CounterMetricFamily(
            "reward_math_cache", "Math checks by what the cache of decided pairs knew", labels=["result"]
        )
        workers = CounterMetricFamily(
            "reward_math_workers", "What happened to math workers", labels=["event"]
        )
        for name, count in found.items():
            kind, _, label = name.partition(".")
            if kind in {"cache", "workers"}:
                (cache if kind == "cache" else workers).add_metric([label], count)
        yield cache
        yield workers
        held = GaugeMetricFamily("reward_math_cache_bytes", "Memory held by decided pairs")
        held.add_metric([], found.get("cache_bytes", 0))
        yield held


class _CoreCollector:
    """What the core and the replays count by themselves, read when somebody asks."""

    def __init__(
        self, statistics: Callable[[], Mapping[str, float]], replays: Callable[[], Mapping[str, int]]
    ) -> None:
        self._statistics = statistics
        self._replays = replays

    def collect(self) -> Iterator[Metric]:
        """The families, without samples where nothing is counted."""
        found = self._statistics()
        for name, (metric, text) in _GAUGES.items():
            yield GaugeMetricFamily(metric, text, value=found.get(name, 0))
        for kind, (metric, text) in _LANE_GAUGES.items():
            family = GaugeMetricFamily(metric, text, labels=["lane"])
            for name, value in found.items():
                if name.startswith(f"{kind}."):
                    family.add_metric([name.partition(".")[2]], value)
            yield family
        launchers = CounterMetricFamily("reward_launchers", "Launchers started: one, and one for each loss")
        launchers.add_metric([], found.get("launchers", 0))
        yield launchers
        replays = CounterMetricFamily(
            "reward_replays", "Requests whose id was in use, by what became of them", labels=["result"]
        )
        for result, count in self._replays().items():
            if result != "size_bytes":
                replays.add_metric([result], count)
        yield replays


class Measured(Passing):
    """A RewardService that counts what passes through it."""

    def __init__(self, inner: RewardService, metrics: Metrics) -> None:
        super().__init__(inner)
        self._metrics = metrics

    async def verify(self, request: pb.VerifyRequest) -> pb.Verdict:
        """Judges; counts the verdict and its phases."""
        with self._counted("verify"):
            verdict = await self._inner.verify(request)
        task = request.WhichOneof("task") or "none"
        self._metrics.count_verdict(
            task, _language_of(request.code.language) if task == "code" else "", verdict
        )
        return verdict

    def verify_now(self, request: pb.VerifyRequest) -> pb.Verdict | None:
        """Judges if nothing has to be waited for; counts the verdict and its phases."""
        try:
            verdict = self._inner.verify_now(request)
        except RequestError as error:
            self._metrics.refusals.labels("verify", error.code.name).inc()
            raise
        if verdict is not None:
            self._metrics.easy.add(verdict)
        return verdict

    async def put_tests(self, tests: pb.TestSet) -> pb.TestSetRef:
        """Keeps a test set."""
        with self._counted("put_tests"):
            return await self._inner.put_tests(tests)

    async def execute(self, request: pb.ExecuteRequest) -> pb.ExecuteResult:
        """Runs a program."""
        with self._counted("execute"):
            return await self._inner.execute(request)

    @contextmanager
    def _counted(self, rpc: str) -> Iterator[None]:
        with self._metrics.in_flight.labels(rpc).track_inprogress():
            try:
                yield
            except RequestError as error:
                self._metrics.refusals.labels(rpc, error.code.name).inc()
                raise


def _language_of(written: str) -> str:
    """Its name in the table, however a caller spelt it: no caller can grow the label's values."""
    try:
        return languages.find(written).name
    except UnknownLanguage:
        return ""
