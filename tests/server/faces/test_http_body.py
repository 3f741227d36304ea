"""Reading a body: never more of it in memory than the ceiling, never read without end."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from server.errors import ErrorCode, RequestError
from server.faces.http_body import problem, read_body

CEILING = 1000


class Sender:
    """An ASGI `receive` that sends without end and counts what was taken."""

    def __init__(self, chunk: int) -> None:
        self.chunk = chunk
        self.sent = 0

    async def receive(self) -> dict[str, Any]:
        self.sent += self.chunk
        return {"type": "http.request", "body": b"x" * self.chunk, "more_body": True}


def request(sender: Sender, headers: dict[str, str]) -> Request:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw}, sender.receive)


async def test_a_body_without_end_is_left_after_a_few_ceilings() -> None:
    sender = Sender(100)
    with pytest.raises(RequestError) as caught:
        await read_body(request(sender, {}), CEILING)
    assert caught.value.code is ErrorCode.TOO_LARGE
    assert sender.sent == 4 * CEILING + 100


@pytest.mark.parametrize(
    "headers",
    [{"content-length": str(5 * CEILING)}, {"content-length": str(CEILING + 1), "expect": "100-continue"}],
)
async def test_an_announced_size_is_refused_without_reading(headers: dict[str, str]) -> None:
    sender = Sender(100)
    with pytest.raises(RequestError):
        await read_body(request(sender, headers), CEILING)
    assert sender.sent == 0


def test_a_problem_carries_status_code_field_and_retry() -> None:
    response = problem(RequestError(ErrorCode.QUEUE_FULL, "full", field="f", retry_after_seconds=0.2))
    assert response.status_code == 429
    assert response.headers["retry-after"] == "1"
    assert b'"code":"QUEUE_FULL"' in response.body
