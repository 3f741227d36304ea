"""Looks at this host and says what it gives to each isolation backend, and the commands for what it lacks."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox import backends, cgroups, seccomp
from sandbox.errors import SandboxError
from sandbox.sandbox import Sandbox, SandboxConfig

# In one line each; the backends' docstrings and docs/isolation.md have the whole lists.
GIVES = {
    "namespaces": "own mount, pid, network and ipc namespaces, own root, scratch in memory; as root own uids",
    "landlock": "files, sockets and signals outside are out of reach, their names are not; scratch on disk",
    "docker": "a container per submission, of the engine that you trust; docker_runtime=runsc for gVisor",
}
CAPABILITIES = ("SYS_ADMIN", "SETUID", "SETGID", "SETPCAP", "CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL")
CONTAINER_FLAGS = (
    "docker run --cap-drop ALL "
    + " ".join(f"--cap-add {name}" for name in CAPABILITIES)
    + " --security-opt seccomp=unconfined --security-opt apparmor=unconfined ..."
)
# What forbids user namespaces to an ordinary user: the file, the value that does, the command that mends it.
_SWITCHES = (
    ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
    ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `remedy`, a command per line, says what to do when it is not `ok`.

    What is `optional` is not needed for the configured floor.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    optional: bool = False


def report(floor: str = "namespaces", image: str = "") -> list[Finding]:
    """Everything that matters for isolation here. `floor` is the weakest backend that is enough.

    `image` is the docker backend's; empty for its default.
    """
    host = [_machine(), _python(), _privilege(), _cgroup(), *_moves()]
    return [*host, *_backends(floor, image), *_languages()]


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
    where = " in a container" if in_container() else ""
    if os.geteuid() == 0:
        return Finding("privilege", True, f"root{where}: each jail gets a uid of its own")
    return Finding("privilege", True, f"an ordinary user{where}: programs run under the server's uid")


def _cgroup() -> Finding:
    hierarchy = cgroups.probe()
    if hierarchy.version:
        return Finding("cgroup", True, f"v{hierarchy.version}, writable: {', '.join(hierarchy.directories)}")
    detail = "none writable: memory is held per process and watched, processes by rlimit"
    if in_container():
        remedy = "docker run -v /sys/fs/cgroup:/sys/fs/cgroup ... (and --cgroupns host with cgroup v2)"
    elif os.geteuid() != 0:
        remedy = "systemd-run --user --scope -p Delegate=yes reward-server serve"
    else:
        remedy = "mount -t cgroup2 none /sys/fs/cgroup"
    return Finding("cgroup", False, detail, remedy, optional=True)


def _moves() -> Iterator[Finding]:
    hierarchy = cgroups.probe()
    if not cgroups.moves_at_once(hierarchy):
        detail = "a program may wait some 5 ms until the kernel has moved it into its group"
        remedy = f"mount -o remount,favordynmods {hierarchy.directories['all']}"
        yield Finding("cgroup moves", False, detail, f"{remedy}    (Linux 6.0 or newer)", optional=True)


def _backends(floor: str, image: str) -> Iterator[Finding]:
    problems = {name: backends.problem(name, image) for name in backends.STRENGTH}
    enough = [name for name, rank in backends.STRENGTH.items() if rank >= backends.STRENGTH[floor]]
    reached = any(not problems[name] for name in enough)
    for name in sorted(problems, key=backends.STRENGTH.__getitem__, reverse=True):
        why = problems[name]
        optional = reached or name not in enough
        remedy = "\n".join(_remedies(name)) if why else ""
        yield Finding(f"backend {name}", not why, why or GIVES[name], remedy, optional)


def _remedies(name: str) -> list[str]:
    if name == "namespaces":
        return _remedies_of_namespaces()
    if name == "landlock":
        return [
            "boot Linux 5.13 or newer (6.12 for an ordinary user) with `landlock` in the list of lsm=",
            "in a container: use an engine whose seccomp profile knows Landlock (Docker 23 or newer)",
            "in a read-only container: docker run --tmpfs /tmp:exec ...",
        ]
    return [
        "apt-get install docker.io    (or any engine; DOCKER_HOST names a distant one)",
        "usermod -aG docker $USER    (or run the server as root)",
        "docker build -f docker/Dockerfile -t reward-server .",
    ]


def _remedies_of_namespaces() -> list[str]:
    if in_container():
        return [CONTAINER_FLAGS, "or accept less: reward-server serve --min-isolation landlock"]
    if os.geteuid() == 0:
        return ["run outside of a container, or with every capability (capsh --print shows them)"]
    return [*_forbidding_switches(), "or run the server as root"]


def _forbidding_switches() -> Iterator[str]:
    for name, forbidding, command in _SWITCHES:
        file = Path("/proc/sys", name)
        if file.exists() and file.read_text().strip() == forbidding:
            yield command


def in_container() -> bool:
    """Whether this is a container of Docker's or Podman's, or a Kubernetes pod."""
    return any(map(os.path.exists, ("/.dockerenv", "/run/.containerenv", "/var/run/secrets/kubernetes.io")))


def _languages() -> Iterator[Finding]:
    try:
        statuses = asyncio.run(_try_languages())
    except SandboxError as error:
        yield Finding("languages", False, f"not tried: {error}")
        return
    for name, version, available, reason, linker in statuses:
        linked = f", linked by {linker}" if linker else ""
        detail = reason or f"{version} passes its self-test{linked}"
        optional = name != "python"
        yield Finding(f"language {name}", available, detail, f"install the toolchain of {name}", optional)


async def _try_languages() -> list[tuple[str, str, bool, str, str]]:
    sandbox = Sandbox(SandboxConfig(slots=1))
    try:
        await sandbox.start()
        return [
            (s.language.name, s.version, s.available, s.reason, s.linker) for s in sandbox.language_statuses
        ]
    finally:
        await sandbox.close()
