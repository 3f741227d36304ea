"""What a task is to the trainer: a prompt, and what the reward server needs to judge an answer to it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from protos.reward.v1 import reward_pb2 as pb

Domain = Literal["math", "code"]
DOMAINS: tuple[Domain, ...] = ("math", "code")


@dataclass(frozen=True)
class Problem:
    """A prompt and its task. `key` is its identity: two problems with one key are the same problem.

    `level` counts from 1 (easy); what it means is the family's business.
    """

    key: str
    domain: Domain
    level: int
    prompt: str
    task: pb.MathTask | pb.CodeTask

    def request(self, completion: str, *, request_id: str, run: str) -> pb.VerifyRequest:
        """The question to the reward server: is `completion` right?"""
        request = pb.VerifyRequest(id=request_id, run=run, completion=completion)
        if isinstance(self.task, pb.MathTask):
            request.math.CopyFrom(self.task)
        else:
            request.code.CopyFrom(self.task)
        return request


@dataclass(frozen=True)
class WorkedExample:
    """A problem with a teacher's response; the response is not always right (see `slip_rate`)."""

    problem: Problem
    response: str


@dataclass(frozen=True)
class Draft:
    """What a family makes: a problem, its right response and one that carries a typical mistake."""

    problem: Problem
    right: str
    slip: str


def is_held_out(key: str, share: float) -> bool:
    """Whether a problem belongs to the held-out side.

    A hash of the key alone decides, so that neither the seed nor the order of drawing can move a
    problem from one side to the other: the sides are disjoint in every run.
    """
    digest = hashlib.sha256(key.encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
