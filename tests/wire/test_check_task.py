"""Tasks are checked before use, over both transports alike."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire.clients import Client, Refusal

RIGHT = "print(int(input()) * 2)"
WRONG = "print(int(input()) + 2)"


def task(*outputs: str, **more: Any) -> dict[str, Any]:
    cases = [{"input": f"{2 * number + 3}\n", "output": output} for number, output in enumerate(outputs)]
    return {"id": "t", "code": {"language": "python", "stdio": {"cases": cases}}, "reference": RIGHT, **more}


async def test_a_fit_task(client: Client) -> None:
    report = await client.check_task(task("6", "10", wrong=[WRONG, ""]))
    assert (report["id"], report["fit"], report["problems"]) == ("t", True, [])
    assert 0 <= report["slowest_cpu_seconds"] < report["limit_cpu_seconds"]


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (task("6", "11"), "the reference is not accepted: WRONG_ANSWER (test 2 of 2"),
        (task("6", wrong=[WRONG, RIGHT]), "wrong[1] is not rejected: ACCEPTED"),
        (task(), "the reference is not accepted: UNGRADABLE (the task has no tests"),
        ({"id": "t", "math": {"gold": ["42"]}, "wrong": ["42.0"]}, "wrong[0] is not rejected: ACCEPTED"),
        ({"id": "t", "math": {"gold": [""]}}, "the right answer '' is not accepted: UNGRADABLE"),
    ],
    ids=["reference", "wrong program", "no tests", "wrong answer", "gold"],
)
async def test_what_is_wrong_with_a_task(client: Client, asked: dict[str, Any], problem: str) -> None:
    report = await client.check_task(asked)
    assert not report["fit"]
    assert report["problems"][0].startswith(problem)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"reference": "x"}, "task"),
        (task("6", reference=""), "reference"),
        (task("6", code={"language": "nothing", "stdio": {"cases": []}}), "code.language"),
        ({"code": {"language": "python", "tests_hash": "sha256:00"}, "reference": "x"}, "code.tests_hash"),
    ],
)
async def test_a_request_that_is_none_names_its_field(
    client: Client, asked: dict[str, Any], field: str
) -> None:
    with pytest.raises(Refusal) as refused:
        await client.check_task(asked)
    assert (refused.value.code, refused.value.field) == ("INVALID_ARGUMENT", field)
