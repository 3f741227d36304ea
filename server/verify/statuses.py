"""How a run's outcome reads on the wire."""

from __future__ import annotations

from protos.reward.v1 import reward_pb2 as pb
from sandbox.types import Outcome

_STATUSES = {
    Outcome.OK: pb.ACCEPTED,
    Outcome.RUNTIME_ERROR: pb.RUNTIME_ERROR,
    Outcome.TIME_LIMIT: pb.TIME_LIMIT,
    Outcome.WALL_LIMIT: pb.TIME_LIMIT,
    Outcome.MEMORY_LIMIT: pb.MEMORY_LIMIT,
    Outcome.OUTPUT_LIMIT: pb.OUTPUT_LIMIT,
    Outcome.PROCESS_LIMIT: pb.PROCESS_LIMIT,
    Outcome.COMPILE_ERROR: pb.COMPILE_ERROR,
}


def status_of(outcome: Outcome) -> pb.Status:
    """The status of a run; for an OK run, before any output was compared, ACCEPTED."""
    return _STATUSES[outcome]
