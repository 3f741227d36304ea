"""TLS and mTLS on both faces, with certificates made here, and files that do not fit."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import grpc.aio
import httpx
import pytest
from grpc.experimental import session_cache

from protos.reward.v1 import reward_pb2 as pb
from protos.reward.v1 import reward_pb2_grpc
from server.app import App
from server.config import Settings
from server.errors import StartupError
from server.logs import Logger, make_logger
from tests.server.stub_core import StubCore
from trainer_client.client import AsyncRewardClient

pytestmark = pytest.mark.toolchain("openssl")

PLAIN = Settings(http="127.0.0.1:0", grpc="127.0.0.1:0", log_level="error")
QUESTION = pb.GetCapabilitiesRequest()


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as paths."""

    certificate: Path
    key: Path


def openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def authority(directory: Path, name: str) -> Pair:
    made = Pair(directory / f"{name}.pem", directory / f"{name}.key")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *curve, "-keyout", made.key, "-out", made.certificate, "-subj", f"/CN={name}")
    return made


def signed(directory: Path, name: str, by: Pair) -> Pair:
    made, request = Pair(directory / f"{name}.pem", directory / f"{name}.key"), directory / f"{name}.csr"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", *curve, "-keyout", made.key, "-out", request, "-subj", f"/CN={name}")
    extensions = directory / "extensions"
    extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost")
    signer = ("-CA", by.certificate, "-CAkey", by.key, "-CAcreateserial")
    openssl("x509", "-req", "-in", request, *signer, "-out", made.certificate, "-extfile", extensions)
    return made


@dataclass(frozen=True)
class Files:
    """Two authorities, and what the first one signed."""

    ca: Pair
    other_ca: Pair
    server: Pair
    client: Pair


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    directory = tmp_path_factory.mktemp("tls")
    ca, other = authority(directory, "ca"), authority(directory, "other")
    return Files(ca, other, signed(directory, "server", ca), signed(directory, "client", ca))


@asynccontextmanager
async def serving(
    files: Files, *, client_ca: bool = False, logger: Logger | None = None
) -> AsyncIterator[App]:
    settings = replace(
        PLAIN,
        tls_certificate=str(files.server.certificate),
        tls_key=str(files.server.key),
        tls_client_ca=str(files.ca.certificate) if client_ca else "none",
    )
    app = App(settings, StubCore(), logger)
    await app.start()
    try:
        yield app
    finally:
        await app.close()


async def over_http(app: App, ca: Pair, client: Pair | None = None) -> int:
    context = ssl.create_default_context(cafile=str(ca.certificate))
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    async with httpx.AsyncClient(verify=context) as http:
        return (await http.get(f"https://{app.http_address}/v1/capabilities")).status_code


async def over_grpc(app: App, ca: Pair, client: Pair | None = None) -> str:
    key, certificate = (client.key.read_bytes(), client.certificate.read_bytes()) if client else (None, None)
    credentials = grpc.ssl_channel_credentials(ca.certificate.read_bytes(), key, certificate)
    async with grpc.aio.secure_channel(app.grpc_address, credentials) as channel:
        stub = reward_pb2_grpc.RewardServiceStub(channel)
        return str((await stub.GetCapabilities(QUESTION, timeout=20)).isolation)


async def test_both_faces_speak_tls(files: Files) -> None:
    async with serving(files) as app:
        assert await over_http(app, files.ca) == 200
        assert await over_grpc(app, files.ca) == "stub"


async def test_neither_speaks_in_plain_text(files: Files) -> None:
    async with serving(files) as app:
        async with httpx.AsyncClient() as http:
            with pytest.raises(httpx.HTTPError):
                await http.get(f"http://{app.http_address}/health")
        async with grpc.aio.insecure_channel(app.grpc_address) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await reward_pb2_grpc.RewardServiceStub(channel).GetCapabilities(QUESTION, timeout=5)


async def test_a_client_without_a_certificate_is_refused_where_one_is_asked_for(files: Files) -> None:
    async with serving(files, client_ca=True) as app:
        with pytest.raises(httpx.HTTPError):
            await over_http(app, files.ca)
        with pytest.raises(grpc.aio.AioRpcError):
            await over_grpc(app, files.ca)
        assert await over_http(app, files.ca, files.client) == 200
        assert await over_grpc(app, files.ca, files.client) == "stub"


async def test_a_certificate_of_another_authority_is_refused(files: Files) -> None:
    async with serving(files, client_ca=True) as app:
        with pytest.raises((httpx.HTTPError, ssl.SSLError)):
            await over_http(app, files.ca, files.other_ca)
        with pytest.raises(grpc.aio.AioRpcError):
            await over_grpc(app, files.ca, files.other_ca)


