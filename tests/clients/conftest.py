"""Published clients in processes of their own: their warnings and their versions stay out of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.wire.conftest import Server, server

__all__ = ["server"]
ROOT = Path(__file__).parents[2]
SECONDS = 840
Ask = Callable[..., Any]


@pytest.fixture(scope="session")
def ask(server: Server) -> Ask:
    """Runs one of the scripts beside this file against the server; gives what it printed as JSON last."""

    def ask(script: str, *, packages: str = ".clients") -> Any:
        if not (folder := ROOT / packages).is_dir():
            pytest.skip(f"{packages} is not installed: scripts/test does it")
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(folder))),
            "SERVER_HTTP": f"http://{server.http}",
            "REWARD_SERVER_ADDRESS": server.grpc,
        }
        path = Path(__file__).parent / "scripts" / f"{script}.py"
        ended = subprocess.run(
            [sys.executable, str(path)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr[-2000:]
        return json.loads(ended.stdout.splitlines()[-1])

    return ask
