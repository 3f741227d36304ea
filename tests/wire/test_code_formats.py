"""Special checkers, interactors, unit tests and shared verdicts over both transports."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.wire.clients import Client, Refusal

VALIDATOR = (
    "import sys\nsys.exit(42 if sys.stdin.read().split()[0] == open(sys.argv[2]).read().strip() else 43)\n"
)
INTERACTOR = (
    "import sys\nprint(21, flush=True)\nsys.exit(42 if input() == open(sys.argv[2]).read() else 43)\n"
)
DOUBLE = "```python\nprint(int(input()) * 2)\n```"
UNIT_TEST = "from solution import double\n\ndef test_double():\n    assert double(2) == 4\n"
CASES = {"cases": [{"input": "3\n", "output": "6"}]}


def code(completion: str, **task: Any) -> dict[str, Any]:
    return {"id": "c", "completion": completion, "code": {"language": "python", **task}}


def checker(**fields: Any) -> dict[str, Any]:
    return {"program": {"language": "python", "source": VALIDATOR, "protocol": "kattis", **fields}}


def interactive(**fields: Any) -> dict[str, Any]:
    interactor = {"language": "python", "source": INTERACTOR, **fields}
    return {"interactor": interactor, "cases": [{"input": "", "answer": "42"}]}


@pytest.mark.parametrize(
    ("program", "status"), [(DOUBLE, "ACCEPTED"), ("```python\nprint(7)\n```", "WRONG_ANSWER")]
)
async def test_special_checker(client: Client, program: str, status: str) -> None:
    verdict = await client.verify(code(program, stdio=CASES, checker=checker()))
    assert (verdict["status"], verdict["trust"]) == (status, "OUTSIDE")


async def test_special_checker_of_a_kept_test_set(client: Client) -> None:
    kept = await client.put_tests({"stdio": CASES})
    verdict = await client.verify(code(DOUBLE, tests_hash=kept["hash"], checker=checker()))
    assert verdict["status"] == "ACCEPTED"


async def test_interactive(client: Client) -> None:
    verdict = await client.verify(code(DOUBLE, interactive=interactive()))
    assert (verdict["status"], verdict["trust"]) == ("ACCEPTED", "OUTSIDE")


@pytest.mark.parametrize(
    "task",
    [{"stdio": CASES, "checker": checker(source="1 / 0")}, {"interactive": interactive(source="1 / 0")}],
)
async def test_a_broken_judge_gives_no_reward(client: Client, task: dict[str, Any]) -> None:
    verdict = await client.verify(code(DOUBLE, **task))
    assert (verdict["status"], verdict.get("reward")) == ("UNGRADABLE", None)


@pytest.mark.parametrize("framework", ["pytest", "unittest"])
async def test_unit_tests(client: Client, framework: str) -> None:
    body = (
        UNIT_TEST
        if framework == "pytest"
        else (
            "import unittest\nfrom solution import double\nclass T(unittest.TestCase):\n"
            "    def test_double(self):\n        self.assertEqual(double(2), 4)\n"
        )
    )
    tests = {"files": {"test_it.py": body}, "framework": framework}
    verdict = await client.verify(code("```python\ndef double(n):\n    return 2 * n\n```", unit_test=tests))
    assert (verdict["status"], verdict["trust"]) == ("ACCEPTED", "IN_PROCESS")


@pytest.mark.parametrize(
    ("task", "field"),
    [
        ({"stdio": CASES, "checker": checker(protocol="guess")}, "code.checker.program.protocol"),
        ({"stdio": CASES, "checker": checker(language="klingon")}, "code.checker.program.language"),
        ({"interactive": interactive(language="klingon")}, "code.interactive.interactor.language"),
        ({"unit_test": {"files": {"../x": ""}, "framework": "pytest"}}, "code.unit_test.files['../x']"),
        ({"unit_test": {"files": {}, "framework": "nose"}}, "code.unit_test.framework"),
    ],
)
async def test_refusals_name_their_field(client: Client, task: dict[str, Any], field: str) -> None:
    with pytest.raises(Refusal) as refused:
        await client.verify(code(DOUBLE, **task))
    assert (refused.value.code, refused.value.field) == ("INVALID_ARGUMENT", field)


async def test_identical_programs_are_judged_once(client: Client) -> None:
    requests = [
        code(f"```python\n# {client.name}\nprint(6)\n```", stdio=CASES) | {"id": str(n)} for n in range(8)
    ]
    verdicts = await asyncio.gather(*map(client.verify, requests))
    assert sorted(verdict["id"] for verdict in verdicts) == sorted(request["id"] for request in requests)
    assert sum(bool(verdict["cached"]) for verdict in verdicts) == 7
