"""When to ask again, and how long to wait before.

Three groups, as the reward API defines them:

    judged               the verdict has a reward            -> done
    the task at fault    UNGRADABLE, UNDECIDED               -> done, asking again gives the same
    the service at fault INTERNAL_ERROR, OVERLOADED, ...     -> ask again until the deadline

gRPC errors fall into the third group when they mean "not now" (UNAVAILABLE,
QUEUE_FULL, ...); the rest say that the request is wrong and are raised.
"""

from __future__ import annotations

import random
import typing
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from trainer_client.errors import RewardRequestError

RETRIED_STATUSES = frozenset({"INTERNAL_ERROR", "OVERLOADED", "CANCELLED", "STATUS_UNSPECIFIED"})
# API error codes that mean "not now"; every other one means that the request is wrong.
_NOT_NOW = frozenset({"QUEUE_FULL", "DRAINING", "DEADLINE_EXCEEDED", "INTERNAL"})
# The same for an answer without an API code: it comes from the network, a proxy or gRPC itself.
_NOT_NOW_GRPC = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.DATA_LOSS,
    }
)


@dataclass(frozen=True)
class RetryPolicy:
    """Patience with a service that is at fault.

    `deadline_seconds` bounds all attempts of one request together, `attempt_seconds` a single one; with 0
    an attempt may take what is left of the deadline, for no bound is right for every task: the server's own
    limits end a verdict, and the channel's keepalive a connection that is dead.
    Each wait is drawn between half and all of a ceiling that doubles from `first_wait_seconds` up to
    `longest_wait_seconds`: the randomness keeps a thousand clients from coming back in the same instant.
    """

    deadline_seconds: float = 300.0
    attempt_seconds: float = 0.0
    first_wait_seconds: float = 0.1
    longest_wait_seconds: float = 10.0

    def attempt_timeout(self, left_seconds: float) -> float:
        """Seconds that an attempt may take when the deadline is `left_seconds` away."""
        return max(0.001, min(self.attempt_seconds or left_seconds, left_seconds))

    def waits(self, rng: random.Random) -> Iterator[float]:
        """The waits between attempts, in seconds, without end."""
        ceiling = self.first_wait_seconds
        while True:
            yield rng.uniform(ceiling / 2, ceiling)
            ceiling = min(2 * ceiling, self.longest_wait_seconds)


@dataclass(frozen=True)
class ServiceFault:
    """A "not now": the API status that names it, why, and how long the server asks to wait (seconds)."""

    status: str
    message: str
    wait_seconds: float = 0.0


def fault_of(error: grpc.RpcError) -> ServiceFault:
    """Reads an RPC error as a fault of the service.

    Raises RewardRequestError when the error says that the request itself is wrong.
    """
    details = _Details.of(error)
    code = error.code()
    message = error.details() or code.name
    has_retry_info = details.wait_seconds is not None
    not_now = details.reason in _NOT_NOW if details.reason else code in _NOT_NOW_GRPC
    # Without RetryInfo, RESOURCE_EXHAUSTED is gRPC's own word for a message over the size limit.
    if not (not_now or has_retry_info):
        raise RewardRequestError(details.reason or _api_code(code), message, field=details.field) from error
    crowded = code in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED)
    status = "OVERLOADED" if crowded else "INTERNAL_ERROR"
    return ServiceFault(status, f"{details.reason or code.name}: {message}", details.wait_seconds or 0.0)


def _api_code(code: grpc.StatusCode) -> str:
    return "TOO_LARGE" if code is grpc.StatusCode.RESOURCE_EXHAUSTED else code.name


@dataclass(frozen=True)
class _Details:
    """What the status details of an RPC error carry, as far as it matters here."""

    reason: str = ""
    field: str = ""
    wait_seconds: float | None = None

    @classmethod
    def of(cls, error: grpc.RpcError) -> _Details:
        try:
            status = rpc_status.from_call(typing.cast(grpc.Call, error))
        except (
            ValueError
        ):  # details that contradict the code: some proxy rewrote it, and the code alone counts
            status = None
        reason, field, wait = "", "", None
        for detail in status.details if status is not None else ():
            info, request, retry = (
                error_details_pb2.ErrorInfo(),
                error_details_pb2.BadRequest(),
                error_details_pb2.RetryInfo(),
            )
            if detail.Unpack(info):
                reason, field = info.reason, field or info.metadata.get("field", "")
            elif detail.Unpack(request) and request.field_violations:
                field = request.field_violations[0].field
            elif detail.Unpack(retry):
                wait = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
        return cls(reason, field, wait)
