"""Who asks, from a transport's headers or metadata: the same names and rules on both faces."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from server.auth import Keys
from server.caller import Caller, become, read_priority
from server.errors import ErrorCode, RequestError
from server.faces.http_body import problem

PRIORITY_HEADER = "x-reward-priority"
RUN_HEADER = "x-reward-run"
# What tells nothing of a task or a completion: probes, counters, the API's description, a page without data.
OPEN_PATHS = frozenset({"/", "/health", "/ready", "/version", "/metrics", "/docs", "/openapi.json"})
OPEN_PREFIXES = ("/page/static/",)
_MAX_RUN_CHARACTERS = 200


class Callers:
    """Reads callers; without keys anybody may ask."""

    def __init__(self, keys: Keys | None = None) -> None:
        self._keys = keys

    def of(self, header: Callable[[str], str]) -> Caller:
        """The caller that these headers name; raises RequestError UNAUTHENTICATED, INVALID_ARGUMENT."""
        quota = self._keys.quota_of(header("authorization")) if self._keys is not None else None
        return Caller(
            key=quota.row.name if quota is not None else "",
            run=header(RUN_HEADER)[:_MAX_RUN_CHARACTERS],
            priority=read_priority(header(PRIORITY_HEADER), PRIORITY_HEADER),
            quota=quota,
            trace_parent=header("traceparent"),
        )


class Identified:
    """ASGI middleware: every request is its caller's, or is refused before its body is read."""

    def __init__(self, app: ASGIApp, callers: Callers) -> None:
        self._app = app
        self._callers = callers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] == "http" and not _is_open(scope["path"]):
            headers = Request(scope).headers
            try:
                become(self._callers.of(lambda name: headers.get(name, "")))
            except RequestError as error:
                await _refusal(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIXES)


def _refusal(error: RequestError) -> ASGIApp:
    response = problem(error)
    if error.code is ErrorCode.UNAUTHENTICATED:
        response.headers["www-authenticate"] = 'Bearer realm="reward-server"'
    return response
