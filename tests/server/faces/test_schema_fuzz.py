"""Schemathesis over the OpenAPI document: whatever it thinks of, no answer is a fault of the server."""

from __future__ import annotations

import json
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from server.config import Settings
from server.faces.http_face import Routes, build_app
from server.faces.service import RewardService
from tests.server.stub_core import StubCore

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]


def service() -> RewardService:
    core = StubCore()
    core.warm = True
    core.gate.set()
    return core


@schemathesis.serializer("application/x-ndjson")
def one_line(_: Any, value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


app = build_app(Routes(service(), Settings(), lambda: (b"", "text/plain")))
schema = schemathesis.openapi.from_asgi("/openapi.json", app)


@schema.parametrize()
@settings(
    max_examples=8,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
def test_no_request_ends_as_a_fault_of_the_server(case: schemathesis.Case) -> None:
    case.call_and_validate(checks=CHECKS)
