"""Everything that can go wrong with the sandbox itself.

    SandboxError
    ├── SandboxUnavailable     the host cannot give the isolation asked for
    ├── LauncherLost           the launcher died; it is being replaced
    ├── JailLost               a jail died without an answer: not the program's doing
    ├── FilesTooLarge          files to be placed need more than the jail's memory limit
    ├── UnknownLanguage        no such language, or its self-test failed on this host
    ├── WorkerLost             a jailed worker died without an answer
    ├── WorkerDied             a call ended its jailed worker, and the next one it was given
    └── WorkerBudgetExceeded   a jailed worker was killed at its CPU, memory or output budget

What a program does inside its jail is never an exception: it is a `RunResult`.
"""

from __future__ import annotations


class SandboxError(Exception):
    """Root of the sandbox's errors: a fault of the service, never of the program."""


class SandboxUnavailable(SandboxError):
    """The host does not give this isolation; the message names what is missing."""


class LauncherLost(SandboxError):
    """The launcher process ended while it was needed."""


class JailLost(SandboxError):
    """A jail ended without having answered."""


class FilesTooLarge(SandboxError):
    """Files to be placed in a jail need more room than its memory limit gives."""


class UnknownLanguage(SandboxError):
    """The language is unknown or unavailable on this host."""


class WorkerLost(SandboxError):
    """A jailed worker ended without having answered."""


class WorkerDied(SandboxError):
    """A call ended its jailed worker twice: asking again would do the same."""


class WorkerBudgetExceeded(SandboxError):
    """A jailed worker used up its budget and was killed."""
