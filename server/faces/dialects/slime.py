"""slime's remote reward: `--rm-type remote_rm --rm-url http://HOST:PORT/slime`.

Request: `prompt`, `response`, `label`. Answer: a bare number, or with
`/slime?format=dict` an object for `--reward-key reward`. Its client waits 120 s and
tries ten times on anything but a good answer (miles: once), so a completion that
was not judged is an HTTP error. Tests travel in the label, as JSON.
Source: slime/rollout/rm_hub (624b824a).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from protos.reward.v1 import reward_pb2 as pb
from server.faces.dialects.common import Context, Route, connected, endpoint, json
from server.faces.dialects.labels import request_of

PATIENCE_SECONDS = 110.0


class RemoteReward(BaseModel):
    """One sample."""

    prompt: Any = ""
    response: str
    label: Any


def routes(context: Context) -> Sequence[Route]:
    """The paths of this dialect."""
    return (Route("POST", "/slime", endpoint(context, _reward, patience_seconds=PATIENCE_SECONDS)),)


async def _reward(context: Context, request: Request) -> Response:
    sample = await context.read(request, RemoteReward)
    message = request_of(sample.label, sample.response)
    verdict = await connected(request, context.verdict(message, PATIENCE_SECONDS))
    reward = context.reward(verdict)
    if request.query_params.get("format") != "dict":
        return json(reward)
    return json({"reward": reward, "status": pb.Status.Name(verdict.status), "message": verdict.message})
