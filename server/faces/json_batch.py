"""Batches in JSON: one object with `requests`, or a request per line; and their answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from protos.reward.v1 import reward_pb2 as pb
from server.errors import RequestError, invalid
from server.faces import json_wire
from server.faces.batch import Entry, Refused


def entries(body: bytes, *, ndjson: bool) -> AsyncIterator[Entry]:
    """The entries of a batch. Raises RequestError when the body as a whole is no batch."""
    return _convert(_lines(body) if ndjson else _requests(body))


def to_json(verdict: pb.Verdict) -> Any:
    """The answer to one entry: its verdict, or `{"id", "error"}` for a refused one."""
    if not verdict.HasField("error"):
        return json_wire.to_json(verdict)
    return {"id": verdict.id, "error": json_wire.to_json(verdict.error)}


async def _convert(items: Iterable[Any]) -> AsyncIterator[Entry]:
    # One at a time, when there is room for it: a large batch is not converted in one piece.
    for item in items:
        yield _entry(item)


def _lines(body: bytes) -> Iterable[bytes]:
    return [line for line in body.split(b"\n") if line.strip()]


def _requests(body: bytes) -> list[Any]:
    batch = json_wire.loads(body)
    requests = batch.get("requests") if isinstance(batch, dict) else None
    if not isinstance(requests, list):
        raise invalid("requests", "must be an array of requests, in an object")
    for name in batch:
        if name != "requests":
            raise invalid(name.encode("utf-8", "replace").decode("utf-8"), "unknown field of a batch")
    return requests


def _entry(item: Any) -> Entry:
    """A request, or why it is none; `item` is a line of NDJSON or a value that is already read."""
    value = None
    try:
        value = json_wire.loads(item) if isinstance(item, bytes) else item
        return json_wire.from_json(value, pb.VerifyRequest)
    except RequestError as error:
        return Refused(_id_of(value), error)


def _id_of(value: Any) -> str:
    """The caller's id of an entry that could not be converted, if it can be told."""
    given = value.get("id") if isinstance(value, dict) else None
    return given.encode("utf-8", "replace").decode("utf-8") if isinstance(given, str) else ""
