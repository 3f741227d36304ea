"""A problem on its way through the steps, as it lies on disk between them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from protos.reward.v1 import reward_pb2 as pb
from trainer_client.labels import request_of
from trainer_client.tasks.problem import Domain


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a problem leaves: the rule's name, and for a person what met it."""

    rule: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Program:
    """A program whose verdict the data set knows."""

    name: str
    source: str
    right: bool
    language: str = ""


@dataclass(frozen=True, slots=True)
class CuratedProblem:
    """One problem. `statement` is its text without the prompt around it; `label` judges an answer to it.

    `where` is FILE:ROW of the raw row, `raw_id` the id there; `released` is an ISO date or empty.
    """

    where: str
    id: str
    raw_id: str
    domain: Domain
    statement: str
    prompt: str
    label: Any
    golds: tuple[str, ...] = ()
    url: str = ""
    released: str = ""
    programs: tuple[Program, ...] = ()

    def request(self, completion: str, *, extraction: str = "") -> pb.VerifyRequest:
        """The question to the reward server: is `completion` right?"""
        request = request_of(self.label, completion)
        request.id, request.run = self.id, "curate"
        if extraction:
            request.extraction = extraction
        return request

    def to_json(self) -> str:
        """One line."""
        found = {name: getattr(self, name) for name in self.__slots__}
        found["programs"] = [asdict(program) for program in self.programs]
        return json.dumps(found, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> CuratedProblem:
        """The problem of a line that `to_json` wrote."""
        found = json.loads(line)
        found["golds"] = tuple(found["golds"])
        found["programs"] = tuple(Program(**one) for one in found["programs"])
        return cls(**found)


Rejections = Sequence[tuple[int, Rejection]]
