"""The Ray Serve application on a real cluster of several nodes' processes, a replica killed in mid-load.

test_ray.py runs this in a process of its own, with Ray's packages before ours.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protos.reward.v1 import reward_pb2 as pb
from server.errors import StartupError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray's modules warn of what they themselves use
    import ray
    from ray import serve
    from ray.cluster_utils import Cluster

    from server import ray_app

# Ray's own code warns of its deprecations and leaves sockets to the collector.
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]

NODES, REQUESTS = 2, 60
PROGRAM = (
    "import time\nend = time.process_time() + 0.1\nwhile time.process_time() < end: pass\n"
    "print(int(input()) * {})"
)


@pytest.fixture(scope="module")
def port() -> int:
    """One that is free now; Serve takes no 0."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def handle(port: int) -> Iterator[Any]:
    """Two replicas, on two nodes."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    for name in ("raylet_start_wait_time_s", "agent_register_timeout_ms"):
        os.environ.setdefault(f"RAY_{name}", "300000")  # a busy machine is not a broken one
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    for _ in range(NODES - 1):
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    serve.start(http_options={"port": port, "location": "HeadOnly"})
    yield serve.run(ray_app.build({"replicas": 2, "slots": 1, "languages": "python"}), name=ray_app.NAME)
    serve.shutdown()
    ray.shutdown()
    cluster.shutdown()


def math(number: int) -> pb.VerifyRequest:
    task = pb.MathTask(gold=[f"\\sin(2x)+{number}"])
    answer = f"2\\sin x\\cos x+{number if number % 4 else number + 1}"
    return pb.VerifyRequest(id=f"{number}", completion=f"</think> \\boxed{{{answer}}}", math=task)


def code(number: int) -> pb.VerifyRequest:
    task = pb.CodeTask(language="python", stdio=pb.StdioTests(cases=[pb.StdioCase(input="7", output="14")]))
    source = PROGRAM.format(2 if number % 4 else 3)
    return pb.VerifyRequest(id=f"{number}", completion=f"```python\n{source}  # {number}\n```", code=task)


def replicas() -> list[int]:
    """Processes of replicas, by the title that Ray gives them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                title = (entry / "cmdline").read_bytes()
            except OSError:
                continue  # it ended while we looked
            if title.startswith(b"ray::ServeReplica:reward:Replica"):
                found.append(int(entry.name))
    return found


async def test_a_replica_killed_in_mid_load_costs_no_verdict(handle: Any) -> None:
    requests = [(math if number % 2 else code)(number) for number in range(REQUESTS)]
    work = asyncio.create_task(ray_app.verify_many(handle, requests))
    await asyncio.sleep(1)
    before = replicas()
    assert len(before) == 2
    assert not work.done()
    os.kill(before[0], signal.SIGKILL)
    verdicts = await work
    assert [verdict.id for verdict in verdicts] == [request.id for request in requests]
    rewards = [verdict.reward if verdict.HasField("reward") else None for verdict in verdicts]
    assert rewards == [1.0 if number % 4 else 0.0 for number in range(REQUESTS)]
    while len(replicas()) < 2 or before[0] in replicas():  # Serve starts another one
        await asyncio.sleep(0.2)


async def test_the_http_face_answers_at_serves_port(handle: Any, port: int) -> None:
    body = json.dumps({"id": "h", "completion": r"\boxed{\frac{1}{2}}", "math": {"gold": ["0.5"]}}).encode()

    def ask() -> Any:
        url = f"http://127.0.0.1:{port}/v1/verify"
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=60) as response:
            return json.load(response)

    verdict = await asyncio.to_thread(ask)
    assert (verdict["id"], verdict["reward"]) == ("h", 1.0)


@pytest.mark.parametrize(
    "arguments", [{"slotz": 1}, {"replicas": 0}, {"replicas": "many"}, {"slots": "x"}], ids=str
)
def test_wrong_arguments_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(StartupError, match=next(iter(arguments))):
        ray_app.build(arguments)
