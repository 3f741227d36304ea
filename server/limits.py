"""The limits of a request: its own, the server's defaults for the rest, never above the ceilings."""

from __future__ import annotations

import math

from protos.reward.v1 import reward_pb2 as pb
from sandbox.types import Limits
from server.config import Settings
from server.errors import invalid

_NAMES = ("cpu_seconds", "wall_seconds", "memory_bytes", "output_bytes", "processes")


def resolve(asked: pb.Limits, settings: Settings, field: str) -> Limits:
    """The limits to apply; raises INVALID_ARGUMENT that names field and ceiling.

    A wall limit left out follows the CPU limit, so that it stays a mere backstop.
    """
    ceilings = settings.limit_ceilings()
    values = {}
    for name in _NAMES:
        value = getattr(asked, name)
        if not math.isfinite(value) or value < 0:
            raise invalid(f"{field}.{name}", f"must be a positive number, not {value}")
        ceiling = getattr(ceilings, name)
        if value > ceiling:
            raise invalid(f"{field}.{name}", f"{value} is above the server's ceiling of {ceiling}")
        values[name] = value or getattr(settings.default_limits(), name)
    if not asked.wall_seconds:
        values["wall_seconds"] = settings.derived_wall_seconds(values["cpu_seconds"])
    return Limits(**values)


def to_message(limits: Limits) -> pb.Limits:
    """Limits as they go over the wire."""
    return pb.Limits(**{name: getattr(limits, name) for name in _NAMES})
