"""Limits of a request: its own, defaults for the rest, never above the ceilings."""

from __future__ import annotations

import math

import pytest

from protos.reward.v1 import reward_pb2 as pb
from server.config import Settings
from server.errors import RequestError
from server.limits import resolve, to_message

SETTINGS = Settings()


def test_what_is_left_out_takes_the_defaults() -> None:
    assert resolve(pb.Limits(), SETTINGS, "limits") == SETTINGS.default_limits()


def test_the_wall_limit_follows_the_cpu_limit() -> None:
    assert resolve(pb.Limits(cpu_seconds=30), SETTINGS, "limits").wall_seconds == 150
    assert resolve(pb.Limits(cpu_seconds=30, wall_seconds=31), SETTINGS, "limits").wall_seconds == 31


@pytest.mark.parametrize(
    "asked",
    [
        pb.Limits(cpu_seconds=1e9),
        pb.Limits(wall_seconds=1e9),
        pb.Limits(memory_bytes=1 << 60),
        pb.Limits(output_bytes=1 << 60),
        pb.Limits(processes=1 << 30),
        pb.Limits(cpu_seconds=-1),
        pb.Limits(wall_seconds=math.nan),
        pb.Limits(cpu_seconds=math.inf),
    ],
)
def test_what_cannot_be_is_refused_by_name(asked: pb.Limits) -> None:
    ((descriptor, _),) = asked.ListFields()
    with pytest.raises(RequestError) as caught:
        resolve(asked, SETTINGS, "code.limits")
    assert caught.value.field == f"code.limits.{descriptor.name}"


def test_applied_limits_go_over_the_wire_unchanged() -> None:
    limits = SETTINGS.default_limits()
    message = to_message(limits)
    assert all(getattr(message, name) == getattr(limits, name) for name in limits.__slots__)
