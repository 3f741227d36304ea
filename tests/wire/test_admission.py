"""What the queue and the ids promise, on a real server with one slot."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.wire.clients import GrpcClient, HttpClient, until_metric
from tests.wire.conftest import LIGHT, Server, started

BUSY = 'reward_slots_busy{lane="programs"}'
WAITING = 'reward_slots_waiting{lane="programs"}'
EXECUTED = 'reward_code_cache_total{cache="verdict",result="miss"}'


@pytest.fixture(scope="module")
def one_slot() -> Iterator[Server]:
    with started(*LIGHT, "--slots", "1", "--lend-after-seconds", "1.0", "--lent-slots", "1") as server:
        yield server


def program(name: str, source: str, run: str = "", **limits: Any) -> dict[str, Any]:
    return {
        "id": name,
        "run": run,
        "completion": f"```python\n# {name}\n{source}\nprint(1)\n```",
        "code": {
            "language": "python",
            "stdio": {"cases": [{"input": "", "output": "1"}]},
            "limits": limits,
        },
    }


@pytest.mark.usefixtures("own_server_allowed")
async def test_a_program_that_sleeps_leaves_its_slot_to_others(one_slot: Server) -> None:
    http, order = HttpClient(one_slot.http), list[str]()

    async def verify(request: dict[str, Any]) -> None:
        order.append((await http.verify(request))["id"])

    sleeper = asyncio.create_task(verify(program("sleeper", "import time; time.sleep(60)", wall_seconds=120)))
    await until_metric(http, BUSY, 1)
    await verify(program("quick", ""))
    assert order == ["quick"]
    sleeper.cancel()
    await until_metric(http, BUSY, 0)
    await http.close()


@pytest.mark.usefixtures("own_server_allowed")
async def test_a_request_sent_again_over_the_other_transport_joins_the_first(one_slot: Server) -> None:
    http, over_grpc = HttpClient(one_slot.http), GrpcClient(one_slot.grpc)
    before = await http.metric(EXECUTED)
    request = program("again", "import time; time.sleep(1)")
    first = asyncio.create_task(http.verify(request))
    await until_metric(http, BUSY, 1)
    verdicts = [await over_grpc.verify(request), await first, await http.verify(request)]
    assert [verdict["reward"] for verdict in verdicts] == [1.0] * 3
    assert await http.metric(EXECUTED) == before + 1
    assert [verdict["code"]["cases"] for verdict in verdicts[1:]] == [verdicts[1]["code"]["cases"]] * 2
    await http.close()
    await over_grpc.close()


@pytest.mark.usefixtures("own_server_allowed")
async def test_a_small_run_overtakes_the_backlog_of_a_large_one(one_slot: Server) -> None:
    http, order = HttpClient(one_slot.http), list[str]()

    async def verify(request: dict[str, Any]) -> None:
        order.append((await http.verify(request))["id"])

    busy = "import time\nwhile time.process_time() < 0.4: pass"
    large = [asyncio.create_task(verify(program(f"large{n}", busy, "large"))) for n in range(10)]
    while await http.metric(WAITING) < 5:  # another process has no event for us
        await asyncio.sleep(0.02)
    await verify(program("small", "", "small"))
    assert len(order) < 10  # not behind all that had come before it
    await asyncio.gather(*large)
    await http.close()
