"""Who is asking: what a transport knows of a request beside its message.

The faces set it for the task that serves the request, the core reads it. It is
kept in a context variable and not in every signature, because only the door
(`server.admission`) and the log care.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Protocol

from server.errors import invalid

# How much of the machine a request counts for, beside one of training.
PRIORITY_WEIGHTS = {"evaluation": 16.0, "training": 1.0, "background": 1 / 16}
DEFAULT_PRIORITY = "training"


class Quota(Protocol):
    """What a caller may use."""

    @property
    def limited(self) -> bool:
        """Whether there is any limit to count against."""

    def enter(self, cost: float) -> contextlib.AbstractContextManager[None]:
        """Room for one request of this cost; raises RequestError QUEUE_FULL where there is none."""


@dataclass(frozen=True, slots=True)
class Caller:
    """One request's caller. `deadline` is a time of the running loop's clock."""

    key: str = ""  # the API key's name
    run: str = ""  # where the message names none
    priority: str = DEFAULT_PRIORITY
    deadline: float | None = None
    quota: Quota | None = None
    trace_parent: str = ""  # W3C `traceparent`


_CALLER: ContextVar[Caller] = ContextVar("caller", default=Caller())  # noqa: B039  # it is frozen


def current() -> Caller:
    """The caller of the request that this task serves."""
    return _CALLER.get()


def run_of(named: str) -> str:
    """The run of the request that this task serves: what its message names, or else its transport."""
    return named or current().run


def become(caller: Caller) -> None:
    """From here on this task serves `caller`; for tasks that serve one request and end."""
    _CALLER.set(caller)


@contextlib.contextmanager
def with_deadline(deadline: float | None) -> Iterator[None]:
    """Inside, the caller has this deadline, or an earlier one it had already."""
    present = current()
    if deadline is None or (present.deadline is not None and present.deadline <= deadline):
        yield
        return
    token = _CALLER.set(replace(present, deadline=deadline))
    try:
        yield
    finally:
        _CALLER.reset(token)


def read_priority(text: str, field: str) -> str:
    """The priority of this name, the default for none; raises INVALID_ARGUMENT."""
    if not text:
        return DEFAULT_PRIORITY
    if text not in PRIORITY_WEIGHTS:
        raise invalid(field, f"{text!r} is not one of {', '.join(PRIORITY_WEIGHTS)}")
    return text
