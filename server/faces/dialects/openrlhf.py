"""OpenRLHF's remote reward: `--reward.remote_url http://HOST:PORT/openrlhf`.

Request: `query` (prompt and response, decoded with special tokens), `prompts` and
`labels`, arrays of one length. Answer: `rewards`, `scores` in 0..1, and numeric
`extra_logs`. Its client waits 180 s and tries five times on anything but a good
answer, so a completion that was not judged is an HTTP error, never a number.
Source: openrlhf/utils/agent.py (0.11.2).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from protos.reward.v1 import reward_pb2 as pb
from server.faces.dialects.common import Context, Refusal, Route, connected, endpoint, gather, json
from server.faces.dialects.labels import request_of

PATIENCE_SECONDS = 170.0
# `<|im_end|>`, `<|endoftext|>`, `</s>`, DeepSeek's with its own bars, padding: whatever ends a decoded text.
_END_TOKENS = re.compile(r"(?:<[|｜][^<>|｜\s]{1,40}[|｜]>|</s>|<eos>|<pad>|<end_of_turn>)+\s*\Z")


class RemoteReward(BaseModel):
    """One call of the client."""

    query: list[str]
    prompts: list[str] = []
    labels: list[str | int | float]


def routes(context: Context) -> Sequence[Route]:
    """The paths of this dialect."""
    return (Route("POST", "/openrlhf", endpoint(context, _rewards, patience_seconds=PATIENCE_SECONDS)),)


async def _rewards(context: Context, request: Request) -> Response:
    call = await context.read(request, RemoteReward)
    prompts = call.prompts or [""] * len(call.query)
    if not len(call.query) == len(prompts) == len(call.labels):
        raise Refusal(422, {"detail": "query, prompts and labels must be of one length"})
    messages = [
        request_of(label, _response(query, prompt))
        for query, prompt, label in zip(call.query, prompts, call.labels, strict=True)
    ]
    work = gather(context.verdict(message, PATIENCE_SECONDS) for message in messages)
    verdicts = await connected(request, work)
    rewards = [context.reward(verdict) for verdict in verdicts]
    logs = {
        "judged": [float(verdict.HasField("reward")) for verdict in verdicts],
        "answered": [float(verdict.status != pb.NO_ANSWER) for verdict in verdicts],
        "flagged": [float(bool(verdict.flags)) for verdict in verdicts],
    }
    return json({"rewards": rewards, "scores": rewards, "extra_logs": logs})


def _response(query: str, prompt: str) -> str:
    """The response alone: a prompt may itself ask for a box, and an end token may follow a closing fence."""
    return _END_TOKENS.sub("", query.removeprefix(prompt))
