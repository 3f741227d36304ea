"""Clients of other projects, unmodified, against the real server."""

from __future__ import annotations

import pytest

from tests.clients.conftest import Ask

pytestmark = pytest.mark.timeout(900)  # TRL and torch take minutes to import on a busy machine


@pytest.mark.toolchain("g++")
def test_verl_reads_every_verdict_as_it_is(ask: Ask) -> None:
    found = ask("verl_sandbox_fusion")
    assert found["scores"] == [1.0, 0.5, 0.5, 0.0]
    assert found["right"]["results"] == [True, True]
    assert found["wrong"] == {"results": [False, False], "statuses": ["wrong_answer"] * 2}
    assert found["call"]["results"] == [True]
    assert found["compile error"]["results"] == [-4, -4]
    assert found["runtime error"] == {"results": [-2, -2], "statuses": ["runtime_error"] * 2}
    assert found["timeout"] == {"results": [-3, -3], "statuses": ["timeout"] * 2}
    expected = [-3 if n % 25 == 5 else n % 10 != 3 for n in range(100)]
    assert found["many"]["results"] == expected
    assert set(found["hogs"]["results"]) <= {-2, -3}  # killed for memory, never a fault of the service


@pytest.mark.toolchain("g++")
def test_the_sdk_of_sandbox_fusion(ask: Ask) -> None:
    found = ask("sandbox_fusion_sdk")
    assert found["ran"] == ["Success", "x\n"]
    assert found["broken"] == ["Failed", None]
    assert found["accepted"] is True
    assert found["notebook"] == ["Success", "2\n", [{"text/plain": "3"}]]


def test_openrlhf_gets_its_rewards(ask: Ask) -> None:
    assert ask("openrlhf_remote") == [0.0, 1.0, 1.0]


def test_skyrl_steps_our_environment(ask: Ask) -> None:
    assert ask("skyrl_env") == [[1.0, True, "ACCEPTED"], [0.0, True, "WRONG_ANSWER"]]


def test_trls_trainer_learns_on_our_verdicts_alone(ask: Ask) -> None:
    found = ask("trl_grpo", packages=".trl")
    assert set(found["judged"]) == {1.0}
    assert max(found["rewards"][:2]) < 0.4
    assert min(found["rewards"][-4:]) > 0.9
