"""The HTTP face's hands: bodies with a ceiling, deadlines, lost clients, problem+json."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, TypeVar, cast

import orjson
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from server.errors import ErrorCode, RequestError, invalid
from server.faces.service import deadline_in

TIMEOUT_HEADER = "x-request-timeout-seconds"
CLIENT_GONE_STATUS = 499  # nobody reads it; access logs know the number
# A refused body is read and dropped up to this many times the ceiling, because a client that is
# still sending when the connection closes sees a reset connection instead of the answer.
_DISCARD_FACTOR = 4

T = TypeVar("T")


async def read_body(request: Request, ceiling: int) -> bytes:
    """The body, at most `ceiling` bytes of it in memory. Raises RequestError TOO_LARGE, INVALID_ARGUMENT."""
    if (encoding := request.headers.get("content-encoding", "identity").lower()) != "identity":
        raise invalid("content-encoding", f"{encoding!r} is not taken: send the body as it is")
    too_large = RequestError(ErrorCode.TOO_LARGE, f"the body is larger than the ceiling of {ceiling} bytes")
    announced = announced_bytes(request.headers)
    waits_for_leave = request.headers.get("expect", "").lower() == "100-continue"
    if announced > ceiling * _DISCARD_FACTOR or (announced > ceiling and waits_for_leave):
        raise too_large
    kept, total = bytearray(), 0
    async for chunk in request.stream():
        total += len(chunk)
        if total <= ceiling:
            kept += chunk
        else:
            kept.clear()
        if total > ceiling * _DISCARD_FACTOR:
            break
    if total > ceiling:
        raise too_large
    return bytes(kept)


def announced_bytes(headers: Headers) -> int:
    """What a request says that its body has; 0 where it says nothing."""
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0


def deadline_of(request: Request) -> float | None:
    """The caller's deadline on the loop's clock, from `x-request-timeout-seconds`."""
    text = request.headers.get(TIMEOUT_HEADER)
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise invalid(TIMEOUT_HEADER, "must be a number of seconds above 0")
    return deadline_in(seconds)


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The work's result; a client that leaves takes its work with it (raises ClientDisconnect).

    Call it after the body has been read: it takes what the transport says next.
    """
    working = asyncio.create_task(work)
    watching = asyncio.create_task(_until_gone(request))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class LineStream(StreamingResponse):
    """NDJSON whose source generator is closed at once when the client leaves."""

    media_type = "application/x-ndjson"

    async def stream_response(self, send: Send) -> None:
        """Sends every line; on any way out the source is closed, which cancels its work."""
        async with aclosing(cast(Any, self.body_iterator)):
            await super().stream_response(send)


def json_response(content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer in JSON that is already encoded."""
    return Response(content, status, headers, "application/json")


def problem(error: RequestError, status: int | None = None) -> Response:
    """An error as application/problem+json (RFC 9457) with our `code` and `field`."""
    http_status = status or error.code.http_status
    body = {
        "type": f"urn:reward.v1:{error.code.name}",
        "title": HTTPStatus(http_status).phrase,
        "status": http_status,
        "code": error.code.name,
        "detail": error.message,
        "field": error.field,
    }
    headers = {}
    if error.retry_after_seconds is not None:
        headers["retry-after"] = str(math.ceil(error.retry_after_seconds))
    return Response(orjson.dumps(body), http_status, headers, "application/problem+json")
