"""Looks at this host and says what it gives to the `namespaces` jail, with the remedy for what it lacks."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox import cgroups, seccomp
from sandbox.errors import SandboxError
from sandbox.sandbox import Sandbox, SandboxConfig

_CONTAINER_FLAGS = "--cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `remedy` says what to do when it is not `ok`."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def report() -> list[Finding]:
    """Everything that matters for isolation here, the decisive trial last."""
    return [_machine(), _python(), _privilege(), _cgroup(), *_trial()]


def _machine() -> Finding:
    kernel = f"Linux {platform.release()} on {platform.machine()}"
    try:
        seccomp.build_filter()
    except OSError as error:
        return Finding("machine", False, f"{kernel}: {error}", "use an x86_64 or aarch64 machine")
    return Finding("machine", True, kernel)


def _python() -> Finding:
    return Finding("python", True, f"{platform.python_version()} at {os.path.realpath(sys.executable)}")


def _privilege() -> Finding:
    if os.geteuid() == 0:
        return Finding("privilege", True, "root: each jail gets a uid of its own")
    limit = Path("/proc/sys/user/max_user_namespaces")
    forbidden = limit.exists() and limit.read_text().strip() == "0"
    if forbidden:
        return Finding(
            "privilege", False, "user namespaces are switched off", "sysctl -w user.max_user_namespaces=15000"
        )
    return Finding("privilege", True, "an ordinary user: jails are made through a user namespace")


def _cgroup() -> Finding:
    hierarchy = cgroups.probe()
    if hierarchy.version:
        return Finding("cgroup", True, f"v{hierarchy.version}, writable: {', '.join(hierarchy.directories)}")
    # Not a failure: rlimits hold each process, and the floor does not ask for more.
    return Finding("cgroup", True, "none writable: memory and processes are held by rlimits, per process")


def _trial() -> Iterator[Finding]:
    try:
        statuses = asyncio.run(_try_a_jail())
    except SandboxError as error:
        remedy = f"run as root, or in a container add: {_CONTAINER_FLAGS}"
        yield Finding("namespaces jail", False, str(error), remedy)
        return
    yield Finding("namespaces jail", True, "a program ran in it")
    for name, version, available, reason in statuses:
        detail = f"{version} passes its self-test" if available else reason
        yield Finding(f"language {name}", available, detail, f"install the toolchain of {name}")


async def _try_a_jail() -> list[tuple[str, str, bool, str]]:
    sandbox = Sandbox(SandboxConfig(slots=1))
    try:
        await sandbox.start()
        return [(s.language.name, s.version, s.available, s.reason) for s in sandbox.language_statuses]
    finally:
        await sandbox.close()
