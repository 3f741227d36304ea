"""What the faces speak for: one service, whichever transport the request came by.

Faces parse, translate and nothing else. What both must do alike lives here: the
deadline of a caller, and what becomes of a fault that the core did not foresee.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from protos.reward.v1 import reward_pb2 as pb
from server.caller import with_deadline
from server.errors import ErrorCode, RequestError

T = TypeVar("T")


class RewardService(Protocol):
    """One request in, one answer out.

    Each method raises `RequestError` when the request cannot be taken. Cancelling
    the awaiting task cancels the work. A fault of the service is no exception: it
    is a verdict with status INTERNAL_ERROR and no reward.
    """

    async def verify(self, request: pb.VerifyRequest) -> pb.Verdict:
        """Judges one completion."""

    def verify_now(self, request: pb.VerifyRequest) -> pb.Verdict | None:
        """The verdict that `verify` gives, if nothing has to be waited for; None: ask `verify`.

        An easy math answer is judged sooner than a task is made, a lane asked and a timer set for it.
        """

    async def put_tests(self, tests: pb.TestSet) -> pb.TestSetRef:
        """Keeps a test set under its content hash."""

    async def execute(self, request: pb.ExecuteRequest) -> pb.ExecuteResult:
        """Runs a program in a jail and judges nothing."""

    def capabilities(self) -> pb.Capabilities:
        """What this server can do."""

    @property
    def ready(self) -> bool:
        """Warm and not draining."""

    @property
    def starting(self) -> bool:
        """Not warm yet, and about to be."""


class Passing:
    """A RewardService around another, which answers whatever a subclass does not."""

    def __init__(self, inner: RewardService) -> None:
        self._inner = inner

    async def verify(self, request: pb.VerifyRequest) -> pb.Verdict:
        """Judges one completion."""
        return await self._inner.verify(request)

    def verify_now(self, request: pb.VerifyRequest) -> pb.Verdict | None:
        """None: a decorator that sees verdicts must not be passed by."""
        return None

    async def put_tests(self, tests: pb.TestSet) -> pb.TestSetRef:
        """Keeps a test set."""
        return await self._inner.put_tests(tests)

    async def execute(self, request: pb.ExecuteRequest) -> pb.ExecuteResult:
        """Runs a program."""
        return await self._inner.execute(request)

    def capabilities(self) -> pb.Capabilities:
        """What this server can do."""
        return self._inner.capabilities()

    @property
    def ready(self) -> bool:
        """Warm and not draining."""
        return self._inner.ready

    @property
    def starting(self) -> bool:
        """Not warm yet, and about to be."""
        return self._inner.starting


def deadline_in(seconds: float | None) -> float | None:
    """The time of the running loop's clock that lies `seconds` ahead; None: no deadline."""
    return None if seconds is None else asyncio.get_running_loop().time() + seconds


async def within(deadline: float | None, work: Coroutine[Any, Any, T]) -> T:
    """The work's result; past the deadline the work is cancelled.

    Raises RequestError DEADLINE_EXCEEDED, or INTERNAL for what the service did not
    foresee. Other RequestErrors pass.
    """
    scope = asyncio.timeout_at(deadline)
    try:
        with with_deadline(deadline):
            async with scope:
                return await work
    except RequestError:
        raise
    except Exception as error:  # the boundary of the service: whatever escapes is ours, never the caller's
        if isinstance(error, TimeoutError) and scope.expired():
            raise RequestError(ErrorCode.DEADLINE_EXCEEDED, "the caller's deadline passed") from None
        raise RequestError(ErrorCode.INTERNAL, f"internal fault: {type(error).__name__}") from error


async def verify(service: RewardService, request: pb.VerifyRequest, deadline: float | None) -> pb.Verdict:
    """One verdict; an unforeseen fault is INTERNAL_ERROR without a reward, which callers may retry."""
    try:
        return await within(deadline, service.verify(request))
    except RequestError as error:
        if error.code is not ErrorCode.INTERNAL:
            raise
        return pb.Verdict(id=request.id, status=pb.INTERNAL_ERROR, message=error.message)


def verify_now(service: RewardService, request: pb.VerifyRequest) -> pb.Verdict | None:
    """The verdict if nothing has to be waited for, with the same faults as `verify`; None else."""
    try:
        return service.verify_now(request)
    except Exception as error:  # as in `within`: whatever escapes is the service's fault
        if isinstance(error, RequestError):
            raise
        message = f"internal fault: {type(error).__name__}"
        return pb.Verdict(id=request.id, status=pb.INTERNAL_ERROR, message=message)


def refusal(request_id: str, error: RequestError) -> pb.Verdict:
    """The entry of a batch or stream that stands for a refused request; it has no reward."""
    fault = pb.RequestFault(code=error.code.name, field=error.field, message=error.message)
    return pb.Verdict(id=request_id, message=error.message, error=fault)
