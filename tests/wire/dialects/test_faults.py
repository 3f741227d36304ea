"""One transient fault of every kind while each client waits: none lowers a reward.

The clients are short models of the real ones: what they send, how often they try,
and what they make of the answer (the table in docs/dialects.md has the sources).
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.wire import slow_disk
from tests.wire.clients import HttpClient
from tests.wire.conftest import Server, started
from tests.wire.test_kills import jails, kill, launchers, programs

pytestmark = pytest.mark.timeout(900)  # each fixture's server starts and answers all clients within one test
BUSY = "import time\nend = time.process_time() + {seconds}\nwhile time.process_time() < end: pass\n"
PAUSE_SECONDS = 0.2  # between tries; the real clients wait 1 s and longer
PATIENCE_SECONDS = 600  # of this suite on a loaded machine, where a client has none of its own
# On which a client's own patience depends: longer than a launcher takes to start, however busy the machine.
RUN_SECONDS = 400

Post = Callable[[str, dict[str, Any]], Awaitable[httpx.Response]]
Trainer = Callable[[Post, str], Awaitable[float]]


def label(math: bool = False) -> str:
    if math:
        return '{"math": {"gold": ["\\\\sin(2x)"]}}'
    return '{"inputs": ["3"], "outputs": ["6"], "language": "python"}'


async def tried(
    post: Post, path: str, body: dict[str, Any], times: int, statuses: set[int] | None = None
) -> Any:
    """The JSON of the first good answer; None where the client gives up. `statuses`: all that it retries."""
    for _ in range(times):
        answer = await post(path, body)
        if answer.status_code < 300:
            return answer.json()
        if statuses is not None and answer.status_code not in statuses:
            return None
        await asyncio.sleep(PAUSE_SECONDS)
    return None


async def verl(post: Post, program: str) -> float:
    body = {"compile_timeout": RUN_SECONDS, "run_timeout": RUN_SECONDS, "code": program, "stdin": "3",
            "memory_limit_MB": 1024, "language": "python", "files": {}, "fetch_files": []}  # fmt: skip
    answer = await tried(post, "/run_code", body, 3, {504})
    return float(_stdout(answer) == "6\n")


async def skyrl(post: Post, program: str) -> float:
    body = {"language": "python", "code": program, "stdin": "3", "run_timeout": RUN_SECONDS}
    return float(_stdout(await tried(post, "/run_code", body, 1)) == "6\n")


async def sandbox_fusion_sdk(post: Post, program: str) -> float:
    config = {"dataset_type": "CommonOJDataset", "language": "python", "run_timeout": RUN_SECONDS,
              "provided_data": {"test": [{"input": {"stdin": "3"}, "output": {"stdout": "6"}}]}}  # fmt: skip
    body = {"dataset": "x", "id": 1, "completion": f"```python\n{program}\n```", "config": config}
    answer = await tried(post, "/submit", body, 5)
    return float(bool(answer and answer["accepted"]))


async def openrlhf(post: Post, program: str) -> float:
    body = {"query": [f"```python\n{program}\n```"], "prompts": [""], "labels": [label()]}
    answer = await tried(post, "/openrlhf", body, 5)
    return answer["rewards"][0] if answer else float("nan")


async def openrlhf_math(post: Post, program: str) -> float:
    body = {"query": ["\\boxed{2\\sin x\\cos x}"], "prompts": [""], "labels": [label(math=True)]}
    answer = await tried(post, "/openrlhf", body, 5)
    return answer["rewards"][0] if answer else float("nan")


async def slime(post: Post, program: str) -> float:
    body = {"prompt": "", "response": f"```python\n{program}\n```", "label": label()}
    answer = await tried(post, "/slime", body, 10)
    return float("nan") if answer is None else answer


async def open_instruct(post: Post, program: str) -> float:
    body = {"program": program, "tests": [{"input": "3", "output": "6"}], "max_execution_time": 30.0}
    answer = await tried(post, "/test_program_stdio", body, 1)
    return answer["results"][0] if answer else 0.0


async def open_r1(post: Post, program: str) -> float:
    body = {
        "files": [
            {"name": "main.python", "content": program},
            {"name": "input.txt", "content": "3"},
            {"name": "correct_output.txt", "content": "6"},
            {"name": "grader_config", "content": "TIME_LIMIT=60\nMEMORY_LIMIT=256\nINPUT_MODE=stdio"},
        ],
        "run_timeout": 60_000,
        "language": "cf_python3",
        "version": "*",
    }
    answer = await tried(post, "/api/v2/execute", body, 6)
    return float(bool(answer) and answer["run"]["code"] == 0 and answer["run"]["stdout"].strip() == "1")


async def code_judge(post: Post, program: str) -> float:
    body = {"submissions": [{"type": "python", "solution": program, "input": "3", "expected_output": "6"}]}
    answer = await tried(post, "/judge/long-batch", body, 1)
    return float(bool(answer) and answer["results"][0]["success"])


async def ms_swift(post: Post, program: str) -> float:
    body = {"source_code": program, "language_id": 71, "stdin": "3", "expected_output": "6",
            "cpu_time_limit": 60, "wall_time_limit": 60}  # fmt: skip
    answer = await tried(post, "/submissions/?wait=true", body, 1)
    return float(bool(answer) and answer["status"]["description"] == "Accepted")


async def nemo_gym(post: Post, program: str) -> float:
    content = [{"type": "output_text", "text": f"```python\n{program}\n```"}]
    body = {"response": {"output": [{"type": "message", "content": content}]}, "label": label()}
    answer = await tried(post, "/nemo_gym/verify", body, 3, {503})
    return answer["reward"] if answer else 0.0


TRAINERS: tuple[Trainer, ...] = (
    verl, skyrl, sandbox_fusion_sdk, openrlhf, openrlhf_math, slime, open_instruct, open_r1, code_judge,
    ms_swift, nemo_gym,
)  # fmt: skip
NAMES = [trainer.__name__ for trainer in TRAINERS]


def _stdout(answer: Any) -> str | None:
    return answer["run_result"]["stdout"] if answer and answer["status"] == "Success" else None


def program(seconds: float, mark: str) -> str:
    return f"{BUSY.format(seconds=seconds)}print(int(input()) * 2)  # {mark}"


async def rewards_under(
    server: Server, fault: Callable[[], Awaitable[None]], mark: str
) -> dict[str, float | BaseException]:
    """Every client's reward for a right program, all at once, while `fault` happens."""
    async with httpx.AsyncClient(base_url=f"http://{server.http}", timeout=PATIENCE_SECONDS) as web:

        async def post(path: str, body: dict[str, Any]) -> httpx.Response:
            return await web.post(path, json=body)

        work = [trainer(post, program(0.3, f"{mark} {trainer.__name__}")) for trainer in TRAINERS]
        tasks = [asyncio.create_task(one) for one in work]
        await fault()
        found = await asyncio.gather(*tasks, return_exceptions=True)  # one that raises fails for itself alone
        return dict(zip(NAMES, found, strict=True))


