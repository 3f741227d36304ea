"""The `landlock` backend where it belongs: in containers with Docker's default flags."""

from __future__ import annotations

import pytest

from tests.docker.conftest import StartContainer
from tests.docker.test_image import DOUBLE_CPP, DOUBLE_PYTHON, code_request, verdict, wait_until_ready

pytestmark = pytest.mark.timeout(1200)

ACCEPT_LESS = ["-e", "REWARD_SERVER_MIN_ISOLATION=landlock", "-e", "SECRET_TOKEN=hidden"]
FLAGS = {"as_root": ACCEPT_LESS, "as_a_user": [*ACCEPT_LESS, "--user", "12345:12345"]}


@pytest.fixture(scope="module", params=FLAGS)
def server(request: pytest.FixtureRequest, start: StartContainer) -> str:
    container = start(*FLAGS[request.param])
    wait_until_ready(container)
    return container


def run_alone(server: str, source: str, **limits: float) -> dict[str, object]:
    """The verdict on a program whose output is to be one word: done."""
    request = code_request("python", f"```python\n{source}\n```", **limits)
    request["code"]["stdio"] = {"cases": [{"input": "", "output": "done\n"}]}
    return verdict(server, request)


def test_verdicts_say_what_isolated_them(server: str) -> None:
    for language, completion in (("python", DOUBLE_PYTHON), ("cpp", DOUBLE_CPP)):
        got = verdict(server, code_request(language, completion))
        assert (got["status"], got["reward"], got["isolation"]) == ("ACCEPTED", 1.0, "landlock"), got


def test_math_is_judged_under_it_too(server: str) -> None:
    math = {"id": "m", "completion": r"so \boxed{(x+1)^2}", "math": {"gold": ["x^2+2x+1"]}}
    got = verdict(server, math)
    assert (got["reward"], got["isolation"]) == (1.0, "landlock"), got


@pytest.mark.parametrize(
    "attempt",
    [
        "open('/proc/1/environ').read()",
        "open('/proc/1/cmdline').read()",
        "open('/etc/passwd').read()",
        "import os; os.listdir('/opt/venv')",
        "import os; os.kill(1, 0)",
        "open('/tmp/left', 'w')",
        "open('/dev/shm/left', 'w')",
        "import socket; socket.create_connection(('127.0.0.1', 8080))",
        "import socket; socket.socket(socket.AF_UNIX).connect('/var/run/docker.sock')",
    ],
)
def test_what_is_outside_is_out_of_reach(server: str, attempt: str) -> None:
    got = run_alone(server, f"try:\n    {attempt}\n    print('reached')\nexcept OSError:\n    print('done')")
    assert got["status"] == "ACCEPTED", got


def test_limits_hold(server: str) -> None:
    assert run_alone(server, "while True: pass", cpu_seconds=0.5)["status"] == "TIME_LIMIT"
    filling = run_alone(
        server, "f = open('f', 'wb')\nwhile True: f.write(bytes(10**6))", memory_bytes=64 << 20
    )
    assert filling["status"] == "MEMORY_LIMIT"
    bomb = run_alone(server, "import os\nwhile True: os.fork()", processes=16)
    assert bomb["status"] in {"PROCESS_LIMIT", "RUNTIME_ERROR"}
    assert verdict(server, code_request("python", DOUBLE_PYTHON))["status"] == "ACCEPTED"
