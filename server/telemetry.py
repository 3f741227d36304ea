"""OpenTelemetry traces as a decorator around the service; off unless an endpoint is set.

A span for each request with its outcome, below the caller's own (`traceparent`), and below it
one for each phase. A verdict tells how long each phase took and not when: they are drawn in
the order queue, compile, run, check. No text of a task or a completion is in a span.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from protos.reward.v1 import reward_pb2 as pb
from server import __version__, caller
from server.config import Settings
from server.errors import RequestError, StartupError
from server.faces.service import Passing, RewardService

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

_PHASES = ("queue", "compile", "run")
_NANOSECONDS = 1_000_000_000


class Telemetry:
    """The exporter's life: nothing is sent before `start`, and what is left is sent by `stop`.

    Spans wait in a bounded queue; those that it cannot hold are dropped, and no request waits for it.
    """

    def __init__(self, endpoint: str, exporter: SpanExporter | None = None) -> None:
        try:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
        except ImportError as error:
            raise StartupError("telemetry_endpoint: needs the extra `telemetry` of this package") from error
        resource = Resource.create({"service.name": "reward-server", "service.version": __version__})
        self.provider: TracerProvider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._endpoint = endpoint
        self._exporter = exporter

    def start(self) -> None:
        """Begins to send; its thread does not exist before."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        exporter = self._exporter or OTLPSpanExporter(endpoint=self._endpoint)
        self.provider.add_span_processor(BatchSpanProcessor(exporter))

    def stop(self) -> None:
        """Sends what is left; blocks while it does, for a bounded time."""
        self.provider.shutdown()


def telemetry_of(settings: Settings) -> Telemetry | None:
    """What the settings ask for; raises StartupError where the package is not installed."""
    endpoint = settings.telemetry_endpoint
    return None if endpoint in ("", "none") else Telemetry(endpoint)


class Traced(Passing):
    """A RewardService with a span for each request."""

    def __init__(self, inner: RewardService, provider: TracerProvider) -> None:
        super().__init__(inner)
        self._tracer = provider.get_tracer("reward-server", __version__)

    async def verify(self, request: pb.VerifyRequest) -> pb.Verdict:
        """Judges; the span has the outcome, its children the phases."""
        began = time.time_ns()
        with self._span("verify", began, _attributes(request)) as span:
            try:
                verdict = await self._inner.verify(request)
            except RequestError as error:
                span.set_attribute("reward.error", error.code.name)
                raise
            self._outcome(span, began, request, verdict)
            return verdict

    def verify_now(self, request: pb.VerifyRequest) -> pb.Verdict | None:
        """Judges if nothing has to be waited for; only then there is a span."""
        began = time.time_ns()
        try:
            verdict = self._inner.verify_now(request)
        except RequestError as error:
            with self._span("verify", began, _attributes(request)) as span:
                span.set_attribute("reward.error", error.code.name)
                raise
        if verdict is not None:
            with self._span("verify", began, _attributes(request)) as span:
                self._outcome(span, began, request, verdict)
        return verdict

    async def put_tests(self, tests: pb.TestSet) -> pb.TestSetRef:
        """Keeps a test set."""
        with self._span("put_tests", time.time_ns(), {}):
            return await self._inner.put_tests(tests)

    async def execute(self, request: pb.ExecuteRequest) -> pb.ExecuteResult:
        """Runs a program."""
        began = time.time_ns()
        run = caller.run_of(request.run)
        attributes = {"reward.id": request.id, "reward.run": run, "reward.language": request.language}
        with self._span("execute", began, attributes) as span:
            result = await self._inner.execute(request)
            self._phases(span, began, result.timing)
            return result

    def _span(self, name: str, began: int, attributes: dict[str, str]) -> Any:
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        parent = TraceContextTextMapPropagator().extract({"traceparent": caller.current().trace_parent})
        return self._tracer.start_as_current_span(
            name, parent, SpanKind.SERVER, attributes, start_time=began, record_exception=False
        )

    def _outcome(self, span: Any, began: int, request: pb.VerifyRequest, verdict: pb.Verdict) -> None:
        span.set_attribute("reward.status", pb.Status.Name(verdict.status))
        span.set_attribute("reward.cached", verdict.cached)
        if verdict.HasField("reward"):
            span.set_attribute("reward.reward", verdict.reward)
        if request.WhichOneof("task") == "code":
            span.set_attribute("reward.language", request.code.language)
        self._phases(span, began, verdict.timing)

    def _phases(self, span: Any, began: int, timing: pb.Timing) -> None:
        from opentelemetry.trace import set_span_in_context

        context, at = set_span_in_context(span), began
        seconds = {phase: getattr(timing, f"{phase}_seconds") for phase in _PHASES}
        seconds["check"] = max(0.0, timing.total_seconds - sum(seconds.values()))
        for phase, length in seconds.items():
            if length:
                child = self._tracer.start_span(phase, context, start_time=at)
                at += int(length * _NANOSECONDS)
                child.end(at)


def _attributes(request: pb.VerifyRequest) -> dict[str, str]:
    task = request.WhichOneof("task") or "none"
    return {"reward.id": request.id, "reward.run": caller.run_of(request.run), "reward.task": task}
