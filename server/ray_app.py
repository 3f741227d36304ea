"""A Ray Serve application for the cluster a trainer already runs on: each replica is one server core.

    pip install '.[server,ray]'      on every node
    serve run server.ray_app:build replicas=4 slots=8

A replica has a sandbox, math workers and caches of its own, and answers in two ways: through its handle
(`verify` below), and over HTTP at Serve's port with the paths of the HTTP face. Settings are those of the
server, given as arguments or as REWARD_SERVER_* on the nodes; its addresses are Serve's, and what Serve's
proxy cannot do for them, such as TLS, is refused by name. API keys are asked for over HTTP: whoever holds
a handle runs programs of his own on the cluster anyway. A node that gives less isolation than the floor
gets no replica: Serve reports the reason.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from protos.reward.v1 import reward_pb2 as pb
from server.app import Surrounded
from server.config import Settings, load_settings
from server.core import RewardCore
from server.errors import StartupError
from server.faces import proto_wire
from server.faces.batch import judge
from server.faces.http_face import HttpFace
from server.logs import make_logger

NAME = "reward"
ATTEMPTS = 8
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.2, 10.0
# Beyond those at work, so many wait in the replica; the rest wait in the callers' handles, where they
# can still go to a replica that is free.
_WAITING_PER_SLOT = 3
# A replica has no connections, ports, page or fronts of its own: what these ask for nobody would do.
_NOT_SERVES = (
    *("tls_certificate", "tls_key", "tls_client_ca"),
    *("front_processes", "front_port", "share_ports", "recent_verdicts_bytes"),
)


class _Face:
    """The HTTP face of the replica that this runs in. An object: a function Serve would call for its app."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        await serve.get_replica_context().servable_object.http(scope, receive, send)


async def _lifespan(receive: Any, send: Any) -> None:
    """Nothing to do: the replica's own life is the core's."""
    while True:
        phase = (await receive())["type"]
        await send({"type": f"{phase}.complete"})
        if phase == "lifespan.shutdown":
            return


class Replica:
    """One core with its HTTP face, as an actor."""

    async def __init__(self, settings: Mapping[str, Any]) -> None:  # type: ignore[misc]  # Serve awaits it
        chosen = load_settings(flags=settings)
        _check_for_serve(chosen)
        self._core = RewardCore(chosen)
        around = Surrounded(chosen, self._core, make_logger(chosen.log_level, chosen.log_format))
        self._service, self._ceiling = around.service, chosen.request_bytes_ceiling
        self.http = HttpFace(
            self._service, chosen, around.metrics.render, callers=around.callers, held=around.held
        ).app
        await self._core.start()
        if around.telemetry is not None:
            around.telemetry.start()

    async def verify(self, body: bytes) -> bytes:
        """One completion: a `VerifyRequest` in, a `Verdict` out, both as protobuf's bytes."""
        request = proto_wire.parse(body, pb.VerifyRequest, self._ceiling)
        return (await judge(self._service, request, None)).SerializeToString()

    async def put_tests(self, body: bytes) -> bytes:
        """Keeps a test set in this replica only: prefer to send tests with their requests."""
        tests = proto_wire.parse(body, pb.TestSet, self._ceiling)
        return (await self._service.put_tests(tests)).SerializeToString()

    async def check_health(self) -> None:
        """Serve replaces a replica whose core is not ready."""
        if not self._core.ready:
            raise RuntimeError("the core is not ready")


def build(arguments: Mapping[str, Any]) -> serve.Application:
    """The application. `arguments`: `replicas` (a number, or `auto`), and settings of the server by name.

    Raises StartupError for an unknown name, a wrong value, or what a replica cannot do.
    """
    chosen = {name: value for name, value in arguments.items() if name != "replicas"}
    for name in chosen:
        if name not in {item.name for item in fields(Settings)}:
            raise StartupError(f"{name} is neither `replicas` nor a setting of the server")
    settings = load_settings(environment={}, flags=chosen)
    _check_for_serve(settings)
    slots = settings.slots or 1
    deployment = serve.deployment(
        serve.ingress(_Face())(Replica),
        name="Replica",
        num_replicas=_replicas(arguments.get("replicas", 1)),
        max_ongoing_requests=slots * (1 + _WAITING_PER_SLOT),
        ray_actor_options={"num_cpus": slots},
        graceful_shutdown_timeout_s=60,
    )
    return deployment.bind({**chosen, "slots": slots})


def _check_for_serve(settings: Settings) -> None:
    """Raises StartupError for a setting that a replica would ignore."""
    for item in fields(Settings):
        if item.name in _NOT_SERVES and getattr(settings, item.name) not in (item.default, ""):
            raise StartupError(f"{item.name}: a replica of Ray Serve has none; leave it at {item.default!r}")


def _replicas(asked: Any) -> Any:
    """Raises StartupError for what is neither `auto` nor a number above 0."""
    if asked == "auto" or (str(asked).isdecimal() and int(asked) > 0):
        return asked if asked == "auto" else int(asked)
    raise StartupError(f"replicas: {asked!r} is neither a number above 0 nor auto")


async def verify(handle: DeploymentHandle, request: pb.VerifyRequest) -> pb.Verdict:
    """One verdict by whichever replica is free; a replica that is lost in the middle is no verdict.

    A verification changes nothing, so it is asked again, of another replica. After `ATTEMPTS` the answer
    is INTERNAL_ERROR without a reward, which callers may retry later.
    """
    body, wait = request.SerializeToString(), _FIRST_WAIT_SECONDS
    fault: Exception | None = None
    for _ in range(ATTEMPTS):
        try:
            verdict = pb.Verdict.FromString(await handle.verify.remote(body))
        except (RayError, RayServeException) as error:
            fault = error
        else:
            if verdict.status != pb.INTERNAL_ERROR:
                return verdict
            fault = RuntimeError(verdict.message)
        await asyncio.sleep(wait * random.uniform(0.5, 1))  # noqa: S311 - spreads retries, nothing secret
        wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
    message = f"no replica judged it in {ATTEMPTS} attempts: {type(fault).__name__}"
    return pb.Verdict(id=request.id, status=pb.INTERNAL_ERROR, message=message)


async def verify_many(
    handle: DeploymentHandle, requests: Iterable[pb.VerifyRequest], in_flight: int = 1024
) -> list[pb.Verdict]:
    """Verdicts in the order of the requests, so many asked for at once."""
    room = asyncio.Semaphore(in_flight)

    async def one(request: pb.VerifyRequest) -> pb.Verdict:
        async with room:
            return await verify(handle, request)

    return list(await asyncio.gather(*map(one, requests)))
