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
