"""The `docker` backend: a pool of started containers, each used by one submission and then removed.

Covered: what the engine's containers cover (mount, pid, network, ipc and uts namespaces, no
network, a read-only root, no capability for the program, no new privileges, limits on memory and
processes for the whole container, the engine's seccomp profile), and inside it our own supervisor: another
uid for the program, our seccomp deny list, the same limits per run as in the other backends, scratch on
tmpfs that is emptied between the runs, and the death of every process with its run. With
`runtime="runsc"` system calls are served by gVisor instead of the host's kernel, which must have been
installed as a runtime of the engine.

Not covered: whoever may talk to the engine is root on its host, and the server may; faults of
the kernel, without gVisor; side channels and bandwidth as everywhere. The loopback interface is up
inside the container. The peak of memory is that of the largest process, though the limit is the whole
container's, with an allowance for the supervisor.

The image has to hold this package for its `python` (docker/Dockerfile makes one). Containers are
named by label; they end when the server lets go of their input, so a killed server leaves none running.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import socket
import struct
import sys
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from sandbox import uids
from sandbox.errors import LauncherLost, SandboxUnavailable
from sandbox.launcher import LauncherConfig
from sandbox.launcher_process import JailChannel, Jails, LauncherInfo, LauncherProcess
from sandbox.types import Limits

_ENGINE_SOCKET = "/var/run/docker.sock"
DEFAULT_IMAGE = "reward-server"
LABEL = "reward-server.jail"
SCRATCH_BYTES = 1 << 30  # a ceiling of its own; the memory limit counts what lies there
SUPERVISOR_BYTES = 48 << 20  # of the container's memory, besides the program's
SUPERVISOR_PROCESSES = 2  # the supervisor and its template
RUNTIME_BYTES, RUNTIME_PROCESSES = 256 << 20, 256  # what a runtime's own kernel may use besides
_CAPABILITIES = ("SETUID", "SETGID", "KILL", "CHOWN", "DAC_OVERRIDE", "FOWNER")
_START_SECONDS = 60.0
_HEAD = struct.Struct(">BxxxI")  # the engine's framing: stream, length
_STDOUT = 1
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class ContainerConfig:
    """What is started, and how many wait."""

    image: str = DEFAULT_IMAGE
    runtime: str = ""  # of the engine; empty: its default. "runsc" is gVisor's
    ready: int = 2  # started containers that wait for a submission
    preload: str = ""  # as in `sandbox.launcher.LauncherConfig`


def problem(image: str = "") -> str:
    """Why containers cannot be used here; empty if they can."""
    try:
        import docker
    except ImportError:
        return "the Python package `docker` is not installed"
    if why := _unreachable(os.environ.get("DOCKER_HOST", "")):
        return f"no engine answers: {why}"
    try:
        client = docker.from_env()
    except docker.errors.DockerException as error:
        return f"no engine answers: {error}"
    try:
        client.images.get(image or DEFAULT_IMAGE)
    except docker.errors.ImageNotFound:
        return f"there is no image {image or DEFAULT_IMAGE!r}"
    except docker.errors.DockerException as error:
        return f"the engine fails: {error}"
    finally:
        client.close()
    return ""


def _unreachable(address: str) -> str:
    """Why nobody listens at a local engine's socket; asked first, as the client leaves its own open then."""
    path = address.removeprefix("unix://") or _ENGINE_SOCKET
    if "://" in path:
        return ""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError as error:
            return f"{path}: {error.strerror}"
    return ""


