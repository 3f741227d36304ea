"""Right answers over both transports, from the outside: nothing here imports the server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.wire.clients import Client, GrpcClient, HttpClient

DOUBLE = "```python\nprint(int(input()) * 2)\n```"
ADD = "```python\ndef add(a, b):\n    return a + b\n```"
CPP_DOUBLE = "```cpp\n#include <iostream>\nint main() { long n; std::cin >> n; std::cout << 2 * n; }\n```"


def math(completion: str, *gold: str, **more: Any) -> dict[str, Any]:
    return {"id": "m", "completion": completion, "math": {"gold": list(gold)}, **more}


def stdio(completion: str, *cases: tuple[str, str], **task: Any) -> dict[str, Any]:
    tests = {"cases": [{"input": given, "output": expected} for given, expected in cases]}
    return {"id": "c", "completion": completion, "code": {"language": "python", "stdio": tests, **task}}


@pytest.mark.parametrize(
    ("completion", "gold", "status"),
    [
        (r"<think>hm</think> \boxed{42}", "42", "ACCEPTED"),
        (r"<think>hm</think> \boxed{41}", "42", "WRONG_ANSWER"),
        (r"<think>hm</think> \boxed{\frac{1}{2}}", "0.5", "ACCEPTED"),
        (r"<think>hm</think> \boxed{x+1}", "1+x", "ACCEPTED"),
        (r"<think>hm</think> no answer here", "42", "NO_ANSWER"),
    ],
)
async def test_math(client: Client, completion: str, gold: str, status: str) -> None:
    verdict = await client.verify(math(completion, gold))
    assert (verdict["id"], verdict["status"]) == ("m", status)
    assert verdict["reward"] == (1.0 if status == "ACCEPTED" else 0.0)


async def test_math_explains_itself(client: Client) -> None:
    verdict = await client.verify(math(r"</think> \boxed{042}", "42"))
    assert verdict["math"]["gold_parsed"] == "42"
    assert verdict["math"]["rule"]
    assert verdict["extracted"] == "042"


async def test_a_program_that_is_right(client: Client) -> None:
    verdict = await client.verify(stdio(DOUBLE, ("3\n", "6\n"), ("5\n", "10\n")))
    assert (verdict["id"], verdict["status"], verdict["reward"]) == ("c", "ACCEPTED", 1.0)
    assert [verdict["code"][name] for name in ("tests_passed", "tests_run", "tests_total")] == [2, 2, 2]
    assert verdict["trust"] == "OUTSIDE"
    assert verdict["isolation"]


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("print(int(input()) * 3)", "WRONG_ANSWER"),
        ("raise ValueError('no')", "RUNTIME_ERROR"),
        ("def broken(:", "COMPILE_ERROR"),
        ("while True: pass", "TIME_LIMIT"),
        ("print('x' * 3_000_000)", "OUTPUT_LIMIT"),
    ],
)
async def test_a_program_that_is_wrong_has_reward_0(client: Client, program: str, status: str) -> None:
    limits = {"cpu_seconds": 1, "output_bytes": 1 << 20}
    verdict = await client.verify(stdio(f"```python\n{program}\n```", ("3\n", "6\n"), limits=limits))
    assert (verdict["status"], verdict["reward"]) == (status, 0.0)


async def test_no_program_is_no_answer(client: Client) -> None:
    verdict = await client.verify(stdio("I do not know.", ("3\n", "6\n")))
    assert (verdict["status"], verdict["reward"]) == ("NO_ANSWER", 0.0)


async def test_fraction_scoring(client: Client) -> None:
    request = stdio(DOUBLE, ("3\n", "6\n"), ("5\n", "11\n"), scoring="fraction", run_all=True)
    verdict = await client.verify(request)
    assert (verdict["status"], verdict["reward"]) == ("PARTIAL", 0.5)


@pytest.mark.parametrize("checker", ["tokens", "lines", {"name": "exact"}, {"floats": {"abs": 0.01}}])
async def test_checkers(client: Client, checker: object) -> None:
    assert (await client.verify(stdio(DOUBLE, ("3\n", "6\n"), checker=checker)))["reward"] == 1.0
    assert (await client.verify(stdio(DOUBLE, ("3\n", "7\n"), checker=checker)))["reward"] == 0.0


@pytest.mark.parametrize(("args", "expected"), [([1, 2], 3), ([10**30, 1], 10**30 + 1), ([[1], [2]], [1, 2])])
async def test_calls(client: Client, args: list[Any], expected: Any) -> None:
    tests = {"function": "add", "cases": [{"args": args, "expected": expected}]}
    verdict = await client.verify({"completion": ADD, "code": {"language": "python", "call": tests}})
    assert (verdict["status"], verdict["reward"]) == ("ACCEPTED", 1.0)


@pytest.mark.toolchain("g++")
async def test_cpp(client: Client) -> None:
    request = stdio(CPP_DOUBLE, ("3\n", "6\n"), language="cpp", limits={"cpu_seconds": 10})
    assert (await client.verify(request))["status"] == "ACCEPTED"


async def test_tests_are_sent_once_and_named_by_hash(client: Client) -> None:
    kept = await client.put_tests({"stdio": {"cases": [{"input": "4\n", "output": "8\n"}]}})
    request = {"completion": DOUBLE, "code": {"language": "python", "tests_hash": kept["hash"]}}
    assert (await client.verify(request))["reward"] == 1.0
    assert kept["hash"].startswith("sha256:")


async def test_an_unknown_hash_is_an_answer_without_a_reward(client: Client) -> None:
    request = {"completion": DOUBLE, "code": {"language": "python", "tests_hash": "sha256:" + "0" * 64}}
    verdict = await client.verify(request)
    assert (verdict["status"], verdict["reward"]) == ("UNKNOWN_TESTS", None)


async def test_execute_runs_and_judges_nothing(client: Client) -> None:
    source = "import sys\nprint(input()[::-1], sys.argv[1])"
    result = await client.execute(
        {"id": "e", "language": "python", "source": source, "stdin": ["abc", "xyz"], "arguments": ["!"]}
    )
    assert [run["stdout"] for run in result["runs"]] == ["cba !\n", "zyx !\n"]
    assert [run["exit_code"] for run in result["runs"]] == [0, 0]


async def test_capabilities_name_the_languages(client: Client) -> None:
    capabilities = await client.capabilities()
    python = next(found for found in capabilities["languages"] if found["name"] == "python")
    assert python["available"]
    assert "boxed_after_think" in capabilities["extraction_policies"]
    assert "tokens" in capabilities["checkers"]


async def test_a_stream_answers_every_request(client: Client) -> None:
    requests = [math(rf"</think> \boxed{{{n}}}", "7", id=str(n)) for n in range(20)]
    answers = await client.stream(requests)
    assert {answer["id"]: answer["reward"] for answer in answers} == {
        str(n): float(n == 7) for n in range(20)
    }


async def test_one_bad_entry_leaves_the_stream_alone(client: Client) -> None:
    requests = [math(r"</think> \boxed{1}", "1", id="good"), {"id": "bad", "completion": "x"}]
    answers = {answer["id"]: answer for answer in await client.stream(requests)}
    assert answers["good"]["reward"] == 1.0
    assert answers["bad"]["error"]["code"] == "INVALID_ARGUMENT"
    assert answers["bad"].get("reward") is None


async def test_a_batch_in_its_order(http: HttpClient) -> None:
    requests = [math(rf"</think> \boxed{{{n}}}", "1", id=str(n)) for n in (3, 1, 2)] + [{"id": "bad"}]
    body = (await http.http.post("/v1/verify/batch", json={"requests": requests})).json()
    assert [verdict["id"] for verdict in body["verdicts"]] == ["3", "1", "2", "bad"]
    assert body["verdicts"][3]["error"]["code"] == "INVALID_ARGUMENT"


async def test_both_transports_give_the_same_verdict(http: HttpClient, grpc_client: GrpcClient) -> None:
    for request in (
        math(r"</think> \boxed{x^2-1}", "(x-1)(x+1)"),
        stdio(DOUBLE, ("3\n", "6\n"), ("1\n", "3\n")),
    ):
        over_http, over_grpc = await asyncio.gather(http.verify(request), grpc_client.verify(request))
        names = ("id", "status", "reward", "message", "extracted", "trust", "isolation", "flags")
        assert {n: over_http[n] for n in names} == {n: over_grpc[n] for n in names}
        assert over_http.get("math") == over_grpc.get("math")


async def test_a_verdict_is_one_json_object_of_snake_case_names(http: HttpClient) -> None:
    response = await http.http.post("/v1/verify", content=json.dumps(stdio(DOUBLE, ("3\n", "6\n"))))
    verdict = response.json()
    assert {"id", "status", "reward", "message", "code", "trust", "isolation", "flags", "timing"} <= set(
        verdict
    )
    assert verdict["code"]["cases"][0]["difference"] is None
