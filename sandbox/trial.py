"""Tries one backend on this host: confines a process with it, and lets that one end.

Run by `sandbox.backends` as a process of its own, because most steps cannot be undone.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from sandbox import backends, root
from sandbox.confinement import KEPT_DESCRIPTORS, Confinement, take
from sandbox.types import Limits


def main(name: str) -> NoReturn:
    """Ends with status 0 if the backend works here; otherwise the last line on stderr says why not."""
    confinement = backends.confinement(name, 61000, f"{os.getpid()}-trial")
    try:
        confinement.enter(root.interpreter_directories())
        pid = confinement.fork_init()
        if pid == 0:
            _be_supervisor(confinement)
        _, status = os.waitpid(pid, 0)
        confinement.sweep(0)
        confinement.leave()
    except OSError as error:
        _fail(error)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _be_supervisor(confinement: Confinement) -> NoReturn:
    limits = Limits()
    try:
        places = confinement.isolate(0)
        confinement.mount_scratch(limits)
        confinement.restrict_all_runs(limits)
        pid = os.fork()
        if pid == 0:
            os.chdir(places.work)
            os.closerange(3, KEPT_DESCRIPTORS)
            take(confinement.confining(limits, has_memory_group=False, has_process_group=False))
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        confinement.kill_all()
        confinement.renew_scratch(limits)
    except OSError as error:
        _fail(error)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _fail(error: OSError) -> NoReturn:
    print(error, file=sys.stderr, flush=True)
    os._exit(1)
