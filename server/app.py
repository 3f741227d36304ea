"""The composition root: settings -> core -> decorators -> faces."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Protocol

from protos.reward.v1 import reward_pb2 as pb
from sandbox.errors import SandboxUnavailable
from server import __version__, caller, page
from server.auth import Keys
from server.config import Settings, split_address
from server.doctor import HostUnfit
from server.errors import ErrorCode, RequestError, StartupError
from server.faces.bytes_held import BytesHeld
from server.faces.callers import Callers
from server.faces.grpc_face import GrpcFace
from server.faces.http_face import HttpFace
from server.faces.service import RewardService
from server.logs import Bridge, Logged, Logger, make_logger
from server.metrics import Measured, Metrics
from server.replay import Replayed
from server.telemetry import Traced, telemetry_of
from server.tls import tls_of

# After the core has answered everything, what the transports get to write the answers out.
_FLUSH_SECONDS = 2.0
_RETRY_WHILE_STARTING_SECONDS = 1.0


class Core(RewardService, Protocol):
    """The service with its life: what `server.core.RewardCore` is."""

    @property
    def queue_depth(self) -> int:
        """Requests that wait for a slot."""

    def math_statistics(self) -> Mapping[str, int]:
        """What the math checker has counted, by the names of `RewardCore.math_statistics`."""

    def statistics(self) -> Mapping[str, float]:
        """What is inside and what is at work, by the names of `RewardCore.statistics`."""

    async def start(self) -> None:
        """Warms up. Raises StartupError when the host gives too little isolation."""

    async def test_languages(self) -> None:
        """Runs the self-tests of languages that have not run yet."""

    async def drain(self, seconds: float) -> None:
        """Refuses new requests with DRAINING and waits for those in flight, at most `seconds`."""

    async def close(self) -> None:
        """Ends every process and frees every resource."""


class Surrounded:
    """A core within what every server puts around it, whichever faces it has; `callers` says who may ask."""

    def __init__(self, settings: Settings, core: Core, logger: Logger) -> None:
        """Raises StartupError for files of keys that cannot be read and for packages that are not there."""
        self._logger = logger
        replayed = Replayed(
            Warm(core), settings.replay_bytes, settings.replay_window_seconds, self._on_reused_id
        )
        self.metrics = Metrics(
            lambda: core.queue_depth, core.math_statistics, core.statistics, lambda: asdict(replayed.counts)
        )
        self.service: RewardService = Measured(Logged(replayed, logger), self.metrics)
        self.telemetry = telemetry_of(settings)
        if self.telemetry is not None:
            self.service = Traced(self.service, self.telemetry.provider)
        path = settings.keys_path
        self.keys = Keys(path, self._on_keys_read) if path is not None else None
        self.callers = Callers(self.keys)
        self.held = BytesHeld(settings.max_queue_bytes)

    def _on_keys_read(self, keys: int, fault: str) -> None:
        if fault:
            self._logger.error("keys_not_read", keys=keys, fault=fault)
        else:
            self._logger.info("keys_read", keys=keys)

    def _on_reused_id(self, request: pb.VerifyRequest) -> None:
        self._logger.warning("id_reused", id=request.id, run=caller.run_of(request.run))


class App:
    """One reward server: both faces over one core, from warm-up to the last answer."""

    def __init__(self, settings: Settings, core: Core, logger: Logger | None = None) -> None:
        self._settings = settings
        self._core = core
        self._logger = logger or make_logger(settings.log_level, settings.log_format)
        self._bridge = Bridge(self._logger)
        around = Surrounded(settings, core, self._logger)
        self._telemetry, self._keys = around.telemetry, around.keys
        service = page.watched(around.service, settings)
        self._tls = tls_of(settings, self._on_certificate_read)
        callers, tls, held = around.callers, self._tls, around.held
        self._http = HttpFace(service, settings, around.metrics.render, callers=callers, tls=tls, held=held)
        page.mount(self._http.app, service, settings, lambda: core.queue_depth)
        self._grpc = GrpcFace(service, settings, callers, tls, held)

    def reload(self) -> None:
        """Reads the files of API keys and certificates again, if there are any."""
        for files in (self._keys, self._tls):
            if files is not None:
                files.reload()

    def _on_certificate_read(self, fault: str) -> None:
        if fault:
            self._logger.error("certificate_not_read", fault=fault)
        else:
            self._logger.info("certificate_read", path=self._settings.tls_certificate)

    def _warn_if_open(self) -> None:
        if self._keys is None and self._settings.open_addresses:
            advice = "anybody who reaches these addresses may run programs: set keys_file, or use 127.0.0.1"
            self._logger.warning("no_keys", addresses=self._settings.open_addresses, advice=advice)

    @property
    def http_address(self) -> str:
        """Where HTTP is served, host:port, with the port that was really bound."""
        return _bound(self._settings.http, self._http.port)

    @property
    def grpc_address(self) -> str:
        """Where gRPC is served, host:port, with the port that was really bound."""
        return _bound(self._settings.grpc, self._grpc.port)

    async def start(self) -> None:
        """Serves health at once, everything else once the core is warm.

        gRPC starts last, so that its threads do not exist yet when the core starts
        its processes. Raises HostUnfit for too little isolation, StartupError else.
        """
        logging.getLogger().addHandler(self._bridge)
        self._warn_if_open()
        await self._http.start()
        try:
            await self._core.start()
        except (StartupError, SandboxUnavailable) as error:
            raise HostUnfit(str(error)) from error
        if self._telemetry is not None:
            self._telemetry.start()
        await self._grpc.start()
        await self._grpc.set_ready(True)
        self._logger.info("serving", http=self.http_address, grpc=self.grpc_address, version=__version__)

    async def serve(self, stop: asyncio.Event) -> None:
        """Serves until `stop` is set, then drains."""
        await stop.wait()
        await self.drain()

    async def drain(self) -> None:
        """Accepted requests are answered, new ones refused with DRAINING, up to `drain_seconds`."""
        self._logger.info("draining", seconds=self._settings.drain_seconds)
        await self._grpc.set_ready(False)
        await self._core.drain(self._settings.drain_seconds)

    async def close(self) -> None:
        """Ends both faces and the core; safe to call at any time."""
        try:
            await asyncio.gather(self._grpc.stop(_FLUSH_SECONDS), self._http.stop(_FLUSH_SECONDS))
        finally:
            await self._core.close()
            if self._telemetry is not None:
                await asyncio.to_thread(self._telemetry.stop)
            logging.getLogger().removeHandler(self._bridge)
        self._logger.info("closed")


class Warm:
    """Refuses requests, as retryable, until the core has been warm for the first time."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._was_ready = False

    async def verify(self, request: pb.VerifyRequest) -> pb.Verdict:
        """Judges one completion."""
        return await self._warm().verify(request)

    def verify_now(self, request: pb.VerifyRequest) -> pb.Verdict | None:
        """The verdict, if nothing has to be waited for."""
        return self._warm().verify_now(request)

    async def put_tests(self, tests: pb.TestSet) -> pb.TestSetRef:
        """Keeps a test set."""
        return await self._warm().put_tests(tests)

    async def execute(self, request: pb.ExecuteRequest) -> pb.ExecuteResult:
        """Runs a program."""
        return await self._warm().execute(request)

    def capabilities(self) -> pb.Capabilities:
        """What this server can do."""
        return self._warm().capabilities()

    @property
    def ready(self) -> bool:
        """Warm and not draining."""
        return self._core.ready

    @property
    def starting(self) -> bool:
        """Not warm yet, and about to be."""
        return self._core.starting and not self._was_ready

    def _warm(self) -> Core:
        self._was_ready = self._was_ready or self._core.ready
        if not self._was_ready:
            raise RequestError(
                ErrorCode.DRAINING, "still starting up", retry_after_seconds=_RETRY_WHILE_STARTING_SECONDS
            )
        return self._core


def _bound(address: str, port: int) -> str:
    host, _ = split_address(address)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