async def kill_all(server: Server, victims: Callable[[int], list[int]]) -> None:
    """Kills what is there once programs run."""
    assert server.process is not None
    while not (programs(server.process.pid) and kill(victims(server.process.pid))):
        await asyncio.sleep(0.02)  # another process has no event for us


@dataclass
class Killable(Server):
    """A server of our own; its disk is slow while the file `slow` exists."""

    slow: Path = Path()


@pytest.fixture(scope="module")
def killable() -> Iterator[Killable]:
    if os.environ.get("REWARD_SERVER_TEST_HTTP"):
        pytest.skip(
            "REWARD_SERVER_TEST_HTTP is set: these tests kill processes of a server they start themselves"
        )
    with tempfile.TemporaryDirectory() as place:
        slow = Path(place) / "slow"
        sets = ("--test-sets-directory", f"{place}/sets", "--test-sets-bytes", "100")
        with started("--languages", "python", *sets, program=("tests.wire.slow_disk", str(slow))) as server:
            yield Killable(server.http, server.grpc, server.process, slow)


@pytest.fixture(scope="module")
def after_killed_jails(killable: Killable) -> dict[str, float | BaseException]:
    return asyncio.run(rewards_under(killable, lambda: kill_all(killable, jails), "jails"))


@pytest.fixture(scope="module")
def after_killed_launchers(killable: Killable) -> dict[str, float | BaseException]:
    return asyncio.run(rewards_under(killable, lambda: kill_all(killable, launchers), "launchers"))


