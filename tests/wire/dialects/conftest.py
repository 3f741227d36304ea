"""A plain HTTP client on the server that the black-box suite shares."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.wire.conftest import Server


@pytest.fixture(scope="session")
def web(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://{server.http}", timeout=120) as client:
        yield client
