"""Faults in a row, for requests that have no id of their own."""

from __future__ import annotations

from protos.reward.v1 import reward_pb2 as pb
from tests.trainer_client.fake_server import FakeServer


def answering(server: FakeServer, *verdicts: pb.Verdict) -> None:
    """The server gives these verdicts to the next requests and judges those that follow."""
    left = list(verdicts)
    server.faults = lambda request, attempt: left.pop(0) if left else None
