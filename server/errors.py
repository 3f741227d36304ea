"""The whole error tree of the server, and the codes that go over the wire.

    RewardServerError
    ├── RequestError        the request cannot be taken; every face maps `code` the same way
    └── StartupError        the server must not start (isolation below the floor, bad setting)

A fault of the service while it works on an accepted request is no exception to
the caller: it is a verdict with status INTERNAL_ERROR and no reward.
"""

from __future__ import annotations

from enum import Enum


class ErrorCode(Enum):
    """Error codes of `reward.v1`: HTTP `code` and gRPC `ErrorInfo.reason` are the name."""

    INVALID_ARGUMENT = 400
    UNAUTHENTICATED = 401
    NOT_FOUND = 404
    TOO_LARGE = 413
    QUEUE_FULL = 429
    INTERNAL = 500
    DRAINING = 503
    DEADLINE_EXCEEDED = 504

    @property
    def http_status(self) -> int:
        """The HTTP status of this error."""
        return int(self.value)


class RewardServerError(Exception):
    """Root of the server's own errors."""


class StartupError(RewardServerError):
    """The server refuses to start; the message says what to change."""


class RequestError(RewardServerError):
    """The request is wrong or cannot be taken now.

    `field` is the path of the field at fault (`code.limits.cpu_seconds`) or
    empty; `retry_after_seconds` is set for QUEUE_FULL and DRAINING.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        field: str = "",
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.retry_after_seconds = retry_after_seconds


def invalid(field: str, why: str) -> RequestError:
    """An INVALID_ARGUMENT that names its field."""
    return RequestError(ErrorCode.INVALID_ARGUMENT, f"{field}: {why}", field=field)
