"""Clients that are not on PyPI: their bytes, as recorded, get the recorded answer, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.exchanges import FOLDER, ask, masked
from tests.wire.conftest import Server

REQUESTS = [
    pytest.param(path, id=path.stem, marks=[pytest.mark.toolchain("g++")] if "cpp" in path.stem else [])
    for path in sorted(FOLDER.glob("*.request"))
]


@pytest.mark.parametrize("path", REQUESTS)
def test_recorded_bytes_get_the_recorded_answer(server: Server, path: Path) -> None:
    assert masked(ask(server.http, path.read_bytes())) == path.with_suffix(".response").read_bytes()


def test_what_is_masked_is_only_what_a_run_measures() -> None:
    answer = b'HTTP/1.1 200 OK\r\ndate: now\r\nx: y\r\n\r\n{"time":"0.5","stdout":"3","runtimes":[0.25,-1.0]}'
    expected = b'HTTP/1.1 200 OK\r\ndate: *\r\nx: y\r\n\r\n{"time":*,"stdout":"3","runtimes":[*,-1.0]}'
    assert masked(answer) == expected
