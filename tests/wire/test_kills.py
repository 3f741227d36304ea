"""kill -9 of a jail, a worker and the launchers in the middle of work: never a false 0, and it goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.leaks import descendants
from tests.wire.clients import HttpClient
from tests.wire.conftest import Server, started

WORKERS_SECONDS = 10**8  # a math worker's own limit is years
WORK = "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass\nprint(input())"


@pytest.fixture(scope="module")
def killable() -> Iterator[Server]:
    if os.environ.get("REWARD_SERVER_TEST_HTTP"):
        pytest.skip("REWARD_SERVER_TEST_HTTP is set: this test kills processes of a server it starts itself")
    with started("--languages", "python") as server:
        yield server


def code(number: int) -> dict[str, Any]:
    tests = {"cases": [{"input": "7", "output": "7"}]}
    limits = {"cpu_seconds": 20}
    return {
        "id": str(number),
        "completion": f"```python\n{WORK}  # {number}\n```",
        "code": {"language": "python", "stdio": tests, "limits": limits},
    }


def math(number: int) -> dict[str, Any]:
    gold = f"\\sin(2x)+{number}"  # an identity, for which it takes computer algebra
    answer = f"2\\sin x\\cos x+{number}"
    return {"id": str(number), "completion": f"</think> \\boxed{{{answer}}}", "math": {"gold": [gold]}}


def _parent(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rsplit(")", 1)[1].split()[1])
    except OSError:
        return None


def launchers(server: int) -> list[int]:
    return [pid for pid in descendants(server) if _parent(pid) == server]


def jails(server: int) -> list[int]:
    return [pid for parent in launchers(server) for pid in descendants(parent) if _parent(pid) == parent]


def programs(server: int) -> list[int]:
    """What runs under a program's limit on CPU time: a fork of its template, or the template itself."""
    inside = [pid for parent in jails(server) for pid in descendants(parent)]
    return [pid for pid in inside if _cpu_limit(pid) < WORKERS_SECONDS]


def _cpu_limit(pid: int) -> float:
    """Seconds; infinite where there is none, or no process any more."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/limits") as file:
        found = re.search(r"^Max cpu time +(\d+)", file.read(), re.MULTILINE)
        return float(found.group(1)) if found else float("inf")
    return float("inf")


def kill(pids: list[int]) -> int:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(pids)


@pytest.mark.parametrize("victims", [jails, launchers], ids=["jails", "launchers"])
@pytest.mark.parametrize("make", [code, math], ids=["code", "math"])
async def test_a_kill_in_the_middle_is_retried_or_has_no_reward(
    killable: Server, victims: Callable[[int], list[int]], make: Callable[[int], dict[str, Any]]
) -> None:
    assert killable.process is not None
    pid = killable.process.pid
    client = HttpClient(killable.http)
    count = 12 if make is code else 120
    tasks = [asyncio.create_task(client.verify(make(number))) for number in range(count)]
    killed, rounds = 0, 0
    while rounds < 2 and not all(task.done() for task in tasks):
        await asyncio.sleep(0.3 if make is code else 0.05)
        if found := victims(pid):
            killed += kill(found)
            rounds += 1
    verdicts = await asyncio.gather(*tasks)
    assert killed > 0
    for verdict in verdicts:
        right = verdict["status"] == "ACCEPTED" and verdict["reward"] == 1.0
        honest = verdict["status"] == "INTERNAL_ERROR" and verdict["reward"] is None
        assert right or honest, verdict
    after = await client.verify(make(99))
    assert after["status"] == "ACCEPTED"
    await client.close()


async def test_killing_the_program_from_outside_the_jail_is_not_blamed_on_the_service(
    killable: Server,
) -> None:
    assert killable.process is not None
    client = HttpClient(killable.http)
    task = asyncio.create_task(client.verify(code(1000)))
    while not (found := programs(killable.process.pid)):
        await asyncio.sleep(0.01)
    kill(found)
    verdict = await task
    assert verdict["status"] in ("RUNTIME_ERROR", "ACCEPTED")
    after = await client.verify(code(1001))
    assert after["status"] == "ACCEPTED"
    await client.close()
