"""The HTTP face: the same messages as JSON, on FastAPI and uvicorn, in the caller's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextlib import aclosing
from typing import Any, cast

import orjson
import uvicorn
from fastapi import FastAPI, Request, Response
from google.protobuf.message import Message
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from protos.reward.v1 import reward_pb2 as pb
from server import __version__, taskcheck
from server.config import Settings, split_address
from server.errors import ErrorCode, RequestError, StartupError
from server.faces import api_page, dialects, json_batch, json_wire, openapi
from server.faces.batch import Answer, judge_all, judge_many
from server.faces.bytes_held import BytesHeld
from server.faces.callers import Callers, Identified
from server.faces.dialects.common import Context, Route
from server.faces.http_body import (
    CLIENT_GONE_STATUS,
    LineStream,
    deadline_of,
    json_response,
    problem,
    read_body,
    while_connected,
)
from server.faces.http_bounds import BodyBudget, patient_protocol
from server.faces.service import RewardService, verify, verify_now, within
from server.tls import Tls

NDJSON = "application/x-ndjson"
_BACKLOG = 2048
_BODY_BYTES = 2 << 30


class Routes:
    """The endpoints: each parses, hands over to the service, and writes the answer."""

    def __init__(
        self, service: RewardService, settings: Settings, metrics: Callable[[], tuple[bytes, str]]
    ) -> None:
        self._service = service
        self._ceiling = settings.request_bytes_ceiling
        self._window = settings.stream_window
        self._metrics = metrics

    async def verify(self, request: Request) -> Response:
        """`POST /v1/verify`: one completion, one verdict."""
        message = json_wire.parse(await self._body(request), pb.VerifyRequest)
        deadline = deadline_of(request)
        at_once = verify_now(self._service, message)
        if at_once is not None:
            return json_response(json_wire.dumps(at_once))
        return await _answer(request, verify(self._service, message, deadline))

    async def batch(self, request: Request) -> Response:
        """`POST /v1/verify/batch`: many; streamed as made, or all at once in their order."""
        body = await self._body(request)
        deadline = deadline_of(request)
        entries = json_batch.entries(body, ndjson=_media_type(request) == NDJSON)
        if NDJSON in request.headers.get("accept", ""):
            judged = judge_many(self._service, entries, window=self._window, deadline=deadline)
            return LineStream(_lines(judged))
        work = judge_all(self._service, entries, window=self._window, deadline=deadline)
        verdicts = await while_connected(request, work)
        return json_response(
            orjson.dumps({"verdicts": [json_batch.to_json(verdict) for verdict in verdicts]})
        )

    async def put_tests(self, request: Request) -> Response:
        """`PUT /v1/tests`: keeps a test set under its content hash."""
        message = json_wire.parse(await self._body(request), pb.TestSet)
        return await _answer(request, within(deadline_of(request), self._service.put_tests(message)))

    async def execute(self, request: Request) -> Response:
        """`POST /v1/execute`: runs a program in the jail, judges nothing."""
        message = json_wire.parse(await self._body(request), pb.ExecuteRequest)
        return await _answer(request, within(deadline_of(request), self._service.execute(message)))

    async def check_task(self, request: Request) -> Response:
        """`POST /v1/check`: checks a task before anybody trains on it."""
        message = json_wire.parse(await self._body(request), pb.CheckTaskRequest)
        return await _answer(request, within(deadline_of(request), taskcheck.check(self._service, message)))

    async def capabilities(self, _: Request) -> Response:
        """`GET /v1/capabilities`: what this server can do."""
        return json_response(json_wire.dumps(self._service.capabilities()))

    async def health(self, _: Request) -> Response:
        """`GET /health`: the process answers."""
        return json_response(b'{"alive":true}')

    async def ready(self, _: Request) -> Response:
        """`GET /ready`: 200 when warm, 503 before and while draining."""
        ready = self._service.ready
        return json_response(orjson.dumps({"ready": ready}), 200 if ready else 503)

    async def version(self, _: Request) -> Response:
        """`GET /version`: this server's version and its API's."""
        return json_response(orjson.dumps({"version": __version__, "api": pb.DESCRIPTOR.package}))

    async def metrics(self, _: Request) -> Response:
        """`GET /metrics`: Prometheus text."""
        content, media_type = self._metrics()
        return Response(content, media_type=media_type)

    async def documents(self, _: Request) -> Response:
        """`GET /docs`: the API's description for people; nothing of it comes from elsewhere."""
        headers = {"content-security-policy": api_page.CONTENT_SECURITY_POLICY}
        return Response(
            api_page.render(openapi.schema(__version__)), 200, headers, "text/html; charset=utf-8"
        )

    async def openapi(self, _: Request) -> Response:
        """`GET /openapi.json`: the API's description for tools."""
        return json_response(orjson.dumps(openapi.schema(__version__)))

    async def _body(self, request: Request) -> bytes:
        return await read_body(request, self._ceiling)


