"""The API's description for people: complete, and nothing in it comes from elsewhere."""

from __future__ import annotations

import re

from server.faces.api_page import render
from server.faces.openapi import schema
from tests.server.conftest import Running


def test_every_operation_message_and_field_is_on_it() -> None:
    document = schema("1.2")
    page = render(document)
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in page
    for name, message in document["components"]["schemas"].items():
        assert f'id="{name}"' in page
        for field in message.get("properties", {}):
            assert f"<code>{field}</code>" in page


def test_every_link_leads_somewhere_on_this_server() -> None:
    page = render(schema("1.2"))
    anchors = set(re.findall(r'id="(\w+)"', page))
    for link in re.findall(r'(?:href|src)="([^"]*)"', page):
        assert link == "/openapi.json" or link.removeprefix("#") in anchors


async def test_it_may_load_nothing(running: Running) -> None:
    answer = await running.http.get("/docs")
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "<script" not in answer.text
