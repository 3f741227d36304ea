"""A Python program's process that takes one run after another (`sandbox.repeatable` says whose may).

Between two runs it puts back what the program shares with the interpreter; what cannot be put back ends
the process. `sandbox.repeating` is its supervisor.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any

from sandbox import streams
from sandbox.repeatable import is_repeatable
from sandbox.template import Job

READY, ONCE = b"r", b"o"  # to the supervisor: the run is over, another may come; there will be one only
NEXT = b"n"
_IN_MEMORY = io.StringIO, io.BytesIO


def staying(job: Job, namespace: dict[str, Any]) -> Process | None:
    """This process, in which no run has begun yet; None if the program may have one run only.

    `job.setup` is the caller's, not the program's, and runs anew each time.
    """
    try:
        if is_repeatable(job.source, job.setup):
            return Process(namespace)
    except Exception:  # noqa: BLE001, S110 - whatever went wrong in looking at a program is not its fault
        pass
    os.write(streams.ORDERS, ONCE)
    os.close(streams.ORDERS)
    return None


class Process:
    """What a process shares with its runs, as it was before the first; `namespace` is the program's."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._names = dict(namespace)
        self._attributes = [_attributes(stream) for stream in (sys.__stdin__, sys.__stdout__, sys.__stderr__)]
        self._spare = [(os.dup(place), place) for place in streams.given()]
        self._recursion_limit = sys.getrecursionlimit()
        self._most_digits = sys.get_int_max_str_digits()
        self._caches = getattr(sys.modules.get("typing"), "_cleanups", ())
        self._random = sys.modules.get("random")
        self._random_state = self._random.getstate() if self._random is not None else None

    def let_go(self) -> None:
        """Before a run's objects end: empties what of `typing` keeps them."""
        for empty in self._caches:
            empty()

    def renew(self) -> bool:
        """Makes everything as before the first run; False where that cannot be."""
        if self._namespace:  # what ended last has left something there
            return False
        try:
            return all(map(_is_plain, (sys.stdin, sys.stdout, sys.stderr))) and self._put_back()
        except (OSError, ValueError):  # a stream that is closed, or taken apart
            return False

    def _put_back(self) -> bool:
        for spare, place in self._spare:
            os.dup2(spare, place)
        standard: tuple[Any, Any, Any] = _rewound(), sys.__stdout__, sys.__stderr__
        if any(stream.closed for stream in standard):
            return False
        if [_attributes(stream) for stream in standard] != self._attributes:
            return False
        sys.stdin, sys.stdout, sys.stderr = standard
        sys.setrecursionlimit(self._recursion_limit)
        sys.set_int_max_str_digits(self._most_digits)
        if self._random is not None:
            self._random.setstate(self._random_state)
        self._namespace.update(self._names)
        return True

    def wait(self) -> None:
        """Reports that the run is over, and returns when there is another; ends if there is none."""
        os.write(streams.ORDERS, READY)
        if os.read(streams.ORDERS, 1) != NEXT:
            os._exit(0)


def _attributes(stream: Any) -> list[dict[str, Any]]:
    """What a program could have left on a stream's layers."""
    buffer = stream.buffer
    layers = [vars(layer) for layer in (stream, buffer, getattr(buffer, "raw", buffer))]
    return [dict(layer) for layer in layers]


def _is_plain(stream: Any) -> bool:
    """Whether nothing but memory ends with what stands in a stream's place."""
    return type(stream) is io.TextIOWrapper or (type(stream) in _IN_MEMORY and not vars(stream))


def _rewound() -> Any:
    """Standard input without what was read ahead; `exit()` closes it."""
    stream: Any = sys.__stdin__
    if stream.closed or not stream.seekable():
        stream = open(0, encoding=stream.encoding, errors=stream.errors, newline="\n", closefd=False)  # noqa: SIM115
        stream.buffer.raw.name = "<stdin>"
        vars(sys)["__stdin__"] = stream
    stream.seek(0)
    return stream
