"""How loud each outcome is."""

from __future__ import annotations

import io
import json

import pytest

from protos.reward.v1 import reward_pb2 as pb
from server.caller import Caller, become
from server.errors import RequestError
from server.logs import Logged, make_logger
from tests.server.stub_core import FULL, StubCore


class Fixed(StubCore):
    """A core that always gives one status."""

    def __init__(self, status: pb.Status) -> None:
        super().__init__()
        self.status = status

    async def verify(self, request: pb.VerifyRequest) -> pb.Verdict:
        return pb.Verdict(id=request.id, status=self.status)


@pytest.mark.parametrize(
    ("status", "level"),
    [
        (pb.ACCEPTED, "debug"),
        (pb.TIME_LIMIT, "debug"),
        (pb.UNGRADABLE, "info"),
        (pb.UNDECIDED, "info"),
        (pb.INTERNAL_ERROR, "warning"),
        (pb.OVERLOADED, "warning"),
    ],
)
async def test_a_verdict_is_as_loud_as_its_fault(status: pb.Status, level: str) -> None:
    log = io.StringIO()
    await Logged(Fixed(status), make_logger("debug", "json", log)).verify(pb.VerifyRequest(id="x"))
    event = json.loads(log.getvalue())
    assert (event["level"], event["status"], event["reward"]) == (level, pb.Status.Name(status), None)


async def test_what_is_below_the_level_is_not_written() -> None:
    log = io.StringIO()
    await Logged(Fixed(pb.ACCEPTED), make_logger("info", "json", log)).verify(pb.VerifyRequest(id="x"))
    assert log.getvalue() == ""


def test_the_console_format_is_for_people() -> None:
    log = io.StringIO()
    make_logger("info", "console", log).info("serving", http="127.0.0.1:1")
    assert "serving" in log.getvalue()
    assert "http=127.0.0.1:1" in log.getvalue()


async def test_a_run_that_only_the_header_names_is_logged_with_its_verdict() -> None:
    become(Caller(run="grpo"))
    log = io.StringIO()
    await Logged(Fixed(pb.ACCEPTED), make_logger("debug", "json", log)).verify(pb.VerifyRequest(id="x"))
    assert json.loads(log.getvalue())["run"] == "grpo"


async def test_a_run_that_only_the_header_names_is_logged_with_a_refusal() -> None:
    become(Caller(run="grpo"))
    log = io.StringIO()
    request = pb.VerifyRequest(completion=FULL, math=pb.MathTask(gold=["1"]))
    with pytest.raises(RequestError):
        await Logged(StubCore(), make_logger("info", "json", log)).verify(request)
    assert json.loads(log.getvalue())["run"] == "grpo"