async def test_the_trainers_client_takes_its_files_from_the_environment(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWARD_TLS_CA", str(files.ca.certificate))
    monkeypatch.setenv("REWARD_TLS_CERTIFICATE", str(files.client.certificate))
    monkeypatch.setenv("REWARD_TLS_KEY", str(files.client.key))
    async with serving(files, client_ca=True) as app, AsyncRewardClient(app.grpc_address) as client:
        assert (await client.capabilities(deadline_seconds=20)).isolation == "stub"


@pytest.mark.parametrize(
    ("chosen", "at_fault"),
    [
        ({"tls_key": "server.key"}, "tls_certificate: is needed"),
        ({"tls_certificate": "server.certificate"}, "tls_key: is needed"),
        ({"tls_client_ca": "ca.certificate"}, "tls_certificate: is needed"),
        ({"tls_certificate": "/nowhere.pem", "tls_key": "server.key"}, "tls_certificate: /nowhere.pem"),
        (
            {"tls_certificate": "server.certificate", "tls_key": "client.key"},
            "tls_certificate, tls_key: no pair",
        ),
        (
            {"tls_certificate": "server.certificate", "tls_key": "server.key", "tls_client_ca": "ca.key"},
            "tls_client_ca: no PEM",
        ),
    ],
)
def test_files_that_do_not_fit_stop_the_start(files: Files, chosen: dict[str, str], at_fault: str) -> None:
    def path(name: str) -> str:
        owner, _, part = name.partition(".")
        return name if name.startswith("/") else str(getattr(getattr(files, owner), part))

    settings = replace(PLAIN, **{name: path(value) for name, value in chosen.items()})
    with pytest.raises(StartupError, match=at_fault):
        App(settings, StubCore())


@pytest.fixture
def replaceable(files: Files, tmp_path: Path) -> Files:
    """The same in files of this test's own, where the server's pair and its authority are put in place."""
    server, ca = Pair(tmp_path / "tls.crt", tmp_path / "tls.key"), Pair(tmp_path / "ca.crt", files.ca.key)
    put(files.server, server)
    ca.certificate.write_bytes(files.ca.certificate.read_bytes())
    return replace(files, server=server, ca=ca)


def put(pair: Pair, place: Pair) -> None:
    place.certificate.write_bytes(pair.certificate.read_bytes())
    place.key.write_bytes(pair.key.read_bytes())


async def shown(address: str) -> str:
    """The certificate that a handshake there shows, PEM."""
    host, _, port = address.rpartition(":")
    return await asyncio.to_thread(ssl.get_server_certificate, (host, int(port)), timeout=20)


@pytest.mark.parametrize("face", ["http", "grpc"])
async def test_a_renewed_certificate_is_shown_without_a_restart(
    files: Files, replaceable: Files, tmp_path: Path, face: str
) -> None:
    async with serving(replaceable) as app:
        address = app.http_address if face == "http" else app.grpc_address
        assert await shown(address) == files.server.certificate.read_text()
        renewed = signed(tmp_path, "renewed", files.ca)
        put(renewed, replaceable.server)
        while await shown(address) != renewed.certificate.read_text():
            await asyncio.sleep(0.05)
        assert await over_http(app, files.ca) == 200
        assert await over_grpc(app, files.ca) == "stub"


async def test_files_that_do_not_fit_leave_the_certificate_as_it_was(
    files: Files, replaceable: Files
) -> None:
    log = StringIO()
    async with serving(replaceable, logger=make_logger("error", "json", log)) as app:
        replaceable.server.key.write_bytes(files.client.key.read_bytes())
        app.reload()
        assert await shown(app.http_address) == files.server.certificate.read_text()
        assert await over_grpc(app, files.ca) == "stub"
    assert "certificate_not_read" in log.getvalue()
    assert "tls_certificate, tls_key: no pair" in log.getvalue()


async def test_clients_of_a_new_authority_are_let_in_and_the_old_ones_no_longer(
    files: Files, replaceable: Files
) -> None:
    async with serving(replaceable, client_ca=True) as app:
        assert await over_http(app, files.ca, files.client) == 200
        replaceable.ca.certificate.write_bytes(files.other_ca.certificate.read_bytes())
        app.reload()
        assert await over_http(app, files.ca, files.other_ca) == 200
        assert await over_grpc(app, files.ca, files.other_ca) == "stub"
        with pytest.raises((httpx.HTTPError, ssl.SSLError)):
            await over_http(app, files.ca, files.client)
        with pytest.raises(grpc.aio.AioRpcError):
            await over_grpc(app, files.ca, files.client)


def exchange(address: str, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLSession:
    """The session after one request over a connection of its own; raises OSError where there is no answer."""
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=20) as raw,
        context.wrap_socket(raw, server_hostname=host, session=session) as connection,
    ):
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        if not connection.recv(1):
            raise ConnectionResetError("no answer")
        assert connection.session is not None
        return connection.session


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_no_session_brings_in_a_client_whose_authority_is_gone(
    files: Files, replaceable: Files, version: ssl.TLSVersion
) -> None:
    context = ssl.create_default_context(cafile=str(files.ca.certificate))
    context.load_cert_chain(files.client.certificate, files.client.key)
    context.maximum_version = version
    async with serving(replaceable, client_ca=True) as app:

        def attempt() -> None:
            session = exchange(app.http_address, context)
            replaceable.ca.certificate.write_bytes(files.other_ca.certificate.read_bytes())
            app.reload()
            exchange(app.http_address, context, session)

        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.to_thread(attempt)


async def test_no_session_brings_in_a_grpc_client_whose_authority_is_gone(
    files: Files, replaceable: Files
) -> None:
    sessions = ("grpc.ssl_session_cache", session_cache.ssl_session_cache_lru(8))
    options = [sessions, ("grpc.use_local_subchannel_pool", 1)]
    keys = (files.client.key.read_bytes(), files.client.certificate.read_bytes())
    credentials = grpc.ssl_channel_credentials(files.ca.certificate.read_bytes(), *keys)

    async def ask(app: App) -> str:
        async with grpc.aio.secure_channel(app.grpc_address, credentials, options) as channel:
            stub = reward_pb2_grpc.RewardServiceStub(channel)
            return str((await stub.GetCapabilities(QUESTION, timeout=20)).isolation)

    async with serving(replaceable, client_ca=True) as app:
        assert await ask(app) == "stub"
        replaceable.ca.certificate.write_bytes(files.other_ca.certificate.read_bytes())
        app.reload()
        with pytest.raises(grpc.aio.AioRpcError):
            await ask(app)
