"""docker/Dockerfile, as an operator uses it: through published ports, with `docker stop`, and by mistake."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from protos.reward.v1 import reward_pb2 as pb
from protos.reward.v1 import reward_pb2_grpc
from tests.docker.conftest import CAPABILITIES, JAIL_FLAGS, StartContainer, docker, logs

# The first test builds the image, on a fresh machine after making its base.
pytestmark = pytest.mark.timeout(1200)

DOUBLE_PYTHON = "```python\nprint(int(input()) * 2)\n```"
DOUBLE_CPP = (
    "```cpp\n#include <iostream>\nint main() { long n; std::cin >> n; std::cout << 2 * n << '\\n'; }\n```"
)
DOUBLE_SLOWLY = "```python\nimport time\nn = int(input())\ntime.sleep(3)\nprint(n * 2)\n```"


def code_request(language: str, completion: str, **limits: float) -> dict[str, Any]:
    cases = [{"input": "3\n", "output": "6\n"}, {"input": "-5\n", "output": "-10\n"}]
    task = {"language": language, "stdio": {"cases": cases}, "limits": limits}
    return {"id": language, "completion": completion, "code": task}


def address(container: str, port: int) -> str:
    return docker("port", container, str(port)).splitlines()[0]


def answer(container: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, str]:
    request = urllib.request.Request(
        f"http://{address(container, 8080)}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def verdict(container: str, body: dict[str, Any]) -> dict[str, Any]:
    status, text = answer(container, "/v1/verify", body)
    assert status == 200, text
    return json.loads(text)


def state(container: str, field: str) -> str:
    return docker("inspect", "-f", "{{.State." + field + "}}", container)


def wait_until_ready(container: str) -> None:
    """Returns when /ready answers 200; fails, with the container's log, when it has ended instead."""
    while True:
        if state(container, "Running") != "true":
            pytest.fail(f"the server ended: {logs(container)}")
        try:
            if answer(container, "/ready")[0] == 200:
                return
        except OSError:
            pass  # the port is published before the server listens
        time.sleep(0.1)


def in_flight(container: str) -> float:
    """Requests that the server works on, from its metrics."""
    lines = answer(container, "/metrics")[1].splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("reward_in_flight"))


@pytest.fixture(scope="module")
def server(start: StartContainer) -> str:
    """A container that is ready, with the flags the docs give."""
    container = start(*JAIL_FLAGS)
    wait_until_ready(container)
    return container


def test_verdicts_come_through_the_published_ports(server: str) -> None:
    assert answer(server, "/health")[0] == 200
    math = {"id": "m", "completion": r"so \boxed{\frac{1}{2}}", "math": {"gold": ["0.5"]}}
    assert verdict(server, math)["reward"] == 1.0
    assert verdict(server, math | {"math": {"gold": ["0.75"]}})["status"] == "WRONG_ANSWER"
    for language, completion in (("python", DOUBLE_PYTHON), ("cpp", DOUBLE_CPP)):
        got = verdict(server, code_request(language, completion))
        assert (got["status"], got["reward"], got["isolation"]) == ("ACCEPTED", 1.0, "namespaces"), got
    wrong = verdict(server, code_request("python", DOUBLE_PYTHON.replace("* 2", "* 3")))
    assert (wrong["status"], wrong["reward"]) == ("WRONG_ANSWER", 0.0)


def test_grpc_answers_too(server: str) -> None:
    with grpc.insecure_channel(address(server, 50051)) as channel:
        stub = reward_pb2_grpc.RewardServiceStub(channel)
        got = stub.Verify(
            pb.VerifyRequest(completion=r"\boxed{7}", math=pb.MathTask(gold=["7"])),
            timeout=60,
            wait_for_ready=True,
        )
    assert (got.status, got.reward) == (pb.ACCEPTED, 1.0)


def test_limits_hold_inside_the_container(server: str) -> None:
    loop = verdict(server, code_request("python", "```python\nwhile True: pass\n```", cpu_seconds=0.5))
    assert loop["status"] == "TIME_LIMIT"
    hungry = code_request("python", "```python\nx = bytearray(10**9)\n```", memory_bytes=128 << 20)
    assert verdict(server, hungry)["status"] in {"MEMORY_LIMIT", "RUNTIME_ERROR"}
    assert verdict(server, code_request("python", DOUBLE_PYTHON))["status"] == "ACCEPTED"


def test_the_health_check_sees_a_healthy_server(server: str) -> None:
    while (health := state(server, "Health.Status")) == "starting":
        time.sleep(0.5)
    assert health == "healthy"


def test_default_flags_are_refused_with_the_remedy(start: StartContainer) -> None:
    container = start()
    assert docker("wait", container) == "3"
    text = logs(container)
    assert "namespaces" in text
    assert "--cap-add SYS_ADMIN" in text
    assert "ok   backend landlock" in text
    assert "--min-isolation landlock" in text


def test_docker_stop_drains(start: StartContainer) -> None:
    server = start(*JAIL_FLAGS)
    wait_until_ready(server)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(verdict, server, code_request("python", DOUBLE_SLOWLY))
        while not in_flight(server):
            assert not slow.done(), slow.result()
            time.sleep(0.05)
        docker("stop", "-t", "40", server)
        assert slow.result()["status"] == "ACCEPTED"
    assert state(server, "ExitCode") == "0"


def test_its_compiler_takes_the_headers_that_it_brings(image: str) -> None:
    options = "-O2 -std=gnu++20 -I$(echo /usr/share/reward-server/ahead/g++-*-bits-stdc++.h)"
    command = f"echo '#include <bits/stdc++.h>' | g++ {options} -H -fsyntax-only -x c++ - 2>&1"
    assert docker("run", "--rm", "--entrypoint=sh", image, "-c", command).startswith("! /usr/share/")


def test_nothing_of_the_trainer_is_in_the_image(image: str) -> None:
    names = ["torch", "transformers", "trainer_client"]
    probe = f"import importlib.util as u; print([name for name in {names} if u.find_spec(name)])"
    assert docker("run", "--rm", "--entrypoint", "python", image, "-c", probe) == "[]"
    assert (
        docker("run", "--rm", "--entrypoint", "ls", image, "/opt/venv/bin").split().count("trainer_client")
        == 0
    )


@pytest.mark.parametrize("path", ["docker/compose.yaml", "docs/install.md"])
def test_the_flags_under_test_are_the_documented_ones(repository: Path, path: str) -> None:
    text = (repository / path).read_text()
    for word in (*CAPABILITIES, "seccomp=unconfined", "apparmor=unconfined"):
        assert word in text, word
