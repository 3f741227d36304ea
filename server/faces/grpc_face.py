"""The gRPC face: reward.v1.RewardService, health and reflection, on grpc.aio.

Messages arrive as bytes and are parsed inside the handlers, so that garbage,
invalid UTF-8 and an oversized message end as the documented error with
`google.rpc.ErrorInfo` and not as the library's bare status.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, NoReturn, TypeVar

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from protos.reward.v1 import reward_pb2 as pb
from server import taskcheck
from server.caller import become
from server.config import Settings
from server.errors import ErrorCode, RequestError, StartupError
from server.faces import proto_wire
from server.faces.batch import Entry, Refused, judge_many
from server.faces.bytes_held import BytesHeld
from server.faces.callers import Callers
from server.faces.service import RewardService, deadline_in, verify, verify_now, within
from server.tls import Tls

ERROR_DOMAIN = "reward.v1"
SERVICE_NAME = pb.DESCRIPTOR.services_by_name["RewardService"].full_name
STATUS_CODES = {
    ErrorCode.INVALID_ARGUMENT: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorCode.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    ErrorCode.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorCode.TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorCode.QUEUE_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorCode.INTERNAL: grpc.StatusCode.INTERNAL,
    ErrorCode.DRAINING: grpc.StatusCode.UNAVAILABLE,
    ErrorCode.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
}
# The library refuses what is this many times larger than the ceiling, before it is in memory and
# with a bare RESOURCE_EXHAUSTED; between the two our own check answers TOO_LARGE with its ErrorInfo.
_LIBRARY_CEILING_FACTOR = 2
_LARGEST_LIBRARY_CEILING = (1 << 31) - 1
_FEWEST_STREAMS = 1000
# Calls wait inside the library until the event loop takes them, and those that wait longer than this it
# resets as CANCELLED, without a word from us. Its default of 30 s is less than a burst may take.
_UNTAKEN_SECONDS = 600
LEAST_PING_MS = 30_000  # between two pings of a client that waits

M = TypeVar("M", bound=Message)
Context = grpc.aio.ServicerContext[Any, Any]
Unary = Callable[[bytes, Context], Awaitable[Message]]


class GrpcFace:
    """One gRPC server over one service; `start` binds and serves, `stop` ends what is left."""

    def __init__(
        self,
        service: RewardService,
        settings: Settings,
        callers: Callers | None = None,
        tls: Tls | None = None,
        held: BytesHeld | None = None,
    ) -> None:
        self._tls = tls
        self._held = held or BytesHeld(settings.max_queue_bytes)
        self._service = service
        self._callers = callers or Callers()
        self._ceiling = settings.request_bytes_ceiling
        self._window = settings.stream_window
        self._most_streams = max(_FEWEST_STREAMS, 2 * (settings.effective_slots + settings.max_queue))
        self._address = settings.grpc
        self._shares_port = settings.share_ports == "on"
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]  # set at run time
        self._server: grpc.aio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Binds and serves. Raises StartupError when the address cannot be bound."""
        server = grpc.aio.server(options=self._options())
        server.add_generic_rpc_handlers((self._handlers(),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflected = (SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(reflected, server)
        await self.set_ready(False)
        try:
            self.port = self._listen(server)
        except RuntimeError as error:
            raise StartupError(f"grpc: cannot listen on {self._address}: {error}") from error
        await server.start()
        self._server = server

    def _listen(self, server: grpc.aio.Server) -> int:
        if self._tls is None:
            return server.add_insecure_port(self._address)
        return server.add_secure_port(self._address, self._tls.credentials())

    async def set_ready(self, ready: bool) -> None:
        """What grpc.health.v1 answers, for the whole server and for the service by name."""
        states = health_pb2.HealthCheckResponse
        for name in ("", SERVICE_NAME):
            await self._health.set(name, states.SERVING if ready else states.NOT_SERVING)

    async def stop(self, grace_seconds: float) -> None:
        """Takes no more calls and cancels what has not ended after `grace_seconds`."""
        if self._server is not None:
            await self._server.stop(grace_seconds)

    def _options(self) -> list[tuple[str, Any]]:
        library_ceiling = min(self._ceiling * _LIBRARY_CEILING_FACTOR, _LARGEST_LIBRARY_CEILING)
        return [
            ("grpc.max_receive_message_length", library_ceiling),
            ("grpc.max_send_message_length", -1),
            # Identity alone: the library unpacks a message whole before it looks at its size.
            ("grpc.compression_enabled_algorithms_bitset", 1),
            # A client holds back by itself what is beyond this on its connection, at no cost here.
            ("grpc.max_concurrent_streams", self._most_streams),
            ("grpc.server_max_unrequested_time_in_server", _UNTAKEN_SECONDS),
            # A verdict may be minutes in coming: its client must be able to ask whether we are still here.
            ("grpc.http2.min_recv_ping_interval_without_data_ms", LEAST_PING_MS),
            # A second server on the same port is an error and not a silent sharer, unless it is wanted.
            ("grpc.so_reuseport", int(self._shares_port)),
        ]

    def _handlers(self) -> grpc.GenericRpcHandler[Any, Any]:
        unary: dict[str, Unary] = {
            "Verify": self._verify,
            "PutTests": self._put_tests,
            "Execute": self._execute,
            "CheckTask": self._check_task,
            "GetCapabilities": self._get_capabilities,
        }
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            name: grpc.unary_unary_rpc_method_handler(self._answering(method), response_serializer=_serialize)
            for name, method in unary.items()
        }
        handlers["VerifyStream"] = grpc.stream_stream_rpc_method_handler(
            self._verify_stream, response_serializer=_serialize
        )
        return grpc.method_handlers_generic_handler(SERVICE_NAME, handlers)

    def _answering(self, method: Unary) -> Unary:
        async def handler(body: bytes, context: Context) -> Message:
            try:
                self._identify(context)
                with self._held.holding(len(body)):
                    return await method(body, context)
            except RequestError as error:
                await _abort(context, error)

        return handler

    def _identify(self, context: Context) -> None:
        """This call's task is its caller's; raises RequestError UNAUTHENTICATED, INVALID_ARGUMENT."""
        metadata = {name: value for name, value in context.invocation_metadata() or () if value}
        become(self._callers.of(lambda name: _text(metadata.get(name, ""))))

    def _parse(self, body: bytes, kind: type[M]) -> M:
        return proto_wire.parse(body, kind, self._ceiling)

    async def _verify(self, body: bytes, context: Context) -> pb.Verdict:
        request = self._parse(body, pb.VerifyRequest)
        at_once = verify_now(self._service, request)
        if at_once is not None:
            return at_once
        return await verify(self._service, request, _deadline(context))

    async def _put_tests(self, body: bytes, context: Context) -> pb.TestSetRef:
        work = self._service.put_tests(self._parse(body, pb.TestSet))
        return await within(_deadline(context), work)

    async def _execute(self, body: bytes, context: Context) -> pb.ExecuteResult:
        work = self._service.execute(self._parse(body, pb.ExecuteRequest))
        return await within(_deadline(context), work)

    async def _check_task(self, body: bytes, context: Context) -> pb.TaskReport:
        work = taskcheck.check(self._service, self._parse(body, pb.CheckTaskRequest))
        return await within(_deadline(context), work)

    async def _get_capabilities(self, body: bytes, _: Context) -> pb.Capabilities:
        self._parse(body, pb.GetCapabilitiesRequest)
        return self._service.capabilities()

    async def _verify_stream(
        self, bodies: AsyncIterator[bytes], context: Context
    ) -> AsyncGenerator[pb.Verdict, None]:
        try:
            self._identify(context)
        except RequestError as error:
            await _abort(context, error)
        sizes: dict[int, int] = {}  # of the entries that are counted, by position
        entries = self._entries(bodies, sizes)
        judged = judge_many(self._service, entries, window=self._window, deadline=_deadline(context))
        try:
            async with aclosing(judged):
                async for position, verdict in judged:
                    self._held.give_back(sizes.pop(position, 0))
                    yield verdict
        finally:
            self._held.give_back(sum(sizes.values()))

    async def _entries(self, bodies: AsyncIterator[bytes], sizes: dict[int, int]) -> AsyncIterator[Entry]:
        position = 0
        async for body in bodies:
            yield self._entry(body, position, sizes)
            position += 1

    def _entry(self, body: bytes, position: int, sizes: dict[int, int]) -> Entry:
        """One request of a stream; its bytes count until its verdict is on its way."""
        request_id = ""
        try:
            request = self._parse(body, pb.VerifyRequest)
            request_id = request.id
            self._held.take(len(body))
        except RequestError as error:
            return Refused(request_id, error)
        sizes[position] = len(body)
        return request


def rpc_status(error: RequestError) -> status_pb2.Status:
    """The rich status of an error: ErrorInfo, and RetryInfo where a retry is worth while."""
    info = error_details_pb2.ErrorInfo(
        reason=error.code.name, domain=ERROR_DOMAIN, metadata={"field": error.field} if error.field else {}
    )
    details: list[Message] = [info]
    if error.retry_after_seconds is not None:
        details.append(error_details_pb2.RetryInfo(retry_delay=_duration(error.retry_after_seconds)))
    status = status_pb2.Status(code=STATUS_CODES[error.code].value[0], message=error.message)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status


async def _abort(context: Context, error: RequestError) -> NoReturn:
    metadata = (("grpc-status-details-bin", rpc_status(error).SerializeToString()),)
    await context.abort(STATUS_CODES[error.code], error.message, metadata)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


def _deadline(context: Context) -> float | None:
    # Without a deadline the library reports none, or a time so far ahead that it means none.
    remaining = context.time_remaining()
    return None if remaining is None or not math.isfinite(remaining) else deadline_in(remaining)


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(int(seconds * 1e9))
    return duration
