"""Traces: a span for each request below the caller's own, its phases below it, and no text in any."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from protos.reward.v1 import reward_pb2 as pb
from server.app import App
from server.caller import Caller, become
from server.config import Settings
from server.errors import ErrorCode, RequestError, StartupError
from server.telemetry import Telemetry, Traced, telemetry_of
from tests.server.stub_core import FULL, HELD, StubCore

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SETTINGS = Settings(http="127.0.0.1:0", grpc="127.0.0.1:0", log_level="error")


class Phased(StubCore):
    """Answers with the times of every phase."""

    def verify_now(self, request: pb.VerifyRequest) -> pb.Verdict | None:
        if request.completion == FULL:
            raise RequestError(ErrorCode.DRAINING, "draining")
        if request.completion == HELD:
            return None
        return pb.Verdict(status=pb.ACCEPTED, reward=1.0, timing=pb.Timing(run_seconds=3, total_seconds=3))

    async def verify(self, request: pb.VerifyRequest) -> pb.Verdict:
        verdict = await super().verify(request)
        verdict.timing.CopyFrom(
            pb.Timing(queue_seconds=1, compile_seconds=2, run_seconds=3, total_seconds=6.5)
        )
        return verdict


async def spans_of(
    request: pb.VerifyRequest, caller: Caller | None = None, *, at_once: bool = False
) -> dict[str, ReadableSpan]:
    exporter, telemetry = InMemorySpanExporter(), Telemetry("unused")
    telemetry.provider.add_span_processor(SimpleSpanProcessor(exporter))
    service = Traced(Phased(), telemetry.provider)

    async def ask() -> None:
        become(caller or Caller())
        with contextlib.suppress(RequestError):
            if at_once:
                service.verify_now(request)
            else:
                await service.verify(request)

    await asyncio.create_task(ask())
    return {span.name: span for span in exporter.get_finished_spans()}


def ask(completion: str = r"secret \boxed{42}") -> pb.VerifyRequest:
    return pb.VerifyRequest(id="p3/r7", run="grpo", completion=completion, math=pb.MathTask(gold=["42"]))


def seconds(span: ReadableSpan) -> float:
    assert span.end_time is not None
    assert span.start_time is not None
    return (span.end_time - span.start_time) / 1e9


async def test_a_span_with_its_outcome_and_a_child_for_each_phase() -> None:
    spans = await spans_of(ask())
    attributes = spans["verify"].attributes
    assert attributes is not None
    assert (attributes["reward.status"], attributes["reward.reward"]) == ("ACCEPTED", 1.0)
    assert (attributes["reward.id"], attributes["reward.run"]) == ("p3/r7", "grpo")
    found = {name: seconds(span) for name, span in spans.items() if name != "verify"}
    assert found == pytest.approx({"queue": 1, "compile": 2, "run": 3, "check": 0.5})
    for name in found:
        parent = spans[name].parent
        assert parent is not None
        assert parent.span_id == spans["verify"].context.span_id


async def test_it_belongs_to_the_callers_trace() -> None:
    spans = await spans_of(ask(), Caller(trace_parent=f"00-{TRACE}-{SPAN}-01"))
    parent = spans["verify"].parent
    assert parent is not None
    assert (f"{parent.trace_id:032x}", f"{parent.span_id:016x}") == (TRACE, SPAN)


async def test_a_refusal_has_its_code() -> None:
    attributes = (await spans_of(ask(FULL)))["verify"].attributes
    assert attributes is not None
    assert attributes["reward.error"] == "QUEUE_FULL"


async def test_a_run_that_only_the_header_names_is_in_the_span() -> None:
    request = ask()
    request.run = ""
    attributes = (await spans_of(request, Caller(run="header")))["verify"].attributes
    assert attributes is not None
    assert attributes["reward.run"] == "header"


async def test_what_is_judged_at_once_has_a_span_too() -> None:
    spans = await spans_of(ask(), at_once=True)
    attributes = spans["verify"].attributes
    assert attributes is not None
    assert (attributes["reward.status"], seconds(spans["run"])) == ("ACCEPTED", pytest.approx(3))


async def test_what_is_refused_at_once_has_its_code() -> None:
    attributes = (await spans_of(ask(FULL), at_once=True))["verify"].attributes
    assert attributes is not None
    assert attributes["reward.error"] == "DRAINING"


async def test_what_has_to_wait_has_no_span_yet() -> None:
    assert await spans_of(ask(HELD), at_once=True) == {}


async def test_no_text_of_a_task_is_in_a_span() -> None:
    for span in (await spans_of(ask())).values():
        assert "secret" not in span.to_json()


class Collector(BaseHTTPRequestHandler):
    """Takes OTLP over HTTP."""

    taken: list[ExportTraceServiceRequest]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.taken.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    Collector.taken = []
    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", Collector.taken
        server.shutdown()
        thread.join()


async def test_a_real_server_sends_to_a_collector(
    collector: tuple[str, list[ExportTraceServiceRequest]],
) -> None:
    endpoint, taken = collector
    app = App(replace(SETTINGS, telemetry_endpoint=endpoint), StubCore())
    await app.start()
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
    async with httpx.AsyncClient(base_url=f"http://{app.http_address}", headers=headers) as http:
        body = {"id": "a", "completion": r"\boxed{42}", "math": {"gold": ["42"]}}
        assert (await http.post("/v1/verify", json=body)).status_code == 200
    await app.close()
    spans = [
        span
        for message in taken
        for resource in message.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert {span.name for span in spans} == {"verify", "check"}
    assert {span.trace_id.hex() for span in spans} == {TRACE}


def test_it_is_off_by_default_and_then_nothing_is_imported() -> None:
    assert telemetry_of(SETTINGS) is None


def test_without_the_package_the_setting_is_a_startup_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(StartupError, match="telemetry_endpoint: needs the extra"):
        App(replace(SETTINGS, telemetry_endpoint="http://127.0.0.1:1"), StubCore())