def build_app(
    routes: Routes,
    further: Sequence[Route] = (),
    callers: Callers | None = None,
    held: BytesHeld | None = None,
) -> FastAPI:
    """The ASGI application: the routes of the API and their errors as problem+json."""
    # Its own document knows nothing of the messages, which are read from bytes: ours is served instead.
    app = FastAPI(title="Reward server", version=__version__, openapi_url=None)
    for method, path, endpoint in (
        ("POST", "/v1/verify", routes.verify),
        ("POST", "/v1/verify/batch", routes.batch),
        ("PUT", "/v1/tests", routes.put_tests),
        ("POST", "/v1/execute", routes.execute),
        ("POST", "/v1/check", routes.check_task),
        ("GET", "/v1/capabilities", routes.capabilities),
        ("GET", "/health", routes.health),
        ("GET", "/ready", routes.ready),
        ("GET", "/version", routes.version),
        ("GET", "/metrics", routes.metrics),
        ("GET", "/docs", routes.documents),
        ("GET", "/openapi.json", routes.openapi),
    ):
        app.add_route(path, endpoint, methods=[method])
    for route in further:
        app.add_route(route.path, route.endpoint, methods=[route.method])
    app.add_exception_handler(RequestError, _on_request_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientDisconnect, _on_client_gone)
    # The last one added is the first one asked: nothing is read for a caller who is refused.
    app.add_middleware(BodyBudget, held=held or BytesHeld(_BODY_BYTES))
    app.add_middleware(Identified, callers=callers or Callers())
    return app


class HttpFace:
    """uvicorn around the application, in the caller's event loop and under the caller's signals."""

    def __init__(
        self,
        service: RewardService,
        settings: Settings,
        metrics: Callable[[], tuple[bytes, str]],
        further: Sequence[Route] = (),
        *,
        callers: Callers | None = None,
        tls: Tls | None = None,
        held: BytesHeld | None = None,
    ) -> None:
        self._tls = tls
        dialect_routes = _dialect_routes(service, settings)
        self.app = build_app(
            Routes(service, settings, metrics),
            [*dialect_routes, *further],
            callers,
            held or BytesHeld(settings.max_queue_bytes),
        )
        self._receive_seconds = settings.receive_seconds
        self._max_connections = settings.max_connections
        self._address = settings.http
        self._shares_port = settings.share_ports == "on"
        self._own_address = _own_address(settings)
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> None:
        """Binds and serves. Raises StartupError when the address cannot be bound."""
        listeners = [_listen(self._address, shared=self._shares_port)]
        self.port = listeners[0].getsockname()[1]
        if self._own_address:
            listeners.append(_listen(self._own_address))
        config = uvicorn.Config(
            self.app,
            http=patient_protocol(self._receive_seconds),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=_BACKLOG,
            limit_concurrency=self._max_connections,
        )
        if (tls := self._tls) is not None:
            config.ssl_certfile = tls.certificate  # what tells uvicorn that there is TLS at all
            config.ssl_context_factory = lambda _, __: tls.context()
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=listeners))
        while not self._server.started and not self._serving.done():  # noqa: ASYNC110  # uvicorn has no event
            await asyncio.sleep(0.005)

    async def stop(self, grace_seconds: float) -> None:
        """Takes no more connections and cancels what has not ended after `grace_seconds`."""
        if self._server is None or self._serving is None:
            return
        self._server.config.timeout_graceful_shutdown = max(1, round(grace_seconds))
        self._server.should_exit = True
        await self._serving


def _dialect_routes(service: RewardService, settings: Settings) -> list[Route]:
    context = Context(service, settings.request_bytes_ceiling, settings.reward_if_ungradable)
    return [route for name in settings.dialect_names for route in dialects.ROUTES[name](context)]


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: SIGTERM means drain here, and App does that."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _own_address(settings: Settings) -> str:
    """Where this front alone is reached; empty for nowhere."""
    return f"{settings.http.rpartition(':')[0]}:{settings.front_port}" if settings.front_port else ""


def _listen(address: str, *, shared: bool = False) -> socket.socket:
    host, port = split_address(address, "http")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StartupError(f"http: cannot listen on {address}: {error.strerror}") from error
    listener.setblocking(False)
    return listener


async def _answer(request: Request, work: Coroutine[Any, Any, Message]) -> Response:
    return json_response(json_wire.dumps(await while_connected(request, work)))


async def _lines(judged: AsyncGenerator[Answer, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(judged):
        async for _, verdict in judged:
            yield json_wire.dump_value(json_batch.to_json(verdict)).encode("utf-8") + b"\n"


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _on_request_error(_: Request, error: Exception) -> Response:
    return problem(cast(RequestError, error))


async def _on_http_exception(_: Request, error: Exception) -> Response:
    """What the router refuses: an unknown path, a method that the path does not have."""
    found = cast(HTTPException, error)
    code = ErrorCode.NOT_FOUND if found.status_code == 404 else ErrorCode.INVALID_ARGUMENT
    response = problem(RequestError(code, str(found.detail)), found.status_code)
    response.headers.update(found.headers or {})
    return response


async def _on_client_gone(_: Request, __: Exception) -> Response:
    return Response(status_code=CLIENT_GONE_STATUS)
