"""The pages cannot rot: whatever the server has is on them, with its present value."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from protos.reward.v1 import reward_pb2 as pb
from server import cli
from server.config import DIALECTS, Settings
from server.errors import ErrorCode
from server.faces.dialects import ROUTES
from server.faces.dialects.common import Context
from server.faces.grpc_face import STATUS_CODES
from server.faces.openapi import schema
from server.metrics import Metrics
from tests.server.stub_core import StubCore

UNITS = {"KiB": 10, "MiB": 20, "GiB": 30}


@pytest.fixture(scope="module")
def server_page() -> str:
    return (Path(__file__).parents[2] / "docs" / "server.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def api_page() -> str:
    return (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def number(written: str) -> str:
    """`64 MiB` as the number of bytes; anything else as it is."""
    amount, _, unit = written.partition(" ")
    return str(int(amount) << UNITS[unit]) if unit in UNITS else written


@pytest.mark.parametrize("setting", fields(Settings), ids=lambda setting: setting.name)
def test_every_setting_with_its_default(server_page: str, setting: object) -> None:
    row = re.search(rf"^\| `{setting.name}` \| `(.+?)` \| (.+) \|$", server_page, re.MULTILINE)
    assert row is not None
    assert number(row.group(1)) == str(setting.default)
    assert row.group(2) == setting.metadata["help"]


def test_no_setting_that_is_gone(server_page: str) -> None:
    table = server_page.partition("| setting | default |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == {item.name for item in fields(Settings)}


def test_every_command(server_page: str) -> None:
    (commands,) = [action for action in cli.parser()._actions if action.dest != "help"]
    for name in commands.choices:
        assert f"`reward-server {name}" in server_page


def test_every_exit_code(server_page: str) -> None:
    for code in (cli.DONE, cli.FAILED, cli.USAGE, cli.UNFIT, cli.INTERRUPTED):
        assert f"\n| {code} |" in server_page


def test_every_metric(server_page: str) -> None:
    names = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in Metrics(lambda: 0).registry.collect()
    }
    table = server_page.partition("## Metrics")[2].partition("##")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == names


@pytest.mark.parametrize("code", ErrorCode)
def test_every_error_code_with_its_statuses(api_page: str, code: ErrorCode) -> None:
    assert f"| `{code.name}` | {code.http_status} | `{STATUS_CODES[code].name}` |" in api_page


def test_every_path(api_page: str) -> None:
    for path, methods in schema("1")["paths"].items():
        for method in methods:
            assert f"`{method.upper()} {path}`" in api_page


def test_every_rpc(api_page: str) -> None:
    for method in pb.DESCRIPTOR.services_by_name["RewardService"].methods:
        assert re.search(rf"`{method.name}\(.*{method.input_type.name}\)", api_page)


def test_every_status_and_trust(api_page: str) -> None:
    for enum in pb.DESCRIPTOR.enum_types_by_name.values():
        for value in enum.values[1:]:
            assert f"`{value.name}`" in api_page


REQUESTS_AND_ANSWERS = (
    "VerifyRequest", "MathTask", "CodeTask", "Limits", "Verdict", "MathDetail", "RequestFault",
    "Timing", "ExecuteRequest", "ExecuteResult", "Execution", "TestSet", "TestSetRef",
)  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS_AND_ANSWERS)
def test_every_field(api_page: str, name: str) -> None:
    for field in pb.DESCRIPTOR.message_types_by_name[name].fields:
        assert re.search(rf"[`\"]{field.name}[`\"]", api_page), f"{name}.{field.name}"


def test_every_path_of_every_dialect() -> None:
    page = (Path(__file__).parents[2] / "docs" / "dialects.md").read_text(encoding="utf-8")
    for name, routes in ROUTES.items():
        assert f"| `{name}` |" in page
        for route in routes(Context(StubCore(), 1)):
            assert f"`{route.method} {route.path}`" in page, route
    assert tuple(ROUTES) == DIALECTS
