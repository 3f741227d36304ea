"""How loud each outcome is."""

from __future__ import annotations

import io
import json

import pytest

from protos.reward.v1 import reward_pb2 as pb
from server.logs import Logged, make_logger
from tests.server.stub_core import StubCore


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
