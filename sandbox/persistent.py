"""A Python program's process that takes one run after another (`sandbox.repeatable` says whose may).

Between two runs it puts back what the program shares with the interpreter. What cannot be put back ends
the process, and whatever ends it makes the supervisor run the case again in a fork: only a run that ended
well counts here.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from sandbox import streams
from sandbox.repeatable import is_repeatable
from sandbox.template import Job

READY, NEXT = b"r", b"n"


def may_persist(job: Job) -> bool:
    """Whether the program's process may take more than one run."""
    return is_repeatable(job.source) and (not job.setup or is_repeatable(job.setup))


class Process:
    """This one, in which no run has begun yet; `namespace` is the program's."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._names = dict(namespace)
        self._spare = [(os.dup(place), place) for place in streams.given()]
        self._recursion_limit = sys.getrecursionlimit()
        self._most_digits = sys.get_int_max_str_digits()
        self._random = sys.modules.get("random")
        self._random_state = self._random.getstate() if self._random is not None else None

    def renew(self) -> None:
        """Everything as before the first run. Raises OSError or ValueError where that cannot be."""
        for spare, place in self._spare:
            os.dup2(spare, place)
        standard: tuple[Any, Any, Any] = _rewound(), sys.__stdout__, sys.__stderr__
        if any(stream.closed for stream in standard):
            raise ValueError("a stream is closed for good")
        sys.stdin, sys.stdout, sys.stderr = standard
        sys.setrecursionlimit(self._recursion_limit)
        sys.set_int_max_str_digits(self._most_digits)
        if self._random is not None:
            self._random.setstate(self._random_state)
        self._namespace.update(self._names)

    def wait(self) -> None:
        """Reports that the run is over, and returns when there is another; ends if there is none."""
        os.write(streams.RELAY, READY)
        if os.read(streams.RELAY, 1) != NEXT:
            os._exit(0)


def _rewound() -> Any:
    """Standard input without what was read ahead; `exit()` closes it."""
    stream: Any = sys.__stdin__
    if stream.closed or not stream.seekable():
        stream = open(0, encoding=stream.encoding, errors=stream.errors, newline="\n", closefd=False)  # noqa: SIM115
        vars(sys)["__stdin__"] = stream
    stream.seek(0)
    return stream
