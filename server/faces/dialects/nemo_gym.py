"""NeMo Gym's resources server: `POST /nemo_gym/verify` and `/nemo_gym/seed_session`.

Request: a data set's row and `response`, an OpenAI Responses object. Answer: the row
again with `reward`. A completion that was not judged keeps `reward` 0.0, as the
schema wants a number, with `mask_sample` set so that the trainer leaves it out (also in
`instance_config`, where NeMo-RL looks for it), and `failure_kind`; a service at fault is
a 503, which NeMo-RL takes for infrastructure and dispatches anew. Gym starts servers
itself: `trainer_client.adapters.nemo_gym` is the small server that points here.
Source: nemo_gym BaseVerifyResponse (07d6b0d0), NeMo-RL experience/failures.py (7ea279ab) and
mask_sample_rules.py (3ea08877).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from protos.reward.v1 import reward_pb2 as pb
from server.errors import ErrorCode, RequestError, invalid
from server.faces.dialects.common import Context, Route, connected, detail_error, endpoint, json
from server.faces.dialects.labels import request_of

PATIENCE_SECONDS = 300.0
# Where a row keeps what judges it, in the order in which they are looked for.
_LABELS = ("reward_task", "expected_answer", "label")


class Row(BaseModel):
    """A data set's row with the model's response; further fields are given back as they came."""

    model_config = ConfigDict(extra="allow")

    response: dict[str, Any]


def routes(context: Context) -> Sequence[Route]:
    """The paths of this dialect."""
    verify = endpoint(context, _verify, _on_error, patience_seconds=PATIENCE_SECONDS)
    return (
        Route("POST", "/nemo_gym/verify", verify),
        Route("POST", "/nemo_gym/seed_session", endpoint(context, _seed_session)),
    )


async def _verify(context: Context, request: Request) -> Response:
    row = await context.read(request, Row)
    fields = row.model_dump()
    message = request_of(_label(fields), output_text(row.response))
    verdict = await connected(request, context.verdict(message, PATIENCE_SECONDS))
    answer = {
        **fields,
        "reward": verdict.reward,
        "verdict_status": pb.Status.Name(verdict.status),
        "verdict_message": verdict.message,
    }
    if not verdict.HasField("reward"):
        answer |= _masked(fields.get("instance_config"))
        answer |= {"failure_kind": "ungradable", "failure_reason": verdict.message}
    return json(answer)


def _masked(instance_config: Any) -> dict[str, Any]:
    """What keeps a row out of the loss."""
    known = instance_config if isinstance(instance_config, dict) else {}
    return {"mask_sample": True, "instance_config": {**known, "mask_sample": True}}


async def _seed_session(context: Context, request: Request) -> Response:
    return json({})


def _label(fields: dict[str, Any]) -> Any:
    metadata = fields.get("verifier_metadata")
    if isinstance(metadata, dict) and metadata.get("unit_tests"):
        return metadata["unit_tests"]
    for name in _LABELS:
        if fields.get(name) is not None:
            return fields[name]
    raise invalid("verifier_metadata.unit_tests", f"or one of {', '.join(_LABELS)} is required")


def output_text(response: dict[str, Any]) -> str:
    """The text of a Responses object: every `output_text` of every message, in order."""
    messages = [item for item in _objects(response.get("output")) if item.get("type") == "message"]
    parts = [part for message in messages for part in _objects(message.get("content"))]
    return "".join(str(part.get("text") or "") for part in parts if part.get("type") == "output_text")


def _objects(found: Any) -> list[dict[str, Any]]:
    """The objects of an array; a message's content as a plain string is a part of its own."""
    if isinstance(found, str):
        return [{"type": "output_text", "text": found}]
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _on_error(error: RequestError) -> Response:
    """NeMo-RL dispatches 503 anew and drops other errors as the data's."""
    if error.code in (ErrorCode.INVALID_ARGUMENT, ErrorCode.TOO_LARGE):
        return detail_error(error)
    return json({"detail": error.message}, 503)
