"""What a client may make the HTTP face hold: time to send a request, and bytes of all bodies together."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import h11
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from server.errors import RequestError
from server.faces.bytes_held import BytesHeld
from server.faces.http_body import announced_bytes

_ROOM_UNTIL = "reward.room_until"  # in a request's scope
_LOOK_AGAIN_SECONDS = 0.05
_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BodyBudget:
    """ASGI middleware: the bodies of all requests in flight have at most so many bytes together."""

    def __init__(self, app: ASGIApp, held: BytesHeld) -> None:
        self._app = app
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request; what it was sent counts until it is answered.

        One that waits for room takes all that it needs at once: halves of bodies would wait for each other.
        """
        held = came = 0

        async def counted() -> Message:
            nonlocal held, came
            message = await receive()
            came += len(message.get("body", b""))
            until = 0.0 if held else scope.get(_ROOM_UNTIL, 0.0)
            wanted = max(came, announced_bytes(Headers(scope=scope)) if until else 0) - held
            if wanted > 0:
                await self._take(wanted, held, until)
                held += wanted
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            self._held.give_back(held)

    async def _take(self, size: int, own: int, until: float) -> None:
        """Raises RequestError QUEUE_FULL; what the client goes on sending waits at the client."""
        while True:
            try:
                return self._held.take(size, own=own)
            except RequestError:
                if asyncio.get_running_loop().time() >= until:
                    raise
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)


def wait_for_room(scope: Scope, seconds: float) -> None:
    """Has this request's body, which is yet to be read, wait for room instead of being refused at once."""
    scope[_ROOM_UNTIL] = asyncio.get_running_loop().time() + seconds


class PatientProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 over h11; a request that is not here whole within `receive_seconds` is given up.

    uvicorn alone waits for ever for a client that sends its headers or its body byte by byte, or nothing.
    """

    receive_seconds = 120.0
    _receive_timer: asyncio.TimerHandle | None = None
    _idle_is_served = False  # a connection between two requests has uvicorn's keep-alive timer

    def connection_made(self, transport: Any) -> None:
        """A new connection: its first request is awaited."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """A request has been answered; what has come of the next one counts anew."""
        self._idle_is_served = True
        self._stop_timer()
        super().on_response_complete()
        if not self.transport.is_closing():
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._stop_timer()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Starts the time when a request begins to come, and stops it when it is here."""
        state = self.conn.their_state
        between = state is h11.IDLE and self._idle_is_served and not self.conn.trailing_data[0]
        if between or state not in (h11.IDLE, h11.SEND_BODY):
            self._stop_timer()
        elif self._receive_timer is None:
            self._receive_timer = self.loop.call_later(self.receive_seconds, self._give_up)

    def _stop_timer(self) -> None:
        if self._receive_timer is not None:
            self._receive_timer.cancel()
            self._receive_timer = None

    def _give_up(self) -> None:
        self._receive_timer = None
        cycle = cast(Any, self.cycle)
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(_TIMED_OUT)
        self.transport.close()


def patient_protocol(receive_seconds: float) -> type[PatientProtocol]:
    """The protocol with this patience, as uvicorn takes it: a class."""
    return type("PatientProtocol", (PatientProtocol,), {"receive_seconds": receive_seconds})
