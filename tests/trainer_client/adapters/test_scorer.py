"""The shared half of the adapters: settings, verdicts from anywhere, numbers or an error."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.trainer_client.adapters.conftest import answering
from tests.trainer_client.fake_server import FakeServer, verdict
from trainer_client.adapters.scorer import Scorer, ScorerSettings, text_of
from trainer_client.errors import NotJudged


def test_the_environment_has_the_settings() -> None:
    environment = {
        "REWARD_SERVER_ADDRESS": "h:1",
        "REWARD_RUN": "r",
        "REWARD_EXTRACTION": "whole",
        "REWARD_DEADLINE_SECONDS": "5",
        "REWARD_ATTEMPT_SECONDS": "2",
        "REWARD_IF_UNJUDGED": "-1",
    }
    wanted = ScorerSettings("h:1", "r", "whole", 5.0, -1.0, 2.0)
    assert ScorerSettings.from_environment(environment) == wanted
    assert ScorerSettings.from_environment({}) == ScorerSettings()


def test_verdicts_come_in_order(server: FakeServer) -> None:
    scorer = Scorer(ScorerSettings(server.address))
    verdicts = scorer.verdicts_plainly(["1", "2", "3"], [r"\boxed{1}", r"\boxed{9}", r"\boxed{3}"])
    assert [found.reward for found in verdicts] == [1.0, 0.0, 1.0]


def test_each_event_loop_gets_a_client(server: FakeServer) -> None:
    scorer = Scorer(ScorerSettings(server.address))
    for _ in range(2):
        assert asyncio.run(scorer.verdict("1", r"\boxed{1}")).reward == 1.0


def test_a_fork_makes_its_own_connection(server: FakeServer) -> None:
    scorer = Scorer(ScorerSettings(server.address))
    pid = os.getpid()
    scorer._plain = (pid + 1, None)  # as after a fork: made by another process
    assert scorer.verdicts_plainly(["1"], [r"\boxed{1}"])[0].reward == 1.0
    assert scorer._plain[0] == pid


def test_a_fault_of_the_service_is_waited_out(server: FakeServer) -> None:
    answering(server, verdict("INTERNAL_ERROR"), verdict("OVERLOADED"))
    scorer = Scorer(ScorerSettings(server.address))
    assert scorer.verdicts_plainly(["1"], [r"\boxed{1}"])[0].reward == 1.0


def test_without_a_verdict_there_is_no_number(server: FakeServer) -> None:
    answering(server, verdict("UNGRADABLE", message="no gold"))
    scorer = Scorer(ScorerSettings(server.address))
    (found,) = scorer.verdicts_plainly(["1"], [r"\boxed{1}"])
    with pytest.raises(NotJudged, match="UNGRADABLE: no gold"):
        scorer.reward(found)


def test_a_number_may_stand_in(server: FakeServer) -> None:
    answering(server, verdict("UNGRADABLE"))
    scorer = Scorer(ScorerSettings(server.address, if_unjudged=-0.5))
    (found,) = scorer.verdicts_plainly(["1"], [r"\boxed{1}"])
    assert scorer.reward(found) == -0.5


def test_the_run_and_the_policy_go_along(server: FakeServer) -> None:
    seen: list[tuple[str, str]] = []
    server.faults = lambda request, _: seen.append((request.run, request.extraction))  # type: ignore[func-returns-value]
    Scorer(ScorerSettings(server.address, run="r", extraction="last_boxed")).verdicts_plainly(
        ["1"], [r"\boxed{1}"]
    )
    assert seen == [("r", "last_boxed")]


@pytest.mark.parametrize(
    ("completion", "text"),
    [("a", "a"), ([{"role": "assistant", "content": "b"}], "b"), ([], "")],
)
def test_a_conversation_is_read_by_its_last_message(completion: object, text: str) -> None:
    assert text_of(completion) == text


def test_the_settings_bound_all_attempts_and_each() -> None:
    policy = Scorer(ScorerSettings(deadline_seconds=9.0, attempt_seconds=4.0))._policy()
    assert (policy.deadline_seconds, policy.attempt_seconds) == (9.0, 4.0)
