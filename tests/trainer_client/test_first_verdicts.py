"""A run does not begin against a verifier that is wrong about what is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from protos.reward.v1 import reward_pb2 as pb
from trainer_client.client import Verdict
from trainer_client.errors import VerifierMismatch
from trainer_client.first_verdicts import show_first_verdicts
from trainer_client.recipe import load_recipe


@dataclasses.dataclass
class Server:
    """Answers by a rule on the request's id, first/DOMAIN/right or wrong."""

    reward: Callable[[str], float | None]

    def verify(self, request: pb.VerifyRequest) -> Verdict:
        reward = self.reward(request.id)
        status = {1.0: pb.ACCEPTED, 0.0: pb.WRONG_ANSWER, None: pb.INTERNAL_ERROR}[reward]
        return Verdict.of(pb.Verdict(id=request.id, status=status, reward=reward), 1)


@dataclasses.dataclass
class Notes:
    lines: list[str] = dataclasses.field(default_factory=list)

    def note(self, text: str) -> None:
        self.lines.append(text)


def shown(reward: Callable[[str], float | None]) -> list[str]:
    notes: Any = Notes()
    server: Any = Server(reward)
    show_first_verdicts(load_recipe("tiny"), server, notes)
    return list(notes.lines)


def test_each_domain_is_tried_with_a_right_and_a_wrong_answer() -> None:
    lines = shown(lambda request_id: 1.0 if request_id.endswith("right") else 0.0)
    assert [line.split(":")[0] for line in lines] == [
        "a right math answer",
        "a wrong math answer",
        "a right code answer",
        "a wrong code answer",
    ]
    assert "ACCEPTED, reward 1" in lines[0]


@pytest.mark.parametrize("always", [0.0, 1.0])
def test_a_verifier_that_says_always_the_same_ends_the_run(always: float) -> None:
    with pytest.raises(VerifierMismatch, match=r"the server (rejects the right|accepts the wrong)"):
        shown(lambda request_id: always)


def test_one_wrong_way_to_a_right_answer_is_no_mismatch() -> None:
    wrong = iter([1.0, 0.0, 0.0])
    lines = shown(lambda request_id: 1.0 if request_id.endswith("right") else next(wrong))
    assert len(lines) == 4


def test_a_service_fault_says_nothing_against_the_verifier() -> None:
    assert all("no reward" in line for line in shown(lambda request_id: None))


def test_golds_of_a_file_must_be_accepted(tmp_path: Path) -> None:
    path = tmp_path / "math.jsonl"
    path.write_text('{"id": "a", "problem": "?", "gold": "1"}\n')
    recipe = load_recipe("tiny")
    stages = tuple(dataclasses.replace(stage, data=str(path)) for stage in recipe.stage[:1])
    recipe = dataclasses.replace(recipe, stage=stages)
    notes: Any = Notes()
    accepting: Any = Server(lambda request_id: 1.0)
    show_first_verdicts(recipe, accepting, notes)
    assert notes.lines == ["the gold of a: ACCEPTED, reward 1 ()"]
    rejecting: Any = Server(lambda request_id: 0.0)
    with pytest.raises(VerifierMismatch, match="rejects the gold of a"):
        show_first_verdicts(recipe, rejecting, notes)
