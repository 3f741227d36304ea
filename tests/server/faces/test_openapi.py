"""The OpenAPI document: complete, and every reference in it leads somewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from protos.reward.v1 import reward_pb2 as pb
from server.config import Settings
from server.faces.http_face import Routes, build_app
from server.faces.openapi import schema
from tests.server.stub_core import StubCore


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref":
                yield item
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_every_message_and_enum_is_there() -> None:
    schemas = schema("1")["components"]["schemas"]
    assert set(pb.DESCRIPTOR.message_types_by_name) | set(pb.DESCRIPTOR.enum_types_by_name) < set(schemas)
    assert schemas["Status"]["enum"][1] == "ACCEPTED"


def test_every_reference_leads_somewhere() -> None:
    document = schema("1")
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known


def test_it_lists_the_paths_that_are_served() -> None:
    app = build_app(Routes(StubCore(), Settings(), lambda: (b"", "")))
    served = {
        (route.path, method.lower())
        for route in app.routes
        for method in route.methods - {"HEAD"}
        if not route.path.startswith(("/docs", "/openapi"))
    }
    documented = {(path, method) for path, item in schema("1")["paths"].items() for method in item}
    assert served == documented


def test_what_json_writes_otherwise_is_described_so() -> None:
    schemas = schema("1")["components"]["schemas"]
    assert schemas["Checker"]["oneOf"][0] == {"type": "string"}
    assert schemas["CallCase"]["properties"]["args"]["type"] == "array"
    assert "stdout_base64" in schemas["Execution"]["properties"]
    assert (
        schemas["ExecuteRequest"]["properties"]["files"]["additionalProperties"]["contentEncoding"]
        == "base64"
    )
