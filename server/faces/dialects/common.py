"""What every dialect needs: bodies, patience in the client's own terms, rewards or none.

A dialect never sheds load in a way its client takes for a wrong answer. While the
service is full it holds the request, within the time that the client is known to
wait, and then says so in the one form that client retries.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from protos.reward.v1 import reward_pb2 as pb
from server.errors import ErrorCode, RequestError, invalid
from server.faces import json_wire
from server.faces.http_body import json_response, read_body, while_connected
from server.faces.http_bounds import wait_for_room
from server.faces.service import RewardService, deadline_in, within

_FIRST_PAUSE_SECONDS, _LAST_PAUSE_SECONDS = 0.05, 1.0
# A client that is told to try again does so after 1 to 3 s, and finds its work where it was.
_LINGER_SECONDS = 5.0
_START_SECONDS = 5.0  # the shortest patience of a client, SkyRL's for short programs, is little longer
_WAITED_SECONDS: ContextVar[float] = ContextVar("waited_seconds", default=0.0)
_NOT_NOW = (ErrorCode.QUEUE_FULL, ErrorCode.INTERNAL)
_UNDER_WAY: set[asyncio.Task[Any]] = set()  # the loop itself keeps no hold of a task
_LOGGER = logging.getLogger(__name__)
_RETRYABLE = (pb.INTERNAL_ERROR, pb.OVERLOADED, pb.CANCELLED)

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
Endpoint = Callable[[Request], Awaitable[Response]]


class Route(NamedTuple):
    """One path of a dialect."""

    method: str
    path: str
    endpoint: Endpoint


class Refusal(Exception):
    """An answer in the dialect's own error form, given at once."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(body)
        self.response = json(body, status)


@dataclass(frozen=True, slots=True)
class Context:
    """What a dialect works with."""

    service: RewardService
    request_bytes_ceiling: int
    ungradable_reward: float | None = None  # for a task that is itself at fault; None: an error

    async def read(self, request: Request, model: type[M]) -> M:
        """The body as the dialect's message; raises Refusal 422 in FastAPI's form."""
        body = await self.body(request)
        try:
            return model.model_validate_json(body)
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False, include_input=False)
            raise Refusal(422, {"detail": details}) from None

    async def body(self, request: Request) -> bytes:
        """The body; the time that it took to come is of the client's patience, too."""
        began = asyncio.get_running_loop().time()
        body = await read_body(request, self.request_bytes_ceiling)
        _WAITED_SECONDS.set(_WAITED_SECONDS.get() + asyncio.get_running_loop().time() - began)
        return body

    async def verdict(self, request: pb.VerifyRequest, patience_seconds: float) -> pb.Verdict:
        """A judged or ungradable verdict; raises RequestError when none came in time."""
        return await hold(lambda: self._judged(request), patience_seconds)

    async def _judged(self, request: pb.VerifyRequest) -> pb.Verdict:
        verdict = await self.service.verify(request)
        if verdict.status in _RETRYABLE:
            raise RequestError(ErrorCode.INTERNAL, verdict.message)
        return verdict

    async def execution(self, request: pb.ExecuteRequest, patience_seconds: float) -> pb.ExecuteResult:
        """A program's runs; raises RequestError when none came in time."""
        return await hold(lambda: self.service.execute(request), patience_seconds)

    def reward(self, verdict: pb.Verdict) -> float:
        """The reward; raises RequestError where there is none and no stand-in is configured."""
        if verdict.HasField("reward"):
            return verdict.reward
        if self.ungradable_reward is None:
            name = pb.Status.Name(verdict.status)
            raise RequestError(ErrorCode.INVALID_ARGUMENT, f"{name}: {verdict.message}")
        return self.ungradable_reward

    def limits(self, *, cpu_seconds: float, wall_seconds: float, memory_bytes: int = 0) -> pb.Limits:
        """Limits as a client of another system asks for them: what is above the ceiling is the ceiling."""
        ceilings = self.service.capabilities().limit_ceilings
        limits = pb.Limits(
            cpu_seconds=min(cpu_seconds, ceilings.cpu_seconds),
            wall_seconds=min(wall_seconds, ceilings.wall_seconds),
        )
        if memory_bytes > 0:
            limits.memory_bytes = min(memory_bytes, ceilings.memory_bytes)
        return limits


