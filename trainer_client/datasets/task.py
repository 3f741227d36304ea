"""What a row becomes: a prompt, what judges an answer to it, and answers whose verdict is known."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import MessageToDict

from protos.reward.v1 import reward_pb2 as pb


@dataclass(frozen=True, slots=True)
class Known:
    """An answer whose verdict the data set knows: a canonical solution, a buggy one, a submission.

    `language` is empty where it is the task's own. `label` is the data set's word ("accepted", "WA").
    """

    name: str
    completion: str
    right: bool
    language: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """One problem. `known` may be empty: many data sets publish tests without solutions."""

    id: str
    prompt: str
    task: pb.MathTask | pb.CodeTask
    known: tuple[Known, ...] = ()

    def request(self, completion: str) -> pb.VerifyRequest:
        """The request that judges a model's completion, by the task's default extraction."""
        request = pb.VerifyRequest(id=self.id, completion=completion)
        if isinstance(self.task, pb.MathTask):
            request.math.CopyFrom(self.task)
        else:
            request.code.CopyFrom(self.task)
        return request

    def known_request(self, known: Known) -> pb.VerifyRequest:
        """The request that judges a known answer: a program stands there whole, without a code block."""
        request = self.request(known.completion)
        request.id = f"{self.id}#{known.name}"
        if isinstance(self.task, pb.CodeTask):
            request.extraction = "whole"
            request.code.language = known.language or self.task.language
        return request

    def question(self) -> dict[str, Any]:
        """The row that `trainer_client.tasks.files` reads, to train or be evaluated on."""
        label = as_json(self.request(""))
        del label["id"]
        return {"id": self.id, "prompt": self.prompt, "label": label}


def as_json(request: pb.VerifyRequest) -> dict[str, Any]:
    """A request in the API's own JSON, where values of `call` tests stand as they are."""
    found: dict[str, Any] = MessageToDict(request, preserving_proto_field_name=True)
    code = found.get("code", {})
    for case in code.get("call", {}).get("cases", ()):
        case["args"], case["expected"] = json.loads(case["args"]), json.loads(case["expected"])
    for name in ("memory_bytes", "output_bytes"):  # protobuf writes 64-bit integers as text
        if name in code.get("limits", {}):
            code["limits"][name] = int(code["limits"][name])
    return found