class ContainerPool:
    """Gives jails as `sandbox.launcher_process.LauncherProcess` does, from started containers."""

    def __init__(self, config: ContainerConfig) -> None:
        self._config = config
        self._ids = itertools.count(1)
        self._client: Any = None
        self._ready: asyncio.Queue[_Started | None] = asyncio.Queue()  # None: one that could not be started
        self._waiting = 0  # jails without a container
        self._starting: set[asyncio.Task[None]] = set()
        self._jails: dict[int, asyncio.Task[None]] = {}
        self._closed = False
        self._usual_limits = Limits()

    @property
    def info(self) -> LauncherInfo:
        """What a launcher would report; the pid is the server's own."""
        return LauncherInfo(os.getpid(), rootless=False, cgroup_version=0)

    @property
    def lost(self) -> bool:
        """A pool recovers by itself: a container that cannot be started is one lost jail."""
        return self._closed

    @property
    def living_jails(self) -> int:
        """How many containers are in use."""
        return len(self._jails)

    async def start(self) -> LauncherInfo:
        """Removes what dead servers left and starts the first containers; raises SandboxUnavailable."""
        import docker

        try:
            self._client = await asyncio.to_thread(docker.from_env)
            await asyncio.to_thread(self._remove_orphaned)
            self._ready.put_nowait(await self._start_one(self._usual_limits))
        except (docker.errors.DockerException, OSError, TimeoutError) as error:
            await self.close()
            raise SandboxUnavailable(f"the container engine gives no jail: {error}") from error
        for _ in range(self._config.ready - 1):
            self._start_another()
        return self.info

    def spawn(self, limits: Limits | None = None) -> JailChannel:
        """A channel to a jail; raises LauncherLost once closed."""
        if self._closed:
            raise LauncherLost("the containers are closed")
        job = next(self._ids)
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        self._jails[job] = asyncio.create_task(self._use_one(far, limits or Limits()))
        self._jails[job].add_done_callback(lambda _: self._jails.pop(job, None))
        return JailChannel(self, job, near)

    def kill(self, job: int) -> None:
        """Removes a jail's container; a no-op if it is gone."""
        task = self._jails.get(job)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """Removes every container; returns when they are gone."""
        self._closed = True
        tasks = [*self._jails.values(), *self._starting]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while not self._ready.empty():
            if (container := self._ready.get_nowait()) is not None:
                await self._remove(container)
        if self._client is not None:
            await asyncio.to_thread(self._client.close)

    # One container.

    async def _use_one(self, jail: socket.socket, limits: Limits) -> None:
        """Carries one jail's bytes until either side lets go, then removes its container."""
        container: _Started | None = None
        try:
            self._usual_limits = limits  # most submissions have those of the one before
            container = await self._take()
            self._start_another()
            container = await self._fit(container, limits)
            await _first_done(_outward(jail, container.stream), _inward(container.stream, jail))
        except OSError as error:
            print(f"a container was lost: {error}", file=sys.stderr)  # the channel's end tells the caller
        finally:
            jail.close()
            if container is not None:
                await asyncio.shield(self._remove(container))

    async def _take(self) -> _Started:
        """The next container; raises OSError if none is to come."""
        if self._ready.empty() and not self._starting:  # the last ones could not be started
            self._start_another()
        self._waiting += 1
        try:
            container = await self._ready.get()
        finally:
            self._waiting -= 1
        if container is None:
            if self._waiting and not self._starting:
                self._start_another()
            raise ConnectionError("none could be started")
        return container

    async def _fit(self, container: _Started, limits: Limits) -> _Started:
        """The same container with these limits, or another where the runtime cannot change them."""
        if container.limits == limits:
            return container
        if not self._config.runtime:
            await asyncio.to_thread(container.change_limits, _engine_limits(limits, ""))
            return container
        await self._remove(container)
        return await self._start_one(limits)

    def _start_another(self) -> None:
        async def start() -> None:
            import docker

            try:
                self._ready.put_nowait(await self._start_one(self._usual_limits))
            except (docker.errors.DockerException, OSError, TimeoutError) as error:
                print(f"a container could not be started: {error}", file=sys.stderr)
                self._starting.discard(task)
                if self._waiting > self._ready.qsize() + len(self._starting):
                    self._ready.put_nowait(None)  # nobody else would wake who waits for it

        if not self._closed:
            task = asyncio.create_task(start())
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _start_one(self, limits: Limits) -> _Started:
        made = asyncio.create_task(asyncio.to_thread(self._create, limits))
        try:
            started = await asyncio.shield(made)
        except asyncio.CancelledError:
            await self._remove(await made)
            raise
        try:
            async with asyncio.timeout(_START_SECONDS):
                await _expect_ready(started.stream)
        except BaseException:
            await self._remove(started)
            raise
        return started

    def _create(self, limits: Limits) -> _Started:
        api = self._client.api
        made = api.create_container(
            self._config.image,
            command=["-s", "-m", "sandbox.container_init", self._order()],
            entrypoint=["python"],
            environment=_ENVIRONMENT,
            labels={LABEL: _owner()},
            stdin_open=True,
            user="0:0",
            working_dir="/",
            healthcheck={"test": ["NONE"]},
            network_disabled=True,
            host_config=self._host_config(api, limits),
        )["Id"]
        try:
            # Attached before the start, so that nothing is missed, and for as long as the container lives.
            answer = api.attach_socket(made, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
            stream = socket.socket(fileno=os.dup(answer.fileno()))
            wrapped = answer._sock  # the SDK's answer does not close what it wraps
            answer.close()
            wrapped.close()
            stream.setblocking(False)
            api.start(made)
        except BaseException:
            api.remove_container(made, force=True)
            raise
        return _Started(made, stream, api, limits)

    def _host_config(self, api: Any, limits: Limits) -> Any:
        engine_limits = _engine_limits(limits, self._config.runtime)
        scratch = f"rw,nosuid,nodev,exec,mode=755,size={SCRATCH_BYTES},nr_inodes=16k"
        return api.create_host_config(
            network_mode="none",
            auto_remove=True,
            read_only=True,
            tmpfs={"/work": scratch, "/box": scratch, "/tmp": scratch.replace("755", "1777")},  # noqa: S108
            cap_drop=["ALL"],
            cap_add=list(_CAPABILITIES),
            security_opt=["no-new-privileges"],
            shm_size=SCRATCH_BYTES,
            pids_limit=engine_limits["PidsLimit"],
            mem_limit=engine_limits["Memory"],
            memswap_limit=engine_limits["MemorySwap"],
            log_config={"Type": "none"},
            runtime=self._config.runtime or None,
            oom_score_adj=500,
        )

    def _order(self) -> str:
        return json.dumps({"preload": self._config.preload, "python_path": []})

    async def _remove(self, container: _Started) -> None:
        container.stream.close()
        await asyncio.to_thread(_removing, self._client, container.identity)

    def _remove_orphaned(self) -> None:
        """Containers of this machine's servers that are gone; others' cannot be told from living ones."""
        mine = _owner().rpartition(":")[0]
        for container in self._client.api.containers(all=True, filters={"label": LABEL}):
            place, _, pid = container["Labels"][LABEL].rpartition(":")
            if place == mine and not os.path.exists(f"/proc/{pid}"):
                _removing(self._client, container["Id"])


@dataclass(frozen=True, slots=True)
class _Started:
    """A container that runs, and the socket of its streams."""

    identity: str
    stream: socket.socket
    api: Any
    limits: Limits

    def change_limits(self, engine_limits: dict[str, int]) -> None:
        """One call of the engine's, which the SDK's own method cannot make: it knows no PidsLimit."""
        url = self.api._url("/containers/{0}/update", self.identity)
        self.api._result(self.api._post_json(url, data=engine_limits))


_ENVIRONMENT = {
    "HOME": "/work",
    "TMPDIR": "/tmp",  # noqa: S108 - the container's own
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def _engine_limits(limits: Limits, runtime: str) -> dict[str, int]:
    """The limits of the whole container, its supervisor included.

    A runtime with a kernel of its own needs memory for it, and is killed whole at the engine's limit. There
    each process is held to the program's limit by rlimit, well before.
    """
    memory_bytes = limits.memory_bytes + SUPERVISOR_BYTES
    if runtime:
        memory_bytes += limits.memory_bytes + RUNTIME_BYTES
    processes = RUNTIME_PROCESSES if runtime else SUPERVISOR_PROCESSES
    return {
        "Memory": memory_bytes,
        "MemorySwap": memory_bytes,
        "PidsLimit": limits.processes + processes,
    }


def _owner() -> str:
    """This server among all that may use the engine: the machine's boot, the pid namespace, the pid."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return f"{file.read().strip()}:{uids.pid_namespace():x}:{os.getpid()}"


def _removing(client: Any, identity: str) -> None:
    import docker

    with contextlib.suppress(docker.errors.NotFound):
        try:
            client.api.remove_container(identity, force=True, v=True)
        except docker.errors.APIError as error:
            if error.status_code != 409:  # its removal is under way already
                raise


async def _first_done(*directions: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.ensure_future(direction) for direction in directions]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _outward(jail: socket.socket, stream: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while chunk := await loop.sock_recv(jail, _CHUNK):
        await loop.sock_sendall(stream, chunk)


async def _inward(stream: socket.socket, jail: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    async for chunk in _stdout_of(stream):
        await loop.sock_sendall(jail, chunk)


async def _expect_ready(stream: socket.socket) -> None:
    """Waits for the one byte that the supervisor sends first; raises OSError if it ends instead."""
    async for chunk in _stdout_of(stream):
        if chunk != b"\x00":
            raise OSError(f"the container speaks otherwise: {chunk[:100]!r}")
        return
    raise OSError("the container ended before it was ready")


async def _stdout_of(stream: socket.socket) -> AsyncIterator[bytes]:
    """What the container writes to its standard output; its standard error goes to ours."""
    while (head := await _exactly(stream, _HEAD.size)) is not None:
        kind, length = _HEAD.unpack(head)
        chunk = await _exactly(stream, length)
        if chunk is None:
            return
        if kind == _STDOUT:
            yield chunk
        else:
            sys.stderr.write(chunk.decode(errors="replace"))


async def _exactly(stream: socket.socket, size: int) -> bytes | None:
    loop, parts = asyncio.get_running_loop(), bytearray()
    while len(parts) < size:
        chunk = await loop.sock_recv(stream, min(size - len(parts), _CHUNK))
        if not chunk:
            return None
        parts += chunk
    return bytes(parts)


def make_jails(config: LauncherConfig, containers: ContainerConfig) -> Jails:
    """What gives the jails of the backend that `config` names."""
    if config.isolation == "docker":
        return ContainerPool(replace(containers, preload=config.preload))
    return LauncherProcess(config)
