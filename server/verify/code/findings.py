"""What is said of one run, and what makes tests unable to say anything."""

from __future__ import annotations

from dataclasses import dataclass

from protos.reward.v1 import reward_pb2 as pb


class Ungradable(Exception):
    """The tests themselves are at fault: no completion can be judged by them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a judge says of one run: ACCEPTED, PARTIAL, or another status with the reason.

    `score` is given by checkers that give points; `flags` are signs of tampering seen on the way.
    """

    status: pb.Status
    reason: str = ""
    score: float | None = None
    flags: tuple[str, ...] = ()

    @property
    def worth(self) -> float:
        """The part of a full mark, 0 to 1."""
        if self.score is not None:
            return self.score
        return 1.0 if self.status == pb.ACCEPTED else 0.0


PASSED = Finding(pb.ACCEPTED)
