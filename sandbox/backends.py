"""Which backend makes the jails on this host."""

from __future__ import annotations

import functools
import os
import sys

from sandbox.confinement import Confinement
from sandbox.errors import SandboxUnavailable

# From weakest to strongest, as docs/isolation.md compares them.
STRENGTH = {"landlock": 1, "namespaces": 2, "docker": 3}
# What `auto` tries, the strongest first. `docker` is never chosen unasked: it needs a daemon and an image.
_UNASKED = ("namespaces", "landlock")
_TRIAL_SECONDS = 60.0


def choose(asked: str, image: str = "") -> str:
    """The backend for `asked`, a name or "auto"; raises SandboxUnavailable where this host has none.

    Each candidate is tried by confining a process with it. `image` is that of the docker backend.
    """
    candidates = _UNASKED if asked == "auto" else (asked,)
    reasons = []
    for name in candidates:
        if not (why := problem(name, image)):
            return name
        reasons.append(f"{name}: {why}")
    raise SandboxUnavailable(f"no isolation on this host ({'; '.join(reasons)})")


def problem(name: str, image: str = "") -> str:
    """Why the backend does not work on this host; empty if it does. Tried once in a process' life."""
    return _problem(name, image if name == "docker" else "")


@functools.cache
def _problem(name: str, image: str) -> str:
    if name == "docker":
        from sandbox import containers

        return containers.problem(image)
    if name not in STRENGTH:
        return f"unknown; known: {', '.join(STRENGTH)}"
    return _try(name)


def _try(name: str) -> str:
    import subprocess  # not in the launchers, where each module makes every fork dearer

    parent = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    program = f"import sys; sys.path[0] = {parent!r}; from sandbox.trial import main; main({name!r})"
    command = [os.path.realpath(sys.executable), "-s", "-S", "-c", program]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TRIAL_SECONDS, check=False, env={}
        )
    except subprocess.TimeoutExpired:
        return f"the trial did not end within {_TRIAL_SECONDS:.0f} s"
    if done.returncode == 0:
        return ""
    return (done.stderr.strip().splitlines() or [f"the trial ended with status {done.returncode}"])[-1]


def confinement(name: str, uid_base: int, family: str) -> Confinement:
    """In a launcher: the backend's own half; only its module is imported.

    `family` names what the launchers of one server leave on the host; `uid_base` is the first uid of the
    programs where the pid namespace makes them the jail's own.
    """
    if name == "landlock":
        from sandbox.landlock import Landlock

        return Landlock(family)
    from sandbox.namespaces import Namespaces

    assert name == Namespaces.name
    return Namespaces(uid_base)
