"""Five hundred requests at once: every one answered, every verdict right, nothing left over."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from sandbox.cgroups import PREFIX, probe
from tests.leaks import descendants, mounts
from tests.wire.clients import GrpcClient, HttpClient
from tests.wire.conftest import Server, started

REQUESTS = 500
FLAT_MEMORY_FACTOR = 1.3  # of the server's own process, between the first load and the third

PYTHON = {
    "ACCEPTED": "print(int(input()) * 2)",
    "WRONG_ANSWER": "print(int(input()) * 3)",
    "RUNTIME_ERROR": "print(1 // 0)",
    "COMPILE_ERROR": "print(",
    "TIME_LIMIT": "while True: pass",
    "MEMORY_LIMIT": "x = bytearray(10**10)",
    "OUTPUT_LIMIT": "while True: print('x' * 10**6)",
    "PROCESS_LIMIT": "import os\nwhile True: os.fork()",
}
LIMITS = {
    "cpu_seconds": 0.2,
    "wall_seconds": 60,
    "memory_bytes": 64 << 20,
    "output_bytes": 1 << 20,
    "processes": 8,
}


def code_request(number: int, status: str, source: str) -> dict[str, Any]:
    cases = [{"input": f"{n}\n", "output": f"{2 * n}\n"} for n in range(1, 4)]
    return {
        "id": f"{status}/{number}",
        "completion": f"```python\n{source}\n```",
        "code": {"language": "python", "stdio": {"cases": cases}, "limits": LIMITS},
    }


def math_request(number: int, *, right: bool) -> dict[str, Any]:
    answer = number if right else number + 1
    status = "ACCEPTED" if right else "WRONG_ANSWER"
    return {
        "id": f"{status}/math{number}",
        "completion": f"</think> \\boxed{{{answer} + x}}",
        "math": {"gold": [f"x+{number}"]},
    }


def requests() -> list[dict[str, Any]]:
    # Every status, but few of the slow ones: the queue is what is tested here.
    slow = [status for status in PYTHON if status.endswith("LIMIT")]
    mix: list[dict[str, Any]] = [code_request(n, status, PYTHON[status]) for n in range(2) for status in slow]
    quick = [status for status in PYTHON if status not in slow]
    for number in range(REQUESTS - len(mix)):
        status = quick[number % len(quick)]
        mix.append(
            math_request(number, right=number % 3 == 0)
            if number % 2
            else code_request(number, status, PYTHON[status])
        )
    return mix


async def load(server: Server) -> list[tuple[str, str]]:
    """Sends the whole mix at once, half over each transport; returns (expected, given) pairs."""
    http, grpc_client = HttpClient(server.http), GrpcClient(server.grpc)
    mix = requests()
    verdicts = await asyncio.gather(
        *((http if n % 2 else grpc_client).verify(request) for n, request in enumerate(mix))
    )
    await http.close()
    await grpc_client.close()
    assert [v["id"] for v in verdicts] == [r["id"] for r in mix]
    return [(verdict["id"].split("/")[0], verdict["status"]) for verdict in verdicts]


async def warm_verdict(server: Server) -> Any:
    """Sends as many symbolic checks as wake every worker; returns the last verdict."""
    client = HttpClient(server.http)
    checks = [math_request(n, right=True) for n in range(50_000, 50_000 + 8 * (os.cpu_count() or 1))]
    verdicts = await asyncio.gather(*map(client.verify, checks))
    await client.close()
    return verdicts[-1]


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def groups_of(pid: int) -> list[str]:
    names = [name for path in probe().directories.values() for name in os.listdir(path)]
    return [name for name in names if name.startswith(f"{PREFIX}{pid}-")]


async def settled_descendants(pid: int, expected: int) -> list[int]:
    for _ in range(200):
        if len(found := descendants(pid)) == expected:
            break
        await asyncio.sleep(0.05)
    return found


@pytest.mark.timeout(600)
async def test_five_hundred_at_once(
    own_server_allowed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with started("--languages", "python") as server:
        assert server.process is not None
        pid = server.process.pid
        assert (await warm_verdict(server))["status"] == "ACCEPTED"
        idle = len(descendants(pid))  # two launchers, and the math workers with their jails
        mounted, grouped = mounts(pid), len(groups_of(pid))
        resident = []
        for _ in range(3):
            pairs = await load(server)
            assert [pair for pair in pairs if pair[0] != pair[1]] == []
            resident.append(resident_bytes(pid))
        assert resident[2] < FLAT_MEMORY_FACTOR * resident[0]
        assert len(await settled_descendants(pid, idle)) == idle
        assert mounts(pid) == mounted
        assert len(groups_of(pid)) == grouped
        assert list(tmp_path.iterdir()) == []
    assert groups_of(pid) == []
    assert list(tmp_path.iterdir()) == []
