"""The server under test: one at a given address, or one that is started here as a real process.

REWARD_SERVER_TEST_HTTP and REWARD_SERVER_TEST_GRPC (host:port, both) point the
suite at any deployment.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.wire.clients import Client, GrpcClient, HttpClient

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 60
# Flags for a server of a test's own that starts sooner: one language is tried, one process learns algebra.
LIGHT = ("--languages", "python", "--math-workers", "1")


@dataclass
class Server:
    """Where a server listens; `process` is absent for one that somebody else runs."""

    http: str
    grpc: str
    process: subprocess.Popen[str] | None = None

    def terminate(self) -> None:
        """Sends SIGTERM."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)


@contextlib.contextmanager
def started(*flags: str, program: Sequence[str] = ("server",)) -> Iterator[Server]:
    """A server process on free ports; killed at the end if it has not ended by itself."""
    command = [
        sys.executable,
        "-m",
        *program,
        "serve",
        "--http",
        "127.0.0.1:0",
        "--grpc",
        "127.0.0.1:0",
        *flags,
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REWARD_SERVER_")}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.fullmatch(r"serving http=(\S+) grpc=(\S+)\n", line)
            assert found is not None, f"the server did not start: {line!r}"
            yield Server(found.group(1), found.group(2), process)
            process.terminate()
            process.wait(STOP_SECONDS)
        finally:
            process.kill()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server that most tests share."""
    http, grpc = (os.environ.get(f"REWARD_SERVER_TEST_{name}") for name in ("HTTP", "GRPC"))
    if http and grpc:
        yield Server(http, grpc)
        return
    with started() as server:
        yield server


@pytest.fixture
async def http(server: Server) -> AsyncIterator[HttpClient]:
    client = HttpClient(server.http)
    yield client
    await client.close()


@pytest.fixture
async def grpc_client(server: Server) -> AsyncIterator[GrpcClient]:
    client = GrpcClient(server.grpc)
    yield client
    await client.close()


@pytest.fixture(params=["http", "grpc"])
async def client(request: pytest.FixtureRequest, http: HttpClient, grpc_client: GrpcClient) -> Client:
    """Each test that takes it runs once over each transport."""
    return http if request.param == "http" else grpc_client


@pytest.fixture
def own_server_allowed() -> None:
    """For tests that stop a server or set it up in their own way."""
    if os.environ.get("REWARD_SERVER_TEST_HTTP"):
        pytest.skip("REWARD_SERVER_TEST_HTTP is set: this test needs a server that it starts itself")