async def hold(attempt: Callable[[], Awaitable[T]], seconds: float) -> T:
    """The attempt's result, tried again while the service is full or at fault.

    Raises RequestError DEADLINE_EXCEEDED when `seconds` are over, or at once when
    the server is going; other RequestErrors pass. What the server's start and the body took counts as well.
    What had begun goes on for some seconds: the client's next try joins it and does not start from nothing.
    """
    deadline = deadline_in(seconds - _WAITED_SECONDS.get())
    assert deadline is not None
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return await _lingering(attempt, deadline)
        except RequestError as error:
            _stop_if_cancelled()
            if error.code is ErrorCode.DRAINING:
                raise RequestError(ErrorCode.DEADLINE_EXCEEDED, error.message) from None
            if error.code not in _NOT_NOW:
                raise
            if asyncio.get_running_loop().time() + pause >= deadline:
                message = f"no verdict within {seconds:g} s: {error.message}"
                raise RequestError(ErrorCode.DEADLINE_EXCEEDED, message) from None
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LAST_PAUSE_SECONDS)


async def _lingering(attempt: Callable[[], Awaitable[T]], deadline: float) -> T:
    """The attempt's result; past the deadline it is left alone for a while, a client that leaves ends it."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(within(deadline + _LINGER_SECONDS, _as_coroutine(attempt)))
    _UNDER_WAY.add(task)
    task.add_done_callback(_ended)
    try:
        async with asyncio.timeout_at(deadline):
            return await asyncio.shield(task)
    except TimeoutError:
        raise RequestError(ErrorCode.DEADLINE_EXCEEDED, "the caller's deadline passed") from None
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait([task])
        raise


def _ended(task: asyncio.Task[Any]) -> None:
    _UNDER_WAY.discard(task)
    if not task.cancelled():
        task.exception()  # marks it as seen: nobody may be waiting any more


async def until_started(service: RewardService) -> None:
    """Waits for a server that is warming up, as long as every client of a dialect does.

    Raises RequestError DEADLINE_EXCEEDED: the 503 that a server says elsewhere is a score of 0 to some.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    while service.starting:
        if loop.time() - began >= _START_SECONDS:
            raise RequestError(ErrorCode.DEADLINE_EXCEEDED, "still starting up")
        await asyncio.sleep(_FIRST_PAUSE_SECONDS)
    _WAITED_SECONDS.set(loop.time() - began)


def _stop_if_cancelled() -> None:
    """A fault on the way out may hide that the client has left; nothing is tried again for nobody."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _as_coroutine(attempt: Callable[[], Awaitable[T]]) -> T:
    return await attempt()


def json(body: Any, status: int = 200) -> Response:
    """An answer in JSON, integers of any size; half a surrogate pair, which no client could read, is `?`."""
    try:
        text = json_wire.dump_value(body)
    except UnicodeEncodeError as error:
        text = str(error.object)
    return json_response(text.encode("utf-8", "replace"), status)


Handler = Callable[[Context, Request], Awaitable[Response]]
OnError = Callable[[RequestError], Response]


def detail_error(error: RequestError) -> Response:
    """FastAPI's form, which most of the field's servers use: `{"detail": text}`."""
    return json({"detail": error.message}, error.code.http_status)


def endpoint(
    context: Context,
    handler: Handler,
    on_error: OnError = detail_error,
    *,
    patience_seconds: float = _START_SECONDS,
) -> Endpoint:
    """The handler as an endpoint whose errors take the dialect's form.

    A body waits for so long until there is room for it.
    """

    async def answer(request: Request) -> Response:
        try:
            await until_started(context.service)
            wait_for_room(request.scope, patience_seconds - _WAITED_SECONDS.get())
            return await handler(context, request)
        except Refusal as refusal:
            return refusal.response
        except RequestError as error:
            return on_error(error)
        except UnicodeEncodeError:
            return on_error(invalid("body", "a text holds half a surrogate pair, which no program can read"))
        except ClientDisconnect:
            raise
        except Exception:
            # Whatever it was, the client reads its own form of an error: another one may be a score of 0.
            _LOGGER.exception("a request could not be answered")
            return on_error(RequestError(ErrorCode.INTERNAL, "a fault of the server; its log has it"))

    return answer


async def connected(request: Request, work: Awaitable[T]) -> T:
    """The work's result; raises ClientDisconnect, the work cancelled, when the client leaves."""

    async def run() -> T:
        return await work

    return await while_connected(request, run())


async def gather(work: Iterable[Awaitable[T]]) -> list[T]:
    """All results in order; the first fault is raised and cancels the rest."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_awaited(one)) for one in work]
    except BaseExceptionGroup as faults:
        raise faults.exceptions[0] from None
    return [task.result() for task in tasks]


async def _awaited(work: Awaitable[T]) -> T:
    return await work