@pytest.fixture(scope="module")
def on_a_slow_disk(killable: Killable) -> dict[str, float | BaseException]:
    """Also of a client whose tests are only on that disk: the memory has room for one of the two sets."""
    found: dict[str, float | BaseException] = {}

    async def by_hash() -> None:
        client = HttpClient(killable.http)
        cases = [{"input": "3", "output": "6"}]
        kept = [await client.put_tests({"stdio": {"cases": cases * count}}) for count in (9, 10)]
        task = {"language": "python", "tests_hash": kept[0]["hash"]}
        judged = await client.verify({"completion": f"```python\n{program(0, 'hash')}\n```", "code": task})
        found["by_hash"] = judged["reward"]
        await client.close()

    slow_disk.arm(killable.slow)
    found |= asyncio.run(rewards_under(killable, by_hash, "disk"))
    found["slow"] = slow_disk.disarm(killable.slow)
    return found


@pytest.fixture(scope="module")
def after_full_queue() -> dict[str, float | BaseException]:
    with started("--languages", "python", "--slots", "1", "--max-queue", "1") as server:
        return asyncio.run(_with_full_queue(server))


async def _with_full_queue(server: Server) -> dict[str, float | BaseException]:
    filling = HttpClient(server.http)

    def long(number: int) -> dict[str, Any]:
        cases = {"cases": [{"input": "3", "output": "6"}]}
        completion = f"```python\n{program(1.5, str(number))}\n```"
        return {
            "completion": completion,
            "code": {"language": "python", "stdio": cases, "limits": {"cpu_seconds": 60}},
        }

    fill = [asyncio.create_task(filling.verify(long(number))) for number in range(2)]
    while await filling.metric('reward_in_flight{rpc="verify"}') < len(
        fill
    ):  # another process has no event for us
        await asyncio.sleep(0.02)

    async def refused() -> None:
        while not await filling.metric('reward_refusals_total{code="QUEUE_FULL",rpc="verify"}'):
            await asyncio.sleep(0.02)

    found = await rewards_under(server, refused, "queue")
    await asyncio.gather(*fill)
    await filling.close()
    return found


@pytest.mark.parametrize("name", NAMES)
def test_killed_jails_and_workers_lower_no_reward(
    after_killed_jails: dict[str, float | BaseException], name: str
) -> None:
    assert after_killed_jails[name] == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_killed_launchers_lower_no_reward(
    after_killed_launchers: dict[str, float | BaseException], name: str
) -> None:
    assert after_killed_launchers[name] == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_a_full_queue_lowers_no_reward(after_full_queue: dict[str, float | BaseException], name: str) -> None:
    assert after_full_queue[name] == 1.0


@pytest.mark.parametrize("name", [*NAMES, "by_hash"])
def test_a_slow_disk_lowers_no_reward(on_a_slow_disk: dict[str, float | BaseException], name: str) -> None:
    assert on_a_slow_disk[name] == 1.0


def test_the_disk_was_slow(on_a_slow_disk: dict[str, float | BaseException]) -> None:
    """Two sets were written and one was read."""
    assert float(str(on_a_slow_disk["slow"])) >= 3


@pytest.mark.timeout(240)  # below what any dialect holds the longest of these requests for
async def test_clients_that_leave_take_their_programs_with_them(killable: Killable) -> None:
    assert killable.process is not None
    async with httpx.AsyncClient(base_url=f"http://{killable.http}", timeout=PATIENCE_SECONDS) as web:

        async def post(path: str, body: dict[str, Any]) -> httpx.Response:
            return await web.post(path, json=body)

        endless = program(1e6, "leaves")
        tasks = [
            asyncio.create_task(trainer(post, endless))
            for trainer in TRAINERS
            if trainer is not openrlhf_math
        ]
        while not programs(killable.process.pid):  # another process has no event for us
            await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    watching = HttpClient(killable.http)
    for rpc in ("verify", "execute"):
        while await watching.metric(f'reward_in_flight{{rpc="{rpc}"}}'):  # as above
            await asyncio.sleep(0.02)
    while programs(killable.process.pid):  # as above
        await asyncio.sleep(0.02)
    await watching.close()
