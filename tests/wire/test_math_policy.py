"""A math task's policy over both transports."""

from __future__ import annotations

import pytest

from tests.wire.clients import Client


def request(policy: dict[str, str]) -> dict[str, object]:
    math = {"gold": ["1/2"], "policy": policy}
    return {"id": "p", "completion": r"so \boxed{2/4}", "math": math}


@pytest.mark.parametrize(("policy", "status"), [({}, "ACCEPTED"), ({"fractions": "reduced"}, "WRONG_ANSWER")])
async def test_a_policy_reaches_the_judge(client: Client, policy: dict[str, str], status: str) -> None:
    assert (await client.verify(request(policy)))["status"] == status


@pytest.mark.parametrize(
    ("options", "status"), [(["2/3", "1/2"], "ACCEPTED"), (["1/2", "2/3"], "WRONG_ANSWER")]
)
async def test_options_reach_the_judge(client: Client, options: list[str], status: str) -> None:
    math = {"gold": ["1/2"], "options": options}
    verdict = await client.verify({"id": "o", "completion": r"so \boxed{B}", "math": math})
    assert verdict["status"] == status
